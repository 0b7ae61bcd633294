/* loopback_server.h - an HTTP server for tests that misbehaves on request.
 *
 * One thread accepts, one more serves each connection. What it does depends on the path of
 * the request, see serve_request. It never waits for time to pass, only for its client. */
#ifndef LOOPBACK_SERVER_H
#define LOOPBACK_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVER_CONNECTIONS_MAX 512

struct server {
    int         listen_fd, port;
    pthread_t   accepter;
    pthread_t   workers[SERVER_CONNECTIONS_MAX];
    atomic_int  connections;         /* accepted so far */
    atomic_int  arrivals;            /* whole requests read so far */
    atomic_int  resets;              /* connections reset on purpose */
    sem_t       release;             /* "/held" answers once this is posted */
    pthread_mutex_t lock;
    char        last_head[4096];     /* of the last request, under the lock */
    size_t      last_body_len;
};

struct server_connection { struct server *server; int fd; };

static bool server_write(int fd, const void *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        bytes = (const char *)bytes + n;
        len -= (size_t)n;
    }
    return true;
}

static bool server_text(int fd, const char *text)
{
    return server_write(fd, text, strlen(text));
}

static bool server_reply(int fd, const char *status, const char *fields, const char *body)
{
    char head[1024];
    int n = snprintf(head, sizeof head, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n", status,
                     fields, strlen(body));
    return server_write(fd, head, (size_t)n) && server_text(fd, body);
}

/* Reads until the client closes. */
static void server_drain(int fd)
{
    char bytes[16384];
    while (recv(fd, bytes, sizeof bytes, 0) > 0)
        ;
}

