#include "lua/guard.h"

#include <lauxlib.h>

#define GUARD_MT "confab.guard"

void cf_lua_guard_free(struct cf_lua_guard *guard)
{
    void *object = guard->object;
    guard->object = NULL;
    if (object != NULL)
        guard->free_object(object);
}

static int guard_gc(lua_State *L) /* also __close */
{
    cf_lua_guard_free(luaL_checkudata(L, 1, GUARD_MT));
    return 0;
}

struct cf_lua_guard *cf_lua_push_guard(lua_State *L, void (*free_object)(void *object))
{
    struct cf_lua_guard *guard = lua_newuserdatauv(L, sizeof *guard, 0); /* guard */
    guard->object = NULL;
    guard->free_object = free_object;
    if (luaL_newmetatable(L, GUARD_MT)) { /* guard mt */
        lua_pushcfunction(L, guard_gc);
        lua_setfield(L, -2, "__gc");
        lua_pushcfunction(L, guard_gc);
        lua_setfield(L, -2, "__close");
    }
    lua_setmetatable(L, -2);
    return guard;
}
