#include "server/metrics_live.h"

#include <stdio.h>
#include <string.h>

#include "confab/buf.h"
#include "engine/lanes.h"
#include "server/metrics_text.h"
#include "server/server.h"
#include "server/traffic.h"

/* --- calls --- */

static void add_calls(struct cf_buf *out, const struct cf_sender_status *status)
{
    const struct {
        const char *what;
        int64_t calls;
    } waiting[] = {
        { "lane", status->waiting },
        { "retry", status->backing_off },
        { "budget", status->waiting_for_budget },
        { "service", status->waiting_for_service },
    };
    cf_metric_single(out, "calls_in_flight", "gauge", "Calls that are with the provider.",
                     (double)status->in_flight);
    cf_metric_head(out, "calls_waiting", "gauge", "Calls that wait, by what they wait for.");
    for (size_t i = 0; i < sizeof waiting / sizeof *waiting; i++)
        cf_metric_add(out, "calls_waiting", CF_METRIC_LABELS({ "for", waiting[i].what }),
                      (double)waiting[i].calls);
    cf_metric_single(out, "sending_held", "gauge",
                     "1: nothing new is sent, since somebody paused it or the disk is full.",
                     status->is_held || status->is_disk_low || status->is_storage_full);
}

/* --- lanes --- */

struct lanes {
    struct cf_lane_report list[CF_LANES_MAX];
    size_t count;
};

/* One gauge, with a sample for each lane. */
static void add_lanes(struct cf_buf *out, const struct lanes *lanes, const char *name,
                      const char *help, double (*figure)(const struct cf_lane_report *lane))
{
    cf_metric_head(out, name, "gauge", help);
    for (size_t i = 0; i < lanes->count; i++)
        cf_metric_add(out, name, CF_METRIC_LABELS({ "lane", lanes->list[i].name }),
                      figure(&lanes->list[i]));
}

static double queued(const struct cf_lane_report *lane)
{
    return (double)lane->limits.queued;
}

static double in_flight(const struct cf_lane_report *lane)
{
    return (double)lane->limits.in_flight;
}

static double paused(const struct cf_lane_report *lane)
{
    return (double)lane->paused_ms / 1e3;
}

static double away(const struct cf_lane_report *lane)
{
    return (double)lane->away_ms / 1e3;
}

/* Of each resource that is limited. */
static void add_resources(struct cf_buf *out, const struct lanes *lanes, const char *name,
                          bool is_limit)
{
    for (size_t i = 0; i < lanes->count; i++) {
        const struct cf_lane_report *lane = &lanes->list[i];
        const struct cf_amounts *limit = &lane->limits.amounts_limit;
        const struct cf_amounts *used = &lane->limits.amounts_used;
        const struct {
            const char *name;
            int64_t limit, used;
        } resources[] = {
            { "requests", limit->requests, used->requests },
            { "input_tokens", limit->input, used->input },
            { "output_tokens", limit->output, used->output },
        };
        for (size_t r = 0; r < sizeof resources / sizeof *resources; r++)
            if (resources[r].limit > 0)
                cf_metric_add(
                    out, name,
                    CF_METRIC_LABELS({ "lane", lane->name }, { "resource", resources[r].name }),
                    (double)(is_limit ? resources[r].limit : resources[r].used));
    }
}

static void add_breakers(struct cf_buf *out, const struct lanes *lanes)
{
    static const char *const states[] = { "closed", "suspected", "open" };
    cf_metric_head(out, "lane_breaker", "gauge",
                   "1 at the state of the lane's breaker; open: the service is away.");
    for (size_t i = 0; i < lanes->count; i++)
        for (size_t s = 0; s < sizeof states / sizeof *states; s++)
            cf_metric_add(
                out, "lane_breaker",
                CF_METRIC_LABELS({ "lane", lanes->list[i].name }, { "state", states[s] }),
                strcmp(lanes->list[i].breaker, states[s]) == 0);
}

static void add_all_lanes(struct cf_buf *out, const struct lanes *lanes)
{
    cf_metric_head(out, "lane_limit", "gauge",
                   "What the limit in force allows in a window of the lane, by resource.");
    add_resources(out, lanes, "lane_limit", true);
    cf_metric_head(out, "lane_used", "gauge",
                   "What is used of it in the window that ends now, or reserved, by resource.");
    add_resources(out, lanes, "lane_used", false);
    add_lanes(out, lanes, "lane_queued", "Calls in the lane's queue.", queued);
    add_lanes(out, lanes, "lane_in_flight", "Calls of the lane that are with the provider.",
              in_flight);
    add_lanes(out, lanes, "lane_paused_seconds", "Time until the pause after a 429 is over.",
              paused);
    add_lanes(out, lanes, "lane_away_seconds", "How long the service has been away.", away);
    add_breakers(out, lanes);
}

/* --- the server itself --- */

static void add_traffic(struct cf_buf *out, struct cf_traffic *traffic)
{
    cf_metric_head(out, "http_replies_total", "counter",
                   "Requests answered by this server, by status.");
    for (int status = 0; status < CF_TRAFFIC_STATUSES; status++) {
        char text[16];
        if (cf_traffic_replies(traffic, status) == 0)
            continue;
        snprintf(text, sizeof text, "%d", status);
        cf_metric_add(out, "http_replies_total", CF_METRIC_LABELS({ "status", text }),
                      (double)cf_traffic_replies(traffic, status));
    }
    cf_metric_single(out, "http_connections", "gauge", "Connections to this server.",
                     (double)cf_traffic_connections(traffic));
}

void cf_metrics_add_live(struct cf_buf *out, const struct cf_server *server)
{
    struct cf_sender *sender = cf_server_options(server)->sender;
    struct cf_sender_status status;
    struct lanes lanes;
    if (sender != NULL) {
        cf_sender_status(sender, &status);
        lanes.count = cf_sender_lanes(sender, lanes.list, CF_LANES_MAX);
        add_calls(out, &status);
        add_all_lanes(out, &lanes);
    }
    add_traffic(out, cf_server_traffic(server));
    cf_metric_head(out, "build_info", "gauge", "The version of confab.");
    cf_metric_add(out, "build_info", CF_METRIC_LABELS({ "version", CONFAB_VERSION }), 1);
}
