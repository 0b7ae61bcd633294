#include "lua/raise.h"

#include <lauxlib.h>

#include "confab/error.h"

#define ERROR_MT "confab.error"

/* "kind: message". Never raises for a table that a script has tampered with. */
static int error_tostring(lua_State *L)
{
    if (!lua_istable(L, 1) || lua_getfield(L, 1, "kind") != LUA_TSTRING ||
        lua_getfield(L, 1, "message") != LUA_TSTRING) {
        lua_pushliteral(L, "confab error");
        return 1;
    }
    lua_pushfstring(L, "%s: %s", lua_tostring(L, -2), lua_tostring(L, -1));
    return 1;
}

static void push_metatable(lua_State *L)
{
    if (luaL_newmetatable(L, ERROR_MT)) {             /* mt */
        lua_pushcfunction(L, error_tostring);
        lua_setfield(L, -2, "__tostring");
    }
}

void cf_lua_push_error(lua_State *L, const struct cf_error *err)
{
    luaL_checkstack(L, 3, "too deep");
    lua_createtable(L, 0, 5);                         /* error */
    lua_pushstring(L, cf_error_kind_name(err->kind));
    lua_setfield(L, -2, "kind");
    lua_pushstring(L, err->message);
    lua_setfield(L, -2, "message");
    lua_pushboolean(L, err->retryable);
    lua_setfield(L, -2, "retryable");
    if (err->http_status != 0) {
        lua_pushinteger(L, err->http_status);
        lua_setfield(L, -2, "status");
    }
    if (err->retry_after_ms >= 0) {
        lua_pushnumber(L, (lua_Number)err->retry_after_ms / 1000);
        lua_setfield(L, -2, "retry_after");
    }
    push_metatable(L);                                /* error mt */
    lua_setmetatable(L, -2);                          /* error */
}

int cf_lua_raise(lua_State *L, const struct cf_error *err)
{
    cf_lua_push_error(L, err);
    return lua_error(L);
}

bool cf_lua_is_error(lua_State *L, int idx)
{
    if (!lua_istable(L, idx) || !lua_getmetatable(L, idx))
        return false;
    luaL_getmetatable(L, ERROR_MT);                   /* mt mt */
    bool is_error = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is_error;
}

void cf_lua_read_error(lua_State *L, int idx, struct cf_error *out)
{
    idx = lua_absindex(L, idx);
    if (lua_type(L, idx) == LUA_TSTRING) {
        cf_fail(out, CF_ERR_SCRIPT, "%s", lua_tostring(L, idx));
        return;
    }
    if (!lua_istable(L, idx)) {
        cf_fail(out, CF_ERR_SCRIPT, "an error that is %s, without a message",
                luaL_typename(L, idx));
        return;
    }
    lua_pushliteral(L, "kind");
    lua_rawget(L, idx);
    lua_pushliteral(L, "message");
    lua_rawget(L, idx);                               /* kind message */
    enum cf_error_kind kind =
        lua_type(L, -2) == LUA_TSTRING ? cf_error_kind_parse(lua_tostring(L, -2)) : CF_OK;
    cf_fail(out, kind != CF_OK ? kind : CF_ERR_SCRIPT, "%s",
            lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1)
                                           : "an error table without a message");
    lua_pop(L, 2);
}

int cf_lua_open_raise(lua_State *L)
{
    lua_createtable(L, 0, 1);                         /* raise */
    push_metatable(L);                                /* raise mt */
    lua_setfield(L, -2, "metatable");                 /* raise */
    return 1;
}
