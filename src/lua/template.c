#include "lua/template.h"

#include <math.h>
#include <string.h>

#include <lauxlib.h>

#include "base/json.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "confab/template.h"
#include "lua/json.h"
#include "lua/raise.h"

#define TEMPLATE_MT "confab.compiled_template"
#define BOX_MT      "confab.template_output"

#define TEXT_MAX_BYTES (32u << 20)  /* of a rendered text: the provider takes no larger request */
#define KEEP_MAX_BYTES (64u << 10)  /* a larger output buffer is not kept for the next rendering */
#define NUMBER_MAX     64           /* bytes of a number's text */

enum { UV_BOX = 1 };                /* the output buffer between renderings */

struct lua_template { struct cf_template *tmpl; };    /* owned; NULL before compilation */

/* What a rendering appends to. In a userdata, for a callback may raise. */
struct box {
    struct cf_buf text;                               /* owned */
    struct cf_buf number;                             /* owned; the text of the last number */
};

static struct lua_template *check_template(lua_State *L, int arg)
{
    struct lua_template *self = luaL_checkudata(L, arg, TEMPLATE_MT);
    luaL_argcheck(L, self->tmpl != NULL, arg, "this template is freed");
    return self;
}

/* --- Lua values as a template's data --- */

/* A value's number is its index on the Lua stack, where everything that was got lies until it is
 * released. Only `root` is a map whatever it holds. */
struct source {
    lua_State *L;
    const char *name;        /* borrowed: of the template */
    struct box *box;         /* borrowed */
    int root;
    const char *last_name;   /* lent by the map whose names are being listed */
};

static int index_of(struct cf_value value)
{
    return (int)value.number;
}

/* Whether the value at idx has the metamethod; luaL_getmetafield pushes it, this does not. */
static bool has_metafield(lua_State *L, int idx, const char *event)
{
    if (luaL_getmetafield(L, idx, event) == LUA_TNIL)
        return false;
    lua_pop(L, 1);
    return true;
}

/* An empty table without metamethods is an empty list: that is what scripts mean by it. */
static enum cf_value_kind kind_of_table(lua_State *L, int idx)
{
    if (lua_rawlen(L, idx) > 0)
        return CF_VALUE_LIST;
    if (lua_getmetatable(L, idx)) {
        lua_pop(L, 1);
        if (cf_lua_json_is_array(L, idx))
            return CF_VALUE_LIST;
        if (has_metafield(L, idx, "__len") && luaL_len(L, idx) > 0)
            return CF_VALUE_LIST;
        if (has_metafield(L, idx, "__index"))
            return CF_VALUE_MAP;
    }
    lua_pushnil(L);
    if (lua_next(L, idx) == 0)
        return CF_VALUE_LIST;
    lua_pop(L, 2);
    return CF_VALUE_MAP;
}

static enum cf_value_kind source_kind(void *self, struct cf_value value)
{
    const struct source *source = self;
    lua_State *L = source->L;
    int idx = index_of(value);

    if (idx == source->root)
        return CF_VALUE_MAP;
    switch (lua_type(L, idx)) {
    case LUA_TBOOLEAN: return lua_toboolean(L, idx) ? CF_VALUE_TEXT : CF_VALUE_FALSE;
    case LUA_TNUMBER:
    case LUA_TSTRING:  return CF_VALUE_TEXT;
    case LUA_TTABLE:   return kind_of_table(L, idx);
    case LUA_TUSERDATA: return cf_lua_is_null(L, idx) ? CF_VALUE_NULL : CF_VALUE_MAP;
    default:           return CF_VALUE_NULL;
    }
}

/* The value on top of the stack, if it is something a template can show. */
static bool take_value(const struct source *source, const char *name, size_t len,
                       struct cf_value *out)
{
    lua_State *L = source->L;
    int idx = lua_gettop(L);
    int type = lua_type(L, idx);

    if (type == LUA_TNIL)
        return false;
    if (type == LUA_TFUNCTION || type == LUA_TTHREAD || type == LUA_TLIGHTUSERDATA ||
        (type == LUA_TUSERDATA && !cf_lua_is_null(L, idx) && !has_metafield(L, idx, "__index"))) {
        struct cf_error err;
        cf_fail(&err, CF_ERR_CONFIG, "template %s: \"%.*s\" is a %s, which has no text",
                source->name, len > 80 ? 80 : (int)len, name, lua_typename(L, type));
        cf_lua_raise(L, &err);
    }
    out->number = (uint64_t)idx;
    return true;
}

static bool source_get(void *self, struct cf_value map, const char *name, size_t len,
                       struct cf_value *out)
{
    const struct source *source = self;
    lua_State *L = source->L;

