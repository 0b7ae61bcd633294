#include "confab/limiter_shared.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "confab/clock.h"
#include "confab/error.h"
#include "limit/lane.h"

/* Whoever holds the lock and changes something grants all that may go by then (settle), marks
 * those calls and wakes the sleepers; each sleeper looks for its own mark. */
struct cf_limiter_shared {
    pthread_mutex_t lock;
    pthread_cond_t  changed;
    const struct cf_clock *clock;             /* borrowed */
    struct cf_limiter *limiter;
    int64_t  wake_ms;                         /* what sleepers may rely on; -1: nothing */
    unsigned capacity_waiters;                /* threads in wait_for_capacity */
    bool     is_closed;

    bool     has_thread, is_stopping;         /* the one that calls on_grant */
    pthread_t thread;
    struct cf_limiter_call *granted, **granted_tail;    /* whose on_grant is to be called */
};

static const struct cf_amounts one_request = { .requests = 1 };

static int64_t now(const struct cf_limiter_shared *shared)
{
    return cf_now_ms(shared->clock);
}

static void lock(struct cf_limiter_shared *shared)
{
    pthread_mutex_lock(&shared->lock);
}

static void unlock(struct cf_limiter_shared *shared)
{
    pthread_mutex_unlock(&shared->lock);
}

static void mark_granted(struct cf_limiter_shared *shared, struct cf_limiter_call *call)
{
    call->is_granted = true;
    if (call->on_grant == NULL)
        return;
    call->next_granted = NULL;
    *shared->granted_tail = call;
    shared->granted_tail = &call->next_granted;
}

/* Under the lock, after every change and every wait. */
static void settle(struct cf_limiter_shared *shared)
{
    bool is_news = shared->capacity_waiters > 0;
    struct cf_waiter *waiter;
    while (cf_limiter_next(shared->limiter, now(shared), &waiter)) {
        char *start = (char *)waiter - offsetof(struct cf_limiter_call, waiter);
        mark_granted(shared, (struct cf_limiter_call *)start);
        is_news = true;
    }

    int64_t wake_ms = cf_limiter_wake_ms(shared->limiter);
    if (wake_ms >= 0 && (shared->wake_ms < 0 || wake_ms < shared->wake_ms))
        is_news = true;
    shared->wake_ms = wake_ms;
    if (is_news)
        pthread_cond_broadcast(&shared->changed);
}

/* Sleeps until something changes or the clock has come to at_ms (-1: no bound). */
static void sleep_until(struct cf_limiter_shared *shared, int64_t at_ms)
{
    if (at_ms < 0) {
        pthread_cond_wait(&shared->changed, &shared->lock);
        return;
    }
    int64_t left_ms = at_ms - now(shared);
    if (left_ms <= 0)
        return;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += left_ms / 1000;
    until.tv_nsec += left_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&shared->changed, &shared->lock, &until);
}

static int64_t earlier(int64_t a_ms, int64_t b_ms)
{
    if (a_ms < 0 || b_ms < 0)
        return a_ms < 0 ? b_ms : a_ms;
    return a_ms < b_ms ? a_ms : b_ms;
}

/* When the time-out ends, so far ahead at most that no sum overflows; -1: never. */
static int64_t deadline_of(const struct cf_limiter_shared *shared, int64_t timeout_ms)
{
    const int64_t far_ms = INT64_C(1) << 40;
    if (timeout_ms < 0 || timeout_ms > far_ms)
        return -1;
    return now(shared) + timeout_ms;
}

static bool fail_closed(struct cf_error *err)
{
    return cf_fail(err, CF_ERR_CANCELLED, "the rate limiter is closed");
}

/* Under the lock: gives up on a queued call. */
static bool fail_late(struct cf_limiter_shared *shared, struct cf_limiter_call *call,
                      struct cf_error *err)
{
    struct cf_amounts amounts = call->waiter.amounts;
    char *key = cf_strdup(call->waiter.lane->key);    /* the lane may go with the waiter */
    cf_limiter_cancel(shared->limiter, &call->waiter, now(shared));
    settle(shared);

    cf_fail(err, CF_ERR_RATE_LIMIT, "rate limit reached: no turn came in time");
    if (err != NULL) {
        err->retryable = true;
        err->retry_after_ms = cf_limiter_wait_ms(shared->limiter, key, &amounts, now(shared));
    }
    free(key);
    return false;
}

/* Under the lock, for a queued call. */
static bool wait_for_grant(struct cf_limiter_shared *shared, struct cf_limiter_call *call,
                           int64_t timeout_ms, struct cf_error *err)
{
    int64_t deadline_ms = deadline_of(shared, timeout_ms);
    for (;;) {
        settle(shared);
        if (call->is_granted)
            return true;
        if (shared->is_closed) {
            cf_limiter_cancel(shared->limiter, &call->waiter, now(shared));
            settle(shared);
            return fail_closed(err);
        }
        if (deadline_ms >= 0 && now(shared) >= deadline_ms)
            return fail_late(shared, call, err);
        sleep_until(shared, earlier(shared->wake_ms, deadline_ms));
    }
}

