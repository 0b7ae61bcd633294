#include "confab/cost.h"

#include "confab/money.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define UNKNOWN CF_COST_UNKNOWN
#define MAX_TOKENS CF_USAGE_TOKENS_MAX

/* $3 and $15, reads 0.30, writes 3.75 and 6, half in a batch; twice all that above 1000 tokens.
 * The 1-hour write of the long tier is not stated. */
static struct cf_price tiered_price(void)
{
    static const char *const plain[] = { "3", "15", "3.75", "6", "0.3" };
    static const char *const twice[] = { "6", "30", "7.5", NULL, "0.6" };
    struct cf_price price = { 0 };
    unsigned tier = 0;

    assert_true(cf_price_add_tier(&price, 1000, &tier, NULL));
    for (enum cf_token_kind kind = 0; kind < CF_TOKEN_KINDS; kind++) {
        const char *usd = plain[kind];
        assert_true(cf_price_set(&price, 0, kind, false, usd, strlen(usd), NULL));
        usd = twice[kind];
        if (usd != NULL)
            assert_true(cf_price_set(&price, tier, kind, false, usd, strlen(usd), NULL));
    }
    assert_true(cf_price_set(&price, 0, CF_TOKENS_INPUT, true, "1.5", 3, NULL));
    assert_true(cf_price_set(&price, 0, CF_TOKENS_OUTPUT, true, "7.5", 3, NULL));
    return price;
}

struct cost_row { const char *name; struct cf_usage usage; int64_t pico; };

static struct cost_row cost_rows[] = {   /* tokens: input, output, write 5m, write 1h, read */
    { "one token of each kind", { { 1, 1, 1, 1, 1 }, true, false, false }, 28050000 },
    { "nothing used costs nothing", { { 0 }, true, false, false }, 0 },
    { "a batch costs half, cache tokens too", { { 2, 2, 2, 2, 2 }, true, true, false }, 28050000 },
    { "the US factor is a tenth more", { { 1, 1, 1, 1, 1 }, true, false, true }, 30855000 },
    { "a prompt at the threshold has the base price", { { 1000, 1 }, true, false, false },
      INT64_C(3015000000) },
    { "a prompt above it has the tier's price for all tokens", { { 1001, 1 }, true, false, false },
      INT64_C(6036000000) },
    { "reads and writes count towards the threshold", { { 998, 1, 1, 0, 2 }, true, false, false },
      INT64_C(6026700000) },
    { "output does not", { { 1, 5000 }, true, false, false }, INT64_C(75003000000) },
    { "a rate that is needed but not stated", { { 1000, 1, 0, 1 }, true, false, false }, UNKNOWN },
    { "batch rates that the tier does not state", { { 1001, 1 }, true, true, false }, UNKNOWN },
    { "a usage that is not known", { { 1, 1 }, false, false, false }, UNKNOWN },
    { "a negative count", { { -1, 1 }, true, false, false }, UNKNOWN },
    { "a count above 2^31", { { 1, MAX_TOKENS + 1 }, true, false, false }, UNKNOWN },
    { "the largest count is believed", { { 1, MAX_TOKENS }, true, false, false },
      INT64_C(3000000) + INT64_C(15000000) * INT64_C(2147483648) },
};

static void check_cost(void **state)
{
    const struct cost_row *row = *state;
    struct cf_price price = tiered_price();

    assert_int_equal(cf_cost_of(&price, &row->usage), row->pico);
}

static void the_example_of_1500_and_2000_tokens_is_345_hundredths_of_a_cent(void **state)
{
    (void)state;
    struct cf_price price = { 0 };
    struct cf_usage usage = { .tokens = { 1500, 2000 }, .is_known = true };

    assert_true(cf_price_set(&price, 0, CF_TOKENS_INPUT, false, "3", 1, NULL));
    assert_true(cf_price_set(&price, 0, CF_TOKENS_OUTPUT, false, "15", 2, NULL));
    assert_int_equal(cf_cost_of(&price, &usage), INT64_C(34500000000));
}

static void without_a_price_the_cost_is_unknown(void **state)
{
    (void)state;
    struct cf_usage usage = { .tokens = { 1, 1 }, .is_known = true };
    struct cf_cost_limits limits = { .input_tokens = 1, .output_tokens = 1 };
    struct cf_price nothing = { 0 };

    assert_int_equal(cf_cost_of(NULL, &usage), UNKNOWN);
    assert_int_equal(cf_cost_of(&nothing, &usage), UNKNOWN);
    assert_int_equal(cf_cost_bound(NULL, &limits), UNKNOWN);
    assert_int_equal(cf_cost_bound(&nothing, &limits), UNKNOWN);
}

