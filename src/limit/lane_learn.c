/* What replies say about a lane's limits. */
#include "limit/lane.h"

#include <string.h>

bool cf_lane_is_limit_said(const struct cf_lane *lane)
{
    int64_t said = lane->server.limit[CF_REQUESTS];
    return said > 0 && (lane->config.is_default || said < lane->config.max_requests);
}

/* A server whose limit changes goes on at the new rate: it does not count again what it let pass at
 * the old one. */
static void follow_server(struct cf_lane *lane, const int64_t said_before[CF_RESOURCES],
                          const int64_t limit_before[CF_RESOURCES])
{
    double factors[CF_RESOURCES];
    bool has_changed = false;
    for (enum cf_resource r = 0; r < CF_RESOURCES; r++) {
        bool follows = said_before[r] > 0 && limit_before[r] > 0 && lane->limit[r] > 0;
        factors[r] = follows ? (double)lane->limit[r] / (double)limit_before[r] : 1;
        has_changed |= factors[r] != 1;
    }
    if (has_changed)
        cf_window_rescale(&lane->window, factors);
}

void cf_lane_hear(struct cf_lane *lane, const struct cf_waiter *waiter,
                  const struct cf_limit_feedback *feedback, int64_t now_ms)
{
    struct cf_server_reply reply = {
        .order = waiter->sent_order,
        .grant = waiter->grant,
        .now_ms = now_ms,
        .feedback = feedback,
    };
    memcpy(reply.in_flight, lane->flying_amounts, sizeof reply.in_flight);
    int64_t said[CF_RESOURCES], limit[CF_RESOURCES];
    memcpy(said, lane->server.limit, sizeof said);
    memcpy(limit, lane->limit, sizeof limit);
    if (!cf_server_hear(&lane->server, &reply))
        return;
    cf_lane_update_limits(lane, now_ms);
    follow_server(lane, said, limit);
    cf_server_compare(&lane->server, &reply);
}

void cf_lane_learnt(const struct cf_lane *lane, struct cf_limit_learnt *out_learnt)
{
    const int64_t *limit = lane->server.limit;
    *out_learnt = (struct cf_limit_learnt){
        .limits = { limit[CF_REQUESTS], limit[CF_INPUT], limit[CF_OUTPUT] },
        .bursts = cf_server_bursts(&lane->server),
    };
}

void cf_lane_restore(struct cf_lane *lane, const struct cf_limit_learnt *learnt, int64_t now_ms)
{
    cf_lane_amounts(&learnt->limits, lane->server.limit);
    cf_server_restore_bursts(&lane->server, learnt->bursts);
    cf_lane_update_limits(lane, now_ms);
}