    luaL_checkstack(L, LUA_MINSTACK, "the template's data are nested too deep");
    lua_pushlstring(L, name, len);
    lua_gettable(L, index_of(map));                   /* ... value */
    if (take_value(source, name, len, out))
        return true;
    lua_pop(L, 1);
    return false;
}

/* JSON's shortest form, so that 12.0, which comes of arithmetic, is 12. */
static const char *text_of_number(const struct source *source, int idx, size_t *out_len)
{
    lua_State *L = source->L;
    struct cf_buf *buf = &source->box->number;
    lua_Number number = lua_tonumber(L, idx);

    cf_buf_clear(buf);
    if (lua_isinteger(L, idx))
        cf_buf_addf(buf, "%lld", (long long)lua_tointeger(L, idx));
    else if (isfinite(number))
        cf_json_add_number(buf, number);
    else
        cf_buf_adds(buf, isnan(number) ? "nan" : number > 0 ? "inf" : "-inf");
    *out_len = buf->len;
    return cf_buf_str(buf);
}

static const char *source_text(void *self, struct cf_value value, size_t *out_len)
{
    const struct source *source = self;
    lua_State *L = source->L;
    int idx = index_of(value);

    switch (lua_type(L, idx)) {
    case LUA_TSTRING: return lua_tolstring(L, idx, out_len);
    case LUA_TNUMBER: return text_of_number(source, idx, out_len);
    default: {
        const char *text = lua_toboolean(L, idx) ? "true" : "false";
        *out_len = strlen(text);
        return text;
    }
    }
}

static size_t source_length(void *self, struct cf_value list)
{
    const struct source *source = self;
    lua_Integer len = luaL_len(source->L, index_of(list));
    return len > 0 ? (size_t)len : 0;
}

static struct cf_value source_at(void *self, struct cf_value list, size_t index,
                                 struct cf_value previous)
{
    const struct source *source = self;
    lua_State *L = source->L;
    struct cf_value value = { 0 };
    (void)previous;

    luaL_checkstack(L, LUA_MINSTACK, "the template's data are nested too deep");
    lua_geti(L, index_of(list), (lua_Integer)index + 1);    /* ... value */
    if (!take_value(source, "a list's item", 13, &value))
        value.number = (uint64_t)lua_gettop(L);             /* a hole: null */
    return value;
}

/* The smallest name above the last one, so that the order is the same in every process. */
static const char *source_name(void *self, struct cf_value map, size_t index, size_t *out_len)
{
    struct source *source = self;
    lua_State *L = source->L;
    const char *best = NULL;

    if (!lua_istable(L, index_of(map)))
        return NULL;
    luaL_checkstack(L, LUA_MINSTACK, "the template's data are nested too deep");
    lua_pushnil(L);
    while (lua_next(L, index_of(map)) != 0) {         /* key value */
        lua_pop(L, 1);                                /* key */
        if (lua_type(L, -1) != LUA_TSTRING)
            continue;
        const char *name = lua_tostring(L, -1);
        if ((index == 0 || strcmp(name, source->last_name) > 0) &&
            (best == NULL || strcmp(name, best) < 0)) {
            best = name;
            *out_len = lua_rawlen(L, -1);
        }
    }
    source->last_name = best;
    return best;
}

static uint64_t source_mark(void *self)
{
    const struct source *source = self;
    return (uint64_t)lua_gettop(source->L);
}

static void source_release(void *self, uint64_t mark)
{
    const struct source *source = self;
    lua_settop(source->L, (int)mark);
}

/* --- the object --- */

static int box_gc(lua_State *L)
{
    struct box *box = lua_touserdata(L, 1);
    cf_buf_done(&box->text);
    cf_buf_done(&box->number);
    return 0;
}

/* Pushes a box for one rendering: the one that the template keeps, or, the first time, in a
 * rendering inside a rendering, and after one that raised, a new one. */
static struct box *take_box(lua_State *L, int template)
{
    if (lua_getiuservalue(L, template, UV_BOX) == LUA_TUSERDATA) {    /* box */
        lua_pushnil(L);
        lua_setiuservalue(L, template, UV_BOX);
        return lua_touserdata(L, -1);
    }
    lua_pop(L, 1);

    struct box *box = lua_newuserdatauv(L, sizeof *box, 0);           /* box */
    cf_buf_init(&box->text, TEXT_MAX_BYTES);
    cf_buf_init(&box->number, NUMBER_MAX);
    luaL_setmetatable(L, BOX_MT);
    return box;
}

