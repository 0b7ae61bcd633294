#include "lua/scheduler_impl.h"

#include <signal.h>

#include <lauxlib.h>

#include "confab/clock.h"
#include "lua/limiter.h"
#include "lua/raise.h"

#define HOOK_INSTRUCTIONS 10000
#define HOOK_GRACE_MS     1000 /* a stop leaves running Lua code so much time to reach a call */
#define FATAL_SIGNALS     3    /* for a loop that no hook reaches; what is durable stays so */

/* One program, one script: what the signal handlers reach. */
static volatile sig_atomic_t signal_count;
static struct cf_scheduler *volatile signal_scheduler;

/* Ends Lua code that keeps running after a stop. A yield cannot be caught by a pcall in a
 * loop; where the code cannot yield, an error is raised, and the hook stays for the next chance. */
static void stop_hook(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    struct cf_scheduler *sched = signal_scheduler;
    if (sched == NULL || signal_count == 0)
        return;
    int64_t now = cf_now_ms(sched->clock);
    if (sched->stopped_at_ms == 0)
        sched->stopped_at_ms = now;
    if (signal_count < 2 && now - sched->stopped_at_ms < HOOK_GRACE_MS)
        return;
    if (signal_count < 2 &&
        now - sched->resumed_at_ms < HOOK_GRACE_MS) /* it has just got a reply */
        return;
    if (cf_scheduler_can_yield(sched, L)) {
        sched->is_waiting = true;
        lua_yield(L, 0);
        return;
    }
    struct cf_error err;
    cf_fail(&err, CF_ERR_CANCELLED, "interrupted");
    cf_lua_raise(L, &err);
}

void cf_scheduler_watch(struct cf_scheduler *sched, lua_State *co)
{
    sched->resumed_at_ms = cf_now_ms(sched->clock);
    lua_sethook(co, stop_hook, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
}

void cf_scheduler_arm(struct cf_scheduler *sched, lua_State *co)
{
    if (sched->kill.reason != CF_KILL_NOT)
        cf_limits_arm(co);
    else if (signal_count > 0 && sched->is_program)
        lua_sethook(co, stop_hook, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
}

bool cf_scheduler_was_signalled(void)
{
    return signal_count > 0;
}

void cf_scheduler_forget_signals(const struct cf_scheduler *sched)
{
    if (signal_scheduler == sched)
        signal_scheduler = NULL;
}

int64_t cf_scheduler_ms_until_abandon(const struct cf_scheduler *sched)
{
    if (sched->level != CF_STOP_LEVEL_DRAIN || sched->drain_ms < 0)
        return -1;
    int64_t left = sched->stopped_at_ms + sched->drain_ms - cf_now_ms(sched->clock);
    return left > 0 ? left : 0;
}

void cf_scheduler_act_on_signals(lua_State *L, struct cf_scheduler *sched)
{
    int count = sched->is_program ? (int)signal_count : 0;
    enum cf_stop_level wanted = count == 0   ? CF_STOP_LEVEL_NONE
                                : count == 1 ? CF_STOP_LEVEL_DRAIN
                                             : CF_STOP_LEVEL_ABANDON;
    if (wanted > sched->level)
        cf_scheduler_stop(L, wanted);
    if (sched->level == CF_STOP_LEVEL_DRAIN && cf_scheduler_ms_until_abandon(sched) == 0)
        cf_scheduler_stop(L, CF_STOP_LEVEL_ABANDON);
}

void cf_scheduler_set_on_stop(lua_State *L, void (*on_stop)(enum cf_stop_level level, void *self),
                              void *self)
{
    struct cf_scheduler *sched = cf_scheduler_get(L);
    sched->on_stop = on_stop;
    sched->on_stop_self = self;
}

void cf_scheduler_set_drain(lua_State *L, int64_t drain_ms)
{
    cf_scheduler_get(L)->drain_ms = drain_ms;
}

void cf_scheduler_stop(lua_State *L, enum cf_stop_level level)
{
    struct cf_scheduler *sched = cf_scheduler_get(L);
    if (level <= sched->level)
        return;
    sched->level = level;
    if (sched->stopped_at_ms == 0)
        sched->stopped_at_ms = cf_now_ms(sched->clock);
    cf_lua_close_limiters(L);
    if (sched->on_stop != NULL)
        sched->on_stop(level, sched->on_stop_self);
}

enum cf_stop_level cf_scheduler_stop_level(lua_State *L)
{
    return cf_scheduler_get(L)->level;
}

static void on_signal(int number)
{
    /* A shell may send this when its terminal goes, and the kernel too: it gives nothing up. */
    if (number == SIGHUP && signal_count > 0)
        return;
    signal_count++;
    if (signal_count >= FATAL_SIGNALS) {
        signal(number, SIG_DFL);
        raise(number);
        return;
    }
    struct cf_scheduler *sched = signal_scheduler;
    if (sched == NULL)
        return;
    cf_queue_poke(&sched->completions);
    lua_State *running = sched->running;
    if (running != NULL)
        lua_sethook(running, stop_hook, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
}

void cf_scheduler_catch_signals(lua_State *L)
{
    signal_count = 0;
    signal_scheduler = cf_scheduler_get(L);
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);

    struct sigaction hangup;
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) /* not under nohup */
        sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file at its limit is a full disk: an error of the write */
}
