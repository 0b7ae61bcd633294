/* retry.h - the retry manager for a script's own use: confab.retry{}. */
#ifndef CONFAB_LUA_RETRY_H
#define CONFAB_LUA_RETRY_H

#include <lua.h>

/* Pushes { new }.
 *  new(policy) -> a retry; policy as in confab.setup, and seed; raises config_error. Without a seed
 *      the jitter comes from math.random's generator.
 *  retry:next(error) -> delay_ms or nil, { verdict, attempt, reason }
 *  retry:delay(n, retry_after?) -> delay_ms before retry n
 *  retry:attempts() -> failures counted so far
 *  retry:reset()
 * error: one of confab's, or a table with status, retry_after (seconds), type, code, message. */
int cf_lua_open_retry(lua_State *L);
#endif
