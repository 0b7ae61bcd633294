/* Who may connect, and how: the token, TLS, too many connections, those that are too slow. */
#include "fixture.h"

#include <poll.h>

#include <openssl/ssl.h>

#define TOKEN "correct horse battery"
#define TLS_DATA TEST_DATA "/tls/"

static void with_server(struct fixture *f, struct cf_server_options options)
{
    memset(f, 0, sizeof *f);
    fixture_open_store(f);
    fixture_start(f, options);
}

static int status_of(const struct fixture *f, const char *method, const char *path,
                     const char *more, const char *body)
{
    struct answer answer = fixture_ask(f, method, path, more, body);
    int status = answer.status;
    if (status == 401)
        assert_string_equal(answer_str(&answer, "error"), "unauthorized");
    answer_done(&answer);
    return status;
}

static void the_token_opens_what_probes_do_not_need(void **state)
{
    struct fixture f;
    char cookie[256] = "Cookie: a=b; ";
    (void)state;
    with_server(&f, (struct cf_server_options){ .token = TOKEN });
    assert_int_equal(status_of(&f, "GET", "/healthz", NULL, NULL), 200);
    assert_int_equal(status_of(&f, "GET", "/readyz", NULL, NULL), 200);
    assert_int_equal(status_of(&f, "GET", "/api/runs", NULL, NULL), 401);
    assert_int_equal(status_of(&f, "GET", "/metrics", NULL, NULL), 401);
    assert_int_equal(status_of(&f, "PATCH", "/api/conversations/x", NULL, "{}"), 401);
    assert_int_equal(status_of(&f, "GET", "/api/runs", "Authorization: Bearer wrong\r\n", NULL),
                     401);
    assert_int_equal(status_of(&f, "GET", "/api/runs", "Authorization: Basic " TOKEN "\r\n", NULL),
                     401);
    assert_int_equal(
        status_of(&f, "GET", "/api/runs", "Authorization: Bearer " TOKEN "x\r\n", NULL), 401);
    assert_int_equal(status_of(&f, "GET", "/api/runs", "Authorization: Bearer " TOKEN "\r\n", NULL),
                     200);
    assert_int_equal(
        status_of(&f, "GET", "/api/runs", "Cookie: confab_session=" TOKEN "\r\n", NULL), 401);

    assert_int_equal(status_of(&f, "POST", "/api/session", NULL, "{\"token\":\"wrong\"}"), 401);
    assert_int_equal(status_of(&f, "POST", "/api/session", NULL, "{\"token\":1}"), 400);
    struct answer answer =
        fixture_ask(&f, "POST", "/api/session", NULL, "{\"token\":\"" TOKEN "\"}");
    assert_int_equal(answer.status, 204);
    assert_null(strstr(answer.head, TOKEN));
    const char *set = strstr(answer.head, "Set-Cookie: ");
    assert_non_null(set);
    assert_non_null(strstr(set, "; HttpOnly; SameSite=Strict"));
    strncat(cookie, set + 12, strcspn(set + 12, ";"));
    strcat(cookie, "\r\n");
    answer_done(&answer);
    assert_int_equal(status_of(&f, "GET", "/api/runs", cookie, NULL), 200);

    answer = fixture_ask(&f, "DELETE", "/api/session", NULL, NULL);
    assert_int_equal(answer.status, 204);
    assert_non_null(strstr(answer.head, "Set-Cookie: confab_session=; "));
    answer_done(&answer);
    fixture_close(&f);
}

static void other_names_are_answered_if_they_are_ours(void **state)
{
    static const char *const hosts[] = { "data.example", NULL };
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: data.example:443\r\n\r\n";
    struct fixture f;
    (void)state;
    with_server(&f, (struct cf_server_options){ .hosts = hosts });
    struct answer answer = fixture_raw(&f, request, sizeof request - 1);
    assert_int_equal(answer.status, 200);
    answer_done(&answer);
    fixture_close(&f);
}

static void an_address_may_have_so_many_connections(void **state)
{
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct fixture f;
    int fds[2];
    (void)state;
    with_server(&f, (struct cf_server_options){ .per_address = 2 });
    for (int i = 0; i < 2; i++) {
        fds[i] = fixture_connect(&f);
        fixture_send(fds[i], request, sizeof request - 1);
        struct answer answer = fixture_read(fds[i], 0);
        assert_int_equal(answer.status, 200);
        answer_done(&answer);
    }
    struct answer answer = fixture_raw(&f, request, sizeof request - 1);
    assert_int_equal(answer.status, 429);
    assert_non_null(strstr(answer.head, "Retry-After: 1\r\n"));
    assert_non_null(strstr(answer.head, "Connection: close\r\n"));
    answer_done(&answer);
    fixture_send(fds[0], request, sizeof request - 1);    /* those that are in stay */
    answer = fixture_read(fds[0], 0);
    assert_int_equal(answer.status, 200);
    answer_done(&answer);
    close(fds[0]);
    close(fds[1]);
    fixture_close(&f);
}

static void a_slow_head_is_not_waited_for(void **state)
{
    static const char half[] = "GET /healthz HTTP/1.1\r\nHost: local";
    struct fixture f;
    (void)state;
    with_server(&f, (struct cf_server_options){ .head_ms = 200 });
    struct answer answer = fixture_raw(&f, half, sizeof half - 1);
    assert_int_equal(answer.status, 408);
    assert_non_null(answer.json);
    answer_done(&answer);
    fixture_close(&f);
}

static void a_body_that_does_not_come_is_not_waited_for(void **state)
{
    static const char half[] =
        "POST /api/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: 20\r\n\r\n{\"tok";
    struct fixture f;
    (void)state;
    with_server(&f, (struct cf_server_options){ .head_ms = 200 });
    struct answer answer = fixture_raw(&f, half, sizeof half - 1);
    assert_int_equal(answer.status, 400);
    answer_done(&answer);
    fixture_close(&f);
}

