/* script_budget.h - what all runs of a script may cost together, whoever works on them.
 *
 * The database is where the processes meet. What is spent, what is at risk and the bounds of the
 * calls in flight stand in its rows, and one process writes at a time: so the row 'sent' of a call
 * is written only if its bound still fits, looked at in the transaction that writes it. At every
 * commit the sum is within the budget, and a reply costs at most its bound. */
#ifndef CONFAB_STORE_SCRIPT_BUDGET_H
#define CONFAB_STORE_SCRIPT_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct cf_error;
struct cf_reader;
struct cf_store_tx;

/* The texts are borrowed. Not changed while a call may be written. */
struct cf_script_budget {
    const char *script, *provider;
    bool is_simulated;
    int64_t first_run;      /* only runs of this id and later ones count */
    int64_t budget_pico;    /* dollars; CF_BUDGET_NONE */
};

/* What counts against it, of the latest generation of each run. */
struct cf_script_use {
    int64_t spent_pico;
    int64_t at_risk_pico;    /* with the bounds of calls that a dead process left in flight */
    int64_t in_flight_pico;  /* the bounds of calls of living processes */
};

enum cf_script_room {
    CF_SCRIPT_HAS_ROOM,    /* the bound is counted as in flight from now on */
    CF_SCRIPT_MAY_HAVE,    /* once a call that is in flight has come back */
    CF_SCRIPT_HAS_NONE,
};

/* Whether a call of that bound still fits. Store thread, before the row is written. Of *out_use
 * only what is refused is filled. */
bool cf_script_budget_take(struct cf_store_tx *tx, const struct cf_script_budget *budget,
                           int64_t bound_pico, enum cf_script_room *out_room,
                           struct cf_script_use *out_use, struct cf_error *err);

/* What counts as of now. */
bool cf_reader_script_use(struct cf_reader *reader, const struct cf_script_budget *budget,
                          struct cf_script_use *out_use, struct cf_error *err);

/* Where counting begins for a process that begins all its runs anew: with the oldest run of the
 * script that somebody works on, else with the next one. */
bool cf_reader_first_run_anew(struct cf_reader *reader, const struct cf_script_budget *budget,
                              int64_t *out_run, struct cf_error *err);
#endif
