/* templates.h - templates with what became of them: /api/templates. */
#ifndef CONFAB_SERVER_TEMPLATES_H
#define CONFAB_SERVER_TEMPLATES_H

struct cf_http_exchange;
struct cf_server;

/* GET /api/templates: {data}: every version, newest first, with usage, success rate, score, cost. */
void cf_templates_list(struct cf_http_exchange *exchange, struct cf_server *server);
#endif
