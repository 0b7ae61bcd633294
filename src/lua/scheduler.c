#include "lua/scheduler.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "confab/clock.h"
#include "confab/error.h"
#include "confab/rng.h"
#include "engine/completion.h"
#include "lua/limiter.h"
#include "lua/raise.h"
#include "lua/random.h"

#define SCHEDULER_MT      "confab.scheduler"
#define HOOK_INSTRUCTIONS 10000
#define HOOK_GRACE_MS     1000     /* a stop leaves running Lua code so much time to reach a call */
#define FATAL_SIGNALS     3        /* for a loop that no hook reaches; what is durable stays so */

enum { UV_WAITING = 1, UV_VALUES, UV_COUNT = UV_VALUES };

struct ready { uint64_t ticket; };

struct scheduler {
    lua_State *L;                  /* the main state */
    const struct cf_clock *clock;
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

/* One program, one script: what the signal handlers reach. */
static volatile sig_atomic_t signal_count;
static struct scheduler *volatile signal_scheduler;

static const char registry_key = 0;

static struct scheduler *get_scheduler(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
    struct scheduler *sched = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return sched;
}

/* Pushes one of the scheduler's two tables. */
static void push_table(lua_State *L, int which)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
    lua_getiuservalue(L, -1, which);
    lua_remove(L, -2);
}

/* A coroutine that called seed() has a stream of random numbers of its own; the pointer to it lies
 * in the extra space of its thread, the numbers in a userdata that the registry keeps. */
static struct cf_rng **own_random(lua_State *co)
{
    return lua_getextraspace(co);
}

static void deliver_all(lua_State *L, struct scheduler *sched)
{
    struct cf_queue_link *list = cf_queue_take_all(&sched->completions);
    while (list != NULL) {
        struct cf_completion *completion = (struct cf_completion *)list;
        list = list->next;
        completion->deliver(completion, L);
    }
}

/* The engine was made later, so it is gone by now; what it gave back at its end lies in the queue. */
static int scheduler_gc(lua_State *L)
{
    struct scheduler *sched = luaL_checkudata(L, 1, SCHEDULER_MT);
    if (signal_scheduler == sched)
        signal_scheduler = NULL;
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
    return 0;
}

