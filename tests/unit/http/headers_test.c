#include "http/headers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void add(struct cf_http_headers *headers, const char *line)
{
    cf_http_headers_add_line(headers, line, strlen(line));
}

static void names_are_compared_without_case(void **state)
{
    (void)state;
    struct cf_http_headers headers = { 0 };
    add(&headers, "Retry-After: 17\r\n");
    add(&headers, "retry-after: 18\r\n");
    assert_string_equal(cf_http_headers_get(&headers, "rEtRy-aFtEr"), "17");
    assert_null(cf_http_headers_get(&headers, "retry"));
    assert_int_equal(headers.count, 2);
    cf_http_headers_done(&headers);
    assert_int_equal(headers.count, 0);
}

static void values_are_trimmed_and_cleaned(void **state)
{
    (void)state;
    struct cf_http_headers headers = { 0 };
    add(&headers, "A: \t b: c \t\r\n");
    add(&headers, "Empty:\r\n");
    add(&headers, "Odd: a\x1b[31mb\x7f" "c");
    assert_string_equal(cf_http_headers_get(&headers, "a"), "b: c");
    assert_string_equal(cf_http_headers_get(&headers, "empty"), "");
    assert_string_equal(cf_http_headers_get(&headers, "odd"), "a [31mb c");
    cf_http_headers_done(&headers);
}

static void what_is_no_field_is_ignored(void **state)
{
    (void)state;
    struct cf_http_headers headers = { 0 };
    add(&headers, "\r\n");
    add(&headers, "no colon here\r\n");
    add(&headers, ": no name\r\n");
    add(&headers, "");
    assert_int_equal(headers.count, 0);
    assert_false(headers.is_cut);
}

static void too_many_fields_are_cut(void **state)
{
    (void)state;
    struct cf_http_headers headers = { 0 };
    char line[32];
    for (int i = 0; i < CF_HTTP_FIELDS_MAX + 10; i++) {
        snprintf(line, sizeof line, "x-%d: %d\r\n", i, i);
        add(&headers, line);
    }
    assert_int_equal(headers.count, CF_HTTP_FIELDS_MAX);
    assert_true(headers.is_cut);
    assert_string_equal(cf_http_headers_get(&headers, "x-255"), "255");
    assert_null(cf_http_headers_get(&headers, "x-256"));
    cf_http_headers_done(&headers);
}

static void too_many_bytes_are_cut(void **state)
{
    (void)state;
    static char line[CF_HTTP_FIELD_BYTES_MAX];
    struct cf_http_headers headers = { 0 };
    memset(line, 'x', sizeof line);
    memcpy(line, "a:", 2);
    cf_http_headers_add_line(&headers, line, sizeof line);
    cf_http_headers_add_line(&headers, "b:1234", 6);
    cf_http_headers_add_line(&headers, "c:", 2);
    assert_int_equal(headers.count, 2);
    assert_true(headers.is_cut);
    assert_string_equal(cf_http_headers_get(&headers, "c"), "");
    cf_http_headers_done(&headers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_compared_without_case),
        cmocka_unit_test(values_are_trimmed_and_cleaned),
        cmocka_unit_test(what_is_no_field_is_ignored),
        cmocka_unit_test(too_many_fields_are_cut),
        cmocka_unit_test(too_many_bytes_are_cut),
    };
    return cmocka_run_group_tests_name("headers", tests, NULL, NULL);
}
