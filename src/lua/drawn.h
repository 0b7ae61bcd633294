/* drawn.h - a stretch of a run's plan as the database has it, for the Lua side that draws. */
#ifndef CONFAB_LUA_DRAWN_H
#define CONFAB_LUA_DRAWN_H

#include <lua.h>

struct cf_run;

/* drawn(run, first, count, drawn or nil) -> the places first, first + 1, ... of the plan; with a
 * stretch that is not needed any more its memory is used again. run stands at 1 and is known to be
 * `run`. Methods of a stretch, each of a place (ordinal):
 *   number(ordinal, key, params, is_numbered)
 *                          1, or n for "key#n" (with is_numbered), if the one item there has that
 *                          key and these parameters (JSON), else nil. The others need it to be there:
 *   state(ordinal)         state, kind of its failure ("" otherwise)
 *   stands(ordinal, hash)  whether it is done with this one call, uncut; whether it is accepted
 *   item(ordinal)          a core item with its journal */
int cf_lua_drawn(lua_State *L, struct cf_run *run);

void cf_lua_open_drawn(lua_State *L);
#endif
