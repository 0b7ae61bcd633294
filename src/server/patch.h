/* patch.h - review by people: PATCH /api/conversations/ID and, for many at once,
 * /api/conversations.
 *
 * All that one request asks for is one transaction: it is all stored, with the history of each
 * change, or nothing is. */
#ifndef CONFAB_SERVER_PATCH_H
#define CONFAB_SERVER_PATCH_H

struct cf_http_exchange;
struct cf_server;

#define CF_PATCH_IDS_MAX  1000
#define CF_PATCH_TAGS_MAX 100
#define CF_PATCH_BODY_MAX (2u << 20)    /* bytes: a turn is text of some KB */

/* {status, note, author, tags: {set: {name: value}, remove: [name]}, turn: {index, content,
 * before}}: what is there is changed; 200 with the conversation. 409: a newer version has taken
 * its place, or the turn does not read `before` any more. */
void cf_patch_one(struct cf_http_exchange *exchange, struct cf_server *server);

/* The same with `ids`, a list, and without turn: 200 with data: {updated}. */
void cf_patch_many(struct cf_http_exchange *exchange, struct cf_server *server);
#endif
