#include "confab/money.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct parse_row { const char *name, *text; int64_t pico; };    /* pico -1: refused */

static struct parse_row parse_rows[] = {
    { "whole dollars are read", "5", INT64_C(5000000000000) },
    { "decimals are read exactly", "0.0345", INT64_C(34500000000) },
    { "the last of twelve decimals counts", "0.000000000001", 1 },
    { "zeros beyond the twelfth decimal are nothing", "0.00000000000100", 1 },
    { "leading zeros are nothing", "0005.00", INT64_C(5000000000000) },
    { "zero is an amount", "0", 0 },
    { "the largest budget is accepted", "1000000.000000000000", INT64_C(1000000000000000000) },
    { "a pico-dollar over the largest budget is refused", "1000000.000000000001", -1 },
    { "a dollar over the largest budget is refused", "1000001", -1 },
    { "a number that would overflow is refused", "99999999999999999999999", -1 },
    { "a thirteenth decimal is refused", "0.0000000000001", -1 },
    { "nothing is no number", "", -1 },
    { "a point alone is no number", ".", -1 },
    { "a point needs digits before it", ".5", -1 },
    { "a point needs digits behind it", "5.", -1 },
    { "two points are refused", "1.2.3", -1 },
    { "a sign is refused", "-1", -1 },
    { "an exponent is refused", "1e3", -1 },
    { "white space is refused", " 1", -1 },
    { "a currency sign is refused", "$1", -1 },
};

static void check_parse(void **state)
{
    const struct parse_row *row = *state;
    int64_t pico = -1;

    assert_int_equal(cf_money_parse(row->text, strlen(row->text), &pico), row->pico >= 0);
    assert_int_equal(pico, row->pico);
}

struct format_row { const char *name; int64_t pico; const char *read, *exact; };

static struct format_row format_rows[] = {
    { "nothing", 0, "$0.00", "0" },
    { "dollars and cents", INT64_C(12340000000000), "$12.34", "12.34" },
    { "whole dollars keep two decimals", INT64_C(5000000000000), "$5.00", "5" },
    { "cents of a dollar are rounded", INT64_C(12345000000000), "$12.35", "12.345" },
    { "three digits count below a dollar", INT64_C(34500000000), "$0.0345", "0.0345" },
    { "digits beyond the third are rounded", INT64_C(34567000000), "$0.0346", "0.034567" },
    { "half a dollar", INT64_C(500000000000), "$0.50", "0.5" },
    { "rounding may reach a dollar", INT64_C(999900000000), "$1.00", "0.9999" },
    { "twelve millionths", 12000000, "$0.000012", "0.000012" },
    { "one pico-dollar", 1, "$0.000000000001", "0.000000000001" },
    { "what is unknown says so", CF_COST_UNKNOWN, "unknown", "unknown" },
    { "a difference may be negative", -INT64_C(34500000000), "-$0.0345", "-0.0345" },
    { "the largest amount", INT64_MAX, "$9223372.04", "9223372.036854775807" },
    { "the smallest amount", INT64_MIN, "-$9223372.04", "-9223372.036854775808" },
};

static void check_format(void **state)
{
    const struct format_row *row = *state;
    char text[CF_MONEY_TEXT_MAX];

    cf_money_format(row->pico, text);
    assert_string_equal(text, row->read);
    cf_money_format_exact(row->pico, text);
    assert_string_equal(text, row->exact);
}

static void exact_text_reads_back(void **state)
{
    (void)state;
    static const int64_t amounts[] = { 0, 1, INT64_C(999999999999), INT64_C(1000000000001),
                                       INT64_C(123456789012345678) };

    for (size_t i = 0; i < COUNT(amounts); i++) {
        char text[CF_MONEY_TEXT_MAX];
        int64_t back = -1;

        cf_money_format_exact(amounts[i], text);
        assert_true(cf_money_parse(text, strlen(text), &back));
        assert_int_equal(back, amounts[i]);
    }
}

struct usd_row { const char *name; double usd; int64_t pico; };

static struct usd_row usd_rows[] = {
    { "a double is taken to the nearest pico-dollar", 0.0345, INT64_C(34500000000) },
    { "a tenth is a tenth", 0.1, INT64_C(100000000000) },
    { "below half a pico-dollar is nothing", 4e-13, 0 },
    { "zero", 0.0, 0 },
    { "the largest budget", 1e6, INT64_C(1000000000000000000) },
    { "above the largest budget is refused", 1000000.5, -1 },
    { "negative is refused", -0.01, -1 },
    { "infinity is refused", INFINITY, -1 },
    { "no number is refused", NAN, -1 },
};

static void check_usd(void **state)
{
    const struct usd_row *row = *state;
    int64_t pico = -1;

    assert_int_equal(cf_money_from_usd(row->usd, &pico), row->pico >= 0);
    assert_int_equal(pico, row->pico);
}

static void sums_are_checked(void **state)
{
    (void)state;
    int64_t sum = INT64_MAX - 5;

    assert_true(cf_money_add(&sum, 5));
    assert_int_equal(sum, INT64_MAX);
    assert_false(cf_money_add(&sum, 1));
    assert_int_equal(sum, INT64_MAX);
    assert_true(cf_money_add(&sum, -INT64_MAX));
    assert_int_equal(sum, 0);
}

static void products_are_checked(void **state)
{
    (void)state;
    int64_t sum = 7;

    assert_true(cf_money_add_product(&sum, 1500, 3000000));
    assert_int_equal(sum, INT64_C(4500000007));
    assert_false(cf_money_add_product(&sum, INT64_C(1) << 31, INT64_C(1) << 32)); /* product */
    assert_false(cf_money_add_product(&sum, 1, INT64_MAX));                       /* sum */
    assert_int_equal(sum, INT64_C(4500000007));
}

int main(void)
{
    struct CMUnitTest tests[COUNT(parse_rows) + COUNT(format_rows) + COUNT(usd_rows) + 3] = {
        cmocka_unit_test(exact_text_reads_back),
        cmocka_unit_test(sums_are_checked),
        cmocka_unit_test(products_are_checked),
    };
    struct CMUnitTest *test = tests + 3;

    for (size_t i = 0; i < COUNT(parse_rows); i++)
        *test++ = (struct CMUnitTest){ .name = parse_rows[i].name, .test_func = check_parse,
                                       .initial_state = &parse_rows[i] };
    for (size_t i = 0; i < COUNT(format_rows); i++)
        *test++ = (struct CMUnitTest){ .name = format_rows[i].name, .test_func = check_format,
                                       .initial_state = &format_rows[i] };
    for (size_t i = 0; i < COUNT(usd_rows); i++)
        *test++ = (struct CMUnitTest){ .name = usd_rows[i].name, .test_func = check_usd,
                                       .initial_state = &usd_rows[i] };
    return cmocka_run_group_tests_name("money", tests, NULL, NULL);
}
