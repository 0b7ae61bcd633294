#include "server/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <civetweb.h>

#include "base/log.h"
#include "base/mem.h"
#include "confab/buf.h"
#include "confab/clock.h"
#include "confab/error.h"
#include "engine/events.h"
#include "server/access.h"
#include "server/connection.h"
#include "server/deadlines.h"
#include "server/answers.h"
#include "server/readers.h"
#include "server/request.h"
#include "server/respond.h"
#include "server/router.h"
#include "server/socket.h"
#include "server/tls.h"
#include "server/tls_front.h"
#include "server/traffic.h"
#include "server/watch.h"
#include "store/tally.h"

#define KEEP_ALIVE_MS 10000    /* an idle connection holds a thread */
#define FAREWELL_S    5        /* for replies that are being written when the server stops */

struct cf_server {
    struct cf_server_options options;    /* its strings owned */
    struct mg_context *context;
    struct cf_readers *readers;
    struct cf_access *access;
    struct cf_traffic *traffic;
    struct cf_deadlines *deadlines;
    struct cf_tally *tally;
    struct cf_answers *answers;
    /* NULL: the library itself listens where we are asked to */
    struct cf_tls_front *front;
    struct cf_sockets *sockets;
    bool has_library;                    /* initialised: it counts */
    atomic_bool is_draining;
    pthread_mutex_t lock;
    pthread_cond_t answered;             /* no request is being answered */
    int answering;                       /* requests; under the lock */
    int port;
    char url[128];
};

/* --- what the library calls --- */

static void serve(struct cf_http_exchange *exchange, struct cf_server *server)
{
    if (!cf_router_find(exchange))
        return;
    if (!exchange->route->is_open && !cf_access_is_allowed(server->access, exchange)) {
        cf_respond_header(exchange, "WWW-Authenticate", "Bearer");
        cf_respond_fail(exchange, 401, "the token is missing or wrong");
        return;
    }
    if (cf_request_read_body(exchange))
        exchange->route->handle(exchange, server);
    if (exchange->status == 0)
        cf_respond_fail(exchange, 500, "the request was not answered");
}

static void count_answering(struct cf_server *server, int change)
{
    pthread_mutex_lock(&server->lock);
    server->answering += change;
    if (server->answering == 0)
        pthread_cond_broadcast(&server->answered);
    pthread_mutex_unlock(&server->lock);
}

/* Once it stops, the library writes nothing more. */
static void wait_answered(struct cf_server *server)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += FAREWELL_S;
    pthread_mutex_lock(&server->lock);
    while (server->answering > 0)
        if (pthread_cond_timedwait(&server->answered, &server->lock, &until) == ETIMEDOUT)
            break;
    pthread_mutex_unlock(&server->lock);
}

static bool is_too_many(struct cf_server *server, struct mg_connection *connection)
{
    struct cf_connection *own = cf_connection_of(connection);
    return own->entry == NULL &&
           !cf_traffic_enter(server->traffic, mg_get_request_info(connection)->remote_addr,
                             &own->entry);
}

static int on_connection(const struct mg_connection *connection, void **out_data)
{
    const struct cf_server *server = mg_get_user_data(mg_get_context(connection));
    *out_data = cf_connection_new(server->options.clock);
    return 0;
}

/* Answers what the library reads, but would not answer. */
static void refuse(struct mg_connection *connection, int status, const char *message)
{
    struct cf_http_exchange exchange = {
        .connection = connection,
        .info = mg_get_request_info(connection),
        .server = mg_get_user_data(mg_get_context(connection)),
        .has_unread_body = true,
    };
    cf_buf_init(&exchange.headers, 4096);
    cf_respond_fail(&exchange, status, "%s", message);
    cf_traffic_count(exchange.server->traffic, exchange.status);
    cf_request_done(&exchange);
    cf_connection_of(connection)->is_refused = true;
}

