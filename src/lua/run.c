#include "lua/run.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "confab/error.h"
#include "engine/engine.h"
#include "engine/journal.h"
#include "lua/draw.h"
#include "lua/drawn.h"
#include "lua/engine.h"
#include "lua/finish.h"
#include "lua/item.h"
#include "lua/raise.h"
#include "lua/read.h"
#include "lua/record.h"
#include "lua/scheduler.h"
#include "lua/write.h"
#include "store/drawn.h"
#include "store/write_accept.h"
#include "store/write_call.h"
#include "store/write_item.h"
#include "store/write_run.h"
#include "store/write_take_back.h"

#define RUN_MT "confab.run.core"

struct lua_run { struct cf_run *run; };      /* borrowed from the engine */

static struct cf_run *check_run(lua_State *L, int idx)
{
    return ((struct lua_run *)luaL_checkudata(L, idx, RUN_MT))->run;
}

/* Raises config_error in a plan, where nothing may be written. */
static struct cf_store *check_store(lua_State *L, struct cf_engine *engine)
{
    struct cf_error err;
    if (!cf_engine_is_plan(engine))
        return cf_engine_store(engine);
    cf_fail(&err, CF_ERR_CONFIG, "nothing is written in an estimate");
    cf_lua_raise(L, &err);
    return NULL;
}

/* --- opening --- */

static int run_open(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    struct cf_engine *engine = cf_lua_check_engine(L);
    struct cf_run_options options = {
        .name = cf_lua_read_string(L, 1, "name"),
        .source = cf_lua_read_string(L, 1, "source"),
        .script = cf_lua_read_string(L, 1, "script"),
        .script_text = cf_lua_read_string(L, 1, "script_text"),
        .script_hash = cf_lua_read_string(L, 1, "script_hash"),
        .args = cf_lua_read_string(L, 1, "args"),
        .options = cf_lua_read_string(L, 1, "options"),
        .model = cf_lua_read_string(L, 1, "model"),
    };
    int64_t seed = 0;
    cf_lua_read_int(L, 1, "seed", &seed);
    options.seed = (uint64_t)seed;
    options.budget_pico = CF_BUDGET_NONE;
    cf_lua_read_int(L, 1, "budget", &options.budget_pico);
    cf_lua_read_bool(L, 1, "fresh", &options.fresh);

    struct lua_run *self = lua_newuserdatauv(L, sizeof *self, 0);
    self->run = NULL;
    luaL_setmetatable(L, RUN_MT);
    struct cf_error err;
    if (!cf_engine_run(engine, &options, &self->run, &err))
        return cf_lua_raise(L, &err);
    return 1;
}

static int run_index(lua_State *L)
{
    const struct cf_run *run = check_run(L, 1);
    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)      /* a method */
        return 1;
    const char *name = luaL_checkstring(L, 2);
    if (strcmp(name, "id") == 0)
        lua_pushinteger(L, run->id);
    else if (strcmp(name, "uuid") == 0)
        lua_pushstring(L, run->uuid);
    else if (strcmp(name, "name") == 0)
        lua_pushstring(L, run->name);
    else if (strcmp(name, "generation") == 0)
        lua_pushinteger(L, run->generation);
    else if (strcmp(name, "seed") == 0)
        lua_pushinteger(L, (lua_Integer)run->seed);
    else if (strcmp(name, "continued") == 0)
        lua_pushboolean(L, run->continued);
    else if (strcmp(name, "script_changed") == 0)
        lua_pushboolean(L, run->script_changed);
    else if (strcmp(name, "previous_options") == 0)
        lua_pushstring(L, run->previous_options);
    else if (strcmp(name, "unknown_calls") == 0)
        lua_pushinteger(L, run->unknown_calls);
    else if (strcmp(name, "unknown_cost") == 0)
        lua_pushinteger(L, run->unknown_pico);
    else
        lua_pushnil(L);
    return 1;
}

/* --- drawing --- */

