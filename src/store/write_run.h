/* write_run.h - messages that make and change runs, templates, lanes and control rows.
 *
 * Each struct is sent with `.write.apply` set to the function of the same name. Strings
 * are borrowed until on_done. Fields are inputs unless they stand under "results". */
#ifndef CONFAB_STORE_WRITE_RUN_H
#define CONFAB_STORE_WRITE_RUN_H

#include "base/uuid.h"
#include "store/store.h"

/* Finds the newest generation of the run (name, provider, simulated), or makes it. Changes
 * nothing in a run that is there: that waits for cf_write_run_own, once the run's lock is held. */
struct cf_write_run_begin {
    struct cf_write write;
    const char *name, *provider;     /* required */
    bool simulated;
    bool fresh;                      /* start a new generation even if there is one */
    const char *source;              /* "script", "http", "import", ... */
    const char *script;              /* path; NULL if none */
    const char *script_text;         /* the script itself, for resume; NULL if none */
    const char *script_hash;         /* hex */
    const char *args, *options;      /* JSON */
    const char *model, *base_url;
    uint64_t seed;                   /* of a new run; an old one keeps its own */

    /* results */
    int64_t  run;
    char     uuid[CF_UUID_TEXT_SIZE];
    int64_t  generation;             /* 1, 2, ... */
    uint64_t run_seed;               /* the stored one */
    bool     continued;              /* it was there before */
    bool     script_changed;         /* it was there with another script_hash */
};
bool cf_write_run_begin(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err);

/* Books this process as the owner, sets state 'running', stores the script, arguments, options
 * and model that `begin` named, and books what a dead owner left behind: calls in state 'sent'
 * become 'unknown', their bounds at risk, a log row each saying so; what it was asked for by
 * control rows and had not done is dropped. Only with the run's lock held (store/owner.h). */
struct cf_write_run_own {
    struct cf_write write;
    const struct cf_write_run_begin *begin;   /* done; borrowed */
    const char *host;
    int64_t pid;

    /* results */
    int64_t drawing; /* number of this pass over the inputs: see cf_write_item_draw */
    int64_t unknown_calls;           /* booked as unknown just now */
    int64_t unknown_pico;            /* the sum of their bounds */
};
bool cf_write_run_own(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err);

#define CF_RUN_KEEP INT64_C(-1)      /* leave the stored value */

/* Changes what is known of a run; NULL and CF_RUN_KEEP leave a value as it is. */
struct cf_write_run_update {
    struct cf_write write;
    int64_t run;
    const char
        *state; /* "running", "paused", "budget", "stopped", "interrupted", "failed", "done" */
    const char *state_reason;        /* one line for people */
    const char *options;             /* JSON */
    int64_t planned;                 /* items of the plan */
    int64_t budget_pico;
    bool    finished;                /* sets finished_at, clears the owner */
};
bool cf_write_run_update(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err);

/* Finds the template with this name and text, or makes the next version of the name. */
struct cf_write_template {
    struct cf_write write;
    const char *name, *tier;         /* name required */
    struct cf_text system, prompt;
    const char *settings; /* JSON: model, temperature, max_tokens, columns, ...; part of the text */

    /* results */
    int64_t template;
    int64_t version;
    char    uuid[CF_UUID_TEXT_SIZE];
    bool    is_new;
};
bool cf_write_template(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err);

/* Keeps what was learnt of a lane's limits; -1: unknown. */
struct cf_write_lane {
    struct cf_write write;
    const char *base_url, *organisation, *limit_class;   /* organisation "" until learnt */
    int64_t max_requests, max_input_tokens, max_output_tokens, window_ms;
    const char *source;              /* where it comes from, and what else was learnt of the lane */
};
bool cf_write_lane(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err);

/* Asks the owner of a run for something, or notes that it was done. */
struct cf_write_control {
    struct cf_write write;
    int64_t run;
    const char *command;             /* "pause", "continue", "stop", "tune" */
    const char *arguments;           /* JSON or NULL */
    int64_t handled;                 /* 0: a new row; else the row that is done with */

    /* results */
    int64_t control;
};
bool cf_write_control(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err);
#endif
