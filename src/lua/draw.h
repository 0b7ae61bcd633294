/* draw.h - items of the inputs written to the database, for the Lua side that draws. */
#ifndef CONFAB_LUA_DRAW_H
#define CONFAB_LUA_DRAW_H

#include <lua.h>

struct cf_run;

/* draw(run, list) -> items, numbers. Of each { key, ordinal, params (JSON), numbered }: the core's
 * item, false if this drawing has taken the key already; with `numbered` equal keys are told apart:
 * "key", "key#2", and the number is the n of "key#n", else 1. Waits for the commit. run stands at 1
 * and is known to be `run`. */
int cf_lua_draw(lua_State *L, struct cf_run *run);

/* stay(run, first, last): see cf_write_item_stay. Waits for the commit. */
int cf_lua_stay(lua_State *L, struct cf_run *run);
#endif
