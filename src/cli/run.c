#include "cli/run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "base/log.h"
#include "cli/command.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "lua/engine.h"
#include "lua/json.h"
#include "lua/scheduler.h"
#include "lua/state.h"
#include "simulator/simulator.h"

#define SCRIPT_BYTES_MAX (16u << 20)

static const struct cf_option options[] = {
    { "db", 0, "FILE", false, "the database (default: CONFAB_DB, else confab.db)" },
    { "simulate", 0, "SPEC", true, "talk to the built-in simulator; SPEC as in 'confab help mock'" },
    { "model", 0, "NAME", false, "the model to ask, whatever the script says" },
    { "base-url", 0, "URL", false, "where the service is" },
    { "concurrency", 'j', "N", false, "items in work at once" },
    { "limit", 'n', "N", false, "only the first N items of each run" },
    { "fresh", 0, NULL, false, "begin anew; what an earlier run made stays in the database" },
    { "drain", 0, "SECONDS", false, "how long Ctrl-C waits for replies (default: until they are there)" },
    { "progress", 0, "HOW", false, "auto, bar, plain, json or none" },
    { "quiet", 'q', NULL, false, "print only results, warnings and errors" },
    { "verbose", 'v', NULL, false, "print each retry and other details" },
    { NULL, 0, NULL, false, NULL },
};

struct script {
    const char *path;
    struct cf_buf text;
};

static bool read_script(const char *path, struct cf_buf *out, struct cf_error *err)
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
        return cf_fail(err, CF_ERR_CONFIG, "%s: a script of more than %u bytes", path, SCRIPT_BYTES_MAX);
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

struct numbers { int64_t concurrency, limit; double drain_s; };

static bool read_numbers(const struct cf_args *args, struct numbers *out, struct cf_error *err)
{
    *out = (struct numbers){ -1, -1, -1 };
    return cf_args_int(args, "concurrency", 1, 10000, &out->concurrency, err) &&
           cf_args_int(args, "limit", 1, INT64_MAX, &out->limit, err) &&
           cf_args_number(args, "drain", 0, 1e9, &out->drain_s, err);
}

static bool check_progress(const struct cf_args *args, struct cf_error *err)
{
    static const char *const modes[] = { "auto", "bar", "plain", "json", "none" };
    const char *given = cf_args_get(args, "progress");
    if (given == NULL)
        return true;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(given, modes[i]) == 0)
            return true;
    return cf_fail(err, CF_ERR_CONFIG, "--progress must be auto, bar, plain, json or none, not '%s'", given);
}

/* package.loaded["confab.flags"] = { ... } */
static void set_flags(lua_State *L, const struct cf_args *args, const struct numbers *numbers,
                      const struct script *script)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);            /* loaded */
    lua_newtable(L);                                                     /* loaded flags */
    set_string(L, "db", cf_args_get(args, "db"));
    set_string(L, "simulate", cf_args_get(args, "simulate"));
    set_string(L, "model", cf_args_get(args, "model"));
    set_string(L, "base_url", cf_args_get(args, "base-url"));
    set_string(L, "progress", cf_args_has(args, "quiet") ? "none" : cf_args_get(args, "progress"));
    set_count(L, "concurrency", numbers->concurrency);
    set_count(L, "limit", numbers->limit);
    lua_pushboolean(L, cf_args_has(args, "fresh"));
    lua_setfield(L, -2, "fresh");
    set_string(L, "script", script->path);
    lua_pushlstring(L, cf_buf_str(&script->text), script->text.len);
    lua_setfield(L, -2, "script_text");

    lua_createtable(L, (int)args->positional_count, 0);                  /* loaded flags args */
    cf_lua_json_mark_array(L, -1);
    for (size_t i = 1; i < args->positional_count; i++) {
        lua_pushstring(L, args->positionals[i]);
        lua_rawseti(L, -2, (lua_Integer)i);
    }
    cf_lua_json_encode(L, -1, 0);
    lua_setfield(L, -3, "args");
    lua_pop(L, 1);
    lua_setfield(L, -2, "confab.flags");
    lua_pop(L, 1);
}

/* arg[0] is the script, arg[1..] what follows it. */
static void set_arg(lua_State *L, const struct cf_args *args)
{
    lua_newtable(L);
    for (size_t i = 0; i < args->positional_count; i++) {
        lua_pushstring(L, args->positionals[i]);
        lua_rawseti(L, -2, (lua_Integer)i);
    }
    lua_setglobal(L, "arg");
}

static int64_t failed_items(lua_State *L)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, "confab.flags");
    lua_getfield(L, -1, "failed_items");
    int64_t failed = lua_tointeger(L, -1);
    lua_pop(L, 3);
    return failed;
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

