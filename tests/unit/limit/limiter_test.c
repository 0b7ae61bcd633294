#include "limiter_fixture.h"

#include <stdio.h>

/* --- the window --- */

static void a_slot_is_free_a_window_and_a_guard_after_it_was_sent(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(1);
    use(fixture, &config);
    assert_int_equal(ask(fixture, 0, 1000), 1);
    assert_int_equal(ask(fixture, 1, 1000), 0);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), -1);
    assert_int_equal(next(fixture, 100000), -1);

    cf_limiter_sent(fixture->limiter, &fixture->waiters[0], 100000);
    cf_limiter_sent(fixture->limiter, &fixture->waiters[0], 120000);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 160020);
    assert_int_equal(next(fixture, 160019), -1);
    assert_int_equal(next(fixture, 160020), 1);
    assert_int_equal(fixture->waiters[1].state, CF_WAITER_GRANTED);
}

static void the_guard_is_at_most_a_hundredth_of_the_window(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(1);
    config.window_ms = 1000;
    use(fixture, &config);
    go(fixture, 0, 0);
    assert_int_equal(ask(fixture, 1, 0), 0);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 1010);
}

static void the_spread_of_delays_widens_the_guard(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(1);
    use(fixture, &config);
    cf_limiter_note_delay(fixture->limiter, "a", 5);     /* no lane yet: no effect */
    go(fixture, 0, 0);
    assert_int_equal(ask(fixture, 1, 0), 0);
    cf_limiter_note_delay(fixture->limiter, "a", 100);
    cf_limiter_note_delay(fixture->limiter, "a", -3);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 60020);
    cf_limiter_note_delay(fixture->limiter, "a", 250);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 60150 - 150 / 64);
    cf_limiter_note_delay(fixture->limiter, "a", 9000);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 60600);
    for (int i = 0; i < 1000; i++)
        cf_limiter_note_delay(fixture->limiter, "a", 100);
    assert_in_range(cf_limiter_wake_ms(fixture->limiter), 60020, 60070);
}

struct release_row {
    const char *name;
    enum cf_release how;
    bool is_sent;
    struct cf_amounts left;
};

static struct release_row release_rows[] = {
    { "a reply keeps everything", CF_RELEASE_DONE, true, { 1, 100, 10 } },
    { "a reply before the request was written keeps all", CF_RELEASE_DONE, false, { 1, 100, 10 } },
    { "what was never sent counts nothing", CF_RELEASE_NEVER_SENT, false, { 0, 0, 0 } },
    { "a failure after sending drops the output", CF_RELEASE_FAILED, true, { 1, 100, 0 } },
    { "an unknown outcome keeps everything", CF_RELEASE_UNKNOWN, true, { 1, 100, 10 } },
};

static void check_release(void **state)
{
    const struct release_row *row = *state;
    void *fixture_state;
    set_up(&fixture_state);
    struct fixture *fixture = fixture_state;
    struct cf_limit_config config = burst(50);
    use(fixture, &config);
    struct cf_waiter *waiter = &fixture->waiters[0];
    const struct cf_amounts amounts = { 1, 100, 10 };
    assert_int_equal(cf_limiter_acquire(fixture->limiter, "a", waiter, &amounts, 0, NULL), 1);
    if (row->is_sent)
        cf_limiter_sent(fixture->limiter, waiter, 500);
    assert_int_equal(status(fixture, 500).in_flight, 1);
    assert_int_equal(status(fixture, 500).reset_ms, 60020);

    cf_limiter_release(fixture->limiter, waiter, row->how, 1000);
    assert_int_equal(waiter->state, CF_WAITER_IDLE);
    struct cf_limit_status after = status(fixture, 1000);
    assert_memory_equal(&after.amounts_used, &row->left, sizeof row->left);
    assert_int_equal(after.in_flight, 0);
    int64_t free_ms = row->is_sent ? 60520 : 61020;
    if (row->left.requests > 0)
        assert_int_equal(after.reset_ms, free_ms - 1000);
    assert_int_equal(status(fixture, free_ms).used, 0);
    tear_down(&fixture_state);
}

