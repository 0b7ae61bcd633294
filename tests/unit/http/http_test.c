#include "http/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/loop.h"
#include "confab/clock.h"
#include "confab/error.h"
#include "loopback_server.h"

#define KEY "sk-ant-very-secret"

struct fixture {
    struct server  *server;
    struct cf_loop *loop;
    struct cf_http *http;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->server = server_start();
    fixture->loop = cf_loop_new(cf_clock_system());
    fixture->http = cf_http_new(fixture->loop, NULL, NULL);
    assert_non_null(fixture->http);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    cf_http_free(fixture->http);
    cf_loop_free(fixture->loop);
    server_stop(fixture->server);
    free(fixture);
    return 0;
}

/* A call and what came of it. */
struct call {
    struct cf_http_request request;
    struct fixture *fixture;
    char   url[256];
    int    sent_calls, done_calls;
    bool   sent_before_done;
    bool   cancel_when_sent, release_when_sent;
    struct call *cancel_when_done;
    struct cf_http_result result;    /* moved out; body taken as text */
    char message[CF_HTTP_MESSAGE_MAX];
    char  *body;
    size_t body_len;
};

static const struct cf_http_field fields[] = {
    { "x-api-key", KEY },
    { "content-type", "application/json" },
};

static void on_sent(struct cf_http_request *request, void *self)
{
    struct call *call = self;
    assert_ptr_equal(request, &call->request);
    call->sent_calls++;
    call->sent_before_done = call->done_calls == 0;
    if (call->release_when_sent)
        sem_post(&call->fixture->server->release);
    if (call->cancel_when_sent)
        cf_http_cancel(call->fixture->http, request);
}

static void on_done(struct cf_http_request *request, struct cf_http_result *result, void *self)
{
    struct call *call = self;
    assert_ptr_equal(request, &call->request);
    assert_null(request->transfer);
    assert_null(strstr(result->message, KEY));
    assert_int_equal(result->failure == CF_HTTP_OK, result->message[0] == '\0');
    assert_true(result->timings.total_ms >= 0);
    call->done_calls++;
    call->body = cf_buf_take(&result->body, &call->body_len);
    call->result = *result;
    snprintf(call->message, sizeof call->message, "%s", result->message);
    call->result.message = call->message;
    result->headers = (struct cf_http_headers){ 0 };
    if (call->cancel_when_done != NULL)
        cf_http_cancel(call->fixture->http, &call->cancel_when_done->request);
}

static void prepare(struct fixture *fixture, struct call *call, const char *url)
{
    memset(call, 0, sizeof *call);
    call->fixture = fixture;
    if (url[0] == '/')
        snprintf(call->url, sizeof call->url, "http://127.0.0.1:%d%s", fixture->server->port, url);
    else
        snprintf(call->url, sizeof call->url, "%s", url);
    call->request = (struct cf_http_request){
        .method = CF_HTTP_POST, .url = call->url, .fields = fields, .field_count = 2,
        .body = "{\"a\":1}", .body_len = 7, .on_sent = on_sent, .on_done = on_done, .self = call,
    };
}

static void wait_for(struct fixture *fixture, struct call *call)
{
    while (call->done_calls == 0)
        cf_loop_turn(fixture->loop, 1000);
}

static void perform(struct fixture *fixture, struct call *call)
{
    cf_http_send(fixture->http, &call->request);
    assert_int_equal(call->done_calls, 0);
    wait_for(fixture, call);
    assert_int_equal(call->done_calls, 1);
    assert_int_equal(cf_http_in_flight(fixture->http), 0);
}

static void discard(struct call *call)
{
    free(call->body);
    cf_http_headers_done(&call->result.headers);
}

/* --- outcomes, one by one --- */

struct row {
    const char *name, *url;
    struct cf_http_timeouts timeouts;
    size_t max_reply_bytes;
    enum cf_http_failure failure;
    int status;
    int sent_calls;
    const char *body;
    const char *in_message;
};

