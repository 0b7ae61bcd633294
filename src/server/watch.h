/* watch.h - live progress: what happens in runs, told while it happens.
 *
 *   GET /api/runs/ID/events   one run, as server-sent events: `id`, `event`, `data`
 *   GET /api/events           all runs, as a WebSocket: a text frame for each event (socket.c)
 *
 * Both send the same JSON, {id, run, type, time, data}; types are "run", "item", "retry",
 * "rate_limit", "outage", "budget", "text" (see engine/telling.h and lua/confab/events.lua), and
 * for one run "state", which comes first, and "end". Who comes back with Last-Event-ID (or
 * ?lastEventId=) goes on behind that event; where it is not kept any more, "state" comes again.
 * A watcher that reads too slowly is dropped; a run never waits for one. Runs of other processes
 * are not live: their state is told, and the end. */
#ifndef CONFAB_SERVER_WATCH_H
#define CONFAB_SERVER_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct cf_http_exchange;
struct cf_server;

#define CF_WATCH_HEARTBEAT_MS 15000    /* proxies give connections up after 30 s and more */

/* GET /api/runs/ID/events. Answers until the run, the client or the server ends. */
void cf_watch_run(struct cf_http_exchange *exchange, struct cf_server *server);

/* Reads the number of an event. False: it is none. */
bool cf_watch_parse_id(const char *text, int64_t *out_id);

/* Answers 400: what stands under that name is none. */
void cf_watch_refuse_id(struct cf_http_exchange *exchange, const char *name);
#endif
