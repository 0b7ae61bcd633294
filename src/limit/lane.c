#include "limit/lane.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define GUARD_MS      20       /* clocks tick in whole ms, kernels and networks add some */
#define GUARD_PERCENT 1        /* of the window: what the guard may cost */
#define NS_PER_MS     1000000

/* How late a grant may be without losing its place: timers have whole milliseconds and an event
 * loop has other things to do. Well under a second, so a server that enforces by the second
 * does not notice. */
#define CATCH_UP_MS   100

/* While one resource holds the line up the others save time, or a line of calls that are dear in
 * turn in one and in the other would use neither fully. This is how much: a tenth of the window
 * in tokens; in requests, which servers count by the second, a second or a few of them. */
#define SAVED_PART     10
#define SAVED_MS       1000
#define SAVED_REQUESTS 4

#define DELAY_MEMORY  64       /* an outlier among the delays fades over about so many more */

static void to_array(const struct cf_amounts *amounts, int64_t out[CF_RESOURCES])
{
    out[CF_REQUESTS] = amounts->requests;
    out[CF_INPUT] = amounts->input;
    out[CF_OUTPUT] = amounts->output;
}

static int64_t guard_ms(const struct cf_lane *lane)
{
    int64_t guard = lane->delay_high_ms - lane->delay_low_ms;
    int64_t most = lane->config.window_ms * GUARD_PERCENT / 100;
    if (guard < GUARD_MS)
        guard = GUARD_MS;
    return guard < most ? guard : most;
}

/* Without a queue nobody can wait for an evenly spread turn. */
static bool is_paced(const struct cf_lane *lane)
{
    return lane->config.enable_queue;
}

static bool is_smooth(const struct cf_lane *lane)
{
    return lane->config.pacing != CF_PACING_BURST;
}

static int64_t oldest_free_ms(const struct cf_lane *lane, int64_t now_ms)
{
    const struct cf_window *window = &lane->window;
    int64_t sent_ms = window->first == CF_SLOT_NONE ? now_ms : window->slots[window->first].sent_ms;
    return sent_ms + cf_lane_span_ms(lane);
}

static struct cf_pace_view view_of(const struct cf_lane *lane, enum cf_resource resource,
                                   int64_t now_ms)
{
    int64_t limit = cf_lane_limit(lane, resource);
    return (struct cf_pace_view){
        .now_ms = now_ms,
        .span_ms = cf_lane_span_ms(lane),
        .oldest_free_ms = oldest_free_ms(lane, now_ms),
        .used = lane->window.used[resource],
        .limit = limit,
        /* 0.29 of 100 is 29, not 28. */
        .threshold = (int64_t)((double)limit * lane->config.pause_threshold + 1e-6),
    };
}

struct cf_lane *cf_lane_new(const char *key, const struct cf_limit_config *config)
{
    struct cf_lane *lane = cf_calloc(1, sizeof *lane);
    lane->key = cf_strdup(key);
    lane->config = *config;
    lane->delay_low_ms = lane->delay_high_ms = -1;
    cf_window_init(&lane->window);
    return lane;
}

void cf_lane_free(struct cf_lane *lane)
{
    if (lane == NULL)
        return;
    cf_window_done(&lane->window);
    free(lane->key);
    free(lane);
}

static void count_queued(struct cf_lane *lane, const struct cf_waiter *waiter, int sign)
{
    int64_t amounts[CF_RESOURCES];
    to_array(&waiter->amounts, amounts);
    for (int r = 0; r < CF_RESOURCES; r++)
        lane->queued_amounts[r] += sign * amounts[r];
    lane->queued += (size_t)sign;
}

/* Links the waiter in behind `behind`; NULL: as the first. */
static void link_behind(struct cf_lane *lane, struct cf_waiter *behind, struct cf_waiter *waiter)
{
    waiter->prev = behind;
    waiter->next = behind ? behind->next : lane->first;
    *(waiter->prev ? &waiter->prev->next : &lane->first) = waiter;
    *(waiter->next ? &waiter->next->prev : &lane->last) = waiter;
    waiter->state = CF_WAITER_QUEUED;
    count_queued(lane, waiter, 1);
}

void cf_lane_push(struct cf_lane *lane, struct cf_waiter *waiter)
{
    link_behind(lane, lane->last, waiter);
}

void cf_lane_push_refused(struct cf_lane *lane, struct cf_waiter *waiter)
{
    /* Refusals come about in the order of the calls, so the place is near the end. */
    struct cf_waiter *behind = lane->last_refused;
    while (behind != NULL && behind->order > waiter->order)
        behind = behind->prev;
    link_behind(lane, behind, waiter);
    if (behind == lane->last_refused)
        lane->last_refused = waiter;
}

void cf_lane_take(struct cf_lane *lane, struct cf_waiter *waiter)
{
    if (lane->last_refused == waiter)
        lane->last_refused = waiter->prev;
    *(waiter->prev ? &waiter->prev->next : &lane->first) = waiter->next;
    *(waiter->next ? &waiter->next->prev : &lane->last) = waiter->prev;
    waiter->prev = waiter->next = NULL;
    waiter->state = CF_WAITER_IDLE;
    count_queued(lane, waiter, -1);
}

