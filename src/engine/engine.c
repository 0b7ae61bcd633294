#include "engine/engine.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/object.h"
#include "confab/buf.h"
#include "confab/clock.h"
#include "confab/error.h"
#include "engine/calibrations.h"
#include "engine/events.h"
#include "engine/models.h"
#include "simulator/simulator.h"
#include "store/owner.h"
#include "store/reader.h"
#include "store/script_budget.h"
#include "store/store.h"
#include "store/write_run.h"

#define HOST_MAX 256
#define RUN_EVENT_MAX 16384    /* bytes: a name and a reason, escaped */

struct cf_engine {
    const struct cf_clock *clock;        /* borrowed */
    struct cf_store *store;
    struct cf_reader *reader;
    struct cf_models *models;
    struct cf_sender *sender;
    struct cf_events *events;
    struct cf_simulator *simulator;      /* NULL: the real service */
    struct cf_calibrations *calibrations;
    char *provider, *base_url, *db_path; /* owned */
    int64_t window_ms;                   /* of the common limits */
    bool is_simulated, is_plan;
    bool is_offline;
    int64_t max_new, new_calls;          /* -1: any number; counted so far */
    struct cf_account account;           /* of all runs together */
    struct cf_script_budget budget;      /* of the account, as other processes meet it */
    char *script;                        /* owned; its path, once a run was begun */
    bool has_summed;                     /* what they had spent before */
    int64_t data_version;                /* of the reader, when it was looked at last */
    struct cf_run *runs;                 /* owned */
};

static const struct cf_key_options simulator_key = { .name = "simulator", .value = "sk-simulated" };

/* A file that is not there yet has nothing to read, which is fine. */
static bool open_reader_for_plan(const char *path, struct cf_reader **out_reader,
                                 struct cf_error *err)
{
    struct stat st;
    if (stat(path, &st) != 0 && errno == ENOENT)
        return cf_reader_open_empty(out_reader, err);
    return cf_reader_open(path, CF_STORE_CMD_BUSY_MS, out_reader, err);
}

/* How the `lanes` table says where its limits come from, and whether the server lets bursts
 * pass. */
static const char *const lane_sources[] = {
    [CF_BURSTS_UNKNOWN] = "header",
    [CF_BURSTS_PASS] = "header, bursts pass",
    [CF_BURSTS_REFUSED] = "header, bursts are refused",
};

static enum cf_bursts bursts_of(const char *source)
{
    for (enum cf_bursts bursts = CF_BURSTS_PASS; bursts <= CF_BURSTS_REFUSED; bursts++)
        if (strcmp(source, lane_sources[bursts]) == 0)
            return bursts;
    return CF_BURSTS_UNKNOWN;
}

