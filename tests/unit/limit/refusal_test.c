/* What a 429 does to a lane, and to the call that met it. */
#include "limiter_fixture.h"

static void a_refusal_pauses_the_lane_and_goes_first(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(50);
    use(fixture, &config);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ask(fixture, i, 0), 1);
        cf_limiter_sent(fixture->limiter, &fixture->waiters[i], 0);
    }
    cf_limiter_refused(fixture->limiter, &fixture->waiters[2], 9000, 500, 1000);
    assert_int_equal(ask(fixture, 4, 1000), 0);
    cf_limiter_refused(fixture->limiter, &fixture->waiters[0], 2000, 0, 1000);
    cf_limiter_refused(fixture->limiter, &fixture->waiters[3], -1, -1, 1000);
    cf_limiter_refused(fixture->limiter, &fixture->waiters[1], 0, 0, 1000);

    struct cf_limit_status paused = status(fixture, 1000);
    assert_int_equal(paused.paused_until_ms, 10500);
    assert_int_equal(paused.used, 0);
    assert_int_equal(paused.in_flight, 0);
    assert_int_equal(paused.queued, 5);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 10500);
    assert_int_equal(next(fixture, 10499), -1);
    assert_int_equal(next(fixture, 10500), 0);
    assert_int_equal(status(fixture, 10500).paused_until_ms, 0);

    /* Slowly at first, although it is a burst. */
    int64_t last_ms = 10500;
    for (int i = 1; i < 4; i++) {
        int64_t at_ms = cf_limiter_wake_ms(fixture->limiter);
        assert_in_range(at_ms - last_ms, 1201, 1201 + 1250);
        assert_int_equal(next(fixture, at_ms - 1), -1);
        assert_int_equal(next(fixture, at_ms), i);
        last_ms = at_ms;
    }
    assert_int_equal(next(fixture, 15500), 4);
}

static void a_pause_holds_without_a_queue_too(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(50);
    config.enable_queue = false;
    use(fixture, &config);
    assert_int_equal(ask(fixture, 0, 0), 1);
    cf_limiter_refused(fixture->limiter, &fixture->waiters[0], 3000, 0, 0);
    assert_int_equal(ask(fixture, 1, 1000), -1);
    assert_int_equal(fixture->err.retry_after_ms, 2000);
    assert_int_equal(next(fixture, 3000), 0);
}

/* As after a virtual machine was moved: a day has gone by in which nothing was sent. */
static void a_clock_that_jumps_lets_no_storm_go(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config;
    cf_limit_config_default(&config);
    config.max_requests = 60;
    config.is_default = false;
    assert_true(cf_limiter_set_config(fixture->limiter, NULL, &config, 0, NULL));
    assert_int_equal(ask(fixture, 0, 0), 1);
    for (int i = 1; i < 30; i++)
        assert_int_equal(ask(fixture, i, 0), 0);
    int64_t now_ms = INT64_C(24) * 3600 * 1000;
    int at_once = 0, i;
    while ((i = next(fixture, now_ms)) >= 0) {
        at_once++;
        cf_limiter_sent(fixture->limiter, &fixture->waiters[i], now_ms);
    }
    assert_in_range(at_once, 1, 2);
    assert_in_range(cf_limiter_wake_ms(fixture->limiter), now_ms + 1, now_ms + 1100);

    /* And back again: it stands, and the line goes on from where it was. */
    assert_int_equal(next(fixture, 1000), -1);
    assert_int_equal(next(fixture, now_ms + 1100), at_once + 1);
    for (i = 0; i < 30; i++) {
        if (fixture->waiters[i].state == CF_WAITER_QUEUED)
            cf_limiter_cancel(fixture->limiter, &fixture->waiters[i], now_ms);
        else
            cf_limiter_release(fixture->limiter, &fixture->waiters[i], CF_RELEASE_DONE, now_ms);
    }
}

static void who_waits_may_ask_for_less(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config;
    cf_limit_config_default(&config);
    config.max_output_tokens = 100;
    config.pacing = CF_PACING_BURST;
    config.pause_threshold = 1;
    assert_true(cf_limiter_set_config(fixture->limiter, NULL, &config, 0, NULL));
    const struct cf_amounts much = { 1, 0, 60 }, less = { 1, 0, 30 };
    struct cf_waiter *first = &fixture->waiters[0], *second = &fixture->waiters[1];
    assert_int_equal(cf_limiter_acquire(fixture->limiter, "a", first, &much, 0, NULL), 1);
    assert_int_equal(cf_limiter_acquire(fixture->limiter, "a", second, &much, 0, NULL), 0);
    assert_int_equal(next(fixture, 0), -1);
    cf_limiter_ask_again(fixture->limiter, second, &less, 0);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 0);
    assert_int_equal(next(fixture, 0), 1);
    assert_int_equal(status(fixture, 0).amounts_used.output, 90);

    cf_limiter_ask_again(fixture->limiter, second, &much, 0);     /* too late */
    assert_int_equal(second->amounts.output, 30);
    cf_limiter_release(fixture->limiter, first, CF_RELEASE_DONE, 0);
    cf_limiter_release(fixture->limiter, second, CF_RELEASE_DONE, 0);
}

static void a_refused_call_can_be_cancelled(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(50);
    use(fixture, &config);
    assert_int_equal(ask(fixture, 0, 0), 1);
    assert_int_equal(ask(fixture, 1, 0), 1);
    cf_limiter_refused(fixture->limiter, &fixture->waiters[1], 1000, 0, 0);
    cf_limiter_cancel(fixture->limiter, &fixture->waiters[1], 0);
    cf_limiter_refused(fixture->limiter, &fixture->waiters[0], 1000, 0, 0);
    assert_int_equal(ask(fixture, 2, 0), 0);
    assert_int_equal(next(fixture, 1000), 0);
    assert_int_equal(next(fixture, cf_limiter_wake_ms(fixture->limiter)), 2);
}

static void no_pause_overflows(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(ask(fixture, 0, INT64_MAX), 1);
    cf_limiter_refused(fixture->limiter, &fixture->waiters[0], INT64_MAX, INT64_MAX, INT64_MAX);
    assert_int_equal(next(fixture, INT64_MAX), -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_refusal_pauses_the_lane_and_goes_first),
        TEST(a_pause_holds_without_a_queue_too),
        TEST(a_clock_that_jumps_lets_no_storm_go),
        TEST(who_waits_may_ask_for_less),
        TEST(a_refused_call_can_be_cancelled),
        TEST(no_pause_overflows),
    };
    return cmocka_run_group_tests_name("refusal", tests, NULL, NULL);
}
