/* finish.h - the end of an item: its state and its conversations, in one transaction. */
#ifndef CONFAB_LUA_FINISH_H
#define CONFAB_LUA_FINISH_H

#include <lua.h>

/* run:finish(item, outcome), the item and the outcome being at 2 and 3: see run.h. To be
 * returned from a lua_CFunction; waits for the commit. */
int cf_lua_finish_item(lua_State *L);
#endif
