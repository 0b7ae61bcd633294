#include "limit/lane.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define GUARD_MS      20 /* clocks tick in whole ms, kernels and networks add some */
#define GUARD_PERCENT 1  /* of the window: what the guard may cost */
#define NS_PER_MS     1000000

/* How late a grant may be without losing its place: timers have whole milliseconds and an event
 * loop has other things to do. Well under a second, so a server that enforces by the second
 * does not notice. */
#define CATCH_UP_MS 100

/* What is left unused for a while may be made up for where pacing is automatic: even the smaller
 * bucket, a sixtieth of a window, has filled up meanwhile. Half of it, so that there is room for
 * requests that arrive closer together than they went. */
#define SPARE_PART 120

/* While one resource holds the line up the others save time, or a line of calls that are dear in
 * turn in one and in the other would use neither fully. This is how much: a tenth of the window
 * in tokens; in requests, which servers count by the second, a second or a few of them; in output
 * a second's worth, as long as it must not come in bursts. */
#define SAVED_PART     10
#define SAVED_OUTPUT_PART 60
#define SAVED_MS       1000
#define SAVED_REQUESTS 4

/* After a pause the rate grows from a quarter to all of it over a twelfth of a window, and no grant
 * is held up for longer than such a part of that. */
#define RAMP_PART  12
#define RAMP_START 0.25
#define RAMP_HOLD  0.25

/* So much faster than the limit where it is to be found out whether bursts pass: a server that
 * enforces by the second refuses every sixth then, so one or two until it is heard of. */
#define CREEP_SLOWNESS 0.8

#define DELAY_MEMORY 64 /* an outlier among the delays fades over about so many more */

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

static bool may_burst(const struct cf_lane *lane)
{
    return lane->config.pacing == CF_PACING_BURST ||
           (lane->config.pacing == CF_PACING_AUTO && lane->server.has_burst);
}

/* What the server lets pass is found out where its limits are: who is told them is not to risk a
 * 429. */
static bool is_creeping(const struct cf_lane *lane, enum cf_resource resource, int64_t now_ms)
{
    const struct cf_limit_config *config = &lane->config;
    bool is_found_out =
        config->is_default && config->max_input_tokens == 0 && config->max_output_tokens == 0;
    return config->pacing == CF_PACING_AUTO && is_found_out &&
           cf_server_may_creep(&lane->server, resource, now_ms);
}

static int64_t ramp_ms(const struct cf_lane *lane)
{
    return lane->config.window_ms / RAMP_PART;
}

static bool is_ramping(const struct cf_lane *lane, int64_t now_ms)
{
    return lane->ramp_from_ms > 0 && now_ms < lane->ramp_from_ms + ramp_ms(lane);
}

/* By how much grants are further apart than their share. */
static double slowness(const struct cf_lane *lane, double grant_ns, int64_t now_ms)
{
    if (!is_ramping(lane, now_ms) || grant_ns <= 0)
        return 1;
    double part = (double)(now_ms - lane->ramp_from_ms) / (double)ramp_ms(lane);
    double slow = 1 / (RAMP_START + (1 - RAMP_START) * (part > 0 ? part : 0));
    double most = 1 + (double)ramp_ms(lane) * NS_PER_MS * RAMP_HOLD / grant_ns;
    return slow < most ? slow : most;
}

static bool is_smooth(const struct cf_lane *lane, int64_t now_ms)
{
    return !may_burst(lane) || is_ramping(lane, now_ms);
}