int64_t cf_lane_limit(const struct cf_lane *lane, enum cf_resource resource)
{
    switch (resource) {
    case CF_REQUESTS: return lane->config.max_requests;
    case CF_INPUT:    return lane->config.max_input_tokens;
    default:          return lane->config.max_output_tokens;
    }
}

int64_t cf_lane_span_ms(const struct cf_lane *lane)
{
    return lane->config.window_ms + guard_ms(lane);
}

int64_t cf_lane_ready_ms(struct cf_lane *lane, const struct cf_amounts *amounts, int64_t now_ms)
{
    cf_window_expire(&lane->window, now_ms - cf_lane_span_ms(lane));

    if (lane->config.concurrency > 0 && lane->in_flight >= lane->config.concurrency)
        return CF_LANE_NEVER;

    int64_t wanted[CF_RESOURCES];
    to_array(amounts, wanted);
    int64_t ready_ms = lane->paused_until_ms > now_ms ? lane->paused_until_ms : now_ms;

    for (enum cf_resource r = 0; r < CF_RESOURCES; r++) {
        int64_t used = lane->window.used[r];
        int64_t limit = cf_lane_limit(lane, r);
        if (limit == 0)
            continue;

        int64_t at_ms = now_ms;
        if (used > 0 && used + wanted[r] > limit) {
            lane->pace[r].is_full = true;
            lane->unfit_ms = now_ms;
            if (lane->window.first == CF_SLOT_NONE)
                return CF_LANE_NEVER;
            at_ms = oldest_free_ms(lane, now_ms);
        } else if (is_paced(lane) && wanted[r] > 0) {
            struct cf_pace_view view = view_of(lane, r, now_ms);
            at_ms = is_smooth(lane) ? cf_pace_smooth_ms(&lane->pace[r])
                                    : cf_pace_burst_ms(&lane->pace[r], &view, wanted[r]);
        }
        if (at_ms > ready_ms)
            ready_ms = at_ms;
    }
    return ready_ms;
}

/* When `need` more fit, those before them having taken theirs: what is in the window now comes
 * free, and again and again a window later. */
static int64_t room_ms(const struct cf_lane *lane, enum cf_resource resource, int64_t need,
                       int64_t now_ms)
{
    int64_t span_ms = cf_lane_span_ms(lane);
    int64_t limit = cf_lane_limit(lane, resource);
    int64_t short_of = lane->window.used[resource] + need - limit;
    if (short_of <= 0 || lane->window.used[resource] == 0)
        return now_ms + (need > limit ? (need - 1) / limit * span_ms : 0);

    int64_t rounds = (short_of - 1) / limit;
    int64_t rest = short_of - rounds * limit;
    if (rest > lane->window.used[resource])
        rest = lane->window.used[resource];
    int64_t sent_ms;
    if (!cf_window_date_of(&lane->window, resource, rest, &sent_ms))
        return CF_LANE_NEVER;
    return sent_ms + (rounds + 1) * span_ms;
}

int64_t cf_lane_estimate_ms(struct cf_lane *lane, const struct cf_amounts *amounts, int64_t now_ms)
{
    /* Asking must not start a spread. */
    struct cf_pace saved[CF_RESOURCES];
    memcpy(saved, lane->pace, sizeof saved);
    int64_t saved_unfit_ms = lane->unfit_ms;
    int64_t ready_ms = cf_lane_ready_ms(lane, amounts, now_ms);
    memcpy(lane->pace, saved, sizeof saved);
    lane->unfit_ms = saved_unfit_ms;
    if (ready_ms == CF_LANE_NEVER || (ready_ms <= now_ms && lane->queued == 0))
        return ready_ms;

    int64_t wanted[CF_RESOURCES];
    to_array(amounts, wanted);
    for (enum cf_resource r = 0; r < CF_RESOURCES; r++) {
        int64_t limit = cf_lane_limit(lane, r);
        if (limit == 0)
            continue;
        int64_t at_ms = room_ms(lane, r, lane->queued_amounts[r] + wanted[r], now_ms);
        if (at_ms == CF_LANE_NEVER)
            return CF_LANE_NEVER;
        if (at_ms > ready_ms)
            ready_ms = at_ms;

        double pace_ms = (double)lane->queued_amounts[r] * (double)cf_lane_span_ms(lane) /
                         (double)limit;
        at_ms = cf_pace_smooth_ms(&lane->pace[r]) + (int64_t)pace_ms;
        if (is_paced(lane) && is_smooth(lane) && at_ms > ready_ms)
            ready_ms = at_ms;
    }
    return ready_ms;
}

static int64_t most_saved_ns(const struct cf_pace_view *view, enum cf_resource resource)
{
    int64_t second = (int64_t)SAVED_MS * NS_PER_MS;
    int64_t most = view->span_ms * NS_PER_MS / SAVED_PART;
    if (resource == CF_REQUESTS)
        most = (int64_t)(cf_pace_share_ns(view) * SAVED_REQUESTS);
    return most > second ? most : second;
}

