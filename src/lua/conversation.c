#include "lua/conversation.h"

#include <string.h>

#include <lauxlib.h>

#include "base/json.h"
#include "confab/conversation.h"
#include "confab/error.h"
#include "lua/json.h"
#include "lua/raise.h"
#include "lua/reply.h"

#define CONVERSATION_MT "confab.conversation"

enum { UV_FIELDS = 1 };

struct lua_conversation {
    struct cf_conversation conversation;         /* its turns do not change once scripts see it */
    struct cf_conversation_measure measure;      /* once is_measured */
    bool is_measured;
    bool is_valid;                               /* as a reply; false: not known */
};

/* Of what a script reads of a conversation, and what is kept beside: about so many are set. */
#define FIELDS 20

static struct lua_conversation *push_conversation(lua_State *L)
{
    struct lua_conversation *self = lua_newuserdatauv(L, sizeof *self, 1);  /* self */
    memset(self, 0, sizeof *self);
    cf_conversation_init(&self->conversation);
    luaL_setmetatable(L, CONVERSATION_MT);
    lua_createtable(L, 0, FIELDS);
    lua_setiuservalue(L, -2, UV_FIELDS);
    return self;
}

struct cf_conversation *cf_lua_push_conversation(lua_State *L)
{
    return &push_conversation(L)->conversation;
}

struct cf_conversation *cf_lua_check_conversation(lua_State *L, int idx)
{
    return &((struct lua_conversation *)luaL_checkudata(L, idx, CONVERSATION_MT))->conversation;
}

void cf_lua_push_conversation_fields(lua_State *L, int idx)
{
    lua_getiuservalue(L, idx, UV_FIELDS);
}

static int conversation_gc(lua_State *L)
{
    cf_conversation_done(cf_lua_check_conversation(L, 1));
    return 0;
}

/* Pushes the names of the bits that are set. */
static void push_names(lua_State *L, uint32_t bits, const char *(*name_of)(uint32_t bit))
{
    lua_newtable(L);
    for (uint32_t bit = 1; bit != 0 && bit <= bits; bit <<= 1) {
        const char *name = (bits & bit) != 0 ? name_of(bit) : NULL;
        if (name != NULL) {
            lua_pushstring(L, name);
            lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
        }
    }
}

/* parse(reply or text, stopped_early): a reply's text is long, and need not become a Lua string. */
static int conversation_parse(lua_State *L)
{
    size_t len;
    const char *text = cf_lua_reply_text(L, 1, &len);
    if (text == NULL)
        text = luaL_checklstring(L, 1, &len);
    bool stopped_early = lua_toboolean(L, 2);
    struct lua_conversation *self = push_conversation(L);        /* text early? conv */
    struct cf_conversation *conv = &self->conversation;
    struct cf_error err;

    enum cf_outcome outcome = cf_conversation_parse(text, len, stopped_early, conv, &err);
    if (outcome == CF_OUTCOME_PARSE_ERROR || outcome == CF_OUTCOME_VALIDATION_ERROR) {
        lua_pushnil(L);
        cf_lua_push_error(L, &err);
        if (conv->refusal_like) {
            lua_pushboolean(L, true);
            lua_setfield(L, -2, "refusal_like");
        }
        return 2;
    }
    self->is_valid = outcome == CF_OUTCOME_OK || outcome == CF_OUTCOME_REPAIRED;
    cf_lua_push_conversation_fields(L, -1);                      /* ... conv fields */
    lua_pushstring(L, cf_outcome_name(outcome));
    lua_setfield(L, -2, "outcome");
    lua_pushboolean(L, outcome == CF_OUTCOME_TRUNCATED);
    lua_setfield(L, -2, "truncated");
    push_names(L, conv->repairs, cf_repair_name);
    lua_setfield(L, -2, "repairs");
    push_names(L, conv->warnings, cf_warning_name);
    lua_setfield(L, -2, "warnings");
    lua_pop(L, 1);
    return 1;
}

