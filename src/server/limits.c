#include "server/limits.h"

#include "base/object.h"
#include "confab/buf.h"
#include "engine/lanes.h"
#include "server/respond.h"
#include "server/server.h"

static void add_resource(struct cf_buf *out, const char *name, int64_t limit, int64_t used,
                         int64_t remaining)
{
    cf_object_open(out, NULL);
    cf_object_str(out, "name", name);
    cf_object_count(out, "limit", limit > 0 ? limit : -1);
    cf_object_int(out, "used", used);
    cf_object_count(out, "remaining", limit <= 0 ? -1 : remaining > 0 ? remaining : 0);
    cf_object_close(out);
}

static void add_resources(struct cf_buf *out, const struct cf_limit_status *limits)
{
    const struct cf_amounts *limit = &limits->amounts_limit, *used = &limits->amounts_used;
    cf_object_open_list(out, "resources");
    add_resource(out, "requests", limits->limit, limits->used, limits->remaining);
    add_resource(out, "inputTokens", limit->input, used->input, limit->input - used->input);
    add_resource(out, "outputTokens", limit->output, used->output, limit->output - used->output);
    cf_object_close_list(out);
}

static void add_lane(struct cf_buf *out, const struct cf_lane_report *lane)
{
    cf_object_open(out, NULL);
    cf_object_str(out, "name", lane->name);
    cf_object_str(out, "limitClass", lane->limit_class);
    cf_object_str(out, "state", cf_lane_state_name(lane->state));
    cf_object_str(out, "breaker", lane->breaker);
    cf_object_int(out, "queued", lane->limits.queued);
    cf_object_int(out, "inFlight", lane->limits.in_flight);
    cf_object_count(out, "concurrency", lane->concurrency > 0 ? lane->concurrency : -1);
    cf_object_count(out, "callsWanted", lane->calls_wanted > 0 ? lane->calls_wanted : -1);
    cf_object_str(out, "pacing", cf_pacing_name(lane->pacing));
    cf_object_str(out, "source", lane->limits.source);
    cf_object_int(out, "windowMs", lane->window_ms);
    add_resources(out, &lane->limits);
    cf_object_int(out, "resetMs", lane->limits.reset_ms);
    cf_object_int(out, "pausedMs", lane->paused_ms);
    cf_object_int(out, "awayMs", lane->away_ms);
    cf_object_close(out);
}

static void add_calls(struct cf_buf *out, const struct cf_sender_status *status)
{
    cf_object_open(out, "calls");
    cf_object_int(out, "waiting", status->waiting);
    cf_object_int(out, "inFlight", status->in_flight);
    cf_object_int(out, "backingOff", status->backing_off);
    cf_object_int(out, "waitingForBudget", status->waiting_for_budget);
    cf_object_int(out, "waitingForService", status->waiting_for_service);
    cf_object_bool(out, "held", status->is_held);
    cf_object_bool(out, "diskLow", status->is_disk_low || status->is_storage_full);
    cf_object_close(out);
}

void cf_limits_show(struct cf_http_exchange *exchange, struct cf_server *server)
{
    struct cf_sender *sender = cf_server_options(server)->sender;
    struct cf_lane_report lanes[CF_LANES_MAX];
    struct cf_sender_status status = { 0 };
    struct cf_buf json;
    size_t count = 0;
    if (sender != NULL) {
        count = cf_sender_lanes(sender, lanes, CF_LANES_MAX);
        cf_sender_status(sender, &status);
    }

    cf_buf_init(&json, CF_OBJECT_MAX);
    cf_respond_open(&json);
    cf_object_open(&json, "data");
    cf_object_open_list(&json, "lanes");
    for (size_t i = 0; i < count; i++)
        add_lane(&json, &lanes[i]);
    cf_object_close_list(&json);
    add_calls(&json, &status);
    cf_object_close(&json);
    cf_object_close(&json);
    cf_respond_json(exchange, 200, &json);
    cf_buf_done(&json);
}