static void a_free_model_costs_nothing(void **state)
{
    (void)state;
    struct cf_usage usage = { .tokens = { 1, 2, 3, 4, 5 }, .is_known = true, .is_us = true };
    struct cf_cost_limits limits = { 9, 9, CF_CACHE_1H, false, false };
    struct cf_price price;

    cf_price_set_free(&price);
    assert_int_equal(cf_cost_of(&price, &usage), 0);
    assert_int_equal(cf_cost_bound(&price, &limits), 0);
}

static void a_sum_that_overflows_is_unknown(void **state)
{
    (void)state;
    struct cf_usage usage = { .tokens = { MAX_TOKENS, 0 }, .is_known = true };
    struct cf_cost_limits limits = { .input_tokens = INT64_MAX, .output_tokens = 1 };
    struct cf_price price = tiered_price();

    assert_int_equal(cf_cost_bound(&price, &limits), UNKNOWN);

    /* The product fits, the US share over it does not. */
    assert_true(cf_price_set(&price, 1, CF_TOKENS_INPUT, false, "4200", 4, NULL));
    assert_int_equal(cf_cost_of(&price, &usage), INT64_C(4200000000) * MAX_TOKENS);
    usage.is_us = true;
    assert_int_equal(cf_cost_of(&price, &usage), UNKNOWN);
    assert_true(cf_price_set(&price, 1, CF_TOKENS_INPUT, false, "5000", 4, NULL));
    usage.is_us = false;
    assert_int_equal(cf_cost_of(&price, &usage), UNKNOWN);
}

static void a_part_of_a_pico_dollar_counts_whole(void **state)
{
    (void)state;
    struct cf_price price = { 0 };
    struct cf_usage usage = { .tokens = { 1, 0 }, .is_known = true, .is_us = true };

    assert_true(cf_price_set(&price, 0, CF_TOKENS_INPUT, false, "0.000011", 8, NULL));
    assert_int_equal(cf_cost_of(&price, &usage), 13);    /* 11 * 1.1 = 12.1 */
}

struct bound_row { const char *name; struct cf_cost_limits limits; int64_t pico; };

static struct bound_row bound_rows[] = {
    { "input and output at their prices", { 10, 2, CF_CACHE_NONE, false, false }, 60000000 },
    { "a 5-minute mark: all input may be written", { 10, 2, CF_CACHE_5M, false, false }, 67500000 },
    { "a 1-hour mark costs more", { 10, 2, CF_CACHE_1H, false, false }, 90000000 },
    { "a batch may cost half", { 10, 2, CF_CACHE_1H, true, false }, 45000000 },
    { "the US factor", { 10, 2, CF_CACHE_NONE, false, true }, 66000000 },
    { "a prompt that cannot reach the tier", { 1000, 1, CF_CACHE_NONE, false, false },
      INT64_C(3015000000) },
    { "a prompt that can", { 1001, 1, CF_CACHE_NONE, false, false }, INT64_C(6036000000) },
    { "a rate unknown in a tier within reach", { 1001, 1, CF_CACHE_1H, false, false }, UNKNOWN },
    { "a negative limit", { -1, 1, CF_CACHE_NONE, false, false }, UNKNOWN },
};

static void check_bound(void **state)
{
    const struct bound_row *row = *state;
    struct cf_price price = tiered_price();

    assert_int_equal(cf_cost_bound(&price, &row->limits), row->pico);
}

static void a_tier_that_is_cheaper_does_not_lower_the_bound(void **state)
{
    (void)state;
    struct cf_price price = tiered_price();
    struct cf_cost_limits limits = { .input_tokens = 1001, .output_tokens = 1 };

    assert_true(cf_price_set(&price, 1, CF_TOKENS_INPUT, false, "1", 1, NULL));
    assert_true(cf_price_set(&price, 1, CF_TOKENS_OUTPUT, false, "1", 1, NULL));
    assert_int_equal(cf_cost_bound(&price, &limits), INT64_C(3018000000));
}

static void the_input_bound_counts_bytes_messages_and_tools(void **state)
{
    (void)state;
    assert_int_equal(cf_input_bound(0, 0, false), 0);
    assert_int_equal(cf_input_bound(500, 3, false), 548);
    assert_int_equal(cf_input_bound(500, 3, true), 1548);
    assert_int_equal(cf_input_bound(SIZE_MAX, 1, false), UNKNOWN);
    assert_int_equal(cf_input_bound(1, SIZE_MAX / 2, false), UNKNOWN);
}

/* --- the model table of the reference --- */

static cJSON *read_prices(void)
{
    FILE *file = fopen(TEST_DATA "/prices.json", "rb");
    assert_non_null(file);

    static char text[1 << 16];
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);

    cJSON *tree = cJSON_ParseWithLength(text, len);
    assert_non_null(tree);
    return tree;
}

/* The value of a field in pico-dollars a token; UNKNOWN if absent or null. */
static int64_t field_pico(const cJSON *prices, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(prices, name);
    return cJSON_IsNumber(value) ? llround(value->valuedouble * 1e6) : UNKNOWN;
}

