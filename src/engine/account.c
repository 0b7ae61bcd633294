#include "engine/account.h"

#include <string.h>

void cf_account_init(struct cf_account *account, int64_t spent_pico, int64_t at_risk_pico)
{
    memset(account, 0, sizeof *account);
    pthread_mutex_init(&account->lock, NULL);
    account->ledger.spent = spent_pico;
    account->ledger.at_risk = at_risk_pico;
}

void cf_account_done(struct cf_account *account)
{
    pthread_mutex_destroy(&account->lock);
}

void cf_account_reserve(struct cf_account *account, int64_t bound)
{
    pthread_mutex_lock(&account->lock);
    cf_ledger_reserve(&account->ledger, bound);
    account->attempts++;
    pthread_mutex_unlock(&account->lock);
}

bool cf_account_settle(struct cf_account *account, int64_t bound, int64_t cost,
                       const struct cf_usage *usage)
{
    pthread_mutex_lock(&account->lock);
    bool within = cf_ledger_settle(&account->ledger, bound, cost, usage);
    pthread_mutex_unlock(&account->lock);
    return within;
}

void cf_account_lose(struct cf_account *account, int64_t bound)
{
    pthread_mutex_lock(&account->lock);
    cf_ledger_lose(&account->ledger, bound);
    pthread_mutex_unlock(&account->lock);
}

void cf_account_release(struct cf_account *account, int64_t bound)
{
    pthread_mutex_lock(&account->lock);
    cf_ledger_release(&account->ledger, bound);
    pthread_mutex_unlock(&account->lock);
}

void cf_account_count_retry(struct cf_account *account, bool was_refused)
{
    pthread_mutex_lock(&account->lock);
    account->retries += !was_refused;
    account->refusals += was_refused;
    pthread_mutex_unlock(&account->lock);
}

void cf_account_read(struct cf_account *account, struct cf_account *out)
{
    pthread_mutex_lock(&account->lock);
    out->ledger = account->ledger;
    out->attempts = account->attempts;
    out->retries = account->retries;
    out->refusals = account->refusals;
    pthread_mutex_unlock(&account->lock);
}
