/* connection.h - what is kept of a connection from request to request, and what the library does
 * not say about it: its socket, and why it could not read a request.
 *
 * The library's sockets are its own, so ours is found by the address of its other end; it is
 * only looked at (whether the client is gone) and cut short at a deadline, never read, written
 * or closed. Worker thread of the connection only. */
#ifndef CONFAB_SERVER_CONNECTION_H
#define CONFAB_SERVER_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

struct cf_clock;
struct cf_traffic_address;
struct mg_connection;

struct cf_connection {
    struct cf_traffic_address *entry;    /* NULL before its first request */
    int64_t idle_since_ms;               /* since it began, or its last reply */
    bool is_refused;                     /* a request that could not be read; it is the last one */
    bool has_fd;                         /* it was looked for */
    int fd;                              /* -1: not found */
};

struct cf_connection *cf_connection_new(const struct cf_clock *clock);

/* NULL is fine. */
void cf_connection_free(struct cf_connection *connection);

/* The library's own, made by cf_connection_new when it began. */
struct cf_connection *cf_connection_of(const struct mg_connection *connection);

/* Its socket; -1: it cannot be found. */
int cf_connection_fd(struct mg_connection *connection);

/* Whether the client has closed its side: nobody is left who reads the answer. */
bool cf_connection_is_gone(struct mg_connection *connection);

/* Why the library could not read a request, for which it would answer 400: 408 if the head took as
 * long as it may, 431 if there is more than the library takes, else 400. */
int cf_connection_refusal(struct mg_connection *connection, int64_t now_ms, int64_t head_ms);
#endif
