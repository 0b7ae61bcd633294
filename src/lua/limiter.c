#include "lua/limiter.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "confab/clock.h"
#include "confab/error.h"
#include "confab/limiter_shared.h"
#include "engine/completion.h"
#include "lua/raise.h"
#include "lua/read.h"
#include "lua/scheduler.h"

#define LIMITER_MT     "confab.limiter"
#define RESERVATION_MT "confab.reservation"
#define DEFAULT_KEY    "default"

enum { UV_LIMITER = 1 };    /* a reservation keeps its limiter */

static const char limiters_key;    /* registry: limiter userdata by address, weak */

struct lua_limiter {
    struct cf_limiter_shared *shared;    /* owned; NULL before new succeeded and after __gc */
    struct turn *waiting;                /* list of those whose coroutine waits */
    bool has_queue, is_closed;
};

/* One call's turn: waited for, then held by a reservation or gone.
 *
 *   start_wait -> limiter's thread (or one of its own) -> completion queue -> deliver */
struct turn {
    struct cf_completion completion;
    struct cf_limiter_call call;
    struct cf_amounts amounts;           /* reserved, or settled since */
    struct lua_limiter *limiter;         /* borrowed; NULL: it was closed meanwhile */
    struct turn *prev, *next;            /* while waiting */
    struct cf_queue *completions;        /* borrowed from the scheduler */
    uint64_t ticket;
    enum turn_kind { TURN_ACQUIRE, TURN_RESERVE, TURN_CAPACITY } kind;
    struct reservation *holder;          /* borrowed; NULL: none yet, or collected */
    bool is_waiting, is_cancelled;
    pthread_t thread;                    /* TURN_CAPACITY */
    char *key;                           /* owned; TURN_CAPACITY */
};

struct reservation { struct turn *turn; };    /* owned; NULL after the release */

static struct lua_limiter *check_limiter(lua_State *L)
{
    struct lua_limiter *self = luaL_checkudata(L, 1, LIMITER_MT);
    luaL_argcheck(L, self->shared != NULL, 1, "this limiter is closed");
    return self;
}

/* --- arguments --- */

static const char *check_key(lua_State *L, int arg)
{
    size_t len;
    const char *key = luaL_optlstring(L, arg, DEFAULT_KEY, &len);
    luaL_argcheck(L, strlen(key) == len && len > 0, arg, "a key is text without NUL, not empty");
    return key;
}

/* Reads a table of amounts over *out; nothing if there is none. */
static void read_amounts(lua_State *L, int arg, struct cf_amounts *out)
{
    if (lua_isnoneornil(L, arg))
        return;
    luaL_checktype(L, arg, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, arg) != 0) {                   /* name amount */
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        int is_integer;
        lua_Integer amount = lua_tointegerx(L, -1, &is_integer);
        luaL_argcheck(L, is_integer && amount >= 0, arg, "amounts are whole numbers from 0 up");
        if (strcmp(name, "requests") == 0)
            out->requests = amount;
        else if (strcmp(name, "input") == 0)
            out->input = amount;
        else if (strcmp(name, "output") == 0)
            out->output = amount;
        else
            luaL_argerror(L, arg, "amounts are of requests, input and output");
        lua_pop(L, 1);
    }
}

/* --- waiting --- */

static void link_waiting(struct lua_limiter *limiter, struct turn *turn)
{
    turn->is_waiting = true;
    turn->prev = NULL;
    turn->next = limiter->waiting;
    if (turn->next != NULL)
        turn->next->prev = turn;
    limiter->waiting = turn;
}

static void unlink_waiting(struct turn *turn)
{
    if (!turn->is_waiting || turn->limiter == NULL)
        return;
    if (turn->prev != NULL)
        turn->prev->next = turn->next;
    else
        turn->limiter->waiting = turn->next;
    if (turn->next != NULL)
        turn->next->prev = turn->prev;
    turn->is_waiting = false;
}

static void free_turn(struct turn *turn)
{
    free(turn->key);
    free(turn);
}

/* Gives back what the turn holds, and frees it. */
static void release_turn(struct turn *turn, enum cf_release how)
{
    if (turn->limiter != NULL && turn->call.waiter.state != CF_WAITER_IDLE)
        cf_limiter_shared_release(turn->limiter->shared, &turn->call, how);
    free_turn(turn);
}

