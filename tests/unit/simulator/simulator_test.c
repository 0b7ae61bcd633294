#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "client.h"

#define BODY(n)                                                                              \
    "{\"model\":\"claude-sonnet-5-5\",\"max_tokens\":4000,\"messages\":[{\"role\":\"user\"," \
    "\"content\":\"Write a chat of 8 turns as JSON about parcel " #n "\"}]}"
#define STREAM                                                                             \
    "{\"model\":\"claude-sonnet-5-5\",\"max_tokens\":4000,\"stream\":true,\"messages\":[{" \
    "\"role\":\"user\","                                                                   \
    "\"content\":\"Write a chat of 8 turns as JSON about tea\"}]}"

static void check_answer(struct cf_simulator *sim, int fd, int status, const char *part)
{
    struct answer answer = read_answer(sim, fd);
    assert_int_equal(answer.end, ANSWER_WHOLE);
    assert_int_equal(answer.status, status);
    if (strstr(body_of(&answer), part) == NULL)
        fail_msg("no %s in %s", part, body_of(&answer));
    free_answer(&answer);
}

static void a_connection_serves_many_requests(void **state)
{
    (void)state;
    struct cf_simulator *sim = open_simulator("", NULL, NULL);
    struct cf_simulator_counters counters;
    int fd = connect_to(sim);
    for (int i = 0; i < 5; i++) {
        send_message(fd, BODY(1));
        check_answer(sim, fd, 200, "\"stop_reason\":\"end_turn\"");
    }
    cf_simulator_counters(sim, &counters);
    assert_int_equal(counters.connections, 1);
    assert_int_equal(counters.requests, 5);
    assert_int_equal(counters.replies, 5);
    assert_int_equal(counters.in_flight, 0);
    assert_int_equal(counters.peak_in_flight, 1);
    assert_true(counters.output_tokens > 500);
    close(fd);
    cf_simulator_free(sim);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    struct cf_simulator *sim = open_simulator("latency=fixed:100", NULL, NULL);
    int fd = connect_to(sim);
    send_message(fd, BODY(1));
    send_message(fd, "{}");
    settle(sim);
    advance(sim, 100);
    check_answer(sim, fd, 200, "end_turn");
    check_answer(sim, fd, 400, "model: Field required");
    close(fd);
    cf_simulator_free(sim);
}

static void a_reply_waits_for_its_latency(void **state)
{
    (void)state;
    struct cf_simulator *sim = open_simulator("latency=fixed:200", NULL, NULL);
    int fd[50];
    struct cf_simulator_counters counters;
    for (int i = 0; i < 50; i++) {
        fd[i] = connect_to(sim);
        send_message(fd[i], BODY(1));
    }
    settle(sim);
    advance(sim, 199);
    cf_simulator_counters(sim, &counters);
    assert_int_equal(counters.in_flight, 50);
    assert_int_equal(counters.replies, 0);
    advance(sim, 1);
    for (int i = 0; i < 50; i++) {
        check_answer(sim, fd[i], 200, "end_turn");
        close(fd[i]);
    }
    cf_simulator_counters(sim, &counters);
    assert_int_equal(counters.peak_in_flight, 50);
    assert_int_equal(counters.in_flight, 0);
    cf_simulator_free(sim);
}

static void requests_over_the_limit_are_refused_until_it_refills(void **state)
{
    (void)state;
    struct cf_simulator *sim = open_simulator("rpm=2", NULL, NULL);
    struct cf_simulator_counters counters;
    int fd = connect_to(sim);
    send_message(fd, BODY(1));
    check_answer(sim, fd, 200, "");
    send_message(fd, BODY(2));
    check_answer(sim, fd, 200, "");
    send_message(fd, BODY(3));
    struct answer answer = read_answer(sim, fd);
    assert_int_equal(answer.status, 429);
    assert_true(has_header(&answer, "\r\nretry-after: 30\r\n"));
    assert_true(has_header(&answer, "\r\nanthropic-ratelimit-requests-remaining: 0\r\n"));
    assert_true(has_header(&answer, "\r\nanthropic-ratelimit-requests-reset: "));
    assert_true(has_header(&answer, "\r\nrequest-id: req_"));
    assert_true(has_header(&answer, "\r\nanthropic-organization-id: "));
    assert_non_null(strstr(body_of(&answer), "\"type\":\"rate_limit_error\""));
    assert_non_null(strstr(body_of(&answer), "2 requests per minute"));
    free_answer(&answer);
    advance(sim, 29999);
    send_message(fd, BODY(3));
    check_answer(sim, fd, 429, "rate_limit_error");
    advance(sim, 1);
    send_message(fd, BODY(3));
    check_answer(sim, fd, 200, "");
    cf_simulator_counters(sim, &counters);
    assert_int_equal(counters.refused, 2);
    assert_int_equal(counters.most_in_window, 5);
    close(fd);
    cf_simulator_free(sim);
}