static struct row rows[] = {
    { "a reply is whole", "/ok", .status = 200, .sent_calls = 1, .body = "hello" },
    { "an error status is a whole reply", "/missing", .status = 404, .sent_calls = 1, .body = "" },
    { "a redirect is not followed", "/redirect", .status = 302, .sent_calls = 1, .body = "moved" },
    { "an interim reply is not the reply", "/interim", .status = 200, .sent_calls = 1,
      .body = "hello" },
    { "a close without reply is a reset", "/close", .failure = CF_HTTP_RESET, .sent_calls = 1,
      .in_message = "127.0.0.1" },
    { "a body cut short is a failure", "/cut", .failure = CF_HTTP_CUT, .status = 200,
      .sent_calls = 1, .body = "half", .in_message = "in the middle of its reply" },
    { "a chunked body cut short is a failure", "/cut-chunked", .failure = CF_HTTP_CUT,
      .status = 200, .sent_calls = 1, .body = "half" },
    { "what is not HTTP is garbage", "/garbage", .failure = CF_HTTP_GARBAGE, .sent_calls = 1,
      .in_message = "not HTTP" },
    { "broken compression is garbage", "/gzip-broken", .failure = CF_HTTP_GARBAGE, .status = 200,
      .sent_calls = 1 },
    { "silence ends at the first-byte deadline", "/silent", .timeouts = { .first_byte_ms = 40 },
      .failure = CF_HTTP_FIRST_BYTE_TIMEOUT, .sent_calls = 1, .in_message = "40 ms" },
    { "a stalled reply ends at the idle deadline", "/stall", .timeouts = { .idle_ms = 40 },
      .failure = CF_HTTP_IDLE_TIMEOUT, .status = 200, .sent_calls = 1, .body = "half",
      .in_message = "standstill" },
    { "the total deadline holds in every phase", "/silent",
      .timeouts = { .first_byte_ms = 60000, .total_ms = 40 }, .failure = CF_HTTP_TOTAL_TIMEOUT,
      .sent_calls = 1 },
    { "a reply over the cap is refused", "/big", .max_reply_bytes = 999,
      .failure = CF_HTTP_TOO_LARGE, .status = 200, .sent_calls = 1, .in_message = "999 bytes" },
    { "a reply as large as the cap is fine", "/big", .max_reply_bytes = 1000, .status = 200,
      .sent_calls = 1 },
    { "the cap counts decoded bytes", "/gzip", .max_reply_bytes = 9999,
      .failure = CF_HTTP_TOO_LARGE, .status = 200, .sent_calls = 1 },
    { "a TLS handshake with a plain server fails", "https:/ok",
      .failure = CF_HTTP_TLS, .in_message = "secure" },
    { "a name without address is a DNS failure", "http://a..b/", .failure = CF_HTTP_DNS,
      .in_message = "a..b" },
    { "another scheme is a bad URL", "ftp://127.0.0.1/", .failure = CF_HTTP_BAD_URL },
    { "nonsense is a bad URL", "http://bad host/", .failure = CF_HTTP_BAD_URL },
};

static void check_row(const struct row *row)
{
    void *state;
    set_up(&state);
    struct fixture *fixture = state;
    struct call call;
    prepare(fixture, &call, row->url);
    if (strncmp(row->url, "https:/ok", 9) == 0)
        snprintf(call.url, sizeof call.url, "https://127.0.0.1:%d/ok", fixture->server->port);
    call.request.timeouts = row->timeouts;
    call.request.max_reply_bytes = row->max_reply_bytes;
    perform(fixture, &call);

    assert_string_equal(cf_http_failure_name(call.result.failure),
                        cf_http_failure_name(row->failure));
    assert_int_equal(call.result.status, row->status);
    assert_int_equal(call.sent_calls, row->sent_calls);
    assert_int_equal(call.result.all_written, row->sent_calls > 0);
    if (row->sent_calls > 0)
        assert_true(call.sent_before_done && call.result.any_written);
    if (row->body != NULL)
        assert_string_equal(call.body, row->body);
    if (row->in_message != NULL)
        assert_non_null(strstr(call.result.message, row->in_message));
    assert_true(atomic_load(&fixture->server->arrivals) <= 1);
    discard(&call);
    tear_down(&state);
}

static void check_row_test(void **state)
{
    check_row(*state);
}

/* --- more than a row can say --- */