/* Pushes turns[i][name], which must be text. */
static const char *check_turn_text(lua_State *L, lua_Integer i, const char *name, size_t *out_len)
{
    lua_getfield(L, -1, name);
    if (lua_type(L, -1) != LUA_TSTRING) {
        struct cf_error err;
        cf_fail(&err, CF_ERR_CONFIG, "turn %lld: %s must be a string, not %s", (long long)i, name,
                luaL_typename(L, -1));
        cf_lua_raise(L, &err);
    }
    return lua_tolstring(L, -1, out_len);
}

static int conversation_new(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    struct cf_error err;
    struct cf_conversation *conv = cf_lua_push_conversation(L);                  /* turns conv */
    lua_Integer count = luaL_len(L, 1);
    if (count > CF_TURNS_MAX) {
        cf_fail(&err, CF_ERR_CONFIG, "a conversation has at most %d turns, not %lld", CF_TURNS_MAX,
                (long long)count);
        return cf_lua_raise(L, &err);
    }
    for (lua_Integer i = 1; i <= count; i++) {
        if (lua_geti(L, 1, i) != LUA_TTABLE) {                   /* turns conv turn */
            cf_fail(&err, CF_ERR_CONFIG, "turn %lld must be a table with role and content, not %s",
                    (long long)i, luaL_typename(L, -1));
            return cf_lua_raise(L, &err);
        }
        size_t role_len, len;
        const char *role_name = check_turn_text(L, i, "role", &role_len);
        enum cf_role role;
        if (!cf_role_parse(role_name, role_len, &role)) {
            cf_fail(&err, CF_ERR_CONFIG, "turn %lld: unknown role '%s'", (long long)i, role_name);
            return cf_lua_raise(L, &err);
        }
        lua_pop(L, 1);
        const char *content = check_turn_text(L, i, "content", &len);
        if (cf_utf8_valid_prefix(content, len) != len) {
            cf_fail(&err, CF_ERR_CONFIG, "turn %lld: content is not valid UTF-8", (long long)i);
            return cf_lua_raise(L, &err);
        }
        cf_conversation_add(conv, role, content, len);
        lua_pop(L, 2);
    }
    return 1;
}

