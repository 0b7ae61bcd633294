/* account.h - the ledger and the budget of one run, or of all runs of a script together.
 *
 * The net thread reserves and settles; the script thread reads it for progress. What is booked in
 * an account is booked in its parent, too. The lock is inside and held over a few additions. */
#ifndef CONFAB_ENGINE_ACCOUNT_H
#define CONFAB_ENGINE_ACCOUNT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "confab/error.h"
#include "confab/ledger.h"

struct cf_call;
struct cf_script_budget;

struct cf_account {
    pthread_mutex_t lock;
    struct cf_account *parent; /* borrowed: whose budget holds as well; NULL: none */
    struct cf_ledger ledger;
    int64_t budget_pico;                 /* of all that it ever spends; CF_BUDGET_NONE */
    const struct cf_script_budget *shared; /* borrowed: the same budget in the database, where other
                                              processes meet it; NULL: it is this process's alone */
    int64_t attempts, retries, refusals; /* sent; tried again after a failure; 429s */

    /* The net thread's own. */
    struct cf_call *waiting;       /* for others to settle; first come, first served */
    struct cf_account *next_short; /* in the sender's list of those in which calls wait */
    bool is_short;                 /* it is in that list */
    struct cf_error stop;          /* why nothing more is sent; kind CF_OK while more is */
};

/* What was spent and put at risk in earlier sessions is where it starts from; no budget, no
 * parent. */
void cf_account_init(struct cf_account *account, int64_t spent_pico, int64_t at_risk_pico);
void cf_account_done(struct cf_account *account);

/* Before anything is reserved. */
void cf_account_set_budget(struct cf_account *account, int64_t budget_pico);
void cf_account_set_parent(struct cf_account *account, struct cf_account *parent);
void cf_account_share(struct cf_account *account, const struct cf_script_budget *shared);

/* The account, it or a parent, whose budget other processes share; NULL: none. */
struct cf_account *cf_account_shared(struct cf_account *account);

/* Counts what was spent before in runs that have no account yet. Not for the net thread. */
void cf_account_add_earlier(struct cf_account *account, int64_t spent_pico, int64_t at_risk_pico);

/* Whether it, or its parent, has a budget: then a call needs a bound that is known. */
bool cf_account_has_budget(const struct cf_account *account);

enum cf_account_room {
    CF_ACCOUNT_HAS_ROOM, /* reserved */
    CF_ACCOUNT_MAY_HAVE, /* once something settles */
    CF_ACCOUNT_HAS_NONE, /* and nothing is under way that could make any */
};

/* Reserves the bound if all budgets allow it. If there is no room *out_whose is the account that
 * has none. */
enum cf_account_room cf_account_reserve(struct cf_account *account, int64_t bound,
                                        struct cf_account **out_whose);

/* The ends of a reservation are those of confab/ledger.h. */
bool cf_account_settle(struct cf_account *account, int64_t bound, int64_t cost,
                       const struct cf_usage *usage);
void cf_account_lose(struct cf_account *account, int64_t bound);
void cf_account_release(struct cf_account *account, int64_t bound);

/* Counts an attempt; a retry, or a 429 if was_refused. */
void cf_account_count_attempt(struct cf_account *account);
void cf_account_count_retry(struct cf_account *account, bool was_refused);

/* A copy as of now; its lock must not be used. */
void cf_account_read(struct cf_account *account, struct cf_account *out);
#endif
