/* bucket.h - a use that drains evenly, as the server's own bucket does.
 *
 * Kept as the time by which it will have drained, so nothing has to be done as time goes by.
 * share_ns is the time one unit takes to drain. Zero is valid and drained. */
#ifndef CONFAB_LIMIT_BUCKET_H
#define CONFAB_LIMIT_BUCKET_H

#include <stdint.h>

struct cf_bucket { int64_t empty_ns; };

/* What has not drained yet. */
double cf_bucket_level(const struct cf_bucket *bucket, double share_ns, int64_t now_ms);

/* Adds an amount, or takes one back that was added. */
void cf_bucket_add(struct cf_bucket *bucket, double amount, double share_ns, int64_t now_ms);

void cf_bucket_set(struct cf_bucket *bucket, double amount, double share_ns, int64_t now_ms);
#endif
