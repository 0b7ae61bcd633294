#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "confab/clock.h"
#include "confab/error.h"
#include "confab/limiter_shared.h"

/* --- a clock that many threads read and the test moves --- */

static atomic_llong clock_ms;

static int64_t clock_now(void *self)
{
    (void)self;
    return atomic_load(&clock_ms);
}

static const struct cf_clock fake_clock = { .now_ms = clock_now, .unix_ms = clock_now };

static struct cf_limit_config config_of(int64_t max_requests)
{
    struct cf_limit_config config;
    cf_limit_config_default(&config);
    config.max_requests = max_requests;
    config.pacing = CF_PACING_BURST;
    config.pause_threshold = 1;
    return config;
}

static struct cf_limiter_shared *new_shared(int64_t max_requests)
{
    struct cf_limit_config config = config_of(max_requests);
    atomic_store(&clock_ms, 1000);
    struct cf_limiter_shared *shared = cf_limiter_shared_new(&config, &fake_clock, NULL);
    assert_non_null(shared);
    return shared;
}

static void move_clock(struct cf_limiter_shared *shared, int64_t to_ms)
{
    atomic_store(&clock_ms, to_ms);
    cf_limiter_shared_wake(shared);
}

static void wait_until_queued(struct cf_limiter_shared *shared, int64_t queued)
{
    struct cf_limit_status status;
    do {
        sched_yield();
        cf_limiter_shared_status(shared, "a", &status);
    } while (status.queued != queued);
}

/* --- a thread that acquires --- */

struct asker {
    pthread_t thread;
    struct cf_limiter_shared *shared;
    struct cf_limiter_call *call;
    int64_t timeout_ms;
    bool ok;
    struct cf_error err;
};

static void *ask(void *self)
{
    struct asker *asker = self;
    asker->ok = cf_limiter_shared_acquire(asker->shared, "a", NULL, asker->timeout_ms, asker->call,
                                          &asker->err);
    return NULL;
}

static void start(struct asker *asker, struct cf_limiter_shared *shared, int64_t timeout_ms)
{
    asker->shared = shared;
    asker->timeout_ms = timeout_ms;
    assert_int_equal(pthread_create(&asker->thread, NULL, ask, asker), 0);
}

static bool finish(struct asker *asker)
{
    pthread_join(asker->thread, NULL);
    return asker->ok;
}

static bool try_now(struct cf_limiter_shared *shared, struct cf_error *err)
{
    return cf_limiter_shared_acquire(shared, "a", NULL, 0, NULL, err);
}

/* --- tests --- */

static void a_bad_config_makes_no_limiter(void **state)
{
    (void)state;
    struct cf_limit_config config = config_of(0);
    struct cf_error err;
    assert_null(cf_limiter_shared_new(&config, &fake_clock, &err));
    assert_int_equal(err.kind, CF_ERR_CONFIG);
    cf_limiter_shared_free(NULL);
}

static void without_config_it_is_fifty_a_minute(void **state)
{
    (void)state;
    struct cf_limiter_shared *shared = cf_limiter_shared_new(NULL, &fake_clock, NULL);
    struct cf_limit_status status;
    cf_limiter_shared_status(shared, "a", &status);
    assert_int_equal(status.limit, 50);
    struct cf_limit_config config = config_of(3);
    assert_true(cf_limiter_shared_set_config(shared, "a", &config, NULL));
    cf_limiter_shared_status(shared, "a", &status);
    assert_int_equal(status.limit, 3);
    cf_limiter_shared_free(shared);
}

static void a_plain_acquire_counts_as_sent_and_done(void **state)
{
    (void)state;
    struct cf_limiter_shared *shared = new_shared(2);
    struct cf_error err;
    assert_true(try_now(shared, NULL));
    assert_true(try_now(shared, NULL));
    assert_false(try_now(shared, &err));
    assert_int_equal(err.kind, CF_ERR_RATE_LIMIT);
    assert_true(err.retryable);
    assert_int_equal(err.retry_after_ms, 60020);
    struct cf_limit_status status;
    cf_limiter_shared_status(shared, "a", &status);
    assert_int_equal(status.used, 2);
    assert_int_equal(status.in_flight, 0);
    assert_int_equal(status.queued, 0);

    move_clock(shared, 61020);
    assert_true(try_now(shared, NULL));
    cf_limiter_shared_free(shared);
}