static void settling_replaces_the_amounts_at_their_date(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(50);
    config.max_output_tokens = 100;
    use(fixture, &config);
    struct cf_amounts amounts = { 1, 0, 60 };
    struct cf_waiter *waiters = fixture->waiters;
    assert_int_equal(cf_limiter_acquire(fixture->limiter, "a", &waiters[0], &amounts, 0, NULL), 1);
    cf_limiter_sent(fixture->limiter, &waiters[0], 0);
    assert_int_equal(cf_limiter_acquire(fixture->limiter, "a", &waiters[1], &amounts, 0, NULL), 0);

    const struct cf_amounts less = { 1, -5, 40 };
    cf_limiter_settle(fixture->limiter, &waiters[0], &less, 5000);
    assert_int_equal(status(fixture, 5000).amounts_used.output, 40);
    assert_int_equal(status(fixture, 5000).amounts_used.input, 0);
    assert_int_equal(next(fixture, 5000), 1);

    /* More than reserved is a debt that even a call without output waits for. */
    const struct cf_amounts more = { 1, 0, 90 };
    cf_limiter_settle(fixture->limiter, &waiters[0], &more, 6000);
    assert_int_equal(ask(fixture, 2, 6000), 0);
    assert_int_equal(next(fixture, 60019), -1);
    assert_int_equal(next(fixture, 60020), 2);
}

static void settling_after_the_window_is_without_effect(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(1);
    use(fixture, &config);
    assert_int_equal(ask(fixture, 0, 0), 1);
    cf_limiter_sent(fixture->limiter, &fixture->waiters[0], 0);
    go(fixture, 1, 60020);                                  /* took over the slot */
    const struct cf_amounts more = { 5, 5, 5 };
    cf_limiter_settle(fixture->limiter, &fixture->waiters[0], &more, 61000);
    assert_int_equal(status(fixture, 61000).used, 1);
    cf_limiter_release(fixture->limiter, &fixture->waiters[0], CF_RELEASE_NEVER_SENT, 61000);
    assert_int_equal(status(fixture, 61000).used, 1);
}

static void an_amount_over_the_limit_goes_alone(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(50);
    config.max_input_tokens = 1000;
    use(fixture, &config);
    struct cf_waiter *waiters = fixture->waiters;
    const struct cf_amounts small = { 1, 10, 0 }, huge = { 1, 5000, 0 };
    assert_int_equal(cf_limiter_acquire(fixture->limiter, "a", &waiters[0], &small, 0, NULL), 1);
    cf_limiter_sent(fixture->limiter, &waiters[0], 0);
    assert_int_equal(cf_limiter_acquire(fixture->limiter, "a", &waiters[1], &huge, 0, NULL), 0);
    assert_int_equal(cf_limiter_acquire(fixture->limiter, "a", &waiters[2], &small, 0, NULL), 0);
    assert_int_equal(next(fixture, 60019), -1);
    assert_int_equal(next(fixture, 60020), 1);
    assert_int_equal(next(fixture, 60020), -1);
    cf_limiter_sent(fixture->limiter, &waiters[1], 60020);
    assert_int_equal(next(fixture, 120039), -1);
    assert_int_equal(next(fixture, 120040), 2);
}

static void amounts_that_make_no_sense_are_refused(void **state)
{
    struct fixture *fixture = *state;
    const struct cf_amounts wrong[] = {
        { 0, 0, 0 }, { 51, 0, 0 }, { 1, -1, 0 }, { 1, 0, -1 }, { 1, INT64_MAX, 0 },
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_int_equal(cf_limiter_acquire(fixture->limiter, "a", &fixture->waiters[0], &wrong[i],
                                            0, &fixture->err), -1);
        assert_int_equal(fixture->err.kind, CF_ERR_CONFIG);
        assert_int_equal(fixture->waiters[0].state, CF_WAITER_IDLE);
    }
}

static void time_that_runs_backwards_stands(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(2);
    use(fixture, &config);
    go(fixture, 0, 10000);
    assert_int_equal(ask(fixture, 1, 4000), 1);
    cf_limiter_sent(fixture->limiter, &fixture->waiters[1], -7);
    assert_int_equal(ask(fixture, 2, INT64_MIN), 0);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 70020);
    assert_int_equal(next(fixture, 70020), 2);
    assert_int_equal(ask(fixture, 3, 10), 1);
    assert_int_equal(ask(fixture, 4, INT64_MAX), 0);
}

