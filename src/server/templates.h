/* templates.h - templates with what became of them: /api/templates. */
#ifndef CONFAB_SERVER_TEMPLATES_H
#define CONFAB_SERVER_TEMPLATES_H

struct cf_http_exchange;
struct cf_server;

/* GET /api/templates: {data}: every version, newest first, with usage, success rate, score,
 * cost. */
void cf_templates_list(struct cf_http_exchange *exchange, struct cf_server *server);

/* GET /api/templates/ID: one version, with its texts, its variables, and all versions. ID may be a
 * name: then the newest version is meant. */
void cf_templates_show(struct cf_http_exchange *exchange, struct cf_server *server);
#endif
