/* scheduler.h - coroutines that wait for the other threads, on the script thread.
 *
 * A call that waits gives its coroutine to the scheduler under a ticket, a number never
 * used twice, and yields; what comes back carries the ticket and resumes it. A ticket that
 * nobody waits for any more was cancelled: its message is dropped without fuss.
 *
 *   C function -> cf_lua_wait (yields) -> other threads -> completion queue
 *   -> deliver -> cf_lua_wake -> lua_resume -> continuation of the C function
 *
 * Under `confab` the main chunk is itself a coroutine. In a user's own interpreter the main
 * chunk cannot yield: a wait there turns the scheduler until its ticket comes back. */
#ifndef CONFAB_LUA_SCHEDULER_H
#define CONFAB_LUA_SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>

#include <lua.h>

#include "base/queue.h"

struct cf_clock;
struct cf_error;

/* Pushes what a finished wait gives onto L, the waiting coroutine, and returns how many values.
 * (value...) or (nil, error table). data is the waiter's; it must free it. L NULL: nobody waits any
 * more, only free. */
typedef int (*cf_lua_push_result)(lua_State *L, void *data);

/* How the script thread is doing, from the flags that signal handlers set. */
enum cf_stop_level {
    CF_STOP_LEVEL_NONE,
    CF_STOP_LEVEL_DRAIN,        /* first Ctrl-C: nothing new, await what is in flight */
    CF_STOP_LEVEL_ABANDON,      /* second: give up what is in flight */
};

/* Makes the scheduler of this Lua state. is_program: under `confab`, with signals and hooks
 * ours. */
void cf_scheduler_open(lua_State *L, const struct cf_clock *clock, bool is_program);

/* Delivers what has come back since the last turn, to nobody: after the engine was closed. */
void cf_scheduler_settle(lua_State *L);

/* Where other threads push struct cf_completion. Lives as long as the scheduler. */
struct cf_queue *cf_scheduler_completions(lua_State *L);

/* A new ticket for something that other threads will answer: the scheduler does not end before
 * cf_scheduler_wake or cf_scheduler_drop was called with it. */
uint64_t cf_scheduler_ticket(lua_State *L);

/* To be returned from a lua_CFunction: waits for the ticket, then returns its values; a (nil,
 * error) pair is raised. `what` names the function in messages. */
int cf_lua_wait(lua_State *L, uint64_t ticket, const char *what);

/* Raises script_error, naming the function in the way, where a wait is impossible. To be called
 * before anything is submitted. */
void cf_lua_check_wait(lua_State *L, const char *what);

/* Calls the function that lies below its nargs arguments at the top of L (all popped). It cannot
 * wait, and what would says so. Raises what it raises. */
void cf_scheduler_call(lua_State *L, int nargs);

/* Waits for ever: for what must not go on any more, after a stop. */
int cf_lua_wait_for_ever(lua_State *L);

/* Resumes the coroutine that waits for the ticket. push is called with it, or with NULL if
 * there is none. From deliver callbacks, on the script thread. */
void cf_scheduler_wake(lua_State *L, uint64_t ticket, cf_lua_push_result push, void *data);

/* The ticket was answered, but whoever waits for it is not to go on. */
void cf_scheduler_drop(lua_State *L, uint64_t ticket);

/* What is done again and again: showing progress, looking for what other processes ask of the
 * run. */
enum cf_tick { CF_TICK_PROGRESS, CF_TICK_WATCH, CF_TICKS };

/* Called about every `period_ms` while the scheduler turns, and after each batch of completions if
 * so much time has passed. NULL to remove. */
void cf_scheduler_set_tick(lua_State *L, enum cf_tick which, int64_t period_ms,
                           void (*on_tick)(void *self), void *self);

/* Called on the script thread when the stop level rises (after a signal). */
void cf_scheduler_set_on_stop(lua_State *L, void (*on_stop)(enum cf_stop_level level, void *self),
                              void *self);

/* How long a first stop waits for replies before it becomes the second; -1 (the default): for
 * ever. */
void cf_scheduler_set_drain(lua_State *L, int64_t drain_ms);

/* Whether nothing of the script is to run any more. */
bool cf_scheduler_has_ended(lua_State *L);

/* Drain or abandon, as if a signal had come. */
void cf_scheduler_stop(lua_State *L, enum cf_stop_level level);
enum cf_stop_level cf_scheduler_stop_level(lua_State *L);

/* How a run of the main chunk ended. */
enum cf_script_end {
    CF_SCRIPT_RETURNED,
    CF_SCRIPT_FAILED,           /* an error was not caught; *err has kind and message */
    CF_SCRIPT_ENDED,            /* os.exit, or a stop after which nobody was left to wait for */
};

/* Calls the function that lies below its nargs arguments at the top of L (all popped) as the main
 * coroutine, and runs it and all that it starts until it ends. The program only. */
enum cf_script_end cf_scheduler_run(lua_State *L, int nargs, struct cf_error *err);

/* The status with which the script ended itself (os.exit); -1 if it did not. */
int cf_scheduler_exit_code(lua_State *L);

/* Where the error that ended the main chunk came from; NULL if it is not known. Lent. */
const char *cf_scheduler_traceback(lua_State *L);

/* Installs SIGINT, SIGTERM handlers that raise the stop level and wake the scheduler. The
 * program only. */
void cf_scheduler_catch_signals(lua_State *L);

/* From now on SIGINT does not stop the program: it ends what runs in other fibers than the main
 * one, by way of on_interrupt, below. To be called after cf_scheduler_catch_signals. The program
 * only. */
void cf_scheduler_catch_interrupts(lua_State *L);

/* Whether a signal asked for a stop. */
bool cf_scheduler_was_signalled(void);

/* Whether there was an interrupt that nobody has acted on; forgets it. */
bool cf_scheduler_take_interrupt(void);

/* Pushes the functions below: waiting among coroutines of the Lua side.
 *  spawn(f, ...)   starts f in a coroutine of its own, a fiber, which must catch its own errors
 *  fiber()         the one that runs; nil in the main chunk of a user's interpreter
 *  discard(fiber)  ends a fiber that waits; its <close> variables run, and cannot wait
 *  context()       what set_context(value) gave the running fiber; nil: nothing
 *  seed(n)         from now on this fiber has random numbers of its own, from this seed
 *  limit(on_killed, seconds, memory_mb)  from now on the fiber may take so much between two waits (nil: as much as
 *                  it wants). Passing it ends the fiber, and begins another that calls on_killed(error).
 *                  limit() takes that back. The program only
 *  is_limited()    whether it is in force
 *  on_interrupt(f) calls f (which must not wait) after an interrupt, while the main fiber waits; nil: no more
 *  discard_others()  ends all fibers but the main one and that which runs
 *  ticket()        a new ticket, to be stored where others find it
 *  check_wait(what)  raises script_error, naming `what`, where a wait is impossible
 *  wait(ticket)    waits until wake(ticket, value) is called; returns the value
 *  wake(ticket, v) lets it go on, once, after the caller has waited or ended itself
 *  set_tick(ms, f) calls f (which must not wait) about so often while something is waited for; nil: no more
 *  set_watch(ms, f)  the same, for another f
 *  stop()          as the first Ctrl-C
 *  exit(code)      ends the script; what is in flight is awaited
 *  now()           monotonic milliseconds
 *  unix_ms()       milliseconds since 1970
 *  stopping()      whether a stop was asked for: nothing new is to be begun */
int cf_lua_open_scheduler(lua_State *L);
#endif