static void the_window_slides(void **state)
{
    (void)state;
    struct cf_simulator *sim = open_simulator("", NULL, NULL);
    struct cf_simulator_counters counters;
    int fd = connect_to(sim);
    for (int i = 0; i < 4; i++) {          /* at 0, 30, 60 and 90 s: a window of 60 s holds two */
        send_message(fd, BODY(1));
        check_answer(sim, fd, 200, "");
        advance(sim, 30000);
    }
    cf_simulator_counters(sim, &counters);
    assert_int_equal(counters.most_in_window, 2);
    close(fd);
    cf_simulator_free(sim);
}

static void a_limit_changes_at_its_time(void **state)
{
    (void)state;
    struct cf_simulator *sim = open_simulator("rpm@10s=1", NULL, NULL);
    int fd = connect_to(sim);
    for (int i = 0; i < 3; i++) {
        send_message(fd, BODY(1));
        check_answer(sim, fd, 200, "");
    }
    advance(sim, 10000);
    send_message(fd, BODY(1));
    check_answer(sim, fd, 200, "");
    send_message(fd, BODY(1));
    check_answer(sim, fd, 429, "1 requests per minute");
    close(fd);
    cf_simulator_free(sim);
}

static void keys_share_a_limit_unless_each_is_an_organisation(void **state)
{
    (void)state;
    static const char second[] = "x-api-key: key-2\r\nanthropic-version: 2023-06-01\r\n";
    for (int by_key = 0; by_key < 2; by_key++) {
        struct cf_simulator *sim = open_simulator(by_key ? "rpm=1,orgs=key" : "rpm=1", NULL, NULL);
        int fd = connect_to(sim);
        send_message(fd, BODY(1));
        check_answer(sim, fd, 200, "");
        send_request(fd, "/messages", second, BODY(1));
        check_answer(sim, fd, by_key ? 200 : 429, "");
        close(fd);
        cf_simulator_free(sim);
    }
}