static void push_reservation(lua_State *L, struct turn *turn)
{
    struct reservation *self = lua_newuserdatauv(L, sizeof *self, UV_LIMITER);    /* self */
    self->turn = NULL;
    luaL_setmetatable(L, RESERVATION_MT);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &limiters_key);
    lua_rawgetp(L, -1, turn->limiter);                /* self limiters limiter */
    lua_setiuservalue(L, -3, UV_LIMITER);
    lua_pop(L, 1);                                    /* self */
    self->turn = turn;
    turn->holder = self;
}

static void fail_closed(struct cf_error *err)
{
    cf_fail(err, CF_ERR_CANCELLED, "the rate limiter is closed");
}

static int raise_closed(lua_State *L)
{
    struct cf_error err;
    fail_closed(&err);
    return cf_lua_raise(L, &err);
}

/* What the wait gives to the coroutine; L NULL: nobody is there any more. */
static int push_turn(lua_State *L, void *data)
{
    struct turn *turn = data;
    bool is_again = turn->holder != NULL;    /* a reservation that was refused */

    if (turn->is_cancelled || turn->limiter == NULL) {
        struct cf_error err;
        fail_closed(&err);
        if (is_again)
            turn->holder->turn = NULL;
        free_turn(turn);
        if (L == NULL)
            return 0;
        lua_pushnil(L);
        cf_lua_push_error(L, &err);
        return 2;
    }
    if (turn->kind == TURN_CAPACITY) {
        free_turn(turn);
        return 0;
    }
    if (turn->kind == TURN_ACQUIRE) {
        release_turn(turn, L != NULL ? CF_RELEASE_DONE : CF_RELEASE_NEVER_SENT);
        return 0;
    }
    if (is_again)
        return 0;
    if (L == NULL) {
        release_turn(turn, CF_RELEASE_NEVER_SENT);
        return 0;
    }
    push_reservation(L, turn);
    return 1;
}

static void deliver_turn(struct cf_completion *completion, void *context)
{
    struct turn *turn = (struct turn *)completion;
    lua_State *L = context;

    if (turn->kind == TURN_CAPACITY && turn->limiter != NULL)
        pthread_join(turn->thread, NULL);
    unlink_waiting(turn);
    /* After a stop the step that waited is not to go on. */
    if (turn->is_cancelled && cf_scheduler_stop_level(L) > CF_STOP_LEVEL_NONE) {
        cf_scheduler_drop(L, turn->ticket);
        push_turn(NULL, turn);
        return;
    }
    cf_scheduler_wake(L, turn->ticket, push_turn, turn);
}

/* Limiter's thread. */
static void on_grant(struct cf_limiter_call *call, void *self)
{
    struct turn *turn = self;
    (void)call;
    cf_queue_push(turn->completions, &turn->completion.link);
}

/* A thread for one waiter: the limiter has no callback for room, only for turns. */
static void *wait_for_room(void *self)
{
    struct turn *turn = self;
    turn->is_cancelled = !cf_limiter_shared_wait_for_capacity(turn->limiter->shared, turn->key, -1);
    cf_queue_push(turn->completions, &turn->completion.link);
    return NULL;
}

static struct turn *new_turn(struct lua_limiter *limiter, enum turn_kind kind,
                             const struct cf_amounts *amounts)
{
    struct turn *turn = cf_calloc(1, sizeof *turn);
    turn->completion.deliver = deliver_turn;
    turn->call.on_grant = on_grant;
    turn->call.self = turn;
    turn->limiter = limiter;
    turn->kind = kind;
    turn->amounts = *amounts;
    return turn;
}

/* --- taking turns --- */

/* Tries without waiting; raises what waiting would not cure, then the turn is freed. */
static bool try_now(lua_State *L, struct lua_limiter *self, const char *key,
                    const struct cf_amounts *amounts, struct turn *turn)
{
    struct cf_error err;
    struct cf_limiter_call *call = turn != NULL ? &turn->call : NULL;

    bool ok = cf_limiter_shared_acquire(self->shared, key, amounts, 0, call, &err);
    if (turn != NULL) {    /* a refusal later on is answered by callback */
        turn->call.on_grant = on_grant;
        turn->call.self = turn;
    }
    if (ok || (err.kind == CF_ERR_RATE_LIMIT && self->has_queue))
        return ok;
    if (turn != NULL)
        free_turn(turn);
    cf_lua_raise(L, &err);
    return false;
}

