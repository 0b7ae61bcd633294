/* Filters as people type them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "confab/error.h"
#include "engine/where.h"

struct row {
    const char *name, *text;
    const char *run, *tier, *tag, *persona, *statuses; /* statuses joined by '|' */
    double min_score;
    const char *error; /* NULL: it is read */
};

static struct row rows[] = {
    { .name = "an empty text is no condition", .text = "" },
    { .name = "and so is white space", .text = "  " },
    { .name = "every field is read",
      .text = "run=v1,tier=edge_case,tag=judge,persona=Ann,status=approved,min_score=6.5",
      .run = "v1",
      .tier = "edge_case",
      .tag = "judge",
      .persona = "Ann",
      .statuses = "approved",
      .min_score = 6.5 },
    { .name = "white space around names and values does not count",
      .text = " tier = a b , tag= x ",
      .tier = "a b",
      .tag = "x" },
    { .name = "several statuses are joined by bars",
      .text = "status=approved|generated",
      .statuses = "approved|generated" },
    { .name = "or given one after the other",
      .text = "status=approved,status=rejected,status=approved",
      .statuses = "approved|rejected" },
    { .name = "a comma in a value is escaped",
      .text = "persona=Ann\\, 34,tag=x",
      .persona = "Ann, 34",
      .tag = "x" },
    { .name = "a backslash too", .text = "persona=a\\\\,tag=x", .persona = "a\\", .tag = "x" },
    { .name = "an equals sign in a value is text", .text = "tag=a=b", .tag = "a=b" },
    { .name = "0 is a score", .text = "min_score=0" },
    { .name = "a misspelt field names the nearest",
      .text = "statu=approved",
      .error = "where: unknown field \"statu\"; did you mean \"status\"?" },
    { .name = "a field far from any lists them",
      .text = "colour=red",
      .error =
          "where: unknown field \"colour\"; known are run, status, min_score, tier, tag, persona" },
    { .name = "a misspelt status names the nearest",
      .text = "status=aproved",
      .error = "where: unknown status \"aproved\"; did you mean \"approved\"?" },
    { .name = "a pair needs an equals sign",
      .text = "approved",
      .error = "where: \"approved\" is not of the form FIELD=VALUE" },
    { .name = "a value may not be empty",
      .text = "tier=,tag=x",
      .error = "where: tier has no value" },
    { .name = "a comma at the end stands before nothing",
      .text = "tier=x,",
      .error = "where: \"\" is not of the form FIELD=VALUE" },
    { .name = "a field is given once",
      .text = "tag=a,tag=b",
      .error = "where: tag is given twice" },
    { .name = "a score is a number",
      .text = "min_score=good",
      .error = "where: min_score must be a number from 0 to 10, not \"good\"" },
    { .name = "a score is at most 10",
      .text = "min_score=11",
      .error = "where: min_score must be a number from 0 to 10, not \"11\"" },
    { .name = "a score is no NaN",
      .text = "min_score=nan",
      .error = "where: min_score must be a number from 0 to 10, not \"nan\"" },
};

static void assert_same(const char *got, const char *expected)
{
    if (expected == NULL)
        assert_null(got);
    else
        assert_string_equal(got, expected);
}

static void check_row(void **state)
{
    const struct row *row = *state;
    struct cf_where where = { .text = NULL };
    struct cf_error err = { .kind = CF_OK };
    bool ok = cf_where_parse(row->text, &where, &err);
    if (row->error != NULL) {
        assert_false(ok);
        assert_int_equal(err.kind, CF_ERR_CONFIG);
        assert_string_equal(err.message, row->error);
        assert_null(where.text);
        return;
    }
    assert_true(ok);
    assert_same(where.run, row->run);
    assert_same(where.tier, row->tier);
    assert_same(where.tag, row->tag);
    assert_same(where.persona, row->persona);
    assert_true(where.min_score == row->min_score);

    char statuses[128] = "";
    for (size_t i = 0; i < where.status_count; i++) {
        strncat(statuses, i > 0 ? "|" : "", sizeof statuses - strlen(statuses) - 1);
        strncat(statuses, where.statuses[i], sizeof statuses - strlen(statuses) - 1);
    }
    assert_string_equal(statuses, row->statuses != NULL ? row->statuses : "");
    cf_where_done(&where);
}

int main(void)
{
    enum { COUNT = sizeof rows / sizeof *rows };
    struct CMUnitTest tests[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        tests[i] = (struct CMUnitTest){ .name = rows[i].name,
                                        .test_func = check_row,
                                        .initial_state = &rows[i] };
    return cmocka_run_group_tests_name("where", tests, NULL, NULL);
}
