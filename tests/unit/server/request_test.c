/* Bad requests, byte for byte, each with what it is answered; and good ones that look odd. */
#include "fixture.h"

#include "server/request.h"

#define HOST "Host: 127.0.0.1\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"
#define GET_WITH(headers) "GET /healthz HTTP/1.1\r\n" HOST headers "\r\n"
#define POST_HEAD "POST /api/session HTTP/1.1\r\n" HOST
#define TOKEN_BODY "{\"token\":\"x\"}"    /* 13 bytes; any will do, for none is asked for */
#define JSON_TYPE "Content-Type: application/json\r\n"
#define POST(length, body) POST_HEAD JSON_TYPE "Content-Length: " length "\r\n\r\n" body
#define POST_WITH(headers) POST_HEAD headers "Content-Length: 13\r\n\r\n" TOKEN_BODY

/* Rows that are made by a function: too long to stand here. */
enum maker {
    AS_IT_IS,
    LONG_URI,
    LONG_QUERY,
    MANY_HEADERS,
    LONG_HEADER,
    DEEP_JSON,
    MANY_PARAMETERS
};

struct row {
    const char *name, *bytes;
    size_t len;
    int status;                /* 0: closed without an answer */
    const char *word;          /* `error`; NULL: no error */
    enum maker maker;
};

#define ROW(name, bytes, status, word) { name, bytes, sizeof bytes - 1, status, word, AS_IT_IS }
#define MADE(name, maker, status, word) { name, NULL, 0, status, word, maker }

static struct row rows[] = {
    /* the request line */
    ROW("no HTTP at all", "hello\r\n\r\n", 400, "invalid_request"),
    ROW("an empty line first is nothing", "\r\n\r\n", 400, "invalid_request"),
    ROW("HTTP/0.9", "GET /healthz\r\n\r\n", 400, "invalid_request"),
    ROW("HTTP/2 in the clear", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "invalid_request"),
    ROW("HTTP/3.0", "GET /healthz HTTP/3.0\r\n" HOST "\r\n", 505, "http_version"),
    ROW("HTTP/1.2", "GET /healthz HTTP/1.2\r\n" HOST "\r\n", 505, "http_version"),
    ROW("no version after HTTP/", "GET /healthz HTTP/\r\n" HOST "\r\n", 505, "http_version"),
    ROW("a method in small letters", "get /healthz HTTP/1.1\r\n" HOST "\r\n", 400,
        "invalid_request"),
    ROW("an invented method", "FROB /healthz HTTP/1.1\r\n" HOST "\r\n", 400, "invalid_request"),
    ROW("a NUL in the request line", "GET /heal\0thz HTTP/1.1\r\n" HOST "\r\n", 400,
        "invalid_request"),
    ROW("a control character in the path", "GET /heal\1thz HTTP/1.1\r\n" HOST "\r\n", 400,
        "invalid_request"),
    ROW("TLS to a plain port", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400,
        "invalid_request"),
    ROW("an absolute URI of another server", "GET http://example.com/healthz HTTP/1.1\r\n" HOST "\r\n",
        421, "misdirected"),
    ROW("the server as a whole", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 400, "invalid_request"),
    ROW("a tunnel", "CONNECT example.com:443 HTTP/1.1\r\n" HOST "\r\n", 400, "invalid_request"),
    ROW("TRACE", "TRACE /healthz HTTP/1.1\r\n" HOST "\r\n", 400, "invalid_request"),
    ROW("a path without a slash", "GET healthz HTTP/1.1\r\n" HOST "\r\n", 400, "invalid_request"),

