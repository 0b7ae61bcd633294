#include "lua/limiter.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "confab/clock.h"
#include "confab/error.h"
#include "lua/limiter_impl.h"
#include "lua/raise.h"
#include "lua/read.h"
#include "lua/scheduler.h"

#define DEFAULT_KEY "default"

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

void cf_limiter_read_amounts(lua_State *L, int arg, struct cf_amounts *out)
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

/* --- taking turns --- */

/* Tries without waiting; raises what waiting would not cure, then the turn is freed. */
static bool try_now(lua_State *L, struct lua_limiter *self, const char *key,
                    const struct cf_amounts *amounts, struct turn *turn)
{
    struct cf_error err;
    struct cf_limiter_call *call = turn != NULL ? &turn->call : NULL;

    bool ok = cf_limiter_shared_acquire(self->shared, key, amounts, 0, call, &err);
    if (turn != NULL) {    /* a refusal later on is answered by callback */
        cf_limiter_turn_call_back(turn);
    }
    if (ok || (err.kind == CF_ERR_RATE_LIMIT && self->has_queue))
        return ok;
    if (turn != NULL)
        cf_limiter_turn_free(turn);
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
        cf_limiter_turn_free(turn);
        return cf_lua_raise(L, &err);
    }
    cf_limiter_turn_link(self, turn);
    return cf_lua_wait(L, turn->ticket, what);
}

static int limiter_acquire(lua_State *L)
{
    struct lua_limiter *self = check_limiter(L);
    const char *key = check_key(L, 2);
    struct cf_amounts amounts = { .requests = 1 };
    cf_limiter_read_amounts(L, 3, &amounts);

    if (try_now(L, self, key, &amounts, NULL))
        return 0;
    cf_lua_check_wait(L, "limiter:acquire");
    luaL_checkstack(L, LUA_MINSTACK, "too deep");
    return wait_turn(L, key, cf_limiter_turn_new(self, TURN_ACQUIRE, &amounts), "limiter:acquire");
}

static int limiter_reserve(lua_State *L)
{
    struct lua_limiter *self = check_limiter(L);
    const char *key = check_key(L, 2);
    struct cf_amounts amounts = { .requests = 1 };
    cf_limiter_read_amounts(L, 3, &amounts);
    luaL_checkstack(L, LUA_MINSTACK, "too deep");

    struct turn *turn = cf_limiter_turn_new(self, TURN_RESERVE, &amounts);
    if (try_now(L, self, key, &amounts, turn)) {
        cf_limiter_turn_push(L, turn);
        return 1;
    }
    cf_limiter_turn_free(turn);
    cf_lua_check_wait(L, "limiter:reserve");
    return wait_turn(L, key, cf_limiter_turn_new(self, TURN_RESERVE, &amounts), "limiter:reserve");
}

static int limiter_wait_for_capacity(lua_State *L)
{
    struct lua_limiter *self = check_limiter(L);
    const char *key = check_key(L, 2);
    const struct cf_amounts nothing = { 0 };
    struct cf_error err;

    if (self->is_closed)
        return cf_limiter_raise_closed(L);
    if (cf_limiter_shared_wait_for_capacity(self->shared, key, 0))
        return 0;
    cf_lua_check_wait(L, "limiter:wait_for_capacity");
    luaL_checkstack(L, LUA_MINSTACK, "too deep");

    struct turn *turn = cf_limiter_turn_new(self, TURN_CAPACITY, &nothing);
    turn->key = cf_strdup(key);
    turn->completions = cf_scheduler_completions(L);
    turn->ticket = cf_scheduler_ticket(L);
    int code = pthread_create(&turn->thread, NULL, cf_limiter_turn_wait_for_room, turn);
    if (code != 0) {
        cf_scheduler_drop(L, turn->ticket);
        cf_limiter_turn_free(turn);
        cf_fail(&err, CF_ERR_CONFIG, "cannot start a thread to wait: %s", strerror(code));
        return cf_lua_raise(L, &err);
    }
    cf_limiter_turn_link(self, turn);
    return cf_lua_wait(L, turn->ticket, "limiter:wait_for_capacity");
}

/* --- the limiter --- */

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
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &cf_lua_limiters_key) == LUA_TTABLE) {
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
        if (cf_limiter_turn_take_back(L, turn)) {
            cf_limiter_turn_free(turn);
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

    lua_rawgetp(L, LUA_REGISTRYINDEX, &cf_lua_limiters_key);
    lua_pushvalue(L, -2);
    lua_rawsetp(L, -2, self);                         /* limits self limiters */
    lua_pop(L, 1);
    return 1;
}

int cf_lua_open_limiter(lua_State *L)
{
    static const luaL_Reg methods[] = {
        { "acquire", limiter_acquire },
        { "reserve", limiter_reserve },
        { "wait_for_capacity", limiter_wait_for_capacity },
        { "status", limiter_status },
        { "reset", limiter_reset },
        { "clear_all", limiter_clear_all },
        { NULL, NULL },
    };
    static const luaL_Reg functions[] = {
        { "new", limiter_new },
        { NULL, NULL },
    };

    luaL_newmetatable(L, LIMITER_MT);                 /* mt */
    lua_pushcfunction(L, limiter_gc);
    lua_setfield(L, -2, "__gc");
    lua_newtable(L);                                  /* mt methods */
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    cf_limiter_open_reservation(L);

    lua_newtable(L);                                  /* limiters */
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &cf_lua_limiters_key);
    luaL_newlib(L, functions);
    return 1;
}
