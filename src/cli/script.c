#include "cli/script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>

#include "base/log.h"
#include "cli/print.h"
#include "cli/script_end.h"
#include "confab/error.h"
#include "lua/engine.h"
#include "lua/json.h"
#include "lua/scheduler.h"
#include "lua/state.h"

void cf_script_init(struct cf_script *script, const char *path)
{
    *script = (struct cf_script){ .path = path };
    cf_buf_init(&script->text, CF_SCRIPT_BYTES_MAX);
}

void cf_script_done(struct cf_script *script)
{
    cf_buf_done(&script->text);
}

bool cf_script_read(const char *path, struct cf_buf *out, struct cf_error *err)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return cf_fail(err, CF_ERR_CONFIG, "%s: %s", path, strerror(errno));
    char chunk[65536];
    size_t len;
    while ((len = fread(chunk, 1, sizeof chunk, file)) > 0)
        cf_buf_add(out, chunk, len);
    bool ok = ferror(file) == 0;
    int why = errno;
    fclose(file);
    if (!ok)
        return cf_fail(err, CF_ERR_CONFIG, "%s: %s", path, strerror(why));
    if (!cf_buf_ok(out))
        return cf_fail(err, CF_ERR_CONFIG, "%s: a script of more than %u bytes", path,
                       CF_SCRIPT_BYTES_MAX);
    return true;
}

/* --- what the command line says, as the table that lua/confab/flags.lua stands for --- */

