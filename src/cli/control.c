#include "cli/control.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/command.h"
#include "cli/database.h"
#include "cli/env.h"
#include "base/object.h"
#include "confab/buf.h"
#include "confab/clock.h"
#include "confab/error.h"
#include "store/owner.h"
#include "store/reader.h"
#include "store/write_run.h"

#define ARGUMENTS_MAX  4096
#define HOST_MAX       256
#define ANSWER_MS      5000 /* an owner looks every 250 ms, unless its script is busy */
#define LOOK_MS        50
#define PER_MINUTE_MAX INT64_C(1000000)
#define TOKENS_MAX     INT64_C(1000000000)

/* One of the things that can be asked: its row, and what is said once it was done. */
struct wish {
    const char *command;
    struct cf_buf arguments; /* JSON, with who asks; the object is still open */
    const char *done;
};

static void init_wish(struct wish *wish, const char *command, const char *done)
{
    char host[HOST_MAX] = "this machine";
    const char *user = getenv("USER");
    struct cf_buf by;
    gethostname(host, sizeof host - 1);
    cf_buf_init(&by, ARGUMENTS_MAX);
    cf_buf_addf(&by, "%s on %s", user != NULL && user[0] != '\0' ? user : "somebody", host);

    *wish = (struct wish){ .command = command, .done = done };
    cf_buf_init(&wish->arguments, ARGUMENTS_MAX);
    cf_object_open(&wish->arguments, NULL);
    cf_object_str(&wish->arguments, "by", cf_buf_str(&by));
    cf_buf_done(&by);
}

static bool write_row(const char *db, int64_t run, const struct wish *wish, int64_t *out_control,
                      struct cf_error *err)
{
    struct cf_store *store;
    struct cf_store_options options = { .busy_ms = CF_STORE_CMD_BUSY_MS };
    struct cf_write_control control = {
        .write.apply = cf_write_control,
        .run = run,
        .command = wish->command,
        .arguments = cf_buf_str(&wish->arguments),
    };
    if (!cf_store_open(db, &options, &store, err))
        return false;
    bool ok = cf_store_write(store, &control.write, err);
    *out_control = control.control;
    cf_store_free(store);
    return ok;
}

/* Waits a while for the owner. 1: it was done; 0: not yet; -1. */
static int await_owner(struct cf_reader *reader, const char *db, int64_t run, int64_t control,
                       struct cf_error *err)
{
    int64_t until_ms = cf_now_ms(cf_clock_system()) + ANSWER_MS;
    for (;;) {
        bool is_held = cf_owner_is_held(db, run); /* before the look: what it did last counts */
        int handled = cf_reader_control_is_handled(reader, control, err);
        if (handled != 0)
            return handled;
        if (!is_held) {
            cf_fail(err, CF_ERR_CONFIG, "the run has ended meanwhile");
            return -1;
        }
        if (cf_now_ms(cf_clock_system()) >= until_ms)
            return 0;
        usleep(LOOK_MS * 1000);
    }
}

static int ask(const struct cf_args *args, struct wish *wish, struct cf_error *err)
{
    struct cf_reader *reader = NULL;
    const struct cf_run_row *row;
    struct cf_env env;
    int64_t control;
    int handled = -1;
    cf_env_load(&env, ".env");
    const char *db = cf_database_path(args, &env);
    cf_object_close(&wish->arguments);

    if (!cf_reader_open(db, CF_STORE_CMD_BUSY_MS, &reader, err) ||
        !cf_database_run(reader, args->positionals[0], &row, err))
        goto done;
    if (!cf_owner_is_held(db, row->run)) {
        cf_fail(err, CF_ERR_CONFIG, "%s: nobody works on run \"%s\" (its state is %s)",
                args->command->name, row->name, row->state);
        goto done;
    }
    if (!write_row(db, row->run, wish, &control, err))
        goto done;
    handled = await_owner(reader, db, row->run, control, err);
    if (handled > 0)
        cf_log(CF_LOG_INFO, "run \"%s\" %s", row->name, wish->done);
    else if (handled == 0)
        cf_log(CF_LOG_WARN,
               "run \"%s\" has not answered yet: its script is busy; it will when it waits next",
               row->name);
done:
    cf_reader_free(reader);
    cf_env_done(&env);
    cf_buf_done(&wish->arguments);
    return handled < 0 ? -1 : CF_EXIT_OK;
}

