#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "confab/retry.h"
#include "test_json.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

#define AGAIN   CF_VERDICT_RETRY
#define WAIT    CF_VERDICT_RETRY_NOT_COUNTED
#define FAIL    CF_VERDICT_FAIL_ITEM
#define KEY     CF_VERDICT_KEY_OUT
#define STOP    CF_VERDICT_STOP_RUN
#define NEVER   CF_BILLING_NEVER_SENT
#define REFUSED CF_BILLING_REFUSED
#define UNKNOWN CF_BILLING_UNKNOWN

struct row {
    const char *name;
    struct cf_failure failure;
    enum cf_verdict verdict, last;
    enum cf_billing billing;
    const char *reason;
};

/* What the provider's own error object looks like, and a reply without one. */
#define API(status, type, ...) { .http_status = (status), .error_type = (type), __VA_ARGS__ }
#define BARE(status) { .http_status = (status) }
#define NET(how, ...) { .transport = CF_TRANSPORT_##how, __VA_ARGS__ }

static struct row rows[] = {
    { "400 is final", API(400, "invalid_request_error"), FAIL, FAIL, REFUSED, "bad request" },
    { "401 takes the key out", API(401, "authentication_error"), KEY, KEY, REFUSED,
      "key not accepted" },
    { "402 takes the key out", API(402, "billing_error"), KEY, KEY, REFUSED, "payment needed" },
    { "403 takes the key out", API(403, "permission_error"), KEY, KEY, REFUSED,
      "key not allowed" },
    { "403 by moderation is the item's", API(403, NULL, .error_message = "Input failed moderation"),
      FAIL, FAIL, REFUSED, "refused by moderation" },
    { "404 stops the run", API(404, "not_found_error"), STOP, STOP, REFUSED,
      "model or address not found" },
    { "405 is final", BARE(405), FAIL, FAIL, REFUSED, "request not accepted" },
    { "407 is final", BARE(407), FAIL, FAIL, REFUSED, "request not accepted" },
    { "408 is tried again", BARE(408), AGAIN, FAIL, REFUSED, "request time-out" },
    { "409 is tried again", API(409, "conflict_error"), AGAIN, FAIL, REFUSED, "conflict" },
    { "410 is final", BARE(410), FAIL, FAIL, REFUSED, "request not accepted" },
    { "413 is final", BARE(413), FAIL, FAIL, REFUSED, "request too large" },
    { "422 is final", BARE(422), FAIL, FAIL, REFUSED, "request not processable" },
    { "429 waits", API(429, "rate_limit_error"), WAIT, FAIL, REFUSED, "rate limit" },
    { "429 without a body waits", BARE(429), WAIT, FAIL, REFUSED, "rate limit" },
    { "429 for one call above the limit is final",
      API(429, "tokens", .error_message = "Request too large for gpt-4o on tokens per min"), FAIL,
      FAIL, REFUSED, "request above the rate limit itself" },
    { "429 with a spent quota takes the key out", API(429, "insufficient_quota"), KEY, KEY,
      REFUSED, "spend limit reached" },
    { "429 with a spent limit in its code takes the key out",
      API(429, NULL, .error_code = "project_spend_limit_exceeded"), KEY, KEY, REFUSED,
      "spend limit reached" },
    { "429 with a spending cap in its code takes the key out",
      API(429, "rate_limit_error", .error_code = "enforced_spend_limit_reached"), KEY, KEY,
      REFUSED, "spend limit reached" },
    { "429 with a spent limit in its words takes the key out",
      API(429, NULL, .error_message = "You exceeded your current quota, please check"), KEY, KEY,
      REFUSED, "spend limit reached" },
    { "400 with an empty account takes the key out",
      API(400, "invalid_request_error", .error_message = "Your credit balance is too low"), KEY,
      KEY, REFUSED, "spend limit reached" },
    { "spending words do not matter elsewhere",
      API(500, "api_error", .error_message = "exceeded your current quota"), AGAIN, FAIL, REFUSED,
      "server error" },
    { "400 for an unknown model stops the run", API(400, NULL, .error_code = "model_not_found"),
      STOP, STOP, REFUSED, "model not found" },
    { "403 for an unknown model stops the run", API(403, NULL, .error_code = "model_not_found"),
      STOP, STOP, REFUSED, "model not found" },
    { "400 for an invalid model name stops the run",
      API(400, NULL, .error_message = "x/y is not a valid model ID"), STOP, STOP, REFUSED,
      "model not found" },
    { "500 is tried again", API(500, "api_error"), AGAIN, FAIL, REFUSED, "server error" },
    { "500 without the API's words may be billed", BARE(500), AGAIN, FAIL, UNKNOWN,
      "server error" },
    { "501 is tried again", BARE(501), AGAIN, FAIL, UNKNOWN, "server error" },
    { "502 from a gateway may be billed", BARE(502), AGAIN, FAIL, UNKNOWN, "bad gateway" },
    { "503 is tried again", BARE(503), AGAIN, FAIL, REFUSED, "service unavailable" },
    { "504 from the API is not billed", API(504, "timeout_error"), AGAIN, FAIL, REFUSED,
      "server time-out" },
    { "504 from a gateway may be billed", BARE(504), AGAIN, FAIL, UNKNOWN, "server time-out" },
    { "520 is tried again", BARE(520), AGAIN, FAIL, UNKNOWN, "server error" },
    { "529 is tried again", API(529, "overloaded_error"), AGAIN, FAIL, REFUSED, "overloaded" },
    { "599 is tried again", BARE(599), AGAIN, FAIL, UNKNOWN, "server error" },
    { "a redirect stops the run", BARE(302), STOP, STOP, UNKNOWN, "redirected elsewhere" },
    { "204 is no reply", BARE(204), AGAIN, FAIL, UNKNOWN, "reply not understood" },
    { "no status at all is no reply", BARE(0), AGAIN, FAIL, UNKNOWN, "reply not understood" },
    { "an error with 200 goes by the number in its code", API(200, NULL, .error_code = "502"),
      AGAIN, FAIL, UNKNOWN, "bad gateway" },
    { "an error with 200 goes by its type", API(200, "invalid_request_error"), FAIL, FAIL, REFUSED,
      "bad request" },
    { "a huge code is no status", API(200, NULL, .error_code = "99999999999999999999"), AGAIN,
      FAIL, UNKNOWN, "reply not understood" },

