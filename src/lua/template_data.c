#include "lua/template_data.h"

#include <math.h>
#include <string.h>

#include <lauxlib.h>

#include "base/json.h"
#include "lua/json.h"
#include "lua/template_call.h"

#define BOX_MT "confab.template_output"

#define TEXT_MAX_BYTES (32u << 20)  /* of a rendered text: the provider takes no larger request */
#define NUMBER_MAX     64           /* bytes of a number's text */

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
    const struct cf_lua_template_source *source = self;
    lua_State *L = source->L;
    int idx = index_of(value);

    if (idx == source->root)
        return source->root_kind;
    if (idx == source->around)
        return CF_VALUE_MAP;
    switch (lua_type(L, idx)) {
    case LUA_TBOOLEAN: return lua_toboolean(L, idx) ? CF_VALUE_TEXT : CF_VALUE_FALSE;
    case LUA_TNUMBER:
    case LUA_TSTRING:  return CF_VALUE_TEXT;
    case LUA_TTABLE:   return kind_of_table(L, idx);
    case LUA_TFUNCTION: return CF_VALUE_FUNCTION;
    case LUA_TUSERDATA:
        if (cf_lua_is_null(L, idx))
            return CF_VALUE_NULL;
        return has_metafield(L, idx, "__index") ? CF_VALUE_MAP : CF_VALUE_OTHER;
    case LUA_TNIL:     return CF_VALUE_NULL;
    default:           return CF_VALUE_OTHER;
    }
}

static bool source_get(void *self, struct cf_value map, const char *name, size_t len,
                       struct cf_value *out)
{
    const struct cf_lua_template_source *source = self;
    lua_State *L = source->L;

    luaL_checkstack(L, LUA_MINSTACK, "the template's data are nested too deep");
    lua_pushlstring(L, name, len);
    if (lua_gettable(L, index_of(map)) == LUA_TNIL) {    /* ... value */
        lua_pop(L, 1);
        return false;
    }
    out->number = (uint64_t)lua_gettop(L);
    return true;
}

/* JSON's shortest form, so that 12.0, which comes of arithmetic, is 12. */
static const char *text_of_number(const struct cf_lua_template_source *source, int idx,
                                  size_t *out_len)
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
    const struct cf_lua_template_source *source = self;
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
    const struct cf_lua_template_source *source = self;
    lua_Integer len = luaL_len(source->L, index_of(list));
    return len > 0 ? (size_t)len : 0;
}

static struct cf_value source_at(void *self, struct cf_value list, size_t index,
                                 struct cf_value previous)
{
    const struct cf_lua_template_source *source = self;
    lua_State *L = source->L;
    (void)previous;

    luaL_checkstack(L, LUA_MINSTACK, "the template's data are nested too deep");
    lua_geti(L, index_of(list), (lua_Integer)index + 1);    /* ... value */
    return (struct cf_value){ .number = (uint64_t)lua_gettop(L) };    /* nil, a hole, is null */
}

/* The smallest name above the last one, so that the order is the same in every process. */
static const char *source_name(void *self, struct cf_value map, size_t index, size_t *out_len)
{
    struct cf_lua_template_source *source = self;
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
    const struct cf_lua_template_source *source = self;
    return (uint64_t)lua_gettop(source->L);
}

static void source_release(void *self, uint64_t mark)
{
    const struct cf_lua_template_source *source = self;
    lua_settop(source->L, (int)mark);
}

static enum cf_value_kind kind_of_root(lua_State *L, int idx)
{
    lua_Unsigned count = 0;

    if (lua_type(L, idx) == LUA_TSTRING || lua_type(L, idx) == LUA_TNUMBER)
        return CF_VALUE_TEXT;
    if (!lua_istable(L, idx) || lua_rawlen(L, idx) == 0)
        return CF_VALUE_MAP;
    lua_pushnil(L);
    while (lua_next(L, idx) != 0) {                   /* key value */
        lua_pop(L, 1);
        count++;
    }
    return count == lua_rawlen(L, idx) ? CF_VALUE_LIST : CF_VALUE_MAP;
}

void cf_lua_template_data(struct cf_lua_template_source *source, struct cf_template_data *out)
{
    source->root_kind = kind_of_root(source->L, source->root);
    *out = (struct cf_template_data){
        .self = source,
        .root = { .number = (uint64_t)source->root },
        .around = { .number = (uint64_t)source->around },
        .has_around = source->around != 0,
        .kind = source_kind,
        .get = source_get,
        .text = source_text,
        .length = source_length,
        .at = source_at,
        .name = source_name,
        .mark = source_mark,
        .release = source_release,
        .call = cf_lua_template_call,
    };
}

const char *cf_lua_template_text(struct cf_lua_template_source *source, int idx, size_t *out_len)
{
    return source_text(source, (struct cf_value){ .number = (uint64_t)idx }, out_len);
}

static int box_gc(lua_State *L)
{
    struct cf_lua_template_box *box = lua_touserdata(L, 1);
    cf_buf_done(&box->text);
    cf_buf_done(&box->number);
    return 0;
}

struct cf_lua_template_box *cf_lua_push_template_box(lua_State *L)
{
    struct cf_lua_template_box *box = lua_newuserdatauv(L, sizeof *box, 0);    /* box */
    cf_buf_init(&box->text, TEXT_MAX_BYTES);
    cf_buf_init(&box->number, NUMBER_MAX);
    if (luaL_newmetatable(L, BOX_MT)) {               /* box mt */
        lua_pushcfunction(L, box_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);                          /* box */
    return box;
}
