/* The files of the published Mustache specification, rendered as it wants: lenient,
 * HTML escaped. */
#include "confab/template.h"

#include "confab/buf.h"
#include "confab/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define PARTIALS_MAX 8
#define FILE_MAX (1u << 20)

static const char *const files[] = { "interpolation", "sections", "inverted", "comments",
                                     "delimiters", "partials", "~inheritance", "~dynamic-names" };

/* NULL if there is no such file. */
static cJSON *read_spec(const char *name)
{
    char path[512];
    FILE *file;

    snprintf(path, sizeof path, TEST_SHARED "/data/mustache_spec/specs/%s.json", name);
    file = fopen(path, "rb");
    if (file == NULL)
        return NULL;

    char *text = malloc(FILE_MAX);
    assert_non_null(text);
    size_t len = fread(text, 1, FILE_MAX, file);
    fclose(file);
    cJSON *tree = cJSON_ParseWithLength(text, len);
    free(text);
    assert_non_null(tree);
    return tree;
}

static const char *text_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    assert_non_null(text);
    return text;
}

static void check_case(const cJSON *test)
{
    struct cf_template_partial partials[PARTIALS_MAX];
    struct cf_template_options options = { .escape_html = true, .partials = partials };
    struct cf_template *tmpl = NULL;
    struct cf_template_cjson scratch;
    struct cf_template_data data;
    struct cf_error err = { 0 };
    struct cf_buf out;
    const char *text = text_of(test, "template");
    const cJSON *partial;

    cJSON_ArrayForEach(partial, cJSON_GetObjectItemCaseSensitive(test, "partials")) {
        assert_true(options.partial_count < PARTIALS_MAX);
        partials[options.partial_count++] = (struct cf_template_partial){
            partial->string, partial->valuestring, strlen(partial->valuestring),
        };
    }
    cf_template_data_cjson(&scratch, cJSON_GetObjectItemCaseSensitive(test, "data"), &data);
    cf_buf_init(&out, FILE_MAX);
    if (!cf_template_compile("spec", text, strlen(text), &options, &tmpl, &err)
        || !cf_template_render(tmpl, &data, &out, &err))
        fail_msg("%s: %s", text_of(test, "name"), err.message);
    if (strcmp(cf_buf_str(&out), text_of(test, "expected")) != 0)
        print_error("in case \"%s\":\n", text_of(test, "name"));
    assert_string_equal(cf_buf_str(&out), text_of(test, "expected"));
    cf_buf_done(&out);
    cf_template_free(tmpl);
}

static void check_file(void **state)
{
    const char *name = *state;
    cJSON *spec = read_spec(name);
    const cJSON *test;

    if (spec == NULL)
        skip();
    cJSON_ArrayForEach(test, cJSON_GetObjectItemCaseSensitive(spec, "tests"))
        check_case(test);
    cJSON_Delete(spec);
}

int main(void)
{
    struct CMUnitTest tests[COUNT(files)];

    for (size_t i = 0; i < COUNT(files); i++)
        tests[i] = (struct CMUnitTest){ .name = files[i], .test_func = check_file,
                                        .initial_state = (void *)(uintptr_t)files[i] };
    return cmocka_run_group_tests_name("mustache_spec", tests, NULL, NULL);
}
