/* scheduler_impl.h - what the files of the scheduler share.
 *
 * scheduler.c resumes and turns; fiber.c has what belongs to each coroutine that it resumes;
 * scheduler_wait.c has the ways to wait, and the words where none is; scheduler_interrupt.c ends
 * what was begun at a prompt; scheduler_stop.c has signals, hooks and stop levels; limits.c ends
 * steps that run away; scheduler_lua.c is what the Lua side calls. Coroutines that the script
 * makes itself are in coroutine.c: they hang on a fiber. Everything here is for the script
 * thread. */
#ifndef CONFAB_LUA_SCHEDULER_IMPL_H
#define CONFAB_LUA_SCHEDULER_IMPL_H

#include "confab/error.h"
#include "confab/rng.h"
#include "lua/limits.h"
#include "lua/scheduler.h"

/* User values of the scheduler: ticket -> coroutine that waits, ticket -> value of a wake(). */
enum { CF_SCHEDULER_WAITING = 1, CF_SCHEDULER_VALUES, CF_SCHEDULER_TABLES = CF_SCHEDULER_VALUES };

/* A coroutine that the scheduler itself resumes: the main chunk, a worker, a branch. Coroutines
 * that a script makes run inside of one. It lies in a userdata that the registry keeps under the
 * thread; the extra space of the thread points to it. */
struct cf_fiber {
    uint64_t ticket;               /* it waits for; 0: none */
    bool has_random;
    struct cf_rng random;          /* its own, while it does not run */
    struct cf_step_limits limits;  /* of the step that it is in; zeros: none */
};

/* User values of a fiber: what the Lua side set, and what it wants to be called when a limit
 * ends the step. */
enum { CF_FIBER_CONTEXT = 1, CF_FIBER_ON_KILLED, CF_FIBER_VALUES = CF_FIBER_ON_KILLED };

struct cf_scheduler {
    lua_State *L;                  /* the main state */
    const struct cf_clock *clock;
    int64_t flushed_ms;            /* when held wake-ups were let go last */
    bool is_program;
    struct cf_queue completions;
    uint64_t next_ticket;
    int64_t outstanding;           /* tickets that other threads owe an answer */
    int callbacks;                 /* cf_scheduler_call that run */

    lua_State *current;            /* the fiber's coroutine that runs; NULL between resumes */
    struct cf_fiber *fiber;        /* of current; NULL if it has none */
    /* the innermost coroutine in it: current, or one of the script's */
    lua_State *running;
    struct cf_outer *outer;        /* those around it, the nearest first */
    lua_State *blocked;            /* one of them that cannot be suspended; NULL: none */
    bool is_waiting;               /* it yielded to the scheduler */
    unsigned slice;                /* counts the times that a fiber was resumed */
    struct cf_kill kill;           /* of the fiber that runs */
    lua_State *main_thread;        /* anchored in the registry while cf_scheduler_run runs */
    bool main_done, ended;
    int  exit_code;                /* that the script asked for; -1: none */
    struct cf_error main_error;    /* set when the main chunk, or what was spawned, failed */
    bool main_failed;
    char *traceback;               /* owned; of the error that ended the main chunk */

    /* Ring of tickets that wake() made ready; their values are in the second user value. */
    uint64_t *ready;
    size_t ready_head, ready_len, ready_cap;

    struct ticker {
        void (*on_tick)(void *self);
        void *self;
        int64_t period_ms, next_ms;
    } tickers[CF_TICKS];

    void (*on_stop)(enum cf_stop_level level, void *self);
    void *on_stop_self;
    enum cf_stop_level level;      /* the one acted on */
    int64_t stopped_at_ms;         /* when the stop began; 0: no stop */
    int64_t resumed_at_ms;         /* when current was; only kept up after a signal */
    /* how long a drain may take before it becomes an abandoning; -1: for ever */
    int64_t drain_ms;
};

/* A coroutine around the one that runs. On the C stack of the function that resumes. */
struct cf_outer {
    lua_State *thread;
    struct cf_outer *next;
};

/* The scheduler of this state; NULL before it is opened. */
struct cf_scheduler *cf_scheduler_get(lua_State *L);

/* Pushes one of its tables. */
void cf_scheduler_push_table(lua_State *L, int which);

/* waiting[ticket] = the thread at the top of L (popped). */
void cf_scheduler_set_waiting(lua_State *L, uint64_t ticket);

/* Pushes the thread that waits for the ticket and forgets it; NULL, pushing nothing, if none
 * does. */
lua_State *cf_scheduler_take_waiting(lua_State *L, uint64_t ticket);

/* The fiber whose coroutine co is; NULL if it is none. */
struct cf_fiber *cf_fiber_of(lua_State *co);

/* Makes co, at the top of L, a fiber. */
struct cf_fiber *cf_fiber_new(lua_State *L, lua_State *co);

/* Pushes a user value of co's fiber. */
void cf_fiber_push_value(lua_State *L, lua_State *co, int which);

/* Sets it to the value at the top of L (popped). */
void cf_fiber_set_value(lua_State *L, lua_State *co, int which);

/* It is over. */
void cf_fiber_forget(lua_State *L, lua_State *co);

/* Whether co is a coroutine of the script that waits, inside a fiber that waits. */
bool cf_coroutine_is_waiting(lua_State *co);
void cf_coroutine_set_waiting(lua_State *co, bool is_waiting);

/* Ends a coroutine: its <close> variables run, and cannot wait. The status of lua_resetthread. */
int cf_scheduler_close_thread(lua_State *L, struct cf_scheduler *sched, lua_State *co);

/* Makes a fiber of the function that lies below its nargs arguments at the top of L (all
 * popped), to run at the next turn. */
void cf_scheduler_spawn(lua_State *L, struct cf_scheduler *sched, int nargs);

/* The ticket's coroutine is to go on at the next turn. */
void cf_scheduler_add_ready(struct cf_scheduler *sched, uint64_t ticket);

/* Whether a yield of L would reach the scheduler. */
bool cf_scheduler_can_yield(const struct cf_scheduler *sched, lua_State *L);

/* Whether a C function can be suspended, of those that are in coroutine.c. */
bool cf_coroutine_can_wait(lua_CFunction function);

/* Waits for the next thing to do and does it. */
void cf_scheduler_turn(lua_State *L, struct cf_scheduler *sched);

/* The body of a coroutine that takes the answer for a main chunk that cannot yield. */
int cf_scheduler_return_arguments(lua_State *L);

/* After a signal: co is about to be resumed, and must not run for long. */
void cf_scheduler_watch(struct cf_scheduler *sched, lua_State *co);

/* co goes on inside a fiber: what is to end that fiber, a signal or a limit, is to reach it as
 * well. */
void cf_scheduler_arm(struct cf_scheduler *sched, lua_State *co);

/* Raises the stop level if signals, or the end of the drain, ask for it. */
void cf_scheduler_act_on_signals(lua_State *L, struct cf_scheduler *sched);

/* Until a drain becomes an abandoning; -1: there is no such moment. */
int64_t cf_scheduler_ms_until_abandon(const struct cf_scheduler *sched);

/* The scheduler goes: signals reach it no more. */
void cf_scheduler_forget_signals(const struct cf_scheduler *sched);
void cf_scheduler_forget_interrupts(const struct cf_scheduler *sched);

/* Calls the function of on_interrupt if there was an interrupt. Between resumes. */
void cf_scheduler_act_on_interrupt(lua_State *L);

/* For the Lua side, see scheduler.h. */
int cf_scheduler_on_interrupt(lua_State *L);
int cf_scheduler_discard_others(lua_State *L);
#endif
