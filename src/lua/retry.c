#include "lua/retry.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <lauxlib.h>

#include "confab/error.h"
#include "confab/retry.h"
#include "confab/retry_after.h"
#include "confab/rng.h"
#include "lua/random.h"
#include "lua/read.h"

#define RETRY_MT "confab.retry"

struct lua_retry {
    struct cf_retry_policy policy;
    struct cf_retry retry;       /* borrows policy */
    struct cf_rng rng;
    bool has_seed;               /* else the script's generator is used */
};

static struct lua_retry *check_retry(lua_State *L)
{
    return luaL_checkudata(L, 1, RETRY_MT);
}

static struct cf_rng *rng_of(lua_State *L, struct lua_retry *self)
{
    return self->has_seed ? &self->rng : cf_lua_random(L);
}

/* Seconds as milliseconds, rounded up; -1 if there are none. */
static int64_t wait_of(lua_Number seconds)
{
    lua_Number wait_ms = seconds * 1000;
    if (!(wait_ms >= 0))
        return -1;
    if (wait_ms >= (lua_Number)CF_WAIT_MAX_MS)
        return CF_WAIT_MAX_MS;
    int64_t whole = (int64_t)wait_ms;
    return whole < wait_ms ? whole + 1 : whole;
}

/* A field's text, which the table keeps alive; NULL if it is something else. */
static const char *text_field(lua_State *L, int idx, const char *name)
{
    const char *text = lua_getfield(L, idx, name) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    lua_pop(L, 1);
    return text;
}

/* Reads the error at index 2. False: it is nothing that happened on the way to a server, such as
 * a mistake in a script. */
static bool read_failure(lua_State *L, struct cf_failure *out)
{
    *out = (struct cf_failure){ .request_written = true, .retry_after_ms = -1 };
    if (!lua_istable(L, 2))
        return false;

    if (lua_getfield(L, 2, "retry_after") == LUA_TNUMBER)
        out->retry_after_ms = wait_of(lua_tonumber(L, -1));
    lua_pop(L, 1);
    out->error_type = text_field(L, 2, "type");
    out->error_code = text_field(L, 2, "code");
    out->error_message = text_field(L, 2, "message");
    if (lua_getfield(L, 2, "retryable") == LUA_TBOOLEAN)
        out->should_retry = lua_toboolean(L, -1) ? CF_SHOULD_RETRY_UNSAID : CF_SHOULD_RETRY_NO;
    lua_pop(L, 1);

    int is_status;
    lua_getfield(L, 2, "status");
    lua_Integer status = lua_tointegerx(L, -1, &is_status);
    lua_pop(L, 1);
    if (is_status) {
        out->http_status = status > 0 && status < 1000 ? (int)status : 0;
        return true;
    }

    const char *name = text_field(L, 2, "kind");
    enum cf_error_kind kind = name != NULL ? cf_error_kind_parse(name) : CF_OK;
    if (out->should_retry == CF_SHOULD_RETRY_NO)
        return false;
    if (kind == CF_ERR_RATE_LIMIT)
        out->http_status = 429;       /* our own limiter's no: waited for, not counted */
    else if (kind == CF_ERR_API)
        out->transport = CF_TRANSPORT_OTHER;
    else
        return false;
    return true;
}

static void push_step(lua_State *L, const struct cf_retry_step *step)
{
    lua_createtable(L, 0, 3);                         /* step */
    lua_pushstring(L, cf_verdict_name(step->verdict));
    lua_setfield(L, -2, "verdict");
    lua_pushinteger(L, step->attempt);
    lua_setfield(L, -2, "attempt");
    lua_pushstring(L, step->judgement.reason);
    lua_setfield(L, -2, "reason");
}

static int retry_next(lua_State *L)
{
    struct lua_retry *self = check_retry(L);
    struct cf_rng *rng = rng_of(L, self);
    struct cf_failure failure;
    struct cf_retry_step step;

    luaL_checkany(L, 2);
    if (!read_failure(L, &failure)) {
        lua_pushnil(L);
        return 1;
    }
    if (cf_retry_next(&self->retry, &failure, rng, &step))
        lua_pushinteger(L, step.delay_ms);
    else
        lua_pushnil(L);
    push_step(L, &step);
    return 2;
}

static int retry_delay(lua_State *L)
{
    struct lua_retry *self = check_retry(L);
    lua_Integer n = luaL_checkinteger(L, 2);
    int64_t retry_after_ms = wait_of(luaL_optnumber(L, 3, -1));

    luaL_argcheck(L, n >= 1 && n <= INT32_MAX, 2, "retries are counted from 1");
    lua_pushinteger(L, cf_retry_delay_ms(&self->policy, (int)n, retry_after_ms, rng_of(L, self)));
    return 1;
}

static int retry_attempts(lua_State *L)
{
    lua_pushinteger(L, check_retry(L)->retry.attempts);
    return 1;
}

static int retry_reset(lua_State *L)
{
    struct lua_retry *self = check_retry(L);
    cf_retry_init(&self->retry, &self->policy);
    return 0;
}

static int retry_new(lua_State *L)
{
    struct cf_retry_policy policy;
    cf_retry_policy_default(&policy);
    luaL_checktype(L, 1, LUA_TTABLE);
    cf_lua_read_retry(L, 1, &policy);

    struct lua_retry *self = lua_newuserdatauv(L, sizeof *self, 0);
    memset(self, 0, sizeof *self);
    self->policy = policy;
    cf_retry_init(&self->retry, &self->policy);
    self->has_seed = lua_getfield(L, 1, "seed") != LUA_TNIL;
    if (self->has_seed)
        cf_rng_seed(&self->rng, (uint64_t)luaL_checkinteger(L, -1));
    lua_pop(L, 1);
    luaL_setmetatable(L, RETRY_MT);
    return 1;
}

int cf_lua_open_retry(lua_State *L)
{
    static const luaL_Reg methods[] = {
        { "next", retry_next },
        { "delay", retry_delay },
        { "attempts", retry_attempts },
        { "reset", retry_reset },
        { NULL, NULL },
    };
    static const luaL_Reg functions[] = {
        { "new", retry_new },
        { NULL, NULL },
    };

    luaL_newmetatable(L, RETRY_MT);                   /* mt */
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