/* The limits that earlier sessions learnt of this service. A simulator is another one each time. */
static bool read_learnt(struct cf_engine *engine, struct cf_lane_learnt learnt[CF_LANES_LEARNT_MAX],
                        struct cf_sender_options *out, struct cf_error *err)
{
    struct cf_lane_row rows[CF_LANES_LEARNT_MAX];
    size_t count = 0;
    if (engine->simulator == NULL &&
        !cf_reader_lanes(engine->reader, engine->base_url, rows, CF_LANES_LEARNT_MAX, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        memcpy(learnt[i].limit_class, rows[i].limit_class, sizeof learnt[i].limit_class);
        learnt[i].limits = (struct cf_amounts){
            rows[i].max_requests, rows[i].max_input_tokens, rows[i].max_output_tokens,
        };
        learnt[i].bursts = bursts_of(rows[i].source);
    }
    out->learnt = learnt;
    out->learnt_count = count;
    return true;
}

/* A number that an earlier session did not learn is stored as not known. */
static int64_t known(int64_t limit)
{
    return limit > 0 ? limit : -1;
}

/* Keeps what this session learnt. What cannot be written will be learnt again. */
static void write_learnt(struct cf_engine *engine)
{
    struct cf_lane_learnt learnt[CF_LANES_LEARNT_MAX];
    if (engine->sender == NULL || engine->simulator != NULL)
        return;
    size_t count = cf_sender_learnt(engine->sender, learnt);
    for (size_t i = 0; i < count; i++) {
        struct cf_write_lane lane = {
            .write.apply = cf_write_lane, .base_url = engine->base_url, .organisation = "",
            .limit_class = learnt[i].limit_class, .max_requests = known(learnt[i].limits.requests),
            .max_input_tokens = known(learnt[i].limits.input),
            .max_output_tokens = known(learnt[i].limits.output),
            .window_ms = engine->window_ms, .source = lane_sources[learnt[i].bursts],
        };
        cf_store_write(engine->store, &lane.write, NULL);
    }
}

static bool open_parts(const struct cf_engine_options *options, struct cf_models *models,
                       const struct cf_clock *clock, struct cf_engine **out_engine,
                       struct cf_error *err)
{
    struct cf_engine *engine = cf_calloc(1, sizeof *engine);
    struct cf_sender_options sender = options->sender;
    engine->clock = clock;
    engine->provider = cf_strdup(options->provider);
    engine->db_path = cf_strdup(options->db_path);
    engine->calibrations = cf_calibrations_new();
    engine->is_simulated = options->simulate != NULL;
    engine->is_plan = options->is_plan;
    engine->is_offline = options->is_offline;
    engine->max_new = options->max_new;
    cf_account_init(&engine->account, 0, 0);
    cf_account_set_budget(&engine->account, options->budget_pico);
    engine->budget.budget_pico = options->budget_pico;

    if (options->simulate != NULL && !options->is_plan) {
        struct cf_simulator_options simulator = { .spec = options->simulate };
        if (!cf_simulator_start(&simulator, &engine->simulator, err))
            goto failed;
        sender.base_url = cf_simulator_url(engine->simulator);
        sender.keys = &simulator_key;
        sender.key_count = 1;
    }
    engine->base_url = cf_strdup(sender.base_url);
    engine->window_ms = sender.limits.window_ms;

    if (options->is_plan) {
        if (!open_reader_for_plan(options->db_path, &engine->reader, err))
            goto failed;
        engine->models = models;
        *out_engine = engine;
        return true;
    }

    struct cf_store_options store = { .busy_ms = CF_STORE_RUN_BUSY_MS, .clock = clock };
    if (!cf_store_open(options->db_path, &store, &engine->store, err))
        goto failed;
    if (!cf_reader_open(options->db_path, CF_STORE_RUN_BUSY_MS, &engine->reader, err))
        goto failed;

    struct cf_lane_learnt learnt[CF_LANES_LEARNT_MAX];
    if (!read_learnt(engine, learnt, &sender, err))
        goto failed;
    engine->events = cf_events_new(clock, CF_EVENTS_KEPT, CF_EVENTS_REST_MS);
    sender.events = engine->events;
    sender.store = engine->store;
    sender.models = models;
    sender.clock = clock;
    if (!cf_sender_open(&sender, &engine->sender, err))
        goto failed;
    engine->models = models;
    *out_engine = engine;
    return true;

failed:
    cf_engine_free(engine);
    return false;
}

bool cf_engine_open(const struct cf_engine_options *options, struct cf_models *models,
                    const struct cf_clock *clock, struct cf_engine **out_engine,
                    struct cf_error *err)
{
    /* Threads inherit the mask: a stop signal is to reach the script thread, whose handler looks
     * at the Lua state. */
    sigset_t stops, before;
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stops, &before);

