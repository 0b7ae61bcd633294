#include "engine/account.h"

#include <string.h>

void cf_account_init(struct cf_account *account, int64_t spent_pico, int64_t at_risk_pico)
{
    memset(account, 0, sizeof *account);
    pthread_mutex_init(&account->lock, NULL);
    account->ledger.spent = spent_pico;
    account->ledger.at_risk = at_risk_pico;
    account->budget_pico = CF_BUDGET_NONE;
}

void cf_account_done(struct cf_account *account)
{
    pthread_mutex_destroy(&account->lock);
}

void cf_account_set_budget(struct cf_account *account, int64_t budget_pico)
{
    account->budget_pico = budget_pico;
}

void cf_account_set_parent(struct cf_account *account, struct cf_account *parent)
{
    account->parent = parent;
}

void cf_account_share(struct cf_account *account, const struct cf_script_budget *shared)
{
    account->shared = shared;
}

struct cf_account *cf_account_shared(struct cf_account *account)
{
    while (account != NULL && account->shared == NULL)
        account = account->parent;
    return account;
}

void cf_account_add_earlier(struct cf_account *account, int64_t spent_pico, int64_t at_risk_pico)
{
    pthread_mutex_lock(&account->lock);
    cf_ledger_add(&account->ledger, spent_pico, at_risk_pico);
    pthread_mutex_unlock(&account->lock);
}

bool cf_account_has_budget(const struct cf_account *account)
{
    for (; account != NULL; account = account->parent)
        if (account->budget_pico != CF_BUDGET_NONE)
            return true;
    return false;
}

static enum cf_account_room room_in(struct cf_account *account, int64_t bound)
{
    pthread_mutex_lock(&account->lock);
    bool fits = cf_ledger_fits(&account->ledger, account->budget_pico, bound);
    bool is_idle = account->ledger.reserved == 0;
    pthread_mutex_unlock(&account->lock);
    return fits ? CF_ACCOUNT_HAS_ROOM : is_idle ? CF_ACCOUNT_HAS_NONE : CF_ACCOUNT_MAY_HAVE;
}

enum cf_account_room cf_account_reserve(struct cf_account *account, int64_t bound,
                                        struct cf_account **out_whose)
{
    /* Looked at one after the other: only the net thread reserves, so what fits goes on fitting. */
    enum cf_account_room room = CF_ACCOUNT_HAS_ROOM;
    for (struct cf_account *at = account; at != NULL && room == CF_ACCOUNT_HAS_ROOM;
         at = at->parent) {
        room = room_in(at, bound);
        *out_whose = at;
    }
    for (struct cf_account *at = account; at != NULL && room == CF_ACCOUNT_HAS_ROOM;
         at = at->parent) {
        pthread_mutex_lock(&at->lock);
        cf_ledger_reserve(&at->ledger, bound);
        pthread_mutex_unlock(&at->lock);
    }
    return room;
}

bool cf_account_settle(struct cf_account *account, int64_t bound, int64_t cost,
                       const struct cf_usage *usage)
{
    bool within = true;
    for (; account != NULL; account = account->parent) {
        pthread_mutex_lock(&account->lock);
        within = cf_ledger_settle(&account->ledger, bound, cost, usage);
        pthread_mutex_unlock(&account->lock);
    }
    return within;
}

void cf_account_lose(struct cf_account *account, int64_t bound)
{
    for (; account != NULL; account = account->parent) {
        pthread_mutex_lock(&account->lock);
        cf_ledger_lose(&account->ledger, bound);
        pthread_mutex_unlock(&account->lock);
    }
}

void cf_account_release(struct cf_account *account, int64_t bound)
{
    for (; account != NULL; account = account->parent) {
        pthread_mutex_lock(&account->lock);
        cf_ledger_release(&account->ledger, bound);
        pthread_mutex_unlock(&account->lock);
    }
}

void cf_account_count_attempt(struct cf_account *account)
{
    pthread_mutex_lock(&account->lock);
    account->attempts++;
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
    out->budget_pico = account->budget_pico;
}
