#include "cli/script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>

#include "base/log.h"
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
        return cf_fail(err, CF_ERR_CONFIG, "%s: a script of more than %u bytes", path, CF_SCRIPT_BYTES_MAX);
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
static void set_flags(lua_State *L, const struct cf_script_flags *flags, const struct cf_script *script)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);            /* loaded */
    lua_newtable(L);                                                     /* loaded flags */
    set_string(L, "db", flags->db);
    set_string(L, "progress", flags->progress);
    set_count(L, "max_new", flags->max_new);
    set_flag(L, "plan", flags->plan);
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

static int exit_status_of(enum cf_error_kind kind)
{
    switch (kind) {
    case CF_ERR_CONFIG:     return CF_EXIT_USAGE;
    case CF_ERR_BUDGET:     return CF_EXIT_BUDGET;
    case CF_ERR_STORAGE:
    case CF_ERR_API:
    case CF_ERR_RATE_LIMIT: return CF_EXIT_RESUMABLE;
    case CF_ERR_CANCELLED:  return CF_EXIT_INTERRUPTED;
    case CF_ERR_SCRIPT:     return CF_EXIT_SCRIPT;
    default:                return CF_EXIT_FAILED_ITEMS;
    }
}

/* Whether a frame's place, such as "pipeline.lua:12:", stands in the message. */
static bool is_named(const char *frame, size_t len, const char *message)
{
    const char *end = memmem(frame, len, ": ", 2);
    return end != NULL &&
           memmem(message, strlen(message), frame + 1, (size_t)(end - frame)) != NULL;
}

/* The frames of the script itself; ours in between would only hide them. A single one that the
 * message names already says nothing. */
static void print_traceback(const char *traceback, const char *message)
{
    struct cf_buf frames;
    int count = 0;
    bool is_news = false;
    cf_buf_init(&frames, CF_SCRIPT_BYTES_MAX);
    for (const char *line = traceback; line != NULL && *line != '\0';) {
        size_t len = strcspn(line, "\n");
        bool is_frame = line[0] == '\t' && strncmp(line + 1, "confab/", 7) != 0 &&
                        memmem(line, len, "[C]", 3) == NULL && memmem(line, len, "(...", 4) == NULL;
        if (is_frame) {
            cf_buf_add(&frames, line, len);
            cf_buf_addc(&frames, '\n');
            count++;
            is_news = count > 1 || !is_named(line, len, message);
        }
        line += len + (line[len] == '\n');
    }
    if (is_news)
        fprintf(stderr, "stack traceback:\n%s", cf_buf_str(&frames));
    cf_buf_done(&frames);
}

/* Adds a word as a shell takes it. */
static void add_word(struct cf_buf *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,=+@%";
    if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
        cf_buf_adds(out, word);
        return;
    }
    cf_buf_addc(out, '\'');
    for (; *word != '\0'; word++) {
        if (*word == '\'')
            cf_buf_adds(out, "'\\''");
        else
            cf_buf_addc(out, *word);
    }
    cf_buf_addc(out, '\'');
}

/* budget: a larger one to go on with; NULL: that which was given. */
static void print_resume_command(const struct cf_args *args, const char *budget)
{
    struct cf_buf command;
    cf_buf_init(&command, 65536);
    cf_buf_addf(&command, "confab %s", args->command->name);
    for (size_t i = 0; i < args->given_count; i++) {
        const struct cf_arg *given = &args->given[i];
        if (strcmp(given->option->name, "fresh") == 0 || strcmp(given->option->name, "failed") == 0)
            continue;                /* done with: said again they would begin anew */
        if (budget != NULL && strcmp(given->option->name, "budget") == 0)
            continue;
        cf_buf_addf(&command, " --%s", given->option->name);
        if (given->value != NULL && (given->value[0] != '\0' || !given->option->is_optional)) {
            cf_buf_addc(&command, given->option->is_optional ? '=' : ' ');
            add_word(&command, given->value);
        }
    }
    if (budget != NULL)
        cf_buf_addf(&command, " --budget %s", budget);
    bool has_dash = false;
    for (size_t i = 0; i < args->positional_count; i++)
        has_dash = has_dash || args->positionals[i][0] == '-';
    if (has_dash)
        cf_buf_adds(&command, " --");
    for (size_t i = 0; i < args->positional_count; i++) {
        cf_buf_addc(&command, ' ');
        add_word(&command, args->positionals[i]);
    }
    fprintf(stderr, "confab: everything is saved; go on with: %s\n", cf_buf_str(&command));
    cf_buf_done(&command);
}

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
    if (lua_getfield(L, -1, "confab.run") == LUA_TTABLE) {
        lua_getfield(L, -1, "tell_unfinished");
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
    if (len > 0 && text[0] == '#') {           /* a shebang line; its newline stays, for the line numbers */
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
    enum cf_script_end end = cf_scheduler_run(L, (int)script->arg_count, err);
    if (end == CF_SCRIPT_RETURNED && cf_scheduler_stop_level(L) == CF_STOP_LEVEL_NONE)
        return has_failures(L) ? CF_EXIT_FAILED_ITEMS : CF_EXIT_OK;
    if (end == CF_SCRIPT_ENDED && cf_scheduler_exit_code(L) >= 0)
        return cf_scheduler_exit_code(L);
    if (end != CF_SCRIPT_FAILED) {
        tell_unfinished(L);
        print_resume_command(args, NULL);
        return CF_EXIT_INTERRUPTED;
    }
    int status = exit_status_of(err->kind);
    fprintf(stderr, "confab: %s\n", err->message);
    if (err->kind == CF_ERR_SCRIPT || err->kind == CF_ERR_CONFIG)
        print_traceback(cf_scheduler_traceback(L), err->message);
    if (status == CF_EXIT_BUDGET) {
        print_resume_command(args, push_larger_budget(L));
        lua_pop(L, 1);
    } else if (status == CF_EXIT_RESUMABLE) {
        print_resume_command(args, NULL);
    }
    return status;
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
    if (is_ready && flags->plan && !call_estimate(L, "print", flags->plan_json, err))
        status = -1;
    cf_lua_end_runs(L, status == CF_EXIT_INTERRUPTED ? "interrupted" :
                       status == CF_EXIT_BUDGET ? "budget" :
                       status == CF_EXIT_OK || status == CF_EXIT_FAILED_ITEMS ? "done" : "failed");
    cf_lua_free_state(L);
    return status;
}