    /* the path */
    ROW("nothing there", GET("/nothing"), 404, "not_found"),
    ROW("nothing there, under the API", GET("/api/nothing/at/all"), 404, "not_found"),
    ROW("a file of the machine", GET("/etc/passwd"), 404, "not_found"),
    ROW("up and out", GET("/../../../etc/passwd"), 400, "invalid_request"),
    ROW("up and out, encoded", GET("/%2e%2e/%2e%2e/etc/passwd"), 400, "invalid_request"),
    ROW("up and out, slashes encoded", GET("/..%2f..%2fetc%2fpasswd"), 404, "not_found"),
    ROW("up and out, encoded twice", GET("/%252e%252e/etc/passwd"), 404, "not_found"),
    ROW("up and out, backslashes", GET("/..\\..\\etc\\passwd"), 404, "not_found"),
    ROW("here", GET("/./healthz"), 400, "invalid_request"),
    ROW("two slashes first", GET("//healthz"), 400, "invalid_request"),
    ROW("two slashes within", GET("/api//session"), 400, "invalid_request"),
    ROW("many slashes", GET("////////////////"), 400, "invalid_request"),
    ROW("a slash at the end", GET("/healthz/"), 400, "invalid_request"),
    ROW("a percent sign alone", GET("/healthz%"), 400, "invalid_request"),
    ROW("no hexadecimal after the percent sign", GET("/health%zz"), 400, "invalid_request"),
    ROW("an encoded NUL", GET("/healthz%00.html"), 400, "invalid_request"),
    ROW("UTF-8 that is not", GET("/%ff%fe"), 400, "invalid_request"),
    ROW("an overlong slash", GET("/%c0%af"), 400, "invalid_request"),
    ROW("a surrogate", GET("/%ed%a0%80"), 400, "invalid_request"),
    ROW("too many segments", GET("/a/b/c/d/e/f/g/h/i"), 404, "not_found"),
    MADE("a long path", LONG_URI, 414, "uri_too_long"),
    MADE("a long query", LONG_QUERY, 414, "uri_too_long"),
    MADE("many parameters", MANY_PARAMETERS, 400, "invalid_request"),
    ROW("a query that is no UTF-8", GET("/healthz?q=%ff"), 400, "invalid_request"),
    ROW("a NUL in the query", GET("/healthz?q=%00"), 400, "invalid_request"),

    /* the method */
    ROW("POST where one reads",
        "POST /healthz HTTP/1.1\r\n" HOST JSON_TYPE "Content-Length: 2\r\n\r\n{}", 405,
        "method_not_allowed"),
    ROW("DELETE where one reads", "DELETE /healthz HTTP/1.1\r\n" HOST "\r\n", 405,
        "method_not_allowed"),
    ROW("PUT where one posts",
        "PUT /api/session HTTP/1.1\r\n" HOST JSON_TYPE "Content-Length: 2\r\n\r\n{}", 405,
        "method_not_allowed"),
    ROW("GET where one posts", GET("/api/session"), 405, "method_not_allowed"),
    ROW("a method of WebDAV", "PROPFIND /healthz HTTP/1.1\r\n" HOST "\r\n", 405,
        "method_not_allowed"),

    /* headers */
    ROW("no host", "GET /healthz HTTP/1.1\r\n\r\n", 400, "invalid_request"),
    ROW("an empty host", "GET /healthz HTTP/1.1\r\nHost:\r\n\r\n", 400, "invalid_request"),
    ROW("two hosts", GET_WITH(HOST), 400, "invalid_request"),
    ROW("the host of another site", "GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403,
        "forbidden"),
    ROW("a host that begins like ours",
        "GET /healthz HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n", 403, "forbidden"),
    ROW("a host with a name before it", "GET /healthz HTTP/1.1\r\nHost: me@127.0.0.1\r\n\r\n", 400,
        "invalid_request"),
    ROW("a host with markup", "GET /healthz HTTP/1.1\r\nHost: <script>\r\n\r\n", 400,
        "invalid_request"),
    ROW("the host of another site, HTTP/1.0", "GET /healthz HTTP/1.0\r\nHost: evil.example\r\n\r\n",
        403, "forbidden"),
    ROW("another origin", GET_WITH("Origin: http://evil.example\r\n"), 403, "forbidden"),
    ROW("another port's origin", GET_WITH("Origin: http://127.0.0.1:9\r\n"), 403, "forbidden"),
    ROW("the origin of a file", GET_WITH("Origin: null\r\n"), 403, "forbidden"),
    ROW("an origin without a scheme", GET_WITH("Origin: 127.0.0.1\r\n"), 403, "forbidden"),
    ROW("another site's request", GET_WITH("Sec-Fetch-Site: cross-site\r\n"), 403, "forbidden"),
    ROW("a neighbour's request", GET_WITH("Sec-Fetch-Site: same-site\r\n"), 403, "forbidden"),
    ROW("another site's form", POST_WITH("Origin: http://evil.example\r\n" JSON_TYPE), 403,
        "forbidden"),
    ROW("another site asks first",
        "OPTIONS /api/session HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n\r\n", 403,
        "forbidden"),
    ROW("a header without a colon", GET_WITH("Nonsense\r\n"), 400, "invalid_request"),
    ROW("a header without a name", GET_WITH(": value\r\nContent-Length: 3\r\n"), 400,
        "invalid_request"),
    ROW("a folded header", GET_WITH("X-A: b\r\n c\r\nContent-Length: 3\r\n"), 400,
        "invalid_request"),
    ROW("a NUL in a header", GET_WITH("X-A: b\0c\r\n"), 400, "invalid_request"),
    ROW("a carriage return in a header", GET_WITH("X-A: b\rX-B: c\r\n"), 400, "invalid_request"),
    MADE("many headers", MANY_HEADERS, 431, "headers_too_large"),
    MADE("a long header", LONG_HEADER, 431, "headers_too_large"),
    ROW("something else expected", POST_WITH("Expect: a-miracle\r\n" JSON_TYPE), 417,
        "expectation_failed"),

