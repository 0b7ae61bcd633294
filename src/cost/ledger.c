#include "confab/ledger.h"

#include "confab/cost.h"
#include "confab/money.h"

#include <assert.h>
#include <stddef.h>

static void add_or_stay_at_max(int64_t *sum, int64_t amount)
{
    if (!cf_money_add(sum, amount))
        *sum = INT64_MAX;
}

/* Ends a reservation. One that had reached the maximum stays there: what it stood for is lost. */
static void take_back(struct cf_ledger *ledger, int64_t bound)
{
    if (bound == CF_COST_UNKNOWN || ledger->reserved == INT64_MAX)
        return;
    assert(bound <= ledger->reserved);
    ledger->reserved -= bound;
}

static bool within(int64_t budget, int64_t sum, const int64_t *amounts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!cf_money_add(&sum, amounts[i]))
            return false;
    }
    return sum <= budget;
}

void cf_ledger_add(struct cf_ledger *ledger, int64_t spent, int64_t at_risk)
{
    add_or_stay_at_max(&ledger->spent, spent);
    add_or_stay_at_max(&ledger->at_risk, at_risk);
}

bool cf_ledger_fits(const struct cf_ledger *ledger, int64_t budget, int64_t bound)
{
    const int64_t amounts[] = { ledger->at_risk, ledger->reserved, bound };

    if (budget == CF_BUDGET_NONE)
        return true;
    return bound != CF_COST_UNKNOWN && within(budget, ledger->spent, amounts, 3);
}

bool cf_ledger_may_fit(const struct cf_ledger *ledger, int64_t budget, int64_t bound)
{
    const int64_t amounts[] = { ledger->at_risk, bound };

    if (budget == CF_BUDGET_NONE)
        return true;
    return bound != CF_COST_UNKNOWN && within(budget, ledger->spent, amounts, 2);
}

void cf_ledger_reserve(struct cf_ledger *ledger, int64_t bound)
{
    if (bound != CF_COST_UNKNOWN)
        add_or_stay_at_max(&ledger->reserved, bound);
}

bool cf_ledger_settle(struct cf_ledger *ledger, int64_t bound, int64_t cost,
                      const struct cf_usage *usage)
{
    ledger->calls++;
    if (usage != NULL && usage->is_known) {
        for (enum cf_token_kind kind = 0; kind < CF_TOKEN_KINDS; kind++) {
            if (usage->tokens[kind] >= 0 && usage->tokens[kind] <= CF_USAGE_TOKENS_MAX)
                add_or_stay_at_max(&ledger->tokens[kind], usage->tokens[kind]);
        }
    }

    if (cost == CF_COST_UNKNOWN) {
        cf_ledger_lose(ledger, bound);
        return true;
    }
    take_back(ledger, bound);
    add_or_stay_at_max(&ledger->spent, cost);
    return bound == CF_COST_UNKNOWN || cost <= bound;
}

void cf_ledger_lose(struct cf_ledger *ledger, int64_t bound)
{
    ledger->unknown_count++;
    if (bound == CF_COST_UNKNOWN)
        return;
    take_back(ledger, bound);
    add_or_stay_at_max(&ledger->at_risk, bound);
}

void cf_ledger_release(struct cf_ledger *ledger, int64_t bound)
{
    take_back(ledger, bound);
}
