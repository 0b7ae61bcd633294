/* A service that goes away and comes back: no call fails because of it, and none is sent in
 * vain. */
#include "sender_fixture.h"

static struct fixture fixture;

#define MINUTE INT64_C(60000)

static struct fixture *open_with(const char *spec)
{
    fixture_open(&fixture, spec, NULL);
    fixture.options.retry.base_delay_ms = 1000;
    return &fixture;
}

static void submit_many(struct fixture *f, int count)
{
    for (int i = 0; i < count; i++)
        fixture_submit(f);
}

static void check_all_replied(struct fixture *f, int count)
{
    for (int i = 0; i < count; i++) {
        struct cf_call *call = fixture_next_in_time(f);
        if (!call->has_reply)
            fail_msg("%s", call->error.message);
        cf_call_free(call);
    }
}

/* Whether every call waits for a later moment: none is with the server or on its way to the
 * database. */
static bool all_wait(struct fixture *f)
{
    struct cf_sender_status now = fixture_status(f);
    return now.backing_off + now.waiting + now.waiting_for_service == f->submitted - f->returned;
}

/* Moves the clock until the breaker is open; only while all wait, for attempts take their own
 * time. */
static void until_away(struct fixture *f)
{
    for (int turns = 0, moves = 0; fixture_status(f).away_ms == 0; turns++) {
        if (turns > TURNS_MAX || moves > 1000)
            fail_msg("the outage was not seen");
        if (all_wait(f)) {
            fixture_pass(f, 500);
            moves++;
        }
    }
}

static void half_an_hour_of_outage_costs_no_call(void **state)
{
    (void)state;
    struct fixture *f = &fixture;
    fixture_open_by(f, "faults=529@60s-1860s", NULL, &fixture_clock);
    f->options.retry.base_delay_ms = 1000;
    f->options.limits.concurrency = 8;
    fixture_start(f);
    submit_many(f, 10);
    check_all_replied(f, 10);
    fixture_pass(f, 61000);
    int64_t began_ms = atomic_load(&fixture_now_ms);
    submit_many(f, 30);
    until_away(f);
    check_all_replied(f, 30);
    assert_in_range(atomic_load(&fixture_now_ms) - began_ms, 29 * MINUTE, 32 * MINUTE);
    assert_int_equal(fixture_status(f).away_ms, 0);
    fixture_check_rows(f);
    uint64_t requests = fixture_counters(f)->requests;
    assert_in_range(requests, 40 + 30, 40 + 30 * 8 + 50); /* a probe a minute, once it is known */
    fixture_close(f);
}

/* As with one item at a time: the next call comes when one is over, or is put aside after its
 * attempts. */
static void an_outage_costs_no_call_where_one_goes_at_a_time(void **state)
{
    (void)state;
    enum { CALLS = 8 };
    struct fixture *f = &fixture;
    fixture_open_by(f, "faults=500@60s-1860s", NULL, &fixture_clock);
    f->options.retry.base_delay_ms = 1000;
    fixture_start(f);
    fixture_pass(f, 61000);
    int replied = 0;
    for (int submitted = 0; replied < CALLS;) {
        struct cf_sender_status status = fixture_status(f);
        bool is_free = submitted - replied == status.undecided;
        if (is_free && submitted < CALLS && status.undecided < 3) {
            fixture_submit(f);
            submitted++;
        }
        if (f->popped == NULL && !cf_queue_wait(&f->completions, 2)) {
            fixture_pass(f, 500);
            continue;
        }
        struct cf_call *call = fixture_next(f);
        if (!call->has_reply)
            fail_msg("%s", call->error.message);
        cf_call_free(call);
        replied++;
    }
    assert_true(atomic_load(&fixture_now_ms) > 1860000);
    assert_rows(f, CALLS, "calls WHERE state = 'done'");
    fixture_check_rows(f);
    fixture_close(f);
}

static void a_stop_gives_back_what_waits_for_a_verdict(void **state)
{
    (void)state;
    struct fixture *f = open_with("faults=500");
    f->options.retry.base_delay_ms = 0;
    fixture_start(f);
    fixture_submit(f);
    fixture_until(f, undecided, 1);
    cf_sender_drain(f->sender);
    struct cf_call *call = fixture_next(f);
    assert_int_equal(call->error.kind, CF_ERR_CANCELLED);
    cf_call_free(call);
    assert_rows(f, 1, "calls WHERE state = 'waiting'");
    fixture_check_rows(f);
    fixture_close(f);
}

