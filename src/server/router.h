/* router.h - the table of routes, and which of them a request means.
 *
 * What a route takes stands in its row: the handler is called with a token that was right, a body
 * that is JSON, and no method or path that the table does not have. */
#ifndef CONFAB_SERVER_ROUTER_H
#define CONFAB_SERVER_ROUTER_H

#include <stdbool.h>
#include <stddef.h>

struct cf_http_exchange;
struct cf_server;

struct cf_http_route {
    const char *method;        /* "GET" (which answers HEAD, too), "POST", "PATCH", "DELETE" */
    const char *pattern;       /* "/api/runs/:id/results"; at most one ":id" */
    void (*handle)(struct cf_http_exchange *exchange, struct cf_server *server);
    size_t body_max;           /* bytes of JSON that it takes; 0: it takes no body */
    bool is_batch;             /* its body is taken apart while it comes: batch_body.h */
    bool is_open;              /* answered without the token: probes, log-in, the page */
};

/* routes.c: all there are, ended by a row without a method. */
extern const struct cf_http_route cf_http_routes[];

/* Finds the route of the exchange and sets its id. False: it has answered 404, 405 or OPTIONS. */
bool cf_router_find(struct cf_http_exchange *exchange);
#endif