static void set_fields(struct cf_price *price, unsigned tier, const cJSON *prices)
{
    const cJSON *field;

    cJSON_ArrayForEach(field, prices) {
        enum cf_token_kind kind;
        bool is_batch;
        if (cf_price_field(field->string, strlen(field->string), &kind, &is_batch)
            && cJSON_IsNumber(field))
            assert_true(cf_price_set_usd(price, tier, kind, is_batch, field->valuedouble, NULL));
    }
}

/* Checks the cost of a usage whose prompt falls in this tier against the plain formula. */
static void check_formula(const struct cf_price *price, const cJSON *prices, const int64_t *tokens)
{
    static const char *const names[] = { "input", "output", "cache_write_5m", "cache_write_1h",
                                         "cache_read" };
    struct cf_usage usage = { .is_known = true };
    int64_t sum = 0;

    memcpy(usage.tokens, tokens, sizeof usage.tokens);
    for (int i = 0; i < CF_TOKEN_KINDS && sum != UNKNOWN; i++) {
        int64_t pico = field_pico(prices, names[i]);
        if (tokens[i] > 0)
            sum = pico == UNKNOWN ? UNKNOWN : sum + pico * tokens[i];
    }
    assert_int_equal(cf_cost_of(price, &usage), sum);

    usage.is_us = true;
    assert_int_equal(cf_cost_of(price, &usage), sum == UNKNOWN ? UNKNOWN : sum / 10 * 11);

    usage.is_us = false;
    usage.is_batch = true;
    if (field_pico(prices, "batch_input") == UNKNOWN)
        sum = UNKNOWN;
    assert_int_equal(cf_cost_of(price, &usage), sum == UNKNOWN ? UNKNOWN : sum / 2);
}

static void every_model_and_tier_of_the_table_is_priced_exactly(void **state)
{
    (void)state;
    cJSON *tree = read_prices();
    const cJSON *model;
    int tiers_seen = 0;

    cJSON_ArrayForEach(model, cJSON_GetObjectItemCaseSensitive(tree, "models")) {
        struct cf_price price = { 0 };
        const cJSON *tier;

        set_fields(&price, 0, model);
        check_formula(&price, model, (const int64_t[]){ 1501, 2003, 0, 0, 0 });
        check_formula(&price, model, (const int64_t[]){ 1501, 2003, 101, 203, 307 });

        cJSON_ArrayForEach(tier, cJSON_GetObjectItemCaseSensitive(model, "tiers")) {
            int64_t at = field_pico(tier, "threshold_prompt_tokens") / 1000000;
            unsigned number;

            assert_true(cf_price_add_tier(&price, at, &number, NULL));
            set_fields(&price, number, tier);
            check_formula(&price, model, (const int64_t[]){ at, 777, 0, 0, 0 });
            check_formula(&price, tier, (const int64_t[]){ at + 1, 777, 0, 0, 0 });
            check_formula(&price, model, (const int64_t[]){ at - 9, 777, 0, 0, 9 });
            check_formula(&price, tier, (const int64_t[]){ at - 9, 777, 0, 0, 10 });
            check_formula(&price, tier, (const int64_t[]){ at - 9, 777, 5, 5, 10 });
            tiers_seen++;
        }
    }
    assert_int_equal(tiers_seen, 6);
    cJSON_Delete(tree);
}

int main(void)
{
    struct CMUnitTest tests[COUNT(cost_rows) + COUNT(bound_rows) + 8] = {
        cmocka_unit_test(the_example_of_1500_and_2000_tokens_is_345_hundredths_of_a_cent),
        cmocka_unit_test(without_a_price_the_cost_is_unknown),
        cmocka_unit_test(a_free_model_costs_nothing),
        cmocka_unit_test(a_sum_that_overflows_is_unknown),
        cmocka_unit_test(a_part_of_a_pico_dollar_counts_whole),
        cmocka_unit_test(a_tier_that_is_cheaper_does_not_lower_the_bound),
        cmocka_unit_test(the_input_bound_counts_bytes_messages_and_tools),
        cmocka_unit_test(every_model_and_tier_of_the_table_is_priced_exactly),
    };
    struct CMUnitTest *test = tests + 8;

    for (size_t i = 0; i < COUNT(cost_rows); i++)
        *test++ = (struct CMUnitTest){ .name = cost_rows[i].name, .test_func = check_cost,
                                       .initial_state = &cost_rows[i] };
    for (size_t i = 0; i < COUNT(bound_rows); i++)
        *test++ = (struct CMUnitTest){ .name = bound_rows[i].name, .test_func = check_bound,
                                       .initial_state = &bound_rows[i] };
    return cmocka_run_group_tests_name("cost", tests, NULL, NULL);
}
