#include "server/router.h"

#include <string.h>

#include "confab/buf.h"
#include "server/request.h"
#include "server/respond.h"

/* Compares the segments with the pattern's; what stands for ":id" goes to *out_id. */
static bool fits(const struct cf_http_exchange *exchange, const char *pattern, const char **out_id)
{
    const char *id = NULL;
    size_t i = 0;
    for (const char *at = pattern; *at == '/' && at[1] != '\0'; i++) {
        const char *name = at + 1;
        size_t len = strcspn(name, "/");
        if (i == exchange->segment_count)
            return false;
        const char *segment = exchange->segments[i];
        if (*name == ':')
            id = segment;
        else if (strncmp(segment, name, len) != 0 || segment[len] != '\0')
            return false;
        at = name + len;
    }
    if (i != exchange->segment_count)
        return false;
    *out_id = id;
    return true;
}

/* A name that stands in the table goes before ":id": "generate" is no conversation. */
static const char *find_pattern(const struct cf_http_exchange *exchange, const char **out_id)
{
    const char *found = NULL;
    for (const struct cf_http_route *route = cf_http_routes; route->method != NULL; route++) {
        const char *id;
        if (!fits(exchange, route->pattern, &id))
            continue;
        if (id == NULL) {
            *out_id = NULL;
            return route->pattern;
        }
        if (found == NULL) {
            found = route->pattern;
            *out_id = id;
        }
    }
    return found;
}

static void add_method(struct cf_buf *allow, const char *method)
{
    cf_buf_addf(allow, "%s%s", allow->len > 0 ? ", " : "", method);
    if (strcmp(method, "GET") == 0)
        cf_buf_adds(allow, ", HEAD");
}

bool cf_router_find(struct cf_http_exchange *exchange)
{
    struct cf_buf allow;
    const char *pattern = find_pattern(exchange, &exchange->id);
    if (pattern == NULL) {
        cf_respond_fail(exchange, 404, "there is nothing at this path");
        return false;
    }

    cf_buf_init(&allow, 256);
    for (const struct cf_http_route *route = cf_http_routes; route->method != NULL; route++) {
        if (strcmp(route->pattern, pattern) != 0)
            continue;
        if (strcmp(route->method, exchange->method) == 0)
            exchange->route = route;
        add_method(&allow, route->method);
    }
    if (exchange->route == NULL) {
        cf_respond_header(exchange, "Allow", "%s", cf_buf_str(&allow));
        if (strcmp(exchange->method, "OPTIONS") == 0)
            cf_respond_empty(exchange, 204);
        else
            cf_respond_fail(exchange, 405, "this path takes %s", cf_buf_str(&allow));
    }
    cf_buf_done(&allow);
    return exchange->route != NULL;
}
