#include "confab/retry.h"

#include <inttypes.h>

#include "confab/rng.h"

#define ATTEMPTS_MAX 1000
#define DELAY_MS_MAX INT64_C(86400000) /* a day */

void cf_retry_policy_default(struct cf_retry_policy *policy)
{
    *policy = (struct cf_retry_policy){
        .max_attempts = 3,
        .base_delay_ms = 1000,
        .max_delay_ms = 300000,
        .jitter_ms = 1000,
    };
}

bool cf_retry_policy_check(const struct cf_retry_policy *policy, struct cf_error *err)
{
    const struct {
        const char *name;
        int64_t value, low, high;
    } fields[] = {
        { "max_attempts", policy->max_attempts, 1, ATTEMPTS_MAX },
        { "base_delay_ms", policy->base_delay_ms, 0, DELAY_MS_MAX },
        { "max_delay_ms", policy->max_delay_ms, 0, DELAY_MS_MAX },
        { "jitter_ms", policy->jitter_ms, 0, DELAY_MS_MAX },
    };

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i].value < fields[i].low || fields[i].value > fields[i].high)
            return cf_fail(err, CF_ERR_CONFIG,
                           "%s is %" PRId64 ", but must be from %" PRId64 " to %" PRId64,
                           fields[i].name, fields[i].value, fields[i].low, fields[i].high);
    if (policy->max_delay_ms < policy->base_delay_ms)
        return cf_fail(err, CF_ERR_CONFIG,
                       "max_delay_ms is %" PRId64 ", but must be at least base_delay_ms (%" PRId64
                       ")",
                       policy->max_delay_ms, policy->base_delay_ms);
    return true;
}

/* base * 2^(n-1), at most max_delay_ms. */
static int64_t doubled_ms(const struct cf_retry_policy *policy, int n)
{
    int64_t delay_ms = policy->base_delay_ms;
    for (int i = 1; i < n && delay_ms < policy->max_delay_ms; i++)
        delay_ms *= 2;
    return delay_ms < policy->max_delay_ms ? delay_ms : policy->max_delay_ms;
}

static int64_t jitter_ms(const struct cf_retry_policy *policy, struct cf_rng *rng)
{
    return rng && policy->jitter_ms > 0 ? cf_rng_range(rng, 0, policy->jitter_ms) : 0;
}

int64_t cf_retry_delay_ms(const struct cf_retry_policy *policy, int n, int64_t retry_after_ms,
                          struct cf_rng *rng)
{
    int64_t delay_ms = doubled_ms(policy, n) + jitter_ms(policy, rng);
    return retry_after_ms > delay_ms ? retry_after_ms : delay_ms;
}

/* The whole lane pauses and comes back at once, so what the server asked for gets jitter, too.
 * Where it asked for nothing the pause doubles from 429 to 429. */
static int64_t pause_ms(const struct cf_retry_policy *policy, int n, int64_t retry_after_ms,
                        struct cf_rng *rng)
{
    int64_t wait_ms = retry_after_ms > 0 ? retry_after_ms : doubled_ms(policy, n);
    return wait_ms + jitter_ms(policy, rng);
}

void cf_retry_init(struct cf_retry *retry, const struct cf_retry_policy *policy)
{
    *retry = (struct cf_retry){ .policy = policy };
}

bool cf_retry_next(struct cf_retry *retry, const struct cf_failure *failure, struct cf_rng *rng,
                   struct cf_retry_step *out_step)
{
    struct cf_retry_step step = { .attempt = retry->attempts + 1 };
    cf_retry_classify(failure, &step.judgement);
    step.verdict = step.judgement.verdict;

    if (step.verdict == CF_VERDICT_RETRY_NOT_COUNTED) {
        if (retry->waits < INT32_MAX)
            retry->waits++;
        step.delay_ms = pause_ms(retry->policy, retry->waits, failure->retry_after_ms, rng);
    } else {
        retry->attempts++;
        retry->waits = 0;
        if (step.verdict == CF_VERDICT_RETRY && retry->attempts >= retry->policy->max_attempts)
            step.verdict = step.judgement.last;
        if (step.verdict == CF_VERDICT_RETRY)
            step.delay_ms =
                cf_retry_delay_ms(retry->policy, retry->attempts, failure->retry_after_ms, rng);
    }

    *out_step = step;
    return step.verdict == CF_VERDICT_RETRY || step.verdict == CF_VERDICT_RETRY_NOT_COUNTED;
}

bool cf_retry_next_uncounted(struct cf_retry *retry, const struct cf_failure *failure,
                             int64_t min_delay_ms, struct cf_rng *rng,
                             struct cf_retry_step *out_step)
{
    struct cf_judgement judgement;
    cf_retry_classify(failure, &judgement);
    if (judgement.verdict != CF_VERDICT_RETRY)
        return cf_retry_next(retry, failure, rng, out_step);

    int64_t delay_ms =
        cf_retry_delay_ms(retry->policy, retry->attempts + 1, failure->retry_after_ms, rng);
    *out_step = (struct cf_retry_step){
        .verdict = CF_VERDICT_RETRY,
        .attempt = retry->attempts + 1,
        .judgement = judgement,
        .delay_ms = delay_ms > min_delay_ms ? delay_ms : min_delay_ms,
    };
    return true;
}
