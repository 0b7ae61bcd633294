/* state.h - the Lua state of the program: libraries, embedded modules, deterministic globals. */
#ifndef CONFAB_LUA_STATE_H
#define CONFAB_LUA_STATE_H

#include <stdbool.h>

#include <lua.h>

/* Makes a state with the standard libraries, confab's modules (compiled in, or from the folder
 * that CONFAB_LUA_PATH names), `pairs` and math.random of our own, and the scheduler. NULL: no
 * memory. */
lua_State *cf_lua_new_state(void);

/* Lets the engine finish, then closes everything. NULL is fine. */
void cf_lua_free_state(lua_State *L);

/* Makes `require "confab.NAME"` find the compiled-in modules, after whatever is in package.path
 * only if CONFAB_LUA_PATH is set. For any Lua state, also a user's own. */
void cf_lua_add_modules(lua_State *L);

/* The C entry of the module `confab` in a user's own interpreter. */
int luaopen_confab(lua_State *L);
#endif