    { "x-should-retry: true makes a 400 retried",
      API(400, "invalid_request_error", .should_retry = CF_SHOULD_RETRY_YES), AGAIN, FAIL, REFUSED,
      "bad request" },
    { "x-should-retry: true on a 401 ends with the key out",
      API(401, "authentication_error", .should_retry = CF_SHOULD_RETRY_YES), AGAIN, KEY, REFUSED,
      "key not accepted" },
    { "x-should-retry: true keeps a 429 waiting",
      API(429, "rate_limit_error", .should_retry = CF_SHOULD_RETRY_YES), WAIT, FAIL, REFUSED,
      "rate limit" },
    { "x-should-retry: true does not refill an account",
      API(429, "insufficient_quota", .should_retry = CF_SHOULD_RETRY_YES), KEY, KEY, REFUSED,
      "spend limit reached" },
    { "x-should-retry: false ends a 500",
      API(500, "api_error", .should_retry = CF_SHOULD_RETRY_NO), FAIL, FAIL, REFUSED,
      "server error" },
    { "x-should-retry: false ends a 429",
      API(429, "rate_limit_error", .should_retry = CF_SHOULD_RETRY_NO), FAIL, FAIL, REFUSED,
      "rate limit" },
    { "x-should-retry: false leaves a 401 as it is",
      API(401, NULL, .should_retry = CF_SHOULD_RETRY_NO), KEY, KEY, REFUSED, "key not accepted" },

