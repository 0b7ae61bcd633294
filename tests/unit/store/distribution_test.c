/* Latencies in bins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "confab/buf.h"
#include "store/distribution.h"

struct row {
    const char *name;
    uint32_t ms[6];
    size_t count;
    const char *edges, *counts;
};

static struct row rows[] = {
    { "none have no bins", { 0 }, 0, "", "" },
    { "one has the bin that it lies in", { 30 }, 1, "20,50", "1" },
    { "an edge belongs to the bin above it", { 19, 20, 49, 50 }, 4, "10,20,50,100", "1,2,1" },
    { "bins between may be empty", { 3, 700 }, 2, "2,5,10,20,50,100,200,500,1000",
      "1,0,0,0,0,0,0,1" },
    { "the least begin at nothing", { 0, 0, 1, 2 }, 4, "0,2,5", "3,1" },
    { "the greatest have a bin", { UINT32_MAX }, 1, "2000000000,5000000000", "1" },
    { "all bins there are have room", { 0, UINT32_MAX }, 2,
      "0,2,5,10,20,50,100,200,500,1000,2000,5000,10000,20000,50000,100000,200000,500000,1000000,"
      "2000000,5000000,10000000,20000000,50000000,100000000,200000000,500000000,1000000000,"
      "2000000000,5000000000",
      "1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1" },
};

static void assert_list(const int64_t *numbers, size_t count, const char *expected)
{
    struct cf_buf text = { .max = 4096 };
    for (size_t i = 0; i < count; i++)
        cf_buf_addf(&text, "%s%lld", i > 0 ? "," : "", (long long)numbers[i]);
    assert_string_equal(cf_buf_str(&text), expected);
    cf_buf_done(&text);
}

static void check_row(void **state)
{
    const struct row *row = *state;
    struct cf_latencies latencies;
    cf_latencies_count(row->ms, row->count, &latencies);
    assert_list(latencies.edges, latencies.bins > 0 ? latencies.bins + 1 : 0, row->edges);
    assert_list(latencies.counts, latencies.bins, row->counts);
}

int main(void)
{
    struct CMUnitTest tests[sizeof rows / sizeof *rows];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        tests[i] = (struct CMUnitTest){ rows[i].name, check_row, NULL, NULL, &rows[i] };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
