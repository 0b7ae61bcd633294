#include "server/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "confab/error.h"

static bool fail(struct cf_error *err, const char *path, const char *what)
{
    char reason[256];
    ERR_error_string_n(ERR_peek_last_error(), reason, sizeof reason);
    ERR_clear_error();
    return cf_fail(err, CF_ERR_CONFIG, "%s: %s (%s)", path, what, reason);
}

bool cf_tls_use(void *ssl_ctx, const char *cert, const char *key, struct cf_error *err)
{
    SSL_CTX *ctx = ssl_ctx;
    const char *key_path = key != NULL ? key : cert;
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        return fail(err, cert, "no certificate in PEM form");
    if (SSL_CTX_use_PrivateKey_file(ctx, key_path, SSL_FILETYPE_PEM) != 1)
        return fail(err, key_path, "no private key in PEM form that fits the certificate");
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    return true;
}

bool cf_tls_check(const char *cert, const char *key, struct cf_error *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL)
        return cf_fail(err, CF_ERR_CONFIG, "TLS cannot be used");
    bool ok = cf_tls_use(ctx, cert, key, err);
    SSL_CTX_free(ctx);
    return ok;
}