    /* where the body ends */
    ROW("two lengths", POST_WITH(JSON_TYPE "Content-Length: 13\r\n"), 400, "invalid_request"),
    ROW("two lengths that differ", POST_WITH(JSON_TYPE "Content-Length: 20\r\n"), 400,
        "invalid_request"),
    ROW("a length and chunks", POST_WITH(JSON_TYPE "Transfer-Encoding: chunked\r\n"), 400,
        "invalid_request"),
    ROW("chunks twice",
        POST_HEAD JSON_TYPE
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        400, "invalid_request"),
    ROW("chunks by another name", POST_HEAD JSON_TYPE "Transfer-Encoding: xchunked\r\n\r\n", 400,
        "invalid_request"),
    ROW("chunks and compression", POST_HEAD JSON_TYPE "Transfer-Encoding: gzip, chunked\r\n\r\n",
        400, "invalid_request"),
    ROW("the identity and a length", POST_WITH(JSON_TYPE "Transfer-Encoding: identity\r\n"), 400,
        "invalid_request"),
    ROW("chunks in HTTP/1.0",
        "POST /api/session HTTP/1.0\r\n" JSON_TYPE
        "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        400, "invalid_request"),
    ROW("a negative length", POST("-1", "{}"), 411, "length_required"),
    ROW("a length with a sign", POST("+2", "{}"), 400, "invalid_request"),
    ROW("a hexadecimal length", POST("0x2", "{}"), 400, "invalid_request"),
    ROW("a length with words", POST("2 or 3", "{}"), 400, "invalid_request"),
    ROW("two lengths in one", POST("2, 2", "{}"), 400, "invalid_request"),
    ROW("an empty length", POST("", "{}"), 411, "length_required"),
    ROW("a length beyond all numbers", POST("99999999999999999999999", "{}"), 413, "too_large"),
    ROW("no length", POST_HEAD JSON_TYPE "\r\n", 411, "length_required"),
    ROW("a length that is too large", POST("5000", "{}"), 413, "too_large"),
    ROW("chunks that are too large",
        POST_HEAD JSON_TYPE "Transfer-Encoding: chunked\r\n\r\nffffffff\r\n{}", 400,
        "invalid_request"),
    ROW("a chunk without a size",
        POST_HEAD JSON_TYPE "Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n", 400,
        "invalid_request"),
    ROW("a body where none is taken",
        "DELETE /api/session HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 400,
        "invalid_request"),
    ROW("a body with GET", GET_WITH("Content-Length: 5\r\n") "hello", 400, "invalid_request"),

    /* what the body is */
    ROW("no content type", POST_WITH(""), 415, "unsupported_media_type"),
    ROW("a form", POST_WITH("Content-Type: application/x-www-form-urlencoded\r\n"), 415,
        "unsupported_media_type"),
    ROW("plain text", POST_WITH("Content-Type: text/plain\r\n"), 415, "unsupported_media_type"),
    ROW("files", POST_WITH("Content-Type: multipart/form-data; boundary=x\r\n"), 415,
        "unsupported_media_type"),
    ROW("a type that begins like JSON", POST_WITH("Content-Type: application/jsonx\r\n"), 415,
        "unsupported_media_type"),
    ROW("JSON in Latin 1", POST_WITH("Content-Type: application/json; charset=iso-8859-1\r\n"), 415,
        "unsupported_media_type"),
    ROW("compressed", POST_WITH(JSON_TYPE "Content-Encoding: gzip\r\n"), 415,
        "unsupported_media_type"),
    ROW("no body", POST("0", ""), 400, "invalid_request"),
    ROW("white space", POST("3", " \n "), 400, "invalid_request"),
    ROW("half an object", POST("8", "{\"token\""), 400, "invalid_request"),
    ROW("two values", POST("4", "{}{}"), 400, "invalid_request"),
    ROW("a trailing comma", POST("8", "{\"a\":1,}"), 400, "invalid_request"),
    ROW("a comment", POST("8", "{/*a*/ }"), 400, "invalid_request"),
    ROW("single quotes", POST("7", "{'a':1}"), 400, "invalid_request"),
    ROW("not a number", POST("9", "{\"a\":NaN}"), 400, "invalid_request"),
    ROW("a number beyond a double", POST("11", "{\"a\":1e999}"), 400, "invalid_request"),
    ROW("a byte order mark", POST("5", "\xef\xbb\xbf{}"), 400, "invalid_request"),
    ROW("JSON that is no UTF-8", POST("9", "{\"a\":\"\xff\"}"), 400, "invalid_request"),
    ROW("a NUL in JSON", POST("9", "{\"a\":\"\0\"}"), 400, "invalid_request"),
    ROW("an escaped NUL in JSON", POST("14", "{\"a\":\"\\u0000\"}"), 400, "invalid_request"),
    ROW("half a surrogate in JSON", POST("14", "{\"a\":\"\\ud800\"}"), 400, "invalid_request"),
    ROW("a raw line break in a string", POST("10", "{\"a\":\"b\n\"}"), 400, "invalid_request"),
    MADE("JSON that is deep", DEEP_JSON, 400, "invalid_request"),

    /* odd, but fine */
    ROW("a good one", GET("/healthz"), 200, NULL),
    ROW("HTTP/1.0 without a host", "GET /healthz HTTP/1.0\r\n\r\n", 200, NULL),
    ROW("no more than its head", "HEAD /healthz HTTP/1.1\r\n" HOST "\r\n", 200, NULL),
    ROW("what may be asked", "OPTIONS /healthz HTTP/1.1\r\n" HOST "\r\n", 204, NULL),
    ROW("another port in the host", "GET /healthz HTTP/1.1\r\nHost: localhost:9999\r\n\r\n", 200,
        NULL),
    ROW("our own origin", GET_WITH("Origin: http://127.0.0.1\r\nSec-Fetch-Site: same-origin\r\n"),
        200, NULL),
    ROW("a link to the page",
        GET_WITH("Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n"), 200, NULL),
    ROW("JSON", POST("13", TOKEN_BODY), 204, NULL),
    ROW("JSON in chunks",
        POST_HEAD JSON_TYPE "Transfer-Encoding: chunked\r\n\r\n"
                            "1\r\n{\r\nb\r\n\"token\":\"x\"\r\n1\r\n}\r\n0\r\n\r\n",
        204, NULL),
    ROW("JSON in UTF-8", POST_WITH("Content-Type: application/json; charset=UTF-8\r\n"), 204, NULL),
    ROW("a parameter of no use", GET("/healthz?a=b&c&&=d"), 200, NULL),
    ROW("the path percent-encoded", GET("/%68ealthz"), 200, NULL),
};

#define ROWS (sizeof rows / sizeof *rows)

static struct fixture shared;

static void repeat(struct cf_buf *out, const char *text, int times)
{
    for (int i = 0; i < times; i++)
        cf_buf_adds(out, text);
}

static void make(struct cf_buf *out, const struct row *row)
{
    switch (row->maker) {
    case AS_IT_IS: cf_buf_add(out, row->bytes, row->len); return;
    case LONG_URI:
        cf_buf_adds(out, "GET /");
        repeat(out, "a", CF_HTTP_URI_MAX);
        break;
    case LONG_QUERY:
        cf_buf_adds(out, "GET /healthz?q=");
        repeat(out, "a", CF_HTTP_URI_MAX);
        break;
    case MANY_PARAMETERS:
        cf_buf_adds(out, "GET /healthz?");
        repeat(out, "a=b&", CF_HTTP_QUERY_MAX + 1);
        break;
    case MANY_HEADERS:
        cf_buf_adds(out, "GET /healthz HTTP/1.1\r\n" HOST);
        repeat(out, "X-A: b\r\n", 100);
        cf_buf_adds(out, "\r\n");
        return;
    case LONG_HEADER:
        cf_buf_adds(out, "GET /healthz HTTP/1.1\r\n" HOST "X-A: ");
        repeat(out, "b", CF_HTTP_HEAD_MAX);
        cf_buf_adds(out, "\r\n\r\n");
        return;
    case DEEP_JSON:
        cf_buf_adds(out, POST_HEAD JSON_TYPE "Content-Length: 200\r\n\r\n");
        repeat(out, "[", 100);
        repeat(out, "]", 100);
        return;
    }
    cf_buf_adds(out, " HTTP/1.1\r\n" HOST "\r\n");
}

static void is_answered(void **state)
{
    const struct row *row = *state;
    struct cf_buf request = { .max = 1u << 20 };
    make(&request, row);
    struct answer answer = fixture_raw(&shared, request.data, request.len);
    if (answer.status != row->status)
        fail_msg("answered %d: %s", answer.status, answer.body != NULL ? answer.body : "(closed)");
    if (row->word != NULL) {
        assert_non_null(answer.json);
        assert_string_equal(answer_str(&answer, "error"), row->word);
        assert_true(strlen(answer_str(&answer, "message")) > 10);
        assert_non_null(strstr(answer.head, "Content-Type: application/json; charset=utf-8\r\n"));
    }
    answer_done(&answer);
    cf_buf_done(&request);

    answer = fixture_ask(&shared, "GET", "/healthz", NULL, NULL);    /* it still stands */
    assert_int_equal(answer.status, 200);
    answer_done(&answer);
}

/* What stands behind a refused request was meant as its body: it is no request of its own. */
static void a_refused_body_is_no_request(void **state)
{
    static const char two[] =
        POST_HEAD "Content-Type: text/plain\r\nContent-Length: 60\r\n\r\n" GET("/healthz");
    (void)state;
    int fd = fixture_connect(&shared);
    fixture_send(fd, two, sizeof two - 1);
    struct answer answer = fixture_read(fd, 0);
    assert_int_equal(answer.status, 415);
    assert_non_null(strstr(answer.head, "Connection: close\r\n"));
    answer_done(&answer);
    answer = fixture_read(fd, 0);
    assert_int_equal(answer.status, 0);
    answer_done(&answer);
    close(fd);
}

static void a_connection_is_used_again(void **state)
{
    static const char one[] = GET("/healthz"), post[] = POST("13", TOKEN_BODY);
    (void)state;
    int fd = fixture_connect(&shared);
    for (int i = 0; i < 3; i++) {
        fixture_send(fd, one, sizeof one - 1);
        struct answer answer = fixture_read(fd, 0);
        assert_int_equal(answer.status, 200);
        answer_done(&answer);
        fixture_send(fd, post, sizeof post - 1);
        answer = fixture_read(fd, 0);
        assert_int_equal(answer.status, 204);
        answer_done(&answer);
    }
    close(fd);
}

static void a_body_is_asked_for(void **state)
{
    static const char head[] =
        POST_HEAD JSON_TYPE "Expect: 100-continue\r\nContent-Length: 13\r\n\r\n";
    char go_on[26] = "";
    (void)state;
    int fd = fixture_connect(&shared);
    fixture_send(fd, head, sizeof head - 1);
    assert_int_equal(recv(fd, go_on, 25, MSG_WAITALL), 25);
    assert_string_equal(go_on, "HTTP/1.1 100 Continue\r\n\r\n");
    fixture_send(fd, TOKEN_BODY, sizeof TOKEN_BODY - 1);
    struct answer answer = fixture_read(fd, 0);
    assert_int_equal(answer.status, 204);
    answer_done(&answer);
    close(fd);
}

static void methods_are_named(void **state)
{
    (void)state;
    struct answer answer = fixture_ask(&shared, "PUT", "/api/session", NULL, NULL);
    assert_int_equal(answer.status, 405);
    assert_non_null(strstr(answer.head, "Allow: POST, DELETE\r\n"));
    answer_done(&answer);
    answer = fixture_ask(&shared, "OPTIONS", "/healthz", NULL, NULL);
    assert_non_null(strstr(answer.head, "Allow: GET, HEAD\r\n"));
    answer_done(&answer);
}

static int open_all(void **state)
{
    (void)state;
    fixture_open_store(&shared);
    fixture_start(&shared, (struct cf_server_options){ 0 });
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    fixture_close(&shared);
    return 0;
}

int main(void)
{
    static struct CMUnitTest tests[ROWS + 8] = {
        cmocka_unit_test(a_refused_body_is_no_request),
        cmocka_unit_test(a_connection_is_used_again),
        cmocka_unit_test(a_body_is_asked_for),
        cmocka_unit_test(methods_are_named),
    };
    size_t count = 4;
    for (size_t i = 0; i < ROWS; i++)
        tests[count++] = (struct CMUnitTest){ rows[i].name, is_answered, NULL, NULL, &rows[i] };
    return _cmocka_run_group_tests("request", tests, count, open_all, close_all);
}