static void set_string(lua_State *L, const char *name, const char *value)
{
    if (value == NULL)
        return;
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

static void set_count(lua_State *L, const char *name, int64_t value)
{
    if (value < 0)
        return;
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static void set_flag(lua_State *L, const char *name, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

static void set_json(lua_State *L, const char *name)          /* flags value -> flags */
{
    cf_lua_json_encode(L, -1, 0);                             /* flags value json */
    lua_setfield(L, -3, name);
    lua_pop(L, 1);
}

static void set_share(lua_State *L, const char *name, double value)
{
    if (value < 0)
        return;
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

/* What `resume` says again; it stands in the flags and, for the run to keep, in their `options`. */
static void add_options(lua_State *L, const struct cf_script_flags *flags)
{
    set_string(L, "simulate", flags->simulate);
    set_string(L, "model", flags->model);
    set_string(L, "base_url", flags->base_url);
    set_count(L, "concurrency", flags->concurrency);
    set_count(L, "limit", flags->limit);
    set_string(L, "budget", flags->budget);
    set_share(L, "min_acceptance", flags->min_acceptance);
}

/* Where the files lie that the script names. */
static void set_folder(lua_State *L)
{
    char *folder = getcwd(NULL, 0);
    set_string(L, "folder", folder);
    free(folder);
}

/* package.loaded["confab.flags"] = { ... } */
static void set_flags(lua_State *L, const struct cf_script_flags *flags,
                      const struct cf_script *script)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);            /* loaded */
    lua_newtable(L);                                                     /* loaded flags */
    set_string(L, "db", flags->db);
    set_string(L, "progress", flags->progress);
    set_count(L, "max_new", flags->max_new);
    set_flag(L, "plan", flags->plan);
    set_flag(L, "is_program", true);
    set_flag(L, "fresh", flags->fresh);
    set_flag(L, "failed", flags->failed);
    set_flag(L, "offline", flags->offline);
    set_string(L, "script", script->path);
    lua_pushlstring(L, cf_buf_str(&script->text), script->text.len);
    lua_setfield(L, -2, "script_text");

    lua_createtable(L, (int)script->arg_count, 0);                       /* loaded flags args */
    cf_lua_json_mark_array(L, -1);
    for (size_t i = 0; i < script->arg_count; i++) {
        lua_pushstring(L, script->args[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    set_json(L, "args");

    add_options(L, flags);
    lua_newtable(L);                                                     /* loaded flags options */
    add_options(L, flags);
    set_folder(L);
    set_json(L, "options");
    lua_setfield(L, -2, "confab.flags");
    lua_pop(L, 1);
}

/* arg[0] is the script, arg[1..] what follows it. */
static void set_arg(lua_State *L, const struct cf_script *script)
{
    lua_newtable(L);
    lua_pushstring(L, script->path);
    lua_rawseti(L, -2, 0);
    for (size_t i = 0; i < script->arg_count; i++) {
        lua_pushstring(L, script->args[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setglobal(L, "arg");
}

/* --- running --- */

/* Whether items failed, or fewer were accepted than was asked. */
static bool has_failures(lua_State *L)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, "confab.flags");
    lua_getfield(L, -1, "failed_items");
    lua_getfield(L, -2, "too_few_accepted");
    bool has = lua_tointeger(L, -2) > 0 || lua_toboolean(L, -1);
    lua_pop(L, 4);
    return has;
}

/* How far the runs are that a signal ended, if the script has come to a confab.run. */
static void tell_unfinished(lua_State *L)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (lua_getfield(L, -1, "confab.in_work") == LUA_TTABLE) {
        lua_getfield(L, -1, "tell");
        if (lua_pcall(L, 0, 0, 0) != LUA_OK)
            lua_pop(L, 1);           /* the account stands in the database */
    }
    lua_pop(L, 2);
}

/* Calls a function of lua/confab/estimate.lua. */
static bool call_estimate(lua_State *L, const char *function, bool argument, struct cf_error *err)
{
    lua_getglobal(L, "require");
    lua_pushliteral(L, "confab.estimate");
    if (lua_pcall(L, 1, 1, 0) == LUA_OK) {
        lua_getfield(L, -1, function);
        lua_remove(L, -2);
        lua_pushboolean(L, argument);
        if (lua_pcall(L, 1, 0, 0) == LUA_OK)
            return true;
    }
    cf_fail(err, CF_ERR_SCRIPT, "%s", luaL_tolstring(L, -1, NULL));
    lua_pop(L, 2);
    return false;
}

static void tell_where(const char *traceback, const char *message)
{
    struct cf_buf text;
    cf_buf_init(&text, CF_SCRIPT_BYTES_MAX);
    cf_script_trace(traceback, message, &text);
    cf_print_behind(cf_buf_str(&text));
    cf_buf_done(&text);
}

static void tell_how_to_go_on(const struct cf_args *args, const char *budget)
{
    struct cf_buf text;
    cf_buf_init(&text, CF_SCRIPT_BYTES_MAX);
    cf_buf_adds(&text, "confab: everything is saved; go on with: ");
    cf_script_command(args, budget, &text);
    cf_buf_addc(&text, '\n');
    cf_print_behind(cf_buf_str(&text));
    cf_buf_done(&text);
}

/* Pushes the budget that would do, as the Lua side estimates it; NULL: it does not know. */
static const char *push_larger_budget(lua_State *L)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, "confab.flags");
    lua_getfield(L, -1, "larger_budget");
    lua_replace(L, -3);
    lua_pop(L, 1);
    return lua_tostring(L, -1);
}

static int run_text(lua_State *L, const struct cf_args *args, const struct cf_script *script,
                    struct cf_error *err)
{
    char chunk_name[4096];
    snprintf(chunk_name, sizeof chunk_name, "@%s", script->path);
    const char *text = cf_buf_str(&script->text);
    size_t len = script->text.len;
    if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) { /* as some editors begin a file */
        text += 3;
        len -= 3;
    }
    /* a shebang line; its newline stays, for the line numbers */
    if (len > 0 && text[0] == '#') {
        size_t first = strcspn(text, "\n");
        text += first;
        len -= first;
    }
    if (luaL_loadbufferx(L, text, len, chunk_name, "t") != LUA_OK) {
        cf_fail(err, CF_ERR_SCRIPT, "%s", lua_tostring(L, -1));
        return -1;
    }
    for (size_t i = 0; i < script->arg_count; i++)
        lua_pushstring(L, script->args[i]);

    cf_scheduler_catch_signals(L);
    if (script->prepare != NULL)
        script->prepare(L);
    enum cf_script_end end = cf_scheduler_run(L, (int)script->arg_count, err);
    if (end == CF_SCRIPT_RETURNED && cf_scheduler_stop_level(L) == CF_STOP_LEVEL_NONE)
        return has_failures(L) ? CF_EXIT_FAILED_ITEMS : CF_EXIT_OK;
    if (end == CF_SCRIPT_ENDED && cf_scheduler_exit_code(L) >= 0)
        return cf_scheduler_exit_code(L);
    if (end != CF_SCRIPT_FAILED) {
        tell_unfinished(L);
        if (script->is_server)
            return CF_EXIT_OK;
        tell_how_to_go_on(args, NULL);
        return CF_EXIT_INTERRUPTED;
    }
    int status = cf_exit_status(err->kind);
    if (err->kind == CF_ERR_SCRIPT || err->kind == CF_ERR_CONFIG)
        tell_where(cf_scheduler_traceback(L), err->message);
    if (status == CF_EXIT_BUDGET) {
        tell_how_to_go_on(args, push_larger_budget(L));
        lua_pop(L, 1);
    } else if (status == CF_EXIT_RESUMABLE) {
        tell_how_to_go_on(args, NULL);
    }
    return -1;
}

int cf_script_run(const struct cf_script *script, const struct cf_script_flags *flags,
                  const struct cf_args *args, struct cf_error *err)
{
    if (cf_args_has(args, "quiet"))
        cf_log_set_level(CF_LOG_WARN);
    if (cf_args_has(args, "verbose"))
        cf_log_set_level(CF_LOG_DEBUG);

    lua_State *L = cf_lua_new_state();
    if (L == NULL) {
        cf_fail(err, CF_ERR_STORAGE, "Lua could not be started");
        return -1;
    }
    set_flags(L, flags, script);
    set_arg(L, script);
    if (flags->drain_s >= 0)
        cf_scheduler_set_drain(L, (int64_t)(flags->drain_s * 1000));
    bool is_ready = !flags->plan || call_estimate(L, "begin", false, err);
    int status = is_ready ? run_text(L, args, script, err) : -1;
    /* Also after an error: what was reached is worth knowing. */
    struct cf_error unprinted;
    if (is_ready && flags->plan && !call_estimate(L, "print", flags->plan_json, &unprinted) &&
        status >= 0) {
        *err = unprinted;
        status = -1;
    }
    int ended = status >= 0 ? status : cf_exit_status(err->kind);
    bool is_interrupted =
        ended == CF_EXIT_INTERRUPTED || (ended == CF_EXIT_OK && script->is_server);
    cf_lua_end_runs(L, is_interrupted ? "interrupted" :
                       ended == CF_EXIT_BUDGET ? "budget" :
                       status == CF_EXIT_OK || status == CF_EXIT_FAILED_ITEMS ? "done" : "failed");
    cf_lua_free_state(L);
    return status;
}

int cf_script_run_file(const struct cf_args *args, const struct cf_script_flags *flags,
                       struct cf_error *err)
{
    struct cf_script script;
    cf_script_init(&script, args->positionals[0]);
    script.args = args->positionals + 1;
    script.arg_count = args->positional_count - 1;
    int status = cf_script_read(script.path, &script.text, err)
                     ? cf_script_run(&script, flags, args, err)
                     : -1;
    cf_script_done(&script);
    return status;
}
