/* submit.h - the routes that need Lua: each request becomes a job of the script thread. */
#ifndef CONFAB_SERVER_SUBMIT_H
#define CONFAB_SERVER_SUBMIT_H

struct cf_http_exchange;
struct cf_server;

#define CF_SUBMIT_ONE_MAX   (1u << 20)  /* bytes of a body: one conversation's parameters */
#define CF_SUBMIT_BATCH_MAX (1u << 30)  /* as many as are configured; it goes to the disk */
#define CF_SUBMIT_SMALL_MAX (64u << 10) /* a name, or nothing */

#define CF_SUBMIT_GONE_STATUS 499           /* in logs and figures: the client did not wait */

void cf_submit_generate(struct cf_http_exchange *exchange, struct cf_server *server);
void cf_submit_estimate(struct cf_http_exchange *exchange, struct cf_server *server);
void cf_submit_rate_limit(struct cf_http_exchange *exchange, struct cf_server *server);
void cf_submit_batch(struct cf_http_exchange *exchange, struct cf_server *server);
void cf_submit_batch_limits(struct cf_http_exchange *exchange, struct cf_server *server);
void cf_submit_run(struct cf_http_exchange *exchange, struct cf_server *server);
void cf_submit_cancel(struct cf_http_exchange *exchange, struct cf_server *server);
void cf_submit_resume(struct cf_http_exchange *exchange, struct cf_server *server);
#endif
