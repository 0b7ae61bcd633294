/* access.h - who may talk to the server: those who know the token, where one is set.
 *
 * The token comes in a header, "Authorization: Bearer TOKEN", or, for the page, once in POST
 * /api/session, which gives a cookie that scripts cannot read and other sites cannot make a
 * browser send. The cookie holds a random id of this process, not the token. Comparisons take the
 * same time for every guess. */
#ifndef CONFAB_SERVER_ACCESS_H
#define CONFAB_SERVER_ACCESS_H

#include <stdbool.h>

struct cf_access;
struct cf_http_exchange;
struct cf_server;

#define CF_ACCESS_BODY_MAX 4096

/* token NULL: everybody may. */
struct cf_access *cf_access_new(const char *token, bool is_tls);
void cf_access_free(struct cf_access *access);

/* Whether the request comes from somebody who may. */
bool cf_access_is_allowed(const struct cf_access *access, const struct cf_http_exchange *exchange);

/* POST /api/session {token}: 204 with the cookie. DELETE: takes the cookie away. */
void cf_access_log_in(struct cf_http_exchange *exchange, struct cf_server *server);
void cf_access_log_out(struct cf_http_exchange *exchange, struct cf_server *server);
#endif
