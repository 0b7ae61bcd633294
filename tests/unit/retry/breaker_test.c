#include "confab/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct cf_breaker_policy policy;
static struct cf_breaker breaker;

static int begin(void **state)
{
    (void)state;
    cf_breaker_policy_default(&policy);
    policy.probes.jitter_ms = 0;
    cf_breaker_init(&breaker, &policy, 0);
    return 0;
}

static void fail_times(int count, int calls, int64_t now_ms)
{
    for (int i = 0; i < count; i++)
        cf_breaker_failure(&breaker, (uint64_t)(i % calls), now_ms, NULL);
}

static void test_four_failures_are_the_calls_own(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_true(cf_breaker_failure(&breaker, (uint64_t)i, 10000, NULL));
    assert_int_equal(breaker.state, CF_BREAKER_CLOSED);
}

static void test_many_failures_of_two_calls_are_their_own(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++)
        assert_true(cf_breaker_failure(&breaker, (uint64_t)(i % 2), 10000, NULL));
    assert_int_equal(breaker.state, CF_BREAKER_CLOSED);
}

static void test_before_five_seconds_of_silence_it_is_only_suspected(void **state)
{
    (void)state;
    fail_times(4, 3, 1000);
    assert_false(cf_breaker_failure(&breaker, 9, 1000, NULL));      /* already does not count */
    assert_int_equal(breaker.state, CF_BREAKER_SUSPECTED);
    int64_t wait = -7;
    assert_true(cf_breaker_may_send(&breaker, 1000, &wait));
    assert_false(cf_breaker_failure(&breaker, 9, 4999, NULL));
    assert_int_equal(breaker.state, CF_BREAKER_SUSPECTED);
    assert_false(cf_breaker_failure(&breaker, 9, 5000, NULL));
    assert_int_equal(breaker.state, CF_BREAKER_OPEN);
}

static void test_a_success_between_starts_the_count_anew(void **state)
{
    (void)state;
    fail_times(4, 4, 8000);
    assert_false(cf_breaker_success(&breaker, 8000, 8000));
    fail_times(4, 4, 20000);
    assert_int_equal(breaker.state, CF_BREAKER_CLOSED);
    assert_int_equal(cf_breaker_outage_ms(&breaker, 20000), 0);
}

static void test_a_reply_from_before_does_not_end_the_streak(void **state)
{
    (void)state;
    fail_times(4, 4, 8000);
    assert_false(cf_breaker_success(&breaker, 7999, 9000));     /* asked before the first failure */
    assert_false(cf_breaker_failure(&breaker, 9, 9500, NULL));
    assert_int_equal(breaker.state, CF_BREAKER_SUSPECTED);
    assert_false(cf_breaker_success(&breaker, 7000, 12000));    /* but it is not silent yet */
    assert_false(cf_breaker_failure(&breaker, 9, 14000, NULL));
    assert_int_equal(breaker.state, CF_BREAKER_SUSPECTED);
    assert_false(cf_breaker_failure(&breaker, 9, 17000, NULL));
    assert_int_equal(breaker.state, CF_BREAKER_OPEN);
    assert_false(cf_breaker_success(&breaker, 7500, 17500));    /* nor does it end the outage */
    assert_int_equal(breaker.state, CF_BREAKER_OPEN);
    assert_true(cf_breaker_success(&breaker, 8000, 18000));
    assert_int_equal(cf_breaker_outage_ms(&breaker, 18000), 0);
}

static void test_one_probe_at_a_time_on_a_schedule_that_doubles(void **state)
{
    (void)state;
    fail_times(5, 3, 6000);
    int64_t now = 6000, wait = -7;
    const int64_t delays[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };
    for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
        assert_false(cf_breaker_may_send(&breaker, now, &wait));
        assert_int_equal(wait, now + delays[i]);
        now = wait;
        assert_true(cf_breaker_may_send(&breaker, now, &wait));
        assert_false(cf_breaker_may_send(&breaker, now, &wait));    /* one is out */
        assert_int_equal(wait, -1);
        now += 300;
        assert_false(cf_breaker_failure(&breaker, 50, now, NULL));
    }
}

