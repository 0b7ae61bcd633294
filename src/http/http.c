#include "http/http.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/mem.h"
#include "confab/error.h"
#include "http/transfer.h"

#define IDLE_CONNECTIONS_MAX  1024   /* kept for reuse; a run has fewer calls in flight */
#define IDLE_TRANSFERS_MAX    512    /* handles kept for the next request, about 8 KB each */
#define SMALL_BEYOND          1000   /* of so many in flight none needs to be as fast as it can */
#define STREAMS_A_CONNECTION  8      /* HTTP/2: one lost connection must not take hundreds along */

/* A descriptor of libcurl's. Entries live as long as the client, since an event of the
 * current turn may still point to one whose descriptor was closed. */
struct http_socket {
    struct cf_watch watch;
    struct cf_http *http;
    uint32_t wanted, registered;     /* EPOLL* bits */
    bool     is_connection;          /* opened through open_socket: we are told when it closes */
};

struct cf_http {
    struct cf_loop *loop;            /* borrowed */
    CURLM          *multi;
    CURLSH         *share;           /* TLS sessions, so that a new connection resumes one */
    struct cf_timer timer;           /* libcurl's own */
    struct cf_http_options options;  /* its strings are owned */
    struct http_socket **sockets;    /* by descriptor */
    size_t socket_cap;
    struct cf_http_transfer *transfers;                 /* under way */
    struct cf_http_transfer *sent_first, **sent_tail;   /* on_sent is due */
    size_t in_flight;
    struct cf_http_transfer *idle;                      /* ready to be used again */
    size_t idle_count;
    int    socket_errno;             /* why no descriptor could be made; 0 if the last one could */
};

/* --- for transfer.c --- */

int64_t http_now_ms(const struct cf_http *http)
{
    return cf_loop_now(http->loop);
}

void http_phase_changed(struct cf_http_transfer *transfer)
{
    enum cf_http_failure unused;
    cf_loop_set_timer(transfer->http->loop, &transfer->timer, transfer_due_ms(transfer, &unused));
}

void http_all_written(struct cf_http_transfer *transfer)
{
    struct cf_http *http = transfer->http;
    transfer->sent_is_due = true;
    *http->sent_tail = transfer;
    http->sent_tail = &transfer->next_sent;
}

/* --- delivering --- */

static void report_sent(struct cf_http_transfer *transfer)
{
    struct cf_http_request *request = transfer->request;
    transfer->sent_is_due = false;
    if (request->on_sent != NULL)
        request->on_sent(request, request->self);
}

static void unlink_transfer(struct cf_http_transfer *transfer)
{
    struct cf_http *http = transfer->http;

    if (transfer->prev != NULL)
        transfer->prev->next = transfer->next;
    else
        http->transfers = transfer->next;
    if (transfer->next != NULL)
        transfer->next->prev = transfer->prev;

    struct cf_http_transfer **at = &http->sent_first;
    while (*at != NULL && *at != transfer)
        at = &(*at)->next_sent;
    if (*at == transfer) {
        *at = transfer->next_sent;
        if (*at == NULL)
            http->sent_tail = at;
    }
}

static struct cf_http_transfer *take_idle(struct cf_http *http)
{
    struct cf_http_transfer *transfer = http->idle;
    if (transfer == NULL)
        return NULL;
    http->idle = transfer->next;
    http->idle_count--;
    transfer->next = NULL;
    return transfer;
}

static void retire(struct cf_http_transfer *transfer)
{
    struct cf_http *http = transfer->http;
    bool is_unfit = transfer->is_small && http->in_flight < SMALL_BEYOND;
    if (is_unfit || http->idle_count == IDLE_TRANSFERS_MAX) {
        transfer_free(transfer);
        return;
    }
    transfer_clear(transfer);
    transfer->next = http->idle;
    http->idle = transfer;
    http->idle_count++;
}

/* The result is filled; takes the transfer off everything and hands the result over. */
static void deliver_result(struct cf_http_transfer *transfer)
{
    struct cf_http *http = transfer->http;
    struct cf_http_request *request = transfer->request;

    curl_multi_remove_handle(http->multi, transfer->easy);
    cf_loop_clear_timer(http->loop, &transfer->timer);
    bool sent_is_due = transfer->sent_is_due;
    unlink_transfer(transfer);
    http->in_flight--;

    if (sent_is_due)
        report_sent(transfer);
    request->transfer = NULL;
    request->on_done(request, &transfer->result, request->self);
    retire(transfer);
}