/* One deadline for the whole: a byte now and then does not move it. */
static void a_body_that_trickles_is_not_waited_for(void **state)
{
    static const char head[] =
        "POST /api/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "%s\r\n\r\n";
    static const char *const lengths[] = { "Content-Length: 2000", "Transfer-Encoding: chunked" };
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        char request[256];
        (void)state;
        with_server(&f, (struct cf_server_options){ .body_ms = 200 });
        int fd = fixture_connect(&f);
        int len = snprintf(request, sizeof request, head, lengths[i]);
        fixture_send(fd, request, (size_t)len);
        struct pollfd answered = { .fd = fd, .events = POLLIN };
        size_t sent = 0;
        for (; sent < 2000 && poll(&answered, 1, 10) == 0; sent++)
            fixture_send(fd, i == 0 ? " " : "1\r\n \r\n", i == 0 ? 1 : 6);
        struct answer answer = fixture_read(fd, 0);
        assert_int_equal(answer.status, 408);
        assert_true(sent < 2000);
        answer_done(&answer);
        close(fd);
        fixture_close(&f);
    }
}

/* --- what does not start --- */

struct wrong {
    const char *name;
    struct cf_server_options options;
    const char *message;
};

static struct wrong wrongs[] = {
    { "another address without a token", { .address = "0.0.0.0" }, "needs a token" },
    { "an empty token", { .address = "0.0.0.0", .token = "" }, "empty" },
    { "a name for an address", { .address = "localhost" }, "not an IPv4 address" },
    { "IPv6", { .address = "::1" }, "not an IPv4 address" },
    { "an address of somebody else", { .address = "192.0.2.1", .token = TOKEN }, "cannot listen" },
    { "no such port", { .port = 65536 }, "not a port" },
    { "no certificate", { .tls_cert = TLS_DATA "nothing.pem" }, "nothing.pem: no certificate" },
    { "a certificate without its key", { .tls_cert = TLS_DATA "cert.pem" }, "no private key" },
    { "another one's key", { .tls_cert = TLS_DATA "cert.pem", .tls_key = TLS_DATA "other_key.pem" },
      "no private key in PEM form that fits" },
};

#define WRONGS (sizeof wrongs / sizeof *wrongs)

static void does_not_start(void **state)
{
    const struct wrong *wrong = *state;
    struct cf_server_options options = wrong->options;
    struct cf_server *server = NULL;
    struct cf_error err = { 0 };
    options.db_path = "/nothing";
    options.workers = 2;
    assert_false(cf_server_start(&options, &server, &err));
    assert_null(server);
    assert_int_equal(err.kind, CF_ERR_CONFIG);
    if (strstr(err.message, wrong->message) == NULL)
        fail_msg("%s", err.message);
}

static void a_port_in_use_is_told(void **state)
{
    struct fixture f;
    struct cf_server *second;
    (void)state;
    with_server(&f, (struct cf_server_options){ 0 });
    struct cf_server_options options = { .port = cf_server_port(f.server),
                                         .db_path = f.path,
                                         .workers = 2 };
    assert_false(cf_server_start(&options, &second, &f.err));
    assert_non_null(strstr(f.err.message, "cannot listen on 127.0.0.1:"));
    fixture_close(&f);
}

/* --- TLS --- */

static void speaks_tls(const char *cert, const char *key)
{
    static const char request[] =
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    struct fixture f;
    char reply[4096] = "";
    with_server(&f, (struct cf_server_options){ .tls_cert = cert, .tls_key = key });
    assert_int_equal(strncmp(cf_server_url(f.server), "https://127.0.0.1:", 18), 0);

    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_load_verify_locations(ctx, TLS_DATA "cert.pem", NULL), 1);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL *ssl = SSL_new(ctx);
    int fd = fixture_connect(&f);
    SSL_set_fd(ssl, fd);
    assert_int_equal(SSL_connect(ssl), 1);
    assert_int_equal(SSL_write(ssl, request, sizeof request - 1), sizeof request - 1);
    size_t got = 0;
    int n;
    while ((n = SSL_read(ssl, reply + got, (int)(sizeof reply - 1 - got))) > 0)
        got += (size_t)n;
    assert_int_equal(strncmp(reply, "HTTP/1.1 200 OK\r\n", 17), 0);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close(fd);
    fixture_close(&f);
}

static void speaks_tls_with_two_files_or_one(void **state)
{
    (void)state;
    speaks_tls(TLS_DATA "cert.pem", TLS_DATA "key.pem");
    speaks_tls(TLS_DATA "both.pem", NULL);
}

int main(void)
{
    static struct CMUnitTest tests[WRONGS + 8] = {
        cmocka_unit_test(the_token_opens_what_probes_do_not_need),
        cmocka_unit_test(other_names_are_answered_if_they_are_ours),
        cmocka_unit_test(an_address_may_have_so_many_connections),
        cmocka_unit_test(a_slow_head_is_not_waited_for),
        cmocka_unit_test(a_body_that_trickles_is_not_waited_for),
        cmocka_unit_test(a_body_that_does_not_come_is_not_waited_for),
        cmocka_unit_test(a_port_in_use_is_told),
        cmocka_unit_test(speaks_tls_with_two_files_or_one),
    };
    size_t count = 7;
    for (size_t i = 0; i < WRONGS; i++)
        tests[count++] =
            (struct CMUnitTest){ wrongs[i].name, does_not_start, NULL, NULL, &wrongs[i] };
    return _cmocka_run_group_tests("server", tests, count, NULL, NULL);
}