static int run_draw(lua_State *L)
{
    return cf_lua_draw(L, check_run(L, 1));
}

static int run_stay(lua_State *L)
{
    return cf_lua_stay(L, check_run(L, 1));
}

static int run_load(lua_State *L)
{
    check_run(L, 1);
    struct cf_item *item = cf_lua_check_item(L, 2);
    struct cf_error err;
    if (!cf_item_load(item, cf_engine_reader(cf_lua_check_engine(L)), &err))
        return cf_lua_raise(L, &err);
    return 0;
}

static bool write_nothing(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    (void)write, (void)tx, (void)err;
    return true;
}

static int run_renew(lua_State *L)
{
    struct cf_run *run = check_run(L, 1);
    struct cf_item *item = cf_lua_check_item(L, 2);
    struct cf_error err;
    struct cf_write behind_all = { .apply = write_nothing };    /* replies on their way are stored, then */
    if (!cf_store_write(check_store(L, run->engine), &behind_all, &err))
        return cf_lua_raise(L, &err);
    if (!cf_item_renew(item, cf_engine_reader(cf_lua_check_engine(L)), &err))
        return cf_lua_raise(L, &err);
    return 0;
}

/* The row of the run at 1 with the key at 2; NULL if there is none. Lent until the next read. */
static const struct cf_item_row *read_item(lua_State *L)
{
    struct cf_run *run = check_run(L, 1);
    struct cf_text key;
    const struct cf_item_row *row;
    struct cf_error err;
    key.data = luaL_checklstring(L, 2, &key.len);
    int found = cf_reader_item(cf_engine_reader(run->engine), run->id, key, &row, &err);
    if (found < 0)
        cf_lua_raise(L, &err);
    return found > 0 ? row : NULL;
}

/* failure(key) -> kind and message of the item's failure, or nil */
static int run_failure(lua_State *L)
{
    const struct cf_item_row *row = read_item(L);
    if (row == NULL || row->error_kind == NULL)
        return 0;
    lua_pushstring(L, row->error_kind);
    lua_pushstring(L, row->error_message);
    return 2;
}

/* recorded(key) -> the JSON that record() kept with the item, or nil */
static int run_recorded(lua_State *L)
{
    size_t len;
    const char *key = luaL_checklstring(L, 2, &len);
    return cf_lua_push_recorded(L, check_run(L, 1), key, len);
}

/* first_unfinished(any failed) -> an ordinal: see cf_reader_first_unfinished */
static int run_first_unfinished(lua_State *L)
{
    struct cf_run *run = check_run(L, 1);
    int64_t ordinal;
    struct cf_error err;
    if (!cf_reader_first_unfinished(cf_engine_reader(run->engine), run->id, lua_toboolean(L, 2),
                                    &ordinal, &err))
        return cf_lua_raise(L, &err);
    lua_pushinteger(L, ordinal);
    return 1;
}

/* set_aside() -> how many replies of items that failed on content */
static int run_set_aside(lua_State *L)
{
    struct cf_run *run = check_run(L, 1);
    struct cf_write_call_set_aside aside = { .write.apply = cf_write_call_set_aside, .run = run->id,
                                             .drawing = run->drawing };
    struct cf_error err;
    if (!cf_store_write(check_store(L, run->engine), &aside.write, &err))
        return cf_lua_raise(L, &err);
    lua_pushinteger(L, aside.calls);
    return 1;
}

/* params(key) -> the JSON of the item's parameters, or nil */
static int run_params(lua_State *L)
{
    const struct cf_item_row *row = read_item(L);
    if (row == NULL || row->params.data == NULL)
        return 0;
    lua_pushlstring(L, row->params.data, row->params.len);
    return 1;
}

/* --- finishing --- */

static int run_finish(lua_State *L)
{
    check_store(L, check_run(L, 1)->engine);
    cf_lua_check_item(L, 2);
    return cf_lua_finish_item(L);
}

