#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int saved_stderr, pipe_ends[2];

static int catch_stderr(void **state)
{
    (void)state;
    fflush(stderr);
    saved_stderr = dup(STDERR_FILENO);
    return pipe(pipe_ends) != 0 || dup2(pipe_ends[1], STDERR_FILENO) < 0;
}

static int release_stderr(void **state)
{
    (void)state;
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    cf_log_set_level(CF_LOG_INFO);
    cf_log_set_display(NULL, NULL, NULL);
    return 0;
}

static const char *caught(void)
{
    static char text[65536];
    ssize_t len = read(pipe_ends[0], text, sizeof text - 1);
    text[len > 0 ? len : 0] = '\0';
    return text;
}

static void test_levels_have_prefixes(void **state)
{
    (void)state;
    cf_log(CF_LOG_ERROR, "e%d", 1);
    cf_log(CF_LOG_WARN, "w");
    cf_log(CF_LOG_INFO, "i");
    cf_log(CF_LOG_DEBUG, "d");
    assert_string_equal(caught(), "error: e1\nwarning: w\ni\n");
}

static void test_a_secret_never_appears(void **state)
{
    (void)state;
    cf_secret_add("sk-ant-secret-0001");
    cf_secret_add("sk-ant-secret-0001");
    cf_secret_add("abc");                     /* too short to be one: "abc" stays readable */
    cf_log(CF_LOG_INFO, "key sk-ant-secret-0001, sk-ant-secret-0001abc");
    assert_string_equal(caught(), "key [redacted], [redacted]abc\n");

    char text[] = "xsk-ant-secret-0001";
    cf_redact(text);
    assert_string_equal(text, "x[redacted]");
}

static void test_control_characters_are_cleaned_and_long_lines_cut(void **state)
{
    (void)state;
    cf_log(CF_LOG_INFO, "a\033[31mb\rc");
    assert_string_equal(caught(), "a?[31mb?c\n");

    static char big[20000];
    memset(big, 'x', sizeof big - 1);
    cf_log(CF_LOG_INFO, "%s", big);
    assert_int_equal(strlen(caught()), 8192 + 1);
}

static void say_hide(void *self) { assert_int_equal(write(STDERR_FILENO, "<", 1), 1); (void)self; }
static void say_show(void *self) { assert_int_equal(write(STDERR_FILENO, ">", 1), 1); (void)self; }

static void test_a_display_steps_aside_for_a_line(void **state)
{
    (void)state;
    cf_log_set_display(say_hide, say_show, NULL);
    cf_log(CF_LOG_INFO, "line");
    assert_string_equal(caught(), "<line\n>");
}

int main(void)
{
#define ROW(name, function) { name, function, catch_stderr, release_stderr, NULL }
    const struct CMUnitTest tests[] = {
        ROW("levels have prefixes", test_levels_have_prefixes),
        ROW("a secret never appears", test_a_secret_never_appears),
        ROW("control characters are cleaned and long lines cut",
            test_control_characters_are_cleaned_and_long_lines_cut),
        ROW("a display steps aside for a line", test_a_display_steps_aside_for_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
