/* Two lanes become one. */
#include "limit/lane.h"

#include <stdlib.h>

#include "base/mem.h"

/* Moves waiters from `first` on into the line, by order, behind `behind` and at most up to `end`,
 * stopping before `stop`. Returns the last one moved, or behind. */
static struct cf_waiter *merge_line(struct cf_lane *lane, struct cf_lane *from,
                                    struct cf_waiter *stop, struct cf_waiter *behind,
                                    struct cf_waiter *end)
{
    struct cf_waiter *moved = behind;
    while (from->first != stop) {
        struct cf_waiter *waiter = from->first, *next;
        cf_lane_take(from, waiter);
        while (behind != end && (next = behind ? behind->next : lane->first) != NULL &&
               next->order < waiter->order)
            behind = next;
        bool is_past_end = behind == end;
        cf_lane_link(lane, behind, waiter);
        waiter->lane = lane;
        behind = moved = waiter;
        if (is_past_end)
            end = waiter;
    }
    return moved;
}

static void merge_lines(struct cf_lane *lane, struct cf_lane *from)
{
    if (from->last_refused != NULL) {
        struct cf_waiter *stop = from->last_refused->next, *end = lane->last_refused;
        struct cf_waiter *moved = merge_line(lane, from, stop, NULL, end);
        if (end == NULL || moved->prev == end)
            lane->last_refused = moved;
    }
    merge_line(lane, from, NULL, lane->last_refused, lane->last);
}

static void merge_windows(struct cf_lane *lane, struct cf_lane *from)
{
    uint32_t *map = cf_calloc(from->window.cap + 1, sizeof *map);
    struct cf_window *old = &from->window;
    for (struct cf_waiter *waiter = from->flying; waiter != NULL; waiter = waiter->next)
        if (cf_window_get(old, waiter->slot, waiter->grant) == NULL)
            waiter->grant = 0;        /* no slot has it any more */
    cf_window_take(&lane->window, old, map);

    while (from->flying != NULL) {
        struct cf_waiter *waiter = from->flying;
        cf_lane_land(from, waiter);
        if (waiter->grant != 0)
            waiter->slot = map[waiter->slot];
        waiter->lane = lane;
        cf_lane_fly(lane, waiter);
    }
    free(map);
}

static int64_t later(int64_t a_ms, int64_t b_ms)
{
    return a_ms > b_ms ? a_ms : b_ms;
}

void cf_lane_merge(struct cf_lane *lane, struct cf_lane *from, int64_t now_ms)
{
    merge_lines(lane, from);
    merge_windows(lane, from);
    for (int r = 0; r < CF_RESOURCES; r++) {
        lane->pace[r].due_ns = later(lane->pace[r].due_ns, from->pace[r].due_ns);
        lane->pace[r].is_spreading = lane->pace[r].is_full = false;
    }
    cf_server_merge(&lane->server, &from->server, now_ms);
    lane->paused_until_ms = later(lane->paused_until_ms, from->paused_until_ms);
    lane->ramp_from_ms = later(lane->ramp_from_ms, from->ramp_from_ms);
    lane->unfit_ms = later(lane->unfit_ms, from->unfit_ms);
    if (from->delay_low_ms >= 0) {
        cf_lane_note_delay(lane, from->delay_low_ms);
        cf_lane_note_delay(lane, from->delay_high_ms);
    }
    cf_lane_update_limits(lane, now_ms);
}
