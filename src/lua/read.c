#include "lua/read.h"

#include <lauxlib.h>

#include "confab/error.h"
#include "confab/limiter.h"
#include "confab/retry.h"
#include "lua/raise.h"

/* Leaves the field on the stack only as long as it is looked at: the table keeps it. */
struct cf_text cf_lua_read_text(lua_State *L, int idx, const char *name)
{
    struct cf_text text = { NULL, 0 };
    if (lua_getfield(L, idx, name) != LUA_TNIL)
        text.data = luaL_checklstring(L, -1, &text.len);
    lua_pop(L, 1);
    return text;
}

const char *cf_lua_read_string(lua_State *L, int idx, const char *name)
{
    return cf_lua_read_text(L, idx, name).data;
}

void cf_lua_read_int(lua_State *L, int idx, const char *name, int64_t *out)
{
    if (lua_getfield(L, idx, name) != LUA_TNIL)
        *out = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
}

bool cf_lua_read_number(lua_State *L, int idx, const char *name, double *out)
{
    bool found = lua_getfield(L, idx, name) != LUA_TNIL;
    if (found)
        *out = luaL_checknumber(L, -1);
    lua_pop(L, 1);
    return found;
}

void cf_lua_read_bool(lua_State *L, int idx, const char *name, bool *out)
{
    if (lua_getfield(L, idx, name) != LUA_TNIL)
        *out = lua_toboolean(L, -1);
    lua_pop(L, 1);
}

void cf_lua_read_limits(lua_State *L, int idx, struct cf_limit_config *out)
{
    struct cf_error err;
    if (lua_getfield(L, idx, "max_requests") != LUA_TNIL) {
        out->max_requests = luaL_checkinteger(L, -1);
        out->is_default = false;
    }
    lua_pop(L, 1);
    cf_lua_read_int(L, idx, "max_input_tokens", &out->max_input_tokens);
    cf_lua_read_int(L, idx, "max_output_tokens", &out->max_output_tokens);
    cf_lua_read_int(L, idx, "window_ms", &out->window_ms);
    cf_lua_read_int(L, idx, "concurrency", &out->concurrency);
    cf_lua_read_bool(L, idx, "enable_queue", &out->enable_queue);
    cf_lua_read_number(L, idx, "pause_threshold", &out->pause_threshold);

    const char *pacing = cf_lua_read_string(L, idx, "pacing");
    if (pacing != NULL && !cf_pacing_parse(pacing, &out->pacing)) {
        cf_fail(&err, CF_ERR_CONFIG,
                "limits: pacing must be \"auto\", \"smooth\" or \"burst\", not \"%s\"", pacing);
        cf_lua_raise(L, &err);
    }
    if (!cf_limit_config_check(out, &err)) {
        cf_fail_prefix(&err, "limits: ");
        cf_lua_raise(L, &err);
    }
}

void cf_lua_read_retry(lua_State *L, int idx, struct cf_retry_policy *out)
{
    struct cf_error err;
    int64_t max_attempts = out->max_attempts;
    cf_lua_read_int(L, idx, "max_attempts", &max_attempts);
    out->max_attempts = max_attempts > INT32_MAX ? INT32_MAX : (int)max_attempts;
    cf_lua_read_int(L, idx, "base_delay_ms", &out->base_delay_ms);
    cf_lua_read_int(L, idx, "max_delay_ms", &out->max_delay_ms);
    cf_lua_read_int(L, idx, "jitter_ms", &out->jitter_ms);
    if (!cf_retry_policy_check(out, &err)) {
        cf_fail_prefix(&err, "retry: ");
        cf_lua_raise(L, &err);
    }
}
