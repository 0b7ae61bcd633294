#include "engine/sender_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#include "base/log.h"
#include "confab/retry.h"
#include "engine/telling.h"

#define REACH_MS 8000 /* without a connection to a service that never answered: time to say so */

struct cf_sender_lane *cf_outage_lane(struct cf_sender *sender, const struct cf_key *key,
                                      const char *limit_class)
{
    char name[CF_LANE_KEY_MAX];
    struct cf_sender_lane *lane;
    cf_sender_lane_key(sender, key, limit_class, name);
    HASH_FIND_STR(sender->lanes, name, lane);
    if (lane != NULL)
        return lane;
    lane = cf_calloc(1, sizeof *lane);
    snprintf(lane->key, sizeof lane->key, "%s", name);
    snprintf(lane->limit_class, sizeof lane->limit_class, "%s", limit_class);
    lane->key_name = key->name;
    lane->sender = sender;
    cf_breaker_init(&lane->breaker, &sender->breaker_policy, cf_loop_now(sender->loop));
    HASH_ADD_STR(sender->lanes, key, lane);
    return lane;
}

void cf_outage_free_lanes(struct cf_sender *sender)
{
    struct cf_sender_lane *lane, *next;
    HASH_ITER (hh, sender->lanes, lane, next) {
        HASH_DEL(sender->lanes, lane);
        free(lane);
    }
}

/* --- the gate --- */

bool cf_outage_may_go(struct cf_sender *sender, struct cf_call *call)
{
    int64_t until_ms;
    struct cf_breaker *breaker = &call->lane->breaker;
    if (breaker->state != CF_BREAKER_OPEN || call->is_probe)
        return true;
    call->is_probe = cf_breaker_may_send(breaker, cf_loop_now(sender->loop), &until_ms);
    return call->is_probe;
}

void cf_outage_not_gone(struct cf_sender *sender, struct cf_call *call)
{
    (void)sender;
    if (!call->is_probe)
        return;
    call->is_probe = false;
    cf_breaker_probe_lost(&call->lane->breaker);
    cf_outage_watch(call->lane);
}

static void format_span(int64_t ms, char out[32])
{
    int64_t s = (ms + 500) / 1000;
    if (s >= 7200)
        snprintf(out, 32, "%" PRId64 " h", (s + 1800) / 3600);
    else if (s >= 120)
        snprintf(out, 32, "%" PRId64 " min", (s + 30) / 60);
    else
        snprintf(out, 32, "%" PRId64 " s", s);
}

/* After the longest outage allowed: the run stops. */
static void give_up(struct cf_sender_lane *lane, const char *what, int64_t since_ms)
{
    struct cf_sender *sender = lane->sender;
    struct cf_error why;
    char span[32];
    format_span(cf_loop_now(sender->loop) - since_ms, span);
    cf_fail(&why, CF_ERR_API, "%s %s for %s (max_outage); the last failure: %s", sender->base_url,
            what, span, lane->last_failure);
    cf_attempt_stop_all(sender, &why);
    cf_attempt_return_waiting(sender, NULL);
}

static bool check_given_up(struct cf_sender_lane *lane)
{
    struct cf_sender *sender = lane->sender;
    if (sender->has_stopped || !cf_breaker_has_given_up(&lane->breaker))
        return false;
    give_up(lane, sender->has_answered ? "has been away" : "could not be reached",
            lane->breaker.failing_ms);
    return true;
}

/* When the longest outage allowed is over; whether it is one still, is asked then once more. */
static int64_t deadline_ms(const struct cf_sender_lane *lane)
{
    return lane->breaker.failing_ms + lane->breaker.policy->max_outage_ms;
}

static void on_lane_due(void *self)
{
    struct cf_sender_lane *lane = self;
    struct cf_sender *sender = lane->sender;
    if (check_given_up(lane))
        return;
    if (cf_loop_now(sender->loop) > deadline_ms(lane))
        cf_breaker_ask_now(&lane->breaker, cf_loop_now(sender->loop));
    if (lane->parked != NULL) {
        struct cf_call *call = lane->parked;
        cf_attempt_unpark(sender, call);
        cf_attempt_begin(sender, call);
    }
    cf_outage_watch(lane);
}