static void one_call_at_a_time_goes_while_it_is_away(void **state)
{
    (void)state;
    struct fixture *f = open_with("faults=500,latency=fixed:20");
    fixture_start(f);
    submit_many(f, 20);
    until_away(f);
    fixture_until(f, in_flight, 0);
    for (int probes = 0; probes < 5; probes++) {
        int64_t before = fixture_count(f, "SELECT attempts FROM runs");
        while (fixture_count(f, "SELECT attempts FROM runs") == before) {
            fixture_pass(f, 1000);
            assert_true(fixture_status(f).in_flight <= 1);
        }
        assert_int_equal(fixture_count(f, "SELECT attempts FROM runs"), before + 1);
        fixture_until(f, in_flight, 0);
    }
    assert_null(f->popped);
    cf_sender_drain(f->sender); /* ends it at once: nothing is in flight */
    for (int i = 0; i < 20; i++) {
        struct cf_call *call = fixture_next(f);
        assert_int_equal(call->error.kind, CF_ERR_CANCELLED);
        cf_call_free(call);
    }
    fixture_check_rows(f);
    fixture_close(f);
}

static void failures_of_the_streak_are_given_back(void **state)
{
    (void)state;
    struct fixture *f = open_with("faults=500");
    f->options.retry.max_attempts = 2;
    fixture_start(f);
    submit_many(f, 6);
    fixture_until(f, backing_off, 6);
    assert_in_range(atomic_load(&f->last_attempt), 1, 2);
    until_away(f);
    fixture_until(f, in_flight, 0);
    for (int probes = 0; probes < 6; probes++) {
        int before = atomic_load(&f->retries);
        while (atomic_load(&f->retries) == before)
            fixture_pass(f, 1000);
        assert_int_equal(atomic_load(&f->last_attempt), 1); /* none was counted */
        fixture_until(f, in_flight, 0);
    }
    cf_sender_drain(f->sender);
    for (int i = 0; i < 6; i++)
        cf_call_free(fixture_next(f));
    fixture_check_rows(f);
    fixture_close(f);
}

static void after_the_longest_outage_the_run_stops(void **state)
{
    (void)state;
    struct fixture *f = open_with("faults=503");
    f->options.max_outage_ms = 10 * MINUTE;
    fixture_start(f);
    int64_t began_ms = atomic_load(&fixture_now_ms);
    submit_many(f, 5);
    for (int i = 0; i < 5; i++) {
        struct cf_call *call = fixture_next_in_time(f);
        assert_true(call->stops_run);
        assert_int_equal(call->error.kind, CF_ERR_API);
        assert_non_null(strstr(call->error.message,
                               "has been away for 10 min (max_outage); the last failure: "));
        cf_call_free(call);
    }
    int64_t lasted_ms = atomic_load(&fixture_now_ms) - began_ms;
    assert_true(lasted_ms > 10 * MINUTE && lasted_ms < 11 * MINUTE);
    assert_rows(f, 5, "calls WHERE state = 'waiting'");
    fixture_check_rows(f);
    fixture_close(f);
}

static void a_jump_of_the_clock_in_an_outage_is_not_taken_for_its_length(void **state)
{
    (void)state;
    struct fixture *f = &fixture;
    fixture_open_by(f, "faults=500@60s-600s", NULL, &fixture_clock);
    fixture_start(f);
    fixture_pass(f, 61000);
    submit_many(f, 6);
    until_away(f);
    fixture_until(f, in_flight, 0);
    fixture_pass(f, INT64_C(24) * 3600 * 1000);
    check_all_replied(f, 6);
    fixture_check_rows(f);
    fixture_close(f);
}

static void nothing_but_429s_is_an_outage_too(void **state)
{
    (void)state;
    struct fixture *f = open_with("faults=429");
    f->options.max_outage_ms = 10 * MINUTE;
    fixture_start(f);
    submit_many(f, 2);
    for (int i = 0; i < 2; i++) {
        struct cf_call *call = fixture_next_in_time(f);
        assert_true(call->stops_run);
        assert_non_null(strstr(call->error.message, "has sent nothing but 429s for 1"));
        cf_call_free(call);
    }
    fixture_check_rows(f);
    fixture_close(f);
}

