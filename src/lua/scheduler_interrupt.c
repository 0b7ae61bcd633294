/* An interrupt: what a person has begun at a prompt is ended, and the program goes on. */
#include "lua/scheduler_impl.h"

#include <signal.h>

#include <lauxlib.h>

#include "base/log.h"

static const char handler_key = 0;     /* of the registry: the function to be called */

/* One program, one prompt: what the signal handler reaches. */
static volatile sig_atomic_t interrupted;
static struct cf_scheduler *volatile interruptible;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
    struct cf_scheduler *sched = interruptible;
    if (sched == NULL)
        return;
    cf_queue_poke(&sched->completions);
    if (sched->current != NULL && sched->current != sched->main_thread)
        cf_limits_interrupt(sched);
}

void cf_scheduler_catch_interrupts(lua_State *L)
{
    interrupted = 0;
    interruptible = cf_scheduler_get(L);
    /* no SA_RESTART: a prompt is to return */
    struct sigaction action = { .sa_handler = on_interrupt };
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);

    struct sigaction stop;
    static const int others[] = { SIGTERM, SIGHUP };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (sigaction(others[i], NULL, &stop) != 0 || stop.sa_handler == SIG_IGN)
            continue;
        stop.sa_flags &= ~SA_RESTART;
        sigaction(others[i], &stop, NULL);
    }
}

bool cf_scheduler_take_interrupt(void)
{
    bool was = interrupted != 0;
    interrupted = 0;
    return was;
}

void cf_scheduler_forget_interrupts(const struct cf_scheduler *sched)
{
    if (interruptible == sched)
        interruptible = NULL;
}

void cf_scheduler_act_on_interrupt(lua_State *L)
{
    if (!interrupted)
        return;
    int type = lua_rawgetp(L, LUA_REGISTRYINDEX, &handler_key);
    if (type != LUA_TFUNCTION) {                                  /* nothing was begun */
        lua_pop(L, 1);
        return;
    }
    interrupted = 0;
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
        cf_log(CF_LOG_WARN, "interrupt: %s", luaL_tolstring(L, -1, NULL));
        lua_pop(L, 2);
    }
}

int cf_scheduler_on_interrupt(lua_State *L)
{
    if (!lua_isnil(L, 1))
        luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &handler_key);
    return 0;
}

int cf_scheduler_discard_others(lua_State *L)
{
    struct cf_scheduler *sched = cf_scheduler_get(L);
    lua_newtable(L);                                              /* list */
    cf_scheduler_push_table(L, CF_SCHEDULER_WAITING);             /* list waiting */
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {   /* list waiting ticket thread */
        lua_State *co = lua_tothread(L, -1);
        if (co == NULL || co == sched->main_thread || co == sched->current ||
            cf_fiber_of(co) == NULL)
            continue;
        lua_pushvalue(L, -1);
        lua_rawseti(L, -5, (lua_Integer)lua_rawlen(L, -5) + 1);
    }
    lua_pop(L, 1);                                                /* list */
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, i);                                    /* list thread */
        lua_State *co = lua_tothread(L, -1);
        struct cf_fiber *fiber = cf_fiber_of(co);
        /* not ended by another's <close> */
        if (fiber != NULL) {
            if (cf_scheduler_take_waiting(L, fiber->ticket) != NULL)
                lua_pop(L, 1);
            cf_fiber_forget(L, co);
            cf_scheduler_close_thread(L, sched, co);
        }
        lua_pop(L, 1);
    }
    return 0;
}
