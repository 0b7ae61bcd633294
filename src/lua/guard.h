/* guard.h - a C object that must not leak when a Lua call raises: its userdata frees it. */
#ifndef CONFAB_LUA_GUARD_H
#define CONFAB_LUA_GUARD_H

#include <lua.h>

/* Owned: freed by cf_lua_guard_free, by the collector, or as a to-be-closed variable. */
struct cf_lua_guard {
    void *object; /* NULL: nothing to free */
    void (*free_object)(void *object);
};

/* Pushes an empty guard. Set object once it is there. */
struct cf_lua_guard *cf_lua_push_guard(lua_State *L, void (*free_object)(void *object));

/* Frees the object now; twice is fine. Does not raise. */
void cf_lua_guard_free(struct cf_lua_guard *guard);
#endif
