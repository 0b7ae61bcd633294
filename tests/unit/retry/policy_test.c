#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "confab/retry.h"
#include "confab/rng.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct cf_retry_policy no_jitter = { 3, 1000, 300000, 0 };

/* --- checking --- */

struct check_row { const char *name; struct cf_retry_policy policy; const char *message; };

static struct check_row check_rows[] = {
    { "a plain policy is valid", { 3, 1000, 300000, 1000 }, NULL },
    { "one attempt and no wait are valid", { 1, 0, 0, 0 }, NULL },
    { "no attempt is refused", { 0, 1000, 300000, 1000 },
      "max_attempts is 0, but must be from 1 to 1000" },
    { "a negative base is refused", { 3, -1, 300000, 1000 },
      "base_delay_ms is -1, but must be from 0 to 86400000" },
    { "a cap of more than a day is refused", { 3, 1000, 86400001, 1000 },
      "max_delay_ms is 86400001, but must be from 0 to 86400000" },
    { "negative jitter is refused", { 3, 1000, 300000, -5 },
      "jitter_ms is -5, but must be from 0 to 86400000" },
    { "a cap below the base is refused", { 3, 1000, 999, 0 },
      "max_delay_ms is 999, but must be at least base_delay_ms (1000)" },
};

static void check_policy(void **state)
{
    const struct check_row *row = *state;
    struct cf_error err = { .kind = CF_OK };
    assert_int_equal(cf_retry_policy_check(&row->policy, &err), row->message == NULL);
    if (row->message == NULL)
        return;
    assert_int_equal(err.kind, CF_ERR_CONFIG);
    assert_string_equal(err.message, row->message);
}

static void the_default_is_three_attempts(void **state)
{
    (void)state;
    struct cf_retry_policy policy;
    cf_retry_policy_default(&policy);
    assert_int_equal(policy.max_attempts, 3);
    assert_int_equal(policy.base_delay_ms, 1000);
    assert_int_equal(policy.max_delay_ms, 300000);
    assert_int_equal(policy.jitter_ms, 1000);
    assert_true(cf_retry_policy_check(&policy, NULL));
}

/* --- the schedule --- */

struct delay_row { const char *name; int n; int64_t retry_after_ms, delay_ms; };

static struct delay_row delay_rows[] = {
    { "the first wait is the base", 1, -1, 1000 },
    { "the second is twice that", 2, -1, 2000 },
    { "the third is four times that", 3, -1, 4000 },
    { "the fourth is eight times that", 4, -1, 8000 },
    { "the fifth is sixteen times that", 5, -1, 16000 },
    { "the ninth is under the cap", 9, -1, 256000 },
    { "the tenth is the cap", 10, -1, 300000 },
    { "the millionth is the cap", 1000000, -1, 300000 },
    { "a server may ask for more", 1, 17000, 17000 },
    { "a server may ask for more than the cap", 1, 900000, 900000 },
    { "a server may not ask for less", 3, 250, 4000 },
    { "a server may say nothing by zero", 2, 0, 2000 },
};

static void check_delay(void **state)
{
    const struct delay_row *row = *state;
    assert_int_equal(cf_retry_delay_ms(&no_jitter, row->n, row->retry_after_ms, NULL),
                     row->delay_ms);
}

static void jitter_is_added_at_random_within_its_bound(void **state)
{
    (void)state;
    const struct cf_retry_policy policy = { 3, 1000, 300000, 1000 };
    struct cf_rng rng;
    cf_rng_seed(&rng, 1);
    int64_t low_ms = INT64_MAX, high_ms = 0;
    for (int i = 0; i < 2000; i++) {
        int64_t delay_ms = cf_retry_delay_ms(&policy, 2, -1, &rng);
        low_ms = delay_ms < low_ms ? delay_ms : low_ms;
        high_ms = delay_ms > high_ms ? delay_ms : high_ms;
    }
    assert_in_range(low_ms, 2000, 2010);
    assert_in_range(high_ms, 2990, 3000);

    /* The same seed, the same delays. */
    struct cf_rng a, b;
    cf_rng_seed(&a, 7);
    cf_rng_seed(&b, 7);
    for (int n = 1; n < 20; n++)
        assert_int_equal(cf_retry_delay_ms(&policy, n, -1, &a),
                         cf_retry_delay_ms(&policy, n, -1, &b));
}