static void a_request_is_written_as_asked(void **state)
{
    struct fixture *fixture = *state;
    struct call call;
    prepare(fixture, &call, "/ok");
    perform(fixture, &call);

    struct server *server = fixture->server;
    pthread_mutex_lock(&server->lock);
    assert_non_null(strstr(server->last_head, "POST /ok HTTP/1.1\r\n"));
    assert_non_null(strstr(server->last_head, "\r\nx-api-key: " KEY "\r\n"));
    assert_non_null(strstr(server->last_head, "\r\nUser-Agent: confab/"));
    assert_non_null(strstr(server->last_head, "\r\nAccept-Encoding: gzip\r\n"));
    assert_null(strcasestr(server->last_head, "\r\nExpect:"));
    assert_int_equal(server->last_body_len, 7);
    pthread_mutex_unlock(&server->lock);

    assert_string_equal(cf_http_headers_get(&call.result.headers, "Request-Id"), "req_1");
    assert_string_equal(cf_http_headers_get(&call.result.headers, "x-two"), "b");
    const struct cf_http_timings *timings = &call.result.timings;
    assert_true(timings->connected_ms >= 0 && timings->sent_ms >= timings->connected_ms);
    assert_true(timings->first_byte_ms >= 0 && timings->total_ms >= timings->first_byte_ms);
    discard(&call);
}

/* The handle is kept from one request to the next, and what it was set to. */
static void each_request_has_its_own_fields(void **state)
{
    static const struct cf_http_field others[] = {
        { "x-api-key", KEY "2" }, { "x-api", "k" }, { "x-key", "" },
    };
    static const struct { const struct cf_http_field *fields; size_t count; } asked[] = {
        { fields, 2 }, { fields, 2 }, { others, 1 }, { others, 3 }, { others + 1, 1 },
        { fields, 1 }, { NULL, 0 },   { fields, 2 },
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        struct call call;
        prepare(fixture, &call, "/ok");
        call.request.fields = asked[i].fields;
        call.request.field_count = asked[i].count;
        perform(fixture, &call);

        size_t found = 0;
        pthread_mutex_lock(&fixture->server->lock);
        for (const char *at = fixture->server->last_head; (at = strstr(at, "\r\nx-")) != NULL; at++)
            found++;
        for (size_t j = 0; j < asked[i].count; j++) {
            char line[128];
            snprintf(line, sizeof line, "\r\n%s: %s\r\n", asked[i].fields[j].name,
                     asked[i].fields[j].value);
            bool is_empty = asked[i].fields[j].value[0] == '\0';    /* libcurl sends none then */
            found += is_empty;
            assert_true(is_empty || strstr(fixture->server->last_head, line) != NULL);
        }
        pthread_mutex_unlock(&fixture->server->lock);
        size_t others_than_x = asked[i].fields == fields && asked[i].count == 2;
        assert_int_equal(found + others_than_x, asked[i].count);
        discard(&call);
    }
}

static void a_get_has_no_body_and_is_reported_sent(void **state)
{
    struct fixture *fixture = *state;
    struct call call;
    prepare(fixture, &call, "/ok");
    call.request.method = CF_HTTP_GET;
    call.request.body = NULL;
    call.request.body_len = 0;
    perform(fixture, &call);
    assert_int_equal(call.result.status, 200);
    assert_int_equal(call.sent_calls, 1);
    assert_memory_equal(fixture->server->last_head, "GET /ok HTTP/1.1\r\n", 18);
    discard(&call);
}

static void a_post_may_be_empty(void **state)
{
    struct fixture *fixture = *state;
    struct call call;
    prepare(fixture, &call, "/ok");
    call.request.body_len = 0;
    perform(fixture, &call);
    assert_int_equal(call.result.status, 200);
    assert_int_equal(call.sent_calls, 1);
    discard(&call);
}

static void connections_are_kept_and_reused(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 5; i++) {
        struct call call;
        prepare(fixture, &call, "/ok");
        perform(fixture, &call);
        assert_int_equal(call.result.status, 200);
        discard(&call);
    }
    assert_int_equal(atomic_load(&fixture->server->connections), 1);
}