/* Queues the turn and waits; the turn is the limiter's from here on. */
static int wait_turn(lua_State *L, const char *key, struct turn *turn, const char *what)
{
    struct cf_error err;
    struct lua_limiter *self = turn->limiter;

    turn->completions = cf_scheduler_completions(L);
    turn->ticket = cf_scheduler_ticket(L);
    if (!cf_limiter_shared_submit(self->shared, key, &turn->amounts, &turn->call, &err)) {
        cf_scheduler_drop(L, turn->ticket);
        free_turn(turn);
        return cf_lua_raise(L, &err);
    }
    link_waiting(self, turn);
    return cf_lua_wait(L, turn->ticket, what);
}

static int limiter_acquire(lua_State *L)
{
    struct lua_limiter *self = check_limiter(L);
    const char *key = check_key(L, 2);
    struct cf_amounts amounts = { .requests = 1 };
    read_amounts(L, 3, &amounts);

    if (try_now(L, self, key, &amounts, NULL))
        return 0;
    cf_lua_check_wait(L, "limiter:acquire");
    luaL_checkstack(L, LUA_MINSTACK, "too deep");
    return wait_turn(L, key, new_turn(self, TURN_ACQUIRE, &amounts), "limiter:acquire");
}

static int limiter_reserve(lua_State *L)
{
    struct lua_limiter *self = check_limiter(L);
    const char *key = check_key(L, 2);
    struct cf_amounts amounts = { .requests = 1 };
    read_amounts(L, 3, &amounts);
    luaL_checkstack(L, LUA_MINSTACK, "too deep");

    struct turn *turn = new_turn(self, TURN_RESERVE, &amounts);
    if (try_now(L, self, key, &amounts, turn)) {
        push_reservation(L, turn);
        return 1;
    }
    free_turn(turn);
    cf_lua_check_wait(L, "limiter:reserve");
    return wait_turn(L, key, new_turn(self, TURN_RESERVE, &amounts), "limiter:reserve");
}

static int limiter_wait_for_capacity(lua_State *L)
{
    struct lua_limiter *self = check_limiter(L);
    const char *key = check_key(L, 2);
    const struct cf_amounts nothing = { 0 };
    struct cf_error err;

    if (self->is_closed)
        return raise_closed(L);
    if (cf_limiter_shared_wait_for_capacity(self->shared, key, 0))
        return 0;
    cf_lua_check_wait(L, "limiter:wait_for_capacity");
    luaL_checkstack(L, LUA_MINSTACK, "too deep");

    struct turn *turn = new_turn(self, TURN_CAPACITY, &nothing);
    turn->key = cf_strdup(key);
    turn->completions = cf_scheduler_completions(L);
    turn->ticket = cf_scheduler_ticket(L);
    int code = pthread_create(&turn->thread, NULL, wait_for_room, turn);
    if (code != 0) {
        cf_scheduler_drop(L, turn->ticket);
        free_turn(turn);
        cf_fail(&err, CF_ERR_CONFIG, "cannot start a thread to wait: %s", strerror(code));
        return cf_lua_raise(L, &err);
    }
    link_waiting(self, turn);
    return cf_lua_wait(L, turn->ticket, "limiter:wait_for_capacity");
}

/* --- reservations --- */

static struct turn *check_turn(lua_State *L)
{
    const struct reservation *self = luaL_checkudata(L, 1, RESERVATION_MT);
    luaL_argcheck(L, self->turn != NULL, 1, "this reservation is released");
    luaL_argcheck(L, !self->turn->is_waiting, 1, "this reservation waits for its turn");
    return self->turn;
}

static int reservation_sent(lua_State *L)
{
    struct turn *turn = check_turn(L);
    cf_limiter_shared_sent(turn->limiter->shared, &turn->call);
    return 0;
}

static int reservation_settle(lua_State *L)
{
    struct turn *turn = check_turn(L);
    struct cf_amounts actual = turn->amounts;
    read_amounts(L, 2, &actual);
    turn->amounts = actual;
    cf_limiter_shared_settle(turn->limiter->shared, &turn->call, &actual);
    return 0;
}

