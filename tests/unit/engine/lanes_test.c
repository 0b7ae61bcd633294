/* How lanes stand, as those who ask are told: limits and use, a pause, an outage, keys that
 * share one. */
#include "sender_fixture.h"

#include "engine/lanes.h"

static struct fixture fixture;

static size_t look(struct fixture *f, struct cf_lane_report out[4])
{
    return cf_sender_lanes(f->sender, out, 4);
}

/* The only lane. */
static struct cf_lane_report the_lane(struct fixture *f)
{
    struct cf_lane_report lanes[4];
    assert_int_equal(look(f, lanes), 1);
    return lanes[0];
}

static void there_is_no_lane_before_the_first_call(void **state)
{
    (void)state;
    struct cf_lane_report lanes[4];
    fixture_open(&fixture, "", NULL);
    fixture_start(&fixture);
    assert_int_equal(look(&fixture, lanes), 0);
    fixture_close(&fixture);
}

static void a_lane_tells_its_limits_and_what_is_used_of_them(void **state)
{
    (void)state;
    struct fixture *f = &fixture;
    fixture_open(f, "", NULL);
    f->options.limits.max_output_tokens = 100000;
    f->options.limits.concurrency = 7;
    fixture_start(f);
    for (int i = 0; i < 3; i++)
        fixture_submit(f);
    for (int i = 0; i < 3; i++)
        cf_call_free(fixture_next(f));
    struct cf_lane_report lane = the_lane(f);
    assert_string_equal(lane.name, "sonnet");
    assert_string_equal(lane.limit_class, "sonnet");
    assert_int_equal(lane.state, CF_LANE_OPEN);
    assert_string_equal(cf_lane_state_name(lane.state), "open");
    assert_string_equal(lane.breaker, "closed");
    assert_string_equal(lane.limits.source, "config");
    assert_int_equal(lane.limits.limit, 1000);
    assert_int_equal(lane.limits.used, 3);
    assert_int_equal(lane.limits.remaining, 997);
    assert_int_equal(lane.limits.amounts_limit.output, 100000);
    assert_in_range(lane.limits.amounts_used.output, 1, 100000);
    assert_true(lane.limits.amounts_limit.input > 0);    /* the service says so */
    assert_int_equal(lane.window_ms, 60000);
    assert_int_equal(lane.concurrency, 7);
    assert_int_equal(lane.pacing, CF_PACING_BURST);
    assert_int_equal(lane.paused_ms, 0);
    assert_int_equal(lane.away_ms, 0);
    fixture_close(f);
}

static void a_429_pauses_the_lane(void **state)
{
    (void)state;
    struct fixture *f = &fixture;
    fixture_open(f, "faults=429@1", NULL);
    fixture_start(f);
    fixture_submit(f);
    while (the_lane(f).state != CF_LANE_PAUSED)
        fixture_turn(f);
    struct cf_lane_report lane = the_lane(f);
    assert_string_equal(cf_lane_state_name(lane.state), "paused");
    assert_true(lane.paused_ms > 0);
    assert_int_equal(lane.limits.queued, 1);
    cf_call_free(fixture_next_in_time(f));
    assert_int_equal(the_lane(f).state, CF_LANE_OPEN);
    fixture_close(f);
}

static void a_service_that_is_gone_leaves_the_lane_away(void **state)
{
    (void)state;
    struct fixture *f = &fixture;
    fixture_open_by(f, "faults=500@0s-600s", NULL, &fixture_clock);
    fixture_start(f);
    for (int i = 0; i < 6; i++)
        fixture_submit(f);
    struct cf_lane_report lane = { .state = CF_LANE_OPEN };
    /* The failures may all come in one millisecond; how long it is away is told from the next
     * one on. */
    for (int turns = 0; lane.state != CF_LANE_AWAY || lane.away_ms == 0; turns++) {
        if (turns > TURNS_MAX)
            fail_msg("the outage was not seen");
        assert_false(cf_queue_wait(&f->completions, 2));    /* lets the service answer meanwhile */
        fixture_pass(f, 100);
        struct cf_lane_report lanes[4];
        if (look(f, lanes) > 0)
            lane = lanes[0];
    }
    assert_string_equal(cf_lane_state_name(lane.state), "away");
    assert_string_equal(lane.breaker, "open");
    for (int i = 0; i < 6; i++)
        cf_call_free(fixture_next_in_time(f));
    lane = the_lane(f);
    assert_int_equal(lane.state, CF_LANE_OPEN);
    assert_string_equal(lane.breaker, "closed");
    fixture_close(f);
}

static struct fixture *open_two_keys(const char *spec)
{
    fixture_open(&fixture, spec, NULL);
    fixture.options.key_count = 2;
    fixture_start(&fixture);
    for (int i = 0; i < 4; i++)
        fixture_submit(&fixture);
    for (int i = 0; i < 4; i++)
        cf_call_free(fixture_next(&fixture));
    return &fixture;
}

static void keys_of_one_organisation_are_one_lane(void **state)
{
    (void)state;
    struct fixture *f = open_two_keys("");
    struct cf_lane_report lane = the_lane(f);
    assert_non_null(strstr(lane.name, "sonnet, organisation "));
    assert_int_equal(lane.limits.used, 4);
    fixture_close(f);
}

static void keys_of_two_organisations_are_two_lanes(void **state)
{
    (void)state;
    struct fixture *f = open_two_keys("orgs=key");
    struct cf_lane_report lanes[4];
    assert_int_equal(look(f, lanes), 2);
    assert_string_not_equal(lanes[0].name, lanes[1].name);
    assert_int_equal(lanes[0].limits.used + lanes[1].limits.used, 4);
    assert_int_equal(cf_sender_lanes(f->sender, lanes, 1), 1);    /* no room for more */
    fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_is_no_lane_before_the_first_call),
        cmocka_unit_test(a_lane_tells_its_limits_and_what_is_used_of_them),
        cmocka_unit_test(a_429_pauses_the_lane),
        cmocka_unit_test(a_service_that_is_gone_leaves_the_lane_away),
        cmocka_unit_test(keys_of_one_organisation_are_one_lane),
        cmocka_unit_test(keys_of_two_organisations_are_two_lanes),
    };
    return cmocka_run_group_tests_name("lanes", tests, NULL, NULL);
}
