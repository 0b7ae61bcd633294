/* The last failure of a call, while it is open whose it is: the call's own, or that of a service
 * that goes away. What the next calls meet tells: a reply, and the call has failed; failures,
 * until the breaker opens, and none of its attempts was one. If there is nobody to learn it
 * from, as with the last items of a run, it goes by the failures themselves: see
 * cf_outage_is_likely. */
#include "engine/sender_impl.h"

#include <utlist.h>

bool cf_verdict_is_open(const struct cf_call *call, const struct cf_retry_step *step)
{
    return step->judgement.verdict == CF_VERDICT_RETRY && call->lane->breaker.failures > 0;
}

static void take(struct cf_sender_lane *lane, struct cf_call *call)
{
    DL_DELETE2(lane->undecided, call, park_prev, park_next);
    call->parked = CF_PARKED_NOT;
    lane->sender->undecided--;
    if (lane->undecided == NULL)
        cf_loop_clear_timer(lane->sender->loop, &lane->verdict_timer);
}

void cf_verdict_end(struct cf_call *call, bool again)
{
    struct cf_sender *sender = call->lane->sender;
    take(call->lane, call);
    cf_outcome_decided(sender, call, again);
}

void cf_verdict_end_all(struct cf_sender_lane *lane, bool again)
{
    while (lane->undecided != NULL)
        cf_verdict_end(lane->undecided, again);
}

/* Whether a call is under way from which it will be learnt. */
static bool has_others(const struct cf_sender_lane *lane)
{
    const struct cf_call *call;
    DL_FOREACH (lane->sender->calls, call)
        if (call->lane == lane && call->parked == CF_PARKED_NOT)
            return true;
    return false;
}

static void on_verdict_due(void *self);

static void set_timer(struct cf_sender_lane *lane)
{
    lane->verdict_timer.on_fire = on_verdict_due;
    lane->verdict_timer.self = lane;
    cf_loop_set_timer(lane->sender->loop, &lane->verdict_timer,
                      cf_loop_now(lane->sender->loop) + lane->breaker.policy->quiet_ms);
}

static void on_verdict_due(void *self)
{
    struct cf_sender_lane *lane = self;
    if (has_others(lane))
        set_timer(lane);
    else if (cf_outage_is_likely(lane))
        cf_outage_assume(lane);
    else
        cf_verdict_end_all(lane, false);
}

void cf_verdict_wait(struct cf_call *call, bool may_be_billed)
{
    struct cf_sender_lane *lane = call->lane;
    call->may_be_billed = may_be_billed;
    call->parked = CF_PARKED_VERDICT;
    DL_APPEND2(lane->undecided, call, park_prev, park_next);
    lane->sender->undecided++;
    set_timer(lane);
}
