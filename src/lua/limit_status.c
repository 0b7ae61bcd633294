/* How a lane stands, as a table. */
#include "lua/limiter.h"

#include <lauxlib.h>

#include "confab/clock.h"
#include "confab/limiter.h"

static void set_int(lua_State *L, const char *name, int64_t value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static void set_use(lua_State *L, const char *name, int64_t used, int64_t limit)
{
    if (limit == 0)
        return;
    lua_createtable(L, 0, 2);
    set_int(L, "used", used);
    set_int(L, "limit", limit);
    lua_setfield(L, -2, name);
}

void cf_lua_push_limit_status(lua_State *L, const struct cf_limit_status *status,
                              const struct cf_clock *clock)
{
    luaL_checkstack(L, 4, "too deep");
    lua_createtable(L, 0, 11);                        /* status */
    set_int(L, "used", status->used);
    set_int(L, "remaining", status->remaining);
    set_int(L, "limit", status->limit);
    set_int(L, "reset_ms", status->reset_ms);
    if (status->wait_ms >= 0)
        set_int(L, "wait_ms", status->wait_ms);
    set_int(L, "queued", status->queued);
    set_int(L, "in_flight", status->in_flight);
    if (status->paused_until_ms > 0) {
        int64_t left_ms = status->paused_until_ms - cf_now_ms(clock);
        lua_pushnumber(L, (lua_Number)(cf_unix_ms(clock) + left_ms) / 1000);
        lua_setfield(L, -2, "paused_until");
    }
    lua_pushstring(L, status->source);
    lua_setfield(L, -2, "source");
    set_use(L, "input", status->amounts_used.input, status->amounts_limit.input);
    set_use(L, "output", status->amounts_used.output, status->amounts_limit.output);
}
