#include "confab/cost.h"

#include "confab/error.h"
#include "confab/money.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct set_row { const char *name, *text; double usd; int64_t pico; };    /* pico -1: refused */

static struct set_row set_rows[] = {
    { "three dollars a million is three million pico-dollars a token", "3", 3, 3000000 },
    { "a price of four decimals is exact", "0.0375", 0.0375, 37500 },
    { "a price that no double holds is exact", "0.1", 0.1, 100000 },
    { "the sixth decimal is one pico-dollar a token", "0.000001", 0.000001, 1 },
    { "nothing is a price", "0", 0, 0 },
    { "trailing zeros are nothing", "2.5000000", 2.5, 2500000 },
    { "the largest price", "1000000", 1e6, INT64_C(1000000000000) },
    { "half a pico-dollar a token is refused", "0.0000015", 0.0000015, -1 },
    { "a seventh decimal is refused", "3.0000001", 3.0000001, -1 },
    { "a negative price is refused", "-1", -1, -1 },
    { "a price above the range is refused", "1000001", 1000001, -1 },
    { "no number is no price", "cheap", NAN, -1 },
    { "infinity is no price", "inf", INFINITY, -1 },
};

static void check_set(void **state)
{
    const struct set_row *row = *state;
    struct cf_price price = { 0 };
    struct cf_error err = { 0 };

    bool ok = cf_price_set(&price, 0, CF_TOKENS_OUTPUT, false, row->text, strlen(row->text), &err);
    assert_int_equal(ok, row->pico >= 0);
    assert_int_equal(cf_price_rate(&price, 0, CF_TOKENS_OUTPUT, false), row->pico);
    assert_int_equal(err.kind, row->pico >= 0 ? CF_OK : CF_ERR_CONFIG);
    if (row->pico < 0)
        assert_non_null(strstr(err.message, "price of output: "));

    struct cf_price same = { 0 };
    ok = cf_price_set_usd(&same, 0, CF_TOKENS_OUTPUT, false, row->usd, NULL);
    assert_int_equal(ok, row->pico >= 0);
    assert_int_equal(cf_price_rate(&same, 0, CF_TOKENS_OUTPUT, false), row->pico);
}

static void a_computed_double_is_the_decimal_it_stands_for(void **state)
{
    (void)state;
    struct cf_price price = { 0 };

    assert_true(cf_price_set_usd(&price, 0, CF_TOKENS_OUTPUT, false, 1.7999999999999998, NULL));
    assert_int_equal(cf_price_rate(&price, 0, CF_TOKENS_OUTPUT, false), 1800000);
}

static void a_zeroed_price_knows_nothing(void **state)
{
    (void)state;
    struct cf_price price = { 0 };

    for (enum cf_token_kind kind = 0; kind < CF_TOKEN_KINDS; kind++) {
        assert_int_equal(cf_price_rate(&price, 0, kind, false), CF_COST_UNKNOWN);
        assert_int_equal(cf_price_rate(&price, 0, kind, true), CF_COST_UNKNOWN);
    }
}

static void a_free_price_is_known_to_be_nothing(void **state)
{
    (void)state;
    struct cf_price price;

    cf_price_set_free(&price);
    for (enum cf_token_kind kind = 0; kind < CF_TOKEN_KINDS; kind++) {
        assert_int_equal(cf_price_rate(&price, 0, kind, false), 0);
        assert_int_equal(cf_price_rate(&price, 0, kind, true), 0);
    }
}

static void batch_prices_of_cache_tokens_follow_batch_input(void **state)
{
    (void)state;
    struct cf_price price = { 0 };

    assert_true(cf_price_set(&price, 0, CF_TOKENS_CACHE_READ, false, "0.3", 3, NULL));
    assert_int_equal(cf_price_rate(&price, 0, CF_TOKENS_CACHE_READ, true), CF_COST_UNKNOWN);
    assert_true(cf_price_set(&price, 0, CF_TOKENS_INPUT, false, "3", 1, NULL));
    assert_int_equal(cf_price_rate(&price, 0, CF_TOKENS_CACHE_READ, true), CF_COST_UNKNOWN);
    assert_true(cf_price_set(&price, 0, CF_TOKENS_INPUT, true, "1.5", 3, NULL));
    assert_int_equal(cf_price_rate(&price, 0, CF_TOKENS_CACHE_READ, true), 150000);
    assert_int_equal(cf_price_rate(&price, 0, CF_TOKENS_OUTPUT, true), CF_COST_UNKNOWN);

    /* Stated ones win; a part of a pico-dollar is not made up. */
    assert_true(cf_price_set(&price, 0, CF_TOKENS_CACHE_READ, true, "0.2", 3, NULL));
    assert_int_equal(cf_price_rate(&price, 0, CF_TOKENS_CACHE_READ, true), 200000);
    assert_true(cf_price_set(&price, 0, CF_TOKENS_CACHE_WRITE_5M, false, "0.000001", 8, NULL));
    assert_int_equal(cf_price_rate(&price, 0, CF_TOKENS_CACHE_WRITE_5M, true), CF_COST_UNKNOWN);
}

