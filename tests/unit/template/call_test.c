/* Functions among the data: texts in JSON that say what the function does.
 *   "fn:text"  gives template text      "fn=text"  gives text as it is
 *   "fn*"      gives the body twice, rendered to a buffer of its own
 *   "fn!text"  fails */
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
#define TEXT_MAX (1u << 22)
#define OTHERS 4    /* tests that are no rows */

struct source {
    struct cf_template_cjson scratch;    /* first: the functions of cJSON data get it as self */
    struct cf_template_data json;
};

static enum cf_value_kind kind(void *self, struct cf_value value)
{
    struct source *source = self;
    const char *text = cJSON_GetStringValue(value.pointer);

    return text != NULL && strncmp(text, "fn", 2) == 0 ? CF_VALUE_FUNCTION
                                                       : source->json.kind(self, value);
}

static bool give(struct cf_template_call *call, const char *text, size_t len, struct cf_buf *out,
                 struct cf_error *err)
{
    struct cf_template_piece *piece = NULL;
    bool ok = cf_template_call_compile(call, text, len, &piece, err)
           && cf_template_call_render(call, piece, out, err);

    cf_template_piece_free(piece);
    return ok;
}

static bool call_function(void *self, struct cf_value function, struct cf_template_call *call,
                          struct cf_error *err)
{
    const char *what = cJSON_GetStringValue(function.pointer) + 2;
    struct cf_buf body;
    struct cf_buf out;
    bool ok = true;

    (void)self;
    switch (*what++) {
    case ':':
        if (cf_template_call_is_section(call))
            return give(call, what, strlen(what), NULL, err);
        cf_buf_init(&out, TEXT_MAX);
        ok = give(call, what, strlen(what), &out, err);
        cf_template_call_add(call, cf_buf_str(&out), out.len);
        cf_buf_done(&out);
        return ok;
    case '=':
        cf_template_call_add(call, what, strlen(what));
        return true;
    case '*':
        cf_buf_init(&body, TEXT_MAX);
        cf_buf_init(&out, TEXT_MAX);
        cf_template_call_body(call, &body);
        ok = give(call, cf_buf_str(&body), body.len, &out, err)
          && give(call, cf_buf_str(&body), body.len, &out, err);
        cf_template_call_add(call, cf_buf_str(&out), out.len);
        cf_buf_done(&body);
        cf_buf_done(&out);
        return ok;
    default:
        return cf_template_call_fail(call, err, what);
    }
}

static bool render(const char *text, const char *json, const struct cf_template_options *options,
                   struct cf_buf *out, struct cf_error *err)
{
    cJSON *tree = cJSON_Parse(json);
    struct cf_template *tmpl = NULL;
    struct source source;
    struct cf_template_data data;

    assert_non_null(tree);
    cf_template_data_cjson(&source.scratch, tree, &source.json);
    data = source.json;
    data.self = &source;
    data.kind = kind;
    data.call = call_function;
    data.around.pointer = cJSON_GetObjectItem(tree, "around");
    data.has_around = data.around.pointer != NULL;
    bool ok = cf_template_compile("t", text, strlen(text), options, &tmpl, err)
           && cf_template_render(tmpl, &data, out, err);
    cf_template_free(tmpl);
    cJSON_Delete(tree);
    return ok;
}

struct row { const char *name, *text, *json, *expected, *message; };

