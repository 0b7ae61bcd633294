/* limits.h - the server's rate limits: a bucket for each resource of each lane.
 *
 * Arithmetic only, in whole numbers: a bucket holds amount times window, so that a refill of
 * any number of milliseconds is exact. */
#ifndef CONFAB_SIMULATOR_LIMITS_H
#define CONFAB_SIMULATOR_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "simulator/spec.h"

struct cf_buf;

struct cf_sim_bucket {
    int64_t limit;         /* a window; 0: not enforced */
    int64_t window_ms;
    int64_t full;          /* amount * window_ms it can hold */
    int64_t level;         /* likewise; below zero after more was used than was there */
    int64_t at_ms;         /* when level held */
};

struct cf_sim_lane {       /* one organisation and class of models */
    uint64_t id;
    struct cf_sim_bucket bucket[CF_SIM_RESOURCES];
};

void cf_sim_lane_init(struct cf_sim_lane *lane, const struct cf_sim_spec *spec, int64_t now_ms);

/* The limit in force from now on; what the bucket holds is capped by it. */
void cf_sim_lane_set(struct cf_sim_lane *lane, const struct cf_sim_spec *spec,
                     enum cf_sim_resource resource, int64_t limit, int64_t now_ms);

/* Takes one request and the estimated input, or takes nothing, returns false, and says which
 * resource is short and after how long to come back. */
bool cf_sim_lane_admit(struct cf_sim_lane *lane, int64_t now_ms, int64_t input,
                       enum cf_sim_resource *out_short, int64_t *out_wait_ms);

/* Corrects the input to what it was, and takes the output. */
void cf_sim_lane_settle(struct cf_sim_lane *lane, int64_t now_ms, int64_t input_estimate,
                        int64_t input, int64_t output);

/* The anthropic-ratelimit-* lines of a reply. */
void cf_sim_lane_add_headers(struct cf_sim_lane *lane, int64_t now_ms, int64_t unix_ms,
                             struct cf_buf *out);
#endif
