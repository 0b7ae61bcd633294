/* retry_after.h - the ways in which servers write a wait. Pure parsing. */
#ifndef CONFAB_RETRY_AFTER_H
#define CONFAB_RETRY_AFTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_WAIT_MAX_MS (INT64_C(366) * 24 * 3600 * 1000)   /* longer waits are cut to a year */

/* The wait in ms, rounded up, from the values of retry-after-ms and retry-after (either may be
 * NULL), the first one preferred: milliseconds; seconds with or without a fraction; an HTTP date, 0
 * if it has passed. -1 if neither is there or can be read. What time it is by then says the reply's
 * own Date header, as the server's clock need not be ours; unix_now_ms only without it (NULL, or
 * not to be read). */
int64_t cf_retry_after_parse(const char *retry_after_ms, const char *retry_after, const char *date,
                             int64_t unix_now_ms);

/* An HTTP date in any of its three forms, as unix milliseconds. */
bool cf_http_date_parse(const char *text, int64_t *out_unix_ms);

/* A duration as x-ratelimit-reset-* has it: "6m0s", "1.5s", "17ms", "1d2h", "500us", or a bare
 * number of seconds. Rounded up to ms. False, nothing set, if it is anything else. */
bool cf_duration_parse(const char *text, size_t len, int64_t *out_ms);
#endif
