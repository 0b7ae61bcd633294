#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "confab/output_estimate.h"
#include "confab/rng.h"

static void nothing_known_takes_max_tokens(void **state)
{
    (void)state;
    struct cf_output_estimate estimate = { 0 };
    assert_int_equal(cf_output_estimate_get(&estimate, 4096), 4096);
    assert_int_equal(cf_output_estimate_get(&estimate, 0), 1);
    cf_output_estimate_add(&estimate, -5);
    assert_int_equal(cf_output_estimate_get(&estimate, 4096), 4096);
}

static void one_reply_says_about_how_much(void **state)
{
    (void)state;
    struct cf_output_estimate estimate = { 0 };
    cf_output_estimate_add(&estimate, 400);
    assert_in_range(cf_output_estimate_get(&estimate, 4096), 401, 600);
    assert_int_equal(cf_output_estimate_get(&estimate, 300), 300);
}

static void equal_replies_are_predicted_exactly(void **state)
{
    (void)state;
    struct cf_output_estimate estimate = { 0 };
    for (int i = 0; i < 100; i++)
        cf_output_estimate_add(&estimate, 400);
    assert_int_equal(cf_output_estimate_get(&estimate, 4096), 400);
}

static void varying_replies_are_predicted_a_bit_above_the_mean(void **state)
{
    (void)state;
    struct cf_output_estimate estimate = { 0 };
    struct cf_rng rng;
    cf_rng_seed(&rng, 1);
    for (int i = 0; i < 1000; i++)
        cf_output_estimate_add(&estimate, cf_rng_range(&rng, 200, 600));
    assert_in_range(cf_output_estimate_get(&estimate, 4096), 390, 460);
}

static void a_new_length_is_learnt(void **state)
{
    (void)state;
    struct cf_output_estimate estimate = { 0 };
    for (int i = 0; i < 1000; i++)
        cf_output_estimate_add(&estimate, 100);
    for (int i = 0; i < 300; i++)
        cf_output_estimate_add(&estimate, 1000);
    assert_in_range(cf_output_estimate_get(&estimate, 4096), 990, 1050);
}

static void empty_replies_still_take_one(void **state)
{
    (void)state;
    struct cf_output_estimate estimate = { 0 };
    cf_output_estimate_add(&estimate, 0);
    assert_int_equal(cf_output_estimate_get(&estimate, 100), 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_known_takes_max_tokens),
        cmocka_unit_test(one_reply_says_about_how_much),
        cmocka_unit_test(equal_replies_are_predicted_exactly),
        cmocka_unit_test(varying_replies_are_predicted_a_bit_above_the_mean),
        cmocka_unit_test(a_new_length_is_learnt),
        cmocka_unit_test(empty_replies_still_take_one),
    };
    return cmocka_run_group_tests_name("output_estimate", tests, NULL, NULL);
}