static int reservation_release(lua_State *L)
{
    static const char *const names[] = { "done", "never_sent", "failed", "unknown", NULL };
    static const enum cf_release ways[] = {
        CF_RELEASE_DONE, CF_RELEASE_NEVER_SENT, CF_RELEASE_FAILED, CF_RELEASE_UNKNOWN,
    };
    struct turn *turn = check_turn(L);
    enum cf_release how = ways[luaL_checkoption(L, 2, "done", names)];

    turn->holder->turn = NULL;
    release_turn(turn, how);
    return 0;
}

static int reservation_refused(lua_State *L)
{
    struct turn *turn = check_turn(L);
    lua_Integer wait_ms = luaL_optinteger(L, 2, 0);
    luaL_argcheck(L, wait_ms >= 0, 2, "a wait is not negative");
    if (turn->limiter->is_closed)
        return raise_closed(L);
    cf_lua_check_wait(L, "reservation:refused");
    luaL_checkstack(L, LUA_MINSTACK, "too deep");

    turn->completions = cf_scheduler_completions(L);
    turn->ticket = cf_scheduler_ticket(L);
    link_waiting(turn->limiter, turn);
    cf_limiter_shared_refused(turn->limiter->shared, &turn->call, wait_ms, 0, -1, NULL);
    return cf_lua_wait(L, turn->ticket, "reservation:refused");
}

/* Takes a waiting turn back. True: it is the caller's again and its ticket is dropped; false: it is
 * on its way through the completion queue. */
static bool take_back(lua_State *L, struct turn *turn)
{
    if (turn->limiter == NULL || turn->kind == TURN_CAPACITY ||
        !cf_limiter_shared_cancel(turn->limiter->shared, &turn->call))
        return false;
    unlink_waiting(turn);
    cf_scheduler_drop(L, turn->ticket);
    return true;
}

/* __gc and __close. Who loses a reservation without a word has probably sent its request. */
static int reservation_gc(lua_State *L)
{
    struct reservation *self = luaL_checkudata(L, 1, RESERVATION_MT);
    struct turn *turn = self->turn;

    self->turn = NULL;
    if (turn == NULL)
        return 0;
    turn->holder = NULL;
    if (!turn->is_waiting)
        release_turn(turn, CF_RELEASE_UNKNOWN);
    else if (take_back(L, turn))
        free_turn(turn);
    return 0;
}

/* --- the limiter --- */

static void set_int(lua_State *L, const char *name, int64_t value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static void set_use(lua_State *L, const char *name, int64_t used, int64_t limit)
{
    if (limit == 0)
        return;
    lua_createtable(L, 0, 2);
    set_int(L, "used", used);
    set_int(L, "limit", limit);
    lua_setfield(L, -2, name);
}

void cf_lua_push_limit_status(lua_State *L, const struct cf_limit_status *status,
                              const struct cf_clock *clock)
{
    luaL_checkstack(L, 4, "too deep");
    lua_createtable(L, 0, 11);                        /* status */
    set_int(L, "used", status->used);
    set_int(L, "remaining", status->remaining);
    set_int(L, "limit", status->limit);
    set_int(L, "reset_ms", status->reset_ms);
    if (status->wait_ms >= 0)
        set_int(L, "wait_ms", status->wait_ms);
    set_int(L, "queued", status->queued);
    set_int(L, "in_flight", status->in_flight);
    if (status->paused_until_ms > 0) {
        int64_t left_ms = status->paused_until_ms - cf_now_ms(clock);
        lua_pushnumber(L, (lua_Number)(cf_unix_ms(clock) + left_ms) / 1000);
        lua_setfield(L, -2, "paused_until");
    }
    lua_pushstring(L, status->source);
    lua_setfield(L, -2, "source");
    set_use(L, "input", status->amounts_used.input, status->amounts_limit.input);
    set_use(L, "output", status->amounts_used.output, status->amounts_limit.output);
}

static int limiter_status(lua_State *L)
{
    struct lua_limiter *self = check_limiter(L);
    struct cf_limit_status status;
    cf_limiter_shared_status(self->shared, check_key(L, 2), &status);
    cf_lua_push_limit_status(L, &status, cf_clock_system());
    return 1;
}

static int limiter_reset(lua_State *L)
{
    struct lua_limiter *self = check_limiter(L);
    lua_pushinteger(L, (lua_Integer)cf_limiter_shared_reset(self->shared, check_key(L, 2)));
    return 1;
}

static int limiter_clear_all(lua_State *L)
{
    struct lua_limiter *self = check_limiter(L);
    lua_pushinteger(L, (lua_Integer)cf_limiter_shared_clear_all(self->shared));
    return 1;
}

static void close_limiter(struct lua_limiter *self)
{
    self->is_closed = true;
    cf_limiter_shared_close(self->shared);    /* ends those who wait for room */
    for (struct turn *turn = self->waiting, *next; turn != NULL; turn = next) {
        next = turn->next;
        if (turn->kind == TURN_CAPACITY || !cf_limiter_shared_cancel(self->shared, &turn->call))
            continue;
        turn->is_cancelled = true;
        cf_queue_push(turn->completions, &turn->completion.link);
    }
}

void cf_lua_close_limiters(lua_State *L)
{
    luaL_checkstack(L, 4, "too deep");
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &limiters_key) == LUA_TTABLE) {
        lua_pushnil(L);
        while (lua_next(L, -2) != 0) {                /* limiters address limiter */
            close_limiter(lua_touserdata(L, -1));
            lua_pop(L, 1);
        }
    }
    lua_pop(L, 1);
}

