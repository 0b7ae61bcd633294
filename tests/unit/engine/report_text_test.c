/* What comes from outside, as it stands in a report. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "confab/buf.h"
#include "engine/report_text.h"

#define ROWS(rows) (sizeof(rows) / sizeof *(rows))

struct row {
    const char *name, *text;
    size_t len;            /* 0: of the string */
    size_t max_chars;      /* 0: far more than there are */
    const char *written;
};

static struct row rows[] = {
    { "plain text stands as it is", "Grüße, 你好 👍", 0, 0, "Grüße, 你好 👍" },
    { "markup is escaped", "<a b=\"c\" d='e'>&amp;", 0, 0,
      "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;amp;" },
    { "lines and tabs stay", "a\n\tb", 0, 0, "a\n\tb" },
    { "a line's end of two bytes is one", "a\r\nb\rc", 0, 0, "a\nb[U+000D]c" },
    { "control characters are spelt out", "\x1b[1m\x07\x7f", 0, 0,
      "[U+001B][1m[U+0007][U+007F]" },
    { "a NUL is one, too", "a\0b", 3, 0, "a[U+0000]b" },
    { "those of C1, too", "\xc2\x85\xc2\x9b", 0, 0, "[U+0085][U+009B]" },
    { "and marks that turn the direction", "a\xe2\x80\xae"
      "b\xe2\x81\xa6", 0, 0, "a[U+202E]b[U+2066]" },
    { "text that runs from the right stays", "שלום", 0, 0, "שלום" },
    { "what is never a character is replaced", "\xef\xbf\xbe\xf0\x9f\xbf\xbf", 0, 0, "��" },
    { "a byte of no character is replaced", "a\xff\xc3(", 0, 0, "a��(" },
    { "a character that is cut is replaced byte by byte", "\xe2\x82", 0, 0, "��" },
    { "a surrogate is none", "\xed\xa0\x80", 0, 0, "���" },
    { "long text is cut between characters", "äöüß", 0, 2, "äö… [2 more]" },
    { "text of just that length is whole", "äö", 0, 2, "äö" },
    { "an empty text is empty", "", 0, 2, "" },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct cf_buf out = { .max = 4096 };
    struct cf_text text = { row->text, row->len > 0 ? row->len : strlen(row->text) };
    cf_report_text(&out, text, row->max_chars > 0 ? row->max_chars : 1000);
    assert_string_equal(cf_buf_str(&out), row->written);
    cf_buf_done(&out);
}

static void a_share_is_never_none_or_all_of_what_is_not(void **state)
{
    static const struct { int64_t part, whole; const char *written; } shares[] = {
        { 0, 1000, "0%" },     { 1, 1000, "&lt;1%" }, { 500, 1000, "50%" },
        { 999, 1000, "99%" },  { 1000, 1000, "100%" }, { 0, 0, "–" },
    };
    (void)state;
    for (size_t i = 0; i < ROWS(shares); i++) {
        struct cf_buf out = { .max = 64 };
        cf_report_share(&out, shares[i].part, shares[i].whole);
        assert_string_equal(cf_buf_str(&out), shares[i].written);
        cf_buf_done(&out);
    }
}

static void numbers_have_two_decimals_at_most(void **state)
{
    static const struct { double value; const char *written; } numbers[] = {
        { 10, "10" }, { 7.456, "7.46" }, { 0.5, "0.5" }, { -1.25, "-1.25" }, { 0.001, "0" },
        { NAN, "–" }, { INFINITY, "–" },
    };
    (void)state;
    for (size_t i = 0; i < ROWS(numbers); i++) {
        struct cf_buf out = { .max = 64 };
        cf_report_number(&out, numbers[i].value);
        assert_string_equal(cf_buf_str(&out), numbers[i].written);
        cf_buf_done(&out);
    }
}

static void a_name_is_cut_and_none_is_empty(void **state)
{
    char name[CF_REPORT_NAME_MAX + 3];
    struct cf_buf out = { .max = 1024 };
    (void)state;
    cf_report_str(&out, NULL);
    assert_string_equal(cf_buf_str(&out), "");
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    cf_report_str(&out, name);
    assert_int_equal(out.len, CF_REPORT_NAME_MAX + strlen("… [2 more]"));
    cf_buf_done(&out);
}

int main(void)
{
    struct CMUnitTest tests[ROWS(rows) + 3] = {
        cmocka_unit_test(a_share_is_never_none_or_all_of_what_is_not),
        cmocka_unit_test(numbers_have_two_decimals_at_most),
        cmocka_unit_test(a_name_is_cut_and_none_is_empty),
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        tests[3 + i] = (struct CMUnitTest){ rows[i].name, check_row, NULL, NULL, &rows[i] };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