void cf_outage_watch(struct cf_sender_lane *lane)
{
    struct cf_sender *sender = lane->sender;
    const struct cf_breaker *breaker = &lane->breaker;
    if (breaker->state == CF_BREAKER_CLOSED) {
        cf_loop_clear_timer(sender->loop, &lane->timer);
        return;
    }
    int64_t due_ms = deadline_ms(lane) + 1;
    bool probes = breaker->state == CF_BREAKER_OPEN && !breaker->is_probing && lane->parked != NULL;
    bool is_over = cf_loop_now(sender->loop) > deadline_ms(lane);
    if (is_over && !probes) {
        cf_loop_clear_timer(sender->loop, &lane->timer);
        return;
    }
    if (probes && (is_over || breaker->next_probe_ms < due_ms))
        due_ms = breaker->next_probe_ms;
    lane->timer.on_fire = on_lane_due;
    lane->timer.self = lane;
    cf_loop_set_timer(sender->loop, &lane->timer, due_ms);
}

/* --- a service that was never reached --- */

static void tell_unreachable(struct cf_sender *sender, const char *why)
{
    char span[32];
    if (sender->has_answered || sender->has_told_unreachable)
        return;
    sender->has_told_unreachable = true;
    format_span(sender->breaker_policy.max_outage_ms, span);
    cf_log(CF_LOG_WARN,
           "%s cannot be reached: %s. Is the address right, the network up? It is tried again "
           "for up to %s (max_outage); Ctrl-C ends the run, everything is saved",
           sender->base_url, why, span);
}

static void on_reach_due(void *self)
{
    struct cf_sender *sender = self;
    if (!sender->has_written)
        tell_unreachable(sender, "no connection yet");
}

void cf_outage_sending(struct cf_sender *sender)
{
    if (sender->reach_timer.on_fire != NULL)
        return;
    sender->reach_timer.on_fire = on_reach_due;
    sender->reach_timer.self = sender;
    cf_loop_set_timer(sender->loop, &sender->reach_timer, cf_loop_now(sender->loop) + REACH_MS);
}

/* --- failures and answers --- */

/* Whether no connection came about: then it cannot have been the call's doing. */
static bool failed_to_connect(const struct cf_failure *failure)
{
    switch (failure->transport) {
    case CF_TRANSPORT_CONNECT_REFUSED:
    case CF_TRANSPORT_DNS:
    case CF_TRANSPORT_TLS:
    case CF_TRANSPORT_TIMEOUT_CONNECT: return true;
    default: return false;
    }
}

/* Whether it may be the service's, or the network's. */
static bool is_of_service(const struct cf_failure *failure)
{
    struct cf_judgement judgement;
    switch (failure->transport) {
    case CF_TRANSPORT_OK: return failure->http_status >= 500;
    case CF_TRANSPORT_STREAM_ERROR: /* with a status of 200: its type tells */
        cf_retry_classify(failure, &judgement);
        return judgement.verdict == CF_VERDICT_RETRY;
    case CF_TRANSPORT_TOO_LARGE:
    case CF_TRANSPORT_BAD_URL:
    case CF_TRANSPORT_CANCELLED: return false;
    default: return true;
    }
}

/* The failures that made the breaker open were not the calls' own. */
static void give_counts_back(struct cf_sender_lane *lane)
{
    struct cf_call *call;
    DL_FOREACH (lane->sender->calls, call) {
        if (call->streak_lane == lane && call->streak == lane->breaker.streak) {
            call->retry.attempts -= call->streak_failures;
            call->streak_failures = 0;
        }
    }
}

static void note_counted(struct cf_sender_lane *lane, struct cf_call *call)
{
    if (call->streak_lane != lane || call->streak != lane->breaker.streak)
        call->streak_failures = 0;
    call->streak_lane = lane;
    call->streak = lane->breaker.streak;
    call->streak_failures++;
}

static void note_open(struct cf_sender_lane *lane)
{
    struct cf_sender *sender = lane->sender;
    char span[32];
    sender->open_lanes++;
    give_counts_back(lane);
    cf_verdict_end_all(lane, true);
    cf_telling_outage_begins(lane);
    format_span(sender->breaker_policy.max_outage_ms, span);
    if (sender->has_answered)
        cf_log(CF_LOG_WARN,
               "the service is away (%s); the run waits, and goes on by itself when it is back "
               "(for up to %s)",
               lane->last_failure, span);
    else
        tell_unreachable(sender, lane->last_failure);
}

