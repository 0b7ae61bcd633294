#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "confab/buf.h"
#include "simulator/http.h"

static struct row {
    const char *name, *text;
    int result, status;        /* of the last read */
    const char *body;
    bool keep_alive;
} rows[] = {
    { "a request without a body", "GET /v1/models?limit=2 HTTP/1.1\r\nHost: x\r\n\r\n", 1, 0, "",
      true },
    { "a body by length", "POST /m HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 1, 0, "hello",
      true },
    { "a body in chunks is joined",
      "POST /m HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: z\r\n\r\n",
      1, 0, "hello", true },
    { "hexadecimal sizes in either case",
      "POST /m HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
      "A\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n",
      1, 0, "01234567890123456789a", true },
    { "the client may close", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 1, 0, "", false },
    { "the old version closes", "GET / HTTP/1.0\r\n\r\n", 1, 0, "", false },
    { "empty lines before a request are skipped", "\r\nGET / HTTP/1.1\r\nA: b\r\n\r\n", 1, 0, "",
      true },
    { "half a head waits", "GET / HTTP/1.1\r\nHost:", 0, 0, NULL, false },
    { "half a body waits", "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhel", 0, 0, NULL, true },
    { "half a chunk waits", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", 0, 0,
      NULL, true },
    { "nonsense is refused", "hello\r\n\r\n", -1, 400, NULL, false },
    { "another protocol is refused", "GET / SPDY/9.9\r\n\r\n", -1, 400, NULL, false },
    { "a length that is no number", "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", -1, 400, NULL,
      false },
    { "two lengths", "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", -1, 400,
      NULL, false },
    { "length and chunks",
      "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", -1, 400, NULL,
      false },
    { "an encoding we do not know", "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", -1, 400,
      NULL, false },
    { "a body above the limit", "POST / HTTP/1.1\r\nContent-Length: 40000000\r\n\r\n", -1, 413,
      NULL, false },
    { "a chunk above the limit", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3000000\r\n",
      -1, 413, NULL, false },
    { "a chunk size that is no number",
      "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", -1, 400, NULL, false },
    { "a chunk longer than its size",
      "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", -1, 400, NULL, false },
};

static void check(const struct row *row, size_t piece)
{
    struct cf_sim_http http;
    struct cf_buf in;
    size_t len = strlen(row->text);
    int result = 0;

    cf_sim_http_clear(&http);
    cf_buf_init(&in, 1 << 20);
    for (size_t at = 0; at < len && result == 0; at += piece) {
        cf_buf_add(&in, row->text + at, len - at < piece ? len - at : piece);
        result = cf_sim_http_read(&http, &in);
    }
    assert_int_equal(result, row->result);
    if (result == -1)
        assert_int_equal(http.status, row->status);
    if (result == 1) {
        assert_int_equal(http.body_len, strlen(row->body));
        assert_memory_equal(in.data + http.body_at, row->body, http.body_len);
        assert_int_equal(http.keep_alive, row->keep_alive);
    }
    cf_buf_done(&in);
}

/* However the bytes are cut, the request is the same. */
static void check_row(void **state)
{
    for (size_t piece = 1; piece <= 200; piece++)
        check(*state, piece);
}

static void headers_are_read_whatever_their_case(void **state)
{
    (void)state;
    struct cf_sim_http http;
    struct cf_buf in;
    cf_sim_http_clear(&http);
    cf_buf_init(&in, 4096);
    cf_buf_adds(&in, "POST /v1/messages?beta=true HTTP/1.1\r\nX-API-Key:  abc \r\n"
                     "Anthropic-Version: 2023-06-01\r\nExpect: 100-continue\r\n"
                     "Content-Length: 2\r\n\r\n{}GET /next");
    assert_int_equal(cf_sim_http_read(&http, &in), 1);
    assert_string_equal(http.method, "POST");
    assert_string_equal(http.path, "/v1/messages");
    assert_string_equal(http.key, "abc");
    assert_true(http.has_version);
    assert_true(http.wants_continue);
    assert_string_equal(in.data + http.at, "GET /next");
    cf_buf_done(&in);
}

static void two_credentials_are_none(void **state)
{
    (void)state;
    struct cf_sim_http http;
    struct cf_buf in;
    cf_sim_http_clear(&http);
    cf_buf_init(&in, 4096);
    cf_buf_adds(&in, "GET / HTTP/1.1\r\nx-api-key: abc\r\nAuthorization: Bearer def\r\n\r\n");
    assert_int_equal(cf_sim_http_read(&http, &in), 1);
    assert_string_equal(http.key, "");
    assert_true(http.has_bearer);
    cf_buf_done(&in);
}

static void an_endless_head_is_refused(void **state)
{
    (void)state;
    struct cf_sim_http http;
    struct cf_buf in;
    cf_sim_http_clear(&http);
    cf_buf_init(&in, 1 << 20);
    cf_buf_adds(&in, "GET / HTTP/1.1\r\n");
    int result = 0;
    for (int i = 0; i < 10000 && result == 0; i++) {
        cf_buf_adds(&in, "X-Filler: 0123456789\r\n");
        result = cf_sim_http_read(&http, &in);
    }
    assert_int_equal(result, -1);
    assert_int_equal(http.status, 431);
    cf_buf_done(&in);
}

int main(void)
{
    enum { ROWS = sizeof rows / sizeof *rows };
    struct CMUnitTest tests[ROWS + 3];
    for (size_t i = 0; i < ROWS; i++)
        tests[i] = (struct CMUnitTest){ .name = rows[i].name, .test_func = check_row,
                                        .initial_state = &rows[i] };
    tests[ROWS] = (struct CMUnitTest)cmocka_unit_test(headers_are_read_whatever_their_case);
    tests[ROWS + 1] = (struct CMUnitTest)cmocka_unit_test(two_credentials_are_none);
    tests[ROWS + 2] = (struct CMUnitTest)cmocka_unit_test(an_endless_head_is_refused);
    return cmocka_run_group_tests_name("simulator/http", tests, NULL, NULL);
}