    { "a refused connection was never sent", NET(CONNECT_REFUSED), AGAIN, FAIL, NEVER,
      "connection refused" },
    { "an unknown host was never sent", NET(DNS), AGAIN, FAIL, NEVER, "host name not found" },
    { "a TLS failure was never sent", NET(TLS), AGAIN, FAIL, NEVER, "TLS failure" },
    { "a reset before the request was never sent", NET(RESET_BEFORE_SEND), AGAIN, FAIL, NEVER,
      "connection closed before the request" },
    { "a reset after a byte was written may be billed",
      NET(RESET_BEFORE_SEND, .request_written = true), AGAIN, FAIL, UNKNOWN,
      "connection closed before the request" },
    { "a reset after the request may be billed", NET(RESET_AFTER_SEND), AGAIN, FAIL, UNKNOWN,
      "connection reset" },
    { "a connect time-out was never sent", NET(TIMEOUT_CONNECT), AGAIN, FAIL, NEVER,
      "connect time-out" },
    { "a first-byte time-out may be billed", NET(TIMEOUT_FIRST_BYTE), AGAIN, FAIL, UNKNOWN,
      "no answer in time" },
    { "an idle time-out may be billed", NET(TIMEOUT_IDLE), AGAIN, FAIL, UNKNOWN, "reply stalled" },
    { "a total time-out may be billed", NET(TIMEOUT_TOTAL), AGAIN, FAIL, UNKNOWN,
      "call took too long" },
    { "a body cut short may be billed", NET(CUT_SHORT, .http_status = 200), AGAIN, FAIL, UNKNOWN,
      "reply cut short" },
    { "a reply that is none may be billed", NET(BAD_REPLY, .http_status = 200), AGAIN, FAIL,
      UNKNOWN, "reply not understood" },
    { "an overload inside a stream is tried again",
      NET(STREAM_ERROR, .http_status = 200, .error_type = "overloaded_error"), AGAIN, FAIL,
      UNKNOWN, "overloaded" },
    { "a rate limit inside a stream waits",
      NET(STREAM_ERROR, .http_status = 200, .error_type = "rate_limit_error"), WAIT, FAIL, UNKNOWN,
      "rate limit" },
    { "an unknown error inside a stream is tried again",
      NET(STREAM_ERROR, .http_status = 200, .error_type = "new_error"), AGAIN, FAIL, UNKNOWN,
      "error inside the stream" },
    { "a bad request inside a stream is final",
      NET(STREAM_ERROR, .http_status = 200, .error_type = "invalid_request_error"), FAIL, FAIL,
      UNKNOWN, "bad request" },
    { "a reply over our cap is final", NET(TOO_LARGE, .http_status = 200), FAIL, FAIL, UNKNOWN,
      "reply too large" },
    { "an impossible address stops the run", NET(BAD_URL), STOP, STOP, NEVER,
      "address not usable" },
    { "cancelled before sending", NET(CANCELLED), CF_VERDICT_CANCELLED, CF_VERDICT_CANCELLED,
      NEVER, "cancelled" },
    { "cancelled after sending may be billed", NET(CANCELLED, .request_written = true),
      CF_VERDICT_CANCELLED, CF_VERDICT_CANCELLED, UNKNOWN, "cancelled" },
    { "any other network failure may be billed", NET(OTHER), AGAIN, FAIL, UNKNOWN,
      "network failure" },
    { "a failure of no known kind is a network failure", { .transport = (enum cf_transport)99 },
      AGAIN, FAIL, UNKNOWN, "network failure" },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct cf_judgement judgement;
    cf_retry_classify(&row->failure, &judgement);
    assert_string_equal(cf_verdict_name(judgement.verdict), cf_verdict_name(row->verdict));
    assert_string_equal(cf_verdict_name(judgement.last), cf_verdict_name(row->last));
    assert_int_equal(judgement.billing, row->billing);
    assert_string_equal(judgement.reason, row->reason);
}

static void every_status_has_a_verdict(void **state)
{
    (void)state;
    for (int status = 100; status < 1000; status++) {
        struct cf_failure failure = { .http_status = status };
        struct cf_judgement judgement;
        cf_retry_classify(&failure, &judgement);
        bool again = judgement.verdict == AGAIN || judgement.verdict == WAIT;
        bool expected = status < 300 || status == 408 || status == 409 || status == 429 ||
                        status >= 500;
        assert_int_equal(again, expected);
        assert_true(judgement.last != AGAIN && judgement.last != WAIT);
        assert_true(judgement.reason[0] != '\0');
    }
}

static void every_transport_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < CF_TRANSPORTS; i++)
        assert_true(cf_transport_name((enum cf_transport)i)[0] != '\0');
    assert_string_equal(cf_transport_name(CF_TRANSPORTS), "network failure");
}

/* --- recorded error replies --- */

struct fixture_row { const char *name; int status; enum cf_verdict verdict; const char *message; };

static struct fixture_row fixture_rows[] = {
    { "provider/error_400.json", 400, FAIL,
      "HTTP 400, bad request: max_tokens: 200000 is above the maximum of 64000 for this model" },
    { "provider/error_400_prefill.json", 400, FAIL, NULL },
    { "provider/error_400_spend_limit.json", 400, KEY,
      "HTTP 400, spend limit reached: You have reached your specified API usage limits. Access "
      "resumes on 2026-12-01 at 00:00 UTC." },
    { "provider/error_401.json", 401, KEY, "HTTP 401, key not accepted: invalid x-api-key" },
    { "provider/error_402.json", 402, KEY, NULL },
    { "provider/error_403.json", 403, KEY, NULL },
    { "provider/error_404.json", 404, STOP,
      "HTTP 404, model or address not found: model: claude-3-5-sonnet-20241022" },
    { "provider/error_413.json", 413, FAIL, NULL },
    { "provider/error_429.json", 429, WAIT, NULL },
    { "provider/error_429_spend_cap.json", 429, KEY, NULL },
    { "provider/error_500.json", 500, AGAIN, NULL },
    { "provider/error_504.json", 504, AGAIN, NULL },
    { "provider/error_529.json", 529, AGAIN, NULL },
    { "retry/chat_error_400_context.json", 400, FAIL, NULL },
    { "retry/chat_error_429_quota.json", 429, KEY, NULL },
    { "retry/chat_error_429_rate.json", 429, WAIT, NULL },
    { "retry/chat_error_429_spend_limit.json", 429, KEY, NULL },
    { "retry/chat_error_http200_openrouter.json", 200, AGAIN, NULL },
    { "retry/chat_error_llamacpp_503.json", 503, AGAIN, NULL },
    { "retry/chat_error_openrouter_402.json", 402, KEY, NULL },
};

