#include "server/tls_front.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/mem.h"
#include "confab/clock.h"
#include "confab/error.h"
#include "server/tls.h"
#include "server/traffic.h"

#define PIECE_BYTES 16384        /* a TLS record */
#define FAREWELL_S  2            /* for what the server sent last */

struct cf_tls_front {
    SSL_CTX *ctx;
    struct cf_traffic *traffic;
    int listen_fd, stop_fd;      /* stop_fd: readable once all is to end */
    int port, to_port, handshake_ms;
    bool is_accepting;
    pthread_t accepter;
    pthread_mutex_t lock;
    pthread_cond_t left;         /* a connection ended */
    size_t connections, most;    /* under the lock */
};

struct connection {
    struct cf_tls_front *front;
    struct cf_traffic_address *entry;
    SSL *ssl;
    int client_fd, server_fd;
};

/* Bytes on their way in one direction. */
struct piece {
    char bytes[PIECE_BYTES];
    size_t begin, end;
    bool is_over;                /* nothing more comes */
};

/* --- passing on --- */

/* Waits for what is wanted of the client, and of the server if it is there. False: time to end. */
static bool wait_for(const struct connection *connection, short client, short server,
                     int timeout_ms)
{
    struct pollfd fds[] = {
        { .fd = connection->client_fd, .events = client },
        { .fd = connection->server_fd, .events = server },
        { .fd = connection->front->stop_fd, .events = POLLIN },
    };
    if (server == 0)
        fds[1].fd = -1;          /* else one that hung up would wake us again and again */
    if (client == 0)
        fds[0].fd = -1;
    int ready;
    do
        ready = poll(fds, 3, timeout_ms);
    while (ready < 0 && errno == EINTR);
    return ready > 0 && (fds[2].revents & POLLIN) == 0;
}

/* What OpenSSL waits for; 0: the connection is over. */
static short wanted(const struct connection *connection, int result)
{
    switch (SSL_get_error(connection->ssl, result)) {
    case SSL_ERROR_WANT_READ: return POLLIN;
    case SSL_ERROR_WANT_WRITE: return POLLOUT;
    default: ERR_clear_error(); return 0;
    }
}

static bool shake_hands(const struct connection *connection)
{
    const struct cf_clock *clock = cf_clock_system();
    int64_t until_ms = cf_now_ms(clock) + connection->front->handshake_ms;
    for (;;) {
        int result = SSL_accept(connection->ssl);
        if (result == 1)
            return true;
        short events = wanted(connection, result);
        int64_t left_ms = until_ms - cf_now_ms(clock);
        if (events == 0 || left_ms <= 0 || !wait_for(connection, events, 0, (int)left_ms))
            return false;
    }
}