bool cf_outage_failed(struct cf_sender *sender, struct cf_call *call,
                      const struct cf_failure *failure, int64_t *out_min_delay_ms)
{
    struct cf_sender_lane *lane = call->lane;
    struct cf_breaker *breaker = &lane->breaker;
    *out_min_delay_ms = 0;
    if (failure->transport == CF_TRANSPORT_CANCELLED) {
        cf_outage_not_gone(sender, call);
        return true;
    }
    struct cf_error words;
    cf_retry_error(failure, &words);
    snprintf(lane->last_failure, sizeof lane->last_failure, "%s", words.message);
    lane->last_status = failure->http_status;
    if (failure->http_status != 0)
        sender->has_answered = true;
    if (!is_of_service(failure)) {
        cf_outage_answered(sender, call, failure->http_status == 429);
        return true;
    }

    bool is_nobodys = failed_to_connect(failure);
    bool was_open = breaker->state == CF_BREAKER_OPEN;
    /* Such failures count as those of different calls: one call is enough to see that nobody is
     * there. */
    uint64_t who =
        is_nobodys ? UINT64_MAX - sender->failures_to_connect++ : (uint64_t)call->call_id;
    call->is_probe = false;
    bool counts =
        cf_breaker_failure(breaker, who, cf_loop_now(sender->loop), &sender->rng) && !is_nobodys;
    if (is_nobodys)
        tell_unreachable(sender, words.message);
    if (counts)
        note_counted(lane, call);
    if (!was_open && breaker->state == CF_BREAKER_OPEN)
        note_open(lane);
    if (breaker->state != CF_BREAKER_CLOSED && !check_given_up(lane))
        cf_outage_watch(lane);

    /* What waits for a service that is away is put aside when its time has come; before that is
     * known it must not be asked all the time. */
    bool is_suspected = breaker->state == CF_BREAKER_SUSPECTED;
    *out_min_delay_ms =
        is_suspected ? cf_retry_delay_ms(&breaker->policy->probes, 1, -1, &sender->rng) : 0;
    return counts;
}

void cf_outage_answered(struct cf_sender *sender, struct cf_call *call, bool is_429)
{
    struct cf_sender_lane *lane = call->lane;
    int64_t now = cf_loop_now(sender->loop);
    int64_t away_ms = cf_breaker_outage_ms(&lane->breaker, now);
    sender->has_answered = true;
    call->is_probe = false;
    if (!is_429)
        lane->refused_ms = 0;
    else if (lane->refused_ms == 0)
        lane->refused_ms = now;
    else if (now - lane->refused_ms > sender->breaker_policy.max_outage_ms && !sender->has_stopped)
        give_up(lane, "has sent nothing but 429s", lane->refused_ms);

    bool has_ended = cf_breaker_success(&lane->breaker, call->begun_ms, now);
    if (lane->breaker.state == CF_BREAKER_CLOSED && lane->breaker.failures == 0)
        cf_verdict_end_all(lane, false);
    if (!has_ended)
        return;
    char span[32];
    format_span(away_ms, span);
    cf_log(CF_LOG_WARN, "the service is back, after %s", span);
    sender->open_lanes--;
    cf_telling_outage_ends(lane, away_ms);
    cf_outage_watch(lane);
    /* Also what waits in other lanes: this one may serve it. */
    struct cf_sender_lane *other, *next;
    HASH_ITER (hh, sender->lanes, other, next) {
        struct cf_call *parked;
        int count;
        DL_COUNT2(other->parked, parked, count, park_next);
        for (; count > 0; count--) { /* what cannot go is put at the end again */
            parked = other->parked;
            cf_attempt_unpark(sender, parked);
            cf_attempt_begin(sender, parked);
        }
    }
}

/* Two different calls do not both fail by themselves, all their attempts in a row; and these
 * statuses are about the service in their own words. A 500 for one call may well be that call's. */
bool cf_outage_is_likely(const struct cf_sender_lane *lane)
{
    bool is_unavailable =
        lane->last_status == 502 || lane->last_status == 503 || lane->last_status == 529;
    return lane->breaker.state != CF_BREAKER_OPEN && lane->breaker.failures > 0 &&
           (is_unavailable || lane->breaker.call_count > 1);
}

void cf_outage_assume(struct cf_sender_lane *lane)
{
    cf_breaker_open(&lane->breaker, cf_loop_now(lane->sender->loop), &lane->sender->rng);
    note_open(lane);
    cf_outage_watch(lane);
}

void cf_outage_status(const struct cf_sender *sender, int64_t *out_away_ms, int64_t *out_probe_ms)
{
    int64_t now = cf_loop_now(sender->loop);
    struct cf_sender_lane *lane, *next;
    *out_away_ms = *out_probe_ms = 0;
    if (sender->open_lanes == 0)
        return;
    HASH_ITER (hh, sender->lanes, lane, next) {
        int64_t away_ms = cf_breaker_outage_ms(&lane->breaker, now);
        if (lane->breaker.state != CF_BREAKER_OPEN || away_ms < *out_away_ms)
            continue;
        *out_away_ms = away_ms > 0 ? away_ms : 1;
        *out_probe_ms = lane->breaker.is_probing ? 0 : lane->breaker.next_probe_ms;
    }
}
