/* What the limiter learns from replies: limits, other people's use, and which keys are one. */
#include "confab/limiter.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "limit/limiter_impl.h"

#define LIMIT_MAX INT64_C(1000000000000)     /* as configured ones */

static void cap(int64_t *limit)
{
    if (*limit < 0)
        *limit = 0;
    if (*limit > LIMIT_MAX)
        *limit = LIMIT_MAX;
}

void cf_limiter_feedback(struct cf_limiter *limiter, struct cf_waiter *waiter,
                         const struct cf_limit_feedback *feedback, int64_t now_ms)
{
    assert(waiter->state == CF_WAITER_GRANTED || waiter->state == CF_WAITER_SENT);
    cf_limiter_take_now(limiter, now_ms);
    cf_limiter_mark_sent(limiter, waiter, false);
    struct cf_limit_feedback capped = *feedback;
    cap(&capped.requests.limit);
    cap(&capped.input.limit);
    cap(&capped.output.limit);
    cf_lane_hear(waiter->lane, waiter, &capped, limiter->now_ms);
    cf_limiter_file(limiter, waiter->lane);
}

static void lower(int64_t *amount, int64_t other)
{
    if (other > 0 && (*amount == 0 || other < *amount))
        *amount = other;
}

/* A limit set for a key holds for the lane that it goes into. */
static void merge_configs(struct cf_limiter *limiter, const char *from, const char *into)
{
    const struct cf_record *own = cf_records_find(&limiter->records, from);
    if (own == NULL || !own->has_config)
        return;
    struct cf_record *other = cf_records_get(&limiter->records, into);
    if (!other->has_config) {
        other->has_config = true;
        other->config = own->config;
        return;
    }
    struct cf_limit_config *config = &other->config;
    if (config->is_default && !own->config.is_default) {
        config->is_default = false;
        config->max_requests = own->config.max_requests;
    } else if (config->is_default == own->config.is_default) {
        lower(&config->max_requests, own->config.max_requests);
    }
    lower(&config->max_input_tokens, own->config.max_input_tokens);
    lower(&config->max_output_tokens, own->config.max_output_tokens);
    lower(&config->concurrency, own->config.concurrency);
}

void cf_limiter_merge(struct cf_limiter *limiter, const char *from, const char *into,
                      int64_t now_ms)
{
    cf_limiter_take_now(limiter, now_ms);
    from = cf_records_resolve(&limiter->records, from);
    char *into_key = cf_strdup(cf_records_resolve(&limiter->records, into));
    char *from_key = cf_strdup(from);
    if (strcmp(from_key, into_key) == 0)
        goto done;

    merge_configs(limiter, from_key, into_key);
    struct cf_limit_learnt learnt;
    bool has_learnt = cf_limiter_learnt(limiter, from_key, &learnt);
    struct cf_lane *from_lane = cf_limiter_find_lane(limiter, from_key);
    if (from_lane != NULL) {
        struct cf_lane *into_lane = cf_limiter_get_lane(limiter, into_key);
        cf_lane_merge(into_lane, from_lane, limiter->now_ms);
        cf_limiter_drop(limiter, from_lane);
    }
    cf_records_merge(&limiter->records, from_key, into_key);
    struct cf_lane *into_lane = cf_limiter_find_lane(limiter, into_key);
    if (has_learnt && !cf_limiter_learnt(limiter, into_key, &(struct cf_limit_learnt){ 0 }))
        cf_limiter_restore(limiter, into_key, &learnt, now_ms);
    if (into_lane != NULL)
        cf_limiter_configure(limiter, into_lane);
done:
    free(from_key);
    free(into_key);
}

bool cf_limiter_learnt(struct cf_limiter *limiter, const char *key,
                       struct cf_limit_learnt *out_learnt)
{
    key = cf_records_resolve(&limiter->records, key);
    const struct cf_lane *lane = cf_limiter_find_lane(limiter, key);
    struct cf_limit_learnt learnt = { 0 };
    if (lane != NULL) {
        cf_lane_learnt(lane, &learnt);
    } else {
        const struct cf_record *record = cf_records_find(&limiter->records, key);
        if (record != NULL)
            learnt = record->learnt;
    }
    if (!cf_limit_learnt_any(&learnt))
        return false;
    *out_learnt = learnt;
    return true;
}

void cf_limiter_restore(struct cf_limiter *limiter, const char *key,
                        const struct cf_limit_learnt *learnt, int64_t now_ms)
{
    cf_limiter_take_now(limiter, now_ms);
    struct cf_limit_learnt capped = *learnt;
    cap(&capped.limits.requests);
    cap(&capped.limits.input);
    cap(&capped.limits.output);

    key = cf_records_resolve(&limiter->records, key);
    struct cf_lane *lane = cf_limiter_find_lane(limiter, key);
    if (lane != NULL) {
        cf_lane_restore(lane, &capped, limiter->now_ms);
        cf_limiter_file(limiter, lane);
        return;
    }
    struct cf_record *record = cf_records_get(&limiter->records, key);
    record->learnt = capped;
    cf_records_trim(&limiter->records, record);
}
