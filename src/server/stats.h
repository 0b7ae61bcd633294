/* stats.h - what all conversations and replies come to: /api/stats. */
#ifndef CONFAB_SERVER_STATS_H
#define CONFAB_SERVER_STATS_H

struct cf_http_exchange;
struct cf_server;

/* GET /api/stats, ?run=ID: {run, statuses, scores, models, templates}. */
void cf_stats_show(struct cf_http_exchange *exchange, struct cf_server *server);
#endif