    bool ok = open_parts(options, models, clock, out_engine, err);

    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

static void free_run(struct cf_run *run)
{
    cf_owner_free(run->owner);
    free(run->name);
    free(run->previous_options);
    free(run);
}

void cf_engine_free(struct cf_engine *engine)
{
    if (engine == NULL)
        return;
    cf_sender_end(engine->sender);
    write_learnt(engine);
    /* first: the last one to close tidies the WAL up, and may write */
    cf_reader_free(engine->reader);
    cf_store_free(engine->store);
    cf_sender_free(engine->sender);
    cf_events_free(engine->events);
    if (engine->simulator != NULL)
        cf_simulator_stop(engine->simulator, NULL);
    while (engine->runs != NULL) {
        struct cf_run *run = engine->runs;
        engine->runs = run->next;
        cf_account_done(&run->account);
        free_run(run);
    }
    cf_models_free(engine->models);
    cf_calibrations_free(engine->calibrations);
    cf_account_done(&engine->account);
    free(engine->script);
    free(engine->provider);
    free(engine->base_url);
    free(engine->db_path);
    free(engine);
}

struct cf_store *cf_engine_store(struct cf_engine *engine)
{
    return engine->store;
}

struct cf_reader *cf_engine_reader(struct cf_engine *engine)
{
    return engine->reader;
}

struct cf_sender *cf_engine_sender(struct cf_engine *engine)
{
    return engine->sender;
}

struct cf_events *cf_engine_events(struct cf_engine *engine)
{
    return engine->events;
}

const struct cf_models *cf_engine_models(const struct cf_engine *engine)
{
    return engine->models;
}

const struct cf_clock *cf_engine_clock(const struct cf_engine *engine)
{
    return engine->clock;
}

bool cf_engine_is_simulated(const struct cf_engine *engine)
{
    return engine->is_simulated;
}

bool cf_engine_is_plan(const struct cf_engine *engine)
{
    return engine->is_plan;
}

const char *cf_engine_db_path(const struct cf_engine *engine)
{
    return engine->db_path;
}

const char *cf_engine_base_url(const struct cf_engine *engine)
{
    return engine->base_url;
}

bool cf_engine_count_new(struct cf_engine *engine, struct cf_error *err)
{
    if (engine->is_offline)
        return cf_fail(err, CF_ERR_CONFIG, "--offline: a call is not in the journal");
    if (engine->max_new >= 0 && engine->new_calls >= engine->max_new)
        return cf_fail(err, CF_ERR_CONFIG,
                       "--max-new: %lld calls were sent, and there are more to send",
                       (long long)engine->new_calls);
    engine->new_calls++;
    return true;
}

int64_t cf_engine_new_calls(const struct cf_engine *engine)
{
    return engine->new_calls;
}

struct cf_calibration *cf_engine_calibration(struct cf_engine *engine, const struct cf_model *model)
{
    return cf_calibrations_get(engine->calibrations, engine->reader, model->name,
                               engine->is_simulated);
}

bool cf_engine_has_news(struct cf_engine *engine)
{
    int64_t version = cf_reader_data_version(engine->reader);
    bool has_news = version < 0 || version != engine->data_version;
    engine->data_version = version;
    return has_news;
}

struct cf_account *cf_engine_account(struct cf_engine *engine)
{
    return &engine->account;
}

struct cf_run *cf_engine_runs(struct cf_engine *engine)
{
    return engine->runs;
}

/* --- runs --- */

/* Says in the error who holds the run. */
static bool fail_in_use(struct cf_engine *engine, const char *name, int64_t id,
                        struct cf_error *err)
{
    const struct cf_run_row *row;
    if (cf_reader_run(engine->reader, id, &row, NULL) == 1 && row->owner_host != NULL)
        return cf_fail(err, CF_ERR_CONFIG,
                       "run \"%s\" is being worked on by process %lld on %s since %s; "
                       "wait for it, stop it, or give this run another name",
                       name, (long long)row->owner_pid, row->owner_host, row->owner_started_at);
    return cf_fail_prefix(err, "run \"%s\": ", name);
}

/* What the run has kept, before this process puts its own there. */
static bool read_previous(struct cf_engine *engine, const struct cf_run_options *options,
                          struct cf_run *run, struct cf_error *err)
{
    const struct cf_run_row *row;
    int found = cf_reader_run(engine->reader, run->id, &row, err);
    if (found > 0 && row->options != NULL)
        run->previous_options = cf_strdup(row->options);
    run->was_of_script = found > 0 && row->script != NULL && options->script != NULL &&
                         strcmp(row->script, options->script) == 0;
    return found >= 0;
}

/* Before the first run is begun: what the script's runs have spent counts against its budget,
 * and other processes that work on them share it. */
static bool open_script_budget(struct cf_engine *engine, const struct cf_run_options *options,
                               struct cf_error *err)
{
    struct cf_script_use use;
    if (engine->script != NULL || options->script == NULL)
        return true;
    engine->script = cf_strdup(options->script);
    engine->budget.script = engine->script;
    engine->budget.provider = engine->provider;
    engine->budget.is_simulated = engine->is_simulated;
    if (engine->budget.budget_pico != CF_BUDGET_NONE)
        cf_account_share(&engine->account, &engine->budget);
    if (options->fresh)
        return cf_reader_first_run_anew(engine->reader, &engine->budget, &engine->budget.first_run,
                                        err);

