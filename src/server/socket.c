#include "server/socket.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <civetweb.h>
#include <utlist.h>

#include "base/mem.h"
#include "confab/clock.h"
#include "engine/events.h"
#include "server/respond.h"
#include "server/server.h"
#include "server/watch.h"

#define CLOSE_MAX  125            /* bytes of a control frame */
#define GOING_AWAY 1001           /* RFC 6455, 7.4.1 */
#define VIOLATION  1008

struct socket {
    struct cf_sockets *sockets;            /* borrowed */
    struct mg_connection *connection;      /* borrowed, until on_close has joined the pump */
    struct cf_watcher *watcher;            /* owned */
    pthread_t pump;
    struct socket *prev, *next;
};

struct cf_sockets {
    const struct cf_server_options *options;    /* borrowed */
    pthread_mutex_t lock;
    pthread_cond_t told;                   /* nothing is being sent any more */
    size_t pumps;                          /* threads that send */
    struct socket *list;
};

/* --- the thread that sends --- */

/* The events are frames already, sent in one piece: the library's own call would write each by
 * itself, in two. Pings come from the other thread. */
static bool send_events(struct socket *socket, struct cf_text frames)
{
    mg_lock_connection(socket->connection);
    bool ok = mg_write(socket->connection, frames.data, frames.len) == (int)frames.len;
    mg_unlock_connection(socket->connection);
    return ok;
}

static void send_end(struct socket *socket, const char *reason, int status)
{
    char text[160], time[CF_TIME_TEXT_MAX];
    const char code[2] = { (char)(status >> 8), (char)(status & 0xff) };
    cf_time_format(cf_unix_ms(socket->sockets->options->clock), time);
    int len = snprintf(text, sizeof text,
                       "{\"id\":null,\"run\":null,\"type\":\"end\",\"time\":\"%s\","
                       "\"data\":{\"reason\":\"%s\"}}",
                       time, reason);
    mg_websocket_write(socket->connection, MG_WEBSOCKET_OPCODE_TEXT, text, (size_t)len);
    mg_websocket_write(socket->connection, MG_WEBSOCKET_OPCODE_CONNECTION_CLOSE, code, sizeof code);
}

static void send_all(struct socket *socket)
{
    const struct cf_server_options *options = socket->sockets->options;
    struct cf_watched_events events;
    for (;;) {
        switch (cf_watcher_take(socket->watcher, options->heartbeat_ms, &events)) {
        case CF_WATCH_QUIET: break;    /* the library pings */
        case CF_WATCH_EVENTS:
            if (!send_events(socket, events.text))
                return;
            break;
        case CF_WATCH_DROPPED: send_end(socket, "too_slow", VIOLATION); return;
        case CF_WATCH_STOPPED: return;
        default: send_end(socket, "server_stops", GOING_AWAY); return;
        }
    }
}

static void count_pump(struct cf_sockets *sockets, bool is_more)
{
    pthread_mutex_lock(&sockets->lock);
    sockets->pumps += is_more ? 1 : -(size_t)1;
    if (sockets->pumps == 0)
        pthread_cond_broadcast(&sockets->told);
    pthread_mutex_unlock(&sockets->lock);
}

static void *pump(void *self)
{
    struct socket *socket = self;
    send_all(socket);
    count_pump(socket->sockets, false);
    return NULL;
}

/* --- what the library calls, on the thread of the connection --- */

static struct socket *find(struct cf_sockets *sockets, const struct mg_connection *connection)
{
    struct socket *socket;
    pthread_mutex_lock(&sockets->lock);
    DL_SEARCH_SCALAR(sockets->list, socket, connection, connection);
    pthread_mutex_unlock(&sockets->lock);
    return socket;
}

static int on_connect(const struct mg_connection *connection, void *self)
{
    (void)connection, (void)self;
    return 0;    /* cf_socket_upgrade has looked at it */
}

