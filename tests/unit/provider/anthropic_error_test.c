#include "provider/anthropic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "confab/error.h"
#include "test_file.h"

#define FIXTURE_ID "req_011FixtureAAAAAAAAAAAAAA"

struct row {
    const char *name, *file;     /* a fixture, or NULL and then body */
    const char *body;
    int status;
    const char *type, *message, *code, *request_id;
    enum cf_error_kind kind;
    const char *as_error;        /* NULL: not compared */
};

static struct row rows[] = {
    { "a bad parameter", "error_400.json", NULL, 400, "invalid_request_error",
      "max_tokens: 200000 is above the maximum of 64000 for this model", "", FIXTURE_ID, CF_ERR_API,
      "400 invalid_request_error: max_tokens: 200000 is above the maximum of 64000 for this model "
      "(" FIXTURE_ID ")" },
    { "a prefill on a new model", "error_400_prefill.json", NULL, 400, "invalid_request_error",
      "This model does not support assistant message prefill. The conversation must end with a "
      "user message.", "", FIXTURE_ID, CF_ERR_API, NULL },
    { "our own spend limit", "error_400_spend_limit.json", NULL, 400, "invalid_request_error",
      "You have reached your specified API usage limits. Access resumes on 2026-12-01 at 00:00 "
      "UTC.",
      "", FIXTURE_ID, CF_ERR_API, NULL },
    { "a bad key", "error_401.json", NULL, 401, "authentication_error", "invalid x-api-key", "",
      FIXTURE_ID, CF_ERR_API, "401 authentication_error: invalid x-api-key (" FIXTURE_ID ")" },
    { "a payment problem", "error_402.json", NULL, 402, "billing_error",
      "Fixture text: a billing problem prevents this request", "", FIXTURE_ID, CF_ERR_API, NULL },
    { "a forbidden resource", "error_403.json", NULL, 403, "permission_error",
      "Fixture text: this key is not allowed to use the requested resource", "", FIXTURE_ID,
      CF_ERR_API, NULL },
    { "an unknown model", "error_404.json", NULL, 404, "not_found_error",
      "model: claude-3-5-sonnet-20241022", "", FIXTURE_ID, CF_ERR_API, NULL },
    { "too large a request", "error_413.json", NULL, 413, "request_too_large",
      "Request exceeds the maximum size", "", FIXTURE_ID, CF_ERR_API, NULL },
    { "a rate limit", "error_429.json", NULL, 429, "rate_limit_error",
      "This request would exceed the rate limit of 2,000,000 input tokens per minute for your "
      "organization", "", FIXTURE_ID, CF_ERR_RATE_LIMIT, NULL },
    { "a spend cap", "error_429_spend_cap.json", NULL, 429, "rate_limit_error",
      "You have reached your API usage limits: your organization has crossed its monthly API usage "
      "threshold.", "enforced_spend_limit_reached", FIXTURE_ID, CF_ERR_RATE_LIMIT, NULL },
    { "a server error", "error_500.json", NULL, 500, "api_error", "Internal server error", "",
      FIXTURE_ID, CF_ERR_API, NULL },
    { "a gateway that answers HTML", "error_502_proxy.html", NULL, 502, "",
      "the reply is an HTML page: <html> <head><title>502 Bad Gateway</title></head> "
      "<body><center><h1>502 Bad Gateway</h1></center></body> </html>", "", "", CF_ERR_API, NULL },
    { "a time-out of the server", "error_504.json", NULL, 504, "timeout_error", "Request timed out",
      "", FIXTURE_ID, CF_ERR_API, NULL },
    { "an overload", "error_529.json", NULL, 529, "overloaded_error", "Overloaded", "", FIXTURE_ID,
      CF_ERR_API, "529 overloaded_error: Overloaded (" FIXTURE_ID ")" },
    { "an empty body", NULL, "", 503, "", "the reply is empty", "", "", CF_ERR_API,
      "503: the reply is empty" },
    { "a plain text", NULL, "upstream\nconnect error", 503, "",
      "the reply explains nothing, it begins with: upstream connect error", "", "", CF_ERR_API,
      "503: the reply explains nothing, it begins with: upstream connect error" },
    { "JSON of another make", NULL, "{\"error\":\"no such model\"}", 404, "",
      "the reply explains nothing, it begins with: {\"error\":\"no such model\"}", "", "",
      CF_ERR_API, NULL },
    { "fields of other types", NULL, "{\"error\":{\"type\":7,\"message\":[]},\"request_id\":{}}",
      500, "", "the reply explains nothing, it begins with: "
      "{\"error\":{\"type\":7,\"message\":[]},\"request_id\":{}}", "", "", CF_ERR_API, NULL },
    { "a type without a message", NULL, "{\"type\":\"error\",\"error\":{\"type\":\"api_error\"}}",
      500, "api_error", "the reply explains nothing, it begins with: "
      "{\"type\":\"error\",\"error\":{\"type\":\"api_error\"}}", "", "", CF_ERR_API, NULL },
    { "JSON that is no object", NULL, "[1]", 500, "",
      "the reply explains nothing, it begins with: [1]", "", "", CF_ERR_API, NULL },
    { "a message with control characters", NULL,
      "{\"error\":{\"type\":\"api_error\",\"message\":\"a\\u001b[2J\\nb\"}}", 500, "api_error",
      "a?[2J b", "", "", CF_ERR_API, NULL },
};

