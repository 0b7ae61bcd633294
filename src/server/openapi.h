/* openapi.h - the description of the HTTP API, OpenAPI 3.1: GET /api/openapi.json.
 *
 * It is written by hand, in src/server/openapi/: openapi.json is the frame, every other file
 * adds its "paths" to those of the frame, and its "schemas", "parameters" and so on to the
 * components. They are compiled in (cmake/openapi.cmake) and put together once. It holds no
 * data, so it is answered without the token. */
#ifndef CONFAB_SERVER_OPENAPI_H
#define CONFAB_SERVER_OPENAPI_H

#include <stddef.h>

#include "base/text.h"

struct cf_http_exchange;
struct cf_server;

struct cf_openapi_part {
    const char *name;    /* of the file: "runs.json" */
    const char *text;    /* JSON, followed by a NUL that is not counted */
    size_t      size;    /* bytes */
};

#define CF_OPENAPI_FRAME "openapi.json"

/* Sorted by name; a row of NULLs ends it. */
extern const struct cf_openapi_part cf_openapi_parts[];

/* The whole, as it is sent; info.version is confab's. Lent, for good. Any thread. */
struct cf_text cf_openapi_text(void);

void cf_openapi_show(struct cf_http_exchange *exchange, struct cf_server *server);
#endif
