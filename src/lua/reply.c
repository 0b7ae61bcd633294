#include "lua/reply.h"

#include <string.h>

#include <lauxlib.h>

#include "base/json.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "confab/money.h"
#include "conversation/value.h"
#include "lua/json.h"
#include "lua/raise.h"
#include "provider/reply.h"

#define REPLY_MT "confab.reply"

enum { UV_JSON = 1 };

struct lua_reply {
    struct cf_reply reply;
    struct cf_lua_reply_facts facts;
    struct cf_buf found;      /* while its JSON is read: the value that stands among other text */
};

void cf_lua_push_reply(lua_State *L, struct cf_reply *reply, const struct cf_lua_reply_facts *facts)
{
    struct lua_reply *self = lua_newuserdatauv(L, sizeof *self, 1);
    memset(self, 0, sizeof *self);
    luaL_setmetatable(L, REPLY_MT);
    self->reply = *reply;
    self->facts = *facts;
    cf_buf_init(&self->found, CF_JSON_SIZE_MAX);
    memset(reply, 0, sizeof *reply);
}

/* The answer: what the model gave to a tool that it had to use, else its text. */
static const char *answer_of(const struct cf_reply *reply, size_t *out_len)
{
    bool is_tool = reply->tool_input != NULL;
    const char *text = is_tool ? reply->tool_input : reply->text;
    *out_len = is_tool ? reply->tool_input_len : reply->text_len;
    return text != NULL ? text : "";
}

const char *cf_lua_reply_text(lua_State *L, int idx, size_t *out_len)
{
    const struct lua_reply *self = luaL_testudata(L, idx, REPLY_MT);
    return self != NULL ? answer_of(&self->reply, out_len) : NULL;
}

static int reply_gc(lua_State *L)
{
    struct lua_reply *self = luaL_checkudata(L, 1, REPLY_MT);
    cf_reply_done(&self->reply);
    cf_buf_done(&self->found);
    return 0;
}

static void push_usage(lua_State *L, const struct cf_reply_usage *usage)
{
    static const struct { const char *name; unsigned bit; size_t at; } rows[] = {
        { "input", CF_USAGE_INPUT, offsetof(struct cf_reply_usage, input) },
        { "output", CF_USAGE_OUTPUT, offsetof(struct cf_reply_usage, output) },
        { "cache_write", CF_USAGE_CACHE_WRITE, offsetof(struct cf_reply_usage, cache_write) },
        { "cache_read", CF_USAGE_CACHE_READ, offsetof(struct cf_reply_usage, cache_read) },
        { "thinking", CF_USAGE_THINKING, offsetof(struct cf_reply_usage, thinking) },
    };
    lua_createtable(L, 0, 5);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if ((usage->present & rows[i].bit) == 0)
            continue;
        lua_pushinteger(L, *(const int64_t *)((const char *)usage + rows[i].at));
        lua_setfield(L, -2, rows[i].name);
    }
}

/* Pushes the JSON value of the answer: all of it, or else what a model put among other text, unless
 * its end is missing. False if there is none. */
static bool decode_answer(lua_State *L, struct lua_reply *self)
{
    struct cf_error err;
    size_t len;
    const char *text = answer_of(&self->reply, &len);
    if (cf_lua_json_decode(L, text, len, &err))
        return true;
    if (cf_reply_is_cut(&self->reply) || !cf_reply_find_value(text, len, &self->found))
        return false;
    bool ok = cf_lua_json_decode(L, cf_buf_str(&self->found), self->found.len, &err);
    cf_buf_done(&self->found);
    return ok;
}

/* The reply's JSON. Decoded once; false stands for "is not JSON". */
static void push_json(lua_State *L, struct lua_reply *self)
{
    if (lua_getiuservalue(L, 1, UV_JSON) != LUA_TNIL) {
        if (lua_isboolean(L, -1) && !lua_toboolean(L, -1))
            lua_pushnil(L);
        else
            lua_getfield(L, -1, "value");
        return;
    }
    if (!decode_answer(L, self)) {
        lua_pushboolean(L, false);
        lua_setiuservalue(L, 1, UV_JSON);
        lua_pushnil(L);
        return;
    }
    lua_createtable(L, 0, 1);                        /* value box */
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "value");
    lua_setiuservalue(L, 1, UV_JSON);                /* value */
}