/* The frames of the script itself; ours in between would only hide them. */
static void print_traceback(const char *traceback)
{
    bool is_begun = false;
    for (const char *line = traceback; line != NULL && *line != '\0';) {
        size_t len = strcspn(line, "\n");
        bool is_frame = line[0] == '\t' && strncmp(line + 1, "confab/", 7) != 0 &&
                        memmem(line, len, "[C]", 3) == NULL && memmem(line, len, "(...", 4) == NULL;
        if (is_frame && !is_begun)
            fputs("stack traceback:\n", stderr);
        is_begun = is_begun || is_frame;
        if (is_frame)
            fprintf(stderr, "%.*s\n", (int)len, line);
        line += len + (line[len] == '\n');
    }
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

static void print_resume_command(const struct cf_args *args)
{
    struct cf_buf command;
    cf_buf_init(&command, 65536);
    cf_buf_adds(&command, "confab run");
    for (size_t i = 0; i < args->given_count; i++) {
        const struct cf_arg *given = &args->given[i];
        if (strcmp(given->option->name, "fresh") == 0)
            continue;
        cf_buf_addf(&command, " --%s", given->option->name);
        if (given->value != NULL && (given->value[0] != '\0' || !given->option->is_optional)) {
            cf_buf_addc(&command, given->option->is_optional ? '=' : ' ');
            add_word(&command, given->value);
        }
    }
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

static int run_script(lua_State *L, const struct cf_args *args, const struct script *script,
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
    for (size_t i = 1; i < args->positional_count; i++)
        lua_pushstring(L, args->positionals[i]);

    cf_scheduler_catch_signals(L);
    enum cf_script_end end = cf_scheduler_run(L, (int)args->positional_count - 1, err);
    if (end == CF_SCRIPT_RETURNED && cf_scheduler_stop_level(L) == CF_STOP_LEVEL_NONE)
        return failed_items(L) > 0 ? CF_EXIT_FAILED_ITEMS : CF_EXIT_OK;
    if (end == CF_SCRIPT_ENDED && cf_scheduler_exit_code(L) >= 0)
        return cf_scheduler_exit_code(L);
    if (end != CF_SCRIPT_FAILED) {
        print_resume_command(args);
        return CF_EXIT_INTERRUPTED;
    }
    int status = exit_status_of(err->kind);
    fprintf(stderr, "confab: %s\n", err->message);
    if (err->kind == CF_ERR_SCRIPT || err->kind == CF_ERR_CONFIG)
        print_traceback(cf_scheduler_traceback(L));
    if (status == CF_EXIT_RESUMABLE)
        print_resume_command(args);
    return status;
}

static int run(const struct cf_args *args, struct cf_error *err)
{
    struct script script = { .path = args->positionals[0] };
    struct numbers numbers;
    lua_State *L = NULL;
    int status = -1;
    cf_buf_init(&script.text, SCRIPT_BYTES_MAX);

    if (!read_numbers(args, &numbers, err) || !check_progress(args, err))
        goto done;
    const char *spec = cf_args_get(args, "simulate");
    if (spec != NULL && !cf_simulator_check_spec(spec, err)) {
        cf_fail_prefix(err, "--simulate: ");
        goto done;
    }
    if (!read_script(script.path, &script.text, err))
        goto done;
    if (cf_args_has(args, "quiet"))
        cf_log_set_level(CF_LOG_WARN);
    if (cf_args_has(args, "verbose"))
        cf_log_set_level(CF_LOG_DEBUG);

    L = cf_lua_new_state();
    if (L == NULL) {
        cf_fail(err, CF_ERR_STORAGE, "Lua could not be started");
        goto done;
    }
    set_flags(L, args, &numbers, &script);
    set_arg(L, args);
    if (numbers.drain_s >= 0)
        cf_scheduler_set_drain(L, (int64_t)(numbers.drain_s * 1000));
    status = run_script(L, args, &script, err);
    cf_lua_end_runs(L, status == CF_EXIT_INTERRUPTED ? "interrupted" :
                       status == CF_EXIT_OK || status == CF_EXIT_FAILED_ITEMS ? "done" : "failed");
done:
    cf_lua_free_state(L);
    cf_buf_done(&script.text);
    return status;
}

const struct cf_command cf_command_run = {
    .name = "run",
    .synopsis = "SCRIPT.lua [ARGS...]",
    .summary = "Run a pipeline script; run again, it goes on where it was",
    .example = "confab run support_chats.lua --simulate\n"
               "confab run support_chats.lua --simulate=rpm=600,latency=fixed:50 --limit 20",
    .details = "ARGS are the script's: arg[1], arg[2], ... Behind '--' they may begin with a dash.\n\n"
               "Exit status: 0 done, 1 done with failed items, 2 wrong use or configuration, 3 stopped by the\n"
               "budget, 4 stopped by something every item would meet, 5 script error, 130 interrupted.",
    .options = options,
    .min_positionals = 1,
    .max_positionals = -1,
    .run = run,
};