/* --- the line --- */

static void a_line_is_served_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(2);
    use(fixture, &config);
    go(fixture, 0, 0);
    go(fixture, 1, 10);
    for (int i = 2; i < 6; i++)
        assert_int_equal(ask(fixture, i, 20), 0);
    assert_int_equal(status(fixture, 20).queued, 4);
    cf_limiter_cancel(fixture->limiter, &fixture->waiters[3], 20);
    cf_limiter_cancel(fixture->limiter, &fixture->waiters[3], 20);
    assert_int_equal(status(fixture, 20).queued, 3);

    assert_int_equal(next(fixture, 60020), 2);
    assert_int_equal(next(fixture, 60020), -1);
    assert_int_equal(ask(fixture, 6, 60030), 0);      /* there is room, but 4 was here before */
    assert_int_equal(next(fixture, 60030), 4);
    assert_int_equal(next(fixture, 60030), -1);
}

static void without_a_queue_who_cannot_go_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(2);
    config.enable_queue = false;
    config.pacing = CF_PACING_SMOOTH;
    config.pause_threshold = 0.1;
    use(fixture, &config);
    go(fixture, 0, 0);
    assert_int_equal(ask(fixture, 1, 100), 1);        /* nothing is spread: nobody could wait */
    cf_limiter_sent(fixture->limiter, &fixture->waiters[1], 100);
    assert_int_equal(ask(fixture, 2, 200), -1);
    assert_int_equal(fixture->err.kind, CF_ERR_RATE_LIMIT);
    assert_true(fixture->err.retryable);
    assert_int_equal(fixture->err.retry_after_ms, 59820);
    assert_string_equal(fixture->err.message, "rate limit reached: try again in 59820 ms");
    assert_int_equal(fixture->waiters[2].state, CF_WAITER_IDLE);
    assert_int_equal(ask(fixture, 2, 60020), 1);
}

static void a_refusal_says_if_it_hangs_on_a_call_in_flight(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(2);
    config.enable_queue = false;
    config.concurrency = 1;
    use(fixture, &config);
    assert_int_equal(ask(fixture, 0, 0), 1);
    assert_int_equal(ask(fixture, 1, 0), -1);
    assert_int_equal(fixture->err.retry_after_ms, -1);
    assert_string_equal(fixture->err.message,
                        "rate limit reached: calls in flight must end first");
    assert_int_equal(cf_limiter_acquire(fixture->limiter, "a", &fixture->waiters[1], &one, 0, NULL),
                     -1);
}

static void concurrency_is_capped(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(50);
    config.concurrency = 2;
    use(fixture, &config);
    assert_int_equal(ask(fixture, 0, 0), 1);
    assert_int_equal(ask(fixture, 1, 0), 1);
    assert_int_equal(ask(fixture, 2, 0), 0);
    cf_limiter_sent(fixture->limiter, &fixture->waiters[0], 10);
    assert_int_equal(next(fixture, 100000), -1);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), -1);
    assert_int_equal(status(fixture, 100000).wait_ms, -1);
    cf_limiter_release(fixture->limiter, &fixture->waiters[0], CF_RELEASE_DONE, 100000);
    assert_int_equal(next(fixture, 100000), 2);
}

/* --- many lanes --- */

static void lanes_do_not_hold_each_other_up(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(1);
    use(fixture, &config);
    char key[16];
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "lane %d", i);
        struct cf_waiter *first = &fixture->waiters[i], *second = &fixture->waiters[20 + i];
        int64_t now_ms = i * 10;
        assert_int_equal(cf_limiter_acquire(fixture->limiter, key, first, &one, now_ms, NULL), 1);
        cf_limiter_sent(fixture->limiter, first, now_ms);
        assert_int_equal(cf_limiter_acquire(fixture->limiter, key, second, &one, now_ms, NULL), 0);
    }
    assert_int_equal(cf_limiter_lanes(fixture->limiter), 20);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 60020 + i * 10);
        assert_int_equal(next(fixture, 60020 + i * 10), 20 + i);
    }
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), -1);
}