static void models_of_another_class_have_limits_of_their_own(void **state)
{
    (void)state;
    struct cf_simulator *sim = open_simulator("rpm=1", NULL, NULL);
    int fd = connect_to(sim);
    static const struct { const char *model; int status;
    } rows[] = {
        { "claude-opus-4-7", 200 },
        { "claude-opus-4-8", 429 },
        { "claude-haiku-4-5-20251001", 200 },
        { "claude-haiku-4-5", 429 },
        { "claude-opus-5", 200 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char body[300];
        snprintf(body, sizeof body,
                 "{\"model\":\"%s\",\"max_tokens\":40,\"messages\":[{\"role\":\"user\","
                 "\"content\":\"Hi\"}]}",
                 rows[i].model);
        send_message(fd, body);
        check_answer(sim, fd, rows[i].status, "");
    }
    close(fd);
    cf_simulator_free(sim);
}

/* --- wrong requests --- */

#define FORMAT(schema)                                                             \
    "{\"model\":\"m\",\"max_tokens\":900,\"output_config\":{\"format\":{\"type\":" \
    "\"json_schema\",\"schema\":" schema                                           \
    "}},\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"

static struct wrong {
    const char *name, *path, *headers, *body;
    int status;
    const char *part;
} wrongs[] = {
    { "a missing key is a 401", "/v1/messages", "anthropic-version: 2023-06-01\r\n", BODY(1), 401,
      "\"type\":\"authentication_error\"" },
    { "another key is a 401", "/v1/messages",
      "x-api-key: key-2\r\nanthropic-version: 2023-06-01\r\n", BODY(1), 401, "invalid x-api-key" },
    { "two credentials are a 401", "/v1/messages", KEY "authorization: Bearer x\r\n", BODY(1), 401,
      "both x-api-key and authorization" },
    { "a missing version is a 400", "/v1/messages", "x-api-key: key-1\r\n", BODY(1), 400,
      "anthropic-version" },
    { "an unknown path is a 404", "/v1/nothing", KEY, BODY(1), 404,
      "\"type\":\"not_found_error\"" },
    { "a POST of the models is a 405", "/v1/models", KEY, "{}", 405, "Method Not Allowed" },
    { "broken JSON is a 400", "/v1/messages", KEY, "{\"model\":", 400, "not valid JSON" },
    { "an array is a 400", "/v1/messages", KEY, "[]", 400, "valid dictionary" },
    { "a missing model is named", "/v1/messages", KEY, "{}", 400, "model: Field required" },
    { "a missing max_tokens is named", "/v1/messages", KEY, "{\"model\":\"m\"}", 400,
      "max_tokens: Field required" },
    { "a max_tokens of 0 is a 400", "/v1/messages", KEY, "{\"model\":\"m\",\"max_tokens\":0}", 400,
      "max_tokens" },
    { "missing messages are named", "/v1/messages", KEY, "{\"model\":\"m\",\"max_tokens\":9}", 400,
      "messages: Field required" },
    { "empty messages are a 400", "/v1/messages", KEY,
      "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[]}", 400, "at least one message" },
    { "the assistant cannot begin", "/v1/messages", KEY,
      "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":"
      "\"assistant\",\"content\":\"x\"}]}",
      400, "first message must use" },
    { "an empty content is a 400", "/v1/messages", KEY,
      "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":"
      "\"user\",\"content\":\"\"}]}",
      400, "non-empty" },
    { "an unknown field is a 400", "/v1/messages", KEY,
      "{\"model\":\"m\",\"max_tokens\":9,\"n\":1,\"messages\":[]}", 400,
      "n: Extra inputs are not permitted" },
    { "a temperature above 1 is a 400", "/v1/messages", KEY,
      "{\"model\":\"m\",\"max_tokens\":9,\"temperature\":1.5,"
      "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
      400, "temperature" },
    { "new models refuse a temperature", "/v1/messages", KEY,
      "{\"model\":\"claude-opus-4-7\",\"max_tokens\":9,"
      "\"temperature\":0.5,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
      400, "not supported by this model" },
    { "older models take a temperature", "/v1/messages", KEY,
      "{\"model\":\"claude-opus-4-6\",\"max_tokens\":9,"
      "\"temperature\":0.5,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
      200, "" },
    { "new models refuse a prefill", "/v1/messages", KEY,
      "{\"model\":\"claude-opus-4-6\",\"max_tokens\":9,"
      "\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":\"{"
      "\"}]}",
      400, "prefill" },
    { "more than the model can say is a 400", "/v1/messages", KEY,
      "{\"model\":\"claude-haiku-4-5\",\"max_tokens\":64001,"
      "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
      400, "above the maximum of 64000" },
    { "some models cannot stop thinking", "/v1/messages", KEY,
      "{\"model\":\"claude-sonnet-5-5\",\"max_tokens\":9,"
      "\"thinking\":{\"type\":\"disabled\"},\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
      400, "thinking" },
    { "the newest models refuse a forced tool", "/v1/messages", KEY,
      "{\"model\":\"claude-sonnet-5-5\",\"max_tokens\":9,"
      "\"tools\":[{\"name\":\"t\",\"input_schema\":{}}],\"tool_choice\":{\"type\":\"any\"},"
      "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
      400, "tool_choice" },
    { "a schema that is taken", "/v1/messages", KEY,
      FORMAT("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},"
             "\"additionalProperties\":false}"),
      200, "" },
    { "an open object in a schema is a 400", "/v1/messages", KEY,
      FORMAT("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}}}"), 400,
      "must be explicitly set to false" },
    { "a length in a schema is a 400", "/v1/messages", KEY,
      FORMAT("{\"type\":\"string\",\"maxLength\":3}"), 400,
      "property 'maxLength' is not supported" },
    { "so is a count above one", "/v1/messages", KEY,
      FORMAT("{\"type\":\"array\",\"items\":{\"type\":\"null\"},\"minItems\":2}"), 400,
      "other than 0 or 1" },
    { "a schema that refers to itself is a 400", "/v1/messages", KEY,
      FORMAT("{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/"
             "$defs/a\"}}}}"),
      400, "recursive definitions" },
    { "a reference elsewhere is a 400", "/v1/messages", KEY,
      FORMAT("{\"$ref\":\"https://example.org\"}"), 400, "external" },
    { "a schema without a type is a 400", "/v1/messages", KEY, FORMAT("{\"description\":\"x\"}"),
      400, "needs a 'type'" },
    { "lists in an enum are a 400", "/v1/messages", KEY,
      FORMAT("{\"type\":\"array\",\"items\":{\"type\":\"null\"},\"enum\":[[1]]}"), 400,
      "complex types" },
    { "tokens can be counted", "/v1/messages/count_tokens", KEY, "{\"messages\":[]}", 200,
      "\"input_tokens\":" },
};

static void check_wrong(void **state)
{
    const struct wrong *row = *state;
    struct cf_simulator *sim = open_simulator("", NULL, "key-1");
    int fd = connect_to(sim);
    send_request(fd, row->path, row->headers, row->body);
    check_answer(sim, fd, row->status, row->part);
    close(fd);
    cf_simulator_free(sim);
}

static void a_body_that_is_too_large_is_a_413_that_can_be_read(void **state)
{
    (void)state;
    struct cf_simulator *sim = open_simulator("", NULL, NULL);
    int fd = connect_to(sim);
    send_text(fd, "POST /v1/messages HTTP/1.1\r\ncontent-length: 99999999\r\n\r\nsome of it");
    struct answer answer = read_answer(sim, fd);
    assert_int_equal(answer.status, 413);
    assert_non_null(strstr(body_of(&answer), "request_too_large"));
    free_answer(&answer);
    send_text(fd, "and more of it");
    answer = read_answer(sim, fd);
    assert_int_equal(answer.end, ANSWER_CLOSED);
    free_answer(&answer);
    close(fd);
    cf_simulator_free(sim);
}

static void models_and_stats_can_be_read(void **state)
{
    (void)state;
    struct cf_simulator *sim = open_simulator("", NULL, NULL);
    int fd = connect_to(sim);
    send_text(fd, "GET /v1/models?limit=1 HTTP/1.1\r\n" KEY "\r\n");
    check_answer(sim, fd, 200, "\"id\":\"claude-sonnet-5-5\"");
    send_text(fd, "GET /v1/models HTTP/1.1\r\n\r\n");
    check_answer(sim, fd, 401, "authentication_error");
    send_message(fd, BODY(1));
    check_answer(sim, fd, 200, "");
    send_text(fd, "GET /__stats HTTP/1.1\r\n\r\n");
    check_answer(sim, fd, 200, "{\"requests\":1,\"replies\":1,\"refused\":0,");
    close(fd);
    cf_simulator_free(sim);
}

static void a_client_that_waits_is_told_to_go_on(void **state)
{
    (void)state;
    struct cf_simulator *sim = open_simulator("", NULL, NULL);
    int fd = connect_to(sim);
    char head[300];
    snprintf(head, sizeof head,
             "POST /messages HTTP/1.1\r\n" KEY
             "expect: 100-continue\r\ncontent-length: %zu\r\n\r\n",
             strlen(BODY(1)));
    send_text(fd, head);
    struct answer answer = read_answer(sim, fd);
    assert_int_equal(answer.status, 100);
    free_answer(&answer);
    send_text(fd, BODY(1));
    check_answer(sim, fd, 200, "end_turn");
    close(fd);
    cf_simulator_free(sim);
}

/* --- faults --- */

static struct fault {
    const char *name, *spec, *body;
    int end, status;
    const char *part;
} faults[] = {
    { "400", "faults=400@1", BODY(1), ANSWER_WHOLE, 400, "invalid_request_error" },
    { "401", "faults=401@1", BODY(1), ANSWER_WHOLE, 401, "authentication_error" },
    { "402", "faults=402@1", BODY(1), ANSWER_WHOLE, 402, "billing_error" },
    { "403", "faults=403@1", BODY(1), ANSWER_WHOLE, 403, "permission_error" },
    { "404", "faults=404@1", BODY(1), ANSWER_WHOLE, 404, "not_found_error" },
    { "408", "faults=408@1", BODY(1), ANSWER_WHOLE, 408, "timeout_error" },
    { "413", "faults=413@1", BODY(1), ANSWER_WHOLE, 413, "request_too_large" },
    { "429", "faults=429@1", BODY(1), ANSWER_WHOLE, 429, "rate_limit_error" },
    { "500", "faults=500@1", BODY(1), ANSWER_WHOLE, 500, "api_error" },
    { "502 comes as HTML", "faults=502@1", BODY(1), ANSWER_WHOLE, 502, "<h1>502 Bad Gateway</h1>" },
    { "503", "faults=503@1", BODY(1), ANSWER_WHOLE, 503, "api_error" },
    { "504", "faults=504@1", BODY(1), ANSWER_WHOLE, 504, "timeout_error" },
    { "529", "faults=529@1", BODY(1), ANSWER_WHOLE, 529, "overloaded_error" },
    { "spend_cap", "faults=spend_cap@1", BODY(1), ANSWER_WHOLE, 429,
      "enforced_spend_limit_reached" },
    { "a reset before the reply", "faults=reset@1", BODY(1), ANSWER_RESET, 0, "" },
    { "a reset in mid-body", "faults=reset_body@1", BODY(1), ANSWER_RESET, 200,
      "\"type\":\"message\"" },
    { "a body cut short", "faults=cut@1", BODY(1), ANSWER_CLOSED, 200, "\"type\":\"message\"" },
    { "a stream cut short", "faults=cut@1", STREAM, ANSWER_CLOSED, 200, "event: message_start" },
    { "a slow trickle", "faults=trickle@1", BODY(1), ANSWER_NONE, 0, "" },
    { "half an answer, and no end", "faults=stall@1", BODY(1), ANSWER_NONE, 200,
      "\"type\":\"message\"" },
    { "half a stream, and no end", "faults=stall@1", STREAM, ANSWER_NONE, 200,
      "content_block_delta" },
    { "no answer", "faults=silent@1", BODY(1), ANSWER_NONE, 0, "" },
    { "an error inside a stream", "faults=stream_error@1", STREAM, ANSWER_WHOLE, 200,
      "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"" },
    { "an empty message", "faults=empty@1", BODY(1), ANSWER_WHOLE, 200, "\"content\":[]" },
    { "a refusal", "faults=refusal@1", BODY(1), ANSWER_WHOLE, 200, "\"stop_reason\":\"refusal\"" },
    { "a cut at the limit", "faults=max_tokens@1", BODY(1), ANSWER_WHOLE, 200,
      "\"stop_reason\":\"max_tokens\"" },
    { "a malformed text", "faults=malformed:refusal_text@1", BODY(1), ANSWER_WHOLE, 200,
      "I'm not able to write this conversation" },
};

/* The first request meets the fault, the second, the same, its normal reply. */
static void check_fault(void **state)
{
    const struct fault *row = *state;
    struct cf_simulator *sim = open_simulator(row->spec, NULL, NULL);
    int fd = connect_to(sim);
    send_message(fd, row->body);
    struct answer answer = read_answer(sim, fd);
    assert_int_equal(answer.end, row->end);
    assert_int_equal(answer.status, row->status);
    assert_non_null(strstr(cf_buf_str(&answer.bytes), row->part));
    if (answer.status == 429)
        assert_int_equal(has_header(&answer, "retry-after: "), strcmp(row->name, "429") == 0);
    free_answer(&answer);
    close(fd);

    fd = connect_to(sim);
    send_message(fd, row->body);
    check_answer(sim, fd, 200, "end_turn");
    close(fd);

    struct cf_simulator_counters counters;
    uint64_t sum = 0;
    cf_simulator_counters(sim, &counters);
    for (unsigned i = 0; cf_simulator_fault_name(i) != NULL; i++)
        sum += counters.faults[i];
    assert_int_equal(sum, 1);
    cf_simulator_free(sim);
}

static void a_broken_envelope_is_a_200_without_a_message(void **state)
{
    (void)state;
    struct cf_simulator *sim = open_simulator("faults=bad_envelope", NULL, NULL);
    int fd = connect_to(sim), kinds = 0;
    for (int i = 0; i < 20; i++) {
        char body[300];
        snprintf(body, sizeof body,
                 "{\"model\":\"m\",\"max_tokens\":400,\"messages\":[{\"role\":\"user\",\"content\":"
                 "\"%d\"}]}",
                 i);
        send_message(fd, body);
        struct answer answer = read_answer(sim, fd);
        assert_int_equal(answer.status, 200);
        assert_false(cf_json_check(body_of(&answer), strlen(body_of(&answer)), NULL, NULL)
                     && strstr(body_of(&answer), "\"usage\":{") != NULL);
        kinds |= answer.bytes.len == answer.body_at ? 1 : body_of(&answer)[0] == '<' ? 2 : 4;
        free_answer(&answer);
    }
    assert_int_equal(kinds, 7);
    close(fd);
    cf_simulator_free(sim);
}

static void a_trickled_body_arrives_in_its_time(void **state)
{
    (void)state;
    struct cf_simulator *sim = open_simulator("faults=trickle,trickle=5s", NULL, NULL);
    int fd = connect_to(sim);
    send_message(fd, BODY(1));
    settle(sim);
    for (int ms = 0; ms < 4800; ms += 100)
        advance(sim, 100);
    struct cf_simulator_counters counters;
    cf_simulator_counters(sim, &counters);
    assert_int_equal(counters.replies, 0);
    for (int ms = 0; ms < 400; ms += 100)
        advance(sim, 100);
    check_answer(sim, fd, 200, "end_turn");
    close(fd);
    cf_simulator_free(sim);
}

/* The statuses of 40 bodies, three attempts each, asked in either order. */
static void run_in_order(bool is_reversed, int status[40][3])
{
    struct cf_simulator *sim = open_simulator("faults=500:30%;529:20%,seed=3", NULL, NULL);
    int fd = connect_to(sim);
    for (int i = 0; i < 120; i++) {
        int item = is_reversed ? 39 - i % 40 : i % 40;
        char body[300];
        snprintf(body, sizeof body,
                 "{\"model\":\"m\",\"max_tokens\":40,\"messages\":[{\"role\":\"user\",\"content\":"
                 "\"%d\"}]}",
                 item);
        send_message(fd, body);
        struct answer answer = read_answer(sim, fd);
        status[item][i / 40] = answer.status;
        free_answer(&answer);
    }
    close(fd);
    cf_simulator_free(sim);
}

static void faults_by_chance_do_not_depend_on_the_order(void **state)
{
    (void)state;
    int forward[40][3], backward[40][3], good = 0, changed = 0;
    run_in_order(false, forward);
    run_in_order(true, backward);
    assert_memory_equal(forward, backward, sizeof forward);
    for (int i = 0; i < 40; i++) {
        good += forward[i][0] == 200;
        changed += forward[i][0] != forward[i][1];
    }
    assert_in_range(good, 10, 30);
    assert_true(changed > 5);              /* an attempt draws anew */
}

/* --- streams, slow readers, clients that go --- */

static void a_stream_has_its_events_in_order(void **state)
{
    (void)state;
    static const char *const events[] = {
        "event: message_start",         "event: content_block_start", "event: ping",
        "event: content_block_delta",   "event: content_block_stop",  "event: message_delta",
        "\"stop_reason\":\"end_turn\"", "event: message_stop"
    };
    struct cf_simulator *sim = open_simulator("", NULL, NULL);
    int fd = connect_to(sim);
    send_message(fd, STREAM);
    struct answer answer = read_answer(sim, fd);
    assert_true(has_header(&answer, "content-type: text/event-stream"));
    const char *at = body_of(&answer);
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        at = strstr(at, events[i]);
        assert_non_null(at);
    }
    free_answer(&answer);
    close(fd);
    cf_simulator_free(sim);
}

static void a_slow_reader_gets_all_of_many_large_replies(void **state)
{
    (void)state;
    struct cf_simulator *sim = open_simulator("reply_bytes=400000", NULL, NULL);
    struct cf_simulator_counters counters;
    int fd = connect_with_buffer(sim, 16384);
    for (int i = 0; i < 15; i++)
        send_message(
            fd,
            "{\"model\":\"m\",\"max_tokens\":128000,\"messages\":[{\"role\":\"user\",\"content\":"
            "\"Write a chat of 100 turns as JSON about tea\"}]}");
    settle(sim);
    cf_simulator_counters(sim, &counters);
    assert_true(counters.replies < 15);        /* the kernel does not take so much at once */
    for (int i = 0; i < 15; i++) {
        struct answer answer = read_answer(sim, fd);
        assert_int_equal(answer.end, ANSWER_WHOLE);
        assert_true(answer.bytes.len > 300000);
        assert_non_null(strstr(body_of(&answer), "end_turn"));
        free_answer(&answer);
    }
    close(fd);
    cf_simulator_free(sim);
}

static char *read_log(const char *path)
{
    struct cf_buf text;
    size_t len;
    char bytes[4096];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    cf_buf_init(&text, 1 << 20);
    while ((len = fread(bytes, 1, sizeof bytes, file)) > 0)
        cf_buf_add(&text, bytes, len);
    fclose(file);
    return cf_buf_take(&text, &len);
}

static void the_log_says_what_arrived_and_what_was_delivered(void **state)
{
    (void)state;
    char path[] = "/tmp/confab-arrivals-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);

    struct cf_simulator *sim = open_simulator("latency=fixed:50,faults=500@2;reset@3", path, NULL);
    int fd = connect_to(sim);
    send_message(fd, BODY(1));
    settle(sim);
    advance(sim, 50);
    check_answer(sim, fd, 200, "");
    send_message(fd, BODY(1));
    settle(sim);
    advance(sim, 50);
    check_answer(sim, fd, 500, "");
    send_message(fd, BODY(1));
    settle(sim);
    advance(sim, 50);
    close(fd);
    fd = connect_to(sim);                  /* a client that does not wait for its reply */
    send_message(fd, BODY(4));
    settle(sim);
    close(fd);
    settle(sim);
    fd = connect_to(sim);                  /* and one that waits when the server ends */
    send_message(fd, "nonsense");
    check_answer(sim, fd, 400, "");
    send_message(fd, BODY(6));
    settle(sim);
    cf_simulator_free(sim);
    close(fd);

    char *log = read_log(path);
    static const char *const parts[] = {
        "{\"event\":\"start\",\"unix_ms\":",
        "{\"event\":\"arrival\",\"n\":1,\"t_ms\":",
        "\"attempt\":1,\"key\":\"",
        "\"model\":\"claude-sonnet-5-5\"}",
        "{\"event\":\"end\",\"n\":1,",
        "\"status\":200,\"fault\":null,\"delivered_whole\":true",
        "\"usage\":{\"input_tokens\":",
        "\"attempt\":2",
        "{\"event\":\"end\",\"n\":2,",
        "\"status\":500,\"fault\":\"500\",\"delivered_whole\":true",
        "\"usage\":null",
        "\"attempt\":3",
        "{\"event\":\"end\",\"n\":3,",
        "\"status\":0,\"fault\":\"reset\",\"delivered_whole\":false",
        "{\"event\":\"end\",\"n\":4,",
        "\"fault\":null,\"delivered_whole\":false",
        "{\"event\":\"arrival\",\"n\":5,",
        "\"model\":\"\"}",
        "{\"event\":\"end\",\"n\":5,",
        "\"status\":400",
        "{\"event\":\"arrival\",\"n\":6,",
        "{\"event\":\"end\",\"n\":6,",
        "\"delivered_whole\":false",
    };
    const char *at = log;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        at = strstr(at, parts[i]);
        if (at == NULL)
            fail_msg("no %s in order in %s", parts[i], log);
    }
    assert_null(strstr(log, "key-1"));
    free(log);
    unlink(path);
}

