/* usage.h - the tokens that one reply used, as the provider counted them.
 *
 * Kinds do not overlap: a prompt is input + cache read + both cache writes (where a
 * provider's count includes cached tokens, its decoder takes them out). Counts are
 * kept as they came; whoever prices them checks them. */
#ifndef CONFAB_USAGE_H
#define CONFAB_USAGE_H

#include <stdbool.h>
#include <stdint.h>

enum cf_token_kind {
    CF_TOKENS_INPUT,             /* neither read from the cache nor written to it */
    CF_TOKENS_OUTPUT,            /* thinking included */
    CF_TOKENS_CACHE_WRITE_5M,    /* also writes of a provider that has one kind only */
    CF_TOKENS_CACHE_WRITE_1H,
    CF_TOKENS_CACHE_READ,
    CF_TOKEN_KINDS
};

/* How long what a request marks is kept in the cache. */
enum cf_cache_mark { CF_CACHE_NONE, CF_CACHE_5M, CF_CACHE_1H };

/* Zero is "nothing known": its cost is unknown, not nothing. */
struct cf_usage {
    int64_t tokens[CF_TOKEN_KINDS];
    bool    is_known;            /* the reply stated its input and output */
    bool    is_batch;            /* billed at batch prices */
    bool    is_us;               /* inference_geo "us": 1.1 times the price */
};
#endif
