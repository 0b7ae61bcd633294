/* metrics.h - figures for Prometheus: GET /metrics, its text format 0.0.4. */
#ifndef CONFAB_SERVER_METRICS_H
#define CONFAB_SERVER_METRICS_H

struct cf_http_exchange;
struct cf_server;

/* What the database knows of all runs, and what this process has answered. */
void cf_metrics_show(struct cf_http_exchange *exchange, struct cf_server *server);
#endif
