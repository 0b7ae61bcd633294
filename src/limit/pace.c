#include "limit/pace.h"

#include <math.h>

#define NS_PER_MS 1000000

/* One amount far over the limit holds up its lane for so many windows at most. */
#define DEBT_WINDOWS_MAX 100
#define AHEAD_NS_MAX     1e18

double cf_pace_share_ns(const struct cf_pace_view *view)
{
    return (double)view->span_ms * NS_PER_MS / (double)view->limit;
}

static void move_due(struct cf_pace *pace, const struct cf_pace_view *view, double by_ns)
{
    double most = (double)view->span_ms * NS_PER_MS * DEBT_WINDOWS_MAX;
    if (fabs(by_ns) > most)
        by_ns = copysign(most, by_ns);
    pace->due_ns += llround(by_ns);

    int64_t latest = (view->now_ms + view->span_ms * DEBT_WINDOWS_MAX) * NS_PER_MS;
    if (pace->due_ns > latest)
        pace->due_ns = latest;
}

static int64_t due_ms(const struct cf_pace *pace)
{
    return pace->due_ns <= 0 ? 0 : (pace->due_ns - 1) / NS_PER_MS + 1;
}

int64_t cf_pace_smooth_ms(const struct cf_pace *pace)
{
    return due_ms(pace);
}

int64_t cf_pace_burst_ms(struct cf_pace *pace, const struct cf_pace_view *view, int64_t amount,
                         double most_ns)
{
    if (view->used + amount <= view->threshold || view->used == 0) {
        pace->is_spreading = pace->is_full = false;
        return view->now_ms;
    }
    if (pace->is_full)
        return view->now_ms;
    if (!pace->is_spreading) {
        /* One share more than is left, so that the last goes before the oldest comes free. */
        double left = (double)(view->room - view->used + amount);
        double time_ns = (double)(view->oldest_free_ms - view->now_ms) * NS_PER_MS;
        pace->ns_per_unit = fmin(time_ns / left, most_ns);
        pace->due_ns = view->now_ms * NS_PER_MS;
        pace->is_spreading = true;
        move_due(pace, view, (double)amount * pace->ns_per_unit);
    }
    return due_ms(pace);
}

void cf_pace_grant(struct cf_pace *pace, const struct cf_pace_view *view, int64_t amount,
                   bool is_smooth, double slowness)
{
    if (is_smooth || pace->is_spreading)
        move_due(pace, view, (double)amount * (is_smooth ? cf_pace_share_ns(view) * slowness
                                                           : pace->ns_per_unit));
}

void cf_pace_rescale(struct cf_pace *pace, int64_t old_limit, int64_t new_limit, int64_t now_ms)
{
    int64_t ahead_ns = pace->due_ns - now_ms * NS_PER_MS;
    pace->is_spreading = pace->is_full = false;
    if (new_limit == 0)
        return;
    if (old_limit == 0)
        pace->due_ns = now_ms * NS_PER_MS;
    else if (ahead_ns > 0)
        pace->due_ns = now_ms * NS_PER_MS +
                       llround(fmin((double)ahead_ns * (double)old_limit / (double)new_limit,
                                    AHEAD_NS_MAX));
}

void cf_pace_correct(struct cf_pace *pace, const struct cf_pace_view *view, int64_t change)
{
    move_due(pace, view, (double)change * cf_pace_share_ns(view));
}
