/* tls.h - the server's certificate and key, from PEM files. */
#ifndef CONFAB_SERVER_TLS_H
#define CONFAB_SERVER_TLS_H

#include <stdbool.h>

struct cf_error;

/* Whether certificate (with its chain) and key can be read and belong together. key NULL: it is
 * in the certificate's file. config_error says which file and why. */
bool cf_tls_check(const char *cert, const char *key, struct cf_error *err);

/* Puts them into an SSL_CTX. */
bool cf_tls_use(void *ssl_ctx, const char *cert, const char *key, struct cf_error *err);
#endif