static bool is_again(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* From the client to the server, as far as it goes now. What is to be waited for is added to the
 * events. False: the server is gone. */
static bool pass_request(const struct connection *connection, struct piece *piece, short *client,
                         short *server)
{
    for (;;) {
        if (piece->begin < piece->end) {
            ssize_t sent = send(connection->server_fd, piece->bytes + piece->begin,
                                piece->end - piece->begin, MSG_NOSIGNAL);
            if (sent < 0 && is_again()) {
                *server |= POLLOUT;
                return true;
            }
            if (sent < 0)
                return false;
            piece->begin += (size_t)sent;
            continue;
        }
        if (piece->is_over)
            return true;
        int got = SSL_read(connection->ssl, piece->bytes, sizeof piece->bytes);
        if (got > 0) {
            piece->begin = 0;
            piece->end = (size_t)got;
            continue;
        }
        short events = wanted(connection, got);
        *client |= events;
        if (events == 0) {
            piece->is_over = true;
            shutdown(connection->server_fd, SHUT_WR);
        }
        return true;
    }
}

/* From the server to the client. False: all is said, or the client is gone. */
static bool pass_reply(const struct connection *connection, struct piece *piece, short *client,
                       short *server)
{
    for (;;) {
        if (piece->begin < piece->end) {
            int sent = SSL_write(connection->ssl, piece->bytes + piece->begin,
                                 (int)(piece->end - piece->begin));
            if (sent <= 0) {
                short events = wanted(connection, sent);
                *client |= events;
                return events != 0;
            }
            piece->begin += (size_t)sent;
            continue;
        }
        ssize_t got = recv(connection->server_fd, piece->bytes, sizeof piece->bytes, 0);
        if (got < 0 && is_again()) {
            *server |= POLLIN;
            return true;
        }
        if (got <= 0)
            return false;
        piece->begin = 0;
        piece->end = (size_t)got;
    }
}

static void relay(const struct connection *connection)
{
    struct piece request = { .begin = 0 }, reply = { .begin = 0 };
    for (;;) {
        short client = 0, server = 0;
        if (!pass_request(connection, &request, &client, &server) ||
            !pass_reply(connection, &reply, &client, &server))
            break;
        if (!wait_for(connection, client, server, -1))
            break;
    }
    SSL_shutdown(connection->ssl);
    ERR_clear_error();
}

/* --- connections --- */

static int connect_to(int port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void *serve(void *self)
{
    struct connection *connection = self;
    struct cf_tls_front *front = connection->front;
    connection->ssl = SSL_new(front->ctx);
    if (connection->ssl != NULL && SSL_set_fd(connection->ssl, connection->client_fd) == 1 &&
        shake_hands(connection) && (connection->server_fd = connect_to(front->to_port)) >= 0) {
        fcntl(connection->server_fd, F_SETFL, O_NONBLOCK);
        relay(connection);
    }
    SSL_free(connection->ssl);
    ERR_clear_error();
    close(connection->client_fd);
    if (connection->server_fd >= 0)
        close(connection->server_fd);

    cf_traffic_leave(front->traffic, connection->entry);
    free(connection);
    pthread_mutex_lock(&front->lock);
    front->connections--;
    pthread_cond_broadcast(&front->left);
    pthread_mutex_unlock(&front->lock);
    return NULL;
}

static void take(struct cf_tls_front *front, int fd, const struct sockaddr_in *from)
{
    char address[INET_ADDRSTRLEN] = "";
    pthread_t thread;
    struct connection *connection = cf_calloc(1, sizeof *connection);
    *connection = (struct connection){ .front = front, .client_fd = fd, .server_fd = -1 };
    inet_ntop(AF_INET, &from->sin_addr, address, sizeof address);
    bool is_fine = cf_traffic_enter(front->traffic, address, &connection->entry);

    pthread_mutex_lock(&front->lock);
    is_fine = is_fine && front->connections < front->most;
    front->connections += is_fine;
    pthread_mutex_unlock(&front->lock);
    if (is_fine && pthread_create(&thread, NULL, serve, connection) == 0) {
        pthread_detach(thread);
        return;
    }
    pthread_mutex_lock(&front->lock);
    front->connections -= is_fine;
    pthread_mutex_unlock(&front->lock);
    cf_traffic_leave(front->traffic, connection->entry);
    close(fd);
    free(connection);
}

static void *accept_all(void *self)
{
    struct cf_tls_front *front = self;
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);             /* OpenSSL writes to a client that may be gone */
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);    /* threads made here inherit it */
    for (;;) {
        struct sockaddr_in from = { .sin_port = 0 };
        socklen_t len = sizeof from;
        int fd =
            accept4(front->listen_fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            take(front, fd, &from);
        else if (errno == EINVAL || errno == EBADF)    /* shut down: see cf_tls_front_close */
            return NULL;
        else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
            poll(NULL, 0, 100);                        /* until a connection ends */
    }
}

/* --- start and stop --- */

static bool listen_on(struct cf_tls_front *front, const struct cf_tls_front_options *options,
                      struct cf_error *err)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)options->port) };
    socklen_t len = sizeof at;
    int on = 1;
    inet_pton(AF_INET, options->address, &at.sin_addr);
    front->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (front->listen_fd < 0 ||
        setsockopt(front->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(front->listen_fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(front->listen_fd, 128) != 0)
        return cf_fail(err, CF_ERR_CONFIG, "cannot listen on %s:%d: %s", options->address,
                       options->port, strerror(errno));
    getsockname(front->listen_fd, (struct sockaddr *)&at, &len);
    front->port = ntohs(at.sin_port);
    return true;
}

bool cf_tls_front_start(const struct cf_tls_front_options *options, struct cf_tls_front **out_front,
                        struct cf_error *err)
{
    struct cf_tls_front *front = cf_calloc(1, sizeof *front);
    bool ok = false;
    pthread_mutex_init(&front->lock, NULL);
    pthread_cond_init(&front->left, NULL);
    front->listen_fd = -1;
    front->to_port = options->to_port;
    front->most = options->most;
    front->handshake_ms = options->handshake_ms;
    front->traffic = cf_traffic_new(options->most_per_address);
    front->stop_fd = eventfd(0, EFD_CLOEXEC);
    front->ctx = SSL_CTX_new(TLS_server_method());
    if (front->ctx == NULL || front->stop_fd < 0) {
        cf_fail(err, CF_ERR_CONFIG, "TLS cannot be used");
        goto done;
    }
    SSL_CTX_set_mode(front->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
    if (!cf_tls_use(front->ctx, options->cert, options->key, err) ||
        !listen_on(front, options, err))
        goto done;
    if (pthread_create(&front->accepter, NULL, accept_all, front) != 0) {
        cf_fail(err, CF_ERR_CONFIG, "no thread can be made");
        goto done;
    }
    front->is_accepting = true;
    *out_front = front;
    front = NULL;                /* moved to the caller */
    ok = true;
done:
    cf_tls_front_free(front);
    return ok;
}

int cf_tls_front_port(const struct cf_tls_front *front)
{
    return front->port;
}

void cf_tls_front_close(struct cf_tls_front *front)
{
    if (front == NULL || !front->is_accepting)
        return;
    shutdown(front->listen_fd, SHUT_RDWR);
    pthread_join(front->accepter, NULL);
    front->is_accepting = false;
}

void cf_tls_front_free(struct cf_tls_front *front)
{
    struct timespec until;
    uint64_t one = 1;
    if (front == NULL)
        return;
    cf_tls_front_close(front);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += FAREWELL_S;
    pthread_mutex_lock(&front->lock);
    while (front->connections > 0)
        if (pthread_cond_timedwait(&front->left, &front->lock, &until) == ETIMEDOUT)
            break;
    if (front->connections > 0 && write(front->stop_fd, &one, sizeof one) < 0)
        abort();                 /* cannot happen: the counter is at 0 */
    while (front->connections > 0)
        pthread_cond_wait(&front->left, &front->lock);
    pthread_mutex_unlock(&front->lock);
    SSL_CTX_free(front->ctx);
    cf_traffic_free(front->traffic);
    if (front->listen_fd >= 0)
        close(front->listen_fd);
    if (front->stop_fd >= 0)
        close(front->stop_fd);
    pthread_cond_destroy(&front->left);
    pthread_mutex_destroy(&front->lock);
    free(front);
}