static struct row rows[] = {
    { "what a function gives for a variable is template text", "<{{f}}>",
      "{\"f\":\"fn:{{n}}{{#l}}{{.}}{{/l}}\",\"n\":\"{{x}}\",\"l\":[1,2]}", "<{{x}}12>", NULL },
    { "what it gives for a section takes its place", "<{{#f}}body{{/f}}>",
      "{\"f\":\"fn:{{n}}\",\"n\":1}", "<1>", NULL },
    { "it may give text as it is", "{{f}}{{#f}}x{{/f}}", "{\"f\":\"fn={{n}}\"}", "{{n}}{{n}}",
      NULL },
    { "it may render the body to a text of its own", "<{{#f}}{{n}}, {{/f}}>",
      "{\"f\":\"fn*\",\"n\":1}", "<1, 1, >", NULL },
    { "it is true", "{{^f}}no{{/f}}yes", "{\"f\":\"fn=x\"}", "yes", NULL },
    { "it sees the values around it", "{{#l}}{{f}}{{/l}}",
      "{\"l\":[{\"n\":1},{\"n\":2}],\"f\":\"fn:{{n}}\"}", "12", NULL },
    { "an entry of a list may be one", "{{#l}}{{.}}{{#.}}b{{/.}}{{/l}}",
      "{\"l\":[\"fn:{{n}}\",\"fn=2\"],\"n\":1}",
      "11"
      "22",
      NULL },
    { "functions may call functions", "{{f}}", "{\"f\":\"fn:[{{g}}]\",\"g\":\"fn:{{h}}\",\"h\":1}",
      "[1]", NULL },
    { "what it gives may use partials", "{{f}}", "{\"f\":\"fn:a{{>p}}\"}", "aP", NULL },
    { "what it gives may fill blocks", "{{f}}", "{\"f\":\"fn:{{<b}}{{$x}}1{{/x}}{{/b}}\"}", "[1]",
      NULL },
    { "blocks in what it gives can be filled", "{{<c}}{{$x}}2{{/x}}{{/c}}",
      "{\"f\":\"fn:{{$x}}1{{/x}}\"}", "2", NULL },
    { "the delimiters of its section hold, for a variable the usual ones",
      "{{=<% %>=}}<%#f%>x<%/f%><%f%>", "{\"f\":\"fn:<%n%>{{n}}\",\"n\":1}", "1{{n}}<%n%>1", NULL },
    { "it sees set delimiters of what it gave only there", "{{#f}}{{/f}}{{n}}",
      "{\"f\":\"fn:{{=| |=}}|n|{{n}}\",\"n\":1}", "1{{n}}1", NULL },
    { "lines of a section are indented", "  {{>lines}}\nend", "{\"f\":\"fn*\",\"n\":1}",
      "  a\n  a\nend", NULL },
    { "lines that it gives are indented", "  {{>lines}}\nend", "{\"f\":\"fn:x\\n\\ny\\n\"}",
      "  x\n\n  y\nend", NULL },
    { "in a line they are not, but the next ones are", "  {{>line}}\nend",
      "{\"f\":\"fn:x\\ny\\n\"}", "  - x\n  y\nend", NULL },
    { "lines of a value are never indented", "  {{>value}}\nend", "{\"f\":\"fn:x\\ny\"}",
      "  - x\ny\nend", NULL },
    { "the indentation of its block is not in the body",
      "{{<b}}{{$x}}\n    {{#f}}\n    a\n      b\n    {{/f}}\n{{/x}}{{/b}}", "{\"f\":\"fn*\"}",
      "[a\n  b\na\n  b\n]", NULL },
    { "names that the root lacks are looked up around it", "{{a}}{{#m}}{{b}}{{/m}}",
      "{\"around\":{\"a\":1,\"b\":2},\"b\":3,\"m\":{}}", "13", NULL },
    { "a function that fails says where", "a\n{{f}}", "{\"f\":\"fn!is no good\"}", NULL,
      "template t, line 2, column 1: \"f\" is no good" },
    { "a mistake in what it gave has both places", "a\n{{f}}", "{\"f\":\"fn:{{#l}}\"}", NULL,
      "template t, line 2, column 1: what \"f\" gave, line 1, column 1: \"l\" is opened but not "
      "closed" },
    { "so has a missing value", " {{#f}}{{/f}}", "{\"f\":\"fn:a\\n{{m}}\"}", NULL,
      "template t, line 1, column 2: what \"f\" gave, line 2, column 1: no value for \"m\"; did "
      "you "
      "mean \"f\"?" },
    { "of functions within functions the first and the last place are told", "{{f}}",
      "{\"f\":\"fn: {{g}}\",\"g\":\"fn:  {{h}}\",\"h\":\"fn:{{>x}}\"}", NULL,
      "template t, line 1, column 1: what \"h\" gave, line 1, column 1: there is no partial \"x\"; "
      "did you mean \"b\"?" },
    { "a function that gives itself ends", "{{f}}", "{\"f\":\"fn:{{f}}\"}", NULL,
      "template t, line 1, column 1: what \"f\" gave, line 1, column 1: sections and partials are "
      "nested more than 256 deep" },
    { "a function is no map", "{{f.x}}", "{\"f\":\"fn=x\"}", NULL,
      "template t, line 1, column 1: no value for \"f.x\": \"f\" is a function, not a map" },
    { "a function names no partial", "{{>*f}}", "{\"f\":\"fn=p\"}", NULL,
      "template t, line 1, column 1: \"f\" is a function, which has no text" },
    { "what is around the root is suggested, too", "{{namee}}", "{\"around\":{\"name\":1}}", NULL,
      "template t, line 1, column 1: no value for \"namee\"; did you mean \"name\"?" },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    const struct cf_template_partial partials[] = {
        { "p", "P", 1 },
        { "b", "[{{$x}}{{/x}}]", 14 },
        { "c", "{{f}}{{#no}}{{$x}}{{/x}}{{/no}}", 31 },
        { "lines", "{{#f}}\na\n{{/f}}\n", 16 },
        { "line", "- {{#f}}a{{/f}}", 15 },
        { "value", "- {{f}}\n", 8 },
    };
    const struct cf_template_options options = { .strict = true, .partials = partials,
                                                 .partial_count = COUNT(partials) };
    struct cf_error err = { 0 };
    struct cf_buf out;