static void server_reset(struct server *server, int fd)
{
    struct linger linger = { .l_onoff = 1, .l_linger = 0 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    atomic_fetch_add(&server->resets, 1);
}

/* Ten thousand zeros. */
static const unsigned char server_gzip[] = {
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xed, 0xc1, 0x01, 0x0d, 0x00, 0x00,
    0x00, 0xc2, 0xa0, 0xf7, 0x4f, 0x6d, 0x0e, 0x37, 0xa0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0xe0, 0xdf, 0x00, 0x2e, 0xca, 0x3b, 0x4d, 0x10, 0x27, 0x00, 0x00,
};

/* True if the connection goes on. */
static bool serve_request(struct server *server, int fd, const char *path, int number, int total)
{
    if (strcmp(path, "/ok") == 0)
        return server_reply(fd, "200 OK", "request-id: req_1\r\nX-Two:  b \r\n", "hello");
    if (strcmp(path, "/flaky") == 0) {    /* every seventh request, wherever it comes in */
        if (total % 7 != 0)
            return server_reply(fd, "200 OK", "", "hello");
        server_reset(server, fd);
        return false;
    }
    if (strcmp(path, "/reset-reused") == 0) {
        if (number == 1)
            return server_reply(fd, "200 OK", "", "hello");
        server_reset(server, fd);
        return false;
    }
    if (strcmp(path, "/close") == 0)
        return false;
    if (strcmp(path, "/silent") == 0) {
        server_drain(fd);
        return false;
    }
    if (strcmp(path, "/stall") == 0) {
        server_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        server_drain(fd);
        return false;
    }
    if (strcmp(path, "/cut") == 0) {
        server_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        return false;
    }
    if (strcmp(path, "/cut-chunked") == 0) {
        server_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
        return false;
    }
    if (strcmp(path, "/garbage") == 0) {
        server_text(fd, "SSH-2.0-OpenSSH_9.2\r\n\r\n");
        return false;
    }
    if (strcmp(path, "/redirect") == 0)
        return server_reply(fd, "302 Found", "Location: /ok\r\n", "moved");
    if (strcmp(path, "/interim") == 0) {
        return server_text(fd, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n") &&
               server_reply(fd, "200 OK", "", "hello");
    }
    if (strcmp(path, "/big") == 0) {
        char body[1001];
        memset(body, 'x', 1000);
        body[1000] = '\0';
        return server_reply(fd, "200 OK", "", body);
    }
    if (strcmp(path, "/gzip") == 0) {
        char head[128];
        int n = snprintf(head, sizeof head,
                         "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
                         sizeof server_gzip);
        return server_write(fd, head, (size_t)n) &&
               server_write(fd, server_gzip, sizeof server_gzip);
    }
    if (strcmp(path, "/gzip-broken") == 0)
        return server_reply(fd, "200 OK", "Content-Encoding: gzip\r\n", "this is no gzip");
    if (strcmp(path, "/held") == 0) {
        sem_wait(&server->release);
        return server_reply(fd, "200 OK", "", "hello");
    }
    if (strncmp(path, "http://", 7) == 0)    /* we are taken for a proxy */
        return server_reply(fd, "502 Bad Gateway", "Content-Type: text/html\r\n",
                            "<html><body>Bad Gateway</body></html>");
    return server_reply(fd, "404 Not Found", "", "");
}

static void *server_connection_main(void *arg)
{
    struct server_connection connection = *(struct server_connection *)arg;
    struct server *server = connection.server;
    int fd = connection.fd;
    free(arg);

    char head[8192];
    size_t len = 0;
    for (int number = 1;; number++) {
        char *end;
        while (head[len] = '\0', (end = strstr(head, "\r\n\r\n")) == NULL) {
            ssize_t n = len < sizeof head - 1 ? recv(fd, head + len, sizeof head - 1 - len, 0) : 0;
            if (n <= 0)
                goto done;
            len += (size_t)n;
            if (head[0] == 0x16) {    /* a TLS handshake */
                server_reply(fd, "400 Bad Request", "", "plain HTTP only");
                goto done;
            }
        }
        size_t head_len = (size_t)(end + 4 - head);
        char method[16] = "", path[1024] = "";
        sscanf(head, "%15s %1023s", method, path);
        if (strcmp(method, "CONNECT") == 0) {
            server_reply(fd, "403 Forbidden", "", "");
            goto done;
        }
        if (strcmp(path, "/early") == 0) {    /* answers before it has read the body */
            server_reply(fd, "413 Too Large", "", "no");
            server_drain(fd);
            goto done;
        }

        const char *field = strcasestr(head, "\r\nContent-Length:");
        size_t want = field != NULL && field < end ? strtoul(field + 17, NULL, 10) : 0;
        size_t have = len - head_len;
        char bytes[16384];
        while (have < want) {
            ssize_t n = recv(fd, bytes, sizeof bytes, 0);
            if (n <= 0)
                goto done;
            have += (size_t)n;
        }

        pthread_mutex_lock(&server->lock);
        snprintf(server->last_head, sizeof server->last_head, "%.*s",
                 (int)(head_len < 4095 ? head_len : 4095), head);
        server->last_body_len = want;
        pthread_mutex_unlock(&server->lock);
        int total = atomic_fetch_add(&server->arrivals, 1) + 1;
        len = 0;
        if (!serve_request(server, fd, path, number, total))
            break;
    }
done:
    close(fd);
    return NULL;
}

static void *server_main(void *arg)
{
    struct server *server = arg;
    for (;;) {
        int fd = accept(server->listen_fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        int at = atomic_load(&server->connections);
        if (at == SERVER_CONNECTIONS_MAX)
            abort();
        struct server_connection *connection = malloc(sizeof *connection);
        *connection = (struct server_connection){ server, fd };
        pthread_create(&server->workers[at], NULL, server_connection_main, connection);
        atomic_store(&server->connections, at + 1);
    }
}

static int loopback_listen(int backlog, int *out_port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = { .sin_family = AF_INET };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, backlog) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        abort();
    *out_port = ntohs(address.sin_port);
    return fd;
}

static struct server *server_start(void)
{
    struct server *server = calloc(1, sizeof *server);
    server->listen_fd = loopback_listen(128, &server->port);
    sem_init(&server->release, 0, 0);
    pthread_mutex_init(&server->lock, NULL);
    pthread_create(&server->accepter, NULL, server_main, server);
    return server;
}

/* The client must have closed its connections: workers end with them. */
static void server_stop(struct server *server)
{
    shutdown(server->listen_fd, SHUT_RDWR);
    pthread_join(server->accepter, NULL);
    close(server->listen_fd);
    for (int i = 0; i < atomic_load(&server->connections); i++)
        sem_post(&server->release);    /* whoever a failed test left waiting */
    for (int i = 0; i < atomic_load(&server->connections); i++)
        pthread_join(server->workers[i], NULL);
    sem_destroy(&server->release);
    pthread_mutex_destroy(&server->lock);
    free(server);
}
#endif