/* libcurl by itself would send the second request again: three arrivals. */
static void a_reused_connection_that_dies_is_not_repeated(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 2; i++) {
        struct call call;
        prepare(fixture, &call, "/reset-reused");
        perform(fixture, &call);
        assert_int_equal(call.result.failure, i == 0 ? CF_HTTP_OK : CF_HTTP_RESET);
        assert_true(call.result.all_written);
        discard(&call);
    }
    assert_int_equal(atomic_load(&fixture->server->arrivals), 2);
    assert_int_equal(atomic_load(&fixture->server->resets), 1);
}

static void an_empty_post_is_not_repeated_either(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 2; i++) {
        struct call call;
        prepare(fixture, &call, "/reset-reused");
        call.request.body_len = 0;
        perform(fixture, &call);
        assert_int_equal(call.result.failure, i == 0 ? CF_HTTP_OK : CF_HTTP_RESET);
        discard(&call);
    }
    assert_int_equal(atomic_load(&fixture->server->arrivals), 2);
}

static void arrivals_equal_sends_under_resets(void **state)
{
    enum { TOTAL = 400, AT_ONCE = 8 };
    struct fixture *fixture = *state;
    struct call calls[AT_ONCE];
    int sent = 0, done = 0, resets = 0, reported = 0;

    while (done < TOTAL) {
        while (sent < TOTAL && sent - done < AT_ONCE) {
            struct call *call = &calls[sent % AT_ONCE];
            prepare(fixture, call, "/flaky");
            cf_http_send(fixture->http, &call->request);
            sent++;
        }
        struct call *oldest = &calls[done % AT_ONCE];
        wait_for(fixture, oldest);
        assert_int_equal(oldest->done_calls, 1);
        assert_true(oldest->result.failure == CF_HTTP_OK ||
                    oldest->result.failure == CF_HTTP_RESET);
        resets += oldest->result.failure == CF_HTTP_RESET;
        reported += oldest->sent_calls;
        discard(oldest);
        done++;
    }
    assert_int_equal(atomic_load(&fixture->server->arrivals), TOTAL);
    assert_int_equal(atomic_load(&fixture->server->resets), TOTAL / 7);
    assert_int_equal(resets, TOTAL / 7);
    assert_int_equal(reported, TOTAL);
}

/* The server answers only after on_sent, so on_sent cannot have waited for the answer. */
static void on_sent_comes_before_the_reply(void **state)
{
    struct fixture *fixture = *state;
    struct call call;
    prepare(fixture, &call, "/held");
    call.request.timeouts.total_ms = 5000;    /* to fail rather than to hang */
    call.release_when_sent = true;
    perform(fixture, &call);
    assert_int_equal(call.result.status, 200);
    assert_int_equal(call.sent_calls, 1);
    discard(&call);
}

static void a_large_body_is_sent_once_it_is_all_written(void **state)
{
    struct fixture *fixture = *state;
    size_t len = 8u << 20;
    char *body = malloc(len);
    memset(body, 'x', len);
    struct call call;
    prepare(fixture, &call, "/ok");
    call.request.body = body;
    call.request.body_len = len;
    perform(fixture, &call);
    assert_int_equal(call.result.status, 200);
    assert_int_equal(call.sent_calls, 1);
    assert_int_equal(fixture->server->last_body_len, len);
    discard(&call);
    free(body);
}

static void an_early_reply_ends_the_upload(void **state)
{
    struct fixture *fixture = *state;
    size_t len = 32u << 20;
    char *body = malloc(len);
    memset(body, 'x', len);
    struct call call;
    prepare(fixture, &call, "/early");
    call.request.body = body;
    call.request.body_len = len;
    perform(fixture, &call);
    assert_int_equal(call.result.failure, CF_HTTP_OK);
    assert_int_equal(call.result.status, 413);
    assert_int_equal(call.result.all_written, call.sent_calls == 1);
    assert_true(call.result.any_written);
    discard(&call);
    free(body);
}

static void compressed_replies_are_decoded(void **state)
{
    struct fixture *fixture = *state;
    struct call call;
    prepare(fixture, &call, "/gzip");
    perform(fixture, &call);
    assert_int_equal(call.result.failure, CF_HTTP_OK);
    assert_int_equal(call.body_len, 10000);
    discard(&call);
}

