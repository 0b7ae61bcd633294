/* fixture.h - a server over a fresh database on a free loopback port, and raw bytes to and from
 * it. */
#ifndef TESTS_SERVER_FIXTURE_H
#define TESTS_SERVER_FIXTURE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "confab/buf.h"
#include "confab/error.h"
#include "server/server.h"
#include "store/reader.h"
#include "store/store.h"
#include "store/write_call.h"
#include "store/write_item.h"
#include "store/write_review.h"
#include "store/write_run.h"

struct fixture {
    char folder[64], path[128];
    struct cf_store *store;
    struct cf_server *server;
    struct cf_error err;
};

static inline void fixture_open_store(struct fixture *f)
{
    struct cf_store_options options = { .busy_ms = 200 };
    snprintf(f->folder, sizeof f->folder, "/tmp/confab-server-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/test.db", f->folder);
    if (!cf_store_open(f->path, &options, &f->store, &f->err))
        fail_msg("%s", f->err.message);
}

static inline void fixture_start(struct fixture *f, struct cf_server_options options)
{
    options.db_path = f->path;
    options.store = f->store;
    if (options.workers == 0)
        options.workers = 8;
    if (!cf_server_start(&options, &f->server, &f->err))
        fail_msg("%s", f->err.message);
}

static inline void fixture_close(struct fixture *f)
{
    char command[128];
    cf_server_stop(f->server);
    cf_store_free(f->store);
    snprintf(command, sizeof command, "rm -rf %s", f->folder);
    assert_int_equal(system(command), 0);
}

/* --- raw bytes --- */

static inline int fixture_connect(const struct fixture *f)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)cf_server_port(f->server)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval patience = { .tv_sec = 30 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Sends what the server takes; it may answer and close before the end. */
static inline void fixture_send(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        bytes += sent;
        len -= (size_t)sent;
    }
}

struct answer {
    int status;                /* 0: closed without an answer */
    char *head, *body;         /* owned; NULL without an answer */
    cJSON *json;               /* the body, if it is JSON */
};

static inline void answer_done(struct answer *answer)
{
    cJSON_Delete(answer->json);
    free(answer->head);
    free(answer->body);
}

/* The length that the head tells; -1: none. */
static inline long answer_length(const char *head)
{
    const char *found = strcasestr(head, "\r\nContent-Length:");
    return found != NULL ? atol(found + 17) : -1;
}

/* Reads one reply; one to HEAD has no body. */
static inline struct answer fixture_read(int fd, int is_head)
{
    struct answer answer = { .status = 0 };
    struct cf_buf got = { .max = 64u << 20 };
    char piece[65536];
    char *end = NULL;
    ssize_t n;
    while ((end = strstr(cf_buf_str(&got), "\r\n\r\n")) == NULL) {
        n = recv(fd, piece, sizeof piece, 0);
        if (n <= 0)
            break;
        cf_buf_add(&got, piece, (size_t)n);
    }
    if (end != NULL) {
        size_t head_len = (size_t)(end - got.data) + 4;
        answer.head = strndup(got.data, head_len);
        long length = is_head ? 0 : answer_length(answer.head);
        while (length >= 0 && got.len < head_len + (size_t)length &&
               (n = recv(fd, piece, sizeof piece, 0)) > 0)
            cf_buf_add(&got, piece, (size_t)n);
        answer.body = strndup(got.data + head_len, length > 0 ? (size_t)length : 0);
        answer.json = cJSON_Parse(answer.body);
        sscanf(answer.head, "HTTP/1.1 %d", &answer.status);
    }
    cf_buf_done(&got);
    return answer;
}

/* One request on a connection of its own. */
static inline struct answer fixture_raw(const struct fixture *f, const char *bytes, size_t len)
{
    int fd = fixture_connect(f);
    fixture_send(fd, bytes, len);
    struct answer answer = fixture_read(fd, strncmp(bytes, "HEAD ", 5) == 0);
    close(fd);
    return answer;
}

/* A well-formed request, with a JSON body unless it is NULL; more: further header lines. */
static inline struct answer fixture_ask(const struct fixture *f, const char *method, const char *path,
                                        const char *more, const char *body)
{
    struct cf_buf request = { .max = 64u << 20 };
    cf_buf_addf(&request, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s", method, path,
                cf_server_port(f->server), more != NULL ? more : "");
    if (body != NULL)
        cf_buf_addf(&request, "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(body));
    cf_buf_addf(&request, "\r\n%s", body != NULL ? body : "");
    struct answer answer = fixture_raw(f, request.data, request.len);
    cf_buf_done(&request);
    return answer;
}

static inline const char *answer_str(const struct answer *answer, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(answer->json, name));
}
#endif
