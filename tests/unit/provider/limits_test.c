#include "provider/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "confab/clock.h"
#include "http/headers.h"
#include "test_file.h"

static void read_text(const char *text, struct cf_limit_headers *out)
{
    struct cf_http_headers headers = { 0 };
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        cf_http_headers_add_line(&headers, text, len);
        text += len + (text[len] == '\n');
    }
    cf_limit_headers_read(&headers, out);
    cf_http_headers_done(&headers);
}

static void read_fixture(const char *name, struct cf_limit_headers *out)
{
    char path[512];
    snprintf(path, sizeof path, "%s/provider/%s", TEST_DATA, name);
    char *text = test_file_read(path, NULL);
    read_text(text, out);
    free(text);
}

static void assert_limit(const struct cf_limit *limit, int64_t most, int64_t remaining,
                         const char *reset)
{
    int64_t reset_ms;
    assert_true(cf_time_parse(reset, strlen(reset), &reset_ms));
    assert_true(limit->has_limit && limit->has_remaining && limit->has_reset);
    assert_int_equal(limit->limit, most);
    assert_int_equal(limit->remaining, remaining);
    assert_int_equal(limit->reset_unix_ms, reset_ms);
}

static void a_success_states_its_limits(void **state)
{
    (void)state;
    struct cf_limit_headers limits;
    read_fixture("headers_ok.txt", &limits);
    assert_limit(&limits.requests, 1000, 999, "2026-11-23T12:00:01Z");
    assert_limit(&limits.input, 2000000, 1999000, "2026-11-23T12:00:01Z");
    assert_limit(&limits.output, 400000, 392000, "2026-11-23T12:00:02Z");
    assert_limit(&limits.tokens, 2400000, 2391000, "2026-11-23T12:00:02Z");
    assert_string_equal(limits.organization, "00000000-0000-4000-8000-000000000000");
    assert_string_equal(limits.workspace, "wrkspc_01FixtureAAAAAAAAAAAA");
    assert_string_equal(limits.request_id, "req_011FixtureAAAAAAAAAAAAAA");
    assert_string_equal(limits.retry_after, "");
    assert_true(cf_limit_headers_has_any(&limits));
}

static void a_refusal_in_mixed_case_is_read(void **state)
{
    (void)state;
    struct cf_limit_headers limits;
    read_fixture("headers_429.txt", &limits);
    assert_limit(&limits.requests, 1000, 412, "2026-11-23T12:00:41Z");
    assert_limit(&limits.input, 2000000, 0, "2026-11-23T12:01:05.250Z");
    assert_limit(&limits.output, 400000, 388000, "2026-11-23T12:00:07Z");    /* was +01:00 */
    assert_limit(&limits.tokens, 2400000, 388000, "2026-11-23T12:01:05Z");
    assert_string_equal(limits.retry_after, "17");
    assert_string_equal(limits.should_retry, "true");
    assert_string_equal(limits.request_id, "req_011FixtureBBBBBBBBBBBBBB");
    assert_string_equal(limits.organization, "");
}

static void a_spent_limit_states_none(void **state)
{
    (void)state;
    struct cf_limit_headers limits;
    read_fixture("headers_429_spend_cap.txt", &limits);
    assert_string_equal(limits.request_id, "req_011FixtureCCCCCCCCCCCCCC");
    assert_string_equal(limits.retry_after, "");
    assert_string_equal(limits.retry_after_ms, "");
    assert_false(cf_limit_headers_has_any(&limits));
}

static void what_cannot_be_read_counts_as_absent(void **state)
{
    (void)state;
    struct cf_limit_headers limits;
    read_text("anthropic-ratelimit-requests-limit: -1\n"
              "anthropic-ratelimit-requests-remaining: 12.5\n"
              "anthropic-ratelimit-requests-reset: soon\n"
              "anthropic-ratelimit-input-tokens-limit: 99999999999999999999\n"
              "anthropic-ratelimit-output-tokens-limit:\n"
              "anthropic-ratelimit-tokens-remaining: 0\n"
              "retry-after-ms: 250\n",
              &limits);
    assert_false(limits.requests.has_limit || limits.requests.has_remaining ||
                 limits.requests.has_reset);
    assert_false(limits.input.has_limit);
    assert_false(limits.output.has_limit);
    assert_true(limits.tokens.has_remaining);
    assert_int_equal(limits.tokens.remaining, 0);
    assert_string_equal(limits.retry_after_ms, "250");
    assert_true(cf_limit_headers_has_any(&limits));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_success_states_its_limits),
        cmocka_unit_test(a_refusal_in_mixed_case_is_read),
        cmocka_unit_test(a_spent_limit_states_none),
        cmocka_unit_test(what_cannot_be_read_counts_as_absent),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
