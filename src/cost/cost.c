#include "confab/cost.h"

#include "confab/money.h"

#define MESSAGE_TOKENS 16      /* role and frame of a message */
#define TOOLS_TOKENS   1000    /* what the provider adds to a prompt that has tools or a schema */

/* The sum with the US factor of 1.1: a tenth more, begun pico-dollars counted whole. Rounding up
 * keeps a bound a bound. */
static bool add_us_share(int64_t *sum)
{
    return cf_money_add(sum, *sum / 10 + (*sum % 10 != 0));
}

int64_t cf_cost_of(const struct cf_price *price, const struct cf_usage *usage)
{
    int64_t prompt = 0;
    int64_t sum = 0;

    if (price == NULL || !usage->is_known)
        return CF_COST_UNKNOWN;
    for (enum cf_token_kind kind = 0; kind < CF_TOKEN_KINDS; kind++) {
        if (usage->tokens[kind] < 0 || usage->tokens[kind] > CF_USAGE_TOKENS_MAX)
            return CF_COST_UNKNOWN;
        if (kind != CF_TOKENS_OUTPUT)
            prompt += usage->tokens[kind];
    }

    unsigned tier = cf_price_tier_of(price, prompt);
    for (enum cf_token_kind kind = 0; kind < CF_TOKEN_KINDS; kind++) {
        if (usage->tokens[kind] == 0)
            continue;
        int64_t rate = cf_price_rate(price, tier, kind, usage->is_batch);
        if (rate == CF_COST_UNKNOWN || !cf_money_add_product(&sum, usage->tokens[kind], rate))
            return CF_COST_UNKNOWN;
    }
    if (usage->is_us && !add_us_share(&sum))
        return CF_COST_UNKNOWN;
    return sum;
}

/* The dearest that one prompt token can be in this tier; CF_COST_UNKNOWN if a rate is needed
 * that is not stated. Without a mark some providers still read from a cache of their own. */
static int64_t dearest_prompt_rate(const struct cf_price *price, unsigned tier,
                                   const struct cf_cost_limits *limits)
{
    int64_t dearest = cf_price_rate(price, tier, CF_TOKENS_INPUT, limits->is_batch);
    int64_t read = cf_price_rate(price, tier, CF_TOKENS_CACHE_READ, limits->is_batch);

    if (dearest == CF_COST_UNKNOWN)
        return CF_COST_UNKNOWN;
    if (read > dearest)
        dearest = read;
    if (limits->cache_mark != CF_CACHE_NONE) {
        enum cf_token_kind kind = limits->cache_mark == CF_CACHE_1H ? CF_TOKENS_CACHE_WRITE_1H
                                                                    : CF_TOKENS_CACHE_WRITE_5M;
        int64_t write = cf_price_rate(price, tier, kind, limits->is_batch);
        if (write == CF_COST_UNKNOWN)
            return CF_COST_UNKNOWN;
        if (write > dearest)
            dearest = write;
    }
    return dearest;
}

int64_t cf_cost_bound(const struct cf_price *price, const struct cf_cost_limits *limits)
{
    int64_t bound = 0;

    if (price == NULL || limits->input_tokens < 0 || limits->output_tokens < 0)
        return CF_COST_UNKNOWN;

    unsigned last = cf_price_tier_of(price, limits->input_tokens);
    for (unsigned tier = 0; tier <= last; tier++) {
        int64_t input = dearest_prompt_rate(price, tier, limits);
        int64_t output = cf_price_rate(price, tier, CF_TOKENS_OUTPUT, limits->is_batch);
        int64_t sum = 0;

        if (input == CF_COST_UNKNOWN || output == CF_COST_UNKNOWN)
            return CF_COST_UNKNOWN;
        if (!cf_money_add_product(&sum, limits->input_tokens, input)
            || !cf_money_add_product(&sum, limits->output_tokens, output))
            return CF_COST_UNKNOWN;
        if (sum > bound)
            bound = sum;
    }
    if (limits->is_us && !add_us_share(&bound))
        return CF_COST_UNKNOWN;
    return bound;
}

int64_t cf_input_bound(size_t text_bytes, size_t messages, bool has_tools_or_schema)
{
    int64_t bound = has_tools_or_schema ? TOOLS_TOKENS : 0;

    if (text_bytes > INT64_MAX || messages > INT64_MAX)
        return CF_COST_UNKNOWN;
    if (!cf_money_add(&bound, (int64_t)text_bytes)
        || !cf_money_add_product(&bound, (int64_t)messages, MESSAGE_TOKENS))
        return CF_COST_UNKNOWN;
    return bound;
}