/* --- attempts --- */

static const struct cf_failure overloaded = { .http_status = 529, .retry_after_ms = -1 };
static const struct cf_failure limited = { .http_status = 429, .retry_after_ms = 17000 };
static const struct cf_failure limited_unsaid = { .http_status = 429, .retry_after_ms = -1 };

static void three_attempts_are_two_retries(void **state)
{
    (void)state;
    struct cf_retry retry;
    struct cf_retry_step step;
    cf_retry_init(&retry, &no_jitter);
    assert_true(cf_retry_next(&retry, &overloaded, NULL, &step));
    assert_int_equal(step.attempt, 1);
    assert_int_equal(step.delay_ms, 1000);
    assert_true(cf_retry_next(&retry, &overloaded, NULL, &step));
    assert_int_equal(step.attempt, 2);
    assert_int_equal(step.delay_ms, 2000);
    assert_false(cf_retry_next(&retry, &overloaded, NULL, &step));
    assert_int_equal(step.attempt, 3);
    assert_int_equal(step.delay_ms, 0);
    assert_int_equal(step.verdict, CF_VERDICT_FAIL_ITEM);
    assert_string_equal(step.judgement.reason, "overloaded");
}

static void a_failure_that_is_not_counted_never_is_the_last(void **state)
{
    (void)state;
    static const struct cf_failure bad = { .http_status = 400, .retry_after_ms = -1 };
    struct cf_retry retry;
    struct cf_retry_step step;
    cf_retry_init(&retry, &no_jitter);
    assert_true(cf_retry_next(&retry, &overloaded, NULL, &step));
    for (int i = 0; i < 50; i++) {
        assert_true(cf_retry_next_uncounted(&retry, &overloaded, 0, NULL, &step));
        assert_int_equal(step.attempt, 2);
        assert_int_equal(step.delay_ms, 2000);
    }
    assert_true(cf_retry_next_uncounted(&retry, &overloaded, 5000, NULL, &step));
    assert_int_equal(step.delay_ms, 5000);
    assert_true(cf_retry_next(&retry, &overloaded, NULL, &step));
    assert_false(cf_retry_next_uncounted(&retry, &bad, 0, NULL, &step));    /* it says something */
    assert_int_equal(step.verdict, CF_VERDICT_FAIL_ITEM);
}

static void waiting_for_a_rate_limit_is_no_attempt(void **state)
{
    (void)state;
    struct cf_retry retry;
    struct cf_retry_step step;
    cf_retry_init(&retry, &no_jitter);
    for (int i = 0; i < 100; i++) {
        assert_true(cf_retry_next(&retry, &limited, NULL, &step));
        assert_int_equal(step.verdict, CF_VERDICT_RETRY_NOT_COUNTED);
        assert_int_equal(step.attempt, 1);
        assert_int_equal(step.delay_ms, 17000);
    }
    assert_true(cf_retry_next(&retry, &overloaded, NULL, &step));
    assert_int_equal(step.attempt, 1);
    assert_int_equal(step.delay_ms, 1000);
}

static void a_rate_limit_that_says_nothing_doubles(void **state)
{
    (void)state;
    struct cf_retry retry;
    struct cf_retry_step step;
    cf_retry_init(&retry, &no_jitter);
    for (int64_t expected_ms = 1000; expected_ms <= 8000; expected_ms *= 2) {
        assert_true(cf_retry_next(&retry, &limited_unsaid, NULL, &step));
        assert_int_equal(step.delay_ms, expected_ms);
    }
    assert_true(cf_retry_next(&retry, &overloaded, NULL, &step));
    assert_true(cf_retry_next(&retry, &limited_unsaid, NULL, &step));
    assert_int_equal(step.delay_ms, 1000);
}