/* --- the rest --- */

static int run_orphans(lua_State *L)
{
    struct cf_run *run = check_run(L, 1);
    struct cf_write_item_orphans orphans = {
        .write.apply = cf_write_item_orphans, .run = run->id, .drawing = run->drawing,
    };
    struct cf_error err;
    if (!cf_store_write(check_store(L, run->engine), &orphans.write, &err))
        return cf_lua_raise(L, &err);
    lua_pushinteger(L, orphans.orphans);
    return 1;
}

/* take_back() -> how many items left: see cf_write_take_back */
static int run_take_back(lua_State *L)
{
    struct cf_run *run = check_run(L, 1);
    struct cf_write_take_back back = {
        .write.apply = cf_write_take_back, .run = run->id, .drawing = run->drawing,
    };
    struct cf_error err;
    if (!cf_store_write(check_store(L, run->engine), &back.write, &err))
        return cf_lua_raise(L, &err);
    lua_pushinteger(L, back.dropped);
    return 1;
}

/* drawn(first, count, drawn or nil): see cf_lua_drawn */
static int run_drawn(lua_State *L)
{
    return cf_lua_drawn(L, check_run(L, 1));
}

/* plan_size() -> how many items the plan has, as the database knows it */
static int run_plan_size(lua_State *L)
{
    struct cf_run *run = check_run(L, 1);
    int64_t count;
    struct cf_error err;
    if (!cf_reader_plan_size(cf_engine_reader(run->engine), run->id, &count, &err))
        return cf_lua_raise(L, &err);
    lua_pushinteger(L, count);
    return 1;
}

/* accept(n or nil for all, drops_rest) -> how many are surplus: see cf_write_accept */
static int run_accept(lua_State *L)
{
    struct cf_run *run = check_run(L, 1);
    struct cf_write_accept accept = {
        .write.apply = cf_write_accept, .run = run->id, .accept = luaL_optinteger(L, 2, INT64_MAX),
        .drops_rest = lua_toboolean(L, 3),
    };
    struct cf_error err;
    if (!cf_store_write(check_store(L, run->engine), &accept.write, &err))
        return cf_lua_raise(L, &err);
    lua_pushinteger(L, accept.surplus);
    return 1;
}

static int run_set_state(lua_State *L)
{
    struct cf_run *run = check_run(L, 1);
    const char *state = luaL_checkstring(L, 2), *reason = luaL_optstring(L, 3, NULL);
    int64_t planned = luaL_optinteger(L, 4, CF_RUN_KEEP);
    struct cf_error err;
    if (!cf_run_set_state(run, state, reason, planned, lua_toboolean(L, 5), &err))
        return cf_lua_raise(L, &err);
    return 0;
}

/* return_waiting(): what the run's items wait to have sent comes back as cancelled */
static int run_return_waiting(lua_State *L)
{
    struct cf_run *run = check_run(L, 1);
    check_store(L, run->engine);
    cf_sender_return_waiting(cf_engine_sender(run->engine), &run->account);
    return 0;
}

static int run_keep(lua_State *L)
{
    struct cf_run *run = check_run(L, 1);
    struct cf_write_run_update update = {
        .write.apply = cf_write_run_update, .run = run->id, .options = luaL_checkstring(L, 2),
        .planned = CF_RUN_KEEP, .budget_pico = CF_RUN_KEEP,
    };
    struct cf_error err;
    if (!cf_store_write(check_store(L, run->engine), &update.write, &err))
        return cf_lua_raise(L, &err);
    return 0;
}

