#include "provider/clean.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"

struct row { const char *name, *text; size_t size; const char *cleaned; };

static struct row rows[] = {
    { "plain text stays", "Overloaded", 32, "Overloaded" },
    { "white space is folded and trimmed", " \r\n a \t\n b  ", 32, "a b" },
    { "control characters become question marks", "a\x1b[31mb\x07", 32, "a?[31mb?" },
    { "C1 control characters too", "a\xc2\x9b" "b", 32, "a??b" },
    { "invalid bytes become question marks", "\xff\xc3_\xe2\x82", 32, "??_??" },
    { "other scripts stay", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", 32,
      "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80" },
    { "what just fits is whole", "1234567", 8, "1234567" },
    { "what does not fit says so", "12345678", 8, "1234..." },
    { "a cut does not halve a character", "123\xe2\x82\xac" "5678", 8, "123..." },
    { "a registered secret is not shown", "key sk-test-0001 is bad", 64, "key [redacted] is bad" },
};

static void cleans(void **state)
{
    const struct row *row = *state;
    char out[64];
    clean_text(row->text, strlen(row->text), out, row->size);
    assert_string_equal(out, row->cleaned);
}

static void describes_what_a_body_is(void **state)
{
    (void)state;
    char out[256];
    describe_body(" \n", 2, "odd", out, sizeof out);
    assert_string_equal(out, "the reply is empty");
    describe_body("", 0, "odd", out, sizeof out);
    assert_string_equal(out, "the reply is empty");
    describe_body("\n<!DOCTYPE html>\n<p>x", 21, "odd", out, sizeof out);
    assert_string_equal(out, "the reply is an HTML page: <!DOCTYPE html> <p>x");
    describe_body("upstream error", 14, "odd", out, sizeof out);
    assert_string_equal(out, "odd, it begins with: upstream error");
}

int main(void)
{
    enum { ROWS = sizeof rows / sizeof rows[0] };
    struct CMUnitTest tests[ROWS + 1] = { 0 };

    cf_secret_add("sk-test-0001");
    for (size_t i = 0; i < ROWS; i++)
        tests[i] = (struct CMUnitTest){ .name = rows[i].name, .test_func = cleans,
                                        .initial_state = &rows[i] };
    tests[ROWS] = (struct CMUnitTest)cmocka_unit_test(describes_what_a_body_is);
    return cmocka_run_group_tests_name("clean", tests, NULL, NULL);
}