/* --- pause --- */

static const struct cf_option pause_options[] = {
    { "off", 0, NULL, false, "let it go on" },
    { NULL, 0, NULL, false, NULL },
};

static int pause_run(const struct cf_args *args, struct cf_error *err)
{
    struct wish wish;
    if (cf_args_has(args, "off"))
        init_wish(&wish, "continue", "goes on");
    else
        init_wish(&wish, "pause",
                  "is paused: nothing new is sent; `confab pause --off` lets it go on");
    return ask(args, &wish, err);
}

const struct cf_command cf_command_pause = {
    .name = "pause",
    .synopsis = "RUN",
    .summary = "Let a run in work send nothing new, until it is let go on",
    .example = "confab pause support-v1\n"
               "confab pause --off support-v1",
    .details = "RUN is a name or the start of an id. What is in flight comes back and is stored; "
               "items wait.\n"
               "The other process says who has paused it. A run that is begun again is not paused.",
    .options = pause_options,
    .common = cf_database_options,
    .min_positionals = 1,
    .max_positionals = 1,
    .run = pause_run,
};

/* --- tune --- */

static const struct cf_option tune_options[] = {
    { "concurrency", 'j', "N", false, "items in work at once" },
    { "rpm", 0, "N", false, "requests a minute" },
    { "itpm", 0, "N", false, "input tokens a minute" },
    { "otpm", 0, "N", false, "output tokens a minute" },
    { NULL, 0, NULL, false, NULL },
};

static int tune_run(const struct cf_args *args, struct cf_error *err)
{
    static const struct {
        const char *name;
        int64_t most;
    } each[] = {
        { "concurrency", 10000 },
        { "rpm", PER_MINUTE_MAX },
        { "itpm", TOKENS_MAX },
        { "otpm", TOKENS_MAX },
    };
    struct wish wish;
    bool any = false, ok = true;
    init_wish(&wish, "tune", "is tuned");
    for (size_t i = 0; ok && i < sizeof each / sizeof *each; i++) {
        int64_t value = -1;
        ok = cf_args_int(args, each[i].name, 1, each[i].most, &value, err);
        if (ok && value > 0) {
            cf_object_int(&wish.arguments, each[i].name, value);
            any = true;
        }
    }
    if (ok && !any)
        ok = cf_fail(err, CF_ERR_CONFIG, "tune: say what: --concurrency, --rpm, --itpm or --otpm");
    if (!ok) {
        cf_buf_done(&wish.arguments);
        return -1;
    }
    return ask(args, &wish, err);
}

const struct cf_command cf_command_tune = {
    .name = "tune",
    .synopsis = "RUN",
    .summary = "Change how fast a run in work goes",
    .example = "confab tune support-v1 --concurrency 16 --rpm 500",
    .details =
        "RUN is a name or the start of an id. What is given holds at once, for the rest of that "
        "process:\n"
        "limits for all its lanes but those of keys with limits of their own, and never more than\n"
        "what the provider says. Items in work beyond a lower concurrency come to their end.",
    .options = tune_options,
    .common = cf_database_options,
    .min_positionals = 1,
    .max_positionals = 1,
    .run = tune_run,
};

/* --- stop --- */

static int stop_run(const struct cf_args *args, struct cf_error *err)
{
    struct wish wish;
    init_wish(&wish, "stop",
              "stops: what is in flight is awaited; `confab resume` goes on with it");
    return ask(args, &wish, err);
}

const struct cf_command cf_command_stop = {
    .name = "stop",
    .synopsis = "RUN",
    .summary = "Stop a run in work as the first Ctrl-C does there",
    .example = "confab stop support-v1",
    .details =
        "RUN is a name or the start of an id. Nothing new is sent, what is in flight is awaited "
        "and\n"
        "stored, and the other process ends with status 130. `confab resume` goes on with the run.",
    .common = cf_database_options,
    .min_positionals = 1,
    .max_positionals = 1,
    .run = stop_run,
};