static void a_closed_port_refuses(void **state)
{
    struct fixture *fixture = *state;
    int port, fd = loopback_listen(1, &port);
    close(fd);
    struct call call;
    prepare(fixture, &call, "/ok");
    snprintf(call.url, sizeof call.url, "http://user:" KEY "@127.0.0.1:%d/ok?key=" KEY, port);
    perform(fixture, &call);
    assert_int_equal(call.result.failure, CF_HTTP_REFUSED);
    assert_int_equal(call.sent_calls, 0);
    assert_false(call.result.any_written);
    assert_int_equal(call.result.timings.connected_ms, -1);
    assert_non_null(strstr(call.result.message, "cannot connect to 127.0.0.1:"));
    discard(&call);
}

static void a_full_backlog_ends_at_the_connect_deadline(void **state)
{
    struct fixture *fixture = *state;
    int port, listener = loopback_listen(0, &port), fillers[4];
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < 4; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fillers[i], (struct sockaddr *)&address, sizeof address);
    }

    struct call call;
    prepare(fixture, &call, "/ok");
    snprintf(call.url, sizeof call.url, "http://127.0.0.1:%d/ok", port);
    call.request.timeouts.connect_ms = 40;
    perform(fixture, &call);
    assert_int_equal(call.result.failure, CF_HTTP_CONNECT_TIMEOUT);
    assert_false(call.result.any_written);
    assert_int_equal(call.sent_calls, 0);
    discard(&call);
    for (int i = 0; i < 4; i++)
        close(fillers[i]);
    close(listener);
}

static void a_proxy_that_answers_html_is_a_reply(void **state)
{
    struct fixture *fixture = *state;
    char proxy[64];
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", fixture->server->port);
    setenv("http_proxy", proxy, 1);
    struct call call;
    prepare(fixture, &call, "http://service.invalid/v1/messages");
    perform(fixture, &call);
    unsetenv("http_proxy");
    assert_int_equal(call.result.failure, CF_HTTP_OK);
    assert_int_equal(call.result.status, 502);
    assert_string_equal(cf_http_headers_get(&call.result.headers, "content-type"), "text/html");
    assert_non_null(strstr(call.body, "<html>"));
    discard(&call);
}

static void loopback_needs_no_proxy(void **state)
{
    struct fixture *fixture = *state;
    setenv("http_proxy", "http://proxy.invalid:1", 1);
    struct call call;
    prepare(fixture, &call, "/ok");
    perform(fixture, &call);
    unsetenv("http_proxy");
    assert_int_equal(call.result.status, 200);
    discard(&call);
}

static void a_proxy_that_refuses_is_named(void **state)
{
    struct fixture *fixture = *state;
    char proxy[64];
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", fixture->server->port);
    setenv("https_proxy", proxy, 1);
    struct call call;
    prepare(fixture, &call, "https://service.invalid/v1/messages");
    perform(fixture, &call);
    unsetenv("https_proxy");
    assert_string_equal(cf_http_failure_name(call.result.failure), "proxy");
    assert_int_equal(call.sent_calls, 0);
    assert_non_null(strstr(call.result.message, "403"));
    discard(&call);
}

static void cancelling_ends_a_request_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct call call;
    prepare(fixture, &call, "/silent");
    call.cancel_when_sent = true;
    perform(fixture, &call);
    assert_int_equal(call.result.failure, CF_HTTP_CANCELLED);
    assert_true(call.result.all_written);
    cf_http_cancel(fixture->http, &call.request);    /* no longer under way: no effect */
    assert_int_equal(call.done_calls, 1);
    discard(&call);

    prepare(fixture, &call, "/ok");
    cf_http_send(fixture->http, &call.request);
    cf_http_cancel(fixture->http, &call.request);    /* before a byte could leave */
    assert_int_equal(call.done_calls, 1);
    assert_int_equal(call.result.failure, CF_HTTP_CANCELLED);
    assert_false(call.result.any_written);
    assert_int_equal(call.sent_calls, 0);
    discard(&call);
}

static void one_call_may_cancel_another(void **state)
{
    struct fixture *fixture = *state;
    struct call calls[2];
    prepare(fixture, &calls[0], "/ok");
    prepare(fixture, &calls[1], "/silent");
    calls[0].cancel_when_done = &calls[1];
    cf_http_send(fixture->http, &calls[1].request);
    cf_http_send(fixture->http, &calls[0].request);
    wait_for(fixture, &calls[0]);
    assert_int_equal(calls[0].result.status, 200);
    assert_int_equal(calls[1].done_calls, 1);
    assert_int_equal(calls[1].result.failure, CF_HTTP_CANCELLED);
    assert_int_equal(cf_http_in_flight(fixture->http), 0);
    discard(&calls[0]);
    discard(&calls[1]);
}

