/* lanes.h - how the lanes of the sender stand: their limits, who waits, whether they are open.
 *
 * A lane is what the provider limits: a class of models, and the organisation of a key. Keys whose
 * organisation turns out to be one share a lane. */
#ifndef CONFAB_ENGINE_LANES_H
#define CONFAB_ENGINE_LANES_H

#include <stddef.h>
#include <stdint.h>

#include "confab/limiter.h"
#include "engine/sender.h"

#define CF_LANE_NAME_MAX 256
#define CF_LANES_MAX     64      /* reported: some keys times some classes */

enum cf_lane_state {
    CF_LANE_OPEN,
    CF_LANE_PAUSED,              /* after a 429 */
    CF_LANE_AWAY,                /* the service does not answer: its breaker is open */
};

struct cf_lane_report {
    char name[CF_LANE_NAME_MAX]; /* the class; of several keys also which one, or whose */
    char limit_class[CF_LIMIT_CLASS_MAX];
    enum cf_lane_state state;
    const char *breaker;         /* "closed", "suspected", "open"; static */
    struct cf_limit_status limits;
    int64_t window_ms, concurrency;       /* most calls in flight; 0: no cap */
    int64_t calls_wanted;        /* in flight, to use the limits; 0: not known yet */
    enum cf_pacing pacing;
    int64_t paused_ms;           /* from now on; 0: it is not */
    int64_t away_ms;             /* so far; 0: it is not */
};

/* The lanes that were used so far, at most `most`, in the order in which they came; returns how
 * many. Waits for one turn of the net thread; not for that thread, and not after cf_sender_end. */
size_t cf_sender_lanes(struct cf_sender *sender, struct cf_lane_report *out, size_t most);

const char *cf_lane_state_name(enum cf_lane_state state);
#endif