static int template_render(lua_State *L)
{
    const struct lua_template *self = check_template(L, 1);
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        lua_newtable(L);
        lua_replace(L, 2);
    }
    luaL_argcheck(L, lua_istable(L, 2) || has_metafield(L, 2, "__index"), 2,
                  "the parameters must be a table");

    struct box *box = take_box(L, 1);                 /* self params box */
    struct source source = {
        .L = L, .name = cf_template_name(self->tmpl), .box = box, .root = 2,
    };
    const struct cf_template_data data = {
        .self = &source, .root = { .number = 2 },
        .kind = source_kind, .get = source_get, .text = source_text, .length = source_length,
        .at = source_at, .name = source_name, .mark = source_mark, .release = source_release,
    };
    struct cf_error err;
    if (!cf_template_render(self->tmpl, &data, &box->text, &err)) {
        cf_buf_done(&box->text);
        return cf_lua_raise(L, &err);
    }

    lua_settop(L, 3);
    lua_pushlstring(L, cf_buf_str(&box->text), box->text.len);        /* self params box text */
    if (box->text.cap > KEEP_MAX_BYTES)
        cf_buf_done(&box->text);
    cf_buf_clear(&box->text);
    lua_pushvalue(L, 3);
    lua_setiuservalue(L, 1, UV_BOX);
    return 1;
}

static int template_variables(lua_State *L)
{
    const struct lua_template *self = check_template(L, 1);
    size_t count;
    const char *const *names = cf_template_variables(self->tmpl, &count);

    lua_createtable(L, (int)count, 0);                /* list */
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(L, names[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int template_gc(lua_State *L)
{
    struct lua_template *self = luaL_checkudata(L, 1, TEMPLATE_MT);
    cf_template_free(self->tmpl);
    self->tmpl = NULL;
    return 0;
}

/* --- compilation --- */

/* Pushes an array of the partials in the table at idx, whose strings stay the table's. */
static struct cf_template_partial *push_partials(lua_State *L, int idx, size_t *out_count)
{
    size_t count = 0;
    lua_pushnil(L);
    while (lua_next(L, idx) != 0) {                   /* name text */
        luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING, 3,
                      "partials must be texts by name");
        count++;
        lua_pop(L, 1);
    }

    struct cf_template_partial *partials =
        lua_newuserdatauv(L, (count + 1) * sizeof *partials, 0);      /* array */
    count = 0;
    lua_pushnil(L);
    while (lua_next(L, idx) != 0) {                   /* array name text */
        partials[count].name = lua_tostring(L, -2);
        partials[count].text = lua_tolstring(L, -1, &partials[count].len);
        count++;
        lua_pop(L, 1);
    }
    *out_count = count;
    return partials;
}

/* Reads the options at index 3; what they borrow is pushed. */
static void read_options(lua_State *L, struct cf_template_options *options)
{
    static const char *const escapes[] = { "html", NULL };

    *options = (struct cf_template_options){ .strict = true };
    if (lua_isnil(L, 3))
        return;
    luaL_checktype(L, 3, LUA_TTABLE);
    if (lua_getfield(L, 3, "strict") != LUA_TNIL)
        options->strict = lua_toboolean(L, -1);
    if (lua_getfield(L, 3, "escape") != LUA_TNIL)
        options->escape_html = luaL_checkoption(L, -1, NULL, escapes) == 0;
    if (lua_getfield(L, 3, "partials") != LUA_TNIL) {
        luaL_argcheck(L, lua_istable(L, -1), 3, "partials must be texts by name");
        options->partials = push_partials(L, lua_gettop(L), &options->partial_count);
    }
}

static int template_compile(lua_State *L)
{
    size_t len;
    const char *name = luaL_checkstring(L, 1);
    const char *text = luaL_checklstring(L, 2, &len);
    lua_settop(L, 3);
    struct cf_template_options options;
    read_options(L, &options);

    struct lua_template *self = lua_newuserdatauv(L, sizeof *self, UV_BOX);   /* ... self */
    self->tmpl = NULL;
    luaL_setmetatable(L, TEMPLATE_MT);

    struct cf_error err;
    if (!cf_template_compile(name, text, len, &options, &self->tmpl, &err))
        return cf_lua_raise(L, &err);
    return 1;
}

int cf_lua_open_template(lua_State *L)
{
    static const luaL_Reg methods[] = {
        { "render", template_render },
        { "variables", template_variables },
        { NULL, NULL },
    };
    static const luaL_Reg functions[] = {
        { "compile", template_compile },
        { NULL, NULL },
    };

    luaL_newmetatable(L, BOX_MT);                     /* mt */
    lua_pushcfunction(L, box_gc);
    lua_setfield(L, -2, "__gc");
    luaL_newmetatable(L, TEMPLATE_MT);                /* mt mt */
    lua_pushcfunction(L, template_gc);
    lua_setfield(L, -2, "__gc");
    luaL_newlib(L, methods);                          /* mt mt methods */
    lua_setfield(L, -2, "__index");
    lua_pop(L, 2);
    luaL_newlib(L, functions);
    return 1;
}
