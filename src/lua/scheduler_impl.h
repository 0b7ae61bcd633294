/* scheduler_impl.h - what the files of the scheduler share.
 *
 * scheduler.c resumes and turns; scheduler_wait.c has the ways to wait, and the words where none is;
 * scheduler_stop.c has signals, hooks and stop levels; scheduler_lua.c is what the Lua side calls.
 * Everything here is for the script thread. */
#ifndef CONFAB_LUA_SCHEDULER_IMPL_H
#define CONFAB_LUA_SCHEDULER_IMPL_H

#include "confab/error.h"
#include "lua/scheduler.h"

struct cf_rng;

/* User values of the scheduler: ticket -> coroutine that waits, ticket -> value of a wake(). */
enum { CF_SCHEDULER_WAITING = 1, CF_SCHEDULER_VALUES, CF_SCHEDULER_TABLES = CF_SCHEDULER_VALUES };

struct cf_scheduler {
    lua_State *L;                  /* the main state */
    const struct cf_clock *clock;
    int64_t flushed_ms;            /* when held wake-ups were let go last */
    bool is_program;
    struct cf_queue completions;
    uint64_t next_ticket;
    int64_t outstanding;           /* tickets that other threads owe an answer */

    lua_State *current;            /* the coroutine that runs; NULL between resumes */
    bool is_waiting;               /* it yielded to the scheduler */
    lua_State *main_thread;        /* anchored in the registry while cf_scheduler_run runs */
    bool main_done, ended;
    int  exit_code;                /* that the script asked for; -1: none */
    struct cf_error main_error;    /* set when the main chunk, or what was spawned, failed */
    bool main_failed;
    char *traceback;               /* owned; of the error that ended the main chunk */

    /* Ring of tickets that wake() made ready; their values are in the second user value. */
    uint64_t *ready;
    size_t ready_head, ready_len, ready_cap;

    struct ticker { void (*on_tick)(void *self); void *self; int64_t period_ms, next_ms; } tickers[CF_TICKS];

    void (*on_stop)(enum cf_stop_level level, void *self);
    void *on_stop_self;
    enum cf_stop_level level;      /* the one acted on */
    int64_t stopped_at_ms;         /* when the stop began; 0: no stop */
    int64_t resumed_at_ms;         /* when current was; only kept up after a signal */
    int64_t drain_ms;              /* how long a drain may take before it becomes an abandoning; -1: for ever */
};

/* The scheduler of this state; NULL before it is opened. */
struct cf_scheduler *cf_scheduler_get(lua_State *L);

/* Pushes one of its tables. */
void cf_scheduler_push_table(lua_State *L, int which);

/* waiting[ticket] = the thread at the top of L (popped). */
void cf_scheduler_set_waiting(lua_State *L, uint64_t ticket);

/* Pushes the thread that waits for the ticket and forgets it; NULL, pushing nothing, if none does. */
lua_State *cf_scheduler_take_waiting(lua_State *L, uint64_t ticket);

/* A coroutine that called seed() has a stream of random numbers of its own; the pointer to it lies
 * in the extra space of its thread, the numbers in a userdata that the registry keeps. */
struct cf_rng **cf_scheduler_own_random(lua_State *co);
void cf_scheduler_forget_random(lua_State *L, lua_State *co);      /* once it is over */

/* Waits for the next thing to do and does it. */
void cf_scheduler_turn(lua_State *L, struct cf_scheduler *sched);

/* The body of a coroutine that takes the answer for a main chunk that cannot yield. */
int cf_scheduler_return_arguments(lua_State *L);

/* After a signal: co is about to be resumed, and must not run for long. */
void cf_scheduler_watch(struct cf_scheduler *sched, lua_State *co);

/* Whether a signal asked for a stop. */
bool cf_scheduler_was_signalled(void);

/* Raises the stop level if signals, or the end of the drain, ask for it. */
void cf_scheduler_act_on_signals(lua_State *L, struct cf_scheduler *sched);

/* Until a drain becomes an abandoning; -1: there is no such moment. */
int64_t cf_scheduler_ms_until_abandon(const struct cf_scheduler *sched);

/* The scheduler goes: signals reach it no more. */
void cf_scheduler_forget_signals(const struct cf_scheduler *sched);
#endif
