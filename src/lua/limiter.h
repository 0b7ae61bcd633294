/* limiter.h - the rate limiter for a script's own use: confab.limiter{}.
 *
 * A call that must wait hands a struct to the limiter's thread, which gives it back through the
 * scheduler's completion queue; the coroutine waits meanwhile, the others go on. */
#ifndef CONFAB_LUA_LIMITER_H
#define CONFAB_LUA_LIMITER_H

#include <lua.h>

struct cf_clock;
struct cf_limit_status;

/* Pushes { used, remaining, limit, reset_ms, wait_ms, queued, in_flight, paused_until, source,
 * input = { used, limit }, output = { used, limit } }. paused_until is unix seconds as os.time has
 * them, absent without a pause, wait_ms if it depends on a release; input and output where they
 * are limited. */
void cf_lua_push_limit_status(lua_State *L, const struct cf_limit_status *status,
                              const struct cf_clock *clock);

/* Ends all waiting on limiters of this state: who waits gets `cancelled`, or, after a stop, does
 * not go on; later calls fail alike. For a stop and the end of the program. */
void cf_lua_close_limiters(lua_State *L);

/* Pushes { new }.
 *  new(limits) -> a limiter; limits as in confab.setup; raises config_error
 *  limiter:acquire(key?, amounts?)   waits for its turn and takes it; raises rate_limit_error
 *  limiter:reserve(key?, amounts?)   the same -> a reservation, counted as in flight
 *      :sent()  :settle(amounts)  :release(how?)  :refused(wait_ms?)
 *  limiter:wait_for_capacity(key?)   waits until a call would go at once; takes nothing
 *  limiter:status(key?)  :reset(key?) -> queued  :clear_all() -> queued
 * key: the lane, "default" if absent. amounts: { requests = 1, input = 0, output = 0 }. how: "done"
 * (default), "never_sent", "failed", "unknown". */
int cf_lua_open_limiter(lua_State *L);
#endif
