/* How grants are spread over the window. */
#include "limiter_fixture.h"

static void burst_up_to_the_threshold_then_spread(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(50);
    config.pause_threshold = 0.9;
    use(fixture, &config);
    for (int i = 0; i < 45; i++)
        go(fixture, i, 0);
    for (int i = 45; i < 52; i++)
        assert_int_equal(ask(fixture, i, 0), 0);

    /* The last five at even distances before the first slot comes free at 60020. */
    for (int i = 45; i < 50; i++) {
        int64_t at_ms = cf_limiter_wake_ms(fixture->limiter);
        assert_in_range(at_ms, (i - 44) * 10003, (i - 44) * 10005);
        assert_int_equal(next(fixture, at_ms - 1), -1);
        assert_int_equal(next(fixture, at_ms), i);
        cf_limiter_sent(fixture->limiter, &fixture->waiters[i], at_ms);
        assert_int_equal(next(fixture, at_ms), -1);
    }
    assert_int_equal(status(fixture, 60000).remaining, 0);
    assert_int_equal(next(fixture, 60019), -1);
    assert_int_equal(next(fixture, 60020), 50);
    assert_int_equal(next(fixture, 60020), 51);
}

static void a_full_window_is_used_again_as_it_comes_free(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(2);
    config.pause_threshold = 0.5;
    use(fixture, &config);
    go(fixture, 0, 0);
    for (int i = 1; i < 5; i++)
        assert_int_equal(ask(fixture, i, 0), 0);
    int64_t at_ms[] = { 30010, 60020, 90030, 120040 };
    for (int i = 1; i < 5; i++) {
        assert_int_equal(next(fixture, at_ms[i - 1] - 1), -1);
        assert_int_equal(next(fixture, at_ms[i - 1]), i);
        cf_limiter_sent(fixture->limiter, &fixture->waiters[i], at_ms[i - 1]);
    }
}

static void smooth_grants_are_evenly_apart(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(50);
    config.pacing = CF_PACING_SMOOTH;
    use(fixture, &config);
    go(fixture, 0, 5000);
    for (int i = 1; i < 50; i++)
        assert_int_equal(ask(fixture, i, 5000), 0);
    for (int i = 1; i < 50; i++) {
        int64_t at_ms = cf_limiter_wake_ms(fixture->limiter);
        /* 1200.4 ms, and a little later, for a server that lets one go each 1200 ms. */
        assert_in_range(at_ms, 5000 + i * 1205, 5000 + i * 1205);
        assert_int_equal(next(fixture, at_ms - 1), -1);
        assert_int_equal(next(fixture, at_ms), i);
        assert_int_equal(next(fixture, at_ms), -1);
    }
    assert_int_equal(status(fixture, 65000).used, 50);
}

static void auto_is_smooth(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(ask(fixture, 0, 0), 1);
    assert_int_equal(ask(fixture, 1, 0), 0);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 1205);
}

static void smooth_catches_up_with_a_little_lateness_only(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(6000);       /* every 10.0033 ms */
    config.pacing = CF_PACING_SMOOTH;
    use(fixture, &config);
    assert_int_equal(ask(fixture, 0, 100), 1);
    for (int i = 1; i < 40; i++)
        assert_int_equal(ask(fixture, i, 100), 0);
    for (int i = 1; i <= 5; i++)
        assert_int_equal(next(fixture, 155), i);       /* 55 ms later: five */
    assert_int_equal(next(fixture, 155), -1);
    for (int i = 6; i <= 15; i++)
        assert_int_equal(next(fixture, 10000), i);     /* ten seconds later: 100 ms' worth */
    assert_int_equal(next(fixture, 10000), -1);
}

static void idle_time_is_no_credit(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(50);
    config.pacing = CF_PACING_SMOOTH;
    use(fixture, &config);
    go(fixture, 0, 0);
    go(fixture, 1, 30000);
    assert_int_equal(ask(fixture, 2, 30000), 0);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 31205);
}

static void a_call_that_never_left_gives_its_turn_back(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(ask(fixture, 0, 0), 1);
    assert_int_equal(ask(fixture, 1, 0), 0);
    cf_limiter_release(fixture->limiter, &fixture->waiters[0], CF_RELEASE_NEVER_SENT, 5);
    assert_int_equal(next(fixture, 5), 1);
}

static void a_full_window_comes_free_at_once_above_the_threshold_too(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(10);
    config.pause_threshold = 0.5;
    use(fixture, &config);
    for (int i = 0; i < 5; i++)
        go(fixture, i, 0);
    for (int i = 5; i < 16; i++)
        assert_int_equal(ask(fixture, i, 0), 0);
    for (int i = 5; i < 10; i++) {
        int64_t at_ms = cf_limiter_wake_ms(fixture->limiter);
        assert_int_equal(next(fixture, at_ms), i);
        cf_limiter_sent(fixture->limiter, &fixture->waiters[i], at_ms);
        assert_int_equal(next(fixture, at_ms), -1);
    }
    for (int i = 10; i < 15; i++)
        assert_int_equal(next(fixture, 60020), i);
    assert_int_equal(next(fixture, 60020), -1);
}