void cf_scheduler_open(lua_State *L, const struct cf_clock *clock, bool is_program)
{
    struct scheduler *sched = lua_newuserdatauv(L, sizeof *sched, UV_COUNT);     /* sched */
    memset(sched, 0, sizeof *sched);
    if (luaL_newmetatable(L, SCHEDULER_MT)) {
        lua_pushcfunction(L, scheduler_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    for (int which = UV_WAITING; which <= UV_COUNT; which++) {
        lua_newtable(L);
        lua_setiuservalue(L, -2, which);
    }
    if (!cf_queue_init(&sched->completions))
        luaL_error(L, "no file descriptor left for the scheduler");
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    sched->L = lua_tothread(L, -1);
    lua_pop(L, 1);
    *own_random(sched->L) = NULL;              /* new threads copy it */
    sched->clock = clock;
    sched->is_program = is_program;
    sched->next_ticket = 1;
    sched->drain_ms = -1;
    sched->exit_code = -1;
    lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);                            /* */
}

struct cf_queue *cf_scheduler_completions(lua_State *L)
{
    return &get_scheduler(L)->completions;
}

/* --- waiting --- */

uint64_t cf_scheduler_ticket(lua_State *L)
{
    struct scheduler *sched = get_scheduler(L);
    sched->outstanding++;
    return sched->next_ticket++;
}

/* waiting[ticket] = the thread at the top of L (popped). */
static void set_waiting(lua_State *L, uint64_t ticket)
{
    push_table(L, UV_WAITING);                       /* thread waiting */
    lua_insert(L, -2);                               /* waiting thread */
    lua_rawseti(L, -2, (lua_Integer)ticket);
    lua_pop(L, 1);
}

/* Pushes the thread that waits for the ticket and forgets it; NULL, pushing nothing, if none does. */
static lua_State *take_waiting(lua_State *L, uint64_t ticket)
{
    push_table(L, UV_WAITING);                       /* waiting */
    lua_rawgeti(L, -1, (lua_Integer)ticket);         /* waiting thread? */
    lua_State *co = lua_tothread(L, -1);
    if (co == NULL) {
        lua_pop(L, 2);
        return NULL;
    }
    lua_pushnil(L);
    lua_rawseti(L, -3, (lua_Integer)ticket);
    lua_remove(L, -2);                               /* thread */
    return co;
}

/* The error at the top of co as C has it, and where it came from. */
static void fail_main(struct scheduler *sched, lua_State *co, int status)
{
    sched->main_failed = true;
    cf_lua_read_error(co, -1, &sched->main_error);

    lua_State *L = sched->L;
    const char *traceback = NULL;
    if (lua_istable(co, -1) && lua_getfield(co, -1, "traceback") == LUA_TSTRING)
        traceback = lua_tostring(co, -1);
    if (traceback == NULL && status != LUA_ERRMEM) {
        luaL_traceback(L, co, NULL, 0);                      /* traceback */
        traceback = lua_tostring(L, -1);
        free(sched->traceback);
        sched->traceback = cf_strdup(traceback);
        lua_pop(L, 1);
    } else if (traceback != NULL) {
        free(sched->traceback);
        sched->traceback = cf_strdup(traceback);
    }
}

/* The script called coroutine.yield where nobody but the scheduler could take it. Raised by the first
 * instruction after it, for a yield has no way to fail. */
static void refuse_yield(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    struct cf_error err;
    lua_sethook(L, NULL, 0, 0);
    cf_fail(&err, CF_ERR_SCRIPT, "coroutine.yield was called outside a coroutine of the script's own");
    cf_lua_raise(L, &err);
}

/* Ends Lua code that keeps running after a stop. A yield cannot be caught by a pcall in a
 * loop; where the code cannot yield, an error is raised, and the hook stays for the next chance. */
static void stop_hook(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    struct scheduler *sched = signal_scheduler;
    if (sched == NULL || signal_count == 0)
        return;
    int64_t now = cf_now_ms(sched->clock);
    if (sched->stopped_at_ms == 0)
        sched->stopped_at_ms = now;
    if (signal_count < 2 && now - sched->stopped_at_ms < HOOK_GRACE_MS)
        return;
    if (signal_count < 2 && now - sched->resumed_at_ms < HOOK_GRACE_MS)    /* it has just got a reply */
        return;
    if (lua_isyieldable(L)) {
        sched->is_waiting = true;
        lua_yield(L, 0);
        return;
    }
    struct cf_error err;
    cf_fail(&err, CF_ERR_CANCELLED, "interrupted");
    cf_lua_raise(L, &err);
}

/* The coroutine's own random numbers, once it is over. */
static void forget_random(lua_State *L, lua_State *co)
{
    if (*own_random(co) == NULL)
        return;
    *own_random(co) = NULL;
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, co);
}

