/* limiter_fixture.h - a limiter with waiters, for its tests. */
#ifndef CONFAB_LIMITER_FIXTURE_H
#define CONFAB_LIMITER_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "confab/error.h"
#include "confab/limiter.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct cf_amounts one = { .requests = 1 };

struct fixture {
    struct cf_limiter *limiter;
    struct cf_waiter waiters[64];
    struct cf_error err;
};

static inline int set_up(void **state)
{
    static struct fixture fixture;
    memset(&fixture, 0, sizeof fixture);
    fixture.limiter = cf_limiter_new();
    *state = &fixture;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    cf_limiter_free(fixture->limiter);
    return 0;
}

static inline struct cf_limit_config burst(int64_t max_requests)
{
    struct cf_limit_config config;
    cf_limit_config_default(&config);
    config.max_requests = max_requests;
    config.is_default = false;
    config.pacing = CF_PACING_BURST;
    config.pause_threshold = 1;
    return config;
}

static inline void use(struct fixture *fixture, const struct cf_limit_config *config)
{
    assert_true(cf_limiter_set_config(fixture->limiter, NULL, config, 0, &fixture->err));
}

static inline int ask(struct fixture *fixture, int i, int64_t now_ms)
{
    return cf_limiter_acquire(fixture->limiter, "a", &fixture->waiters[i], &one, now_ms,
                              &fixture->err);
}

/* Asks, has it written and answered at once. */
static inline void go(struct fixture *fixture, int i, int64_t now_ms)
{
    assert_int_equal(ask(fixture, i, now_ms), 1);
    cf_limiter_sent(fixture->limiter, &fixture->waiters[i], now_ms);
    cf_limiter_release(fixture->limiter, &fixture->waiters[i], CF_RELEASE_DONE, now_ms);
}

/* The number of the waiter that goes; -1: none. */
static inline int next(struct fixture *fixture, int64_t now_ms)
{
    struct cf_waiter *waiter;
    if (!cf_limiter_next(fixture->limiter, now_ms, &waiter))
        return -1;
    return (int)(waiter - fixture->waiters);
}

static inline struct cf_limit_status status(struct fixture *fixture, int64_t now_ms)
{
    struct cf_limit_status out;
    assert_true(cf_limiter_status(fixture->limiter, "a", now_ms, &out));
    return out;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
#endif
