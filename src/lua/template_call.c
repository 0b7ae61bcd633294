#include "lua/template_call.h"

#include <stdio.h>

#include <lauxlib.h>

#include "confab/error.h"
#include "lua/json.h"
#include "lua/raise.h"
#include "lua/template_data.h"

#define PIECE_MT "confab.template_piece"

/* A call while it lasts; in a userdata, for the script may keep its render function. */
struct use {
    struct cf_lua_template_source *source;    /* borrowed */
    struct cf_template_call *call;            /* NULL when the function has returned */
    bool has_rendered;
};

struct piece { struct cf_template_piece *piece; };    /* owned */

static int piece_gc(lua_State *L)
{
    struct piece *self = lua_touserdata(L, 1);
    cf_template_piece_free(self->piece);
    self->piece = NULL;
    return 0;
}

/* Pushes the text compiled. False: it is no template. */
static bool push_piece(lua_State *L, struct cf_template_call *call, const char *text, size_t len,
                       struct piece **out, struct cf_error *err)
{
    struct piece *self = lua_newuserdatauv(L, sizeof *self, 0);       /* piece */
    self->piece = NULL;
    if (luaL_newmetatable(L, PIECE_MT)) {             /* piece mt */
        lua_pushcfunction(L, piece_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);                          /* piece */
    *out = self;
    return cf_template_call_compile(call, text, len, &self->piece, err);
}

/* Renders text where the call stands and pushes what it becomes; leaves what it used below. */
static bool push_rendered(lua_State *L, struct cf_template_call *call, const char *text, size_t len,
                          struct cf_error *err)
{
    struct cf_lua_template_box *box = cf_lua_push_template_box(L);    /* box */
    struct piece *piece;

    if (!push_piece(L, call, text, len, &piece, err) ||
        !cf_template_call_render(call, piece->piece, &box->text, err))
        return false;                                 /* box piece */
    lua_pushlstring(L, cf_buf_str(&box->text), box->text.len);        /* box piece text */
    cf_buf_done(&box->text);
    return true;
}

/* Pushes the body of the section, or nil for a variable. */
static void push_body(lua_State *L, const struct cf_template_call *call)
{
    if (!cf_template_call_is_section(call)) {
        lua_pushnil(L);
        return;
    }
    struct cf_lua_template_box *box = cf_lua_push_template_box(L);    /* box */
    cf_template_call_body(call, &box->text);
    lua_pushlstring(L, cf_buf_str(&box->text), box->text.len);        /* box text */
    cf_buf_done(&box->text);
    lua_remove(L, -2);                                /* text */
}

/* --- while the function runs --- */

/* Values are stack indices of the rendering, whose frame this is not: it gets the same values at
 * the same indices. upvalues: use, list of the values, their number */
static int use_render(lua_State *L)
{
    struct use *use = lua_touserdata(L, lua_upvalueindex(1));
    size_t len;

    if (use->call == NULL)
        return luaL_error(L, "render was called after the function that it was given to");
    lua_settop(L, 1);                                 /* text */
    if (lua_isnil(L, 1)) {
        luaL_argcheck(L, cf_template_call_is_section(use->call), 1,
                      "a variable has no text of its own to render");
        push_body(L, use->call);
        lua_replace(L, 1);
    }
    const char *text = luaL_checklstring(L, 1, &len);

    int count = (int)lua_tointeger(L, lua_upvalueindex(3));
    luaL_checkstack(L, count + LUA_MINSTACK, "the template's data are nested too deep");
    for (int i = 1; i <= count; i++)
        lua_rawgeti(L, lua_upvalueindex(2), i);       /* text values... */
    lua_rotate(L, 1, -1);                             /* values... text */

    struct cf_error err;
    lua_State *before = use->source->L;
    use->source->L = L;
    bool ok = push_rendered(L, use->call, text, len, &err);
    use->source->L = before;
    if (!ok)
        return cf_lua_raise(L, &err);
    use->has_rendered = true;
    return 1;
}

/* What the function raised, with its place. upvalues: use */
static int use_failed(lua_State *L)
{
    struct use *use = lua_touserdata(L, lua_upvalueindex(1));
    char message[CF_ERROR_MESSAGE_MAX];
    struct cf_error err;

    if (cf_lua_is_error(L, 1))
        return 1;
    snprintf(message, sizeof message, "failed: %s", luaL_tolstring(L, 1, NULL));
    cf_template_call_fail(use->call, &err, message);
    err.kind = CF_ERR_SCRIPT;
    cf_lua_push_error(L, &err);                       /* ... error */
    luaL_traceback(L, L, NULL, 1);                    /* ... error traceback */
    lua_setfield(L, -2, "traceback");
    return 1;
}

/* Pushes a list of all values of the frame. */
static int push_frame(lua_State *L)
{
    int count = lua_gettop(L);

    lua_createtable(L, count, 0);                     /* ... list */
    for (int i = 1; i <= count; i++) {
        lua_pushvalue(L, i);
        lua_rawseti(L, -2, i);
    }
    return count;
}

/* Calls the function and pushes what it returned. */
static void push_result(struct cf_lua_template_source *source, int function,
                        struct cf_template_call *call, bool *out_has_rendered)
{
    lua_State *L = source->L;

