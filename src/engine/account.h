/* account.h - the ledger of one run, shared by the threads.
 *
 * The net thread reserves and settles; the script thread reads it for progress. The lock is
 * inside and held over a few additions. */
#ifndef CONFAB_ENGINE_ACCOUNT_H
#define CONFAB_ENGINE_ACCOUNT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "confab/ledger.h"

struct cf_account {
    pthread_mutex_t lock;
    struct cf_ledger ledger;
    int64_t attempts, retries, refusals;    /* sent; tried again after a failure; 429s */
};

/* What was spent and put at risk in earlier sessions is where it starts from. */
void cf_account_init(struct cf_account *account, int64_t spent_pico, int64_t at_risk_pico);
void cf_account_done(struct cf_account *account);

/* The ends of a reservation are those of confab/ledger.h. */
void cf_account_reserve(struct cf_account *account, int64_t bound);
bool cf_account_settle(struct cf_account *account, int64_t bound, int64_t cost,
                       const struct cf_usage *usage);
void cf_account_lose(struct cf_account *account, int64_t bound);
void cf_account_release(struct cf_account *account, int64_t bound);

/* Counts a retry, or a 429 if was_refused. */
void cf_account_count_retry(struct cf_account *account, bool was_refused);

/* A copy as of now; its lock must not be used. */
void cf_account_read(struct cf_account *account, struct cf_account *out);
#endif
