#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "confab/concurrency.h"

struct row {
    const char *name;
    int calls;                      /* of such a latency and such amounts */
    int64_t latency_ms;
    struct cf_amounts used, limits;
    int64_t cap, low, high;         /* wanted */
};

static struct row rows[] = {
    /* name, calls, latency, used, limits, cap, low, high */
    { "before any call a few are wanted", 0, 0, { 1, 0, 0 }, { 50, 0, 0 }, 0, 8, 8 },
    { "the cap holds before any call, too", 0, 0, { 1, 0, 0 }, { 50, 0, 0 }, 3, 3, 3 },
    { "1000 a minute of 6 s are a hundred and some", 9, 6000, { 1, 0, 0 }, { 1000, 0, 0 }, 0,
      105, 115 },
    { "a slow limit needs few", 9, 1000, { 1, 0, 0 }, { 50, 0, 0 }, 0, 2, 4 },
    { "input may be the narrowest", 9, 6000, { 1, 1000, 10 }, { 1000, 100000, 80000 }, 0, 11, 13 },
    { "output may be the narrowest", 9, 6000, { 1, 10, 800 }, { 1000, 100000, 80000 }, 0, 11, 13 },
    { "a set number caps it", 9, 6000, { 1, 0, 0 }, { 1000, 0, 0 }, 64, 64, 64 },
    { "without limits the cap is wanted", 9, 6000, { 1, 0, 0 }, { 0, 0, 0 }, 64, 64, 64 },
    { "calls that take no time need few", 9, 0, { 1, 0, 0 }, { 1000, 0, 0 }, 0, 2, 3 },
    { "nothing below one", 9, 0, { 1, 0, 0 }, { 1, 0, 0 }, 1, 1, 1 },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct cf_concurrency concurrency = { 0 };
    for (int i = 0; i < row->calls; i++)
        cf_concurrency_add(&concurrency, row->latency_ms, &row->used);
    assert_in_range(cf_concurrency_wanted(&concurrency, &row->limits, 60000, row->cap), row->low,
                    row->high);
}

static void latencies_that_vary_need_some_more(void **state)
{
    (void)state;
    const struct cf_amounts one = { .requests = 1 }, limits = { .requests = 1000 };
    struct cf_concurrency even = { 0 }, varying = { 0 };
    for (int i = 0; i < 100; i++) {
        cf_concurrency_add(&even, 6000, &one);
        cf_concurrency_add(&varying, i % 2 ? 2000 : 10000, &one);
        cf_concurrency_add(&varying, -1, &one);
    }
    assert_true(cf_concurrency_wanted(&varying, &limits, 60000, 0) >
                cf_concurrency_wanted(&even, &limits, 60000, 0) * 3 / 2);
}

static void a_new_latency_is_learnt(void **state)
{
    (void)state;
    const struct cf_amounts one = { .requests = 1 }, limits = { .requests = 1000 };
    struct cf_concurrency concurrency = { 0 };
    for (int i = 0; i < 1000; i++)
        cf_concurrency_add(&concurrency, 600, &one);
    for (int i = 0; i < 500; i++)
        cf_concurrency_add(&concurrency, 6000, &one);
    assert_in_range(cf_concurrency_wanted(&concurrency, &limits, 60000, 0), 105, 125);
}

int main(void)
{
    enum { ROWS = sizeof rows / sizeof *rows };
    struct CMUnitTest tests[ROWS + 2];
    for (int i = 0; i < ROWS; i++)
        tests[i] = (struct CMUnitTest){ rows[i].name, check_row, NULL, NULL, &rows[i] };
    tests[ROWS] = (struct CMUnitTest)cmocka_unit_test(latencies_that_vary_need_some_more);
    tests[ROWS + 1] = (struct CMUnitTest)cmocka_unit_test(a_new_latency_is_learnt);
    return cmocka_run_group_tests_name("concurrency", tests, NULL, NULL);
}