static void test_stragglers_do_not_put_the_probe_off(void **state)
{
    (void)state;
    fail_times(5, 3, 6000);
    fail_times(40, 9, 6500);          /* were in flight when it opened */
    int64_t wait;
    assert_true(cf_breaker_may_send(&breaker, 7000, &wait));
}

static void test_a_lost_probe_makes_room_for_another(void **state)
{
    (void)state;
    fail_times(5, 3, 6000);
    int64_t wait;
    assert_true(cf_breaker_may_send(&breaker, 7000, &wait));
    cf_breaker_probe_lost(&breaker);
    assert_true(cf_breaker_may_send(&breaker, 7000, &wait));
}

static void test_the_probes_success_closes_it(void **state)
{
    (void)state;
    fail_times(5, 3, 6000);
    int64_t wait;
    assert_true(cf_breaker_may_send(&breaker, 7000, &wait));
    uint64_t streak = breaker.streak;
    assert_int_equal(cf_breaker_outage_ms(&breaker, 7100), 1100);    /* since the first failure */
    assert_true(cf_breaker_success(&breaker, 7000, 7100));
    assert_int_equal(breaker.state, CF_BREAKER_CLOSED);
    assert_true(breaker.streak > streak);
    assert_true(cf_breaker_may_send(&breaker, 7100, &wait));
    assert_true(cf_breaker_failure(&breaker, 1, 9000, NULL));        /* counts again */
}

static void test_a_clock_that_jumps_is_no_outage(void **state)
{
    (void)state;
    int64_t wait, day = INT64_C(24) * 3600 * 1000;
    fail_times(5, 3, 6000);
    assert_false(cf_breaker_has_given_up(&breaker));
    assert_int_equal(cf_breaker_outage_ms(&breaker, 6000 + day), day);
    cf_breaker_ask_now(&breaker, 6000 + day);
    assert_true(cf_breaker_may_send(&breaker, 6000 + day, &wait));
    assert_true(cf_breaker_success(&breaker, 6000 + day, 6001 + day));
    assert_false(cf_breaker_has_given_up(&breaker));
}

static void test_after_the_longest_outage_it_gives_up(void **state)
{
    (void)state;
    policy.max_outage_ms = 30 * 60000;
    fail_times(5, 3, 6000);
    cf_breaker_failure(&breaker, 1, 6000 + 30 * 60000, NULL);
    assert_false(cf_breaker_has_given_up(&breaker));
    cf_breaker_failure(&breaker, 1, 6001 + 30 * 60000, NULL);
    assert_true(cf_breaker_has_given_up(&breaker));
    cf_breaker_success(&breaker, 6001 + 30 * 60000, 6001 + 30 * 60000);
    assert_false(cf_breaker_has_given_up(&breaker));
}

int main(void)
{
#define ROW(name, function) { name, function, begin, NULL, NULL }
    const struct CMUnitTest tests[] = {
        ROW("four failures are the calls' own", test_four_failures_are_the_calls_own),
        ROW("many failures of two calls are their own",
            test_many_failures_of_two_calls_are_their_own),
        ROW("before five seconds of silence it is only suspected",
            test_before_five_seconds_of_silence_it_is_only_suspected),
        ROW("a success between starts the count anew",
            test_a_success_between_starts_the_count_anew),
        ROW("a reply from before does not end the streak",
            test_a_reply_from_before_does_not_end_the_streak),
        ROW("one probe at a time, on a schedule that doubles",
            test_one_probe_at_a_time_on_a_schedule_that_doubles),
        ROW("stragglers do not put the probe off", test_stragglers_do_not_put_the_probe_off),
        ROW("a lost probe makes room for another", test_a_lost_probe_makes_room_for_another),
        ROW("the probe's success closes it", test_the_probes_success_closes_it),
        ROW("a clock that jumps is no outage", test_a_clock_that_jumps_is_no_outage),
        ROW("after the longest outage it gives up", test_after_the_longest_outage_it_gives_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
