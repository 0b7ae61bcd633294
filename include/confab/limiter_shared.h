/* limiter_shared.h - the limiter for several threads: a mutex and a condition around limiter.h.
 *
 * Every function may be called from any thread. No lock is held while calling out. */
#ifndef CONFAB_LIMITER_SHARED_H
#define CONFAB_LIMITER_SHARED_H

#include "confab/limiter.h"

struct cf_clock;
struct cf_limiter_shared;

/* A call in the hands of a shared limiter. Lives in its owner's struct; zero is valid and idle. It
 * must stay in place until it is released, has failed, or cancel returned true. */
struct cf_limiter_call {
    struct cf_waiter waiter;               /* the limiter's, under its lock */
    void (*on_grant)(struct cf_limiter_call *call, void *self);   /* NULL: a thread waits for it */
    void  *self;
    struct cf_limiter_call *next_granted;
    bool   is_granted;
};

/* config NULL: the default. The clock is borrowed; waits follow its now_ms, so with a clock that
 * does not run by itself cf_limiter_shared_wake must follow each change. NULL if config is not
 * valid. */
struct cf_limiter_shared *cf_limiter_shared_new(const struct cf_limit_config *config,
                                                const struct cf_clock *clock, struct cf_error *err);

/* Nobody may be waiting. Calls whose on_grant has not run are dropped. NULL is fine. */
void cf_limiter_shared_free(struct cf_limiter_shared *shared);

bool cf_limiter_shared_set_config(struct cf_limiter_shared *shared, const char *key,
                                  const struct cf_limit_config *config, struct cf_error *err);

/* Waits for its turn, at most timeout_ms (-1: for ever, 0: not at all). amounts NULL: one request.
 * With call NULL the grant counts as sent and done at once: the plain rate limiter. Otherwise sent
 * and release must follow. False: CF_ERR_RATE_LIMIT (no queue, or the time is up, with the wait
 * that is left in retry_after_ms), CF_ERR_CONFIG, CF_ERR_CANCELLED (closed). */
bool cf_limiter_shared_acquire(struct cf_limiter_shared *shared, const char *key,
                               const struct cf_amounts *amounts, int64_t timeout_ms,
                               struct cf_limiter_call *call, struct cf_error *err);

/* The same without waiting: call->on_grant (set it and self before) is called once, when its turn
 * has come, on a thread of the limiter's. It may call anything here. False: as above, on_grant is
 * not called. */
bool cf_limiter_shared_submit(struct cf_limiter_shared *shared, const char *key,
                              const struct cf_amounts *amounts, struct cf_limiter_call *call,
                              struct cf_error *err);

/* Takes a submitted call back. True: on_grant will not be called. False: it was or is being. */
bool cf_limiter_shared_cancel(struct cf_limiter_shared *shared, struct cf_limiter_call *call);

/* As cf_limiter_sent, _settle and _release. */
void cf_limiter_shared_sent(struct cf_limiter_shared *shared, struct cf_limiter_call *call);
void cf_limiter_shared_settle(struct cf_limiter_shared *shared, struct cf_limiter_call *call,
                              const struct cf_amounts *actual);
void cf_limiter_shared_release(struct cf_limiter_shared *shared, struct cf_limiter_call *call,
                               enum cf_release how);

/* As cf_limiter_refused: pauses the lane and queues the call again. A submitted call gets its
 * on_grant again and this returns at once; else it waits as acquire does. False, and the call is
 * idle, if the time is up. */
bool cf_limiter_shared_refused(struct cf_limiter_shared *shared, struct cf_limiter_call *call,
                               int64_t wait_ms, int64_t jitter_ms, int64_t timeout_ms,
                               struct cf_error *err);

/* Waits until a call of one request would go at once; takes nothing. False if the time was up. */
bool cf_limiter_shared_wait_for_capacity(struct cf_limiter_shared *shared, const char *key,
                                         int64_t timeout_ms);

void   cf_limiter_shared_status(struct cf_limiter_shared *shared, const char *key,
                                struct cf_limit_status *out_status);
size_t cf_limiter_shared_reset(struct cf_limiter_shared *shared, const char *key);
size_t cf_limiter_shared_clear_all(struct cf_limiter_shared *shared);

/* Looks at the clock again. */
void cf_limiter_shared_wake(struct cf_limiter_shared *shared);

/* Makes every acquire, waiting or later, fail with CF_ERR_CANCELLED. For shutting down. */
void cf_limiter_shared_close(struct cf_limiter_shared *shared);
#endif
