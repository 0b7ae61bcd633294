#include "lua/template.h"

#include <lauxlib.h>

#include "confab/error.h"
#include "lua/raise.h"
#include "lua/template_data.h"

#define TEMPLATE_MT "confab.compiled_template"

#define KEEP_MAX_BYTES (64u << 10)  /* a larger output buffer is not kept for the next rendering */

enum {
    UV_BOX = 1,                     /* the output buffer between renderings */
    UV_FUNCTIONS,                   /* the table of the template's functions, or nil */
    UV_COUNT = UV_FUNCTIONS,
};

struct lua_template { struct cf_template *tmpl; };    /* owned; NULL before compilation */

static struct lua_template *check_template(lua_State *L, int arg)
{
    struct lua_template *self = luaL_checkudata(L, arg, TEMPLATE_MT);
    luaL_argcheck(L, self->tmpl != NULL, arg, "this template is freed");
    return self;
}

/* --- the object --- */

/* Pushes a box for one rendering: the one that the template keeps, or, the first time, in a
 * rendering inside a rendering, and after one that raised, a new one. */
static struct cf_lua_template_box *take_box(lua_State *L, int template)
{
    if (lua_getiuservalue(L, template, UV_BOX) == LUA_TUSERDATA) {    /* box */
        lua_pushnil(L);
        lua_setiuservalue(L, template, UV_BOX);
        return lua_touserdata(L, -1);
    }
    lua_pop(L, 1);
    return cf_lua_push_template_box(L);               /* box */
}

static int template_render(lua_State *L)
{
    const struct lua_template *self = check_template(L, 1);
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        lua_newtable(L);
        lua_replace(L, 2);
    }
    if (!lua_istable(L, 2) && !lua_isstring(L, 2)) {
        luaL_argcheck(L, luaL_getmetafield(L, 2, "__index") != LUA_TNIL, 2,
                      "the parameters must be a table");
        lua_settop(L, 2);
    }

    struct cf_lua_template_box *box = take_box(L, 1); /* self params box */
    struct cf_lua_template_source source = { .L = L, .box = box, .root = 2 };
    if (lua_getiuservalue(L, 1, UV_FUNCTIONS) == LUA_TTABLE) /* self params box functions */
        source.around = 4;
    struct cf_template_data data;
    cf_lua_template_data(&source, &data);

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
    if (lua_getfield(L, 3, "line") != LUA_TNIL)
        options->first_line = (size_t)luaL_checkinteger(L, -1);
    if (lua_getfield(L, 3, "column") != LUA_TNIL)
        options->first_column = (size_t)luaL_checkinteger(L, -1);
}

static int template_compile(lua_State *L)
{
    size_t len;
    const char *name = luaL_checkstring(L, 1);
    const char *text = luaL_checklstring(L, 2, &len);
    lua_settop(L, 3);
    struct cf_template_options options;
    read_options(L, &options);

    struct lua_template *self = lua_newuserdatauv(L, sizeof *self, UV_COUNT);   /* ... self */
    self->tmpl = NULL;
    luaL_setmetatable(L, TEMPLATE_MT);
    if (lua_istable(L, 3)) {
        int type = lua_getfield(L, 3, "lambdas");     /* ... self functions */
        luaL_argcheck(L, type == LUA_TNIL || type == LUA_TTABLE, 3,
                      "lambdas must be functions by name");
        lua_setiuservalue(L, -2, UV_FUNCTIONS);       /* ... self */
    }

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

    luaL_newmetatable(L, TEMPLATE_MT);                /* mt */
    lua_pushcfunction(L, template_gc);
    lua_setfield(L, -2, "__gc");
    luaL_newlib(L, methods);                          /* mt methods */
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