/* Resumes co, whose arguments are on its stack. co is anchored by the caller. */
static void resume(lua_State *L, struct scheduler *sched, lua_State *co, int nargs)
{
    int results = 0;
    lua_State *outer = sched->current;
    struct cf_rng *random = cf_lua_random(L), outer_random = *random;
    if (*own_random(co) != NULL)
        *random = **own_random(co);
    sched->current = co;
    if (signal_count > 0) {
        sched->resumed_at_ms = cf_now_ms(sched->clock);
        lua_sethook(co, stop_hook, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
    }
    sched->is_waiting = false;
    int status;
    while ((status = lua_resume(co, L, nargs, &results)) == LUA_YIELD && !sched->is_waiting) {
        lua_pop(co, results);
        nargs = 0;
        lua_sethook(co, refuse_yield, LUA_MASKCOUNT, 1);
    }
    sched->current = outer;
    if (*own_random(co) != NULL) {
        **own_random(co) = *random;
        *random = outer_random;
    }

    if (status == LUA_YIELD) {
        lua_pop(co, results);
        return;
    }
    forget_random(L, co);
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
    struct scheduler *sched = get_scheduler(L);
    sched->outstanding--;
    lua_State *co = sched->ended ? NULL : take_waiting(L, ticket);    /* thread? */
    if (co == NULL) {
        push(NULL, data);
        return;
    }
    resume(L, sched, co, push(co, data));
    lua_pop(L, 1);
}

void cf_scheduler_drop(lua_State *L, uint64_t ticket)
{
    struct scheduler *sched = get_scheduler(L);
    sched->outstanding--;
    if (take_waiting(L, ticket) != NULL)
        lua_pop(L, 1);
}

static int after_wait(lua_State *L, int status, lua_KContext first)
{
    (void)status;
    int base = (int)first;
    int count = lua_gettop(L) - base;
    if (count == 2 && lua_isnil(L, base + 1) && !lua_isnil(L, base + 2))
        return lua_error(L);
    return count;
}

/* Pushes the name of the function at the top (popped) in a library of Lua's, such as "table.sort";
 * false, pushing nothing, if it is in none. */
static bool push_library_name(lua_State *L)
{
    static const char *const libraries[] = { "table", "string", "_G", "utf8", "coroutine" };
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);            /* f loaded */
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        lua_getfield(L, -1, libraries[i]);                               /* f loaded library */
        if (!lua_istable(L, -1)) {
            lua_pop(L, 1);
            continue;
        }
        for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {      /* f loaded library name value */
            if (lua_type(L, -2) != LUA_TSTRING || !lua_rawequal(L, -1, -5))
                continue;
            bool is_global = strcmp(libraries[i], "_G") == 0;
            lua_pushfstring(L, "%s%s%s", is_global ? "" : libraries[i], is_global ? "" : ".",
                            lua_tostring(L, -2));
            lua_replace(L, -6);
            lua_pop(L, 4);
            return true;
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 2);
    return false;
}

/* Pushes the name of the nearest function on the stack that cannot be suspended, other than the caller. */
static bool push_name_in_the_way(lua_State *L)
{
    lua_Debug ar;
    for (int level = 1; lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "Snf", &ar);                                      /* f */
        if (ar.what[0] != 'C') {
            lua_pop(L, 1);
            continue;
        }
        if (!push_library_name(L)) {
            if (ar.name == NULL)
                continue;
            lua_pushstring(L, ar.name);
        }
        const char *name = lua_tostring(L, -1);
        if (strcmp(name, "pcall") != 0 && strcmp(name, "xpcall") != 0)   /* these can */
            return true;
        lua_pop(L, 1);
    }
    return false;
}

static bool is_pumping(const struct scheduler *sched, lua_State *L)
{
    return !sched->is_program && sched->current == NULL && !lua_isyieldable(L);
}

void cf_lua_check_wait(lua_State *L, const char *what)
{
    struct scheduler *sched = get_scheduler(L);
    if (is_pumping(sched, L) || (lua_isyieldable(L) && L == sched->current))
        return;

    struct cf_error err;
    const char *culprit = NULL;
    luaL_checkstack(L, LUA_MINSTACK, "too deep");
    if (!lua_isyieldable(L) && push_name_in_the_way(L))
        culprit = lua_tostring(L, -1);
    if (culprit != NULL)
        cf_fail(&err, CF_ERR_SCRIPT, "%s cannot wait here: %s cannot be suspended; "
                "call %s first and pass the answers in", what, culprit, what);
    else if (!lua_isyieldable(L))
        cf_fail(&err, CF_ERR_SCRIPT, "%s cannot wait here, inside a function that cannot be suspended",
                what);
    else
        cf_fail(&err, CF_ERR_SCRIPT, "%s cannot wait here, inside a coroutine of the script's own", what);
    cf_lua_raise(L, &err);
}

/* --- turning --- */

static int return_arguments(lua_State *L)
{
    return lua_gettop(L);
}

