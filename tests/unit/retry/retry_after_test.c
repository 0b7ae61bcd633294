#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "confab/clock.h"
#include "confab/error.h"
#include "confab/retry_after.h"
#include "test_json.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define NOW INT64_C(1795521600000)      /* 2026-11-24T12:00:00Z */

static const char *header(const cJSON *headers, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(headers, name));
}

static void recorded_waits_are_read(void **state)
{
    (void)state;
    cJSON *tree = test_json_load("retry/retry_after.json");
    const char *now = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "now"));
    int64_t now_ms;
    assert_true(cf_time_parse(now, strlen(now), &now_ms));

    const cJSON *one;
    int count = 0;
    cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(tree, "cases")) {
        const cJSON *headers = cJSON_GetObjectItemCaseSensitive(one, "headers");
        const cJSON *ms = cJSON_GetObjectItemCaseSensitive(one, "ms");
        int64_t expected = cJSON_IsNull(ms) ? -1 : (int64_t)ms->valuedouble;
        assert_int_equal(cf_retry_after_parse(header(headers, "retry-after-ms"),
                                              header(headers, "retry-after"), NULL, now_ms),
                         expected);
        count++;
    }
    assert_int_equal(count, 9);
    cJSON_Delete(tree);
}

static void recorded_durations_are_read(void **state)
{
    (void)state;
    cJSON *tree = test_json_load("retry/durations.json");
    const cJSON *one;
    int count = 0;
    cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(tree, "cases")) {
        const char *text = cJSON_GetStringValue(cJSON_GetArrayItem(one, 0));
        const cJSON *ms = cJSON_GetArrayItem(one, 1);
        int64_t out = -7;
        bool ok = cf_duration_parse(text, strlen(text), &out);
        if (ok == cJSON_IsNull(ms) || (ok && out != (int64_t)ms->valuedouble) ||
            (!ok && out != -7))
            fail_msg("\"%s\" gave %d, %lld", text, ok, (long long)out);
        count++;
    }
    assert_int_equal(count, 23);
    cJSON_Delete(tree);
}

struct wait_row { const char *name, *retry_after_ms, *retry_after; int64_t ms; };

static struct wait_row wait_rows[] = {
    { "nothing said is nothing", NULL, NULL, -1 },
    { "zero is zero", NULL, "0", 0 },
    { "spaces around do not matter", NULL, " \t17 ", 17000 },
    { "spaces within do", NULL, "1 7", -1 },
    { "fractions of a ms round up", "0.2", NULL, 1 },
    { "tiny fractions round up too", NULL, "0.00000000000001", 1 },
    { "whole seconds in decimals stay whole", NULL, "2.0000000000000000", 2000 },
    { "bad milliseconds leave the seconds", "soon", "3", 3000 },
    { "a sign is no wait", NULL, "+5", -1 },
    { "an exponent is no wait", NULL, "1e3", -1 },
    { "a lone point is no wait", NULL, ".", -1 },
    { "hexadecimal is no wait", NULL, "0x10", -1 },
    { "infinity is no wait", NULL, "inf", -1 },
    { "empty is no wait", NULL, "", -1 },
    { "more than a year is cut", NULL, "99999999999999999999999999", CF_WAIT_MAX_MS },
    { "more than a year of ms is cut", "99999999999999999999999999", NULL, CF_WAIT_MAX_MS },
    { "a date more than a year ahead is cut", NULL, "Fri, 24 Nov 2028 12:00:00 GMT",
      CF_WAIT_MAX_MS },
    { "a date is a wait", NULL, "Tue, 24 Nov 2026 12:00:01 GMT", 1000 },
    { "a date of the old long form", NULL, "Tuesday, 24-Nov-26 12:00:02 GMT", 2000 },
    { "a date of the oldest form", NULL, "Tue Nov 24 12:00:03 2026", 3000 },
    { "a date of the oldest form with one digit", NULL, "Tue Dec  1 12:00:00 2026", 604800000 },
    { "a date now is no time to wait", NULL, "Tue, 24 Nov 2026 12:00:00 GMT", 0 },
    { "a date in another zone is none", NULL, "Tue, 24 Nov 2026 12:00:00 CET", -1 },
    { "a date that is not in the calendar is none", NULL, "Mon, 30 Feb 2026 12:00:00 GMT", -1 },
    { "a month of another language is none", NULL, "Di, 24 Okt 2026 12:00:00 GMT", -1 },
    { "25 o'clock is none", NULL, "Tue, 24 Nov 2026 25:00:00 GMT", -1 },
    { "a date with more behind it is none", NULL, "Tue, 24 Nov 2026 12:00:00 GMT x", -1 },
    { "half a date is none", NULL, "Tue, 24 Nov", -1 },
    { "a leap second is a time", NULL, "Tue, 24 Nov 2026 12:00:60 GMT", 60000 },
};

