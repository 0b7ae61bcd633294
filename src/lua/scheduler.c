#include "lua/scheduler.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "confab/clock.h"
#include "confab/error.h"
#include "confab/rng.h"
#include "engine/completion.h"
#include "lua/limiter.h"
#include "lua/raise.h"
#include "lua/random.h"
#include "lua/scheduler_impl.h"

#define SCHEDULER_MT "confab.scheduler"

static const char registry_key = 0;

struct cf_scheduler *cf_scheduler_get(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
    struct cf_scheduler *sched = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return sched;
}

void cf_scheduler_push_table(lua_State *L, int which)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
    lua_getiuservalue(L, -1, which);
    lua_remove(L, -2);
}

static void deliver_all(lua_State *L, struct cf_scheduler *sched)
{
    struct cf_queue_link *list = cf_queue_take_all(&sched->completions);
    while (list != NULL) {
        struct cf_completion *completion = (struct cf_completion *)list;
        list = list->next;
        completion->deliver(completion, L);
    }
}

/* The engine was made later, so it is gone by now; what it gave back at its end lies in the
 * queue. */
static int scheduler_gc(lua_State *L)
{
    struct cf_scheduler *sched = luaL_checkudata(L, 1, SCHEDULER_MT);
    cf_scheduler_forget_signals(sched);
    cf_scheduler_forget_interrupts(sched);
    if (sched->L != NULL) {
        sched->ended = true;
        deliver_all(L, sched);
        cf_queue_done(&sched->completions);
    }
    sched->L = NULL;
    free(sched->ready);
    sched->ready = NULL;
    free(sched->traceback);
    sched->traceback = NULL;
    cf_limits_done(sched);
    return 0;
}

