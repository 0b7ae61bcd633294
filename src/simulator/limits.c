#include "simulator/limits.h"

#include <string.h>

#include "confab/buf.h"
#include "confab/clock.h"

#define ELAPSED_MAX_MS \
    INT64_C(1000000) /* longer than a bucket in debt needs; keeps the product small */

/* What the headers say where nothing is enforced. */
static const int64_t announced[CF_SIM_RESOURCES] = { 1000000, 10000000000, 10000000000 };

static void set_limit(struct cf_sim_bucket *bucket, const struct cf_sim_spec *spec, int64_t limit)
{
    bucket->limit = limit;
    bucket->window_ms = spec->window_ms;
    bucket->full = limit * spec->window_ms;
    if (spec->by_second)
        bucket->full = limit >= 60 ? bucket->full / 60 : spec->window_ms;    /* at least one */
}

void cf_sim_lane_init(struct cf_sim_lane *lane, const struct cf_sim_spec *spec, int64_t now_ms)
{
    for (unsigned i = 0; i < CF_SIM_RESOURCES; i++) {
        set_limit(&lane->bucket[i], spec, spec->limit[i]);
        lane->bucket[i].level = lane->bucket[i].full;
        lane->bucket[i].at_ms = now_ms;
    }
}

static void refill(struct cf_sim_bucket *bucket, int64_t now_ms)
{
    int64_t elapsed = now_ms - bucket->at_ms;
    if (elapsed <= 0)
        return;
    bucket->at_ms = now_ms;
    if (elapsed > ELAPSED_MAX_MS)
        elapsed = ELAPSED_MAX_MS;
    bucket->level += bucket->limit * elapsed;
    if (bucket->level > bucket->full)
        bucket->level = bucket->full;
}

void cf_sim_lane_set(struct cf_sim_lane *lane, const struct cf_sim_spec *spec,
                     enum cf_sim_resource resource, int64_t limit, int64_t now_ms)
{
    struct cf_sim_bucket *bucket = &lane->bucket[resource];
    bool was_unlimited = bucket->limit == 0;
    refill(bucket, now_ms);
    set_limit(bucket, spec, limit);
    if (was_unlimited || bucket->level > bucket->full)
        bucket->level = bucket->full;
}

/* 0 if the amount is there, else how long until it will be. What is more than the bucket can
 * ever hold goes once the bucket is full. */
static int64_t wait_for(const struct cf_sim_bucket *bucket, int64_t amount)
{
    int64_t need = amount * bucket->window_ms;
    if (bucket->limit == 0)
        return 0;
    if (need > bucket->full)
        need = bucket->full;
    if (bucket->level >= need)
        return 0;
    return (need - bucket->level + bucket->limit - 1) / bucket->limit;
}

static void take(struct cf_sim_bucket *bucket, int64_t amount)
{
    if (bucket->limit == 0)
        return;
    bucket->level -= amount * bucket->window_ms;
    if (bucket->level > bucket->full)
        bucket->level = bucket->full;
}

bool cf_sim_lane_admit(struct cf_sim_lane *lane, int64_t now_ms, int64_t input,
                       enum cf_sim_resource *out_short, int64_t *out_wait_ms)
{
    const int64_t need[CF_SIM_RESOURCES] = { 1, input, 1 };
    int64_t longest = 0;

    for (unsigned i = 0; i < CF_SIM_RESOURCES; i++) {
        refill(&lane->bucket[i], now_ms);
        int64_t wait = wait_for(&lane->bucket[i], need[i]);
        if (wait > longest) {
            longest = wait;
            *out_short = i;
        }
    }
    if (longest > 0) {
        *out_wait_ms = longest;
        return false;
    }
    take(&lane->bucket[CF_SIM_REQUESTS], 1);
    take(&lane->bucket[CF_SIM_INPUT], input);
    return true;
}

void cf_sim_lane_settle(struct cf_sim_lane *lane, int64_t now_ms, int64_t input_estimate,
                        int64_t input, int64_t output)
{
    refill(&lane->bucket[CF_SIM_INPUT], now_ms);
    refill(&lane->bucket[CF_SIM_OUTPUT], now_ms);
    take(&lane->bucket[CF_SIM_INPUT], input - input_estimate);
    take(&lane->bucket[CF_SIM_OUTPUT], output);
}

static int64_t limit_of(const struct cf_sim_lane *lane, enum cf_sim_resource resource)
{
    int64_t limit = lane->bucket[resource].limit;
    return limit > 0 ? limit : announced[resource];
}

/* What is left of a window's limit; a bucket by the second is shown as its share of a window. */
static int64_t remaining_of(const struct cf_sim_lane *lane, enum cf_sim_resource resource)
{
    const struct cf_sim_bucket *bucket = &lane->bucket[resource];
    if (bucket->limit == 0)
        return announced[resource];
    int64_t used = bucket->full - bucket->level;
    int64_t left = bucket->limit - (used + bucket->window_ms - 1) / bucket->window_ms;
    return left > 0 ? left : 0;
}

static int64_t full_in_ms(const struct cf_sim_bucket *bucket)
{
    return bucket->limit == 0 ? 0 : (bucket->full - bucket->level) / bucket->limit;
}

static void add_lines(const char *name, int64_t limit, int64_t remaining, int64_t reset_unix_ms,
                      struct cf_buf *out)
{
    char text[CF_TIME_TEXT_MAX];
    cf_time_format(reset_unix_ms, text);
    cf_buf_addf(out, "anthropic-ratelimit-%s-limit: %lld\r\n"
                "anthropic-ratelimit-%s-remaining: %lld\r\n"
                "anthropic-ratelimit-%s-reset: %.19sZ\r\n",
                name, (long long)limit, name, (long long)remaining, name, text);
}

/* Tokens are shown in thousands where the limit is large enough for that to say something. */
static int64_t rounded(int64_t tokens, int64_t limit)
{
    return limit >= 10000 ? (tokens + 500) / 1000 * 1000 : tokens;
}

void cf_sim_lane_add_headers(struct cf_sim_lane *lane, int64_t now_ms, int64_t unix_ms,
                             struct cf_buf *out)
{
    static const char *const names[] = { "requests", "input-tokens", "output-tokens" };
    int64_t limit[CF_SIM_RESOURCES], left[CF_SIM_RESOURCES], reset[CF_SIM_RESOURCES];

    for (unsigned i = 0; i < CF_SIM_RESOURCES; i++) {
        refill(&lane->bucket[i], now_ms);
        limit[i] = limit_of(lane, i);
        left[i] = remaining_of(lane, i);
        if (i != CF_SIM_REQUESTS)
            left[i] = rounded(left[i], limit[i]);
        reset[i] = unix_ms + full_in_ms(&lane->bucket[i]);
        add_lines(names[i], limit[i], left[i], reset[i], out);
    }
    int64_t later =
        reset[CF_SIM_INPUT] > reset[CF_SIM_OUTPUT] ? reset[CF_SIM_INPUT] : reset[CF_SIM_OUTPUT];
    add_lines("tokens", limit[CF_SIM_INPUT] + limit[CF_SIM_OUTPUT],
              left[CF_SIM_INPUT] + left[CF_SIM_OUTPUT], later, out);
}