static void check_wait(void **state)
{
    const struct wait_row *row = *state;
    assert_int_equal(cf_retry_after_parse(row->retry_after_ms, row->retry_after, NULL, NOW),
                     row->ms);
}

static void a_date_is_measured_by_the_clock_of_the_reply(void **state)
{
    (void)state;
    const char *until = "Tue, 24 Nov 2026 12:00:30 GMT", *sent = "Tue, 24 Nov 2026 12:00:10 GMT";
    for (int64_t hours = -30; hours <= 30; hours += 30)      /* by which our clock is wrong */
        assert_int_equal(cf_retry_after_parse(NULL, until, sent, NOW + hours * 3600 * 1000), 20000);
    assert_int_equal(cf_retry_after_parse(NULL, until, until, NOW), 0);
    assert_int_equal(cf_retry_after_parse(NULL, until, "yesterday", NOW), 30000);
    assert_int_equal(cf_retry_after_parse(NULL, "7", sent, NOW), 7000);
}

struct duration_row { const char *name, *text; int64_t ms; };    /* ms -1: none */

static struct duration_row duration_rows[] = {
    { "nanoseconds round up", "1ns", 1 },
    { "a Greek mu", "1500\xce\xbcs", 2 },
    { "all units together", "1d1h1m1s1ms", 90061001 },
    { "a bare number may not follow a unit", "1m30", -1 },
    { "a unit without a number", "s", -1 },
    { "two points", "1.2.3s", -1 },
    { "an unknown unit", "3w", -1 },
    { "a unix time is no duration", "1795521600", -1 },
    { "a unix time in ms is none either", "1795521600000", -1 },
    { "nine digits are seconds, cut to a year", "999999999", CF_WAIT_MAX_MS },
    { "more than a year is cut", "5000d5000d", CF_WAIT_MAX_MS },
    { "spaces only", "  ", -1 },
    { "half a micro sign", "5\xc2", -1 },
};

static void check_duration(void **state)
{
    const struct duration_row *row = *state;
    int64_t ms = -1;
    assert_int_equal(cf_duration_parse(row->text, strlen(row->text), &ms), row->ms != -1);
    assert_int_equal(ms, row->ms);
}

int main(void)
{
    static const struct CMUnitTest plain[] = {
        cmocka_unit_test(recorded_waits_are_read),
        cmocka_unit_test(recorded_durations_are_read),
        cmocka_unit_test(a_date_is_measured_by_the_clock_of_the_reply),
    };
    struct CMUnitTest tests[COUNT(plain) + COUNT(wait_rows) + COUNT(duration_rows)];
    size_t n = 0;
    for (size_t i = 0; i < COUNT(plain); i++)
        tests[n++] = plain[i];
    for (size_t i = 0; i < COUNT(wait_rows); i++)
        tests[n++] = (struct CMUnitTest){ wait_rows[i].name, check_wait, NULL, NULL,
                                          &wait_rows[i] };
    for (size_t i = 0; i < COUNT(duration_rows); i++)
        tests[n++] = (struct CMUnitTest){ duration_rows[i].name, check_duration, NULL, NULL,
                                          &duration_rows[i] };
    return cmocka_run_group_tests_name("retry_after", tests, NULL, NULL);
}
