/* item.h - an item of a run, as the Lua side holds it while it is worked on. */
#ifndef CONFAB_LUA_ITEM_H
#define CONFAB_LUA_ITEM_H

#include <lua.h>

struct cf_item;

/* Pushes a new, zeroed item userdata and returns it; the metatable frees what it comes to own. */
struct cf_item *cf_lua_push_item(lua_State *L);

/* The item at idx; raises if it is none. */
struct cf_item *cf_lua_check_item(lua_State *L, int idx);

/* Makes the metatable. item.id, .ordinal, .state, .existed, .error_kind, .new_calls,
 * .call_count. */
void cf_lua_open_item(lua_State *L);
#endif
