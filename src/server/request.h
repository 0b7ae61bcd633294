/* request.h - one request as its handler sees it: checked, cut into pieces, its body read.
 *
 * Whatever a browser, a proxy or an attacker can put into a request is looked at here, once,
 * before a handler runs: the length and form of the path, Host, Origin and Sec-Fetch-Site
 * (nobody else's page talks to us), doubled or contradicting lengths, the content type, the size
 * of the body and the time that it takes. A check that refuses has answered. Worker thread of
 * the connection only. */
#ifndef CONFAB_SERVER_REQUEST_H
#define CONFAB_SERVER_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "confab/buf.h"

struct cf_batch_body;
struct cf_http_route;
struct cf_server;
struct cJSON;
struct mg_connection;
struct mg_request_info;

#define CF_HTTP_URI_MAX      2048   /* bytes of path and query: filters and a search text */
#define CF_HTTP_HEAD_MAX     16384  /* bytes of request line and headers */
#define CF_HTTP_SEGMENTS_MAX 8      /* of a path; routes have up to 4 */
#define CF_HTTP_QUERY_MAX    32     /* parameters */

/* A parameter of the query, percent-decoded. */
struct cf_http_parameter {
    const char *name, *value;
};

struct cf_http_exchange {
    struct mg_connection *connection;
    const struct mg_request_info *info;
    struct cf_server *server;
    const struct cf_http_route *route;     /* set once it is found */
    const char *method;                    /* "GET" for HEAD, too */
    bool is_head;
    const char *segments[CF_HTTP_SEGMENTS_MAX];    /* of the path, decoded; none for "/" */
    size_t segment_count;
    struct cf_http_parameter query[CF_HTTP_QUERY_MAX];
    size_t query_count;
    /* what stands for ":id" of the route's pattern; or NULL */
    const char *id;
    struct cf_buf body;                    /* as it was sent: JSON that passed the strict check */
    struct cf_batch_body *batch;           /* of a batch, with its requests; body: what is around them */
    struct cJSON *json;                    /* the body as a tree; NULL: the route takes none */
    bool has_unread_body;                  /* the connection cannot be used again */
    const char *cache_control;             /* of the reply; NULL: "no-store" */
    struct cf_buf headers;                 /* lines to be added to the reply: see respond.h */
    int status;                            /* of the reply; 0: none yet */
    char *text;                            /* owned: the decoded path and query */
};

/* Fills *exchange and makes the checks that no route decides. False: it has answered. */
bool cf_request_begin(struct cf_http_exchange *exchange, struct cf_server *server,
                      struct mg_connection *connection);

/* Reads the body of a route that takes JSON and parses it, or sees that there is none for one that
 * takes none. False: it has answered. */
bool cf_request_read_body(struct cf_http_exchange *exchange);

/* Frees what the exchange holds. */
void cf_request_done(struct cf_http_exchange *exchange);

/* The value of a header, whatever its case; NULL: not sent. Lent. */
const char *cf_request_header(const struct cf_http_exchange *exchange, const char *name);

/* Whether the client says that it has what this ETag stands for; its quotes are part of it. */
bool cf_request_has(const struct cf_http_exchange *exchange, const char *etag);

/* The value of a parameter of the query, the last one if it is given several times; NULL: not
 * given. Lent. */
const char *cf_request_query(const struct cf_http_exchange *exchange, const char *name);
#endif
