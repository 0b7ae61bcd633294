#include "lua/scheduler_impl.h"

#include <stdlib.h>

#include <lauxlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "confab/clock.h"
#include "confab/rng.h"
#include "lua/random.h"

void cf_scheduler_add_ready(struct cf_scheduler *sched, uint64_t ticket)
{
    if (sched->ready_len == sched->ready_cap) {
        size_t cap = sched->ready_cap > 0 ? 2 * sched->ready_cap : 64;
        uint64_t *ring = cf_malloc(cap * sizeof *ring);
        for (size_t i = 0; i < sched->ready_len; i++)
            ring[i] = sched->ready[(sched->ready_head + i) % sched->ready_cap];
        free(sched->ready);
        sched->ready = ring;
        sched->ready_head = 0;
        sched->ready_cap = cap;
    }
    sched->ready[(sched->ready_head + sched->ready_len++) % sched->ready_cap] = ticket;
}

static int scheduler_spawn(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    cf_scheduler_spawn(L, cf_scheduler_get(L), lua_gettop(L) - 1);
    return 0;
}

static int scheduler_discard(lua_State *L)
{
    struct cf_scheduler *sched = cf_scheduler_get(L);
    lua_State *co = lua_tothread(L, 1);
    struct cf_fiber *fiber = co != NULL ? cf_fiber_of(co) : NULL;
    luaL_argcheck(L, co != NULL && co != sched->current, 1, "a coroutine that waits");
    if (fiber == NULL) /* it is over */
        return 0;
    cf_scheduler_take_waiting(L, fiber->ticket);
    cf_fiber_forget(L, co);
    cf_scheduler_close_thread(L, sched, co);
    return 0;
}

static int scheduler_fiber(lua_State *L)
{
    struct cf_scheduler *sched = cf_scheduler_get(L);
    if (sched->current == NULL)
        return 0;
    lua_pushthread(sched->current);
    lua_xmove(sched->current, L, 1);
    return 1;
}

static int scheduler_context(lua_State *L)
{
    struct cf_scheduler *sched = cf_scheduler_get(L);
    if (sched->fiber == NULL)
        return 0;
    cf_fiber_push_value(L, sched->current, CF_FIBER_CONTEXT);
    return 1;
}

static int scheduler_set_context(lua_State *L)
{
    struct cf_scheduler *sched = cf_scheduler_get(L);
    luaL_argcheck(L, sched->fiber != NULL, 1, "there is no coroutine to have it");
    lua_settop(L, 1);
    cf_fiber_set_value(L, sched->current, CF_FIBER_CONTEXT);
    return 0;
}

static int scheduler_limit(lua_State *L)
{
    struct cf_scheduler *sched = cf_scheduler_get(L);
    struct cf_step_limits limits = { 0 };
    lua_settop(L, 3);
    if (lua_isfunction(L, 1)) {
        limits.cpu_ms = (int64_t)(luaL_optnumber(L, 2, 0) * 1000);
        limits.memory_bytes = (size_t)(luaL_optnumber(L, 3, 0) * 1048576);
    }
    if (sched->fiber == NULL || !sched->is_program)
        return 0;
    lua_settop(L, 1);
    cf_fiber_set_value(L, sched->current, CF_FIBER_ON_KILLED);
    cf_limits_set(L, sched, &limits);
    return 0;
}

static int scheduler_is_limited(lua_State *L)
{
    const struct cf_fiber *fiber = cf_scheduler_get(L)->fiber;
    lua_pushboolean(L, fiber != NULL &&
                           (fiber->limits.cpu_ms != 0 || fiber->limits.memory_bytes != 0));
    return 1;
}

static int scheduler_seed(lua_State *L)
{
    struct cf_fiber *fiber = cf_scheduler_get(L)->fiber;
    if (fiber != NULL)
        fiber->has_random = true;
    cf_rng_seed(cf_lua_random(L), (uint64_t)luaL_checkinteger(L, 1));
    return 0;
}

static int scheduler_ticket(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)cf_scheduler_get(L)->next_ticket++);
    return 1;
}

static int scheduler_check_wait(lua_State *L)
{
    cf_lua_check_wait(L, luaL_checkstring(L, 1));
    return 0;
}

