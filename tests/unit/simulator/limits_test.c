#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "confab/buf.h"
#include "simulator/limits.h"

static void make(struct cf_sim_lane *lane, struct cf_sim_spec *spec, const char *text)
{
    assert_true(cf_sim_spec_parse(text, spec, NULL));
    cf_sim_lane_init(lane, spec, 0);
}

/* How many of `tries` requests of `input` tokens are let in at once. */
static int admitted(struct cf_sim_lane *lane, int64_t now_ms, int tries, int64_t input,
                    int64_t *wait_ms)
{
    enum cf_sim_resource resource;
    int count = 0;
    for (int i = 0; i < tries; i++)
        count += cf_sim_lane_admit(lane, now_ms, input, &resource, wait_ms);
    return count;
}

static void a_minute_bucket_grants_its_capacity_and_then_refills_evenly(void **state)
{
    (void)state;
    struct cf_sim_spec spec;
    struct cf_sim_lane lane;
    int64_t wait_ms = 0;
    make(&lane, &spec, "rpm=60");
    assert_int_equal(admitted(&lane, 0, 100, 1, &wait_ms), 60);
    assert_int_equal(wait_ms, 1000);
    assert_int_equal(admitted(&lane, 999, 10, 1, &wait_ms), 0);
    assert_int_equal(wait_ms, 1);
    assert_int_equal(admitted(&lane, 1000, 10, 1, &wait_ms), 1);
    assert_int_equal(admitted(&lane, 11000, 100, 1, &wait_ms), 10);
    assert_int_equal(admitted(&lane, 600000, 100, 1, &wait_ms), 60);
}

static void a_second_bucket_refuses_bursts(void **state)
{
    (void)state;
    struct cf_sim_spec spec;
    struct cf_sim_lane lane;
    int64_t wait_ms = 0;
    make(&lane, &spec, "rpm=600,enforce=second");
    assert_int_equal(admitted(&lane, 0, 100, 1, &wait_ms), 10);
    assert_int_equal(wait_ms, 100);
    assert_int_equal(admitted(&lane, 1000, 100, 1, &wait_ms), 10);
    make(&lane, &spec, "rpm=30,enforce=second");
    assert_int_equal(admitted(&lane, 0, 100, 1, &wait_ms), 1);
    assert_int_equal(wait_ms, 2000);
}

static void input_is_corrected_when_the_reply_is_there(void **state)
{
    (void)state;
    struct cf_sim_spec spec;
    struct cf_sim_lane lane;
    int64_t wait_ms = 0;
    make(&lane, &spec, "itpm=6000");
    assert_int_equal(admitted(&lane, 0, 10, 2000, &wait_ms), 3);
    assert_int_equal(wait_ms, 20000);
    cf_sim_lane_settle(&lane, 0, 2000, 500, 100);      /* the rest was read from a cache */
    assert_int_equal(admitted(&lane, 0, 10, 1500, &wait_ms), 1);
    assert_int_equal(admitted(&lane, 0, 10, 1, &wait_ms), 0);
}

static void a_request_above_the_capacity_goes_when_the_bucket_is_full(void **state)
{
    (void)state;
    struct cf_sim_spec spec;
    struct cf_sim_lane lane;
    int64_t wait_ms = 0;
    make(&lane, &spec, "itpm=6000,enforce=second");    /* holds 100 */
    assert_int_equal(admitted(&lane, 0, 10, 250, &wait_ms), 1);
    assert_int_equal(wait_ms, 2500);                   /* in debt by 150 */
    assert_int_equal(admitted(&lane, 2499, 10, 250, &wait_ms), 0);
    assert_int_equal(admitted(&lane, 2500, 10, 250, &wait_ms), 1);
}

static void output_that_was_produced_holds_later_requests_back(void **state)
{
    (void)state;
    struct cf_sim_spec spec;
    struct cf_sim_lane lane;
    int64_t wait_ms = 0;
    make(&lane, &spec, "otpm=600");
    assert_int_equal(admitted(&lane, 0, 5, 10, &wait_ms), 5);
    cf_sim_lane_settle(&lane, 0, 10, 10, 700);
    assert_int_equal(admitted(&lane, 0, 5, 10, &wait_ms), 0);
    assert_int_equal(wait_ms, 10100);                  /* until one token is there */
    assert_int_equal(admitted(&lane, 10100, 5, 10, &wait_ms), 5);
}

static void a_changed_limit_holds_at_once(void **state)
{
    (void)state;
    struct cf_sim_spec spec;
    struct cf_sim_lane lane;
    int64_t wait_ms = 0;
    make(&lane, &spec, "rpm=100");
    cf_sim_lane_set(&lane, &spec, CF_SIM_REQUESTS, 50, 0);
    assert_int_equal(admitted(&lane, 0, 200, 1, &wait_ms), 50);
    assert_int_equal(wait_ms, 1200);
    cf_sim_lane_set(&lane, &spec, CF_SIM_REQUESTS, 0, 0);
    assert_int_equal(admitted(&lane, 0, 200, 1, &wait_ms), 200);
}

static void headers_say_limit_remaining_and_when_it_is_full(void **state)
{
    (void)state;
    struct cf_sim_spec spec;
    struct cf_sim_lane lane;
    struct cf_buf out;
    int64_t wait_ms = 0;
    cf_buf_init(&out, 4096);
    make(&lane, &spec, "rpm=60,itpm=20000,otpm=400000");
    admitted(&lane, 0, 10, 700, &wait_ms);
    cf_sim_lane_settle(&lane, 0, 700, 700, 2600);
    cf_sim_lane_add_headers(&lane, 0, 1795435200000, &out);
    const char *text = cf_buf_str(&out);
    assert_non_null(strstr(text, "anthropic-ratelimit-requests-limit: 60\r\n"));
    assert_non_null(strstr(text, "anthropic-ratelimit-requests-remaining: 50\r\n"));
    assert_non_null(strstr(text, "anthropic-ratelimit-requests-reset: 2026-11-23T12:00:10Z\r\n"));
    assert_non_null(strstr(text, "anthropic-ratelimit-input-tokens-remaining: 13000\r\n"));
    assert_non_null(strstr(text, "anthropic-ratelimit-output-tokens-remaining: 397000\r\n"));
    assert_non_null(strstr(text, "anthropic-ratelimit-tokens-limit: 420000\r\n"));
    assert_non_null(strstr(text, "anthropic-ratelimit-tokens-remaining: 410000\r\n"));
    cf_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minute_bucket_grants_its_capacity_and_then_refills_evenly),
        cmocka_unit_test(a_second_bucket_refuses_bursts),
        cmocka_unit_test(input_is_corrected_when_the_reply_is_there),
        cmocka_unit_test(a_request_above_the_capacity_goes_when_the_bucket_is_full),
        cmocka_unit_test(output_that_was_produced_holds_later_requests_back),
        cmocka_unit_test(a_changed_limit_holds_at_once),
        cmocka_unit_test(headers_say_limit_remaining_and_when_it_is_full),
    };
    return cmocka_run_group_tests_name("simulator/limits", tests, NULL, NULL);
}
