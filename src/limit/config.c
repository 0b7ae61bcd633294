#include "confab/limiter.h"

#include <inttypes.h>
#include <string.h>

#include "confab/error.h"

#define MAX_REQUESTS_MAX 1000000                  /* a slot of 56 bytes each */
#define MAX_TOKENS_MAX   INT64_C(1000000000000)   /* a million slots of it fit 64 bits */
#define WINDOW_MS_MAX    INT64_C(86400000)        /* a day */
#define CONCURRENCY_MAX  1000000

static const char *const pacing_names[] = {
    [CF_PACING_AUTO] = "auto", [CF_PACING_SMOOTH] = "smooth", [CF_PACING_BURST] = "burst",
};

void cf_limit_config_default(struct cf_limit_config *config)
{
    *config = (struct cf_limit_config){
        .max_requests = 50,
        .window_ms = 60000,
        .enable_queue = true,
        .pause_threshold = 0.9,
        .pacing = CF_PACING_AUTO,
        .is_default = true,
    };
}

bool cf_limit_config_check(const struct cf_limit_config *config, struct cf_error *err)
{
    const struct {
        const char *name;
        int64_t value, low, high;
    } fields[] = {
        { "max_requests", config->max_requests, 1, MAX_REQUESTS_MAX },
        { "max_input_tokens", config->max_input_tokens, 0, MAX_TOKENS_MAX },
        { "max_output_tokens", config->max_output_tokens, 0, MAX_TOKENS_MAX },
        { "window_ms", config->window_ms, 1, WINDOW_MS_MAX },
        { "concurrency", config->concurrency, 0, CONCURRENCY_MAX },
    };

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i].value < fields[i].low || fields[i].value > fields[i].high)
            return cf_fail(err, CF_ERR_CONFIG,
                           "%s is %" PRId64 ", but must be from %" PRId64 " to %" PRId64,
                           fields[i].name, fields[i].value, fields[i].low, fields[i].high);

    /* Written so that NaN fails as well. */
    if (!(config->pause_threshold > 0 && config->pause_threshold <= 1))
        return cf_fail(err, CF_ERR_CONFIG,
                       "pause_threshold is %g, but must be above 0 and at most 1",
                       config->pause_threshold);
    if ((unsigned)config->pacing > CF_PACING_BURST)
        return cf_fail(err, CF_ERR_CONFIG, "pacing must be \"auto\", \"smooth\" or \"burst\"");
    return true;
}

bool cf_pacing_parse(const char *name, enum cf_pacing *out_pacing)
{
    for (size_t i = 0; i < sizeof pacing_names / sizeof *pacing_names; i++) {
        if (strcmp(name, pacing_names[i]) == 0) {
            *out_pacing = (enum cf_pacing)i;
            return true;
        }
    }
    return false;
}

const char *cf_pacing_name(enum cf_pacing pacing)
{
    return pacing_names[pacing];
}
