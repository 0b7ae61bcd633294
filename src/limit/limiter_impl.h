/* limiter_impl.h - what limiter.c and learn.c share: the lanes and where they are filed. */
#ifndef CONFAB_LIMITER_IMPL_H
#define CONFAB_LIMITER_IMPL_H

#include "limit/lane.h"
#include "limit/records.h"

struct cf_limiter {
    struct cf_limit_config config;   /* of lanes without their own */
    struct cf_records records;
    struct cf_lane *lanes;
    struct cf_heap waiting;          /* lanes with a line, by when its head may go */
    struct cf_heap idle;             /* lanes without one, by when they can be forgotten */
    int64_t  now_ms;                 /* the latest seen */
    uint64_t next_order, next_grant, next_sent;
};

/* Time that stands or runs backwards is taken as standing. */
int64_t cf_limiter_take_now(struct cf_limiter *limiter, int64_t now_ms);

/* The lane that a key means, NULL if it is not in memory; get_lane makes it. */
struct cf_lane *cf_limiter_find_lane(struct cf_limiter *limiter, const char *key);
struct cf_lane *cf_limiter_get_lane(struct cf_limiter *limiter, const char *key);

/* Applies the config that is set for the lane. */
void cf_limiter_configure(struct cf_limiter *limiter, struct cf_lane *lane);

/* Files the lane under the time at which it must be looked at again. */
void cf_limiter_file(struct cf_limiter *limiter, struct cf_lane *lane);

/* Frees the lane; what it has learnt is kept. Nobody may be in it. */
void cf_limiter_drop(struct cf_limiter *limiter, struct cf_lane *lane);

/* The request of a granted waiter is written; is_told: the caller says so, else it must be. */
void cf_limiter_mark_sent(struct cf_limiter *limiter, struct cf_waiter *waiter, bool is_told);
#endif
