/* plots.h - figures to be drawn: scores, latencies, the course of a run. */
#ifndef CONFAB_SERVER_PLOTS_H
#define CONFAB_SERVER_PLOTS_H

struct cf_http_exchange;
struct cf_server;

/* GET /api/runs/ID/plots: {scores, latency, time}. */
void cf_plots_run(struct cf_http_exchange *exchange, struct cf_server *server);

/* GET /api/templates/ID/plots: {scores, latency} of one version. */
void cf_plots_template(struct cf_http_exchange *exchange, struct cf_server *server);
#endif