    cf_buf_init(&out, TEXT_MAX);
    bool ok = render(row->text, row->json, &options, &out, &err);
    if (row->expected != NULL) {
        if (!ok)
            fail_msg("%s", err.message);
        assert_string_equal(cf_buf_str(&out), row->expected);
    } else {
        assert_false(ok);
        assert_int_equal(err.kind, CF_ERR_CONFIG);
        assert_string_equal(err.message, row->message);
    }
    cf_buf_done(&out);
}

static void what_a_variable_gives_is_escaped_when_asked_for(void **state)
{
    (void)state;
    const struct cf_template_options html = { .strict = true, .escape_html = true };
    struct cf_error err = { 0 };
    struct cf_buf out;

    cf_buf_init(&out, TEXT_MAX);
    assert_true(render("{{f}}{{{f}}}{{#f}}{{/f}}{{g}}", "{\"f\":\"fn:<\",\"g\":\"fn=>\"}", &html,
                       &out, &err));
    assert_string_equal(cf_buf_str(&out), "&lt;<<&gt;");
    cf_buf_done(&out);
}

static void more_text_than_a_template_may_have_is_refused(void **state)
{
    (void)state;
    char *json = malloc(CF_TEMPLATE_MAX_BYTES + 32);
    struct cf_error err = { 0 };
    struct cf_buf out;

    assert_non_null(json);
    memcpy(json, "{\"f\":\"fn:", 9);
    memset(json + 9, 'x', CF_TEMPLATE_MAX_BYTES + 1);
    memcpy(json + 9 + CF_TEMPLATE_MAX_BYTES + 1, "\"}", 3);
    cf_buf_init(&out, TEXT_MAX);
    assert_false(render("{{f}}", json, NULL, &out, &err));
    assert_string_equal(err.message, "template t, line 1, column 1: \"f\" gave more text than a "
                                     "template may have");
    cf_buf_done(&out);
    free(json);
}

static void a_text_over_its_bound_is_an_error_in_what_a_function_gave(void **state)
{
    (void)state;
    struct cf_error err = { 0 };
    struct cf_buf out;

    cf_buf_init(&out, 10);
    assert_false(
        render("{{#f}}{{/f}}", "{\"f\":\"fn:{{n}}{{n}}\",\"n\":\"123456\"}", NULL, &out, &err));
    assert_string_equal(err.message,
                        "template t, line 1, column 1: what \"f\" gave, line 1, column 6: "
                        "the text grows over 10 bytes");
    cf_buf_done(&out);
}

/* Each of 40 functions uses the next one twice. */
static void work_that_functions_multiply_is_bounded(void **state)
{
    (void)state;
    struct cf_error err = { 0 };
    struct cf_buf json;
    struct cf_buf out;

    cf_buf_init(&json, TEXT_MAX);
    cf_buf_init(&out, TEXT_MAX);
    for (int i = 0; i < 40; i++)
        cf_buf_addf(&json, "%c\"f%d\":\"fn:{{f%d}}{{f%d}}\"", i == 0 ? '{' : ',', i, i + 1, i + 1);
    cf_buf_adds(&json, ",\"f40\":\"\"}");
    assert_false(render("{{f0}}", cf_buf_str(&json), NULL, &out, &err));
    assert_non_null(strstr(err.message, "rendering takes more than 50000000 tags and texts"));
    cf_buf_done(&json);
    cf_buf_done(&out);
}

int main(void)
{
    struct CMUnitTest tests[COUNT(rows) + OTHERS] = {
        cmocka_unit_test(what_a_variable_gives_is_escaped_when_asked_for),
        cmocka_unit_test(more_text_than_a_template_may_have_is_refused),
        cmocka_unit_test(a_text_over_its_bound_is_an_error_in_what_a_function_gave),
        cmocka_unit_test(work_that_functions_multiply_is_bounded),
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        tests[i + OTHERS] = (struct CMUnitTest){ .name = rows[i].name, .test_func = check_row,
                                            .initial_state = &rows[i] };
    return cmocka_run_group_tests_name("call", tests, NULL, NULL);
}