/* The library closes without a word if the request is for another server, as a proxy is asked. */
static void answer_foreign(struct mg_connection *connection)
{
    const struct mg_request_info *info = mg_get_request_info(connection);
    if (info->request_uri != NULL && info->local_uri_raw == NULL)
        refuse(connection, strcmp(info->request_uri, "*") == 0 ? 400 : 421,
               "the path must begin with a slash, or with the address of this server");
}

static void on_closed(const struct mg_connection *connection)
{
    struct cf_server *server = mg_get_user_data(mg_get_context(connection));
    struct cf_connection *own = cf_connection_of(connection);
    if (own == NULL)
        return;
    if (!own->is_refused)
        answer_foreign((struct mg_connection *)connection);
    if (own->entry != NULL)
        cf_traffic_leave(server->traffic, own->entry);
    cf_connection_free(own);
    mg_set_user_connection_data(connection, NULL);
}

static int on_request(struct mg_connection *connection)
{
    struct cf_server *server = mg_get_user_data(mg_get_context(connection));
    count_answering(server, 1);
    struct cf_http_exchange exchange;
    bool too_many = is_too_many(server, connection);
    bool is_sound = cf_request_begin(&exchange, server, connection);
    if (is_sound && too_many) {
        exchange.has_unread_body = true;        /* ends the connection */
        cf_respond_header(&exchange, "Retry-After", "1");
        cf_respond_fail(&exchange, 429, "too many connections from this address");
    } else if (is_sound) {
        serve(&exchange, server);
    }
    cf_traffic_count(server->traffic, exchange.status);
    cf_log(CF_LOG_DEBUG, "http %s %s %d", exchange.info->request_method,
           exchange.info->local_uri_raw != NULL ? exchange.info->local_uri_raw : "-",
           exchange.status);
    /* 0: the library goes on */
    int status = exchange.status != CF_SOCKET_STATUS ? exchange.status : 0;
    cf_request_done(&exchange);
    cf_connection_of(connection)->idle_since_ms = cf_now_ms(server->options.clock);
    count_answering(server, -1);
    return status;
}

/* What the library refuses by itself: requests that it cannot read. */
static int on_unreadable(struct mg_connection *connection, int status, const char *message)
{
    const struct cf_server *server = mg_get_user_data(mg_get_context(connection));
    (void)message;    /* may quote the request */
    if (status == 400)
        status = cf_connection_refusal(connection, cf_now_ms(server->options.clock),
                                       server->options.head_ms);
    refuse(connection, status,
           status == 411   ? "the length of the body is not a number"
           : status == 505 ? "the server speaks HTTP/1.1 and HTTP/1.0"
           : status == 408 ? "the request took too long"
           : status == 431 ? "request line and headers are over 16 KB"
                           : "the request cannot be read: it is not HTTP");
    return 0;
}

static int on_message(const struct mg_connection *connection, const char *message)
{
    if (connection == NULL)
        cf_log(CF_LOG_DEBUG, "http server: %s", message);
    return 1;
}

/* --- start and stop --- */

static char *copy(const char *text)
{
    return text != NULL ? cf_strdup(text) : NULL;
}

static bool is_loopback(const struct cf_server_options *options)
{
    return strncmp(options->address, "127.", 4) == 0;
}

static void copy_options(struct cf_server_options *own, const struct cf_server_options *options)
{
    *own = *options;
    own->address = copy(options->address != NULL ? options->address : CF_SERVER_ADDRESS);
    own->token = copy(options->token);
    own->tls_cert = copy(options->tls_cert);
    own->tls_key = copy(options->tls_key);
    own->db_path = copy(options->db_path);
    if (options->hosts != NULL) {
        size_t count = 0;
        while (options->hosts[count] != NULL)
            count++;
        const char **hosts = cf_calloc(count + 1, sizeof *hosts);
        for (size_t i = 0; i < count; i++)
            hosts[i] = cf_strdup(options->hosts[i]);
        own->hosts = hosts;
    }
    if (own->clock == NULL)
        own->clock = cf_clock_system();

    const struct { int *value, fallback; } figures[] = {
        { &own->workers, CF_SERVER_WORKERS },
        { &own->readers, CF_SERVER_READERS },
        { &own->head_ms, CF_SERVER_HEAD_MS },
        { &own->body_ms, CF_SERVER_BODY_MS },
        { &own->heartbeat_ms, CF_WATCH_HEARTBEAT_MS },
    };
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        if (*figures[i].value <= 0)
            *figures[i].value = figures[i].fallback;
    if (own->per_address <= 0)
        own->per_address = is_loopback(own) ? own->workers : CF_SERVER_PER_ADDRESS;
}

