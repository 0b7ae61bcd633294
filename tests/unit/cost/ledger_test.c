#include "confab/ledger.h"

#include "confab/cost.h"
#include "confab/money.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void a_settled_call_frees_its_bound_and_books_its_cost(void **state)
{
    (void)state;
    struct cf_ledger ledger = { 0 };
    struct cf_usage usage = { .tokens = { 10, 20, 30, 40, 50 }, .is_known = true };

    cf_ledger_reserve(&ledger, 100);
    cf_ledger_reserve(&ledger, 70);
    assert_int_equal(ledger.reserved, 170);
    assert_true(cf_ledger_settle(&ledger, 100, 60, &usage));
    assert_int_equal(ledger.reserved, 70);
    assert_int_equal(ledger.spent, 60);
    assert_int_equal(ledger.calls, 1);
    assert_int_equal(ledger.tokens[CF_TOKENS_OUTPUT], 20);
    assert_int_equal(ledger.tokens[CF_TOKENS_CACHE_READ], 50);
    assert_true(cf_ledger_settle(&ledger, 70, 70, NULL));
    assert_int_equal(ledger.reserved, 0);
    assert_int_equal(ledger.spent, 130);
}

static void a_lost_call_stays_at_risk_for_good(void **state)
{
    (void)state;
    struct cf_ledger ledger = { 0 };

    cf_ledger_reserve(&ledger, 100);
    cf_ledger_lose(&ledger, 100);
    assert_int_equal(ledger.reserved, 0);
    assert_int_equal(ledger.at_risk, 100);
    assert_int_equal(ledger.spent, 0);
    assert_int_equal(ledger.unknown_count, 1);
    assert_false(cf_ledger_fits(&ledger, 150, 51));
    assert_false(cf_ledger_may_fit(&ledger, 150, 51));
    assert_true(cf_ledger_fits(&ledger, 150, 50));
}

static void a_released_call_leaves_no_trace(void **state)
{
    (void)state;
    struct cf_ledger ledger = { 0 };

    cf_ledger_reserve(&ledger, 100);
    cf_ledger_release(&ledger, 100);
    assert_int_equal(ledger.reserved, 0);
    assert_int_equal(ledger.spent + ledger.at_risk + ledger.calls + ledger.unknown_count, 0);
}

static void a_reply_dearer_than_its_bound_is_booked_and_reported(void **state)
{
    (void)state;
    struct cf_ledger ledger = { 0 };

    cf_ledger_reserve(&ledger, 100);
    assert_false(cf_ledger_settle(&ledger, 100, 101, NULL));
    assert_int_equal(ledger.spent, 101);
    assert_int_equal(ledger.reserved, 0);
}

static void an_unknown_cost_puts_the_bound_at_risk(void **state)
{
    (void)state;
    struct cf_ledger ledger = { 0 };

    cf_ledger_reserve(&ledger, 100);
    assert_true(cf_ledger_settle(&ledger, 100, CF_COST_UNKNOWN, NULL));
    assert_int_equal(ledger.at_risk, 100);
    assert_int_equal(ledger.spent, 0);
    assert_int_equal(ledger.calls, 1);
    assert_int_equal(ledger.unknown_count, 1);
}

static void calls_without_a_bound_are_only_counted(void **state)
{
    (void)state;
    struct cf_ledger ledger = { 0 };

    cf_ledger_reserve(&ledger, CF_COST_UNKNOWN);
    cf_ledger_reserve(&ledger, CF_COST_UNKNOWN);
    cf_ledger_reserve(&ledger, CF_COST_UNKNOWN);
    cf_ledger_release(&ledger, CF_COST_UNKNOWN);
    cf_ledger_lose(&ledger, CF_COST_UNKNOWN);
    assert_true(cf_ledger_settle(&ledger, CF_COST_UNKNOWN, CF_COST_UNKNOWN, NULL));
    assert_int_equal(ledger.spent + ledger.at_risk + ledger.reserved, 0);
    assert_int_equal(ledger.unknown_count, 2);
    assert_true(cf_ledger_settle(&ledger, CF_COST_UNKNOWN, 5, NULL));
    assert_int_equal(ledger.spent, 5);
}

static void counts_out_of_range_are_not_summed(void **state)
{
    (void)state;
    struct cf_ledger ledger = { 0 };
    struct cf_usage wrong = { .tokens = { -5, CF_USAGE_TOKENS_MAX + 1, 7 }, .is_known = true };
    struct cf_usage unknown = { .tokens = { 5, 5 } };

    assert_true(cf_ledger_settle(&ledger, 0, 0, &wrong));
    assert_true(cf_ledger_settle(&ledger, 0, 0, &unknown));
    assert_int_equal(ledger.tokens[CF_TOKENS_INPUT], 0);
    assert_int_equal(ledger.tokens[CF_TOKENS_OUTPUT], 0);
    assert_int_equal(ledger.tokens[CF_TOKENS_CACHE_WRITE_5M], 7);
}