static void an_acquire_waits_for_its_turn(void **state)
{
    (void)state;
    struct cf_limiter_shared *shared = new_shared(1);
    struct asker askers[2] = { 0 };
    assert_true(try_now(shared, NULL));
    for (int i = 0; i < 2; i++) {
        start(&askers[i], shared, -1);
        wait_until_queued(shared, i + 1);
    }
    move_clock(shared, 61020);
    assert_true(finish(&askers[0]));
    wait_until_queued(shared, 1);
    move_clock(shared, 121040);
    assert_true(finish(&askers[1]));
    cf_limiter_shared_free(shared);
}

static void an_acquire_gives_up_when_its_time_is_up(void **state)
{
    (void)state;
    struct cf_limiter_shared *shared = new_shared(1);
    struct asker asker = { 0 };
    assert_true(try_now(shared, NULL));
    start(&asker, shared, 5000);
    wait_until_queued(shared, 1);
    move_clock(shared, 6000);
    assert_false(finish(&asker));
    assert_int_equal(asker.err.kind, CF_ERR_RATE_LIMIT);
    assert_string_equal(asker.err.message, "rate limit reached: no turn came in time");
    assert_int_equal(asker.err.retry_after_ms, 55020);
    wait_until_queued(shared, 0);
    cf_limiter_shared_free(shared);
}

static void without_a_queue_it_fails_at_once(void **state)
{
    (void)state;
    struct cf_limiter_shared *shared = new_shared(1);
    struct cf_limit_config config = config_of(1);
    config.enable_queue = false;
    struct cf_error err;
    assert_true(cf_limiter_shared_set_config(shared, NULL, &config, NULL));
    assert_true(try_now(shared, NULL));
    assert_false(cf_limiter_shared_acquire(shared, "a", NULL, -1, NULL, &err));
    assert_int_equal(err.retry_after_ms, 60020);
    struct cf_limiter_call call = { .on_grant = NULL };
    assert_false(cf_limiter_shared_submit(shared, "a", NULL, &call, &err));
    cf_limiter_shared_free(shared);
}

static void a_release_lets_the_next_thread_go(void **state)
{
    (void)state;
    struct cf_limiter_shared *shared = new_shared(50);
    struct cf_limit_config config = config_of(50);
    config.concurrency = 1;
    assert_true(cf_limiter_shared_set_config(shared, NULL, &config, NULL));
    struct cf_limiter_call first = { 0 }, second = { 0 };
    const struct cf_amounts amounts = { 1, 100, 10 }, actual = { 1, 100, 4 };
    assert_true(cf_limiter_shared_acquire(shared, "a", &amounts, 0, &first, NULL));
    struct asker asker = { .call = &second };
    start(&asker, shared, -1);
    wait_until_queued(shared, 1);

    cf_limiter_shared_sent(shared, &first);
    cf_limiter_shared_settle(shared, &first, &actual);
    cf_limiter_shared_release(shared, &first, CF_RELEASE_DONE);
    assert_true(finish(&asker));
    cf_limiter_shared_release(shared, &second, CF_RELEASE_NEVER_SENT);
    struct cf_limit_status status;
    cf_limiter_shared_status(shared, "a", &status);
    assert_int_equal(status.used, 1);
    assert_int_equal(status.amounts_used.output, 4);
    assert_int_equal(status.in_flight, 0);
    cf_limiter_shared_free(shared);
}

struct refusal {
    struct cf_limiter_shared *shared;
    struct cf_limiter_call call;
    int64_t timeout_ms;
    bool ok;
};

static void *be_refused(void *self)
{
    struct refusal *refusal = self;
    refusal->ok = cf_limiter_shared_refused(refusal->shared, &refusal->call, 4000, 100,
                                            refusal->timeout_ms, NULL);
    return NULL;
}

