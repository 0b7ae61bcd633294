/* server.h - the HTTP server: one listening port, a thread for each connection, one handler.
 *
 * The server library (civetweb) accepts connections, keeps time while headers arrive, and speaks
 * TLS; it has no document root, and every request that it could read goes to our one handler,
 * which answers it: nothing else of the library decides on a path. Workers read the database
 * through a pool of read-only connections, write through the store's queue, and hand what needs
 * Lua to the script thread as jobs. They never touch Lua. */
#ifndef CONFAB_SERVER_SERVER_H
#define CONFAB_SERVER_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_access;
struct cf_answers;
struct cf_clock;
struct cf_deadlines;
struct cf_error;
struct cf_events;
struct cf_http_exchange;
struct cf_jobs;
struct cf_readers;
struct cf_sender;
struct cf_server;
struct cf_store;
struct cf_tally;
struct cf_traffic;

#define CF_SERVER_ADDRESS "127.0.0.1"
#define CF_SERVER_WORKERS 512            /* connections at a time; each holds a thread */
#define CF_SERVER_PER_ADDRESS 64         /* of them, from one address that is not loopback */
#define CF_SERVER_HEAD_MS 10000          /* until request line and headers are there */
#define CF_SERVER_BODY_MS 60000          /* until the body is there */
#define CF_SERVER_READERS 8              /* database connections */

struct cf_server_options {
    const char *address;                 /* IPv4; NULL: CF_SERVER_ADDRESS. Others need a token */
    int port;                            /* 0: any that is free */
    const char *token;                   /* NULL: none asked for */
    const char *tls_cert, *tls_key;      /* PEM files; key NULL: it is in the certificate's file */
    /* names in Host besides the loopback ones; ended by NULL */
    const char *const *hosts;
    const char *db_path;                 /* what the workers read; must exist at the start */
    struct cf_store *store;              /* for reviews; NULL: PATCH answers 503. Borrowed */
    struct cf_jobs *jobs;                /* for what needs Lua; NULL: none is taken. Borrowed */
    /* what runs tell; NULL: nothing is live. Borrowed; ended by the stop */
    struct cf_events *events;
    struct cf_sender *sender;            /* whose lanes are shown; NULL: none. Borrowed */
    /* uuids of templates that the script made; ended by NULL. Borrowed */
    const char *const *offered;
    const struct cf_clock *clock;        /* NULL: the system's. Borrowed */
    int heartbeat_ms;                    /* of those who watch; 0: see watch.h */
    int workers, per_address, readers, head_ms, body_ms; /* 0: the figures above; connections from
                                            loopback itself are then as many as there are workers */
};

/* Starts to listen and answer. config_error: an address in use or not ours, another address than
 * loopback without a token, an unusable certificate. What options point to is copied where it
 * does not say that it is borrowed. */
bool cf_server_start(const struct cf_server_options *options, struct cf_server **out_server,
                     struct cf_error *err);

/* The port that it listens on, and the address to open in a browser. Lent. */
int         cf_server_port(const struct cf_server *server);
const char *cf_server_url(const struct cf_server *server);

/* From now on /readyz says no, and what would start work is refused with 503. Any thread. */
void cf_server_drain(struct cf_server *server);
bool cf_server_is_draining(const struct cf_server *server);

/* Closes the port, waits for the workers, frees all. Takes up to two seconds. */
void cf_server_stop(struct cf_server *server);

/* --- for handlers; any worker thread --- */

struct cf_store   *cf_server_store(const struct cf_server *server);
struct cf_readers *cf_server_readers(const struct cf_server *server);
struct cf_jobs    *cf_server_jobs(const struct cf_server *server);
const struct cf_access *cf_server_access(const struct cf_server *server);
struct cf_traffic *cf_server_traffic(const struct cf_server *server);
struct cf_deadlines *cf_server_deadlines(const struct cf_server *server);
struct cf_tally   *cf_server_tally(const struct cf_server *server);
struct cf_answers *cf_server_answers(const struct cf_server *server);
const struct cf_clock *cf_server_clock(const struct cf_server *server);

/* The options as they are in force, the defaults filled in. Lent. */
const struct cf_server_options *cf_server_options(const struct cf_server *server);
#endif