static void lanes_that_may_go_take_turns(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(3);
    use(fixture, &config);
    const char *const keys[] = { "x", "y" };
    for (int i = 0; i < 6; i++)
        assert_int_equal(cf_limiter_acquire(fixture->limiter, keys[i % 2], &fixture->waiters[i],
                                            &one, 0, NULL), 1);
    for (int i = 6; i < 12; i++)
        assert_int_equal(cf_limiter_acquire(fixture->limiter, keys[i / 9], &fixture->waiters[i],
                                            &one, 0, NULL), 0);
    for (int i = 0; i < 6; i++)
        cf_limiter_sent(fixture->limiter, &fixture->waiters[i], 0);
    const int order[] = { 6, 9, 7, 10, 8, 11 };
    for (int i = 0; i < 6; i++)
        assert_int_equal(next(fixture, 60020), order[i]);
}

static void an_idle_lane_is_forgotten(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(50);
    use(fixture, &config);
    go(fixture, 0, 0);
    assert_int_equal(next(fixture, 60019), -1);
    assert_int_equal(cf_limiter_lanes(fixture->limiter), 1);
    assert_int_equal(next(fixture, 60020), -1);
    assert_int_equal(cf_limiter_lanes(fixture->limiter), 0);

    /* One in flight stays, however long it takes, and so does a pause. */
    assert_int_equal(ask(fixture, 0, 70000), 1);
    cf_limiter_sent(fixture->limiter, &fixture->waiters[0], 70000);
    assert_int_equal(next(fixture, 1000000), -1);
    assert_int_equal(cf_limiter_lanes(fixture->limiter), 1);
    cf_limiter_refused(fixture->limiter, &fixture->waiters[0], 5000, 0, 1000000);
    cf_limiter_cancel(fixture->limiter, &fixture->waiters[0], 1000000);
    assert_int_equal(next(fixture, 1004999), -1);
    assert_int_equal(cf_limiter_lanes(fixture->limiter), 1);
    assert_int_equal(next(fixture, 1005000), -1);
    assert_int_equal(cf_limiter_lanes(fixture->limiter), 0);
}

static void asking_about_a_lane_does_not_make_one(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_status nothing = status(fixture, 100);
    assert_int_equal(nothing.used, 0);
    assert_int_equal(nothing.remaining, 50);
    assert_int_equal(nothing.wait_ms, 0);
    assert_int_equal(nothing.reset_ms, 0);
    assert_int_equal(cf_limiter_wait_ms(fixture->limiter, "b", &one, 100), 0);
    assert_int_equal(cf_limiter_lanes(fixture->limiter), 0);
}

/* --- status, reset --- */

static void status_tells_the_wait(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(2);
    use(fixture, &config);
    go(fixture, 0, 0);
    assert_int_equal(status(fixture, 0).wait_ms, 0);
    go(fixture, 1, 1000);
    struct cf_limit_status full = status(fixture, 2000);
    assert_int_equal(full.used, 2);
    assert_int_equal(full.remaining, 0);
    assert_int_equal(full.wait_ms, 58020);
    assert_int_equal(full.reset_ms, 59020);

    /* Behind two others the next window's first slot is the earliest. */
    assert_int_equal(ask(fixture, 2, 2000), 0);
    assert_int_equal(status(fixture, 2000).wait_ms, 59020);
    assert_int_equal(ask(fixture, 3, 2000), 0);
    assert_int_equal(status(fixture, 2000).wait_ms, 58020 + 60020);
    assert_int_equal(next(fixture, 60020), 2);
}

static void asking_for_the_status_starts_no_spread(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(2);
    config.pause_threshold = 0.5;
    use(fixture, &config);
    go(fixture, 0, 0);
    assert_int_equal(status(fixture, 0).wait_ms, 30010);
    assert_int_equal(status(fixture, 10000).wait_ms, 25010);
    assert_int_equal(ask(fixture, 1, 20000), 0);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 40010);
}

static void count_waiter(struct cf_waiter *waiter, void *self)
{
    assert_int_equal(waiter->state, CF_WAITER_QUEUED);
    ++*(int *)self;
}