static void a_refused_call_waits_out_the_pause(void **state)
{
    (void)state;
    struct cf_limiter_shared *shared = new_shared(50);
    struct refusal refusal = { .shared = shared, .timeout_ms = -1 };
    assert_true(cf_limiter_shared_acquire(shared, "a", NULL, 0, &refusal.call, NULL));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, be_refused, &refusal), 0);
    wait_until_queued(shared, 1);
    assert_false(try_now(shared, NULL));
    move_clock(shared, 5100);
    pthread_join(thread, NULL);
    assert_true(refusal.ok);

    refusal.timeout_ms = 0;
    be_refused(&refusal);
    assert_false(refusal.ok);
    assert_int_equal(refusal.call.waiter.state, CF_WAITER_IDLE);
    cf_limiter_shared_free(shared);
}

static void reset_and_clear_let_those_who_wait_go(void **state)
{
    (void)state;
    struct cf_limiter_shared *shared = new_shared(1);
    for (int round = 0; round < 2; round++) {
        assert_true(try_now(shared, NULL));
        struct asker asker = { 0 };
        start(&asker, shared, -1);
        wait_until_queued(shared, 1);
        if (round == 0)
            assert_int_equal(cf_limiter_shared_reset(shared, "a"), 1);
        else
            assert_int_equal(cf_limiter_shared_clear_all(shared), 1);
        assert_true(finish(&asker));
        cf_limiter_shared_reset(shared, "a");
    }
    cf_limiter_shared_free(shared);
}

struct capacity {
    struct cf_limiter_shared *shared;
    int64_t timeout_ms;
    bool ok;
    atomic_bool done;
};

static void *wait_for_capacity(void *self)
{
    struct capacity *capacity = self;
    capacity->ok = cf_limiter_shared_wait_for_capacity(capacity->shared, "a",
                                                       capacity->timeout_ms);
    atomic_store(&capacity->done, true);
    return NULL;
}

static void waiting_for_capacity_takes_nothing(void **state)
{
    (void)state;
    struct cf_limiter_shared *shared = new_shared(1);
    assert_true(cf_limiter_shared_wait_for_capacity(shared, "a", 0));
    assert_true(try_now(shared, NULL));
    assert_false(cf_limiter_shared_wait_for_capacity(shared, "a", 0));

    struct capacity capacity = { .shared = shared, .timeout_ms = -1 };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_capacity, &capacity), 0);
    move_clock(shared, 61019);
    assert_false(atomic_load(&capacity.done));
    move_clock(shared, 61020);
    pthread_join(thread, NULL);
    assert_true(capacity.ok);
    assert_true(try_now(shared, NULL));
    cf_limiter_shared_free(shared);
}

static void capacity_that_a_reset_makes_is_seen(void **state)
{
    (void)state;
    struct cf_limiter_shared *shared = new_shared(1);
    assert_true(try_now(shared, NULL));
    struct capacity capacity = { .shared = shared, .timeout_ms = -1 };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_capacity, &capacity), 0);
    for (int i = 0; i < 1000; i++)
        sched_yield();              /* so that it is likely asleep; it must be seen either way */
    assert_int_equal(cf_limiter_shared_reset(shared, "a"), 0);
    pthread_join(thread, NULL);
    assert_true(capacity.ok);
    cf_limiter_shared_free(shared);
}

static void closing_ends_every_wait(void **state)
{
    (void)state;
    struct cf_limiter_shared *shared = new_shared(1);
    assert_true(try_now(shared, NULL));
    struct asker asker = { 0 };
    start(&asker, shared, -1);
    struct capacity capacity = { .shared = shared, .timeout_ms = -1 };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_capacity, &capacity), 0);
    wait_until_queued(shared, 1);
    cf_limiter_shared_close(shared);
    assert_false(finish(&asker));
    assert_int_equal(asker.err.kind, CF_ERR_CANCELLED);
    pthread_join(thread, NULL);
    assert_false(capacity.ok);

    struct cf_error err;
    struct cf_limiter_call call = { 0 };
    assert_false(try_now(shared, &err));
    assert_int_equal(err.kind, CF_ERR_CANCELLED);
    assert_false(cf_limiter_shared_submit(shared, "a", NULL, &call, &err));
    assert_int_equal(err.kind, CF_ERR_CANCELLED);
    cf_limiter_shared_free(shared);
}