static struct cf_limit_config automatic(int64_t max_requests)
{
    struct cf_limit_config config = burst(max_requests);
    config.pacing = CF_PACING_AUTO;
    return config;
}

/* Grants all that may go now; they are written at once, or not. Returns how many. */
static int go_all(struct fixture *fixture, bool is_written, int64_t now_ms)
{
    int count = 0, i;
    while ((i = next(fixture, now_ms)) >= 0) {
        count++;
        if (!is_written)
            continue;
        cf_limiter_sent(fixture->limiter, &fixture->waiters[i], now_ms);
        cf_limiter_release(fixture->limiter, &fixture->waiters[i], CF_RELEASE_DONE, now_ms);
    }
    return count;
}

/* Half a second's worth: that much even a server that enforces by the second has room for. */
static void auto_makes_up_for_half_a_second(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = automatic(1200);   /* every 50 ms; ten in half a second */
    use(fixture, &config);
    go(fixture, 0, 5000);
    int at_once = 1;
    for (int i = 1; i < 40; i++) {
        if (ask(fixture, i, 5000) == 0)
            continue;
        at_once++;
        cf_limiter_sent(fixture->limiter, &fixture->waiters[i], 5000);
    }
    assert_in_range(at_once, 10, 11);
    assert_int_equal(go_all(fixture, true, 5000), 0);
    assert_in_range(go_all(fixture, true, 6000), 9, 11);    /* a second later: half of it */
}

/* Ten seconds in which the disk takes nothing: what is granted leaves all at once afterwards, so
 * there is never more of it than a second's worth. */
static void what_is_not_written_is_no_more_than_a_second_holds(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = automatic(1200);
    use(fixture, &config);
    go(fixture, 0, 5000);
    for (int i = 1; i < 64; i++)
        assert_in_range(ask(fixture, i, 5000), 0, 1);
    for (int64_t now_ms = 5000; now_ms < 15000; now_ms += 10)
        go_all(fixture, false, now_ms);
    int unwritten = 0;
    for (int i = 1; i < 64; i++)
        unwritten += fixture->waiters[i].state == CF_WAITER_GRANTED;
    assert_in_range(unwritten, 12, 16);    /* 0.8 of twenty */
}

/* Who never says when a request is written is not held up by that. */
static void without_a_word_of_writing_grants_go_on(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = automatic(1200);
    use(fixture, &config);
    for (int i = 0; i < 60; i++)
        assert_in_range(ask(fixture, i, 5000), 0, 1);
    for (int64_t now_ms = 5000; now_ms < 15000; now_ms += 10)
        go_all(fixture, false, now_ms);
    for (int i = 0; i < 60; i++)
        assert_int_equal(fixture->waiters[i].state, CF_WAITER_GRANTED);
}

/* Where bursts pass, the rest of a window goes at the limit's rate: the last call of a run does not
 * wait for a window that is nearly over. */
static void the_rest_of_a_burst_goes_at_the_rate_of_the_limit(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = automatic(60);
    config.pause_threshold = 0.5;
    use(fixture, &config);
    struct cf_limit_learnt learnt = { .bursts = CF_BURSTS_PASS };
    cf_limiter_restore(fixture->limiter, "a", &learnt, 0);
    for (int i = 0; i < 30; i++)
        assert_int_equal(ask(fixture, i, 0), 1);
    for (int i = 30; i < 60; i++)
        assert_int_equal(ask(fixture, i, 0), 0);
    for (int i = 30; i < 60; i++)
        assert_int_equal(next(fixture, (i - 29) * 1001), i);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(burst_up_to_the_threshold_then_spread),
        TEST(a_full_window_is_used_again_as_it_comes_free),
        TEST(smooth_grants_are_evenly_apart),
        TEST(auto_is_smooth),
        TEST(smooth_catches_up_with_a_little_lateness_only),
        TEST(idle_time_is_no_credit),
        TEST(a_call_that_never_left_gives_its_turn_back),
        TEST(a_full_window_comes_free_at_once_above_the_threshold_too),
        TEST(auto_makes_up_for_half_a_second),
        TEST(what_is_not_written_is_no_more_than_a_second_holds),
        TEST(without_a_word_of_writing_grants_go_on),
        TEST(the_rest_of_a_burst_goes_at_the_rate_of_the_limit),
    };
    return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
