#include "lua/engine.h"

#include <inttypes.h>
#include <stdlib.h>

#include <lauxlib.h>

#include "base/log.h"
#include "confab/clock.h"
#include "confab/error.h"
#include "confab/money.h"
#include "engine/engine.h"
#include "engine/models.h"
#include "engine/sender.h"
#include "lua/limiter.h"
#include "lua/models.h"
#include "lua/raise.h"
#include "lua/read.h"
#include "lua/scheduler.h"

#define ENGINE_MT "confab.engine"
#define KEYS_MAX  64      /* in use at once; their limits lie on the C stack meanwhile */

struct lua_engine { struct cf_engine *engine; };    /* owned; NULL before open and after close */

static const char registry_key = 0;

/* In a user's own interpreter nobody tells how the script ended: what is still open is the run
 * of calls outside confab.run. */
static int engine_gc(lua_State *L)
{
    struct lua_engine *self = luaL_checkudata(L, 1, ENGINE_MT);
    if (self->engine != NULL)
        cf_engine_end_runs(self->engine, "done");
    cf_engine_free(self->engine);
    self->engine = NULL;
    return 0;
}

static struct lua_engine *get_self(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
    struct lua_engine *self = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return self;
}

struct cf_engine *cf_lua_engine(lua_State *L)
{
    struct lua_engine *self = get_self(L);
    return self != NULL ? self->engine : NULL;
}

struct cf_engine *cf_lua_check_engine(lua_State *L)
{
    struct cf_engine *engine = cf_lua_engine(L);
    if (engine == NULL) {
        struct cf_error err;
        cf_fail(&err, CF_ERR_CONFIG, "the engine is not open");
        cf_lua_raise(L, &err);
    }
    return engine;
}

void cf_lua_end_runs(lua_State *L, const char *state)
{
    struct cf_engine *engine = cf_lua_engine(L);
    if (engine != NULL)
        cf_engine_end_runs(engine, state);
}

void cf_lua_close_engine(lua_State *L)
{
    struct lua_engine *self = get_self(L);
    if (self != NULL) {
        cf_engine_free(self->engine);
        self->engine = NULL;
    }
}

/* Script thread. Said at once, whatever shows the progress: a second Ctrl-C costs money. */
static void tell_waiting(struct cf_sender *sender)
{
    struct cf_sender_status status;
    char money[CF_MONEY_TEXT_MAX];
    cf_sender_status(sender, &status);
    if (status.in_flight == 0)
        return;
    cf_money_format(status.at_stake_pico, money);
    cf_log(CF_LOG_INFO, "waiting for %" PRId64 " %s worth up to %s; Ctrl-C again to give %s up",
           status.in_flight, status.in_flight == 1 ? "reply" : "replies", money,
           status.in_flight == 1 ? "it" : "them");
}

static void on_stop(enum cf_stop_level level, void *self)
{
    struct lua_engine *engine = self;
    struct cf_sender *sender = engine->engine != NULL ? cf_engine_sender(engine->engine) : NULL;
    if (sender == NULL)
        return;
    if (level == CF_STOP_LEVEL_DRAIN) {
        tell_waiting(sender);
        cf_sender_drain(sender);
    } else {
        cf_sender_abandon(sender);
    }
}

static void read_timeouts(lua_State *L, int idx, struct cf_http_timeouts *out)
{
    if (lua_getfield(L, idx, "timeouts") == LUA_TTABLE) {
        int at = lua_gettop(L);
        cf_lua_read_int(L, at, "connect_ms", &out->connect_ms);
        cf_lua_read_int(L, at, "first_byte_ms", &out->first_byte_ms);
        cf_lua_read_int(L, at, "idle_ms", &out->idle_ms);
        cf_lua_read_int(L, at, "total_ms", &out->total_ms);
    }
    lua_pop(L, 1);
}