static void push_optional(lua_State *L, const char *text)
{
    if (text != NULL && text[0] != '\0')
        lua_pushstring(L, text);
    else
        lua_pushnil(L);
}

static void push_refusal(lua_State *L, const struct cf_reply *reply)
{
    if (reply->stop != CF_STOP_REFUSAL) {
        lua_pushnil(L);
        return;
    }
    lua_createtable(L, 0, 2);
    push_optional(L, reply->refusal_category);
    lua_setfield(L, -2, "category");
    push_optional(L, reply->refusal_explanation);
    lua_setfield(L, -2, "explanation");
}

static int reply_index(lua_State *L)
{
    struct lua_reply *self = luaL_checkudata(L, 1, REPLY_MT);
    const char *name = luaL_checkstring(L, 2);
    const struct cf_reply *reply = &self->reply;

    size_t len;
    const char *text = answer_of(reply, &len);
    if (strcmp(name, "text") == 0)
        lua_pushlstring(L, text, len);
    else if (strcmp(name, "json") == 0)
        push_json(L, self);
    else if (strcmp(name, "usage") == 0)
        push_usage(L, &reply->usage);
    else if (strcmp(name, "cost_pico") == 0)
        lua_pushinteger(L, self->facts.cost_pico);
    else if (strcmp(name, "cost") == 0 && self->facts.cost_pico != CF_COST_UNKNOWN)
        lua_pushnumber(L, (double)self->facts.cost_pico / (double)CF_PICO_PER_USD);
    else if (strcmp(name, "stop_reason") == 0)
        push_optional(L, reply->stop_text);
    else if (strcmp(name, "is_cut") == 0)
        lua_pushboolean(L, cf_reply_is_cut(reply));
    else if (strcmp(name, "refusal") == 0)
        push_refusal(L, reply);
    else if (strcmp(name, "model") == 0)
        push_optional(L, reply->model);
    else if (strcmp(name, "id") == 0)
        push_optional(L, reply->id);
    else if (strcmp(name, "call") == 0)
        lua_pushinteger(L, self->facts.call_id);
    else if (strcmp(name, "latency_ms") == 0 && self->facts.latency_ms >= 0)
        lua_pushinteger(L, self->facts.latency_ms);
    else if (strcmp(name, "attempts") == 0)
        lua_pushinteger(L, self->facts.attempts);
    else if (strcmp(name, "replayed") == 0)
        lua_pushboolean(L, self->facts.is_replayed);
    else
        lua_pushnil(L);
    return 1;
}

static int reply_tostring(lua_State *L)
{
    size_t len;
    struct lua_reply *self = luaL_checkudata(L, 1, REPLY_MT);
    const char *text = answer_of(&self->reply, &len);
    lua_pushlstring(L, text, len);
    return 1;
}

int cf_lua_reply_add_earlier(lua_State *L)
{
    struct lua_reply *self = luaL_checkudata(L, 1, REPLY_MT);
    const struct lua_reply *earlier = luaL_checkudata(L, 2, REPLY_MT);
    int64_t *cost = &self->facts.cost_pico, earlier_cost = earlier->facts.cost_pico;
    bool is_known = *cost != CF_COST_UNKNOWN && earlier_cost != CF_COST_UNKNOWN;
    if (!is_known || __builtin_add_overflow(*cost, earlier_cost, cost))
        *cost = CF_COST_UNKNOWN;
    self->facts.attempts += earlier->facts.attempts;
    return 0;
}

void cf_lua_open_reply(lua_State *L)
{
    luaL_newmetatable(L, REPLY_MT);
    lua_pushcfunction(L, reply_gc);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, reply_index);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, reply_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
}