    if (!cf_reader_script_use(engine->reader, &engine->budget, &use, err))
        return false;
    engine->has_summed = true;
    cf_account_add_earlier(&engine->account, use.spent_pico, use.at_risk_pico);
    return true;
}

/* Opens the run's account: what it has spent, its budget, that of the script. */
static bool open_account(struct cf_engine *engine, const struct cf_run_options *options,
                         struct cf_run *run, struct cf_error *err)
{
    const struct cf_run_row *row;
    if (cf_reader_run(engine->reader, run->id, &row, err) <= 0)
        return false;
    int64_t spent_pico = row->account.spent_pico, at_risk_pico = row->account.at_risk_pico;
    int64_t budget_pico = row->budget_pico;
    if (options->budget_pico != CF_BUDGET_NONE && options->budget_pico != budget_pico) {
        budget_pico = options->budget_pico;
        struct cf_write_run_update update = {
            .write.apply = cf_write_run_update,
            .run = run->id,
            .planned = CF_RUN_KEEP,
            .budget_pico = budget_pico,
        };
        if (!cf_store_write(engine->store, &update.write, err))
            return false;
    }
    cf_account_init(&run->account, spent_pico, at_risk_pico);
    cf_account_set_budget(&run->account, budget_pico);
    cf_account_set_parent(&run->account, &engine->account);
    if (run->continued && !(engine->has_summed && run->was_of_script))
        cf_account_add_earlier(&engine->account, spent_pico, at_risk_pico);
    return true;
}

/* Finds or makes the run, takes its lock, and books this process as its owner. */
static bool begin(struct cf_engine *engine, const struct cf_run_options *options,
                  struct cf_run *run, struct cf_error *err)
{
    struct cf_write_run_begin begun = {
        .write.apply = cf_write_run_begin,
        .name = options->name, .provider = engine->provider,
        .simulated = engine->is_simulated, .fresh = options->fresh,
        .source = options->source != NULL ? options->source : "script",
        .script = options->script, .script_text = options->script_text,
        .script_hash = options->script_hash, .args = options->args, .options = options->options,
        .model = options->model, .base_url = engine->base_url, .seed = options->seed,
    };
    if (!open_script_budget(engine, options, err))
        return false;
    if (!cf_store_write(engine->store, &begun.write, err))
        return false;
    if (!cf_owner_open(cf_store_path(engine->store), begun.run, &run->owner, err))
        return err->kind == CF_ERR_CONFIG ? fail_in_use(engine, run->name, begun.run, err) : false;
    run->id = begun.run;
    if (begun.continued && !read_previous(engine, options, run, err))
        return false;

    char host[HOST_MAX] = "localhost";
    gethostname(host, sizeof host - 1);
    struct cf_write_run_own owned = {
        .write.apply = cf_write_run_own, .begin = &begun, .host = host, .pid = getpid(),
    };
    if (!cf_store_write(engine->store, &owned.write, err))
        return false;