/* keys and their limits are C arrays of this call; the strings are the settings table's. */
static size_t read_keys(lua_State *L, int idx, const struct cf_limit_config *common,
                        struct cf_key_options *keys, struct cf_limit_config *limits)
{
    size_t count = 0;
    lua_getfield(L, idx, "keys");                              /* ... keys */
    lua_Integer len = lua_istable(L, -1) ? luaL_len(L, -1) : 0;
    if (len > KEYS_MAX) {
        struct cf_error err;
        cf_fail(&err, CF_ERR_CONFIG, "there may be at most %d keys, not %lld", KEYS_MAX,
                (long long)len);
        cf_lua_raise(L, &err);
    }
    for (lua_Integer i = 1; i <= len; i++, count++) {
        lua_geti(L, -1, i);                                    /* ... keys key */
        int at = lua_gettop(L);
        keys[count] = (struct cf_key_options){
            .name = cf_lua_read_string(L, at, "name"), .value = cf_lua_read_string(L, at, "value"),
        };
        if (lua_getfield(L, at, "limits") == LUA_TTABLE) {
            limits[count] = *common;
            cf_lua_read_limits(L, lua_gettop(L), &limits[count]);
            keys[count].limits = &limits[count];
        }
        lua_pop(L, 2);
    }
    lua_pop(L, 1);
    return count;
}

