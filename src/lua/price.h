/* price.h - a model's prices as a Lua table has them.
 *
 *     { input = "3", output = "15", cache_write_5m = "3.75", cache_read = 0.3, batch_input = "1.5",
 *       tiers = { { threshold_prompt_tokens = 200000, input = "6", output = "22.5" } } }
 *
 * or "free". Dollars per million tokens, as decimal texts or numbers; a field that is absent is
 * unknown, not zero. */
#ifndef CONFAB_LUA_PRICE_H
#define CONFAB_LUA_PRICE_H

#include <stdbool.h>

#include <lua.h>

struct cf_error;
struct cf_price;

/* Reads the price at idx, without metamethods. False: CF_ERR_CONFIG that names the field
 * ("tiers[1]: unknown price \"inptu\"; did you mean \"input\"?"), *out untouched. Leaves the stack
 * as it was; raises only for lack of memory, and holds nothing then. */
bool cf_lua_read_price(lua_State *L, int idx, struct cf_price *out, struct cf_error *err);
#endif