static void a_budget_counts_spent_at_risk_and_reserved(void **state)
{
    (void)state;
    struct cf_ledger ledger = { .spent = 10, .at_risk = 20, .reserved = 30 };

    assert_true(cf_ledger_fits(&ledger, 100, 40));
    assert_false(cf_ledger_fits(&ledger, 100, 41));
    assert_true(cf_ledger_may_fit(&ledger, 100, 70));
    assert_false(cf_ledger_may_fit(&ledger, 100, 71));
}

static void without_a_budget_everything_fits(void **state)
{
    (void)state;
    struct cf_ledger ledger = { .spent = INT64_MAX };

    assert_true(cf_ledger_fits(&ledger, CF_BUDGET_NONE, 5));
    assert_true(cf_ledger_fits(&ledger, CF_BUDGET_NONE, CF_COST_UNKNOWN));
    assert_true(cf_ledger_may_fit(&ledger, CF_BUDGET_NONE, CF_COST_UNKNOWN));
}

static void a_budget_refuses_an_unknown_bound(void **state)
{
    (void)state;
    struct cf_ledger ledger = { 0 };

    assert_false(cf_ledger_fits(&ledger, 100, CF_COST_UNKNOWN));
    assert_false(cf_ledger_may_fit(&ledger, 100, CF_COST_UNKNOWN));
    assert_true(cf_ledger_fits(&ledger, 0, 0));
}

static void an_amount_that_overflows_fits_no_budget(void **state)
{
    (void)state;
    struct cf_ledger ledger = { 0 };
    const int64_t budget = CF_BUDGET_MAX_USD * CF_PICO_PER_USD;

    cf_ledger_reserve(&ledger, INT64_MAX - 1);
    cf_ledger_reserve(&ledger, 5);
    assert_int_equal(ledger.reserved, INT64_MAX);
    cf_ledger_release(&ledger, 5);
    assert_int_equal(ledger.reserved, INT64_MAX);
    assert_false(cf_ledger_fits(&ledger, budget, 0));
    assert_false(cf_ledger_fits(&ledger, budget, 1));

    struct cf_ledger spent = { .spent = INT64_MAX - 1 };
    assert_true(cf_ledger_settle(&spent, CF_COST_UNKNOWN, 2, NULL));
    assert_int_equal(spent.spent, INT64_MAX);
    assert_false(cf_ledger_may_fit(&spent, budget, 0));
}

/* Whatever ends the calls have, what was reserved when they went bounds what they cost. */
static void spending_never_passes_a_budget_that_was_asked(void **state)
{
    (void)state;
    struct cf_ledger ledger = { 0 };
    const int64_t budget = 10000;
    int64_t in_flight[8] = { 0 };
    uint32_t random = 1;

    for (int step = 0; step < 20000; step++) {
        random = random * 1664525u + 1013904223u;
        int64_t *slot = &in_flight[random >> 29];
        int64_t bound = (random >> 8) % 50 + 1;

        if (*slot == 0 && cf_ledger_fits(&ledger, budget, bound)) {
            cf_ledger_reserve(&ledger, bound);
            *slot = bound;
        } else if (*slot != 0) {
            unsigned end = random >> 4 & 3;
            if (end == 0)
                cf_ledger_lose(&ledger, *slot);
            else if (end == 1)
                cf_ledger_release(&ledger, *slot);
            else
                assert_true(cf_ledger_settle(&ledger, *slot, *slot - (end == 2), NULL));
            *slot = 0;
        }
        assert_true(ledger.spent + ledger.at_risk + ledger.reserved <= budget);
    }
    assert_true(ledger.spent + ledger.at_risk > budget - 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_settled_call_frees_its_bound_and_books_its_cost),
        cmocka_unit_test(a_lost_call_stays_at_risk_for_good),
        cmocka_unit_test(a_released_call_leaves_no_trace),
        cmocka_unit_test(a_reply_dearer_than_its_bound_is_booked_and_reported),
        cmocka_unit_test(an_unknown_cost_puts_the_bound_at_risk),
        cmocka_unit_test(calls_without_a_bound_are_only_counted),
        cmocka_unit_test(counts_out_of_range_are_not_summed),
        cmocka_unit_test(a_budget_counts_spent_at_risk_and_reserved),
        cmocka_unit_test(without_a_budget_everything_fits),
        cmocka_unit_test(a_budget_refuses_an_unknown_bound),
        cmocka_unit_test(an_amount_that_overflows_fits_no_budget),
        cmocka_unit_test(spending_never_passes_a_budget_that_was_asked),
    };
    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
