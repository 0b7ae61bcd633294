#include "confab/cost.h"

#include "confab/error.h"
#include "confab/money.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define TOKENS_PER_MILLION 1000000
#define TOO_FINE "more than six decimals of a dollar per million tokens"

/* How far, in parts, a double may be from the whole number that it stands for: a few roundings
 * of 2^-53 (a price may itself be computed, as 1.2 * 1.5), far below any digit of a price. */
#define ROUNDING 1e-12

static const char *const field_names[CF_TOKEN_KINDS] = {
    [CF_TOKENS_INPUT] = "input",
    [CF_TOKENS_OUTPUT] = "output",
    [CF_TOKENS_CACHE_WRITE_5M] = "cache_write_5m",
    [CF_TOKENS_CACHE_WRITE_1H] = "cache_write_1h",
    [CF_TOKENS_CACHE_READ] = "cache_read",
};

static const struct cf_rates *rates_of(const struct cf_price *price, unsigned tier)
{
    return tier == 0 ? &price->base : &price->tiers[tier - 1].rates;
}

static void set_rate(struct cf_price *price, unsigned tier, enum cf_token_kind kind, bool is_batch,
                     int64_t pico)
{
    assert(tier <= price->tier_count);
    struct cf_rates *rates = tier == 0 ? &price->base : &price->tiers[tier - 1].rates;

    rates->pico[is_batch][kind] = pico;
    rates->known[is_batch] |= 1u << kind;
}

static int64_t get_rate(const struct cf_rates *rates, enum cf_token_kind kind, bool is_batch)
{
    return rates->known[is_batch] & 1u << kind ? rates->pico[is_batch][kind] : CF_COST_UNKNOWN;
}

void cf_price_set_free(struct cf_price *price)
{
    memset(price, 0, sizeof *price);
    for (enum cf_token_kind kind = 0; kind < CF_TOKEN_KINDS; kind++) {
        set_rate(price, 0, kind, false, 0);
        set_rate(price, 0, kind, true, 0);
    }
}

bool cf_price_add_tier(struct cf_price *price, int64_t threshold_tokens, unsigned *out_tier,
                       struct cf_error *err)
{
    unsigned count = price->tier_count;

    if (count == CF_PRICE_TIERS_MAX)
        return cf_fail(err, CF_ERR_CONFIG, "a price has at most %d tiers", CF_PRICE_TIERS_MAX);
    if (threshold_tokens < 0 || threshold_tokens > CF_USAGE_TOKENS_MAX)
        return cf_fail(err, CF_ERR_CONFIG, "the threshold of a price tier is out of range");
    if (count > 0 && threshold_tokens <= price->tiers[count - 1].threshold_tokens)
        return cf_fail(err, CF_ERR_CONFIG, "price tiers must come by rising threshold");

    price->tiers[count] = (struct cf_price_tier){ .threshold_tokens = threshold_tokens };
    price->tier_count = count + 1;
    *out_tier = count + 1;
    return true;
}

/* One line for a refused price. */
static bool fail_price(struct cf_error *err, enum cf_token_kind kind, bool is_batch,
                       const char *why)
{
    return cf_fail(err, CF_ERR_CONFIG, "price of %s%s: %s", is_batch ? "batch_" : "",
                   field_names[kind], why);
}

bool cf_price_set(struct cf_price *price, unsigned tier, enum cf_token_kind kind, bool is_batch,
                  const char *usd_per_million, size_t len, struct cf_error *err)
{
    int64_t pico_per_million;

    if (!cf_money_parse(usd_per_million, len, &pico_per_million))
        return fail_price(err, kind, is_batch, "not a decimal number of dollars from 0 to 1000000");
    if (pico_per_million % TOKENS_PER_MILLION != 0)
        return fail_price(err, kind, is_batch, TOO_FINE);
    set_rate(price, tier, kind, is_batch, pico_per_million / TOKENS_PER_MILLION);
    return true;
}

bool cf_price_set_usd(struct cf_price *price, unsigned tier, enum cf_token_kind kind, bool is_batch,
                      double usd_per_million, struct cf_error *err)
{
    /* Dollars per million tokens are a million pico-dollars a token. */
    double exact = usd_per_million * TOKENS_PER_MILLION;
    double whole = round(exact);

    if (!isfinite(exact) || exact < 0 || usd_per_million > CF_BUDGET_MAX_USD)
        return fail_price(err, kind, is_batch, "not a number of dollars from 0 to 1000000");
    if (fabs(exact - whole) > whole * ROUNDING)
        return fail_price(err, kind, is_batch, TOO_FINE);
    set_rate(price, tier, kind, is_batch, (int64_t)whole);
    return true;
}

bool cf_price_field(const char *name, size_t len, enum cf_token_kind *out_kind, bool *out_is_batch)
{
    static const char prefix[] = "batch_";
    const size_t prefix_len = sizeof prefix - 1;
    bool is_batch = len > prefix_len && memcmp(name, prefix, prefix_len) == 0;

    if (is_batch) {
        name += prefix_len;
        len -= prefix_len;
    }
    for (enum cf_token_kind kind = 0; kind < CF_TOKEN_KINDS; kind++) {
        if (strlen(field_names[kind]) == len && memcmp(field_names[kind], name, len) == 0) {
            *out_kind = kind;
            *out_is_batch = is_batch;
            return true;
        }
    }
    return false;
}

int64_t cf_price_rate(const struct cf_price *price, unsigned tier, enum cf_token_kind kind,
                      bool is_batch)
{
    const struct cf_rates *rates = rates_of(price, tier);
    int64_t rate = get_rate(rates, kind, is_batch);
    bool is_cache = kind != CF_TOKENS_INPUT && kind != CF_TOKENS_OUTPUT;

    if (rate != CF_COST_UNKNOWN || !is_batch || !is_cache)
        return rate;

    /* The provider discounts all prompt tokens of a batch alike. */
    int64_t plain = get_rate(rates, kind, false);
    int64_t input = get_rate(rates, CF_TOKENS_INPUT, false);
    int64_t batch_input = get_rate(rates, CF_TOKENS_INPUT, true);
    int64_t product;
    if (plain == CF_COST_UNKNOWN || input <= 0 || batch_input == CF_COST_UNKNOWN)
        return CF_COST_UNKNOWN;
    if (__builtin_mul_overflow(plain, batch_input, &product) || product % input != 0)
        return CF_COST_UNKNOWN;
    return product / input;
}

unsigned cf_price_tier_of(const struct cf_price *price, int64_t prompt_tokens)
{
    unsigned tier = 0;

    while (tier < price->tier_count && prompt_tokens > price->tiers[tier].threshold_tokens)
        tier++;
    return tier;
}
