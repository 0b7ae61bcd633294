#include "cli/resume.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/database.h"
#include "cli/env.h"
#include "cli/script.h"
#include "confab/error.h"
#include "store/owner.h"
#include "store/reader.h"

static const struct cf_option options[] = {
    { "failed", 0, NULL, false,
      "ask anew where an item failed on what the reply said, not on the way to it" },
    { NULL, 0, NULL, false, NULL },
};

/* What the row of a run says of how to run it again; the row itself is gone when the script
 * runs. */
struct stored {
    char *path, *hash;            /* owned; of the script; hash NULL: not known */
    struct cJSON *args, *options; /* owned; NULL: none */
    const char **words;           /* owned; lent by args */
    size_t word_count;
};

static void done_stored(struct stored *stored)
{
    free(stored->path);
    free(stored->hash);
    free(stored->words);
    cJSON_Delete(stored->args);
    cJSON_Delete(stored->options);
}

/* --- which run --- */

/* 1, 0, -1. Newest first: one that did not come to its end, or one with failed items if those are
 * what is asked for. */
static int find_unfinished(struct cf_reader *reader, bool or_failed, int64_t *out_run,
                           struct cf_error *err)
{
    struct cf_run_cursor *cursor;
    const struct cf_run_row *row;
    int next;
    if (!cf_runs_open(reader, NULL, &cursor, err))
        return -1;
    while ((next = cf_runs_next(cursor, &row, err)) > 0) {
        bool is_unfinished =
            strcmp(row->state, "done") != 0 || (or_failed && row->account.failed > 0);
        if (is_unfinished && row->script_text != NULL) {
            *out_run = row->run;
            break;
        }
    }
    cf_runs_free(cursor);
    return next;
}

static bool find(struct cf_reader *reader, const struct cf_args *args,
                 const struct cf_run_row **out_row, struct cf_error *err)
{
    if (args->positional_count > 0)
        return cf_database_run(reader, args->positionals[0], out_row, err);
    bool failed = cf_args_has(args, "failed");
    int64_t run;
    int found = find_unfinished(reader, failed, &run, err);
    if (found > 0)
        found = cf_reader_run(reader, run, out_row, err);
    if (found == 0)
        return cf_fail(err, CF_ERR_CONFIG,
                       "resume: every run is finished%s; `confab runs` lists them",
                       failed ? " and has no failed items" : "");
    return found > 0;
}

/* Runs are gone on with by name, so only the newest generation can be. */
static bool check_newest(struct cf_reader *reader, const struct cf_run_row *row,
                         struct cf_error *err)
{
    struct cf_run_cursor *cursor;
    const struct cf_run_row *other;
    int64_t newest = row->generation;
    int next;
    if (!cf_runs_open(reader, row->name, &cursor, err))
        return false;
    while ((next = cf_runs_next(cursor, &other, err)) > 0)
        if (strcmp(other->provider, row->provider) == 0 && other->simulated == row->simulated &&
            other->generation > newest)
            newest = other->generation;
    cf_runs_free(cursor);
    if (next < 0)
        return false;
    if (newest > row->generation)
        return cf_fail(err, CF_ERR_CONFIG,
                       "resume: run \"%s\" was begun anew since (generation %lld); "
                       "only the newest can be gone on with",
                       row->name, (long long)newest);
    return true;
}

static bool check_run(struct cf_reader *reader, const char *db, const struct cf_run_row *row,
                      struct cf_error *err)
{
    if (row->script_text == NULL || row->script == NULL)
        return cf_fail(err, CF_ERR_CONFIG, "resume: run \"%s\" was not made by a script",
                       row->name);
    if (cf_owner_is_held(db, row->run))
        return cf_fail(err, CF_ERR_CONFIG,
                       "resume: run \"%s\" is being worked on by process %lld on %s; "
                       "if it is paused, `confab pause --off` lets it go on",
                       row->name, (long long)row->owner_pid,
                       row->owner_host != NULL ? row->owner_host : "this machine");
    return check_newest(reader, row, err);
}

/* --- how it was run --- */

