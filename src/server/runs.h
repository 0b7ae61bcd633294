/* runs.h - progress and results of runs, as they stand in the database: /api/runs. */
#ifndef CONFAB_SERVER_RUNS_H
#define CONFAB_SERVER_RUNS_H

struct cf_http_exchange;
struct cf_server;

/* GET /api/runs: {data, total}, newest first. */
void cf_runs_list(struct cf_http_exchange *exchange, struct cf_server *server);

/* GET /api/runs/ID: ID is a uuid, the start of one, or a name (the newest generation). Reads one
 * row: it may be asked for as often as one likes. */
void cf_runs_show(struct cf_http_exchange *exchange, struct cf_server *server);

/* GET /api/runs/ID/results: {data, total, nextCursor}: the items in order of the plan, each with
 * what came of it. */
void cf_runs_results(struct cf_http_exchange *exchange, struct cf_server *server);

/* GET /api/runs/ID/failures: {data}: failed items by kind, most frequent first, an example each. */
void cf_runs_failures(struct cf_http_exchange *exchange, struct cf_server *server);
#endif
