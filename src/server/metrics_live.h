/* metrics_live.h - figures of this process: where calls are, its lanes, its own traffic. */
#ifndef CONFAB_SERVER_METRICS_LIVE_H
#define CONFAB_SERVER_METRICS_LIVE_H

struct cf_buf;
struct cf_server;

/* Adds them to the text of /metrics. Waits for a turn of the net thread. */
void cf_metrics_add_live(struct cf_buf *out, const struct cf_server *server);
#endif