/* --- starting and stopping --- */

static void it_runs_on_a_thread_of_its_own(void **state)
{
    (void)state;
    struct cf_simulator_options options = { .spec = "" };
    struct cf_simulator_counters counters;
    struct cf_simulator *sim;
    assert_true(cf_simulator_start(&options, &sim, NULL));
    assert_non_null(strstr(cf_simulator_url(sim), "http://127.0.0.1:"));
    int fd = connect_to(sim);
    send_message(fd, BODY(1));
    char bytes[64];
    assert_int_equal(recv(fd, bytes, 15, MSG_WAITALL), 15);
    assert_memory_equal(bytes, "HTTP/1.1 200 OK", 15);
    close(fd);
    cf_simulator_stop(sim, &counters);
    assert_int_equal(counters.requests, 1);
}

static void what_cannot_be_opened_is_named(void **state)
{
    (void)state;
    struct cf_simulator *sim = open_simulator("", NULL, NULL), *other = NULL;
    struct cf_error err;
    struct cf_simulator_options options = { .port = cf_simulator_port(sim) };
    assert_false(cf_simulator_open(&options, &other, &err));
    assert_int_equal(err.kind, CF_ERR_CONFIG);
    assert_non_null(strstr(err.message, "port"));
    options = (struct cf_simulator_options){ .log_path = "/nowhere/at/all" };
    assert_false(cf_simulator_open(&options, &other, &err));
    assert_non_null(strstr(err.message, "/nowhere/at/all"));
    options = (struct cf_simulator_options){ .spec = "rpm=x" };
    assert_false(cf_simulator_start(&options, &other, &err));
    assert_non_null(strstr(err.message, "rpm"));
    assert_false(cf_simulator_check_spec("rpm=x", NULL));
    assert_null(other);
    cf_simulator_free(sim);
    cf_simulator_free(NULL);
    cf_simulator_stop(NULL, NULL);
}