static void reads_the_error(void **state)
{
    const struct row *row = *state;
    size_t len;
    char *body;
    if (row->file != NULL) {
        char path[512];
        snprintf(path, sizeof path, "%s/provider/%s", TEST_DATA, row->file);
        body = test_file_read(path, &len);
    } else {
        body = strdup(row->body);
        len = strlen(body);
    }

    struct cf_api_error error;
    cf_anthropic_error(row->status, NULL, body, len, &error);
    assert_int_equal(error.status, row->status);
    assert_string_equal(error.type, row->type);
    assert_string_equal(error.message, row->message);
    assert_string_equal(error.code, row->code);
    assert_string_equal(error.request_id, row->request_id);
    assert_int_equal(error.is_envelope, row->type[0] != '\0');

    struct cf_error err;
    assert_false(cf_api_error_fail(&error, &err));
    assert_int_equal(err.kind, row->kind);
    assert_int_equal(err.http_status, row->status);
    assert_false(err.retryable);
    assert_int_equal(err.retry_after_ms, -1);
    if (row->as_error != NULL)
        assert_string_equal(err.message, row->as_error);
    free(body);
}

static void the_request_id_header_comes_first(void **state)
{
    (void)state;
    struct cf_http_headers headers = { 0 };
    cf_http_headers_add_line(&headers, "Request-Id: req_header", 22);
    const char *body = "{\"error\":{\"type\":\"x\",\"message\":\"y\"},\"request_id\":\"req_body\"}";
    struct cf_api_error error;
    cf_anthropic_error(500, &headers, body, strlen(body), &error);
    assert_string_equal(error.request_id, "req_header");
    cf_http_headers_done(&headers);
    assert_false(cf_api_error_fail(&error, NULL));
}

static void long_texts_are_cut(void **state)
{
    (void)state;
    char message[3001], body[4096];
    memset(message, 'm', 3000);
    message[3000] = '\0';
    snprintf(body, sizeof body, "{\"error\":{\"type\":\"api_error\",\"message\":\"%s\"}}", message);
    struct cf_api_error error;
    cf_anthropic_error(500, NULL, body, strlen(body), &error);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
    assert_string_equal(error.message + sizeof error.message - 4, "...");
}

int main(void)
{
    enum { ROWS = sizeof rows / sizeof rows[0] };
    struct CMUnitTest tests[ROWS + 2] = { 0 };
    for (size_t i = 0; i < ROWS; i++)
        tests[i] = (struct CMUnitTest){ .name = rows[i].name, .test_func = reads_the_error,
                                        .initial_state = &rows[i] };
    tests[ROWS] = (struct CMUnitTest)cmocka_unit_test(the_request_id_header_comes_first);
    tests[ROWS + 1] = (struct CMUnitTest)cmocka_unit_test(long_texts_are_cut);
    return cmocka_run_group_tests_name("anthropic_error", tests, NULL, NULL);
}
