/* All routes of the server, in one table. */
#include "server/access.h"
#include "server/health.h"
#include "server/router.h"

const struct cf_http_route cf_http_routes[] = {
    { "GET", "/healthz", cf_health_alive, .is_open = true },
    { "GET", "/readyz", cf_health_ready, .is_open = true },
    { "POST", "/api/session", cf_access_log_in, .body_max = CF_ACCESS_BODY_MAX, .is_open = true },
    { "DELETE", "/api/session", cf_access_log_out, .is_open = true },
    { .method = 0 },
};