static void push_turns(lua_State *L, const struct cf_conversation *conv)
{
    lua_createtable(L, (int)conv->turn_count, 0);                /* turns */
    for (size_t i = 0; i < conv->turn_count; i++) {
        lua_createtable(L, 0, 2);
        lua_pushstring(L, cf_role_name(conv->turns[i].role));
        lua_setfield(L, -2, "role");
        lua_pushlstring(L, conv->turns[i].content, conv->turns[i].len);
        lua_setfield(L, -2, "content");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* conv.name: a method, else a field. The upvalue is the table of methods. */
static int conversation_index(lua_State *L)
{
    struct cf_conversation *conv = cf_lua_check_conversation(L, 1);
    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    lua_pop(L, 1);
    cf_lua_push_conversation_fields(L, 1);                       /* conv name fields */
    lua_pushvalue(L, 2);
    if (lua_rawget(L, 3) != LUA_TNIL || lua_type(L, 2) != LUA_TSTRING)
        return 1;
    const char *name = lua_tostring(L, 2);
    if (strcmp(name, "turns") == 0) {
        push_turns(L, conv);
        lua_pushvalue(L, -1);
        lua_setfield(L, 3, "turns");
    } else if (strcmp(name, "tags") == 0) {
        /* none yet: conv.tags.judge is nil, no mistake */
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setfield(L, 3, "tags");
    } else if (strcmp(name, "breakdown") == 0 &&
               lua_getfield(L, 3, "breakdown_json") == LUA_TSTRING) {
        struct cf_error err;
        size_t len;
        const char *json = lua_tolstring(L, -1, &len);
        if (!cf_lua_json_decode(L, json, len, &err))
            return cf_lua_raise(L, &err);
        lua_pushvalue(L, -1);
        lua_setfield(L, 3, "breakdown");
    }
    return 1;
}

static int conversation_newindex(lua_State *L)
{
    struct cf_error err;
    cf_fail(&err, CF_ERR_SCRIPT,
            "conversation.%s cannot be set; make a changed one with confab.conversation",
            lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?");
    return cf_lua_raise(L, &err);
}

static int conversation_len(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)cf_lua_check_conversation(L, 1)->turn_count);
    return 1;
}

static int conversation_tostring(lua_State *L)
{
    lua_pushfstring(L, "conversation of %d turns",
                    (int)cf_lua_check_conversation(L, 1)->turn_count);
    return 1;
}

static int conversation_fields(lua_State *L)
{
    cf_lua_check_conversation(L, 1);
    cf_lua_push_conversation_fields(L, 1);
    return 1;
}

static struct lua_conversation *check_measured(lua_State *L)
{
    struct lua_conversation *self = luaL_checkudata(L, 1, CONVERSATION_MT);
    if (!self->is_measured) {
        cf_conversation_measure(&self->conversation, &self->measure);
        self->is_measured = true;
    }
    return self;
}

static int conversation_measure(lua_State *L)
{
    const struct lua_conversation *self = check_measured(L);
    lua_pushinteger(L, (lua_Integer)self->measure.turn_count);
    lua_pushnumber(L, self->measure.mean_length);
    lua_pushboolean(L, self->measure.alternates);
    return 3;
}

/* score(conv) -> score by the default rules, and its breakdown as JSON */
static int conversation_score(lua_State *L)
{
    const struct lua_conversation *self = check_measured(L);
    char breakdown[CF_DEFAULT_SCORE_TEXT_MAX];
    struct cf_default_score score;
    cf_default_score(&self->measure, &score);
    cf_default_score_format(&self->measure, &score, breakdown);
    lua_pushinteger(L, score.score);
    lua_pushstring(L, breakdown);
    return 2;
}

/* points(turn_count, mean_length, alternates) -> what each of the default rules gives */
static int conversation_points(lua_State *L)
{
    struct cf_conversation_measure measure = {
        .turn_count = (size_t)luaL_checkinteger(L, 1), .mean_length = luaL_checknumber(L, 2),
        .alternates = lua_toboolean(L, 3),
    };
    struct cf_default_score score;
    cf_default_score(&measure, &score);
    lua_pushinteger(L, score.turn_count);
    lua_pushinteger(L, score.turn_length);
    lua_pushinteger(L, score.structure);
    return 3;
}

/* validate(conv, salvaged) -> true, or nil and an error table */
static int conversation_validate(lua_State *L)
{
    const struct lua_conversation *self = luaL_checkudata(L, 1, CONVERSATION_MT);
    struct cf_error err;
    if (self->is_valid ||
        cf_conversation_validate(&self->conversation, lua_toboolean(L, 2), &err)) {
        lua_pushboolean(L, true);
        return 1;
    }
    lua_pushnil(L);
    cf_lua_push_error(L, &err);
    return 2;
}

/* conv:text(): every turn as "role: content", blank lines between. */
static int conversation_text(lua_State *L)
{
    struct cf_conversation *conv = cf_lua_check_conversation(L, 1);
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    for (size_t i = 0; i < conv->turn_count; i++) {
        if (i > 0)
            luaL_addstring(&text, "\n\n");
        luaL_addstring(&text, cf_role_name(conv->turns[i].role));
        luaL_addstring(&text, ": ");
        luaL_addlstring(&text, conv->turns[i].content, conv->turns[i].len);
    }
    luaL_pushresult(&text);
    return 1;
}

int cf_lua_open_conversation(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "parse", conversation_parse },
        { "new", conversation_new },
        { "fields", conversation_fields },
        { "measure", conversation_measure },
        { "points", conversation_points },
        { "score", conversation_score },
        { "validate", conversation_validate },
        { NULL, NULL },
    };
    static const luaL_Reg metamethods[] = {
        { "__gc", conversation_gc },
        { "__newindex", conversation_newindex },
        { "__len", conversation_len },
        { "__tostring", conversation_tostring },
        { NULL, NULL },
    };
    luaL_newlib(L, functions);                                   /* lib */
    lua_newtable(L);                                             /* lib methods */
    lua_pushcfunction(L, conversation_text);
    lua_setfield(L, -2, "text");
    luaL_newmetatable(L, CONVERSATION_MT);                       /* lib methods mt */
    luaL_setfuncs(L, metamethods, 0);
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, conversation_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_setfield(L, -2, "methods");
    lua_pushinteger(L, CF_SCORE_GENERATED);
    lua_setfield(L, -2, "generated_from");                       /* a score */
    return 1;
}