/* Time that passed before a grant with no limit to hold it up is lost: the resource that was ready
 * last may lie back by CATCH_UP_MS, and not at all if nobody waited. */
static void forget_lost_time(struct cf_lane *lane, bool was_queued, int64_t now_ms)
{
    int64_t latest_ns = lane->unfit_ms * NS_PER_MS;
    for (enum cf_resource r = 0; r < CF_RESOURCES; r++)
        if (cf_lane_limit(lane, r) != 0 && lane->pace[r].due_ns > latest_ns)
            latest_ns = lane->pace[r].due_ns;

    int64_t earliest_ns = (now_ms - (was_queued ? CATCH_UP_MS : 0)) * NS_PER_MS;
    for (enum cf_resource r = 0; r < CF_RESOURCES; r++) {
        if (cf_lane_limit(lane, r) == 0)
            continue;
        struct cf_pace_view view = view_of(lane, r, now_ms);
        struct cf_pace *pace = &lane->pace[r];
        if (latest_ns < earliest_ns)
            pace->due_ns += earliest_ns - latest_ns;
        int64_t floor_ns = now_ms * NS_PER_MS - (was_queued ? most_saved_ns(&view, r) : 0);
        if (pace->due_ns < floor_ns)
            pace->due_ns = floor_ns;
    }
}

void cf_lane_grant(struct cf_lane *lane, struct cf_waiter *waiter, uint64_t grant, bool was_queued,
                   int64_t now_ms)
{
    int64_t amounts[CF_RESOURCES];
    to_array(&waiter->amounts, amounts);
    forget_lost_time(lane, was_queued, now_ms);
    for (enum cf_resource r = 0; r < CF_RESOURCES; r++) {
        if (cf_lane_limit(lane, r) == 0 || !is_paced(lane))
            continue;
        struct cf_pace_view view = view_of(lane, r, now_ms);
        cf_pace_grant(&lane->pace[r], &view, amounts[r], is_smooth(lane));
    }
    waiter->slot = cf_window_add(&lane->window, amounts, grant);
    waiter->grant = grant;
    waiter->state = CF_WAITER_GRANTED;
    lane->in_flight++;
}

void cf_lane_correct(struct cf_lane *lane, struct cf_waiter *waiter,
                     const struct cf_amounts *actual, int64_t now_ms)
{
    struct cf_slot *slot = cf_window_get(&lane->window, waiter->slot, waiter->grant);
    if (slot == NULL)
        return;

    int64_t amounts[CF_RESOURCES] = { 0 };
    if (actual != NULL)
        to_array(actual, amounts);
    for (enum cf_resource r = 0; r < CF_RESOURCES; r++) {
        if (cf_lane_limit(lane, r) == 0 || !is_paced(lane) || !is_smooth(lane))
            continue;
        struct cf_pace_view view = view_of(lane, r, now_ms);
        cf_pace_correct(&lane->pace[r], &view, amounts[r] - slot->amounts[r]);
    }
    if (actual != NULL)
        cf_window_change(&lane->window, slot, amounts);
    else
        cf_window_drop(&lane->window, slot);
}

void cf_lane_pause(struct cf_lane *lane, int64_t until_ms)
{
    if (until_ms > lane->paused_until_ms)
        lane->paused_until_ms = until_ms;

    /* No time is saved during a pause. */
    for (int r = 0; r < CF_RESOURCES; r++)
        if (lane->pace[r].due_ns < until_ms * NS_PER_MS)
            lane->pace[r].due_ns = until_ms * NS_PER_MS;
}

int64_t cf_lane_forget_ms(const struct cf_lane *lane)
{
    if (lane->queued > 0 || lane->in_flight > 0)
        return CF_LANE_NEVER;

    int64_t at_ms = lane->paused_until_ms;
    if (lane->window.last != CF_SLOT_NONE) {
        int64_t free_ms = lane->window.slots[lane->window.last].sent_ms + cf_lane_span_ms(lane);
        at_ms = free_ms > at_ms ? free_ms : at_ms;
    }
    for (int r = 0; r < CF_RESOURCES; r++) {
        int64_t due_ms = cf_pace_smooth_ms(&lane->pace[r]);
        at_ms = due_ms > at_ms ? due_ms : at_ms;
    }
    return at_ms;
}

void cf_lane_reset(struct cf_lane *lane)
{
    cf_window_done(&lane->window);
    memset(lane->pace, 0, sizeof lane->pace);
    lane->paused_until_ms = lane->unfit_ms = 0;
}

void cf_lane_note_delay(struct cf_lane *lane, int64_t delay_ms)
{
    if (delay_ms < 0)
        return;
    if (lane->delay_low_ms < 0)
        lane->delay_low_ms = lane->delay_high_ms = delay_ms;

    if (delay_ms < lane->delay_low_ms)
        lane->delay_low_ms = delay_ms;
    else
        lane->delay_low_ms += (delay_ms - lane->delay_low_ms) / DELAY_MEMORY;
    if (delay_ms > lane->delay_high_ms)
        lane->delay_high_ms = delay_ms;
    else
        lane->delay_high_ms -= (lane->delay_high_ms - delay_ms) / DELAY_MEMORY;
}
