/* pairs.h - a pairs that visits keys in the same order in every process.
 *
 * A table whose keys are all 1..n is visited by index; any other table by sorted
 * keys: numbers, then strings by their bytes, then booleans. Keys without a lasting
 * order (tables, functions, userdata) come last, as `next` happens to give them.
 * __pairs is honoured; assigning nil during a traversal stays safe. */
#ifndef CONFAB_LUA_PAIRS_H
#define CONFAB_LUA_PAIRS_H

#include <lua.h>

/* Pushes { pairs }. */
int cf_lua_open_pairs(lua_State *L);
#endif
