/* pace.h - how grants of one resource are spread over the window.
 *
 * Smooth: each grant moves `due` on by its share of the window, and none goes before it.
 *
 * Burst: up to the threshold nobody waits. Who would cross it starts a spread: what is left is
 * given out evenly until the oldest slot comes free. Once all is given out, slots are used again
 * as they come free (is_full); to spread those too would leave each unused for a while. Falling
 * under the threshold ends both. */
#ifndef CONFAB_LIMIT_PACE_H
#define CONFAB_LIMIT_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct cf_pace {
    int64_t due_ns;           /* nobody goes before; 5,000 a minute are 12.004 ms apart */
    double  ns_per_unit;      /* of the spread under way */
    bool    is_spreading;
    bool    is_full;
};

/* What a decision needs to know about the window. */
struct cf_pace_view {
    int64_t now_ms;
    int64_t span_ms;          /* the window and its guard */
    int64_t oldest_free_ms;   /* when the oldest slot comes free */
    int64_t used, limit;
    int64_t room, threshold;  /* of the limit, what others leave; where calls begin to wait */
};

/* When `amount` may go: now_ms or before if at once. The amount fits into the window. What is left
 * is spread by at most most_ns a unit. */
int64_t cf_pace_smooth_ms(const struct cf_pace *pace);
int64_t cf_pace_burst_ms(struct cf_pace *pace, const struct cf_pace_view *view, int64_t amount,
                         double most_ns);

/* Moves `due` on for a grant, by `slowness` shares for each unit if smooth. How far it may lie back
 * by then is lane.c's business. */
void cf_pace_grant(struct cf_pace *pace, const struct cf_pace_view *view, int64_t amount,
                   bool is_smooth, double slowness);

/* The limit has become another one, 0: there was none. */
void cf_pace_rescale(struct cf_pace *pace, int64_t old_limit, int64_t new_limit, int64_t now_ms);

/* The time that one unit takes of the window, in nanoseconds. */
double cf_pace_share_ns(const struct cf_pace_view *view);

/* Moves `due` for an amount that turned out to be more (or, negative, less) than granted. */
void cf_pace_correct(struct cf_pace *pace, const struct cf_pace_view *view, int64_t change);
#endif
