#include "template/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct row { const char *name, *wanted, *known[4], *best; };

static struct row rows[] = {
    { "a changed letter is near", "persoma", { "topic", "persona" }, "persona" },
    { "a dropped letter is near", "persna", { "topic", "persona" }, "persona" },
    { "an added letter is near", "topicc", { "topic", "persona" }, "topic" },
    { "swapped letters are one edit", "tpoic", { "topic", "pic" }, "topic" },
    { "letter case is no edit", "TOPIC", { "tonic", "topic" }, "topic" },
    { "the nearest of several is taken", "emotion", { "motion", "emotions", "emotio" }, "motion" },
    { "of equally near ones the first is taken", "cat", { "bat", "hat" }, "bat" },
    { "a short name may have one letter wrong", "x", { "y" }, "y" },
    { "what is far is not offered", "weather", { "topic", "persona" }, "" },
    { "a third of the letters is the most", "abcdef", { "abxyzf" }, "" },
    { "nothing known, nothing near", "x", { NULL }, "" },
    { "an empty name is never meant", "x", { "" }, "" },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct cf_nearest nearest;

    cf_nearest_init(&nearest, row->wanted, strlen(row->wanted));
    for (size_t i = 0; i < COUNT(row->known) && row->known[i] != NULL; i++)
        cf_nearest_offer(&nearest, row->known[i], strlen(row->known[i]));
    assert_string_equal(nearest.best, row->best);
}

static void names_of_the_greatest_length_are_compared_and_longer_ones_are_not(void **state)
{
    (void)state;
    char wanted[CF_NEAREST_NAME_MAX + 2];
    char known[CF_NEAREST_NAME_MAX + 2];
    struct cf_nearest nearest;

    memset(wanted, 'a', sizeof wanted);
    memset(known, 'a', sizeof known);
    known[5] = 'b';
    cf_nearest_init(&nearest, wanted, CF_NEAREST_NAME_MAX);
    cf_nearest_offer(&nearest, known, CF_NEAREST_NAME_MAX + 1);
    assert_string_equal(nearest.best, "");
    cf_nearest_offer(&nearest, known, CF_NEAREST_NAME_MAX);
    assert_int_equal(strlen(nearest.best), CF_NEAREST_NAME_MAX);

    cf_nearest_init(&nearest, wanted, CF_NEAREST_NAME_MAX + 1);
    cf_nearest_offer(&nearest, known, CF_NEAREST_NAME_MAX);
    assert_string_equal(nearest.best, "");
}

int main(void)
{
    struct CMUnitTest tests[COUNT(rows) + 1] = {
        cmocka_unit_test(names_of_the_greatest_length_are_compared_and_longer_ones_are_not),
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        tests[i + 1] = (struct CMUnitTest){ .name = rows[i].name, .test_func = check_row,
                                            .initial_state = &rows[i] };
    return cmocka_run_group_tests_name("nearest", tests, NULL, NULL);
}