static void free_options(struct cf_server_options *options)
{
    for (size_t i = 0; options->hosts != NULL && options->hosts[i] != NULL; i++)
        free((char *)options->hosts[i]);
    free((void *)options->hosts);
    free((char *)options->address);
    free((char *)options->token);
    free((char *)options->tls_cert);
    free((char *)options->tls_key);
    free((char *)options->db_path);
}

static bool check_options(const struct cf_server_options *options, struct cf_error *err)
{
    struct in_addr address;
    if (inet_pton(AF_INET, options->address, &address) != 1)
        return cf_fail(err, CF_ERR_CONFIG, "\"%s\" is not an IPv4 address", options->address);
    if (!is_loopback(options) && options->token == NULL)
        return cf_fail(err, CF_ERR_CONFIG,
                       "listening on %s, which others can reach, needs a token (or leave it at %s)",
                       options->address, CF_SERVER_ADDRESS);
    if (options->token != NULL && *options->token == '\0')
        return cf_fail(err, CF_ERR_CONFIG, "the token is empty");
    if (options->port < 0 || options->port > 65535)
        return cf_fail(err, CF_ERR_CONFIG, "%d is not a port", options->port);
    return options->tls_cert == NULL || cf_tls_check(options->tls_cert, options->tls_key, err);
}

/* Stands where we are asked to listen; the library then listens on loopback, behind it. */
static bool start_front(struct cf_server *server, struct cf_error *err)
{
    const struct cf_server_options *options = &server->options;
    struct cf_tls_front_options front = {
        .address = options->address,
        .port = options->port,
        .cert = options->tls_cert,
        .key = options->tls_key,
        .to_port = server->port,
        .most = (size_t)options->workers,
        .most_per_address = (size_t)options->per_address,
        .handshake_ms = options->head_ms,
    };
    if (!cf_tls_front_start(&front, &server->front, err))
        return false;
    server->port = cf_tls_front_port(server->front);
    return true;
}

static bool start(struct cf_server *server, struct cf_error *err)
{
    const struct cf_server_options *options = &server->options;
    const struct mg_callbacks callbacks = {
        .begin_request = on_request,
        .http_error = on_unreadable,
        .init_connection = on_connection,
        .connection_close = on_closed,
        .log_message = on_message,
    };
    char port[96], workers[16], head_ms[16], keep_ms[16], head_bytes[16], heartbeat_ms[16];
    bool is_tls = options->tls_cert != NULL;
    snprintf(port, sizeof port, "%s:%d", is_tls ? CF_SERVER_ADDRESS : options->address,
             is_tls ? 0 : options->port);
    snprintf(workers, sizeof workers, "%d", options->workers);
    snprintf(head_ms, sizeof head_ms, "%d", options->head_ms);
    snprintf(heartbeat_ms, sizeof heartbeat_ms, "%d", options->heartbeat_ms);
    snprintf(keep_ms, sizeof keep_ms, "%d", KEEP_ALIVE_MS);
    snprintf(head_bytes, sizeof head_bytes, "%d", CF_HTTP_HEAD_MAX);
    const char *settings[] = {
        "listening_ports", port,
        "num_threads", workers,
        "request_timeout_ms", head_ms,
        "websocket_timeout_ms", heartbeat_ms,
        "enable_websocket_ping_pong", "yes",
        "enable_keep_alive", "yes",
        "keep_alive_timeout_ms", keep_ms,
        "max_request_size", head_bytes,
        "tcp_nodelay", "1",
        "decode_url", "no",                  /* we cut the path first, then decode its pieces */
        "enable_auth_domain_check", "no",    /* we check Host ourselves */
        NULL,
    };

    server->has_library = true;
    mg_init_library(0);
    server->context = mg_start(&callbacks, server, settings);
    if (server->context == NULL)
        return cf_fail(err, CF_ERR_CONFIG,
                       "cannot listen on %s; if another program does, choose a port with --port",
                       port);

    server->sockets = cf_sockets_new(server->context, options);
    struct mg_server_port ports[1];
    if (mg_get_server_ports(server->context, 1, ports) == 1)
        server->port = ports[0].port;
    if (is_tls && !start_front(server, err))
        return false;
    snprintf(server->url, sizeof server->url, "%s://%s:%d/", is_tls ? "https" : "http",
             options->address, server->port);
    return true;
}