static void tiers_come_by_rising_threshold(void **state)
{
    (void)state;
    struct cf_price price = { 0 };
    struct cf_error err;
    unsigned tier = 99;

    assert_false(cf_price_add_tier(&price, -1, &tier, &err));
    assert_int_equal(err.kind, CF_ERR_CONFIG);
    for (int i = 1; i <= CF_PRICE_TIERS_MAX; i++) {
        assert_true(cf_price_add_tier(&price, i * 1000, &tier, &err));
        assert_int_equal(tier, i);
        assert_false(cf_price_add_tier(&price, i * 1000, &tier, &err));
        assert_int_equal(err.kind, CF_ERR_CONFIG);
    }
    assert_false(cf_price_add_tier(&price, 1000000, &tier, &err));
    assert_non_null(strstr(err.message, "at most 4 tiers"));
    assert_int_equal(price.tier_count, CF_PRICE_TIERS_MAX);
}

static void a_tier_begins_above_its_threshold(void **state)
{
    (void)state;
    struct cf_price price = { 0 };
    unsigned tier;

    assert_true(cf_price_add_tier(&price, 1000, &tier, NULL));
    assert_true(cf_price_add_tier(&price, 2000, &tier, NULL));
    assert_int_equal(cf_price_tier_of(&price, 0), 0);
    assert_int_equal(cf_price_tier_of(&price, 1000), 0);
    assert_int_equal(cf_price_tier_of(&price, 1001), 1);
    assert_int_equal(cf_price_tier_of(&price, 2000), 1);
    assert_int_equal(cf_price_tier_of(&price, 2001), 2);
}

struct field_row { const char *name, *field; bool found; enum cf_token_kind kind; bool is_batch; };

static struct field_row field_rows[] = {
    { "input is a field", "input", true, CF_TOKENS_INPUT, false },
    { "output is a field", "output", true, CF_TOKENS_OUTPUT, false },
    { "5-minute writes are a field", "cache_write_5m", true, CF_TOKENS_CACHE_WRITE_5M, false },
    { "1-hour writes are a field", "cache_write_1h", true, CF_TOKENS_CACHE_WRITE_1H, false },
    { "reads are a field", "cache_read", true, CF_TOKENS_CACHE_READ, false },
    { "batch input is a field", "batch_input", true, CF_TOKENS_INPUT, true },
    { "batch reads are a field", "batch_cache_read", true, CF_TOKENS_CACHE_READ, true },
    { "a batch of nothing is no field", "batch_", false, 0, false },
    { "a longer name is no field", "inputs", false, 0, false },
    { "an empty name is no field", "", false, 0, false },
};

static void check_field(void **state)
{
    const struct field_row *row = *state;
    enum cf_token_kind kind = 0;
    bool is_batch = false;

    assert_int_equal(cf_price_field(row->field, strlen(row->field), &kind, &is_batch), row->found);
    assert_int_equal(kind, row->kind);
    assert_int_equal(is_batch, row->is_batch);
}

int main(void)
{
    struct CMUnitTest tests[COUNT(set_rows) + COUNT(field_rows) + 6] = {
        cmocka_unit_test(a_computed_double_is_the_decimal_it_stands_for),
        cmocka_unit_test(a_zeroed_price_knows_nothing),
        cmocka_unit_test(a_free_price_is_known_to_be_nothing),
        cmocka_unit_test(batch_prices_of_cache_tokens_follow_batch_input),
        cmocka_unit_test(tiers_come_by_rising_threshold),
        cmocka_unit_test(a_tier_begins_above_its_threshold),
    };
    struct CMUnitTest *test = tests + 6;

    for (size_t i = 0; i < COUNT(set_rows); i++)
        *test++ = (struct CMUnitTest){ .name = set_rows[i].name, .test_func = check_set,
                                       .initial_state = &set_rows[i] };
    for (size_t i = 0; i < COUNT(field_rows); i++)
        *test++ = (struct CMUnitTest){ .name = field_rows[i].name, .test_func = check_field,
                                       .initial_state = &field_rows[i] };
    return cmocka_run_group_tests_name("price", tests, NULL, NULL);
}