static const char *text_of(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static void check_fixture(void **state)
{
    const struct fixture_row *row = *state;
    cJSON *tree = test_json_load(row->name);
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(tree, "error");
    const cJSON *details = cJSON_GetObjectItemCaseSensitive(error, "details");
    const cJSON *code = cJSON_GetObjectItemCaseSensitive(error, "code");
    char number[16] = "";
    if (cJSON_IsNumber(code))
        snprintf(number, sizeof number, "%d", code->valueint);

    struct cf_failure failure = {
        .http_status = row->status,
        .error_type = text_of(error, "type"),
        .error_code = details ? text_of(details, "error_code")
                              : number[0] ? number : text_of(error, "code"),
        .error_message = text_of(error, "message"),
        .request_written = true,
        .retry_after_ms = -1,
    };
    struct cf_judgement judgement;
    cf_retry_classify(&failure, &judgement);
    assert_string_equal(cf_verdict_name(judgement.verdict), cf_verdict_name(row->verdict));
    assert_int_equal(judgement.billing, row->status == 200 ? UNKNOWN : REFUSED);

    struct cf_error err;
    cf_retry_error(&failure, &err);
    assert_int_equal(err.kind, CF_ERR_API);
    assert_int_equal(err.http_status, row->status);
    assert_int_equal(err.retryable, row->verdict == AGAIN || row->verdict == WAIT);
    assert_int_equal(err.retry_after_ms, -1);
    if (row->message != NULL)
        assert_string_equal(err.message, row->message);
    cJSON_Delete(tree);
}

/* --- as an error --- */

static void a_network_failure_reads_as_one(void **state)
{
    (void)state;
    struct cf_error err;
    struct cf_failure failure = NET(CONNECT_REFUSED, .error_message = "127.0.0.1:9",
                                    .retry_after_ms = -1);
    cf_retry_error(&failure, &err);
    assert_string_equal(err.message, "connection refused: 127.0.0.1:9");
    assert_true(err.retryable);
    failure.error_message = "";
    cf_retry_error(&failure, &err);
    assert_string_equal(err.message, "connection refused");
}

static void an_error_is_one_line(void **state)
{
    (void)state;
    struct cf_error err;
    struct cf_failure failure = API(529, "overloaded_error", .error_message = "a\nb\tc\x7f",
                                    .retry_after_ms = 700);
    cf_retry_error(&failure, &err);
    assert_string_equal(err.message, "HTTP 529, overloaded: a b c ");
    assert_int_equal(err.retry_after_ms, 700);
}

static void a_cancelled_call_is_cancelled(void **state)
{
    (void)state;
    struct cf_error err;
    struct cf_failure failure = NET(CANCELLED, .retry_after_ms = -1);
    cf_retry_error(&failure, &err);
    assert_int_equal(err.kind, CF_ERR_CANCELLED);
    assert_false(err.retryable);
}

int main(void)
{
    static const struct CMUnitTest plain[] = {
        cmocka_unit_test(every_status_has_a_verdict),
        cmocka_unit_test(every_transport_has_a_name),
        cmocka_unit_test(a_network_failure_reads_as_one),
        cmocka_unit_test(an_error_is_one_line),
        cmocka_unit_test(a_cancelled_call_is_cancelled),
    };
    struct CMUnitTest tests[COUNT(plain) + COUNT(rows) + COUNT(fixture_rows)];
    size_t n = 0;
    for (size_t i = 0; i < COUNT(plain); i++)
        tests[n++] = plain[i];
    for (size_t i = 0; i < COUNT(rows); i++)
        tests[n++] = (struct CMUnitTest){ rows[i].name, check_row, NULL, NULL, &rows[i] };
    for (size_t i = 0; i < COUNT(fixture_rows); i++)
        tests[n++] = (struct CMUnitTest){ fixture_rows[i].name, check_fixture, NULL, NULL,
                                          &fixture_rows[i] };
    return cmocka_run_group_tests_name("retry_classify", tests, NULL, NULL);
}
