/* conversations.h - browse conversations: /api/conversations. */
#ifndef CONFAB_SERVER_CONVERSATIONS_H
#define CONFAB_SERVER_CONVERSATIONS_H

struct cf_http_exchange;
struct cf_server;

/* GET /api/conversations: {success, data, total, nextCursor}, newest first. */
void cf_conversations_list(struct cf_http_exchange *exchange, struct cf_server *server);

/* GET /api/conversations/ID: one with its edits, versions and the calls that it came from. */
void cf_conversations_show(struct cf_http_exchange *exchange, struct cf_server *server);
#endif
