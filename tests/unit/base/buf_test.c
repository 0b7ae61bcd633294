#include "confab/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_a_zeroed_buffer_with_a_bound_works(void **state)
{
    (void)state;
    struct cf_buf buf = { .max = 5 };
    assert_string_equal(cf_buf_str(&buf), "");
    cf_buf_adds(&buf, "ab");
    cf_buf_addc(&buf, 'c');
    cf_buf_addf(&buf, "%d", 42);
    assert_true(cf_buf_ok(&buf));
    assert_string_equal(cf_buf_str(&buf), "abc42");
    cf_buf_done(&buf);
}

static void test_the_bound_is_exact_and_failing_is_remembered(void **state)
{
    (void)state;
    struct cf_buf buf;
    cf_buf_init(&buf, 3);
    cf_buf_adds(&buf, "abc");
    assert_true(cf_buf_ok(&buf));
    cf_buf_addc(&buf, 'd');
    assert_false(cf_buf_ok(&buf));
    cf_buf_clear(&buf);
    assert_true(cf_buf_ok(&buf));
    cf_buf_adds(&buf, "abcd");
    cf_buf_adds(&buf, "a");                 /* would fit, but a run of appends failed already */
    assert_false(cf_buf_ok(&buf));
    assert_int_equal(buf.len, 0);
    cf_buf_done(&buf);
}

static void test_formatting_over_the_bound_fails(void **state)
{
    (void)state;
    struct cf_buf buf;
    cf_buf_init(&buf, 4);
    cf_buf_addf(&buf, "%s", "12345");
    assert_false(cf_buf_ok(&buf));
    cf_buf_done(&buf);
}

static void test_bytes_with_nul_are_kept(void **state)
{
    (void)state;
    struct cf_buf buf;
    cf_buf_init(&buf, 100);
    cf_buf_add(&buf, "a\0b", 3);
    size_t len;
    char *bytes = cf_buf_take(&buf, &len);
    assert_int_equal(len, 3);
    assert_memory_equal(bytes, "a\0b", 4);
    free(bytes);
    assert_int_equal(buf.len, 0);
    assert_int_equal(buf.max, 100);
}

static void test_taking_an_empty_buffer_gives_an_empty_string(void **state)
{
    (void)state;
    struct cf_buf buf;
    cf_buf_init(&buf, 1);
    char *bytes = cf_buf_take(&buf, NULL);
    assert_string_equal(bytes, "");
    free(bytes);
}

static void test_reserve_does_not_overflow(void **state)
{
    (void)state;
    struct cf_buf buf;
    cf_buf_init(&buf, SIZE_MAX - 1);
    cf_buf_adds(&buf, "x");
    assert_false(cf_buf_reserve(&buf, SIZE_MAX - 1));
    assert_false(cf_buf_ok(&buf));
    cf_buf_done(&buf);
}

static void test_whole_numbers_are_written_digit_by_digit(void **state)
{
    (void)state;
    static const int64_t values[] = { 0, 7, -7, 10, 1234567890, INT64_MAX, INT64_MIN };
    struct cf_buf buf;
    cf_buf_init(&buf, 100);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, "%lld", (long long)values[i]);
        cf_buf_clear(&buf);
        cf_buf_add_int(&buf, values[i]);
        assert_string_equal(cf_buf_str(&buf), expected);
    }
    cf_buf_done(&buf);
}

static void test_a_text_that_does_not_fit_leaves_what_was_there(void **state)
{
    (void)state;
    struct cf_buf buf;
    cf_buf_init(&buf, 10);
    cf_buf_addf(&buf, "%s", "12345");
    cf_buf_addf(&buf, "%s", "678901");
    assert_false(cf_buf_ok(&buf));
    assert_string_equal(cf_buf_str(&buf), "12345");
    cf_buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "a zeroed buffer with a bound works", test_a_zeroed_buffer_with_a_bound_works, NULL, NULL,
          NULL },
        { "the bound is exact and failing is remembered",
          test_the_bound_is_exact_and_failing_is_remembered, NULL, NULL, NULL },
        { "formatting over the bound fails", test_formatting_over_the_bound_fails, NULL, NULL,
          NULL },
        { "bytes with NUL are kept", test_bytes_with_nul_are_kept, NULL, NULL, NULL },
        { "taking an empty buffer gives an empty string",
          test_taking_an_empty_buffer_gives_an_empty_string, NULL, NULL, NULL },
        { "reserve does not overflow", test_reserve_does_not_overflow, NULL, NULL, NULL },
        { "whole numbers are written digit by digit", test_whole_numbers_are_written_digit_by_digit,
          NULL, NULL, NULL },
        { "a text that does not fit leaves what was there",
          test_a_text_that_does_not_fit_leaves_what_was_there, NULL, NULL, NULL },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