static void *call_back(void *self)
{
    struct cf_limiter_shared *shared = self;
    lock(shared);
    while (!shared->is_stopping) {
        settle(shared);
        struct cf_limiter_call *call = shared->granted;
        if (call == NULL) {
            sleep_until(shared, shared->wake_ms);
            continue;
        }
        shared->granted = call->next_granted;
        if (shared->granted == NULL)
            shared->granted_tail = &shared->granted;
        call->next_granted = NULL;
        call->is_granted = false;
        void (*on_grant)(struct cf_limiter_call *, void *) = call->on_grant;
        void *on_grant_self = call->self;
        unlock(shared);
        on_grant(call, on_grant_self);
        lock(shared);
    }
    unlock(shared);
    return NULL;
}

static bool start_thread(struct cf_limiter_shared *shared, struct cf_error *err)
{
    if (shared->has_thread)
        return true;
    int code = pthread_create(&shared->thread, NULL, call_back, shared);
    if (code != 0)
        return cf_fail(err, CF_ERR_CONFIG, "cannot start the limiter's thread: %s", strerror(code));
    shared->has_thread = true;
    return true;
}

struct cf_limiter_shared *cf_limiter_shared_new(const struct cf_limit_config *config,
                                                const struct cf_clock *clock, struct cf_error *err)
{
    struct cf_limiter *limiter = cf_limiter_new();
    if (config != NULL && !cf_limiter_set_config(limiter, NULL, config, cf_now_ms(clock), err)) {
        cf_limiter_free(limiter);
        return NULL;
    }

    struct cf_limiter_shared *shared = cf_calloc(1, sizeof *shared);
    shared->limiter = limiter;
    shared->clock = clock;
    shared->wake_ms = -1;
    shared->granted_tail = &shared->granted;
    pthread_mutex_init(&shared->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&shared->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return shared;
}

void cf_limiter_shared_free(struct cf_limiter_shared *shared)
{
    if (shared == NULL)
        return;
    lock(shared);
    shared->is_stopping = true;
    bool has_thread = shared->has_thread;
    pthread_cond_broadcast(&shared->changed);
    unlock(shared);

    if (has_thread)
        pthread_join(shared->thread, NULL);
    cf_limiter_free(shared->limiter);
    pthread_cond_destroy(&shared->changed);
    pthread_mutex_destroy(&shared->lock);
    free(shared);
}

bool cf_limiter_shared_set_config(struct cf_limiter_shared *shared, const char *key,
                                  const struct cf_limit_config *config, struct cf_error *err)
{
    lock(shared);
    bool ok = cf_limiter_set_config(shared->limiter, key, config, now(shared), err);
    settle(shared);
    unlock(shared);
    return ok;
}

bool cf_limiter_shared_acquire(struct cf_limiter_shared *shared, const char *key,
                               const struct cf_amounts *amounts, int64_t timeout_ms,
                               struct cf_limiter_call *call, struct cf_error *err)
{
    struct cf_limiter_call own = { 0 };
    struct cf_limiter_call *used = call ? call : &own;
    bool ok = false;
    lock(shared);
    if (shared->is_closed) {
        fail_closed(err);
        goto done;
    }

    used->on_grant = NULL;
    used->is_granted = false;
    int granted = cf_limiter_acquire(shared->limiter, key, &used->waiter,
                                     amounts ? amounts : &one_request, now(shared), err);
    if (granted < 0 || (granted == 0 && !wait_for_grant(shared, used, timeout_ms, err)))
        goto done;
    if (call == NULL) {
        cf_limiter_sent(shared->limiter, &own.waiter, now(shared));
        cf_limiter_release(shared->limiter, &own.waiter, CF_RELEASE_DONE, now(shared));
        settle(shared);
    }
    ok = true;
done:
    unlock(shared);
    return ok;
}

bool cf_limiter_shared_submit(struct cf_limiter_shared *shared, const char *key,
                              const struct cf_amounts *amounts, struct cf_limiter_call *call,
                              struct cf_error *err)
{
    bool ok = false;
    lock(shared);
    if (shared->is_closed) {
        fail_closed(err);
        goto done;
    }
    if (!start_thread(shared, err))
        goto done;

    call->is_granted = false;
    int granted = cf_limiter_acquire(shared->limiter, key, &call->waiter,
                                     amounts ? amounts : &one_request, now(shared), err);
    if (granted < 0)
        goto done;
    if (granted) {
        mark_granted(shared, call);
        pthread_cond_broadcast(&shared->changed);
    }
    settle(shared);
    ok = true;
done:
    unlock(shared);
    return ok;
}

/* Takes the call off the list of those to be called back. */
static void unmark_granted(struct cf_limiter_shared *shared, struct cf_limiter_call *call)
{
    struct cf_limiter_call **link = &shared->granted;
    while (*link != call)
        link = &(*link)->next_granted;
    *link = call->next_granted;
    if (*link == NULL)
        shared->granted_tail = link;
    call->next_granted = NULL;
    call->is_granted = false;
}

bool cf_limiter_shared_cancel(struct cf_limiter_shared *shared, struct cf_limiter_call *call)
{
    bool is_cancelled = true;
    lock(shared);
    if (call->waiter.state == CF_WAITER_QUEUED) {
        cf_limiter_cancel(shared->limiter, &call->waiter, now(shared));
    } else if (call->is_granted && call->on_grant != NULL) {
        unmark_granted(shared, call);
        cf_limiter_release(shared->limiter, &call->waiter, CF_RELEASE_NEVER_SENT, now(shared));
    } else {
        is_cancelled = false;
    }
    settle(shared);
    unlock(shared);
    return is_cancelled;
}

void cf_limiter_shared_sent(struct cf_limiter_shared *shared, struct cf_limiter_call *call)
{
    lock(shared);
    cf_limiter_sent(shared->limiter, &call->waiter, now(shared));
    settle(shared);
    unlock(shared);
}

void cf_limiter_shared_settle(struct cf_limiter_shared *shared, struct cf_limiter_call *call,
                              const struct cf_amounts *actual)
{
    lock(shared);
    cf_limiter_settle(shared->limiter, &call->waiter, actual, now(shared));
    settle(shared);
    unlock(shared);
}

void cf_limiter_shared_release(struct cf_limiter_shared *shared, struct cf_limiter_call *call,
                               enum cf_release how)
{
    lock(shared);
    cf_limiter_release(shared->limiter, &call->waiter, how, now(shared));
    settle(shared);
    unlock(shared);
}

bool cf_limiter_shared_refused(struct cf_limiter_shared *shared, struct cf_limiter_call *call,
                               int64_t wait_ms, int64_t jitter_ms, int64_t timeout_ms,
                               struct cf_error *err)
{
    bool ok = true;
    lock(shared);
    call->is_granted = false;
    cf_limiter_refused(shared->limiter, &call->waiter, wait_ms, jitter_ms, now(shared));
    if (call->on_grant == NULL)
        ok = wait_for_grant(shared, call, timeout_ms, err);
    else
        settle(shared);
    unlock(shared);
    return ok;
}

bool cf_limiter_shared_wait_for_capacity(struct cf_limiter_shared *shared, const char *key,
                                         int64_t timeout_ms)
{
    lock(shared);
    int64_t deadline_ms = deadline_of(shared, timeout_ms);
    int64_t wait_ms;
    for (;;) {
        settle(shared);
        wait_ms = cf_limiter_wait_ms(shared->limiter, key, &one_request, now(shared));
        if (wait_ms == 0 || shared->is_closed ||
            (deadline_ms >= 0 && now(shared) >= deadline_ms))
            break;
        int64_t free_ms = wait_ms < 0 ? -1 : now(shared) + wait_ms;
        shared->capacity_waiters++;
        sleep_until(shared, earlier(earlier(free_ms, shared->wake_ms), deadline_ms));
        shared->capacity_waiters--;
    }
    unlock(shared);
    return wait_ms == 0;
}

void cf_limiter_shared_status(struct cf_limiter_shared *shared, const char *key,
                              struct cf_limit_status *out_status)
{
    lock(shared);
    cf_limiter_status(shared->limiter, key, now(shared), out_status);
    unlock(shared);
}

size_t cf_limiter_shared_reset(struct cf_limiter_shared *shared, const char *key)
{
    lock(shared);
    size_t queued = cf_limiter_reset(shared->limiter, key, now(shared));
    settle(shared);
    unlock(shared);
    return queued;
}

size_t cf_limiter_shared_clear_all(struct cf_limiter_shared *shared)
{
    lock(shared);
    size_t queued = cf_limiter_clear_all(shared->limiter, now(shared));
    settle(shared);
    unlock(shared);
    return queued;
}

void cf_limiter_shared_wake(struct cf_limiter_shared *shared)
{
    lock(shared);
    settle(shared);
    pthread_cond_broadcast(&shared->changed);
    unlock(shared);
}

void cf_limiter_shared_close(struct cf_limiter_shared *shared)
{
    lock(shared);
    shared->is_closed = true;
    pthread_cond_broadcast(&shared->changed);
    unlock(shared);
}
