#include "confab/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_fail_fills_every_field(void **state)
{
    (void)state;
    struct cf_error err;
    memset(&err, 0x55, sizeof err);
    assert_false(cf_fail(&err, CF_ERR_CONFIG, "line %d: %s", 7, "no"));
    assert_int_equal(err.kind, CF_ERR_CONFIG);
    assert_int_equal(err.http_status, 0);
    assert_false(err.retryable);
    assert_int_equal(err.retry_after_ms, -1);
    assert_string_equal(err.message, "line 7: no");
}

static void test_null_is_fine(void **state)
{
    (void)state;
    assert_false(cf_fail(NULL, CF_ERR_API, "x"));
    assert_false(cf_fail_prefix(NULL, "y"));
}

static void test_a_message_may_quote_itself(void **state)
{
    (void)state;
    struct cf_error err;
    cf_fail(&err, CF_ERR_API, "inner");
    cf_fail(&err, CF_ERR_API, "outer: %s", err.message);
    assert_string_equal(err.message, "outer: inner");
}

static void test_a_long_message_is_cut_between_characters(void **state)
{
    (void)state;
    struct cf_error err;
    char text[3 * CF_ERROR_MESSAGE_MAX];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'a', shift);
        for (size_t i = shift; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "\xE2\x82\xAC", 4);
        cf_fail(&err, CF_ERR_API, "%s", text);
        size_t len = strlen(err.message);
        assert_in_range(len, CF_ERROR_MESSAGE_MAX - 4, CF_ERROR_MESSAGE_MAX - 1);
        assert_int_equal((len - shift) % 3, 0);
    }
}

static void test_a_prefix_keeps_kind_and_cuts_the_end(void **state)
{
    (void)state;
    struct cf_error err;
    cf_fail(&err, CF_ERR_PARSE, "%s", "no turns");
    err.http_status = 200;
    assert_false(cf_fail_prefix(&err, "line %d: ", 3));
    assert_int_equal(err.kind, CF_ERR_PARSE);
    assert_int_equal(err.http_status, 200);
    assert_string_equal(err.message, "line 3: no turns");

    char text[CF_ERROR_MESSAGE_MAX];
    memset(text, 'b', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    cf_fail(&err, CF_ERR_PARSE, "%s", text);
    cf_fail_prefix(&err, "front: ");
    assert_int_equal(strlen(err.message), CF_ERROR_MESSAGE_MAX - 1);
    assert_memory_equal(err.message, "front: bbb", 10);
}

static void test_kind_names_go_both_ways(void **state)
{
    (void)state;
    for (int kind = 1; kind < CF_ERROR_KINDS; kind++)
        assert_int_equal(cf_error_kind_parse(cf_error_kind_name((enum cf_error_kind)kind)), kind);
    assert_string_equal(cf_error_kind_name(CF_ERR_REFUSAL), "refusal");
    assert_string_equal(cf_error_kind_name((enum cf_error_kind)99), "unknown_error");
    assert_int_equal(cf_error_kind_parse("nonsense"), CF_OK);
    assert_int_equal(cf_error_kind_parse("ok"), CF_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "fail fills every field", test_fail_fills_every_field, NULL, NULL, NULL },
        { "no error struct is fine", test_null_is_fine, NULL, NULL, NULL },
        { "a message may quote itself", test_a_message_may_quote_itself, NULL, NULL, NULL },
        { "a long message is cut between characters", test_a_long_message_is_cut_between_characters,
          NULL, NULL, NULL },
        { "a prefix keeps the kind and cuts the end", test_a_prefix_keeps_kind_and_cuts_the_end,
          NULL, NULL, NULL },
        { "kind names go both ways", test_kind_names_go_both_ways, NULL, NULL, NULL },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
