#include "lua/scheduler_impl.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "confab/buf.h"
#include "lua/raise.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define TICK_MS             50 /* of processor time */
#define TRACEBACK_BYTES_MAX 65536
#define LEVELS_MAX          100 /* of a coroutine: a recursion shows by then */

/* --- memory --- */

static void kill_step(struct cf_scheduler *sched, enum cf_kill_reason reason);
static void note_place(struct cf_kill *kill, const struct cf_scheduler *sched);

/* Lua collects its garbage when it is refused, and asks for the same again; some of its
 * functions do not, but raise an error. So a step is ended when it asks for the same twice, or
 * is refused twice with nothing freed. */
static void *refuse(struct cf_lua_memory *memory, const void *block, size_t size)
{
    struct cf_scheduler *sched = memory->sched;
    bool again =
        memory->refused_at != 0 || (memory->refused_size == size && memory->refused_block == block);
    if (again && sched != NULL) {
        kill_step(sched, CF_KILL_MEMORY);
        if (sched->kill.reason == CF_KILL_MEMORY && sched->kill.traceback == NULL)
            note_place(&sched->kill, sched); /* the error on its way leaves it */
    }
    memory->refused_at = memory->used;
    memory->refused_block = block;
    memory->refused_size = size;
    return NULL;
}

static void *allocate(void *ud, void *block, size_t old_size, size_t new_size)
{
    struct cf_lua_memory *memory = ud;
    size_t had = block != NULL ? old_size : 0; /* else it says what kind of object it is for */
    if (new_size > had &&
        (new_size - had > memory->limit || memory->used > memory->limit - (new_size - had)))
        return refuse(memory, block, new_size);

    void *moved = NULL;
    if (new_size == 0) {
        free(block);
    } else {
        moved = realloc(block, new_size);
        if (moved == NULL && new_size > had)
            return NULL;
        moved = moved != NULL ? moved : block; /* to shrink must not fail */
    }
    if (new_size > had)
        memory->refused_size = 0;
    memory->used += new_size - had;
    if (memory->used < memory->refused_at - memory->refused_at / 8)
        memory->refused_at = 0;
    return moved;
}

void cf_limits_count(lua_State *L, struct cf_lua_memory *memory)
{
    size_t used = (size_t)lua_gc(L, LUA_GCCOUNT) * 1024 + (size_t)lua_gc(L, LUA_GCCOUNTB);
    *memory = (struct cf_lua_memory){ .used = used, .limit = SIZE_MAX };
    lua_setallocf(L, allocate, memory);
}

struct cf_lua_memory *cf_limits_memory(lua_State *L)
{
    void *memory;
    return lua_getallocf(L, &memory) == allocate ? memory : NULL;
}

/* --- time --- */

/* One program, one script: what the timer's handler reaches. */
static struct cf_scheduler *volatile timed;
static timer_t timer;
static bool has_timer;
static unsigned seen_slice;
static int64_t seen_ms;

/* On the script thread, wherever it is. */
static void on_tick(int number)
{
    (void)number;
    struct cf_scheduler *sched = timed;
    if (sched == NULL || sched->fiber == NULL || sched->fiber->limits.cpu_ms == 0)
        return;
    if (sched->slice != seen_slice) {
        seen_slice = sched->slice;
        seen_ms = 0;
        return;
    }
    seen_ms += TICK_MS;
    if (seen_ms >= sched->fiber->limits.cpu_ms)
        kill_step(sched, CF_KILL_TIME);
}

static void start_timer(struct cf_scheduler *sched)
{
    timed = sched;
    if (has_timer)
        return;
    struct sigaction action = { .sa_handler = on_tick, .sa_flags = SA_RESTART };
    sigemptyset(&action.sa_mask);
    sigaction(SIGVTALRM, &action, NULL);
    struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGVTALRM };
    event.sigev_notify_thread_id = gettid();
    struct itimerspec period = { { 0, TICK_MS * 1000000 }, { 0, TICK_MS * 1000000 } };
    has_timer = timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) == 0;
    if (!has_timer || timer_settime(timer, 0, &period, NULL) != 0)
        cf_log(CF_LOG_WARN, "no timer is left: steps may run as long as they want");
}

/* --- the end of a step --- */

/* Where the script was is told without a Lua value: what asks may be the allocator. */
static void add_frame(struct cf_buf *text, lua_State *thread, lua_Debug *ar)
{
    lua_getinfo(thread, "Sln", ar);
    cf_buf_addf(text, "\n\t%s:", ar->short_src);
    if (ar->currentline > 0)
        cf_buf_addf(text, "%d:", ar->currentline);
    if (ar->name != NULL)
        cf_buf_addf(text, " in %s '%s'", ar->namewhat[0] != '\0' ? ar->namewhat : "function",
                    ar->name);
    else if (ar->what[0] == 'm')
        cf_buf_adds(text, " in main chunk");
    else if (ar->what[0] != 'C')
        cf_buf_addf(text, " in function <%s:%d>", ar->short_src, ar->linedefined);
    else
        cf_buf_adds(text, " in ?");
}

static void note_place(struct cf_kill *kill, const struct cf_scheduler *sched)
{
    struct cf_buf where, text;
    lua_Debug ar;
    size_t len;
    cf_buf_init(&where, sizeof ar.short_src + 32);
    cf_buf_init(&text, TRACEBACK_BYTES_MAX);
    cf_buf_adds(&text, "stack traceback:");
    lua_State *thread = sched->running;
    const struct cf_outer *outer = sched->outer;
    while (thread != NULL) { /* with the coroutines around it */
        for (int level = 0; level < LEVELS_MAX && lua_getstack(thread, level, &ar); level++) {
            add_frame(&text, thread, &ar);
            if (where.len == 0 && ar.currentline > 0 && strncmp(ar.short_src, "confab/", 7) != 0)
                cf_buf_addf(&where, "%s:%d: ", ar.short_src, ar.currentline);
        }
        thread = outer != NULL ? outer->thread : NULL;
        outer = outer != NULL ? outer->next : NULL;
    }
    kill->where = cf_buf_take(&where, &len);
    kill->traceback = cf_buf_take(&text, &len);
}

