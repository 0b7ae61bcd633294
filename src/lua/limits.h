/* limits.h - a step that runs away is ended: a loop without end, memory without end.
 *
 * Nothing is watched while all is well. A timer on the processor time of the script thread looks
 * every 50 ms of it whether the same step is still running that ran before; the allocator
 * compares two numbers. What is over its limit is ended by a hook that yields, which no pcall
 * can catch; where Lua cannot yield it raises an error at every instruction until it can. C
 * functions that run long (a pattern that backtracks) are not reached by a hook: they are ended
 * when they return.
 *
 * The program only: in a user's own interpreter neither allocator nor hooks are ours. */
#ifndef CONFAB_LUA_LIMITS_H
#define CONFAB_LUA_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

struct cf_scheduler;

/* What a step may take between two waits. 0: as much as it wants. */
struct cf_step_limits {
    int64_t cpu_ms;             /* processor time of the script thread */
    size_t  memory_bytes;       /* by which the memory of Lua may grow */
};

enum cf_kill_reason { CF_KILL_NOT, CF_KILL_TIME, CF_KILL_MEMORY, CF_KILL_INTERRUPT };

/* A step that is being ended. */
struct cf_kill {
    enum cf_kill_reason reason; /* the hook is armed */
    bool  is_yielded;           /* it was suspended by the hook, for good */
    char *where, *traceback;    /* owned; of the code that was running */
};

/* The memory of a Lua state: what its allocator counts. */
struct cf_lua_memory {
    size_t used;
    size_t limit;               /* bytes that are not to be passed; SIZE_MAX: none */
    /* what was used when it was; 0: it was not, or some was freed since */
    size_t refused_at;
    const void *refused_block;  /* the last request that was, if nothing was granted since */
    size_t refused_size;
    struct cf_scheduler *sched; /* the step that runs is ended by it; NULL at first */
};

/* Counts from now on. memory must outlive L. */
void cf_limits_count(lua_State *L, struct cf_lua_memory *memory);

/* The state's; NULL if nothing is counted. */
struct cf_lua_memory *cf_limits_memory(lua_State *L);

/* A fiber begins to run, and has stopped. */
void cf_limits_enter(lua_State *L, struct cf_scheduler *sched);
void cf_limits_leave(lua_State *L, struct cf_scheduler *sched);

/* From now on the running fiber may take so much, from this moment. The timer starts with the
 * first. */
void cf_limits_set(lua_State *L, struct cf_scheduler *sched, const struct cf_step_limits *limits);

/* From a signal handler: what runs is to be ended, whatever its limits; nobody is told. */
void cf_limits_interrupt(struct cf_scheduler *sched);

/* The step that runs is to be ended, also where L goes on. */
void cf_limits_arm(lua_State *L);

/* Tells the Lua side of a step that was ended, and forgets it. co is its coroutine, closed by
 * now. */
void cf_limits_tell(lua_State *L, struct cf_scheduler *sched, lua_State *co);

/* No step is being ended any more. */
void cf_limits_forget(struct cf_scheduler *sched);

/* Frees what is left. */
void cf_limits_done(struct cf_scheduler *sched);
#endif