void cf_scheduler_open(lua_State *L, const struct cf_clock *clock, bool is_program)
{
    struct cf_scheduler *sched =
        lua_newuserdatauv(L, sizeof *sched, CF_SCHEDULER_TABLES); /* sched */
    memset(sched, 0, sizeof *sched);
    if (luaL_newmetatable(L, SCHEDULER_MT)) {
        lua_pushcfunction(L, scheduler_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    for (int which = CF_SCHEDULER_WAITING; which <= CF_SCHEDULER_TABLES; which++) {
        lua_newtable(L);
        lua_setiuservalue(L, -2, which);
    }
    if (!cf_queue_init(&sched->completions))
        luaL_error(L, "no file descriptor left for the scheduler");
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    sched->L = lua_tothread(L, -1);
    lua_pop(L, 1);
    cf_coroutine_set_waiting(sched->L, false); /* new threads copy this extra space */
    sched->clock = clock;
    sched->is_program = is_program;
    sched->next_ticket = 1;
    sched->drain_ms = -1;
    sched->exit_code = -1;
    lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key); /* */
}

struct cf_queue *cf_scheduler_completions(lua_State *L)
{
    return &cf_scheduler_get(L)->completions;
}

/* --- waiting --- */

uint64_t cf_scheduler_ticket(lua_State *L)
{
    struct cf_scheduler *sched = cf_scheduler_get(L);
    sched->outstanding++;
    return sched->next_ticket++;
}

void cf_scheduler_set_waiting(lua_State *L, uint64_t ticket)
{
    lua_State *co = lua_tothread(L, -1);
    struct cf_fiber *fiber = co != NULL ? cf_fiber_of(co) : NULL;
    if (fiber != NULL)
        fiber->ticket = ticket;
    cf_scheduler_push_table(L, CF_SCHEDULER_WAITING); /* thread waiting */
    lua_insert(L, -2);                                /* waiting thread */
    lua_rawseti(L, -2, (lua_Integer)ticket);
    lua_pop(L, 1);
}

lua_State *cf_scheduler_take_waiting(lua_State *L, uint64_t ticket)
{
    cf_scheduler_push_table(L, CF_SCHEDULER_WAITING); /* waiting */
    lua_rawgeti(L, -1, (lua_Integer)ticket);          /* waiting thread? */
    lua_State *co = lua_tothread(L, -1);
    if (co == NULL) {
        lua_pop(L, 2);
        return NULL;
    }
    lua_pushnil(L);
    lua_rawseti(L, -3, (lua_Integer)ticket);
    lua_remove(L, -2); /* thread */
    struct cf_fiber *fiber = cf_fiber_of(co);
    if (fiber != NULL)
        fiber->ticket = 0;
    return co;
}

/* The error at the top of co as C has it, and where it came from. */
static void fail_main(struct cf_scheduler *sched, lua_State *co, int status)
{
    sched->main_failed = true;
    cf_lua_read_error(co, -1, &sched->main_error);

    lua_State *L = sched->L;
    const char *traceback = NULL;
    if (lua_istable(co, -1) && lua_getfield(co, -1, "traceback") == LUA_TSTRING)
        traceback = lua_tostring(co, -1);
    if (traceback == NULL && status != LUA_ERRMEM) {
        luaL_traceback(L, co, NULL, 0); /* traceback */
        traceback = lua_tostring(L, -1);
        free(sched->traceback);
        sched->traceback = cf_strdup(traceback);
        lua_pop(L, 1);
    } else if (traceback != NULL) {
        free(sched->traceback);
        sched->traceback = cf_strdup(traceback);
    }
}

/* The script called coroutine.yield where nobody but the scheduler could take it. Raised by the
 * first instruction after it, for a yield has no way to fail. */
static void refuse_yield(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    struct cf_error err;
    lua_sethook(L, NULL, 0, 0);
    cf_fail(&err, CF_ERR_SCRIPT,
            "coroutine.yield was called outside a coroutine of the script's own");
    cf_lua_raise(L, &err);
}

int cf_scheduler_close_thread(lua_State *L, struct cf_scheduler *sched, lua_State *co)
{
    lua_State *running = sched->running, *blocked = sched->blocked;
    struct cf_fiber *fiber = sched->fiber;
    struct cf_kill kill = sched->kill;
    sched->kill = (struct cf_kill){ 0 };
    if (running == L || running == NULL) { /* what runs now runs inside of it, and cannot yield */
        sched->running = co;
        sched->blocked = blocked != NULL ? blocked : L;
    }
    if (fiber == NULL)
        sched->fiber = cf_fiber_of(co);
    sched->slice++; /* its <close> variables have the time of a step of their own */
    lua_sethook(co, NULL, 0, 0);
    int status = lua_resetthread(co);
    lua_sethook(co, NULL, 0, 0);
    sched->running = running;
    sched->blocked = blocked;
    sched->fiber = fiber;
    cf_limits_forget(sched);
    sched->kill = kill;
    return status;
}

/* What the coroutines of a turn push goes out together, but does not wait for one that takes its
 * time. */
static void flush_wakes(struct cf_scheduler *sched)
{
    int64_t now_ms = cf_now_ms(sched->clock);
    if (now_ms != sched->flushed_ms)
        cf_queue_flush_wakes();
    sched->flushed_ms = now_ms;
}

void cf_scheduler_spawn(lua_State *L, struct cf_scheduler *sched, int nargs)
{
    lua_State *co = lua_newthread(L); /* f args... co */
    lua_sethook(co, NULL, 0, 0);      /* that of the caller is none of its own */
    cf_fiber_new(L, co);
    lua_insert(L, -(nargs + 2)); /* co f args... */
    lua_xmove(L, co, nargs + 1); /* co */
    uint64_t ticket = sched->next_ticket++;
    cf_scheduler_set_waiting(L, ticket);
    cf_scheduler_add_ready(sched, ticket);
}

/* Runs co until it yields to the scheduler, or ends. */
static int run_slice(lua_State *L, struct cf_scheduler *sched, lua_State *co, int nargs)
{
    flush_wakes(sched);
    struct cf_rng *random = cf_lua_random(L), outer_random = *random;
    struct cf_fiber *fiber = cf_fiber_of(co);
    if (fiber != NULL && fiber->has_random)
        *random = fiber->random;
    sched->current = sched->running = co;
    sched->fiber = fiber;
    sched->outer = NULL;
    sched->blocked = NULL;
    sched->slice++;
    if (cf_scheduler_was_signalled())
        cf_scheduler_watch(sched, co);
    cf_limits_enter(L, sched);
    sched->is_waiting = false;
    int status, results = 0;
    while ((status = lua_resume(co, L, nargs, &results)) == LUA_YIELD && !sched->is_waiting) {
        lua_pop(co, results);
        nargs = 0;
        lua_sethook(co, refuse_yield, LUA_MASKCOUNT, 1);
    }
    if (status == LUA_YIELD)
        lua_pop(co, results);
    cf_limits_leave(L, sched);
    if (fiber != NULL && fiber->has_random) {
        fiber->random = *random;
        *random = outer_random;
    }
    return status;
}

/* Resumes co, whose arguments are on its stack. co is anchored by the caller. */
static void resume(lua_State *L, struct cf_scheduler *sched, lua_State *co, int nargs)
{
    /* Of the coroutine inside which the scheduler is turned, if it is. */
    lua_State *current = sched->current, *running = sched->running, *blocked = sched->blocked;
    struct cf_fiber *fiber = sched->fiber;
    struct cf_outer *outer = sched->outer;
    int status = run_slice(L, sched, co, nargs);
    sched->current = current;
    sched->running = running;
    sched->blocked = blocked;
    sched->fiber = fiber;
    sched->outer = outer;

    if (sched->kill.is_yielded) {
        cf_scheduler_close_thread(L, sched, co);
        cf_limits_tell(L, sched, co);
        cf_fiber_forget(L, co);
        return;
    }
    if (status == LUA_YIELD)
        return;
    cf_fiber_forget(L, co);
    if (co == sched->main_thread) {
        sched->main_done = true;
        if (status != LUA_OK)
            fail_main(sched, co, status);
    } else if (status != LUA_OK) {
        /* What is spawned catches its own errors, so this is one of ours: it ends the script. */
        sched->main_done = true;
        sched->main_thread = co;
        fail_main(sched, co, status);
    }
}

void cf_scheduler_wake(lua_State *L, uint64_t ticket, cf_lua_push_result push, void *data)
{
    struct cf_scheduler *sched = cf_scheduler_get(L);
    sched->outstanding--;
    lua_State *co = sched->ended ? NULL : cf_scheduler_take_waiting(L, ticket); /* thread? */
    if (co == NULL) {
        push(NULL, data);
        return;
    }
    resume(L, sched, co, push(co, data));
    lua_pop(L, 1);
}

void cf_scheduler_drop(lua_State *L, uint64_t ticket)
{
    struct cf_scheduler *sched = cf_scheduler_get(L);
    sched->outstanding--;
    if (cf_scheduler_take_waiting(L, ticket) != NULL)
        lua_pop(L, 1);
}

/* --- turning --- */

static void run_ready(lua_State *L, struct cf_scheduler *sched)
{
    for (size_t left = sched->ready_len; left > 0 && sched->ready_len > 0; left--) {
        uint64_t ticket = sched->ready[sched->ready_head];
        sched->ready_head = (sched->ready_head + 1) % sched->ready_cap;
        sched->ready_len--;

        cf_scheduler_push_table(L, CF_SCHEDULER_VALUES); /* values */
        lua_rawgeti(L, -1, (lua_Integer)ticket);         /* values value */
        lua_pushnil(L);
        lua_rawseti(L, -3, (lua_Integer)ticket);
        lua_remove(L, -2); /* value */
        lua_State *co =
            sched->ended ? NULL : cf_scheduler_take_waiting(L, ticket); /* value thread? */
        if (co == NULL) {
            lua_pop(L, 1);
            continue;
        }
        int nargs;
        bool is_spawned =
            lua_status(co) == LUA_OK && lua_tocfunction(co, 1) != cf_scheduler_return_arguments;
        if (is_spawned) { /* its arguments are on its stack */
            nargs = lua_gettop(co) - 1;
        } else {
            lua_pushvalue(L, -2);
            lua_xmove(L, co, 1);
            nargs = 1;
        }
        resume(L, sched, co, nargs);
        lua_pop(L, 2);
    }
}

static void tick(struct cf_scheduler *sched)
{
    for (int which = 0; which < CF_TICKS; which++) {
        struct ticker *ticker = &sched->tickers[which];
        if (ticker->on_tick == NULL)
            continue;
        int64_t now = cf_now_ms(sched->clock);
        if (now < ticker->next_ms)
            continue;
        ticker->next_ms = now + ticker->period_ms;
        ticker->on_tick(ticker->self);
    }
}

/* -1: there is none. */
static int64_t ms_until_tick(const struct cf_scheduler *sched)
{
    int64_t least = -1, now = 0;
    for (int which = 0; which < CF_TICKS; which++) {
        const struct ticker *ticker = &sched->tickers[which];
        if (ticker->on_tick == NULL)
            continue;
        now = now == 0 ? cf_now_ms(sched->clock) : now;
        int64_t until = ticker->next_ms > now ? ticker->next_ms - now : 0;
        if (least < 0 || until < least)
            least = until;
    }
    return least;
}

void cf_scheduler_turn(lua_State *L, struct cf_scheduler *sched)
{
    int timeout = -1;
    cf_scheduler_act_on_signals(L,
                                sched); /* its wake-up may have been read with that of a delivery */
    if (sched->ready_len > 0) {
        timeout = 0;
    } else {
        timeout = (int)ms_until_tick(sched);
    }
    int64_t until_abandon = cf_scheduler_ms_until_abandon(sched);
    if (until_abandon >= 0 && (timeout < 0 || until_abandon < timeout))
        timeout = (int)(until_abandon < INT32_MAX ? until_abandon : INT32_MAX);
    cf_queue_let_wakes_go(); /* an error may have ended the last turn */
    cf_queue_wait(&sched->completions, timeout);
    cf_scheduler_act_on_signals(L, sched);
    cf_scheduler_act_on_interrupt(L);
    cf_queue_hold_wakes();
    deliver_all(L, sched);
    run_ready(L, sched);
    tick(sched);
    cf_queue_let_wakes_go();
}

/* --- the whole --- */

void cf_scheduler_set_tick(lua_State *L, enum cf_tick which, int64_t period_ms,
                           void (*on_tick)(void *self), void *self)
{
    struct cf_scheduler *sched = cf_scheduler_get(L);
    sched->tickers[which] = (struct ticker){ on_tick, self, period_ms, cf_now_ms(sched->clock) };
}

bool cf_scheduler_has_ended(lua_State *L)
{
    return cf_scheduler_get(L)->ended;
}

enum cf_script_end cf_scheduler_run(lua_State *L, int nargs, struct cf_error *err)
{
    struct cf_scheduler *sched = cf_scheduler_get(L);
    lua_State *co = lua_newthread(L); /* f args... co */
    cf_fiber_new(L, co);
    lua_insert(L, -(nargs + 2)); /* co f args... */
    lua_xmove(L, co, nargs + 1); /* co */
    sched->main_thread = co;
    resume(L, sched, co, nargs);

    while (!sched->main_done && !sched->ended) {
        if (sched->level > CF_STOP_LEVEL_NONE && sched->outstanding == 0 && sched->ready_len == 0)
            break;
        cf_scheduler_turn(L, sched);
    }

    cf_scheduler_act_on_signals(L, sched); /* one may have come since the last turn */
    /* A stop where Lua cannot be suspended is an error on its way up. */
    if (sched->main_failed && sched->main_error.kind == CF_ERR_CANCELLED &&
        cf_scheduler_was_signalled())
        sched->main_failed = false, sched->ended = true;
    enum cf_script_end end = sched->main_failed                  ? CF_SCRIPT_FAILED
                             : sched->main_done && !sched->ended ? CF_SCRIPT_RETURNED
                                                                 : CF_SCRIPT_ENDED;
    /* Answers that are still owed are waited for, so that nothing points to what is freed next. */
    sched->ended = true;
    cf_lua_close_limiters(L);
    while (sched->outstanding > 0)
        cf_scheduler_turn(L, sched);
    if (!sched->main_done)
        cf_scheduler_close_thread(L, sched, co);
    cf_fiber_forget(L, co);
    sched->main_thread = NULL;
    lua_pop(L, 1);
    if (end == CF_SCRIPT_FAILED)
        *err = sched->main_error;
    return end;
}

int cf_scheduler_exit_code(lua_State *L)
{
    return cf_scheduler_get(L)->exit_code;
}

void cf_scheduler_settle(lua_State *L)
{
    struct cf_scheduler *sched = cf_scheduler_get(L);
    sched->ended = true;
    deliver_all(L, sched);
}

const char *cf_scheduler_traceback(lua_State *L)
{
    return cf_scheduler_get(L)->traceback;
}
