/* Numbers, times and JSON as commands print them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/object.h"
#include "cli/print.h"
#include "confab/buf.h"

struct row {
    const char *name;
    const char *(*format)(int64_t, char *);
    int64_t number;
    const char *text;
};

static struct row rows[] = {
    { "a small number stands as it is", cf_format_count, 7, "7" },
    { "three digits need no comma", cf_format_count, 999, "999" },
    { "thousands have commas", cf_format_count, 1234567, "1,234,567" },
    { "a number that was not told is a dash", cf_format_count, -1, "-" },
    { "short times are in milliseconds", cf_format_duration, 850, "850 ms" },
    { "seconds have a decimal", cf_format_duration, 1250, "1.2 s" },
    { "a time just short of a minute is not one", cf_format_duration, 59999, "59.9 s" },
    { "minutes have seconds", cf_format_duration, 200000, "3 min 20 s" },
    { "hours have minutes", cf_format_duration, 7260000, "2 h 1 min" },
    { "a time that was not told is a dash", cf_format_duration, -1, "-" },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    char out[CF_NUMBER_TEXT_MAX];
    assert_string_equal(row->format(row->number, out), row->text);
}

static void a_time_loses_its_t_and_zone(void **state)
{
    char out[CF_NUMBER_TEXT_MAX];
    (void)state;
    assert_string_equal(cf_format_time("2026-11-24T06:02:03.123Z", out), "2026-11-24 06:02:03");
    assert_string_equal(cf_format_time(NULL, out), "-");
}

static void an_object_holds_what_was_put_in(void **state)
{
    struct cf_buf out;
    (void)state;
    cf_buf_init(&out, CF_OBJECT_MAX);
    cf_object_open(&out, NULL);
    cf_object_open(&out, "inner");
    cf_object_close(&out);
    cf_object_str(&out, "ends in a brace", "{");
    cf_object_str(&out, "none", NULL);
    cf_object_count(&out, "untold", -1);
    cf_object_usd(&out, "cost", 34500000000);
    cf_object_usd(&out, "unknown", -1);
    cf_object_number(&out, "nan", NAN);
    cf_object_bool(&out, "yes", true);
    cf_object_json(&out, "json", (struct cf_text){ "{\"a\":\n1}", 8 });
    cf_object_json(&out, "text", (struct cf_text){ "{a", 2 });
    cf_object_open_list(&out, "list");
    cf_object_open(&out, NULL);
    cf_object_close(&out);
    cf_object_open(&out, NULL);
    cf_object_close(&out);
    cf_object_close_list(&out);
    cf_object_close(&out);
    assert_string_equal(
        cf_buf_str(&out),
        "{\"inner\":{},\"ends in a brace\":\"{\",\"none\":null,\"untold\":null,\"cost\":0.0345,"
        "\"unknown\":null,\"nan\":null,\"yes\":true,\"json\":{\"a\": 1},\"text\":\"{a\","
        "\"list\":[{},{}]}");
    cf_buf_done(&out);
}

int main(void)
{
    enum { COUNT = sizeof rows / sizeof *rows };
    struct CMUnitTest tests[COUNT + 2];
    for (size_t i = 0; i < COUNT; i++)
        tests[i] = (struct CMUnitTest){ .name = rows[i].name,
                                        .test_func = check_row,
                                        .initial_state = &rows[i] };
    tests[COUNT] = (struct CMUnitTest)cmocka_unit_test(a_time_loses_its_t_and_zone);
    tests[COUNT + 1] = (struct CMUnitTest)cmocka_unit_test(an_object_holds_what_was_put_in);
    return cmocka_run_group_tests_name("print", tests, NULL, NULL);
}
