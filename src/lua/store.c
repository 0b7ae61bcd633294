#include "lua/store.h"

#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "confab/error.h"
#include "confab/money.h"
#include "engine/engine.h"
#include "lua/engine.h"
#include "lua/guard.h"
#include "lua/json.h"
#include "lua/raise.h"
#include "store/account_fields.h"
#include "store/reader.h"
#include "store/store.h"

#define STORE_MT "confab.store.core"

enum { UV_PATH = 1 };

struct lua_store {
    struct cf_reader *reader;
}; /* owned; NULL until it is needed */

static const char registry_key = 0;

static int store_gc(lua_State *L)
{
    struct lua_store *self = luaL_checkudata(L, 1, STORE_MT);
    cf_reader_free(self->reader);
    self->reader = NULL;
    return 0;
}

/* Pushes the store of this Lua state and lends it. */
static struct lua_store *push_self(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
    return lua_touserdata(L, -1);
}

const char *cf_lua_store_path(lua_State *L)
{
    struct cf_engine *engine = cf_lua_engine(L);
    if (engine != NULL)
        return cf_engine_db_path(engine);
    push_self(L);
    lua_getiuservalue(L, -1, UV_PATH);
    const char *path = lua_tostring(L, -1); /* kept by the user value */
    lua_pop(L, 2);
    return path;
}

struct cf_reader *cf_lua_store_reader(lua_State *L)
{
    struct cf_engine *engine = cf_lua_engine(L);
    if (engine != NULL)
        return cf_engine_reader(engine);

    struct cf_error err;
    struct lua_store *self = push_self(L);
    lua_pop(L, 1);
    const char *path = cf_lua_store_path(L);
    if (path == NULL) {
        cf_fail(&err, CF_ERR_CONFIG, "the store is not open");
        cf_lua_raise(L, &err);
    }
    if (self->reader == NULL && !cf_reader_open(path, CF_STORE_CMD_BUSY_MS, &self->reader, &err))
        cf_lua_raise(L, &err);
    return self->reader;
}

static int store_open(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    lua_settop(L, 1);
    const char *known = cf_lua_store_path(L);
    if (cf_lua_engine(L) == NULL && (known == NULL || strcmp(known, path) != 0)) {
        struct lua_store *self = push_self(L); /* path self */
        cf_reader_free(self->reader);
        self->reader = NULL;
        lua_pushvalue(L, 1);
        lua_setiuservalue(L, -2, UV_PATH);
    }
    cf_lua_store_reader(L);
    return 0;
}

int64_t cf_lua_store_run(lua_State *L, struct cf_reader *reader, int idx)
{
    struct cf_error err;
    int64_t run = 0;
    int found;
    if (lua_isinteger(L, idx)) {
        const struct cf_run_row *row;
        run = lua_tointeger(L, idx);
        found = cf_reader_run(reader, run, &row, &err);
        if (found == 0)
            cf_fail(&err, CF_ERR_CONFIG, "there is no run %lld", (long long)run);
    } else {
        const char *text = luaL_optstring(L, idx, NULL);
        found = cf_reader_find_run(reader, text, &run, &err);
        if (found == 0 && text != NULL)
            cf_fail(&err, CF_ERR_CONFIG, "there is no run \"%s\"", text);
        else if (found == 0)
            cf_fail(&err, CF_ERR_CONFIG, "the database has no runs yet");
    }
    if (found <= 0)
        cf_lua_raise(L, &err);
    return run;
}

/* --- a run as a table --- */

static void set_str(lua_State *L, const char *name, const char *value)
{
    lua_pushstring(L, value); /* NULL pushes nil */
    lua_setfield(L, -2, name);
}

