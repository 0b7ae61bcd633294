/* health.h - what probes and monitors ask: alive, ready, and figures. */
#ifndef CONFAB_SERVER_HEALTH_H
#define CONFAB_SERVER_HEALTH_H

struct cf_http_exchange;
struct cf_server;

/* GET /healthz: 200 while the process answers. */
void cf_health_alive(struct cf_http_exchange *exchange, struct cf_server *server);

/* GET /readyz: 200 when the database can be read and new work is taken, else 503. */
void cf_health_ready(struct cf_http_exchange *exchange, struct cf_server *server);
#endif