/* --- callbacks --- */

struct job {
    struct cf_limiter_call call;
    struct cf_limiter_shared *shared;
    atomic_int grants;
    int refuse;                 /* so often, before it is done */
};

static void on_grant(struct cf_limiter_call *call, void *self)
{
    struct job *job = self;
    struct cf_limiter_shared *shared = job->shared;
    assert_ptr_equal(call, &job->call);
    cf_limiter_shared_sent(shared, call);
    if (job->refuse-- > 0)
        cf_limiter_shared_refused(shared, call, 1000, 0, 0, NULL);
    else
        cf_limiter_shared_release(shared, call, CF_RELEASE_DONE);
    atomic_fetch_add(&job->grants, 1);      /* last: the test may end then */
}

static void submit(struct job *job, struct cf_limiter_shared *shared)
{
    job->shared = shared;
    job->call.on_grant = on_grant;
    job->call.self = job;
    assert_true(cf_limiter_shared_submit(shared, "a", NULL, &job->call, NULL));
}

static void wait_for_grants(struct job *job, int grants)
{
    while (atomic_load(&job->grants) < grants)
        sched_yield();
}

static void a_callback_comes_when_it_is_its_turn(void **state)
{
    (void)state;
    struct cf_limiter_shared *shared = new_shared(1);
    struct job jobs[3] = { 0 };
    for (int i = 0; i < 3; i++)
        submit(&jobs[i], shared);
    wait_for_grants(&jobs[0], 1);
    wait_until_queued(shared, 2);
    assert_true(cf_limiter_shared_cancel(shared, &jobs[1].call));
    assert_false(cf_limiter_shared_cancel(shared, &jobs[1].call));
    assert_false(cf_limiter_shared_cancel(shared, &jobs[0].call));
    move_clock(shared, 61020);
    wait_for_grants(&jobs[2], 1);
    assert_int_equal(atomic_load(&jobs[1].grants), 0);
    cf_limiter_shared_free(shared);
}

static void a_refused_callback_comes_again(void **state)
{
    (void)state;
    struct cf_limiter_shared *shared = new_shared(5);
    struct job job = { .refuse = 2 };
    submit(&job, shared);
    wait_for_grants(&job, 1);
    wait_until_queued(shared, 1);
    move_clock(shared, 2000);
    wait_for_grants(&job, 2);
    wait_until_queued(shared, 1);
    move_clock(shared, 3000);
    wait_for_grants(&job, 3);
    cf_limiter_shared_free(shared);
}

static void a_granted_callback_can_still_be_cancelled(void **state)
{
    (void)state;
    /* Whoever wins, the call is released once and the callback comes at most once. */
    for (int i = 0; i < 200; i++) {
        struct cf_limiter_shared *shared = new_shared(5);
        struct job jobs[3] = { 0 };
        for (int k = 0; k < 3; k++)
            submit(&jobs[k], shared);
        for (int k = 2; k >= 0; k--)
            if (!cf_limiter_shared_cancel(shared, &jobs[k].call))
                wait_for_grants(&jobs[k], 1);
        struct cf_limit_status status;
        cf_limiter_shared_status(shared, "a", &status);
        assert_int_equal(status.in_flight, 0);
        cf_limiter_shared_free(shared);
    }
}

static void calls_left_at_the_end_are_dropped(void **state)
{
    (void)state;
    struct cf_limiter_shared *shared = new_shared(1);
    struct job jobs[3] = { 0 };
    for (int i = 0; i < 3; i++)
        submit(&jobs[i], shared);
    wait_for_grants(&jobs[0], 1);
    cf_limiter_shared_free(shared);
    assert_int_equal(atomic_load(&jobs[2].grants), 0);
}

/* --- many threads --- */