bool cf_server_start(const struct cf_server_options *options, struct cf_server **out_server,
                     struct cf_error *err)
{
    struct cf_server *server = cf_calloc(1, sizeof *server);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->answered, NULL);
    copy_options(&server->options, options);
    if (!check_options(&server->options, err)) {
        cf_server_stop(server);
        return false;
    }
    server->access = cf_access_new(server->options.token, server->options.tls_cert != NULL);
    server->tally = cf_tally_new();
    server->answers = cf_answers_new(server->options.db_path, server->options.clock);
    server->traffic =    /* behind the front all come from loopback */
        cf_traffic_new(server->options.tls_cert != NULL ? 0 : (size_t)server->options.per_address);
    server->deadlines = cf_deadlines_new();
    server->readers = cf_readers_new(server->options.db_path, (size_t)server->options.readers);
    if (!start(server, err)) {
        cf_server_stop(server);
        return false;
    }
    *out_server = server;
    return true;
}

void cf_server_stop(struct cf_server *server)
{
    if (server == NULL)
        return;
    cf_server_drain(server);
    if (server->context != NULL) {
        cf_events_end(server->options.events);
        cf_tls_front_close(server->front);
        wait_answered(server);
        cf_sockets_wait(server->sockets, FAREWELL_S);
        mg_stop(server->context);
    }
    if (server->has_library)
        mg_exit_library();
    cf_tls_front_free(server->front);
    cf_answers_free(server->answers);
    cf_deadlines_free(server->deadlines);
    cf_readers_free(server->readers);
    cf_sockets_free(server->sockets);
    cf_traffic_free(server->traffic);
    cf_tally_free(server->tally);
    cf_access_free(server->access);
    free_options(&server->options);
    pthread_cond_destroy(&server->answered);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

int cf_server_port(const struct cf_server *server)
{
    return server->port;
}

const char *cf_server_url(const struct cf_server *server)
{
    return server->url;
}

void cf_server_drain(struct cf_server *server)
{
    atomic_store(&server->is_draining, true);
}

bool cf_server_is_draining(const struct cf_server *server)
{
    return atomic_load(&server->is_draining);
}

/* --- for handlers --- */

struct cf_store *cf_server_store(const struct cf_server *server)
{
    return server->options.store;
}

struct cf_readers *cf_server_readers(const struct cf_server *server)
{
    return server->readers;
}

struct cf_jobs *cf_server_jobs(const struct cf_server *server)
{
    return server->options.jobs;
}

const struct cf_access *cf_server_access(const struct cf_server *server)
{
    return server->access;
}

struct cf_traffic *cf_server_traffic(const struct cf_server *server)
{
    return server->traffic;
}

struct cf_tally *cf_server_tally(const struct cf_server *server)
{
    return server->tally;
}

struct cf_answers *cf_server_answers(const struct cf_server *server)
{
    return server->answers;
}

struct cf_deadlines *cf_server_deadlines(const struct cf_server *server)
{
    return server->deadlines;
}

const struct cf_clock *cf_server_clock(const struct cf_server *server)
{
    return server->options.clock;
}

const struct cf_server_options *cf_server_options(const struct cf_server *server)
{
    return &server->options;
}