static void set_int(lua_State *L, const char *name, int64_t value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static void set_bool(lua_State *L, const char *name, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

/* Dollars for reading; the exact amount stands beside it. */
static void set_money(lua_State *L, const char *name, int64_t pico)
{
    if (pico < 0)
        return;
    lua_pushnumber(L, (lua_Number)pico / CF_PICO_PER_USD);
    lua_setfield(L, -2, name);
}

/* A JSON column as a value; text that is no JSON stays text. */
static void set_json(lua_State *L, const char *name, const char *text)
{
    struct cf_error err;
    if (text == NULL)
        return;
    if (!cf_lua_json_decode(L, text, strlen(text), &err))
        lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

/* Money twice: in dollars for people, exact under NAME_pico. */
static void set_account(lua_State *L, const struct cf_run_account *account)
{
    for (const struct cf_account_field *field = cf_account_fields; field->name != NULL; field++) {
        int64_t value = cf_account_value(account, field);
        if (field->kind != CF_ACCOUNT_PICO) {
            set_int(L, field->name, value);
            continue;
        }
        char exact[64];
        snprintf(exact, sizeof exact, "%s_pico", field->name);
        set_money(L, field->name, value);
        set_int(L, exact, value);
    }
}

static void push_run(lua_State *L, const struct cf_run_row *row)
{
    lua_createtable(L, 0, 24);
    set_int(L, "id", row->run);
    set_str(L, "uuid", row->uuid);
    set_str(L, "name", row->name);
    set_int(L, "generation", row->generation);
    set_str(L, "provider", row->provider);
    set_bool(L, "simulated", row->simulated);
    set_str(L, "state", row->state);
    set_str(L, "state_reason", row->state_reason);
    set_str(L, "source", row->source);
    set_str(L, "script", row->script);
    set_str(L, "script_text", row->script_text);
    set_str(L, "script_hash", row->script_hash);
    set_json(L, "args", row->args);
    set_json(L, "options", row->options);
    set_str(L, "model", row->model);
    set_str(L, "base_url", row->base_url);
    set_int(L, "seed", (int64_t)row->seed);
    set_money(L, "budget", row->budget_pico);
    set_str(L, "created_at", row->created_at);
    set_str(L, "started_at", row->started_at);
    set_str(L, "finished_at", row->finished_at);
    set_str(L, "owner_host", row->owner_host);
    if (row->owner_host != NULL)
        set_int(L, "owner_pid", row->owner_pid);
    set_str(L, "owner_started_at", row->owner_started_at);
    lua_createtable(L, 0, 24);
    set_account(L, &row->account);
    lua_setfield(L, -2, "account");
}

static int store_run(lua_State *L)
{
    struct cf_reader *reader = cf_lua_store_reader(L);
    const struct cf_run_row *row;
    struct cf_error err;
    int64_t run;

    int found = lua_isinteger(L, 1)
                    ? (run = lua_tointeger(L, 1), 1)
                    : cf_reader_find_run(reader, luaL_optstring(L, 1, NULL), &run, &err);
    if (found > 0)
        found = cf_reader_run(reader, run, &row, &err);
    if (found < 0)
        return cf_lua_raise(L, &err);
    if (found == 0)
        return 0;
    push_run(L, row);
    return 1;
}

/* --- lists --- */

static void free_runs(void *cursor)
{
    cf_runs_free(cursor);
}
static void free_failures(void *cursor)
{
    cf_failures_free(cursor);
}

static int store_runs(lua_State *L)
{
    struct cf_reader *reader = cf_lua_store_reader(L);
    struct cf_lua_guard *guard = cf_lua_push_guard(L, free_runs); /* guard */
    lua_newtable(L);                                              /* guard list */
    struct cf_run_cursor *cursor;
    const struct cf_run_row *row;
    struct cf_error err;
    int next = -1;

    if (!cf_runs_open(reader, NULL, &cursor, &err))
        return cf_lua_raise(L, &err);
    guard->object = cursor;
    for (lua_Integer i = 1; (next = cf_runs_next(cursor, &row, &err)) > 0; i++) {
        push_run(L, row);
        lua_rawseti(L, -2, i);
    }
    cf_lua_guard_free(guard);
    return next < 0 ? cf_lua_raise(L, &err) : 1;
}

static int store_failures(lua_State *L)
{
    lua_settop(L, 1);
    struct cf_reader *reader = cf_lua_store_reader(L);
    int64_t run = cf_lua_store_run(L, reader, 1);
    struct cf_lua_guard *guard = cf_lua_push_guard(L, free_failures); /* id guard */
    lua_newtable(L);                                                  /* id guard list */
    struct cf_failure_cursor *cursor;
    const struct cf_failure_row *row;
    struct cf_error err;
    int next = -1;

    if (!cf_failures_open(reader, run, &cursor, &err))
        return cf_lua_raise(L, &err);
    guard->object = cursor;
    for (lua_Integer i = 1; (next = cf_failures_next(cursor, &row, &err)) > 0; i++) {
        lua_createtable(L, 0, 4); /* id guard list failure */
        set_str(L, "kind", row->error_kind);
        set_int(L, "count", row->count);
        lua_pushlstring(L, row->key.data != NULL ? row->key.data : "", row->key.len);
        lua_setfield(L, -2, "key");
        set_str(L, "message", row->error_message);
        lua_rawseti(L, -2, i);
    }
    cf_lua_guard_free(guard);
    return next < 0 ? cf_lua_raise(L, &err) : 1;
}

int cf_lua_open_store(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "open", store_open },
        { "run", store_run },
        { "runs", store_runs },
        { "failures", store_failures },
        { "conversations", cf_lua_store_conversations },
        { "sql", cf_lua_store_sql },
        { NULL, NULL },
    };
    luaL_newmetatable(L, STORE_MT); /* mt */
    lua_pushcfunction(L, store_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);

    struct lua_store *self = lua_newuserdatauv(L, sizeof *self, 1); /* self */
    self->reader = NULL;
    luaL_setmetatable(L, STORE_MT);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
    luaL_newlib(L, functions);
    return 1;
}