static void on_ready(struct mg_connection *connection, void *self)
{
    struct cf_sockets *sockets = self;
    const char *query = mg_get_request_info(connection)->query_string;
    char text[32];
    int64_t after = -1;
    struct cf_watcher *watcher;
    if (query != NULL && mg_get_var(query, strlen(query), "lastEventId", text, sizeof text) > 0)
        cf_watch_parse_id(text, &after);
    if (!cf_events_watch(sockets->options->events, NULL, after, &watcher)) {    /* it is being stopped */
        mg_websocket_write(connection, MG_WEBSOCKET_OPCODE_CONNECTION_CLOSE, NULL, 0);
        return;
    }

    struct socket *socket = cf_calloc(1, sizeof *socket);
    socket->sockets = sockets;
    socket->connection = connection;
    socket->watcher = watcher;
    count_pump(sockets, true);
    if (pthread_create(&socket->pump, NULL, pump, socket) != 0) {
        mg_websocket_write(connection, MG_WEBSOCKET_OPCODE_CONNECTION_CLOSE, NULL, 0);
        count_pump(sockets, false);
        cf_watcher_free(watcher);
        free(socket);
        return;
    }
    pthread_mutex_lock(&sockets->lock);
    DL_APPEND(sockets->list, socket);
    pthread_mutex_unlock(&sockets->lock);
}

static int on_data(struct mg_connection *connection, int bits, char *data, size_t len, void *self)
{
    (void)self;
    if ((bits & 0xf) != MG_WEBSOCKET_OPCODE_CONNECTION_CLOSE)
        return 1;
    mg_websocket_write(connection, MG_WEBSOCKET_OPCODE_CONNECTION_CLOSE, data,
                       len <= CLOSE_MAX ? len : 0);
    return 0;
}

static void on_close(const struct mg_connection *connection, void *self)
{
    struct cf_sockets *sockets = self;
    struct socket *socket = find(sockets, connection);
    if (socket == NULL)
        return;
    cf_watcher_stop(socket->watcher);
    pthread_join(socket->pump, NULL);
    pthread_mutex_lock(&sockets->lock);
    DL_DELETE(sockets->list, socket);
    pthread_mutex_unlock(&sockets->lock);
    cf_watcher_free(socket->watcher);
    free(socket);
}

struct cf_sockets *cf_sockets_new(struct mg_context *context, const struct cf_server_options *options)
{
    struct cf_sockets *sockets = cf_calloc(1, sizeof *sockets);
    sockets->options = options;
    pthread_mutex_init(&sockets->lock, NULL);
    pthread_cond_init(&sockets->told, NULL);
    mg_set_websocket_handler(context, "/api/events", on_connect, on_ready, on_data, on_close,
                             sockets);
    return sockets;
}

void cf_sockets_wait(struct cf_sockets *sockets, int wait_s)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += wait_s;
    pthread_mutex_lock(&sockets->lock);
    while (sockets->pumps > 0)
        if (pthread_cond_timedwait(&sockets->told, &sockets->lock, &until) == ETIMEDOUT)
            break;
    pthread_mutex_unlock(&sockets->lock);
}

void cf_sockets_free(struct cf_sockets *sockets)
{
    if (sockets == NULL)
        return;
    pthread_cond_destroy(&sockets->told);
    pthread_mutex_destroy(&sockets->lock);
    free(sockets);
}

/* --- the request --- */

void cf_socket_upgrade(struct cf_http_exchange *exchange, struct cf_server *server)
{
    const char *upgrade = cf_request_header(exchange, "Upgrade");
    const char *connection = cf_request_header(exchange, "Connection");
    const char *key = cf_request_header(exchange, "Sec-WebSocket-Key");
    const char *version = cf_request_header(exchange, "Sec-WebSocket-Version");
    const char *after = cf_request_query(exchange, "lastEventId");
    int64_t id;
    if (exchange->is_head || upgrade == NULL || strcasecmp(upgrade, "websocket") != 0 ||
        connection == NULL || strcasestr(connection, "upgrade") == NULL || key == NULL) {
        cf_respond_header(exchange, "Upgrade", "websocket");
        cf_respond_fail(exchange, 426, "this path is a WebSocket; GET /api/runs/ID/events gives those of "
                                       "one run");
        return;
    }
    if (version == NULL || strcmp(version, "13") != 0) {
        cf_respond_header(exchange, "Sec-WebSocket-Version", "13");
        cf_respond_fail(exchange, 426, "the version of the WebSocket must be 13");
        return;
    }
    if (after != NULL && !cf_watch_parse_id(after, &id)) {
        cf_watch_refuse_id(exchange, "lastEventId");
        return;
    }
    if (cf_server_options(server)->events == NULL)
        cf_respond_fail(exchange, 503, "nothing is worked on here");
    else
        exchange->status = CF_SOCKET_STATUS;
}