/* Calls what became due while libcurl worked. Callbacks may send and cancel. */
static void deliver(struct cf_http *http)
{
    struct cf_http_transfer *transfer;
    while ((transfer = http->sent_first) != NULL) {
        http->sent_first = transfer->next_sent;
        if (http->sent_first == NULL)
            http->sent_tail = &http->sent_first;
        transfer->next_sent = NULL;
        report_sent(transfer);
    }

    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        if (code == CURLE_COULDNT_CONNECT && http->socket_errno != 0)
            snprintf(transfer->curl_message, sizeof transfer->curl_message, "%s",
                     strerror(http->socket_errno));
        transfer_conclude(transfer, code, cf_loop_now(http->loop));
        deliver_result(transfer);
    }
}

/* A deadline, perhaps one that has moved on meanwhile. */
static void on_deadline(void *self)
{
    struct cf_http_transfer *transfer = self;
    struct cf_http *http = transfer->http;
    enum cf_http_failure failure;
    int64_t due_ms = transfer_due_ms(transfer, &failure);

    if (due_ms > cf_loop_now(http->loop)) {
        cf_loop_set_timer(http->loop, &transfer->timer, due_ms);
        return;
    }
    transfer_give_up(transfer, failure, cf_loop_now(http->loop));
    deliver_result(transfer);
}

/* --- libcurl's sockets and timer on the loop --- */

static void act(struct cf_http *http, curl_socket_t fd, int events)
{
    int running;
    curl_multi_socket_action(http->multi, fd, events, &running);
    deliver(http);
}

static void on_ready(uint32_t events, void *self)
{
    struct http_socket *sock = self;

    if (sock->wanted == 0) {    /* an idle connection that the server closes or talks on */
        cf_loop_unwatch(sock->http->loop, &sock->watch);
        sock->registered = 0;
        return;
    }
    int what = 0;
    if (events & EPOLLIN)
        what |= CURL_CSELECT_IN;
    if (events & EPOLLOUT)
        what |= CURL_CSELECT_OUT;
    if (events & (EPOLLERR | EPOLLHUP))
        what |= CURL_CSELECT_ERR;
    act(sock->http, sock->watch.fd, what);
}

static void on_timer(void *self)
{
    act(self, CURL_SOCKET_TIMEOUT, 0);
}

static int set_timer(CURLM *multi, long wait_ms, void *self)
{
    (void)multi;
    struct cf_http *http = self;
    if (wait_ms < 0)
        cf_loop_clear_timer(http->loop, &http->timer);
    else
        cf_loop_set_timer(http->loop, &http->timer, cf_loop_now(http->loop) + wait_ms);
    return 0;
}

static struct http_socket *socket_of(struct cf_http *http, curl_socket_t fd)
{
    size_t index = (size_t)fd;
    if (index >= http->socket_cap) {
        size_t cap = http->socket_cap == 0 ? 64 : http->socket_cap;
        while (cap <= index)
            cap *= 2;
        http->sockets = cf_realloc(http->sockets, cap * sizeof *http->sockets);
        memset(http->sockets + http->socket_cap, 0,
               (cap - http->socket_cap) * sizeof *http->sockets);
        http->socket_cap = cap;
    }
    if (http->sockets[index] == NULL) {
        struct http_socket *sock = cf_calloc(1, sizeof *sock);
        sock->watch = (struct cf_watch){ .on_ready = on_ready, .self = sock, .fd = fd };
        sock->http = http;
        http->sockets[index] = sock;
    }
    return http->sockets[index];
}

static void forget_socket(struct http_socket *sock)
{
    if (sock->registered != 0)
        cf_loop_unwatch(sock->http->loop, &sock->watch);
    sock->registered = sock->wanted = 0;
    sock->is_connection = false;
}

/* libcurl drops its interest when a transfer ends and takes it up with the next one on that
 * connection. Leaving the descriptor registered in between saves two system calls a request. */
static int set_interest(CURL *easy, curl_socket_t fd, int what, void *self, void *entry)
{
    (void)easy, (void)entry;
    struct http_socket *sock = socket_of(self, fd);

    if (what == CURL_POLL_REMOVE) {
        sock->wanted = 0;
        if (!sock->is_connection)    /* a resolver's pipe: closed without a word to us */
            forget_socket(sock);
        return 0;
    }
    sock->wanted = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    if (sock->wanted != sock->registered &&
        cf_loop_watch(sock->http->loop, &sock->watch, sock->wanted))
        sock->registered = sock->wanted;
    return 0;
}