static bool parse_stored(const struct cf_run_row *row, struct stored *out, struct cf_error *err)
{
    if ((row->args != NULL &&
         !cf_json_parse(row->args, strlen(row->args), NULL, &out->args, err)) ||
        (row->options != NULL &&
         !cf_json_parse(row->options, strlen(row->options), NULL, &out->options, err)))
        return cf_fail_prefix(
            err, "run \"%s\": what is stored of its arguments is damaged: ", row->name);

    out->path = cf_strdup(row->script);
    out->hash = row->script_hash != NULL ? cf_strdup(row->script_hash) : NULL;
    out->words = cf_calloc((size_t)cJSON_GetArraySize(out->args) + 1, sizeof *out->words);
    const struct cJSON *word;
    cJSON_ArrayForEach (word, out->args)
        out->words[out->word_count++] = cJSON_IsString(word) ? word->valuestring : "";
    return true;
}

static const char *stored_text(const struct stored *stored, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(stored->options, name));
}

static int64_t stored_count(const struct stored *stored, const char *name)
{
    const struct cJSON *item = cJSON_GetObjectItemCaseSensitive(stored->options, name);
    return cJSON_IsNumber(item) && item->valuedouble >= 1 && item->valuedouble < 1e15
               ? (int64_t)item->valuedouble
               : -1;
}

static double stored_share(const struct stored *stored, const char *name)
{
    const struct cJSON *item = cJSON_GetObjectItemCaseSensitive(stored->options, name);
    return cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble <= 1
               ? item->valuedouble
               : -1;
}

/* What the command line leaves open is as it was. */
static bool fill_flags(const struct stored *stored, bool is_simulated,
                       struct cf_script_flags *flags, struct cf_error *err)
{
    if (flags->simulate != NULL && !is_simulated)
        return cf_fail(err, CF_ERR_CONFIG,
                       "resume: the run was not simulated, and cannot be gone on with so; "
                       "use `confab run --simulate`");
    if (is_simulated && flags->simulate == NULL) {
        flags->simulate = stored_text(stored, "simulate");
        if (flags->simulate == NULL)
            flags->simulate = "";
    }
    if (flags->model == NULL)
        flags->model = stored_text(stored, "model");
    if (flags->base_url == NULL)
        flags->base_url = stored_text(stored, "base_url");
    if (flags->concurrency < 0)
        flags->concurrency = stored_count(stored, "concurrency");
    if (flags->limit < 0)
        flags->limit = stored_count(stored, "limit");
    if (flags->budget == NULL)
        flags->budget = stored_text(stored, "budget");
    if (flags->min_acceptance < 0)
        flags->min_acceptance = stored_share(stored, "min_acceptance");
    return cf_script_flags_check_budget(flags->budget, err) &&
           cf_script_flags_check_spec(flags->simulate, err);
}

static bool has_hash(const struct cf_buf *text, const char *hash)
{
    uint8_t digest[CF_SHA256_SIZE];
    char hex[2 * CF_SHA256_SIZE + 1];
    cf_sha256(cf_buf_str(text), text->len, digest);
    cf_hex(digest, sizeof digest, hex);
    return hash == NULL || strcmp(hex, hash) == 0;
}

/* A key is stored nowhere. The script that held one is in its file, if that is still the same. */
static bool check_whole(struct cf_script *script, const struct stored *stored, struct cf_error *err)
{
    for (size_t i = 0; i < stored->word_count; i++)
        if (strstr(stored->words[i], CF_REDACTED) != NULL)
            return cf_fail(
                err, CF_ERR_CONFIG,
                "resume: an argument held a key, which is not stored; use `confab run` again");
    if (has_hash(&script->text, stored->hash))
        return true;
    cf_buf_clear(&script->text);
    if (cf_script_read(script->path, &script->text, err) && has_hash(&script->text, stored->hash))
        return true;
    return cf_fail(err, CF_ERR_CONFIG,
                   "resume: %s held a key, which is not stored, and is not the same any more; "
                   "put the key into the environment and use `confab run`", script->path);
}

