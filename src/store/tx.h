/* tx.h - the transaction that a write's apply works in, and the totals it carries.
 *
 * Counters of runs and templates change with nearly every message; they are summed here
 * and written once, just before the commit. Store thread only. */
#ifndef CONFAB_STORE_TX_H
#define CONFAB_STORE_TX_H

#include "confab/clock.h"
#include "store/db.h"
#include "store/write_item.h"

/* In the order of add_totals in tx.c. */
enum cf_run_total {
    CF_TOTAL_DRAWN,
    CF_TOTAL_ACCEPTED,
    CF_TOTAL_NEEDS_REVISION,
    CF_TOTAL_FAILED,
    CF_TOTAL_SKIPPED,
    CF_TOTAL_SURPLUS,
    CF_TOTAL_ORPHAN,
    CF_TOTAL_CALLS,
    CF_TOTAL_ATTEMPTS,
    CF_TOTAL_REPLIES,
    CF_TOTAL_FAILURES,
    CF_TOTAL_UNKNOWN_COST,
    CF_TOTAL_SPENT,
    CF_TOTAL_AT_RISK,
    CF_TOTAL_INPUT,
    CF_TOTAL_OUTPUT,
    CF_TOTAL_WRITE_5M,
    CF_TOTAL_WRITE_1H,
    CF_TOTAL_READ,
    CF_TOTAL_THINKING,
    CF_RUN_TOTALS
};

struct cf_script_budget;

enum cf_template_total {
    CF_TEMPLATE_USAGE, CF_TEMPLATE_SUCCESS, CF_TEMPLATE_CALLS, CF_TEMPLATE_TOKENS,
    CF_TEMPLATE_TOKENS_MAX,          /* a maximum, not a sum */
    CF_TEMPLATE_TOTALS
};

/* What is to be added to one row. */
struct cf_tx_totals {
    int64_t id;
    int64_t sums[CF_RUN_TOTALS];     /* templates use the first CF_TEMPLATE_TOTALS */
};

struct cf_tx_totals_list {
    struct cf_tx_totals *rows;       /* owned; a handful: one for each run of the group */
    size_t count, cap;
};

struct cf_store_tx {
    struct cf_db db;
    int64_t unix_ms;                 /* of this transaction */
    char now[CF_TIME_TEXT_MAX];
    struct cf_tx_totals_list runs, templates;
    /* of the run asked for last; forgotten with each transaction */
    struct { int64_t run; bool is_so; } simulated;
    bool overflow; /* a total left the range of int64: the transaction cannot commit */
    const struct cf_script_budget *summed; /* whose use was summed in this transaction, and */
    int64_t sum_pico;                      /* what it came to, with what was added since */
#ifdef CONFAB_FAILPOINTS
    const char *kinds[CF_STORE_GROUP_MAX];   /* of the messages applied */
    size_t kind_count;
#endif
};

#ifdef CONFAB_FAILPOINTS
#define CF_TX_KIND(tx, name) ((void)((tx)->kind_count < CF_STORE_GROUP_MAX \
                                     ? ((tx)->kinds[(tx)->kind_count++] = (name)) : NULL))
#else
#define CF_TX_KIND(tx, name) ((void)0)
#endif

bool cf_tx_begin(struct cf_store_tx *tx, int64_t unix_ms, struct cf_error *err);
bool cf_tx_commit(struct cf_store_tx *tx, struct cf_error *err);   /* after a failure: roll back */
void cf_tx_rollback(struct cf_store_tx *tx);
void cf_tx_done(struct cf_store_tx *tx); /* frees the lists; db is the store's to close */

/* Adds to a total; remembers an overflow. */
void cf_tx_add_run(struct cf_store_tx *tx, int64_t run, enum cf_run_total total, int64_t amount);
void cf_tx_add_template(struct cf_store_tx *tx, int64_t template, enum cf_template_total total,
                        int64_t amount);    /* template 0: nothing */

/* What decides under which total an item counts. */
struct cf_item_standing {
    int64_t run;
    bool planned;                    /* has an ordinal */
    bool accepted, surplus, orphan;
    bool was_finished;               /* before; read for a single item only */
    enum cf_item_state state;
};

/* Reads an item's standing; false with config_error if there is no such item. */
bool cf_tx_item_standing(struct cf_store_tx *tx, int64_t item,
                         struct cf_item_standing *out_standing, struct cf_error *err);

/* Counts an item in (sign 1) or out (-1) of the totals of its run. */
void cf_tx_count_item(struct cf_store_tx *tx, const struct cf_item_standing *standing, int sign);
#endif