/* Ends the step in whose code it is called. A yield cannot be caught; where the code cannot
 * yield an error is raised, and at each instruction after it, so that whoever catches it gets no
 * further. */
static void kill_hook(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    struct cf_scheduler *sched = cf_scheduler_get(L);
    if (sched->kill.reason == CF_KILL_NOT || sched->running != L) {
        lua_sethook(L, NULL, 0, 0); /* of one that was ended meanwhile */
        return;
    }
    struct cf_lua_memory *memory = cf_limits_memory(L);
    if (memory != NULL)
        memory->limit = SIZE_MAX; /* what says so takes some */
    if (sched->kill.traceback == NULL)
        note_place(&sched->kill, sched);
    if (cf_scheduler_can_yield(sched, L)) {
        sched->is_waiting = sched->kill.is_yielded = true;
        lua_yield(L, 0);
        return;
    }
    struct cf_error err;
    if (sched->kill.reason == CF_KILL_INTERRUPT)
        cf_fail(&err, CF_ERR_CANCELLED, "interrupted");
    else
        cf_fail(&err, CF_ERR_SCRIPT, "%sthe step is over its limit", sched->kill.where);
    cf_lua_raise(L, &err);
}

/* From the signal handler, or from the allocator. */
static void kill_step(struct cf_scheduler *sched, enum cf_kill_reason reason)
{
    if (sched->fiber == NULL || sched->running == NULL || sched->kill.is_yielded)
        return;
    if (sched->kill.reason == CF_KILL_NOT)
        sched->kill.reason = reason;
    lua_sethook(sched->running, kill_hook, LUA_MASKCOUNT, 1);
}

void cf_limits_interrupt(struct cf_scheduler *sched)
{
    kill_step(sched, CF_KILL_INTERRUPT);
}

void cf_limits_arm(lua_State *L)
{
    lua_sethook(L, kill_hook, LUA_MASKCOUNT, 1);
}

void cf_limits_forget(struct cf_scheduler *sched)
{
    free(sched->kill.where);
    free(sched->kill.traceback);
    sched->kill = (struct cf_kill){ 0 };
}

static void set_memory(lua_State *L, const struct cf_step_limits *limits,
                       struct cf_scheduler *sched)
{
    struct cf_lua_memory *memory = cf_limits_memory(L);
    if (memory == NULL)
        return;
    memory->sched = sched;
    memory->refused_at = memory->refused_size = 0;
    memory->limit = limits->memory_bytes == 0 ? SIZE_MAX : memory->used + limits->memory_bytes;
}

void cf_limits_enter(lua_State *L, struct cf_scheduler *sched)
{
    cf_limits_forget(sched); /* of the last moment of another */
    if (sched->fiber != NULL && sched->fiber->limits.memory_bytes != 0)
        set_memory(L, &sched->fiber->limits, sched);
}

void cf_limits_leave(lua_State *L, struct cf_scheduler *sched)
{
    static const struct cf_step_limits none;
    set_memory(L, &none, sched);
    if (!sched->kill.is_yielded)
        cf_limits_forget(sched);
}

void cf_limits_set(lua_State *L, struct cf_scheduler *sched, const struct cf_step_limits *limits)
{
    cf_limits_forget(sched); /* it came too late */
    sched->fiber->limits = *limits;
    sched->slice++;
    set_memory(L, limits, sched);
    if (limits->cpu_ms != 0)
        start_timer(sched);
}

static void push_error(lua_State *L, const struct cf_kill *kill,
                       const struct cf_step_limits *limits)
{
    struct cf_error err;
    if (kill->reason == CF_KILL_TIME)
        cf_fail(&err, CF_ERR_SCRIPT,
                "%sthe step was ended after %g s of computing without a wait "
                "(step_limits.seconds)",
                kill->where, (double)limits->cpu_ms / 1000);
    else
        cf_fail(&err, CF_ERR_SCRIPT,
                "%sthe step was ended after taking %g MB of memory without a wait "
                "(step_limits.memory_mb)",
                kill->where, (double)limits->memory_bytes / 1048576);
    cf_lua_push_error(L, &err);
    lua_pushstring(L, kill->traceback);
    lua_setfield(L, -2, "traceback");
}

void cf_limits_tell(lua_State *L, struct cf_scheduler *sched, lua_State *co)
{
    struct cf_step_limits limits = cf_fiber_of(co)->limits;
    bool is_memory = sched->kill.reason == CF_KILL_MEMORY;
    if (sched->kill.reason == CF_KILL_INTERRUPT) {
        cf_limits_forget(sched);
        return;
    }
    cf_fiber_push_value(L, co, CF_FIBER_ON_KILLED);
    push_error(L, &sched->kill, &limits);
    cf_limits_forget(sched);
    cf_scheduler_spawn(L, sched, 1);
    if (is_memory)
        lua_gc(L, LUA_GCCOLLECT); /* the next collection would come at twice of what it had */
}

void cf_limits_done(struct cf_scheduler *sched)
{
    cf_limits_forget(sched);
    if (timed != sched)
        return;
    timed = NULL;
    if (has_timer)
        timer_delete(timer);
    has_timer = false;
}