static const struct CMUnitTest others[] = {
    cmocka_unit_test(a_connection_serves_many_requests),
    cmocka_unit_test(pipelined_requests_are_answered_in_order),
    cmocka_unit_test(a_reply_waits_for_its_latency),
    cmocka_unit_test(requests_over_the_limit_are_refused_until_it_refills),
    cmocka_unit_test(the_window_slides),
    cmocka_unit_test(a_limit_changes_at_its_time),
    cmocka_unit_test(keys_share_a_limit_unless_each_is_an_organisation),
    cmocka_unit_test(models_of_another_class_have_limits_of_their_own),
    cmocka_unit_test(a_body_that_is_too_large_is_a_413_that_can_be_read),
    cmocka_unit_test(models_and_stats_can_be_read),
    cmocka_unit_test(a_client_that_waits_is_told_to_go_on),
    cmocka_unit_test(a_broken_envelope_is_a_200_without_a_message),
    cmocka_unit_test(a_trickled_body_arrives_in_its_time),
    cmocka_unit_test(faults_by_chance_do_not_depend_on_the_order),
    cmocka_unit_test(a_stream_has_its_events_in_order),
    cmocka_unit_test(a_slow_reader_gets_all_of_many_large_replies),
    cmocka_unit_test(the_log_says_what_arrived_and_what_was_delivered),
    cmocka_unit_test(it_runs_on_a_thread_of_its_own),
    cmocka_unit_test(what_cannot_be_opened_is_named),
};

int main(void)
{
    enum { WRONGS = sizeof wrongs / sizeof *wrongs, FAULTS = sizeof faults / sizeof *faults,
           OTHERS = sizeof others / sizeof *others };
    struct CMUnitTest tests[WRONGS + FAULTS + OTHERS];
    memcpy(tests, others, sizeof others);
    for (size_t i = 0; i < WRONGS; i++)
        tests[OTHERS + i] = (struct CMUnitTest){ .name = wrongs[i].name, .test_func = check_wrong,
                                                 .initial_state = &wrongs[i] };
    for (size_t i = 0; i < FAULTS; i++)
        tests[OTHERS + WRONGS + i] = (struct CMUnitTest){ .name = faults[i].name,
                                                          .test_func = check_fault,
                                                          .initial_state = &faults[i] };
    return cmocka_run_group_tests_name("simulator", tests, NULL, NULL);
}