static void run_ready(lua_State *L, struct scheduler *sched)
{
    for (size_t left = sched->ready_len; left > 0 && sched->ready_len > 0; left--) {
        uint64_t ticket = sched->ready[sched->ready_head];
        sched->ready_head = (sched->ready_head + 1) % sched->ready_cap;
        sched->ready_len--;

        push_table(L, UV_VALUES);                            /* values */
        lua_rawgeti(L, -1, (lua_Integer)ticket);             /* values value */
        lua_pushnil(L);
        lua_rawseti(L, -3, (lua_Integer)ticket);
        lua_remove(L, -2);                                   /* value */
        lua_State *co = sched->ended ? NULL : take_waiting(L, ticket);   /* value thread? */
        if (co == NULL) {
            lua_pop(L, 1);
            continue;
        }
        int nargs;
        bool is_spawned = lua_status(co) == LUA_OK && lua_tocfunction(co, 1) != return_arguments;
        if (is_spawned) {                                    /* its arguments are on its stack */
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

static void tick(struct scheduler *sched)
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
static int64_t ms_until_tick(const struct scheduler *sched)
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

/* -1: there is no such moment. */
static int64_t ms_until_abandon(const struct scheduler *sched)
{
    if (sched->level != CF_STOP_LEVEL_DRAIN || sched->drain_ms < 0)
        return -1;
    int64_t left = sched->stopped_at_ms + sched->drain_ms - cf_now_ms(sched->clock);
    return left > 0 ? left : 0;
}

static void act_on_signals(lua_State *L, struct scheduler *sched)
{
    int count = sched->is_program ? (int)signal_count : 0;
    enum cf_stop_level wanted = count == 0 ? CF_STOP_LEVEL_NONE :
                                count == 1 ? CF_STOP_LEVEL_DRAIN : CF_STOP_LEVEL_ABANDON;
    if (wanted > sched->level)
        cf_scheduler_stop(L, wanted);
    if (sched->level == CF_STOP_LEVEL_DRAIN && ms_until_abandon(sched) == 0)
        cf_scheduler_stop(L, CF_STOP_LEVEL_ABANDON);
}

/* Waits for the next thing to do and does it. */
static void turn(lua_State *L, struct scheduler *sched)
{
    int timeout = -1;
    act_on_signals(L, sched);    /* its wake-up may have been read with that of a delivery */
    if (sched->ready_len > 0) {
        timeout = 0;
    } else {
        timeout = (int)ms_until_tick(sched);
    }
    int64_t until_abandon = ms_until_abandon(sched);
    if (until_abandon >= 0 && (timeout < 0 || until_abandon < timeout))
        timeout = (int)(until_abandon < INT32_MAX ? until_abandon : INT32_MAX);
    cf_queue_wait(&sched->completions, timeout);
    act_on_signals(L, sched);
    deliver_all(L, sched);
    run_ready(L, sched);
    tick(sched);
}

/* Turns the scheduler inside a call from a main chunk that cannot yield. */
static int pump(lua_State *L, struct scheduler *sched, uint64_t ticket)
{
    /* The answer starts a coroutine that only returns it. */
    int base = lua_gettop(L);
    lua_State *waiter = lua_newthread(L);            /* waiter */
    lua_pushcfunction(waiter, return_arguments);
    lua_pushvalue(L, -1);
    set_waiting(L, ticket);
    for (;;) {
        push_table(L, UV_WAITING);
        bool is_waiting = lua_rawgeti(L, -1, (lua_Integer)ticket) != LUA_TNIL;
        lua_pop(L, 2);
        if (!is_waiting)
            break;
        turn(L, sched);
        if (sched->main_failed) {
            struct cf_error err = sched->main_error;
            sched->main_failed = sched->main_done = false;
            lua_pushnil(L);
            set_waiting(L, ticket);
            return cf_lua_raise(L, &err);
        }
    }
    int count = lua_gettop(waiter);
    lua_xmove(waiter, L, count);
    lua_remove(L, base + 1);
    return after_wait(L, LUA_YIELD, base);
}

int cf_lua_wait(lua_State *L, uint64_t ticket, const char *what)
{
    struct scheduler *sched = get_scheduler(L);
    if (is_pumping(sched, L))
        return pump(L, sched, ticket);
    cf_lua_check_wait(L, what);
    lua_pushthread(L);
    set_waiting(L, ticket);
    sched->is_waiting = true;
    return lua_yieldk(L, 0, lua_gettop(L), after_wait);
}

int cf_lua_wait_for_ever(lua_State *L)
{
    struct scheduler *sched = get_scheduler(L);
    if (!lua_isyieldable(L)) {
        struct cf_error err;
        cf_fail(&err, CF_ERR_CANCELLED, "stopped");
        return cf_lua_raise(L, &err);
    }
    if (L == sched->main_thread)
        sched->ended = sched->ended || sched->outstanding == 0;
    sched->is_waiting = true;
    return lua_yield(L, 0);
}

/* --- ends and stops --- */

void cf_scheduler_set_tick(lua_State *L, enum cf_tick which, int64_t period_ms,
                           void (*on_tick)(void *self), void *self)
{
    struct scheduler *sched = get_scheduler(L);
    sched->tickers[which] = (struct ticker){ on_tick, self, period_ms, cf_now_ms(sched->clock) };
}

void cf_scheduler_set_on_stop(lua_State *L, void (*on_stop)(enum cf_stop_level level, void *self), void *self)
{
    struct scheduler *sched = get_scheduler(L);
    sched->on_stop = on_stop;
    sched->on_stop_self = self;
}


void cf_scheduler_set_drain(lua_State *L, int64_t drain_ms)
{
    get_scheduler(L)->drain_ms = drain_ms;
}

void cf_scheduler_stop(lua_State *L, enum cf_stop_level level)
{
    struct scheduler *sched = get_scheduler(L);
    if (level <= sched->level)
        return;
    sched->level = level;
    if (sched->stopped_at_ms == 0)
        sched->stopped_at_ms = cf_now_ms(sched->clock);
    cf_lua_close_limiters(L);
    if (sched->on_stop != NULL)
        sched->on_stop(level, sched->on_stop_self);
}

bool cf_scheduler_has_ended(lua_State *L)
{
    return get_scheduler(L)->ended;
}

enum cf_stop_level cf_scheduler_stop_level(lua_State *L)
{
    return get_scheduler(L)->level;
}

static void on_signal(int number)
{
    signal_count++;
    if (signal_count >= FATAL_SIGNALS) {
        signal(number, SIG_DFL);
        raise(number);
        return;
    }
    struct scheduler *sched = signal_scheduler;
    if (sched == NULL)
        return;
    cf_queue_poke(&sched->completions);
    lua_State *running = sched->current;
    if (running != NULL)
        lua_sethook(running, stop_hook, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
}

void cf_scheduler_catch_signals(lua_State *L)
{
    signal_count = 0;
    signal_scheduler = get_scheduler(L);
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);        /* a file at its limit is a full disk: an error of the write */
}

enum cf_script_end cf_scheduler_run(lua_State *L, int nargs, struct cf_error *err)
{
    struct scheduler *sched = get_scheduler(L);
    lua_State *co = lua_newthread(L);                        /* f args... co */
    lua_insert(L, -(nargs + 2));                             /* co f args... */
    lua_xmove(L, co, nargs + 1);                             /* co */
    sched->main_thread = co;
    resume(L, sched, co, nargs);

    while (!sched->main_done && !sched->ended) {
        if (sched->level > CF_STOP_LEVEL_NONE && sched->outstanding == 0 && sched->ready_len == 0)
            break;
        turn(L, sched);
    }

    /* A stop where Lua cannot be suspended is an error on its way up. */
    if (sched->main_failed && sched->main_error.kind == CF_ERR_CANCELLED && signal_count > 0)
        sched->main_failed = false, sched->ended = true;
    enum cf_script_end end = sched->main_failed ? CF_SCRIPT_FAILED :
                             sched->main_done && !sched->ended ? CF_SCRIPT_RETURNED : CF_SCRIPT_ENDED;
    /* Answers that are still owed are waited for, so that nothing points to what is freed next. */
    sched->ended = true;
    cf_lua_close_limiters(L);
    while (sched->outstanding > 0)
        turn(L, sched);
    if (!sched->main_done) {                 /* runs its <close> variables, which cannot wait */
        lua_sethook(co, NULL, 0, 0);
        lua_resetthread(co);
    }
    sched->main_thread = NULL;
    lua_pop(L, 1);
    if (end == CF_SCRIPT_FAILED)
        *err = sched->main_error;
    return end;
}

int cf_scheduler_exit_code(lua_State *L)
{
    return get_scheduler(L)->exit_code;
}

void cf_scheduler_settle(lua_State *L)
{
    struct scheduler *sched = get_scheduler(L);
    sched->ended = true;
    deliver_all(L, sched);
}

const char *cf_scheduler_traceback(lua_State *L)
{
    return get_scheduler(L)->traceback;
}

/* --- the Lua side --- */

static void add_ready(struct scheduler *sched, uint64_t ticket)
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
    struct scheduler *sched = get_scheduler(L);
    int count = lua_gettop(L);
    lua_State *co = lua_newthread(L);                        /* f args... co */
    lua_insert(L, 1);                                        /* co f args... */
    lua_xmove(L, co, count);                                 /* co */
    uint64_t ticket = sched->next_ticket++;
    set_waiting(L, ticket);
    add_ready(sched, ticket);
    return 0;
}

static int scheduler_discard(lua_State *L)
{
    lua_State *co = take_waiting(L, (uint64_t)luaL_checkinteger(L, 1));    /* ticket thread? */
    if (co == NULL)
        return 0;
    lua_sethook(co, NULL, 0, 0);
    forget_random(L, co);
    lua_resetthread(co);
    return 0;
}

static int scheduler_seed(lua_State *L)
{
    uint64_t seed = (uint64_t)luaL_checkinteger(L, 1);
    if (*own_random(L) == NULL && get_scheduler(L)->current == L) {
        struct cf_rng *own = lua_newuserdatauv(L, sizeof *own, 0);
        lua_rawsetp(L, LUA_REGISTRYINDEX, L);
        *own_random(L) = own;
    }
    cf_rng_seed(cf_lua_random(L), seed);
    return 0;
}

static int scheduler_ticket(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)get_scheduler(L)->next_ticket++);
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
    struct scheduler *sched = get_scheduler(L);
    lua_Integer ticket = luaL_checkinteger(L, 1);
    lua_settop(L, 2);
    push_table(L, UV_VALUES);                                /* ticket value values */
    lua_insert(L, -2);                                       /* ticket values value */
    lua_rawseti(L, -2, ticket);
    add_ready(sched, (uint64_t)ticket);
    return 0;
}

