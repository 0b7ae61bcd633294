/* cost.h - what tokens cost, exactly: prices, the cost of a reply, the bound of a call.
 *
 * Arithmetic only, on pico-dollars (confab/money.h). What is not known is unknown, never
 * zero: a price that nobody stated, a usage count out of range, a sum that overflows. A
 * struct cf_price is plain data; once set it may be read by any thread. */
#ifndef CONFAB_COST_H
#define CONFAB_COST_H

#include "confab/usage.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_error;

#define CF_USAGE_TOKENS_MAX INT64_C(2147483648)    /* a count above it is not believed */
#define CF_PRICE_TIERS_MAX  4                      /* providers have at most one long-prompt tier */

/* Pico-dollars a token. Zero is valid: nothing known. */
struct cf_rates {
    int64_t  pico[2][CF_TOKEN_KINDS];   /* [is_batch][kind] */
    uint32_t known[2];                  /* bit 1 << kind: that rate is stated */
};

/* One model's prices. Zero is valid: all unknown. */
struct cf_price {
    struct cf_rates base;
    struct cf_price_tier {
        int64_t threshold_tokens;       /* a prompt longer than this ... */
        struct cf_rates rates;          /* ... is priced so, all tokens of the request */
    } tiers[CF_PRICE_TIERS_MAX];        /* by rising threshold */
    unsigned tier_count;
};

/* The price of a model that costs nothing, such as a local one: every rate is a known zero. */
void cf_price_set_free(struct cf_price *price);

/* Begins a tier for prompts of more than threshold_tokens; *out_tier is its number for
 * cf_price_set. CF_ERR_CONFIG if the threshold is not above the last or there are too many. */
bool cf_price_add_tier(struct cf_price *price, int64_t threshold_tokens, unsigned *out_tier,
                       struct cf_error *err);

/* Sets a rate from dollars per million tokens ("0.0375"), in tier 0 (the base) or one from
 * cf_price_add_tier. CF_ERR_CONFIG if it is no price, or no whole number of pico-dollars. */
bool cf_price_set(struct cf_price *price, unsigned tier, enum cf_token_kind kind, bool is_batch,
                  const char *usd_per_million, size_t len, struct cf_error *err);

/* The same from a double, which is taken for the decimal number that it stands for: 0.1 is
 * one tenth. Refused if no whole number of pico-dollars a token is that near. */
bool cf_price_set_usd(struct cf_price *price, unsigned tier, enum cf_token_kind kind, bool is_batch,
                      double usd_per_million, struct cf_error *err);

/* Reads a field name of the model table ("input", "cache_write_5m", "batch_output", ...).
 * False if there is none of that name. */
bool cf_price_field(const char *name, size_t len, enum cf_token_kind *out_kind, bool *out_is_batch);

/* The rate in force, pico-dollars a token; CF_COST_UNKNOWN if not stated. A batch rate of cache
 * tokens that is not stated is the plain one times batch input over input, where that is whole. */
int64_t cf_price_rate(const struct cf_price *price, unsigned tier, enum cf_token_kind kind,
                      bool is_batch);

/* The tier that a prompt of that many tokens falls in; 0 is the base. */
unsigned cf_price_tier_of(const struct cf_price *price, int64_t prompt_tokens);

/* What a reply cost; CF_COST_UNKNOWN if price is NULL, a rate that it needs is not stated, the
 * usage is not known, a count is negative or above CF_USAGE_TOKENS_MAX, or the sum overflows.
 * The US factor, 1.1, is applied to the sum; a part of a pico-dollar counts as a whole one. */
int64_t cf_cost_of(const struct cf_price *price, const struct cf_usage *usage);

/* What a call can use at most. */
struct cf_cost_limits {
    int64_t input_tokens;               /* whole prompt, cached or not */
    int64_t output_tokens;              /* max_tokens and room for thinking */
    enum cf_cache_mark cache_mark;      /* the longest-lived one in the request */
    bool is_batch;
    bool is_us;
};

/* The highest possible cost of a call within these limits, over all tiers that it can fall in and
 * all ways to split its prompt; no reply within them costs more. CF_COST_UNKNOWN as above. */
int64_t cf_cost_bound(const struct cf_price *price, const struct cf_cost_limits *limits);

/* The input bound of a request: a token is at least a byte, each message brings 16 of its own,
 * tools or a schema 1,000. CF_COST_UNKNOWN on overflow. */
int64_t cf_input_bound(size_t text_bytes, size_t messages, bool has_tools_or_schema);

/* The expected number of tokens of a text, uncalibrated: 1.3 a word. A word is what white space
 * separates; its letters beyond the twelfth count one token in four, and each character of a script
 * written without spaces (Chinese, Japanese, Thai, ...), or of Korean, counts as a word.
 * Rounded up; 0 only for a text without words. Invalid bytes count as letters. */
int64_t cf_tokens_estimate(const char *text, size_t len);
#endif
