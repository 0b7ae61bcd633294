/* Token estimates: corrected by what replies say, with the error that is left. */
#include "confab/calibration.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct sample { int64_t estimated, actual; };

struct row {
    const char *name;
    struct sample samples[4];
    int64_t estimated, corrected;
    double error;
};

static struct row rows[] = {
    { "while nothing is known the estimate stands", { { 0 } }, 100, 100, 0.3 },
    { "one reply corrects it, the error stays a guess", { { 100, 150 } }, 200, 300, 0.3 },
    { "equal ratios leave no error", { { 100, 150 }, { 10, 15 } }, 1000, 1500, 0 },
    { "ratios that differ leave their spread", { { 100, 100 }, { 100, 200 } }, 100, 150, 1 / 3.0 },
    { "what has no usage says nothing", { { 100, 0 }, { 0, 7 }, { 100, -1 } }, 100, 100, 0.3 },
    { "something is never corrected to nothing", { { 1000, 1 }, { 1000, 1 } }, 3, 1, 0 },
    { "nothing stays nothing", { { 100, 150 } }, 0, 0, 0.3 },
    { "what is too large stays in range",
      { { 1, INT64_C(1) << 31 } },
      INT64_MAX / 2,
      INT64_MAX,
      0.3 },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct cf_calibration calibration = { 0 };
    for (size_t i = 0; i < sizeof row->samples / sizeof *row->samples; i++)
        cf_calibration_add(&calibration, row->samples[i].estimated, row->samples[i].actual);
    assert_int_equal(cf_calibration_apply(&calibration, row->estimated), row->corrected);
    assert_true(fabs(cf_calibration_error(&calibration) - row->error) < 1e-9);
}

static void late_replies_count_more_than_old_ones(void **state)
{
    (void)state;
    struct cf_calibration calibration = { 0 };
    for (int i = 0; i < 1000; i++)
        cf_calibration_add(&calibration, 100, 100);
    for (int i = 0; i < 1000; i++)
        cf_calibration_add(&calibration, 100, 200);
    assert_int_equal(calibration.count, 2000);
    assert_true(calibration.ratio > 1.99 && calibration.ratio <= 2);
    assert_true(cf_calibration_error(&calibration) < 0.05);
}

int main(void)
{
    enum { ROWS = sizeof rows / sizeof *rows };
    struct CMUnitTest tests[ROWS + 1] = { [ROWS] = cmocka_unit_test(
                                              late_replies_count_more_than_old_ones) };
    for (size_t i = 0; i < ROWS; i++)
        tests[i] = (struct CMUnitTest){ .name = rows[i].name,
                                        .test_func = check_row,
                                        .initial_state = &rows[i] };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