static void a_single_call_waits_for_a_host_that_is_not_there(void **state)
{
    (void)state;
    struct fixture *f = open_with("");
    f->options.base_url = "http://127.0.0.1:9";
    f->options.max_outage_ms = 30 * MINUTE;
    fixture_start(f);
    fixture_submit(f);
    until_away(f);
    struct cf_call *call = fixture_next_in_time(f);
    assert_true(call->stops_run);
    assert_true(call->attempts > 3);
    assert_non_null(strstr(call->error.message, "could not be reached for 30 min"));
    cf_call_free(call);
    fixture_check_rows(f);
    fixture_close(f);
}

static void a_lone_call_that_the_service_fails_is_no_outage(void **state)
{
    (void)state;
    struct fixture *f = open_with("faults=500");
    fixture_start(f);
    fixture_submit(f);
    struct cf_call *call = fixture_next_in_time(f);
    assert_false(call->stops_run);
    assert_int_equal(call->attempts, 3);
    assert_int_equal(call->error.http_status, 500);
    cf_call_free(call);
    fixture_check_rows(f);
    fixture_close(f);
}

/* The last of a run, with nobody after them who could tell that the service is away. */
static void check_last_calls_wait(const char *spec, int count)
{
    struct fixture *f = &fixture;
    fixture_open_by(f, spec, NULL, &fixture_clock);
    f->options.retry.base_delay_ms = 1000;
    fixture_start(f);
    submit_many(f, 4);
    check_all_replied(f, 4);
    fixture_pass(f, 61000);
    int64_t began_ms = atomic_load(&fixture_now_ms);
    submit_many(f, count);
    check_all_replied(f, count);
    assert_in_range(atomic_load(&fixture_now_ms) - began_ms, 29 * MINUTE, 32 * MINUTE);
    assert_int_equal(fixture_status(f).away_ms, 0);
    fixture_check_rows(f);
    assert_in_range(fixture_counters(f)->requests, 4 + count * 4, 4 + count * 8 + 50);
    fixture_close(f);
}

static void the_last_two_calls_wait_for_the_service(void **state)
{
    (void)state;
    check_last_calls_wait("faults=500@60s-1860s", 2);
}

static void the_last_call_waits_for_a_service_that_says_it_is_overloaded(void **state)
{
    (void)state;
    check_last_calls_wait("faults=529@60s-1860s", 1);
}

static void a_call_fails_by_itself_once_another_gets_a_reply(void **state)
{
    (void)state;
    struct fixture *f = open_with("faults=500@1-3");
    f->options.retry.base_delay_ms = 0;
    fixture_start(f);
    struct cf_call *first = fixture_submit(f);
    fixture_until(f, undecided, 1);
    assert_null(f->popped);
    fixture_submit(f);
    for (int i = 0; i < 2; i++) {
        struct cf_call *call = fixture_next(f);
        assert_int_equal(call->has_reply, call != first);
        assert_int_equal(call->attempts, call == first ? 3 : 1);
        cf_call_free(call);
    }
    fixture_check_rows(f);
    fixture_close(f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_an_hour_of_outage_costs_no_call),
        cmocka_unit_test(an_outage_costs_no_call_where_one_goes_at_a_time),
        cmocka_unit_test(a_stop_gives_back_what_waits_for_a_verdict),
        cmocka_unit_test(one_call_at_a_time_goes_while_it_is_away),
        cmocka_unit_test(failures_of_the_streak_are_given_back),
        cmocka_unit_test(after_the_longest_outage_the_run_stops),
        cmocka_unit_test(a_jump_of_the_clock_in_an_outage_is_not_taken_for_its_length),
        cmocka_unit_test(nothing_but_429s_is_an_outage_too),
        cmocka_unit_test(a_single_call_waits_for_a_host_that_is_not_there),
        cmocka_unit_test(a_lone_call_that_the_service_fails_is_no_outage),
        cmocka_unit_test(the_last_two_calls_wait_for_the_service),
        cmocka_unit_test(the_last_call_waits_for_a_service_that_says_it_is_overloaded),
        cmocka_unit_test(a_call_fails_by_itself_once_another_gets_a_reply),
    };
    return cmocka_run_group_tests_name("outage", tests, NULL, NULL);
}