/* A waiting coroutine keeps its limiter, so turns are left only when the whole state closes. Those
 * on their way find no limiter and are freed when delivered. */
static int limiter_gc(lua_State *L)
{
    struct lua_limiter *self = luaL_checkudata(L, 1, LIMITER_MT);
    if (self->shared == NULL)
        return 0;

    cf_limiter_shared_close(self->shared);
    for (struct turn *turn = self->waiting, *next; turn != NULL; turn = next) {
        next = turn->next;
        if (turn->holder != NULL)
            turn->holder->turn = NULL;
        turn->holder = NULL;
        if (take_back(L, turn)) {
            free_turn(turn);
            continue;
        }
        if (turn->kind == TURN_CAPACITY)
            pthread_join(turn->thread, NULL);
        turn->limiter = NULL;
    }
    self->waiting = NULL;
    cf_limiter_shared_free(self->shared);
    self->shared = NULL;
    return 0;
}

static int limiter_new(lua_State *L)
{
    struct cf_limit_config config;
    struct cf_error err;

    cf_limit_config_default(&config);
    luaL_checktype(L, 1, LUA_TTABLE);
    cf_lua_read_limits(L, 1, &config);

    struct lua_limiter *self = lua_newuserdatauv(L, sizeof *self, 0);    /* limits self */
    memset(self, 0, sizeof *self);
    self->has_queue = config.enable_queue;
    luaL_setmetatable(L, LIMITER_MT);
    self->shared = cf_limiter_shared_new(&config, cf_clock_system(), &err);
    if (self->shared == NULL)
        return cf_lua_raise(L, &err);

    lua_rawgetp(L, LUA_REGISTRYINDEX, &limiters_key);
    lua_pushvalue(L, -2);
    lua_rawsetp(L, -2, self);                         /* limits self limiters */
    lua_pop(L, 1);
    return 1;
}

static void make_metatable(lua_State *L, const char *name, const luaL_Reg *methods,
                           lua_CFunction gc)
{
    luaL_newmetatable(L, name);                       /* mt */
    lua_pushcfunction(L, gc);
    lua_setfield(L, -2, "__gc");
    lua_newtable(L);                                  /* mt methods */
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");                   /* mt */
}

int cf_lua_open_limiter(lua_State *L)
{
    static const luaL_Reg limiter_methods[] = {
        { "acquire", limiter_acquire },
        { "reserve", limiter_reserve },
        { "wait_for_capacity", limiter_wait_for_capacity },
        { "status", limiter_status },
        { "reset", limiter_reset },
        { "clear_all", limiter_clear_all },
        { NULL, NULL },
    };
    static const luaL_Reg reservation_methods[] = {
        { "sent", reservation_sent },
        { "settle", reservation_settle },
        { "release", reservation_release },
        { "refused", reservation_refused },
        { NULL, NULL },
    };
    static const luaL_Reg functions[] = {
        { "new", limiter_new },
        { NULL, NULL },
    };

    make_metatable(L, LIMITER_MT, limiter_methods, limiter_gc);
    make_metatable(L, RESERVATION_MT, reservation_methods, reservation_gc);
    lua_pushcfunction(L, reservation_gc);
    lua_setfield(L, -2, "__close");
    lua_pop(L, 2);

    lua_newtable(L);                                  /* limiters */
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &limiters_key);
    luaL_newlib(L, functions);
    return 1;
}