static void a_pause_has_jitter_on_top(void **state)
{
    (void)state;
    const struct cf_retry_policy policy = { 3, 1000, 300000, 1000 };
    struct cf_rng rng;
    cf_rng_seed(&rng, 3);
    struct cf_retry retry;
    struct cf_retry_step step;
    cf_retry_init(&retry, &policy);
    int64_t high_ms = 0;
    for (int i = 0; i < 100; i++) {
        assert_true(cf_retry_next(&retry, &limited, &rng, &step));
        assert_in_range(step.delay_ms, 17000, 18000);
        high_ms = step.delay_ms > high_ms ? step.delay_ms : high_ms;
    }
    assert_true(high_ms > 17500);
}

static void what_cannot_succeed_is_not_tried_again(void **state)
{
    (void)state;
    const struct { int status; enum cf_verdict verdict; } rows[] = {
        { 400, CF_VERDICT_FAIL_ITEM }, { 401, CF_VERDICT_KEY_OUT }, { 404, CF_VERDICT_STOP_RUN },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct cf_failure failure = { .http_status = rows[i].status, .retry_after_ms = 5000 };
        struct cf_retry retry;
        struct cf_retry_step step;
        cf_retry_init(&retry, &no_jitter);
        assert_false(cf_retry_next(&retry, &failure, NULL, &step));
        assert_int_equal(step.verdict, rows[i].verdict);
        assert_int_equal(step.delay_ms, 0);
    }
}

static void a_key_is_out_when_its_ordered_retries_are_used_up(void **state)
{
    (void)state;
    struct cf_failure failure = { .http_status = 401, .retry_after_ms = -1,
                                  .should_retry = CF_SHOULD_RETRY_YES };
    struct cf_retry retry;
    struct cf_retry_step step;
    cf_retry_init(&retry, &no_jitter);
    assert_true(cf_retry_next(&retry, &failure, NULL, &step));
    assert_true(cf_retry_next(&retry, &failure, NULL, &step));
    assert_false(cf_retry_next(&retry, &failure, NULL, &step));
    assert_int_equal(step.verdict, CF_VERDICT_KEY_OUT);
}

int main(void)
{
    static const struct CMUnitTest plain[] = {
        cmocka_unit_test(the_default_is_three_attempts),
        cmocka_unit_test(jitter_is_added_at_random_within_its_bound),
        cmocka_unit_test(three_attempts_are_two_retries),
        cmocka_unit_test(a_failure_that_is_not_counted_never_is_the_last),
        cmocka_unit_test(waiting_for_a_rate_limit_is_no_attempt),
        cmocka_unit_test(a_rate_limit_that_says_nothing_doubles),
        cmocka_unit_test(a_pause_has_jitter_on_top),
        cmocka_unit_test(what_cannot_succeed_is_not_tried_again),
        cmocka_unit_test(a_key_is_out_when_its_ordered_retries_are_used_up),
    };
    struct CMUnitTest tests[COUNT(plain) + COUNT(check_rows) + COUNT(delay_rows)];
    size_t n = 0;
    for (size_t i = 0; i < COUNT(plain); i++)
        tests[n++] = plain[i];
    for (size_t i = 0; i < COUNT(check_rows); i++)
        tests[n++] = (struct CMUnitTest){ check_rows[i].name, check_policy, NULL, NULL,
                                          &check_rows[i] };
    for (size_t i = 0; i < COUNT(delay_rows); i++)
        tests[n++] = (struct CMUnitTest){ delay_rows[i].name, check_delay, NULL, NULL,
                                          &delay_rows[i] };
    return cmocka_run_group_tests_name("retry_policy", tests, NULL, NULL);
}