static curl_socket_t open_socket(void *self, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    struct cf_http *http = self;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0) {
        http->socket_errno = errno;
        return CURL_SOCKET_BAD;
    }
    http->socket_errno = 0;
    struct http_socket *sock = socket_of(http, fd);
    forget_socket(sock);
    sock->is_connection = true;
    return fd;
}

static int close_socket(void *self, curl_socket_t fd)
{
    forget_socket(socket_of(self, fd));
    return close(fd);
}

/* --- public --- */

static pthread_once_t global_once = PTHREAD_ONCE_INIT;
static CURLcode global_code;

static void start_libcurl(void)
{
    global_code = curl_global_init(CURL_GLOBAL_DEFAULT);

    /* TLS writes to a closed connection raise it. Where somebody handles it, let it be. */
    struct sigaction old;
    if (sigaction(SIGPIPE, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
}

struct cf_http *cf_http_new(struct cf_loop *loop, const struct cf_http_options *options,
                            struct cf_error *err)
{
    static const struct cf_http_options none;
    if (options == NULL)
        options = &none;

    pthread_once(&global_once, start_libcurl);
    if (global_code != CURLE_OK) {
        cf_fail(err, CF_ERR_API, "libcurl does not start: %s", curl_easy_strerror(global_code));
        return NULL;
    }

    struct cf_http *http = cf_calloc(1, sizeof *http);
    http->loop = loop;
    http->timer = (struct cf_timer){ .on_fire = on_timer, .self = http };
    http->sent_tail = &http->sent_first;
    http->options.http2 = options->http2;
    http->options.user_agent = cf_strdup(options->user_agent != NULL ? options->user_agent
                                                                     : "confab/" CONFAB_VERSION);
    http->options.ca_file = options->ca_file != NULL ? cf_strdup(options->ca_file) : NULL;
    http->multi = curl_multi_init();
    http->share = curl_share_init();
    if (http->multi == NULL || http->share == NULL) {
        cf_http_free(http);
        cf_fail(err, CF_ERR_API, "libcurl does not start: no memory or descriptor is left");
        return NULL;
    }

    curl_share_setopt(http->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, set_interest);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS_MAX);
    curl_multi_setopt(http->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)STREAMS_A_CONNECTION);
    return http;
}

void cf_http_free(struct cf_http *http)
{
    if (http == NULL)
        return;
    while (http->transfers != NULL)
        cf_http_cancel(http, http->transfers->request);
    struct cf_http_transfer *transfer;
    while ((transfer = take_idle(http)) != NULL)
        transfer_free(transfer);
    curl_multi_cleanup(http->multi);
    curl_share_cleanup(http->share);
    cf_loop_clear_timer(http->loop, &http->timer);
    for (size_t i = 0; i < http->socket_cap; i++)
        free(http->sockets[i]);
    free(http->sockets);
    free((char *)http->options.user_agent);
    free((char *)http->options.ca_file);
    free(http);
}

static struct cf_http_transfer *new_transfer(struct cf_http *http)
{
    bool is_small = http->in_flight >= SMALL_BEYOND;
    struct cf_http_transfer *transfer =
        transfer_new(http, &http->options, http->share, is_small);
    curl_easy_setopt(transfer->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(transfer->easy, CURLOPT_OPENSOCKETDATA, http);
    curl_easy_setopt(transfer->easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    curl_easy_setopt(transfer->easy, CURLOPT_CLOSESOCKETDATA, http);
    return transfer;
}

void cf_http_send(struct cf_http *http, struct cf_http_request *request)
{
    assert(request->transfer == NULL && request->on_done != NULL);

    struct cf_http_transfer *transfer = take_idle(http);
    if (transfer == NULL)
        transfer = new_transfer(http);
    transfer_begin(transfer, request, cf_loop_now(http->loop));
    transfer->timer = (struct cf_timer){ .on_fire = on_deadline, .self = transfer };

    request->transfer = transfer;
    transfer->next = http->transfers;
    if (transfer->next != NULL)
        transfer->next->prev = transfer;
    http->transfers = transfer;
    http->in_flight++;
    http_phase_changed(transfer);
    curl_multi_add_handle(http->multi, transfer->easy);
}

void cf_http_cancel(struct cf_http *http, struct cf_http_request *request)
{
    struct cf_http_transfer *transfer = request->transfer;
    if (transfer == NULL)
        return;
    transfer_give_up(transfer, CF_HTTP_CANCELLED, cf_loop_now(http->loop));
    deliver_result(transfer);
}

size_t cf_http_in_flight(const struct cf_http *http)
{
    return http->in_flight;
}
