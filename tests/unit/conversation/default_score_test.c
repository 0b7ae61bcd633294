#include "confab/conversation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct row {
    const char *name;
    struct cf_conversation_measure measure;
    int count, length, structure, score;
};

static struct row rows[] = {
    { "nothing gives one all the same",         { 0, 0, 0, false },     0, 0, 0, 1 },
    { "four turns are few",                     { 4, 10, 40, true },    1, 0, 4, 5 },
    { "three are too few",                      { 3, 10, 30, true },    0, 0, 4, 4 },
    { "six turns will do",                      { 6, 19.9, 119, true }, 2, 0, 4, 6 },
    { "eight are best",                         { 8, 20, 160, true },   3, 1, 4, 8 },
    { "so are sixteen",                         { 16, 49.9, 0, true },  3, 1, 4, 8 },
    { "seventeen are many",                     { 17, 50, 0, true },    2, 2, 4, 8 },
    { "twenty will do",                         { 20, 99.9, 0, true },  2, 2, 4, 8 },
    { "twenty-one are too many",                { 21, 100, 0, true },   1, 3, 4, 8 },
    { "turns of 400 characters are best, still", { 10, 400, 0, true },  3, 3, 4, 10 },
    { "beyond they are long",                   { 10, 400.1, 0, true }, 3, 2, 4, 9 },
    { "600 will do",                            { 10, 600, 0, true },   3, 2, 4, 9 },
    { "more are too long",                      { 10, 600.1, 0, true }, 3, 1, 4, 8 },
    { "a turn out of order costs four points",  { 10, 200, 0, false },  3, 3, 0, 6 },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct cf_default_score score;
    cf_default_score(&row->measure, &score);
    assert_int_equal(score.turn_count, row->count);
    assert_int_equal(score.turn_length, row->length);
    assert_int_equal(score.structure, row->structure);
    assert_int_equal(score.score, row->score);
}

static void a_breakdown_names_the_rules(void **state)
{
    (void)state;
    struct cf_conversation_measure measure = { .turn_count = 1, .mean_length = 23.46 };
    struct cf_default_score score;
    char text[CF_DEFAULT_SCORE_TEXT_MAX];
    cf_default_score(&measure, &score);
    cf_default_score_format(&measure, &score, text);
    assert_string_equal(
        text, "[{\"max\":3,\"name\":\"turn count\",\"note\":\"1 turn\",\"points\":0},"
              "{\"max\":3,\"name\":\"turn length\",\"note\":\"23.5 characters on average\","
              "\"points\":1},"
              "{\"max\":4,\"name\":\"structure\",\"points\":0}]");
}

static void the_longest_breakdown_fits(void **state)
{
    (void)state;
    struct cf_conversation_measure measure = { .turn_count = SIZE_MAX, .mean_length = 1.7e308 };
    struct cf_default_score score = { 3, 3, 4, 10 };
    char text[CF_DEFAULT_SCORE_TEXT_MAX];
    cf_default_score_format(&measure, &score, text);
    assert_int_equal(text[strlen(text) - 1], ']');
}

int main(void)
{
    struct CMUnitTest tests[COUNT(rows) + 2] = {
        cmocka_unit_test(a_breakdown_names_the_rules),
        cmocka_unit_test(the_longest_breakdown_fits),
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        tests[i + 2] = (struct CMUnitTest){ .name = rows[i].name, .test_func = check_row,
                                            .initial_state = &rows[i] };
    return cmocka_run_group_tests_name("default score", tests, NULL, NULL);
}