static void freeing_the_client_cancels_what_is_under_way(void **state)
{
    struct fixture *fixture = *state;
    struct call calls[3];
    for (int i = 0; i < 3; i++) {
        prepare(fixture, &calls[i], "/silent");
        cf_http_send(fixture->http, &calls[i].request);
    }
    while (calls[0].sent_calls + calls[1].sent_calls + calls[2].sent_calls < 3)
        cf_loop_turn(fixture->loop, 1000);
    assert_int_equal(cf_http_in_flight(fixture->http), 3);
    cf_http_free(fixture->http);
    fixture->http = NULL;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(calls[i].done_calls, 1);
        assert_int_equal(calls[i].result.failure, CF_HTTP_CANCELLED);
        discard(&calls[i]);
    }
}

/* Sends itself again from on_done, as a retry does. */
static void send_again(struct cf_http_request *request, struct cf_http_result *result, void *self)
{
    struct call *call = self;
    call->result.status = result->status;
    if (++call->done_calls < 3)
        cf_http_send(call->fixture->http, request);
}

static void a_request_can_be_sent_again_when_it_is_done(void **state)
{
    struct fixture *fixture = *state;
    struct call call;
    prepare(fixture, &call, "/ok");
    call.request.on_done = send_again;
    call.request.on_sent = NULL;
    cf_http_send(fixture->http, &call.request);
    while (call.done_calls < 3)
        cf_loop_turn(fixture->loop, 1000);
    assert_int_equal(call.result.status, 200);
    assert_int_equal(atomic_load(&fixture->server->arrivals), 3);
    assert_int_equal(cf_http_in_flight(fixture->http), 0);
}

static void every_failure_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < CF_HTTP_FAILURES; i++)
        assert_non_null(cf_http_failure_name((enum cf_http_failure)i));
}

#define CASE(test) { #test, test, set_up, tear_down, NULL }

int main(void)
{
    static const struct CMUnitTest cases[] = {
        CASE(a_request_is_written_as_asked),
        CASE(each_request_has_its_own_fields),
        CASE(a_get_has_no_body_and_is_reported_sent),
        CASE(a_post_may_be_empty),
        CASE(connections_are_kept_and_reused),
        CASE(a_reused_connection_that_dies_is_not_repeated),
        CASE(an_empty_post_is_not_repeated_either),
        CASE(arrivals_equal_sends_under_resets),
        CASE(on_sent_comes_before_the_reply),
        CASE(a_large_body_is_sent_once_it_is_all_written),
        CASE(an_early_reply_ends_the_upload),
        CASE(compressed_replies_are_decoded),
        CASE(a_closed_port_refuses),
        CASE(a_full_backlog_ends_at_the_connect_deadline),
        CASE(a_proxy_that_answers_html_is_a_reply),
        CASE(loopback_needs_no_proxy),
        CASE(a_proxy_that_refuses_is_named),
        CASE(cancelling_ends_a_request_at_once),
        CASE(one_call_may_cancel_another),
        CASE(freeing_the_client_cancels_what_is_under_way),
        CASE(a_request_can_be_sent_again_when_it_is_done),
        CASE(every_failure_has_a_name),
    };
    enum { ROWS = sizeof rows / sizeof rows[0], CASES = sizeof cases / sizeof cases[0] };
    struct CMUnitTest tests[ROWS + CASES] = { 0 };

    /* The environment of the person who runs the tests is not part of them. */
    unsetenv("http_proxy");
    unsetenv("https_proxy");
    unsetenv("all_proxy");
    unsetenv("HTTPS_PROXY");
    unsetenv("ALL_PROXY");
    for (size_t i = 0; i < ROWS; i++)
        tests[i] = (struct CMUnitTest){ .name = rows[i].name, .test_func = check_row_test,
                                        .initial_state = &rows[i] };
    memcpy(tests + ROWS, cases, sizeof cases);
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
