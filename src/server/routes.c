/* All routes of the server, in one table. */
#include "server/access.h"
#include "server/conversations.h"
#include "server/health.h"
#include "server/limits.h"
#include "server/metrics.h"
#include "server/openapi.h"
#include "server/page.h"
#include "server/patch.h"
#include "server/plots.h"
#include "server/router.h"
#include "server/runs.h"
#include "server/socket.h"
#include "server/stats.h"
#include "server/submit.h"
#include "server/templates.h"
#include "server/watch.h"

const struct cf_http_route cf_http_routes[] = {
    { "GET", "/", cf_page_index, .is_open = true },
    { "GET", "/page/:name", cf_page_asset, .is_open = true },
    { "GET", "/api/openapi.json", cf_openapi_show, .is_open = true },
    { "GET", "/healthz", cf_health_alive, .is_open = true },
    { "GET", "/readyz", cf_health_ready, .is_open = true },
    { "GET", "/metrics", cf_metrics_show, .body_max = 0 },
    { "POST", "/api/session", cf_access_log_in, .body_max = CF_ACCESS_BODY_MAX, .is_open = true },
    { "DELETE", "/api/session", cf_access_log_out, .is_open = true },
    { "POST", "/api/conversations/generate", cf_submit_generate, .body_max = CF_SUBMIT_ONE_MAX },
    { "GET", "/api/conversations/generate", cf_submit_rate_limit, .body_max = 0 },
    { "POST", "/api/conversations/generate-batch", cf_submit_batch,
      .body_max = CF_SUBMIT_BATCH_MAX, .is_batch = true },
    { "POST", "/api/estimate", cf_submit_estimate, .body_max = CF_SUBMIT_ONE_MAX },
    { "GET", "/api/conversations/generate-batch", cf_submit_batch_limits, .body_max = 0 },
    { "POST", "/api/runs", cf_submit_run, .body_max = CF_SUBMIT_SMALL_MAX },
    { "POST", "/api/runs/:id/cancel", cf_submit_cancel, .body_max = 0 },
    { "POST", "/api/runs/:id/resume", cf_submit_resume, .body_max = 0 },
    { "GET", "/api/conversations", cf_conversations_list, .body_max = 0 },
    { "PATCH", "/api/conversations", cf_patch_many, .body_max = CF_PATCH_BODY_MAX },
    { "GET", "/api/conversations/:id", cf_conversations_show, .body_max = 0 },
    { "PATCH", "/api/conversations/:id", cf_patch_one, .body_max = CF_PATCH_BODY_MAX },
    { "GET", "/api/templates", cf_templates_list, .body_max = 0 },
    { "GET", "/api/templates/:id", cf_templates_show, .body_max = 0 },
    { "GET", "/api/templates/:id/plots", cf_plots_template, .body_max = 0 },
    { "GET", "/api/limits", cf_limits_show, .body_max = 0 },
    { "GET", "/api/runs", cf_runs_list, .body_max = 0 },
    { "GET", "/api/runs/:id", cf_runs_show, .body_max = 0 },
    { "GET", "/api/runs/:id/results", cf_runs_results, .body_max = 0 },
    { "GET", "/api/runs/:id/failures", cf_runs_failures, .body_max = 0 },
    { "GET", "/api/runs/:id/plots", cf_plots_run, .body_max = 0 },
    { "GET", "/api/stats", cf_stats_show, .body_max = 0 },
    { "GET", "/api/runs/:id/events", cf_watch_run, .body_max = 0 },
    { "GET", "/api/events", cf_socket_upgrade, .body_max = 0 },
    { .method = 0 },
};
