/* cost.h - what tokens cost, for lua/confab/cost.lua. */
#ifndef CONFAB_LUA_COST_H
#define CONFAB_LUA_COST_H

#include <lua.h>

/* Pushes { price, of }.
 *  price(table or "free") -> the price, read; raises config_error naming the field
 *  of(price, usage) -> dollars, pico-dollars; nil where they cannot be told. usage: tokens by
 *      the names of a price (input, output, cache_read, ...), and batch, us = true */
int cf_lua_open_cost(lua_State *L);
#endif
