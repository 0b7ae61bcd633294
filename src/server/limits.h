/* limits.h - what holds calls back: /api/limits. */
#ifndef CONFAB_SERVER_LIMITS_H
#define CONFAB_SERVER_LIMITS_H

struct cf_http_exchange;
struct cf_server;

/* GET /api/limits: {lanes, calls}: the limits and how far they are used; where calls are. */
void cf_limits_show(struct cf_http_exchange *exchange, struct cf_server *server);
#endif