    memcpy(run->uuid, begun.uuid, sizeof run->uuid);
    run->generation = begun.generation;
    run->seed = begun.run_seed;
    run->continued = begun.continued;
    run->script_changed = begun.script_changed;
    run->drawing = owned.drawing;
    run->unknown_calls = owned.unknown_calls;
    run->unknown_pico = owned.unknown_pico;
    return open_account(engine, options, run, err);
}

/* For a plan: the newest generation of the run as it stands, if there is one. */
static bool look_at(struct cf_engine *engine, const struct cf_run_options *options,
                    struct cf_run *run, struct cf_error *err)
{
    struct cf_run_cursor *cursor;
    const struct cf_run_row *row;
    int next;
    run->seed = options->seed;
    if (!cf_runs_open(engine->reader, options->name, &cursor, err))
        return false;
    while ((next = cf_runs_next(cursor, &row, err)) > 0) {
        if (strcmp(row->provider, engine->provider) != 0 ||
            row->simulated != engine->is_simulated || row->generation < run->generation ||
            options->fresh)
            continue;
        run->generation = row->generation;
        run->id = row->run;
        run->seed = row->seed;
        run->continued = true;
        snprintf(run->uuid, sizeof run->uuid, "%s", row->uuid);
    }
    cf_runs_free(cursor);
    if (next < 0)
        return false;
    cf_account_init(&run->account, 0, 0);
    return true;
}

static void tell_state(struct cf_run *run, const char *state, const char *reason, bool finished)
{
    struct cf_buf data;
    if (!cf_events_is_wanted(run->engine->events))
        return;
    cf_buf_init(&data, RUN_EVENT_MAX);
    cf_object_open(&data, NULL);
    cf_object_str(&data, "name", run->name);
    cf_object_str(&data, "state", state);
    cf_object_str(&data, "reason", reason);
    cf_object_bool(&data, "isOver", finished);
    cf_object_close(&data);
    cf_events_publish(run->engine->events, run->id, "run", &data);
    cf_buf_done(&data);
}

bool cf_engine_run(struct cf_engine *engine, const struct cf_run_options *options,
                   struct cf_run **out_run, struct cf_error *err)
{
    for (struct cf_run *run = engine->runs; run != NULL; run = run->next) {
        if (strcmp(run->name, options->name) == 0 && run->owner != NULL) {
            *out_run = run;
            return true;
        }
    }
    struct cf_run *run = cf_calloc(1, sizeof *run);
    run->engine = engine;
    run->name = cf_strdup(options->name);
    if (!(engine->is_plan ? look_at : begin)(engine, options, run, err)) {
        free_run(run);
        return false;
    }
    run->next = engine->runs;
    engine->runs = run;
    if (!engine->is_plan) {
        cf_events_open_run(engine->events, run->id, run->uuid);
        tell_state(run, "running", NULL, false);
    }
    *out_run = run;
    return true;
}

bool cf_run_set_state(struct cf_run *run, const char *state, const char *reason, int64_t planned,
                      bool finished, struct cf_error *err)
{
    struct cf_write_run_update update = {
        .write.apply = cf_write_run_update, .run = run->id, .state = state, .state_reason = reason,
        .options = NULL, .planned = planned, .budget_pico = CF_RUN_KEEP, .finished = finished,
    };
    bool ok = cf_store_write(run->engine->store, &update.write, err);
    tell_state(run, state, reason, finished);
    if (finished) {
        cf_events_close_run(run->engine->events, run->id);
        cf_owner_free(run->owner);
        run->owner = NULL;
    }
    return ok;
}

void cf_engine_end_runs(struct cf_engine *engine, const char *state)
{
    for (struct cf_run *run = engine->runs; run != NULL; run = run->next)
        if (run->owner != NULL)
            cf_run_set_state(run, state, NULL, CF_RUN_KEEP, true, NULL);
}
