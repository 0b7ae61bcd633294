#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/models.h"

static void models_are_found_by_name_and_alias(void **state)
{
    (void)state;
    struct cf_models *models = cf_models_new();
    struct cf_model *model = cf_models_add(models, "claude-x-1");
    cf_models_add_alias(models, "claude-x", model);
    assert_ptr_equal(cf_models_find(models, "claude-x-1"), model);
    assert_ptr_equal(cf_models_find(models, "claude-x"), model);
    assert_null(cf_models_find(models, "claude"));
    cf_models_free(models);
}

static void a_model_added_again_is_emptied(void **state)
{
    (void)state;
    struct cf_models *models = cf_models_new();
    struct cf_model *model = cf_models_add(models, "m");
    model->limit_class = strdup("old");
    model->is_retired = true;
    assert_ptr_equal(cf_models_add(models, "m"), model);
    assert_string_equal(model->name, "m");
    assert_null(model->limit_class);
    assert_false(model->is_retired);
    cf_models_free(models);
}

static void an_alias_gives_way_to_a_model_and_not_the_other_way_round(void **state)
{
    (void)state;
    struct cf_models *models = cf_models_new();
    struct cf_model *first = cf_models_add(models, "first");
    cf_models_add_alias(models, "name", first);
    struct cf_model *second = cf_models_add(models, "name");
    assert_ptr_not_equal(second, first);
    assert_ptr_equal(cf_models_find(models, "name"), second);
    cf_models_add_alias(models, "name", first);
    assert_ptr_equal(cf_models_find(models, "name"), second);
    cf_models_free(models);
}

static struct row { const char *name, *answered, *priced_as; } rows[] = {
    { "the model that was asked", "claude-x", "claude-x" },
    { "its name with a date", "claude-x-20260115", "claude-x" },
    { "another known model", "claude-y", "claude-y" },
    { "an alias", "claude-latest", "claude-y" },
    { "a name with something else behind it", "claude-x-mini", NULL },
    { "a date too short", "claude-x-2026011", NULL },
    { "a date too long", "claude-x-202601155", NULL },
    { "an unknown model", "gpt", NULL },
    { "no name", "", NULL },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct cf_models *models = cf_models_new();
    const struct cf_model *asked = cf_models_add(models, "claude-x");
    cf_models_add_alias(models, "claude-latest", cf_models_add(models, "claude-y"));
    const struct cf_model *model = cf_models_answered(models, asked, row->answered);
    if (row->priced_as == NULL)
        assert_null(model);
    else
        assert_string_equal(model->name, row->priced_as);
    cf_models_free(models);
}

#define ROWS (sizeof rows / sizeof *rows)

int main(void)
{
    struct CMUnitTest tests[3 + ROWS] = {
        cmocka_unit_test(models_are_found_by_name_and_alias),
        cmocka_unit_test(a_model_added_again_is_emptied),
        cmocka_unit_test(an_alias_gives_way_to_a_model_and_not_the_other_way_round),
    };
    for (size_t i = 0; i < ROWS; i++)
        tests[3 + i] = (struct CMUnitTest){ rows[i].name, check_row, NULL, NULL, &rows[i] };
    return cmocka_run_group_tests_name("models", tests, NULL, NULL);
}