static int scheduler_wait(lua_State *L)
{
    uint64_t ticket = (uint64_t)luaL_checkinteger(L, 1);
    lua_settop(L, 0);
    return cf_lua_wait(L, ticket, "wait");
}

static int scheduler_wake(lua_State *L)
{
    struct cf_scheduler *sched = cf_scheduler_get(L);
    lua_Integer ticket = luaL_checkinteger(L, 1);
    lua_settop(L, 2);
    cf_scheduler_push_table(L, CF_SCHEDULER_VALUES); /* ticket value values */
    lua_insert(L, -2);                               /* ticket values value */
    lua_rawseti(L, -2, ticket);
    cf_scheduler_add_ready(sched, (uint64_t)ticket);
    return 0;
}

static const char tick_keys[CF_TICKS]; /* registry: the Lua side's ticks */

static void call_tick(lua_State *L, enum cf_tick which)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &tick_keys[which]) != LUA_TFUNCTION) {
        lua_pop(L, 1);
        return;
    }
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
        cf_log(CF_LOG_DEBUG, "tick: %s", luaL_tolstring(L, -1, NULL));
        lua_pop(L, 2);
    }
}

static void call_progress_tick(void *self)
{
    call_tick(self, CF_TICK_PROGRESS);
}

static void call_watch_tick(void *self)
{
    call_tick(self, CF_TICK_WATCH);
}

static int set_tick(lua_State *L, enum cf_tick which, void (*on_tick)(void *self))
{
    lua_Integer period_ms = luaL_checkinteger(L, 1);
    lua_settop(L, 2);
    bool is_on = lua_isfunction(L, 2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &tick_keys[which]);
    cf_scheduler_set_tick(L, which, period_ms, is_on ? on_tick : NULL, cf_scheduler_get(L)->L);
    return 0;
}

static int scheduler_set_tick(lua_State *L)
{
    return set_tick(L, CF_TICK_PROGRESS, call_progress_tick);
}

static int scheduler_set_watch(lua_State *L)
{
    return set_tick(L, CF_TICK_WATCH, call_watch_tick);
}

static int scheduler_stop(lua_State *L)
{
    cf_scheduler_stop(L, CF_STOP_LEVEL_DRAIN);
    return 0;
}

static int scheduler_now(lua_State *L)
{
    lua_pushinteger(L, cf_now_ms(cf_scheduler_get(L)->clock));
    return 1;
}

static int scheduler_unix_ms(lua_State *L)
{
    lua_pushinteger(L, cf_unix_ms(cf_scheduler_get(L)->clock));
    return 1;
}

static int scheduler_exit(lua_State *L)
{
    struct cf_scheduler *sched = cf_scheduler_get(L);
    lua_Integer code = luaL_checkinteger(L, 1);
    sched->exit_code = (int)(code & 0xFF);
    sched->ended = true;
    return cf_lua_wait_for_ever(L);
}

static int scheduler_stopping(lua_State *L)
{
    struct cf_scheduler *sched = cf_scheduler_get(L);
    lua_pushboolean(L, sched->level > CF_STOP_LEVEL_NONE || sched->ended);
    return 1;
}

int cf_lua_open_scheduler(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "spawn", scheduler_spawn },
        { "fiber", scheduler_fiber },
        { "context", scheduler_context },
        { "set_context", scheduler_set_context },
        { "limit", scheduler_limit },
        { "is_limited", scheduler_is_limited },
        { "unix_ms", scheduler_unix_ms },
        { "exit", scheduler_exit },
        { "now", scheduler_now },
        { "seed", scheduler_seed },
        { "set_tick", scheduler_set_tick },
        { "set_watch", scheduler_set_watch },
        { "stop", scheduler_stop },
        { "discard", scheduler_discard },
        { "discard_others", cf_scheduler_discard_others },
        { "on_interrupt", cf_scheduler_on_interrupt },
        { "ticket", scheduler_ticket },
        { "check_wait", scheduler_check_wait },
        { "wait", scheduler_wait },
        { "wake", scheduler_wake },
        { "stopping", scheduler_stopping },
        { NULL, NULL },
    };
    if (cf_scheduler_get(L) == NULL) /* confab.core alone, in a user's interpreter */
        cf_scheduler_open(L, cf_clock_system(), false);
    luaL_newlib(L, functions);
    return 1;
}
