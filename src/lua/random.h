/* random.h - math.random and math.randomseed that repeat themselves.
 *
 * All draws come from one current state per Lua state. Who runs a step copies the
 * step's own generator in before resuming it and out again when it yields:
 *
 *     struct cf_rng *current = cf_lua_random(L), outer = *current;
 *     *current = step->rng;  ...resume...  step->rng = *current;  *current = outer; */
#ifndef CONFAB_LUA_RANDOM_H
#define CONFAB_LUA_RANDOM_H

#include <lua.h>

struct cf_rng;

/* The current state, seeded with 0 at first. Lives as long as L. May raise for lack of memory the
 * first time. */
struct cf_rng *cf_lua_random(lua_State *L);

/* Pushes { random, randomseed, new }. */
int cf_lua_open_random(lua_State *L);
#endif
