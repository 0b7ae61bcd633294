/* engine.h - the parts of a working confab put together: store, models, sender, simulator, runs.
 *
 * It belongs to the script thread, which opens it with the settings of the script, once. */
#ifndef CONFAB_ENGINE_ENGINE_H
#define CONFAB_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"
#include "engine/account.h"
#include "engine/sender.h"

struct cf_calibration;
struct cf_engine;
struct cf_error;
struct cf_events;
struct cf_model;
struct cf_models;
struct cf_owner;
struct cf_reader;
struct cf_store;

struct cf_engine_options {
    const char *db_path;
    const char *provider;             /* "anthropic" */
    const char *simulate;             /* spec of the simulator; NULL: the real service */
    /* only read, for an estimate: no store, no sender, no simulator */
    bool is_plan;
    bool is_offline;                  /* nothing is sent: calls come from the journal or fail */
    int64_t max_new;                  /* most calls to be sent; -1: any number */
    int64_t budget_pico;              /* of all runs of the script together; CF_BUDGET_NONE */
    /* store, models, clock, events are filled in; base_url and keys too when simulating */
    struct cf_sender_options sender;
};

/* Opens the database, starts the threads (and the simulator). models moves to the engine if it
 * succeeds. */
bool cf_engine_open(const struct cf_engine_options *options, struct cf_models *models,
                    const struct cf_clock *clock, struct cf_engine **out_engine,
                    struct cf_error *err);

/* Books runs that nobody has ended yet as `state` ("done", "interrupted", ...) and gives their
 * locks back. What cannot be written stays 'running'; the next owner takes it over. */
void cf_engine_end_runs(struct cf_engine *engine, const char *state);

/* Gives up what is in flight and stops the threads. Every call has come back then, perhaps in a
 * completion queue that is to be emptied. NULL is fine. */
void cf_engine_free(struct cf_engine *engine);

struct cf_store  *cf_engine_store(struct cf_engine *engine);       /* NULL with is_plan */
struct cf_reader *cf_engine_reader(struct cf_engine *engine);      /* of the script thread */
struct cf_sender *cf_engine_sender(struct cf_engine *engine);      /* NULL with is_plan */
struct cf_events *cf_engine_events(struct cf_engine *engine);      /* NULL with is_plan */
const char *cf_engine_db_path(const struct cf_engine *engine);
bool cf_engine_is_plan(const struct cf_engine *engine);
const struct cf_models *cf_engine_models(const struct cf_engine *engine);
const struct cf_clock *cf_engine_clock(const struct cf_engine *engine);
bool cf_engine_is_simulated(const struct cf_engine *engine);
const char *cf_engine_base_url(const struct cf_engine *engine);

/* Counts a call that the journal does not answer. False with config_error if none may be sent,
 * or no more than there were: nothing is to be submitted then. Script thread. */
bool cf_engine_count_new(struct cf_engine *engine, struct cf_error *err);
int64_t cf_engine_new_calls(const struct cf_engine *engine);    /* counted so far */

/* How far the token estimates of a model are off. Script thread; lent until cf_engine_free. */
struct cf_calibration *cf_engine_calibration(struct cf_engine *engine,
                                             const struct cf_model *model);

/* Whether another connection has committed since it was asked last. Script thread. */
bool cf_engine_has_news(struct cf_engine *engine);

/* A run that this process works on. */
struct cf_run {
    struct cf_engine *engine;          /* borrowed */
    int64_t  id;
    char     uuid[CF_UUID_TEXT_SIZE];
    char    *name;                     /* owned */
    int64_t  generation;
    uint64_t seed;
    int64_t  drawing;                  /* number of this pass over the inputs */
    bool     continued, script_changed;
    bool     was_of_script;            /* it was made by the script that makes it now */
    char    *previous_options;         /* owned: what it kept the last time; JSON or NULL */
    int64_t  unknown_calls, unknown_pico;   /* left behind by a dead owner */
    struct cf_account account;
    struct cf_owner *owner;            /* owned: the lock */
    struct cf_run *next;               /* the engine's list */
};

struct cf_run_options {
    const char *name;
    const char *source;                     /* of a new run: "http", ...; NULL: "script" */
    bool fresh;
    const char *script, *script_text, *script_hash, *args, *options;    /* NULL: none */
    const char *model;
    uint64_t seed;
    int64_t budget_pico;    /* CF_BUDGET_NONE: the one it had, if it had one */
};

/* Goes on with the run of that name, or begins it, and takes its lock. A run that this process has
 * already is given again. Lent: the engine frees it. config_error if another process works on it.
 * With is_plan the run is only looked at: id 0 if there is none yet, no lock. */
bool cf_engine_run(struct cf_engine *engine, const struct cf_run_options *options,
                   struct cf_run **out_run, struct cf_error *err);

/* Books state and reason of the run; finished ones give their lock back. */
bool cf_run_set_state(struct cf_run *run, const char *state, const char *reason, int64_t planned,
                      bool finished, struct cf_error *err);

/* The account of all runs of the script together. */
struct cf_account *cf_engine_account(struct cf_engine *engine);

/* The runs of this process, newest first. */
struct cf_run *cf_engine_runs(struct cf_engine *engine);
#endif