enum { THREADS = 8, EACH = 60, LIMIT = 25 };

struct crowd {
    struct cf_limiter_shared *shared;
    atomic_int  left;
    atomic_int  granted;
    long long   at_ms[THREADS * EACH];
};

static void *push_in(void *self)
{
    struct crowd *crowd = self;
    for (int i = 0; i < EACH; i++) {
        struct cf_limiter_call call = { 0 };
        if (!cf_limiter_shared_acquire(crowd->shared, "a", NULL, -1, &call, NULL))
            abort();
        crowd->at_ms[atomic_fetch_add(&crowd->granted, 1)] = atomic_load(&clock_ms);
        cf_limiter_shared_sent(crowd->shared, &call);
        cf_limiter_shared_release(crowd->shared, &call, CF_RELEASE_DONE);
    }
    atomic_fetch_sub(&crowd->left, 1);
    return NULL;
}

static int by_time(const void *a, const void *b)
{
    long long x = *(const long long *)a, y = *(const long long *)b;
    return (x > y) - (x < y);
}

static void many_threads_keep_the_limit(void **state)
{
    (void)state;
    struct cf_limiter_shared *shared = new_shared(LIMIT);
    struct cf_limit_config config = config_of(LIMIT);
    config.window_ms = 1000;
    assert_true(cf_limiter_shared_set_config(shared, NULL, &config, NULL));

    static struct crowd crowd;
    memset(&crowd, 0, sizeof crowd);
    crowd.shared = shared;
    crowd.left = THREADS;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, push_in, &crowd), 0);
    while (atomic_load(&crowd.left) > 0) {
        atomic_fetch_add(&clock_ms, 7);
        cf_limiter_shared_wake(shared);
        sched_yield();
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);

    assert_int_equal(crowd.granted, THREADS * EACH);
    qsort(crowd.at_ms, THREADS * EACH, sizeof *crowd.at_ms, by_time);
    for (int i = LIMIT; i < THREADS * EACH; i++)
        assert_true(crowd.at_ms[i] - crowd.at_ms[i - LIMIT] > config.window_ms);
    cf_limiter_shared_free(shared);
}

static void the_system_clock_wakes_by_itself(void **state)
{
    (void)state;
    struct cf_limit_config config = config_of(1);
    config.window_ms = 5;
    struct cf_limiter_shared *shared = cf_limiter_shared_new(&config, cf_clock_system(), NULL);
    for (int i = 0; i < 4; i++)
        assert_true(cf_limiter_shared_acquire(shared, "a", NULL, -1, NULL, NULL));
    struct job job = { 0 };
    submit(&job, shared);
    wait_for_grants(&job, 1);
    cf_limiter_shared_free(shared);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_config_makes_no_limiter),
        cmocka_unit_test(without_config_it_is_fifty_a_minute),
        cmocka_unit_test(a_plain_acquire_counts_as_sent_and_done),
        cmocka_unit_test(an_acquire_waits_for_its_turn),
        cmocka_unit_test(an_acquire_gives_up_when_its_time_is_up),
        cmocka_unit_test(without_a_queue_it_fails_at_once),
        cmocka_unit_test(a_release_lets_the_next_thread_go),
        cmocka_unit_test(a_refused_call_waits_out_the_pause),
        cmocka_unit_test(reset_and_clear_let_those_who_wait_go),
        cmocka_unit_test(waiting_for_capacity_takes_nothing),
        cmocka_unit_test(capacity_that_a_reset_makes_is_seen),
        cmocka_unit_test(closing_ends_every_wait),
        cmocka_unit_test(a_callback_comes_when_it_is_its_turn),
        cmocka_unit_test(a_refused_callback_comes_again),
        cmocka_unit_test(a_granted_callback_can_still_be_cancelled),
        cmocka_unit_test(calls_left_at_the_end_are_dropped),
        cmocka_unit_test(many_threads_keep_the_limit),
        cmocka_unit_test(the_system_clock_wakes_by_itself),
    };
    return cmocka_run_group_tests_name("limiter_shared", tests, NULL, NULL);
}
