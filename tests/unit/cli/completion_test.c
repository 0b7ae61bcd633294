/* What a word on the command line is, from the names that the help has for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/command.h"
#include "cli/completion.h"
#include "confab/buf.h"

struct row {
    const char *name, *synopsis;
    size_t index;
    const char *word;    /* NULL: no argument there */
    enum cf_word_kind kind;
    bool repeats;
};

static struct row rows[] = {
    { "a script comes first", "SCRIPT.lua [ARGS...]", 0, "SCRIPT.lua", CF_WORD_SCRIPT, false },
    { "its arguments may be files", "SCRIPT.lua [ARGS...]", 1, "ARGS", CF_WORD_FILE, true },
    { "the last of any number stands for all", "SCRIPT.lua [ARGS...]", 7, "ARGS", CF_WORD_FILE,
      true },
    { "brackets within brackets are left out", "[SCRIPT.lua [ARGS...]]", 0, "SCRIPT.lua",
      CF_WORD_SCRIPT, false },
    { "and behind them, too", "[SCRIPT.lua [ARGS...]]", 1, "ARGS", CF_WORD_FILE, true },
    { "an argument that may be left out is one", "[RUN]", 0, "RUN", CF_WORD_ANY, false },
    { "behind the last there is none", "[RUN]", 1, NULL, CF_WORD_ANY, false },
    { "an option is no argument", "[RUN] -o FILE", 1, NULL, CF_WORD_ANY, false },
    { "none is none", "", 0, NULL, CF_WORD_ANY, false },
    { "any number of one", "[SPEC...]", 3, "SPEC", CF_WORD_ANY, true },
    { "a folder", "DIR", 0, "DIR", CF_WORD_FOLDER, false },
    { "a command", "[COMMAND]", 0, "COMMAND", CF_WORD_COMMAND, false },
    { "choices", "bash|zsh|fish", 0, "bash|zsh|fish", CF_WORD_CHOICE, false },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    const struct cf_command command = { .name = "x", .synopsis = row->synopsis };
    bool repeats = true;
    struct cf_word word = cf_word_of_argument(&command, row->index, &repeats);
    assert_int_equal(word.kind, row->kind);
    assert_int_equal(repeats, row->repeats);
    if (row->word == NULL) {
        assert_null(word.name);
        return;
    }
    assert_int_equal(word.name_len, strlen(row->word));
    assert_memory_equal(word.name, row->word, word.name_len);
}

static void the_value_of_an_option_is_told_by_its_name(void **state)
{
    (void)state;
    struct cf_option option = { .name = "rules", .value = "FILE.lua" };
    assert_int_equal(cf_word_of_option(&option).kind, CF_WORD_SCRIPT);
    option.value = "FILE";
    assert_int_equal(cf_word_of_option(&option).kind, CF_WORD_FILE);
    option.value = "N";
    assert_int_equal(cf_word_of_option(&option).kind, CF_WORD_ANY);
}

static void choices_are_listed_with_spaces(void **state)
{
    (void)state;
    struct cf_option option = { .name = "headers", .value = "on|off" };
    struct cf_word word = cf_word_of_option(&option);
    struct cf_buf text;
    cf_buf_init(&text, 100);
    cf_word_add_choices(&word, &text);
    assert_string_equal(cf_buf_str(&text), "on off");
    cf_buf_done(&text);
}

/* An option of a new command whose value nobody can complete is fine; a name with odd letters is
 * not. */
static void no_name_needs_quoting_in_a_shell(void **state)
{
    (void)state;
    const struct cf_option *option;
    for (const struct cf_command *const *command = cf_commands; *command != NULL; command++) {
        assert_int_equal(strspn((*command)->name, "abcdefghijklmnopqrstuvwxyz-"),
                         strlen((*command)->name));
        for (size_t i = 0; (option = cf_command_option(*command, i)) != NULL; i++)
            assert_int_equal(strspn(option->name, "abcdefghijklmnopqrstuvwxyz-"),
                             strlen(option->name));
    }
}

int main(void)
{
    enum { ROWS = sizeof rows / sizeof *rows };
    struct CMUnitTest tests[ROWS + 3];
    for (size_t i = 0; i < ROWS; i++)
        tests[i] = (struct CMUnitTest){ .name = rows[i].name,
                                        .test_func = check_row,
                                        .initial_state = &rows[i] };
    tests[ROWS] = (struct CMUnitTest)cmocka_unit_test(the_value_of_an_option_is_told_by_its_name);
    tests[ROWS + 1] = (struct CMUnitTest)cmocka_unit_test(choices_are_listed_with_spaces);
    tests[ROWS + 2] = (struct CMUnitTest)cmocka_unit_test(no_name_needs_quoting_in_a_shell);
    return cmocka_run_group_tests_name("completion", tests, NULL, NULL);
}
