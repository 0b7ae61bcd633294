/* ledger.h - what was spent, what may have been, what is promised; and whether more fits.
 *
 *     reserve(bound) --+-- settle(bound, cost)   the reply came, this is what it cost
 *                      +-- lose(bound)           it may have been billed; nobody knows
 *                      +-- release(bound)        it was never sent, or refused unbilled
 *
 * Every reservation ends in exactly one of the three, with the same bound. Arithmetic only,
 * in pico-dollars; one thread at a time. Zero is an empty ledger; one read back from the
 * database sets the fields. An amount that overflows stays at INT64_MAX, above any budget. */
#ifndef CONFAB_LEDGER_H
#define CONFAB_LEDGER_H

#include "confab/usage.h"

#include <stdbool.h>
#include <stdint.h>

#define CF_BUDGET_NONE INT64_C(-1)

struct cf_ledger {
    int64_t spent;                    /* pico-dollars, settled */
    int64_t at_risk;                  /* bounds of attempts with unknown outcome; for good */
    int64_t reserved;                 /* bounds of calls in flight */
    int64_t calls;                    /* settled */
    int64_t unknown_count;            /* attempts whose cost is unknown, lost ones included */
    int64_t tokens[CF_TOKEN_KINDS];   /* of settled calls whose usage is known and believed */
};

/* Books what was spent and put at risk elsewhere, or before. */
void cf_ledger_add(struct cf_ledger *ledger, int64_t spent, int64_t at_risk);

/* Whether one more call may go: spent + at_risk + reserved + bound is within budget. Always with
 * CF_BUDGET_NONE; never with a budget and an unknown bound. */
bool cf_ledger_fits(const struct cf_ledger *ledger, int64_t budget, int64_t bound);

/* Whether waiting can help: it would fit if all that is in flight turned out to cost nothing. */
bool cf_ledger_may_fit(const struct cf_ledger *ledger, int64_t budget, int64_t bound);

/* The bound is CF_COST_UNKNOWN where the price is not known; such calls are only counted. */
void cf_ledger_reserve(struct cf_ledger *ledger, int64_t bound);

/* Books a reply. A cost that is unknown puts the bound at risk instead. usage may be NULL.
 * False, after booking, if it cost more than its bound: the run must stop and say so. */
bool cf_ledger_settle(struct cf_ledger *ledger, int64_t bound, int64_t cost,
                      const struct cf_usage *usage);

void cf_ledger_lose(struct cf_ledger *ledger, int64_t bound);
void cf_ledger_release(struct cf_ledger *ledger, int64_t bound);
#endif