/* account() -> pico-dollars and counts; a budget that there is not is -1 */
static int run_account(lua_State *L)
{
    struct cf_account account, all;
    cf_account_read(&check_run(L, 1)->account, &account);
    cf_account_read(cf_engine_account(check_run(L, 1)->engine), &all);
    const struct { const char *name; int64_t value; } rows[] = {
        { "spent", account.ledger.spent }, { "at_risk", account.ledger.at_risk },
        { "reserved", account.ledger.reserved }, { "attempts", account.attempts },
        { "retries", account.retries }, { "refusals", account.refusals },
        { "budget", account.budget_pico }, { "script_budget", all.budget_pico },
        { "script_spent", all.ledger.spent }, { "script_at_risk", all.ledger.at_risk },
    };
    lua_createtable(L, 0, 10);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        lua_pushinteger(L, rows[i].value);
        lua_setfield(L, -2, rows[i].name);
    }
    return 1;
}

static int run_template(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    struct cf_write_template template = {
        .write.apply = cf_write_template,
        .name = cf_lua_read_string(L, 1, "name"), .tier = cf_lua_read_string(L, 1, "tier"),
        .system = cf_lua_read_text(L, 1, "system"), .prompt = cf_lua_read_text(L, 1, "prompt"),
        .settings = cf_lua_read_string(L, 1, "settings"),
    };
    struct cf_error err;
    if (!cf_store_write(check_store(L, cf_lua_check_engine(L)), &template.write, &err))
        return cf_lua_raise(L, &err);
    lua_pushinteger(L, template.template);
    lua_pushinteger(L, template.version);
    return 2;
}

/* --- what other processes ask for --- */

/* control() -> { id, run (row), command, arguments (JSON) } of the oldest thing that is asked of
 * a run of this process and not done yet, or nil. */
static int run_control(lua_State *L)
{
    struct cf_engine *engine = cf_lua_engine(L);
    const struct cf_control_row *row;
    struct cf_error err;
    if (engine == NULL || !cf_engine_has_news(engine))
        return 0;
    for (struct cf_run *run = cf_engine_runs(engine); run != NULL; run = run->next) {
        int found = run->owner != NULL
                        ? cf_reader_control(cf_engine_reader(engine), run->id, &row, &err)
                        : 0;
        if (found < 0)
            return cf_lua_raise(L, &err);
        if (found == 0)
            continue;
        lua_createtable(L, 0, 4);
        lua_pushinteger(L, row->control);
        lua_setfield(L, -2, "id");
        lua_pushinteger(L, run->id);
        lua_setfield(L, -2, "run");
        lua_pushstring(L, row->command);
        lua_setfield(L, -2, "command");
        lua_pushstring(L, row->arguments);
        lua_setfield(L, -2, "arguments");
        return 1;
    }
    return 0;
}

/* controlled(id): it was done */
static int run_controlled(lua_State *L)
{
    struct cf_write_control done = { .write.apply = cf_write_control,
                                     .handled = luaL_checkinteger(L, 1) };
    struct cf_error err;
    if (!cf_store_write(check_store(L, cf_lua_check_engine(L)), &done.write, &err))
        return cf_lua_raise(L, &err);
    return 0;
}

int cf_lua_open_run(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "open", run_open },
        { "template", run_template },
        { "control", run_control },
        { "controlled", run_controlled },
        { "record", cf_lua_record },
        { NULL, NULL },
    };
    static const luaL_Reg methods[] = {
        { "draw", run_draw },           { "load", run_load },
        { "renew", run_renew },
        { "finish", run_finish },       { "orphans", run_orphans },
        { "set_state", run_set_state }, { "account", run_account },
        { "params", run_params },       { "drawn", run_drawn },
        { "stay", run_stay },           { "plan_size", run_plan_size },
        { "failure", run_failure },     { "set_aside", run_set_aside },
        { "keep", run_keep },           { "first_unfinished", run_first_unfinished },
        { "accept", run_accept },       { "take_back", run_take_back },
        { "recorded", run_recorded },   { "return_waiting", run_return_waiting },
        { NULL, NULL },
    };
    cf_lua_open_item(L);
    cf_lua_open_drawn(L);
    luaL_newmetatable(L, RUN_MT);                            /* mt */
    luaL_newlib(L, methods);
    lua_pushcclosure(L, run_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
