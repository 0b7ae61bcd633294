/* A body that is read in pieces, as it comes. */
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
#include "loopback_server.h"

struct row {
    const char *name, *path;
    enum cf_http_piece answer;
    size_t max_reply_bytes;
    int64_t idle_ms;
    enum cf_http_failure failure;
    int status;
    const char *pieces; /* as on_piece saw them; NULL: not looked at */
    const char *body;   /* of the result */
};

struct call {
    struct cf_http_request request;
    const struct row *row;
    struct cf_buf pieces, body;
    bool is_done;
    enum cf_http_failure failure;
    int status;
};

static struct row rows[] = {
    { "a piece may be left to the body", "/ok", CF_HTTP_COLLECT, 0, 0, CF_HTTP_OK, 200, "hello",
      "hello" },
    { "a piece that was taken is not in the body", "/ok", CF_HTTP_TAKEN, 0, 0, CF_HTTP_OK, 200,
      "hello", "" },
    { "pieces come decoded", "/gzip", CF_HTTP_TAKEN, 0, 0, CF_HTTP_OK, 200, NULL, "" },
    { "taken pieces count for the size of the reply", "/big", CF_HTTP_TAKEN, 999, 0,
      CF_HTTP_TOO_LARGE, 200, NULL, "" },
    { "a reply as large as the cap is fine", "/big", CF_HTTP_TAKEN, 1000, 0, CF_HTTP_OK, 200, NULL,
      "" },
    { "decoded bytes count", "/gzip", CF_HTTP_TAKEN, 9999, 0, CF_HTTP_TOO_LARGE, 200, NULL, "" },
    { "the reader can end the exchange", "/stall", CF_HTTP_STOP, 0, 0, CF_HTTP_STOPPED, 200, "half",
      "" },
    { "it can end at the last byte", "/ok", CF_HTTP_STOP, 0, 0, CF_HTTP_STOPPED, 200, "hello", "" },
    { "a reply in pieces may be cut", "/cut", CF_HTTP_TAKEN, 0, 0, CF_HTTP_CUT, 200, "half", "" },
    { "a reply in pieces may stall", "/stall", CF_HTTP_TAKEN, 0, 40, CF_HTTP_IDLE_TIMEOUT, 200,
      "half", "" },
    { "what may follow a whole reply is awaited shortly", "/stall", CF_HTTP_ENOUGH, 0, 0,
      CF_HTTP_IDLE_TIMEOUT, 200, "half", "" },
    { "and no longer than any standstill", "/stall", CF_HTTP_ENOUGH, 0, 40, CF_HTTP_IDLE_TIMEOUT,
      200, "half", "" },
    { "the end of a whole reply is noticed", "/ok", CF_HTTP_ENOUGH, 0, 0, CF_HTTP_OK, 200, "hello",
      "" },
    { "the reader sees the status", "/redirect", CF_HTTP_COLLECT, 0, 0, CF_HTTP_OK, 302, "moved",
      "moved" },
};

static enum cf_http_piece on_piece(struct cf_http_request *request,
                                   const struct cf_http_result *so_far, const char *bytes,
                                   size_t len, void *self)
{
    struct call *call = self;
    assert_ptr_equal(request, &call->request);
    assert_false(call->is_done);
    assert_int_equal(so_far->status, call->row->status);
    assert_true(so_far->headers.count > 0);
    cf_buf_add(&call->pieces, bytes, len);
    return call->row->answer;
}

static void on_done(struct cf_http_request *request, struct cf_http_result *result, void *self)
{
    struct call *call = self;
    assert_ptr_equal(request, &call->request);
    call->is_done = true;
    call->failure = result->failure;
    call->status = result->status;
    cf_buf_add(&call->body, result->body.data, result->body.len);
    assert_int_equal(result->failure == CF_HTTP_OK, result->message[0] == '\0');
}

static void check_row(void **state)
{
    const struct row *row = *state;
    struct server *server = server_start();
    struct cf_loop *loop = cf_loop_new(cf_clock_system());
    struct cf_http *http = cf_http_new(loop, NULL, NULL);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", server->port, row->path);
    struct call call = { .row = row };
    cf_buf_init(&call.pieces, 1u << 16);
    cf_buf_init(&call.body, 1u << 16);
    call.request = (struct cf_http_request){
        .method = CF_HTTP_GET,
        .url = url,
        .timeouts = { .idle_ms = row->idle_ms },
        .max_reply_bytes = row->max_reply_bytes,
        .on_piece = on_piece,
        .on_done = on_done,
        .self = &call,
    };

    cf_http_send(http, &call.request);
    while (!call.is_done)
        cf_loop_turn(loop, 1000);
    assert_string_equal(cf_http_failure_name(call.failure), cf_http_failure_name(row->failure));
    assert_int_equal(call.status, row->status);
    assert_string_equal(cf_buf_str(&call.body), row->body);
    if (row->pieces != NULL)
        assert_string_equal(cf_buf_str(&call.pieces), row->pieces);

    cf_buf_done(&call.pieces);
    cf_buf_done(&call.body);
    cf_http_free(http);
    cf_loop_free(loop);
    server_stop(server);
}

int main(void)
{
    enum { ROWS = sizeof rows / sizeof *rows };
    struct CMUnitTest tests[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        tests[i] = (struct CMUnitTest){ rows[i].name, check_row, NULL, NULL, &rows[i] };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
