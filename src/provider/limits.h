/* limits.h - what the headers of a reply say about rate limits and retrying.
 *
 * Numbers are read here, policy is elsewhere: retry-after and x-should-retry are
 * passed on as they came. */
#ifndef CONFAB_PROVIDER_LIMITS_H
#define CONFAB_PROVIDER_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

struct cf_http_headers;

struct cf_limit {
    bool    has_limit, has_remaining, has_reset;
    int64_t limit, remaining;
    int64_t reset_unix_ms;      /* when the bucket is full again: for display only */
};

#define CF_HEADER_TEXT_MAX 128

struct cf_limit_headers {
    struct cf_limit requests, input, output;
    struct cf_limit tokens;     /* the most restrictive of the token limits in force */
    char organization[CF_HEADER_TEXT_MAX];      /* "" where absent, as below */
    char workspace[CF_HEADER_TEXT_MAX];
    char request_id[CF_HEADER_TEXT_MAX];
    char should_retry[CF_HEADER_TEXT_MAX];      /* x-should-retry */
    char retry_after[CF_HEADER_TEXT_MAX];       /* seconds or an HTTP date */
    char retry_after_ms[CF_HEADER_TEXT_MAX];
};

/* Reads what is there; malformed numbers and times count as absent. */
void cf_limit_headers_read(const struct cf_http_headers *headers, struct cf_limit_headers *out);

/* Whether any limit or remaining number was there. */
bool cf_limit_headers_has_any(const struct cf_limit_headers *limits);
#endif