static void reset_forgets_the_window_and_keeps_the_line(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(1);
    use(fixture, &config);
    assert_int_equal(cf_limiter_reset(fixture->limiter, "a", 0), 0);
    assert_int_equal(ask(fixture, 0, 0), 1);
    assert_int_equal(ask(fixture, 1, 0), 0);
    assert_int_equal(ask(fixture, 2, 0), 0);
    assert_int_equal(cf_limiter_reset(fixture->limiter, "b", 0), 0);
    assert_int_equal(cf_limiter_reset(fixture->limiter, "a", 0), 2);

    int queued = 0;
    cf_limiter_each_queued(fixture->limiter, "a", count_waiter, &queued);
    assert_int_equal(queued, 2);
    assert_int_equal(next(fixture, 0), 1);
    assert_int_equal(status(fixture, 0).in_flight, 2);

    /* The old call's slot is gone: its end touches nobody else's. */
    cf_limiter_sent(fixture->limiter, &fixture->waiters[0], 10);
    cf_limiter_release(fixture->limiter, &fixture->waiters[0], CF_RELEASE_NEVER_SENT, 10);
    assert_int_equal(status(fixture, 10).used, 1);
    assert_int_equal(status(fixture, 10).in_flight, 1);
}

static void clear_all_forgets_every_lane(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(1);
    use(fixture, &config);
    struct cf_waiter *waiters = fixture->waiters;
    for (int i = 0; i < 3; i++) {
        const char *key = (const char *const[]){ "x", "y", "z" }[i];
        assert_int_equal(cf_limiter_acquire(fixture->limiter, key, &waiters[i], &one, 0, NULL), 1);
        cf_limiter_sent(fixture->limiter, &waiters[i], 0);
        if (i > 0)
            assert_int_equal(cf_limiter_acquire(fixture->limiter, key, &waiters[10 + i], &one, 0,
                                                NULL), 0);
    }
    cf_limiter_refused(fixture->limiter, &waiters[0], 50000, 0, 0);
    int queued = 0;
    cf_limiter_each_queued(fixture->limiter, NULL, count_waiter, &queued);
    assert_int_equal(queued, 3);
    assert_int_equal(cf_limiter_clear_all(fixture->limiter, 1), 3);
    for (int i = 0; i < 3; i++)
        assert_true(next(fixture, 1) >= 0);
    assert_int_equal(next(fixture, 1), -1);
}

int main(void)
{
    static const struct CMUnitTest plain[] = {
        TEST(a_slot_is_free_a_window_and_a_guard_after_it_was_sent),
        TEST(the_guard_is_at_most_a_hundredth_of_the_window),
        TEST(the_spread_of_delays_widens_the_guard),
        TEST(settling_replaces_the_amounts_at_their_date),
        TEST(settling_after_the_window_is_without_effect),
        TEST(an_amount_over_the_limit_goes_alone),
        TEST(amounts_that_make_no_sense_are_refused),
        TEST(time_that_runs_backwards_stands),
        TEST(a_line_is_served_in_order),
        TEST(without_a_queue_who_cannot_go_is_refused),
        TEST(a_refusal_says_if_it_hangs_on_a_call_in_flight),
        TEST(concurrency_is_capped),
        TEST(lanes_do_not_hold_each_other_up),
        TEST(lanes_that_may_go_take_turns),
        TEST(an_idle_lane_is_forgotten),
        TEST(asking_about_a_lane_does_not_make_one),
        TEST(status_tells_the_wait),
        TEST(asking_for_the_status_starts_no_spread),
        TEST(reset_forgets_the_window_and_keeps_the_line),
        TEST(clear_all_forgets_every_lane),
    };
    struct CMUnitTest tests[COUNT(plain) + COUNT(release_rows)];
    size_t n = 0;
    for (size_t i = 0; i < COUNT(plain); i++)
        tests[n++] = plain[i];
    for (size_t i = 0; i < COUNT(release_rows); i++)
        tests[n++] =
            (struct CMUnitTest){ release_rows[i].name, check_release, NULL, NULL, &release_rows[i] };
    return cmocka_run_group_tests_name("limiter", tests, NULL, NULL);
}
