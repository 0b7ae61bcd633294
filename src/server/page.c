#include "server/page.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "server/request.h"
#include "server/respond.h"

/* Whatever text gets onto the page, nothing of it is run, and nothing is loaded from or sent to
 * another place. */
#define POLICY                                                                        \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " \
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

static const struct cf_page_asset *find(const char *name)
{
    for (const struct cf_page_asset *asset = cf_page_assets; asset->name != NULL; asset++)
        if (strcmp(asset->name, name) == 0)
            return asset;
    return NULL;
}

static void respond_asset(struct cf_http_exchange *exchange, const char *name)
{
    const struct cf_page_asset *asset = find(name);
    char type[64];
    if (asset == NULL) {
        cf_respond_fail(exchange, 404, "there is nothing at this path");
        return;
    }
    exchange->cache_control = "no-cache";
    cf_respond_header(exchange, "Content-Security-Policy", "%s", POLICY);
    cf_respond_header(exchange, "Cross-Origin-Opener-Policy", "same-origin");
    cf_respond_header(exchange, "ETag", "%s", asset->etag);
    if (cf_request_has(exchange, asset->etag)) {
        cf_respond_empty(exchange, 304);
        return;
    }
    snprintf(type, sizeof type, "%s; charset=utf-8", asset->type);
    cf_respond(exchange, 200, type, asset->content, asset->size);
}

void cf_page_index(struct cf_http_exchange *exchange, struct cf_server *server)
{
    (void)server;
    respond_asset(exchange, "index.html");
}

void cf_page_asset(struct cf_http_exchange *exchange, struct cf_server *server)
{
    (void)server;
    respond_asset(exchange, exchange->id);
}