/* Goes where the script was run, for there lie the files that it names. The database stays the
 * one that was looked at: *out_db is its whole path, owned, or NULL if there is nowhere to go. */
static void enter_folder(const struct stored *stored, const char *db, char **out_db)
{
    const char *folder = stored_text(stored, "folder");
    char *here = getcwd(NULL, 0), *whole = realpath(db, NULL);
    if (folder != NULL && here != NULL && whole != NULL && strcmp(folder, here) != 0) {
        if (chdir(folder) == 0) {
            cf_log(CF_LOG_INFO, "in %s, where it was run", folder);
            *out_db = whole;
            whole = NULL;
        } else {
            cf_log(CF_LOG_WARN,
                   "%s, where it was run: %s; what the script names is looked for here", folder,
                   strerror(errno));
        }
    }
    free(whole);
    free(here);
}

/* Says so if the file is no longer what is run. */
static void tell_changed(const struct cf_script *script)
{
    struct cf_buf now;
    cf_buf_init(&now, CF_SCRIPT_BYTES_MAX);
    if (!cf_script_read(script->path, &now, NULL))
        cf_log(CF_LOG_WARN, "%s cannot be read any more: the script is run as it was stored",
               script->path);
    else if (now.len != script->text.len ||
             memcmp(cf_buf_str(&now), cf_buf_str(&script->text), now.len) != 0)
        cf_log(
            CF_LOG_WARN,
            "%s has changed since: the script is run as it was; `confab run` takes the changed one",
            script->path);
    cf_buf_done(&now);
}

static int resume(const struct cf_args *args, struct cf_error *err)
{
    struct cf_script_flags flags;
    struct cf_script script;
    struct stored stored = { 0 };
    struct cf_reader *reader = NULL;
    const struct cf_run_row *row;
    struct cf_env env;
    char *db = NULL;
    int status = -1;
    cf_script_init(&script, NULL);
    cf_env_load(&env, ".env");

    if (!cf_script_flags_read(args, &flags, err))
        goto done;
    flags.failed = cf_args_has(args, "failed");
    flags.db = cf_database_path(args, &env); /* whatever the script says: there the run is */
    if (!cf_reader_open(flags.db, CF_STORE_CMD_BUSY_MS, &reader, err))
        goto done;
    if (!find(reader, args, &row, err) || !check_run(reader, flags.db, row, err) ||
        !parse_stored(row, &stored, err) || !fill_flags(&stored, row->simulated, &flags, err))
        goto done;

    script.path = stored.path;
    script.args = stored.words;
    script.arg_count = stored.word_count;
    cf_buf_adds(&script.text, row->script_text);
    cf_reader_free(reader);
    reader = NULL;
    enter_folder(&stored, flags.db, &db);
    if (db != NULL)
        flags.db = db;
    if (!check_whole(&script, &stored, err))
        goto done;
    tell_changed(&script);
    status = cf_script_run(&script, &flags, args, err);
done:
    cf_reader_free(reader);
    cf_script_done(&script);
    done_stored(&stored);
    free(db);
    cf_env_done(&env);
    return status;
}

const struct cf_command cf_command_resume = {
    .name = "resume",
    .synopsis = "[RUN]",
    .summary = "Go on with a run: its script, arguments and options as they were",
    .example = "confab resume support-v1\n"
               "confab resume support-v1 --failed --max-new 20",
    .details =
        "RUN is a name or the start of an id; without it the newest unfinished run is meant (with\n"
        "--failed, also one with failed items). It goes on in the folder of the last time, where "
        "the\n"
        "files are that the script names; --db is looked for here.\n\n"
        "The script is run as it is stored; if its file has changed since, that is said, and "
        "`confab\n"
        "run` takes the changed one. Options given here win over those of the first time.\n\n"
        "What is finished is replayed from the database. Items that failed on the way to a reply\n"
        "(network, overload, budget) are sent again; those that failed on what the reply said (no\n"
        "JSON, invalid, refused, cut off, an error in the script) only with --failed.",
    .options = options,
    .common = cf_script_options,
    .max_positionals = 1,
    .run = resume,
};