static const char tick_keys[CF_TICKS];      /* registry: the Lua side's ticks */

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
    cf_scheduler_set_tick(L, which, period_ms, is_on ? on_tick : NULL, get_scheduler(L)->L);
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
    lua_pushinteger(L, cf_now_ms(get_scheduler(L)->clock));
    return 1;
}

static int scheduler_exit(lua_State *L)
{
    struct scheduler *sched = get_scheduler(L);
    lua_Integer code = luaL_checkinteger(L, 1);
    sched->exit_code = (int)(code & 0xFF);
    sched->ended = true;
    return cf_lua_wait_for_ever(L);
}

static int scheduler_stopping(lua_State *L)
{
    struct scheduler *sched = get_scheduler(L);
    lua_pushboolean(L, sched->level > CF_STOP_LEVEL_NONE || sched->ended);
    return 1;
}

int cf_lua_open_scheduler(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "spawn", scheduler_spawn },
        { "exit", scheduler_exit },
        { "now", scheduler_now },
        { "seed", scheduler_seed },
        { "set_tick", scheduler_set_tick },
        { "set_watch", scheduler_set_watch },
        { "stop", scheduler_stop },
        { "discard", scheduler_discard },
        { "ticket", scheduler_ticket },
        { "check_wait", scheduler_check_wait },
        { "wait", scheduler_wait },
        { "wake", scheduler_wake },
        { "stopping", scheduler_stopping },
        { NULL, NULL },
    };
    if (get_scheduler(L) == NULL)                            /* confab.core alone, in a user's interpreter */
        cf_scheduler_open(L, cf_clock_system(), false);
    luaL_newlib(L, functions);
    return 1;
}
