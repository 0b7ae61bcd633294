/* Lines of a .env file, as lua/confab/settings.lua reads them too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/env.h"

struct row {
    const char *name, *line, *value;
}; /* value of CONFAB_T; NULL: none */

static struct row rows[] = {
    { "a plain value is taken", "CONFAB_T=abc\n", "abc" },
    { "space around the equals sign does not count", "  CONFAB_T =  abc  \r\n", "abc" },
    { "export before it does not count", "export CONFAB_T=abc\n", "abc" },
    { "double quotes are taken off", "CONFAB_T=\"a b # c\"\n", "a b # c" },
    { "single quotes too", "CONFAB_T='a b'\n", "a b" },
    { "a comment behind the quotes is no part of the value", "CONFAB_T='a b'  # why\n", "a b" },
    { "a byte order mark before the name is skipped", "\xEF\xBB\xBF" "CONFAB_T=abc\n", "abc" },
    { "a comment behind a space is cut off", "CONFAB_T=abc  # a key\n", "abc" },
    { "a hash inside a value stays", "CONFAB_T=ab#c\n", "ab#c" },
    { "an empty value is none", "CONFAB_T=\n", NULL },
    { "a comment line is skipped", "# CONFAB_T=abc\n", NULL },
    { "a line without an equals sign is skipped", "CONFAB_T abc\n", NULL },
    { "another name is another name", "CONFAB_TT=abc\n", NULL },
    { "the last line of a name counts", "CONFAB_T=a\nCONFAB_T=b\n", "b" },
    { "a last line without its end is read", "X=1\nCONFAB_T=abc", "abc" },
};

static void load(struct cf_env *env, const char *text)
{
    char path[] = "/tmp/confab-env-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    fputs(text, file);
    fclose(file);
    cf_env_load(env, path);
    unlink(path);
}

static void check_row(void **state)
{
    const struct row *row = *state;
    struct cf_env env;
    load(&env, row->line);
    if (row->value == NULL)
        assert_null(cf_env_get(&env, "CONFAB_T"));
    else
        assert_string_equal(cf_env_get(&env, "CONFAB_T"), row->value);
    cf_env_done(&env);
}

static void the_environment_comes_before_the_file(void **state)
{
    struct cf_env env;
    (void)state;
    load(&env, "CONFAB_T=file\n");
    assert_true(cf_env_is_from_file(&env, "CONFAB_T"));
    setenv("CONFAB_T", "environment", 1);
    assert_string_equal(cf_env_get(&env, "CONFAB_T"), "environment");
    assert_false(cf_env_is_from_file(&env, "CONFAB_T"));
    setenv("CONFAB_T", "", 1);
    assert_string_equal(cf_env_get(&env, "CONFAB_T"), "file");
    unsetenv("CONFAB_T");
    cf_env_done(&env);
}

static void a_missing_file_is_empty(void **state)
{
    struct cf_env env;
    (void)state;
    cf_env_load(&env, "/nonexistent/.env");
    assert_null(cf_env_get(&env, "CONFAB_T"));
    cf_env_done(&env);
}

int main(void)
{
    enum { COUNT = sizeof rows / sizeof *rows };
    struct CMUnitTest tests[COUNT + 2];
    unsetenv("CONFAB_T");
    for (size_t i = 0; i < COUNT; i++)
        tests[i] = (struct CMUnitTest){ .name = rows[i].name,
                                        .test_func = check_row,
                                        .initial_state = &rows[i] };
    tests[COUNT] = (struct CMUnitTest)cmocka_unit_test(the_environment_comes_before_the_file);
    tests[COUNT + 1] = (struct CMUnitTest)cmocka_unit_test(a_missing_file_is_empty);
    return cmocka_run_group_tests_name("env", tests, NULL, NULL);
}
