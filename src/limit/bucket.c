#include "limit/bucket.h"

#include <math.h>

#define NS_PER_MS 1000000
#define FULL_NS   1e18      /* 32 years: no sum with a time overflows */

double cf_bucket_level(const struct cf_bucket *bucket, double share_ns, int64_t now_ms)
{
    int64_t left_ns = bucket->empty_ns - now_ms * NS_PER_MS;
    return left_ns > 0 ? (double)left_ns / share_ns : 0;
}

void cf_bucket_add(struct cf_bucket *bucket, double amount, double share_ns, int64_t now_ms)
{
    if (amount > 0 && bucket->empty_ns < now_ms * NS_PER_MS)
        bucket->empty_ns = now_ms * NS_PER_MS;

    double left_ns = (double)(bucket->empty_ns - now_ms * NS_PER_MS) + amount * share_ns;
    bucket->empty_ns =
        left_ns > 0 ? now_ms * NS_PER_MS + llround(fmin(left_ns, FULL_NS)) : 0;
}

void cf_bucket_set(struct cf_bucket *bucket, double amount, double share_ns, int64_t now_ms)
{
    bucket->empty_ns = 0;
    if (amount > 0)
        cf_bucket_add(bucket, amount, share_ns, now_ms);
}