/* What others leave of a limit. */
static int64_t room_of(const struct cf_lane *lane, enum cf_resource resource, int64_t now_ms)
{
    int64_t limit = lane->limit[resource];
    return limit - cf_server_foreign(&lane->server, resource, limit, now_ms);
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
    int64_t room = room_of(lane, resource, now_ms);
    return (struct cf_pace_view){
        .now_ms = now_ms,
        .span_ms = cf_lane_span_ms(lane),
        .oldest_free_ms = oldest_free_ms(lane, now_ms),
        .used = cf_window_used(&lane->window, resource),
        .limit = lane->limit[resource],
        .room = room,
        /* 0.29 of 100 is 29, not 28. */
        .threshold = (int64_t)((double)room * lane->config.pause_threshold + 1e-6),
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

int64_t cf_lane_span_ms(const struct cf_lane *lane)
{
    return lane->config.window_ms + guard_ms(lane);
}

/* When an amount that fits is due. */
static int64_t paced_ms(struct cf_lane *lane, enum cf_resource resource, int64_t wanted,
                        int64_t now_ms)
{
    struct cf_pace *pace = &lane->pace[resource];
    if (!is_smooth(lane, now_ms)) {
        struct cf_pace_view view = view_of(lane, resource, now_ms);
        bool is_auto = lane->config.pacing == CF_PACING_AUTO;
        double most_ns = is_auto ? cf_pace_share_ns(&view) : INFINITY;
        int64_t burst_ms = cf_pace_burst_ms(pace, &view, wanted, most_ns);
        if (resource != CF_OUTPUT)
            return burst_ms;
        int64_t room_ms =
            cf_server_burst_ms(&lane->server, lane->flying_amounts[CF_OUTPUT], now_ms);
        return room_ms > burst_ms ? room_ms : burst_ms;
    }
    int64_t due_ms = cf_pace_smooth_ms(pace);
    if (may_burst(lane) || is_creeping(lane, resource, now_ms))
        return due_ms;
    int64_t second_ms = cf_server_second_ms(&lane->server, resource, wanted, now_ms);
    if (second_ms <= due_ms || second_ms <= now_ms)
        return due_ms;
    if (resource == CF_OUTPUT && lane->config.pacing == CF_PACING_AUTO &&
        cf_server_may_probe(&lane->server, lane->flying_amounts, now_ms))
        return due_ms;
    lane->unfit_ms = second_ms;
    return second_ms;
}

/* When an amount that does not fit may come to: the oldest slot comes free, or what others have
 * used has drained. */
static int64_t look_again_ms(const struct cf_lane *lane, enum cf_resource resource, int64_t missing,
                             int64_t now_ms)
{
    int64_t at_ms = CF_LANE_NEVER;
    if (lane->window.first != CF_SLOT_NONE)
        at_ms = oldest_free_ms(lane, now_ms);
    int64_t foreign = lane->limit[resource] - room_of(lane, resource, now_ms);
    if (foreign > 0) {
        int64_t amount = missing < foreign ? missing : foreign;
        int64_t drained_ms = now_ms + cf_server_drain_ms(&lane->server, resource, amount);
        at_ms = drained_ms < at_ms ? drained_ms : at_ms;
    }
    return at_ms;
}

int64_t cf_lane_ready_ms(struct cf_lane *lane, const struct cf_amounts *amounts, int64_t now_ms)
{
    cf_window_expire(&lane->window, now_ms - cf_lane_span_ms(lane));

    if (lane->config.concurrency > 0 && lane->in_flight >= lane->config.concurrency)
        return CF_LANE_NEVER;

    int64_t wanted[CF_RESOURCES];
    cf_lane_amounts(amounts, wanted);
    int64_t ready_ms = lane->paused_until_ms > now_ms ? lane->paused_until_ms : now_ms;

    for (enum cf_resource r = 0; r < CF_RESOURCES; r++) {
        if (lane->limit[r] == 0)
            continue;

        int64_t at_ms = now_ms;
        int64_t used = cf_window_used(&lane->window, r);
        int64_t missing = used + wanted[r] - room_of(lane, r, now_ms);
        bool is_empty = used == 0 && room_of(lane, r, now_ms) == lane->limit[r];
        if (missing > 0 && !is_empty) {
            lane->pace[r].is_full = true;
            lane->unfit_ms = now_ms;
            at_ms = look_again_ms(lane, r, missing, now_ms);
            if (at_ms == CF_LANE_NEVER)
                return CF_LANE_NEVER;
        } else if (is_paced(lane) && wanted[r] > 0) {
            at_ms = paced_ms(lane, r, wanted[r], now_ms);
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
    int64_t limit = lane->limit[resource];
    int64_t used = cf_window_used(&lane->window, resource);
    int64_t short_of = used + need - limit;
    if (short_of <= 0 || used == 0)
        return now_ms + (need > limit ? (need - 1) / limit * span_ms : 0);

    int64_t rounds = (short_of - 1) / limit;
    int64_t rest = short_of - rounds * limit;
    if (rest > lane->window.used[resource]) /* by date all counts in full */
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
    cf_lane_amounts(amounts, wanted);
    for (enum cf_resource r = 0; r < CF_RESOURCES; r++) {
        int64_t limit = lane->limit[r];
        if (limit == 0)
            continue;
        int64_t at_ms = room_ms(lane, r, lane->queued_amounts[r] + wanted[r], now_ms);
        if (at_ms == CF_LANE_NEVER)
            return CF_LANE_NEVER;
        if (at_ms > ready_ms)
            ready_ms = at_ms;

        double pace_ms =
            (double)lane->queued_amounts[r] * (double)cf_lane_span_ms(lane) / (double)limit;
        at_ms = cf_pace_smooth_ms(&lane->pace[r]) + (int64_t)pace_ms;
        if (is_paced(lane) && is_smooth(lane, now_ms) && at_ms > ready_ms)
            ready_ms = at_ms;
    }
    return ready_ms;
}

static int64_t most_saved_ns(const struct cf_lane *lane, const struct cf_pace_view *view,
                             enum cf_resource resource)
{
    int64_t second = (int64_t)SAVED_MS * NS_PER_MS;
    int64_t most = view->span_ms * NS_PER_MS / SAVED_PART;
    if (resource == CF_OUTPUT && !may_burst(lane))
        return view->span_ms * NS_PER_MS / SAVED_OUTPUT_PART;
    if (resource == CF_REQUESTS)
        most = (int64_t)(cf_pace_share_ns(view) * SAVED_REQUESTS);
    return most > second ? most : second;
}

/* How much time that passed unused a grant may make up for; none more while it goes faster than the
 * limit to find out whether bursts pass, or more than one would be refused. */
static int64_t catch_up_ms(const struct cf_lane *lane, bool was_queued, int64_t now_ms)
{
    int64_t catch_up = was_queued ? CATCH_UP_MS : 0;
    if (lane->config.pacing != CF_PACING_AUTO || is_creeping(lane, CF_REQUESTS, now_ms) ||
        is_creeping(lane, CF_INPUT, now_ms))
        return catch_up;
    int64_t spare = lane->config.window_ms / SPARE_PART;
    return spare > catch_up ? spare : catch_up;
}

/* Time that passed before a grant with no limit to hold it up is lost, beyond catch_up_ms, in which
 * the resource that was ready last may lie back. */
static void forget_lost_time(struct cf_lane *lane, bool was_queued, int64_t now_ms)
{
    int64_t catch_up = catch_up_ms(lane, was_queued, now_ms);
    int64_t latest_ns = (lane->unfit_ms < now_ms ? lane->unfit_ms : now_ms) * NS_PER_MS;
    for (enum cf_resource r = 0; r < CF_RESOURCES; r++)
        if (lane->limit[r] != 0 && lane->pace[r].due_ns > latest_ns)
            latest_ns = lane->pace[r].due_ns;

    int64_t earliest_ns = (now_ms - catch_up) * NS_PER_MS;
    for (enum cf_resource r = 0; r < CF_RESOURCES; r++) {
        if (lane->limit[r] == 0)
            continue;
        struct cf_pace_view view = view_of(lane, r, now_ms);
        struct cf_pace *pace = &lane->pace[r];
        if (latest_ns < earliest_ns)
            pace->due_ns += earliest_ns - latest_ns;
        int64_t saved_ns = was_queued ? most_saved_ns(lane, &view, r) : 0;
        if (saved_ns < catch_up * NS_PER_MS)
            saved_ns = catch_up * NS_PER_MS;
        if (pace->due_ns < now_ms * NS_PER_MS - saved_ns)
            pace->due_ns = now_ms * NS_PER_MS - saved_ns;
    }
}

void cf_lane_grant(struct cf_lane *lane, struct cf_waiter *waiter, uint64_t grant, bool was_queued,
                   int64_t now_ms)
{
    int64_t amounts[CF_RESOURCES];
    cf_lane_amounts(&waiter->amounts, amounts);
    forget_lost_time(lane, was_queued, now_ms);
    bool creeps = false;
    for (enum cf_resource r = 0; r < CF_RESOURCES; r++) {
        if (lane->limit[r] == 0 || !is_paced(lane))
            continue;
        struct cf_pace_view view = view_of(lane, r, now_ms);
        double slow = slowness(lane, cf_pace_share_ns(&view) * (double)amounts[r], now_ms);
        if (r == CF_OUTPUT && !may_burst(lane))
            slow *= cf_server_output_slowness(&lane->server, lane->flying_amounts, now_ms);
        if (is_creeping(lane, r, now_ms)) {
            creeps = true;
            slow *= CREEP_SLOWNESS;
        }
        cf_pace_grant(&lane->pace[r], &view, amounts[r], is_smooth(lane, now_ms), slow);
    }
    cf_server_granted(&lane->server, grant, creeps ? amounts : NULL, now_ms);
    cf_server_count(&lane->server, CF_REQUESTS, amounts[CF_REQUESTS], now_ms);
    cf_server_count(&lane->server, CF_INPUT, amounts[CF_INPUT], now_ms);
    cf_server_count_unwritten(&lane->server, CF_REQUESTS, amounts[CF_REQUESTS]);
    cf_server_count_unwritten(&lane->server, CF_INPUT, amounts[CF_INPUT]);
    waiter->slot = cf_window_add(&lane->window, amounts, grant);
    waiter->grant = grant;
    waiter->state = CF_WAITER_GRANTED;
    waiter->sent_order = 0;
    cf_lane_fly(lane, waiter);
}

void cf_lane_written(struct cf_lane *lane, struct cf_waiter *waiter, bool is_told, int64_t now_ms)
{
    if (waiter->state != CF_WAITER_GRANTED)
        return;
    waiter->state = CF_WAITER_SENT;
    struct cf_slot *slot = cf_window_get(&lane->window, waiter->slot, waiter->grant);
    if (slot != NULL && !slot->is_sent)
        cf_window_date(&lane->window, slot, now_ms);

    struct cf_server *server = &lane->server;
    const struct cf_amounts *amounts = &waiter->amounts;
    server->is_told_written |= is_told;
    cf_server_count_unwritten(server, CF_REQUESTS, -amounts->requests);
    cf_server_count_unwritten(server, CF_INPUT, -amounts->input);
    cf_server_count_written(server, CF_REQUESTS, amounts->requests, now_ms);
    cf_server_count_written(server, CF_INPUT, amounts->input, now_ms);
}

/* Replaces what the waiter's slot counts, if it is still there. */
static void correct_slot(struct cf_lane *lane, struct cf_waiter *waiter,
                         const struct cf_amounts *actual, int64_t now_ms)
{
    struct cf_slot *slot = cf_window_get(&lane->window, waiter->slot, waiter->grant);
    if (slot == NULL)
        return;

    int64_t amounts[CF_RESOURCES];
    cf_lane_amounts(actual, amounts);
    for (enum cf_resource r = 0; r < CF_RESOURCES; r++) {
        if (lane->limit[r] == 0 || !is_paced(lane) || !is_smooth(lane, now_ms))
            continue;
        struct cf_pace_view view = view_of(lane, r, now_ms);
        cf_pace_correct(&lane->pace[r], &view, amounts[r] - slot->amounts[r]);
    }
    cf_window_change(&lane->window, slot, amounts);
}

void cf_lane_correct(struct cf_lane *lane, struct cf_waiter *waiter,
                     const struct cf_amounts *actual, int64_t now_ms)
{
    static const struct cf_amounts nothing;
    const struct cf_amounts *amounts = actual != NULL ? actual : &nothing;
    correct_slot(lane, waiter, amounts, now_ms);

    int64_t requests = amounts->requests - waiter->amounts.requests;
    int64_t input = amounts->input - waiter->amounts.input;
    cf_server_count(&lane->server, CF_REQUESTS, requests, now_ms);
    cf_server_count(&lane->server, CF_INPUT, input, now_ms);
    if (waiter->state == CF_WAITER_GRANTED) {
        cf_server_count_unwritten(&lane->server, CF_REQUESTS, requests);
        cf_server_count_unwritten(&lane->server, CF_INPUT, input);
    } else {
        cf_server_count_written(&lane->server, CF_REQUESTS, requests, now_ms);
        cf_server_count_written(&lane->server, CF_INPUT, input, now_ms);
    }
    cf_lane_count_flying(lane, &waiter->amounts, amounts);
    waiter->amounts = *amounts;
    if (actual == NULL) {
        struct cf_slot *slot = cf_window_get(&lane->window, waiter->slot, waiter->grant);
        if (slot != NULL)
            cf_window_drop(&lane->window, slot);
    }
}

void cf_lane_end(struct cf_lane *lane, struct cf_waiter *waiter, int64_t now_ms)
{
    struct cf_slot *slot = cf_window_get(&lane->window, waiter->slot, waiter->grant);
    if (slot != NULL)
        cf_window_settle(&lane->window, slot, cf_lane_span_ms(lane));
    cf_server_count(&lane->server, CF_OUTPUT, waiter->amounts.output, now_ms);
    cf_lane_land(lane, waiter);
}

void cf_lane_pause(struct cf_lane *lane, int64_t until_ms)
{
    cf_server_refused(&lane->server);
    if (until_ms > lane->paused_until_ms)
        lane->paused_until_ms = lane->ramp_from_ms = until_ms;

    /* Begins anew after the pause: no time is saved during it, none was lost before. */
    for (int r = 0; r < CF_RESOURCES; r++) {
        lane->pace[r].is_spreading = lane->pace[r].is_full = false;
        lane->pace[r].due_ns = lane->paused_until_ms * NS_PER_MS;
    }
}

void cf_lane_update_limits(struct cf_lane *lane, int64_t now_ms)
{
    const int64_t configured[CF_RESOURCES] = {
        lane->config.max_requests,
        lane->config.max_input_tokens,
        lane->config.max_output_tokens,
    };
    for (enum cf_resource r = 0; r < CF_RESOURCES; r++) {
        int64_t said = lane->server.limit[r];
        int64_t limit = configured[r];
        bool gives_way = limit == 0 || (r == CF_REQUESTS && lane->config.is_default);
        if (said > 0 && (gives_way || said < limit))
            limit = said;
        if (limit != lane->limit[r])
            cf_pace_rescale(&lane->pace[r], lane->limit[r], limit, now_ms);
        if (lane->limit[r] == 0)
            lane->pace[r].due_ns = (now_ms - catch_up_ms(lane, false, now_ms)) * NS_PER_MS;
        lane->limit[r] = limit;
        cf_server_set_rate(&lane->server, r, said > 0 ? said : limit, lane->config.window_ms,
                           cf_window_used(&lane->window, r), now_ms);
    }
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
        if (lane->limit[r] == 0)
            continue;
        int64_t empty_ns = lane->server.foreign[r].empty_ns;
        if (lane->server.own[r].empty_ns > empty_ns)
            empty_ns = lane->server.own[r].empty_ns;
        at_ms = empty_ns / NS_PER_MS > at_ms ? empty_ns / NS_PER_MS : at_ms;
    }
    return at_ms;
}

void cf_lane_reset(struct cf_lane *lane)
{
    cf_window_done(&lane->window);
    memset(lane->pace, 0, sizeof lane->pace);
    memset(lane->server.own, 0, sizeof lane->server.own);
    memset(lane->server.written, 0, sizeof lane->server.written);
    memset(lane->server.foreign, 0, sizeof lane->server.foreign);
    lane->server.probe = 0;
    lane->server.was_refused = lane->server.probe_refused = false;
    lane->paused_until_ms = lane->ramp_from_ms = lane->unfit_ms = 0;
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