static int engine_open(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    if (cf_lua_engine(L) != NULL)
        return luaL_error(L, "the engine is open already");

    struct cf_engine_options options = {
        .db_path = cf_lua_read_string(L, 1, "db"),
        .provider = cf_lua_read_string(L, 1, "provider"),
        .simulate = cf_lua_read_string(L, 1, "simulate"), .max_new = -1,
        .budget_pico = CF_BUDGET_NONE,
        .sender.base_url = cf_lua_read_string(L, 1, "base_url"),
    };
    cf_lua_read_bool(L, 1, "plan", &options.is_plan);
    cf_lua_read_bool(L, 1, "offline", &options.is_offline);
    cf_lua_read_int(L, 1, "max_new", &options.max_new);
    cf_lua_read_int(L, 1, "budget", &options.budget_pico);
    cf_lua_read_int(L, 1, "max_outage_ms", &options.sender.max_outage_ms);
    cf_limit_config_default(&options.sender.limits);
    if (lua_getfield(L, 1, "limits") == LUA_TTABLE)
        cf_lua_read_limits(L, lua_gettop(L), &options.sender.limits);
    cf_retry_policy_default(&options.sender.retry);
    if (lua_getfield(L, 1, "retry") == LUA_TTABLE)
        cf_lua_read_retry(L, lua_gettop(L), &options.sender.retry);
    lua_settop(L, 1);
    read_timeouts(L, 1, &options.sender.timeouts);
    cf_lua_read_bool(L, 1, "http2", &options.sender.http2);
    int64_t seed = 0;
    cf_lua_read_int(L, 1, "seed", &seed);
    options.sender.seed = (uint64_t)seed;

    struct cf_key_options keys[KEYS_MAX];
    struct cf_limit_config key_limits[KEYS_MAX];
    options.sender.keys = keys;
    options.sender.key_count = read_keys(L, 1, &options.sender.limits, keys, key_limits);

    struct lua_engine *self = lua_newuserdatauv(L, sizeof *self, 0);     /* settings self */
    self->engine = NULL;
    luaL_setmetatable(L, ENGINE_MT);
    lua_getfield(L, 1, "models");                              /* settings self models */
    struct cf_models *models = cf_lua_read_models(L, -1);

    struct cf_error err;
    if (!cf_engine_open(&options, models, cf_clock_system(), &self->engine, &err)) {
        cf_models_free(models);
        return cf_lua_raise(L, &err);
    }
    lua_pop(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
    cf_scheduler_set_on_stop(L, on_stop, self);
    return 0;
}

/* keep_secret(value): from now on it is in no message, log line or row */
static int engine_keep_secret(lua_State *L)
{
    cf_secret_add(luaL_checkstring(L, 1));
    return 0;
}

static int engine_is_open(lua_State *L)
{
    lua_pushboolean(L, cf_lua_engine(L) != NULL);
    return 1;
}

static int engine_is_simulated(lua_State *L)
{
    lua_pushboolean(L, cf_engine_is_simulated(cf_lua_check_engine(L)));
    return 1;
}

static void set_int(lua_State *L, const char *name, int64_t value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static int engine_status(lua_State *L)
{
    struct cf_sender_status status;
    cf_sender_status(cf_engine_sender(cf_lua_check_engine(L)), &status);
    int64_t pause_ms = status.paused_until_ms - cf_now_ms(cf_clock_system());
    int64_t probe_ms = status.next_probe_ms - cf_now_ms(cf_clock_system());
    lua_createtable(L, 0, 24);
    set_int(L, "waiting_for_budget", status.waiting_for_budget);
    set_int(L, "away_ms", status.away_ms);
    set_int(L, "probe_ms", status.next_probe_ms > 0 && probe_ms > 0 ? probe_ms : 0);
    lua_pushboolean(L, status.is_disk_low);
    lua_setfield(L, -2, "disk_low");
    set_int(L, "new_calls", cf_engine_new_calls(cf_lua_check_engine(L)));
    set_int(L, "waiting", status.waiting);
    set_int(L, "in_flight", status.in_flight);
    set_int(L, "backing_off", status.backing_off);
    set_int(L, "undecided", status.undecided);
    set_int(L, "calls_wanted", status.calls_wanted);
    set_int(L, "replies", status.replies);
    set_int(L, "latency_ms", status.latency_ms);
    set_int(L, "at_stake", status.at_stake_pico);
    set_int(L, "pause_ms", status.paused_until_ms > 0 && pause_ms > 0 ? pause_ms : 0);
    set_int(L, "limit", status.limit_requests);
    set_int(L, "window_ms", status.window_ms);
    lua_pushstring(L, status.limit_source);
    lua_setfield(L, -2, "limit_source");
    lua_pushboolean(L, status.is_storage_full);
    lua_setfield(L, -2, "storage_full");
    lua_pushboolean(L, status.is_held);
    lua_setfield(L, -2, "held");
    return 1;
}

/* hold(whether) */
static int engine_hold(lua_State *L)
{
    cf_sender_hold(cf_engine_sender(cf_lua_check_engine(L)), lua_toboolean(L, 1));
    return 0;
}

/* return_waiting(): what waits to be sent comes back as cancelled. */
static int engine_return_waiting(lua_State *L)
{
    struct cf_engine *engine = cf_lua_engine(L);
    if (engine != NULL && cf_engine_sender(engine) != NULL)
        cf_sender_return_waiting(cf_engine_sender(engine), NULL);
    return 0;
}

/* set_max_outage(ms) */
static int engine_set_max_outage(lua_State *L)
{
    cf_sender_set_max_outage(cf_engine_sender(cf_lua_check_engine(L)), luaL_checkinteger(L, 1));
    return 0;
}

/* tune(limits): see cf_sender_tune */
static int engine_tune(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    struct cf_limit_config change = { 0 };
    cf_lua_read_int(L, 1, "max_requests", &change.max_requests);
    cf_lua_read_int(L, 1, "max_input_tokens", &change.max_input_tokens);
    cf_lua_read_int(L, 1, "max_output_tokens", &change.max_output_tokens);
    struct cf_error err;
    if (!cf_sender_tune(cf_engine_sender(cf_lua_check_engine(L)), &change, &err))
        return cf_lua_raise(L, &err);
    return 0;
}

/* limits(key name or nil, limit class) -> DESIGN's table of `status(key)`; nil: no such key. */
static int engine_limits(lua_State *L)
{
    const char *key = luaL_optstring(L, 1, NULL);
    const char *limit_class = luaL_checkstring(L, 2);
    struct cf_limit_status status;
    if (cf_engine_is_plan(cf_lua_check_engine(L)))
        return 0;
    if (!cf_sender_limits(cf_engine_sender(cf_lua_check_engine(L)), key, limit_class, &status))
        return 0;
    cf_lua_push_limit_status(L, &status, cf_clock_system());
    return 1;
}

/* reset_limits(key name or nil for all, limit class) -> whether there is such a key */
static int engine_reset_limits(lua_State *L)
{
    const char *key = luaL_optstring(L, 1, NULL);
    const char *limit_class = luaL_checkstring(L, 2);
    if (cf_engine_is_plan(cf_lua_check_engine(L)))
        return 0;
    lua_pushboolean(
        L, cf_sender_reset_limits(cf_engine_sender(cf_lua_check_engine(L)), key, limit_class));
    return 1;
}

int cf_lua_open_engine(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "open", engine_open },
        { "keep_secret", engine_keep_secret },
        { "is_open", engine_is_open },
        { "is_simulated", engine_is_simulated },
        { "status", engine_status },
        { "hold", engine_hold }, { "return_waiting", engine_return_waiting },
        { "tune", engine_tune },
        { "set_max_outage", engine_set_max_outage },
        { "limits", engine_limits },
        { "reset_limits", engine_reset_limits },
        { NULL, NULL },
    };
    luaL_newmetatable(L, ENGINE_MT);
    lua_pushcfunction(L, engine_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
