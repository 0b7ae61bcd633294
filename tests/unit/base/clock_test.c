#include "confab/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct row {
    const char *name, *text;
    bool    ok;
    int64_t unix_ms;
} rows[] = {
    { "UTC",                      "2026-11-23T12:00:01Z",            true,  1795435201000 },
    { "fractions to milliseconds", "2026-11-23T12:01:05.250Z",       true,  1795435265250 },
    { "more digits are cut",      "2026-11-23T12:01:05.2509999Z",    true,  1795435265250 },
    { "a numeric offset",         "2026-11-23T13:00:07+01:00",       true,  1795435207000 },
    { "a negative offset",        "2026-11-23T11:30:07-00:30",       true,  1795435207000 },
    { "before 1970",              "1969-12-31T23:59:59Z",            true,  -1000 },
    { "a leap day",               "2024-02-29T00:00:00Z",            true,  1709164800000 },
    { "no leap day",              "2025-02-29T00:00:00Z",            false, 0 },
    { "month 13",                 "2026-13-01T00:00:00Z",            false, 0 },
    { "hour 24",                  "2026-11-23T24:00:00Z",            false, 0 },
    { "no zone",                  "2026-11-23T12:00:01",             false, 0 },
    { "an empty fraction",        "2026-11-23T12:00:01.Z",           false, 0 },
    { "something behind",         "2026-11-23T12:00:01Z ",           false, 0 },
    { "an HTTP date",             "Mon, 23 Nov 2026 12:00:30 GMT",   false, 0 },
    { "nothing",                  "",                                false, 0 },
};

static void test_row(void **state)
{
    const struct row *row = *state;
    int64_t unix_ms = 77;
    assert_int_equal(cf_time_parse(row->text, strlen(row->text), &unix_ms), row->ok);
    assert_int_equal(unix_ms, row->ok ? row->unix_ms : 77);
}

static void test_format_reads_back(void **state)
{
    (void)state;
    const int64_t times[] = { 0, 1, 999, 1795435265250, 1709164800000, -1, -86400001 };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        char text[CF_TIME_TEXT_MAX];
        int64_t again = 0;
        cf_time_format(times[i], text);
        assert_true(cf_time_parse(text, strlen(text), &again));
        assert_int_equal(again, times[i]);
    }
    char text[CF_TIME_TEXT_MAX];
    cf_time_format(1795435265250, text);
    assert_string_equal(text, "2026-11-23T12:01:05.250Z");
}

static void test_an_absurd_time_is_still_a_text(void **state)
{
    (void)state;
    char text[CF_TIME_TEXT_MAX];
    cf_time_format(INT64_MAX, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
}

static void test_the_system_clock_does_not_go_back(void **state)
{
    (void)state;
    int64_t before = cf_now_ms(cf_clock_system());
    assert_true(cf_now_ms(cf_clock_system()) >= before);
    assert_true(cf_unix_ms(cf_clock_system()) > 1577836800000);     /* 2020 */
}

int main(void)
{
    struct CMUnitTest tests[sizeof rows / sizeof *rows + 3];
    size_t count = 0;
    for (; count < sizeof rows / sizeof *rows; count++)
        tests[count] = (struct CMUnitTest){ rows[count].name, test_row, NULL, NULL, &rows[count] };
    tests[count++] =
        (struct CMUnitTest){ "format reads back", test_format_reads_back, NULL, NULL, NULL };
    tests[count++] = (struct CMUnitTest){ "an absurd time is still a text",
                                          test_an_absurd_time_is_still_a_text, NULL, NULL, NULL };
    tests[count++] =
        (struct CMUnitTest){ "the system clock does not go back",
                             test_the_system_clock_does_not_go_back, NULL, NULL, NULL };
    return _cmocka_run_group_tests("clock", tests, count, NULL, NULL);
}