    luaL_checkstack(L, LUA_MINSTACK, "the template's data are nested too deep");
    int count = push_frame(L);                        /* frame */
    struct use *use = lua_newuserdatauv(L, sizeof *use, 0);           /* frame use */
    *use = (struct use){ source, call, false };
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, use_failed, 1);               /* frame use failed */
    int handler = lua_gettop(L);

    lua_pushvalue(L, function);
    push_body(L, call);
    lua_pushvalue(L, handler - 1);
    lua_pushvalue(L, handler - 2);
    lua_pushinteger(L, count);
    lua_pushcclosure(L, use_render, 3);               /* ... failed function body render */

    int status = lua_pcall(L, 2, 1, handler);
    use->call = NULL;
    /* what the function caught may have left it */
    source->L = L;
    if (status != LUA_OK)
        lua_error(L);
    *out_has_rendered = use->has_rendered;
}

/* --- what it gave --- */

/* Text at idx that is no template text. */
static bool add_text(struct cf_lua_template_source *source, struct cf_template_call *call, int idx)
{
    size_t len;
    const char *text = cf_lua_template_text(source, idx, &len);

    cf_template_call_add(call, text, len);
    return true;
}

static bool add_template_text(lua_State *L, struct cf_template_call *call, const char *text,
                              size_t len, struct cf_error *err)
{
    struct piece *piece;

    if (cf_template_call_is_section(call))
        return push_piece(L, call, text, len, &piece, err) &&
               cf_template_call_render(call, piece->piece, NULL, err);
    if (!push_rendered(L, call, text, len, err))
        return false;
    text = lua_tolstring(L, -1, &len);
    cf_template_call_add(call, text, len);
    return true;
}

bool cf_lua_template_call(void *self, struct cf_value function, struct cf_template_call *call,
                          struct cf_error *err)
{
    struct cf_lua_template_source *source = self;
    lua_State *L = source->L;
    bool has_rendered;
    char message[80];
    size_t len;
    const char *text;

    push_result(source, (int)function.number, call, &has_rendered);   /* ... result */
    bool is_section = cf_template_call_is_section(call);
    int idx = lua_gettop(L);
    int type = cf_lua_is_null(L, idx) ? LUA_TNIL : lua_type(L, idx);

    switch (type) {
    case LUA_TSTRING:
        if (has_rendered)
            return add_text(source, call, idx);
        text = lua_tolstring(L, idx, &len);
        return add_template_text(L, call, text, len, err);
    case LUA_TNUMBER:
        return add_text(source, call, idx);
    case LUA_TBOOLEAN:    /* a section is shown or not; a variable has the text of the value */
        if (!is_section)
            return add_text(source, call, idx);
        if (!lua_toboolean(L, idx))
            return true;
        push_body(L, call);                           /* ... true body */
        text = lua_tolstring(L, -1, &len);
        return add_template_text(L, call, text, len, err);
    case LUA_TNIL:
        if (is_section || !cf_template_call_is_strict(call))
            return true;
        return cf_template_call_fail(call, err, "is a function that returned nothing");
    default:
        if (!cf_template_call_is_strict(call))
            return true;
        snprintf(message, sizeof message, "is a function that returned a %s, which has no text",
                 lua_typename(L, type));
        return cf_template_call_fail(call, err, message);
    }
}
