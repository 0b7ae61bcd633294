#include "confab/breaker.h"

void cf_breaker_policy_default(struct cf_breaker_policy *policy)
{
    *policy = (struct cf_breaker_policy){
        .failures = 5,
        .calls = 3,
        .quiet_ms = 5000,
        .max_outage_ms = INT64_C(6) * 3600 * 1000,
        .probes = { .max_attempts = 1,
                    .base_delay_ms = 1000,
                    .max_delay_ms = 60000,
                    .jitter_ms = 1000 },
    };
}

void cf_breaker_init(struct cf_breaker *breaker, const struct cf_breaker_policy *policy,
                     int64_t now_ms)
{
    *breaker = (struct cf_breaker){ .policy = policy, .success_ms = now_ms };
}

static void note_call(struct cf_breaker *breaker, uint64_t call)
{
    for (int i = 0; i < breaker->call_count; i++)
        if (breaker->calls[i] == call)
            return;
    if (breaker->call_count < CF_BREAKER_CALLS_MAX)
        breaker->calls[breaker->call_count++] = call;
}

static void plan_probe(struct cf_breaker *breaker, int64_t now_ms, struct cf_rng *rng)
{
    breaker->next_probe_ms =
        now_ms + cf_retry_delay_ms(&breaker->policy->probes, breaker->probes + 1, -1, rng);
}

void cf_breaker_open(struct cf_breaker *breaker, int64_t now_ms, struct cf_rng *rng)
{
    if (breaker->state == CF_BREAKER_OPEN)
        return;
    breaker->state = CF_BREAKER_OPEN;
    breaker->probes = 0;
    plan_probe(breaker, now_ms, rng);
}

bool cf_breaker_failure(struct cf_breaker *breaker, uint64_t call, int64_t now_ms,
                        struct cf_rng *rng)
{
    if (breaker->failures++ == 0)
        breaker->failing_ms = now_ms;
    breaker->failed_ms = now_ms;
    note_call(breaker, call);

    if (breaker->state == CF_BREAKER_OPEN) {
        /* Calls that were in flight when it opened fail too; only the probe tells something new. */
        if (breaker->is_probing) {
            breaker->is_probing = false;
            breaker->probes++;
            plan_probe(breaker, now_ms, rng);
        }
        return false;
    }
    if (breaker->failures < breaker->policy->failures ||
        breaker->call_count < breaker->policy->calls)
        return true;
    breaker->state = CF_BREAKER_SUSPECTED;
    if (now_ms - breaker->success_ms >= breaker->policy->quiet_ms)
        cf_breaker_open(breaker, now_ms, rng);
    return false;
}

bool cf_breaker_success(struct cf_breaker *breaker, int64_t sent_ms, int64_t now_ms)
{
    bool ended = breaker->state == CF_BREAKER_OPEN;
    breaker->success_ms = now_ms;
    if (breaker->failures > 0 && sent_ms < breaker->failing_ms)
        return false;
    breaker->state = CF_BREAKER_CLOSED;
    breaker->failures = 0;
    breaker->call_count = 0;
    breaker->is_probing = false;
    breaker->streak++;
    return ended;
}

bool cf_breaker_may_send(struct cf_breaker *breaker, int64_t now_ms, int64_t *out_wait_until_ms)
{
    if (breaker->state != CF_BREAKER_OPEN)
        return true;
    if (breaker->is_probing) {
        *out_wait_until_ms = -1;
        return false;
    }
    if (now_ms < breaker->next_probe_ms) {
        *out_wait_until_ms = breaker->next_probe_ms;
        return false;
    }
    breaker->is_probing = true;
    return true;
}

void cf_breaker_probe_lost(struct cf_breaker *breaker)
{
    breaker->is_probing = false;
}

int64_t cf_breaker_outage_ms(const struct cf_breaker *breaker, int64_t now_ms)
{
    return breaker->state == CF_BREAKER_CLOSED ? 0 : now_ms - breaker->failing_ms;
}

bool cf_breaker_has_given_up(const struct cf_breaker *breaker)
{
    return breaker->state != CF_BREAKER_CLOSED &&
           breaker->failed_ms - breaker->failing_ms > breaker->policy->max_outage_ms;
}

void cf_breaker_ask_now(struct cf_breaker *breaker, int64_t now_ms)
{
    if (breaker->next_probe_ms > now_ms)
        breaker->next_probe_ms = now_ms;
}
