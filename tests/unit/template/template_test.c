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
#define TEXT_MAX (1u << 20)
#define PARTIAL(name, text) { name, text, sizeof(text) - 1 }

/* Compiles and renders with data in JSON; the text is in *out, whatever happened. */
static bool render(const char *text, const char *json, const struct cf_template_options *options,
                   struct cf_buf *out, struct cf_error *err)
{
    cJSON *tree = cJSON_Parse(json);
    struct cf_template *tmpl = NULL;
    struct cf_template_cjson scratch;
    struct cf_template_data data;
    bool ok;

    assert_non_null(tree);
    cf_template_data_cjson(&scratch, tree, &data);
    ok = cf_template_compile("t", text, strlen(text), options, &tmpl, err)
      && cf_template_render(tmpl, &data, out, err);
    cf_template_free(tmpl);
    cJSON_Delete(tree);
    return ok;
}

/* --- what is rendered --- */

struct text_row { const char *name, *text, *json, *expected; };

static struct text_row text_rows[] = {
    { "an empty template is an empty text", "", "{}", "" },
    { "plain text is kept", "a } { b }}", "{}", "a } { b }}" },
    { "a variable is replaced by its value", "I am {{name}}.", "{\"name\":\"Ann\"}", "I am Ann." },
    { "a name may have spaces in it", "{{ First name }}", "{\"First name\":\"Ann\"}", "Ann" },
    { "a name may be in any language", "{{\xE5\x90\x8D}}", "{\"\xE5\x90\x8D\":\"Ann\"}", "Ann" },
    { "values are not escaped unless asked for", "{{x}}", "{\"x\":\"<&>\\\"'\"}", "<&>\"'" },
    { "braces inside a value are no template text", "{{x}}{{y}}",
      "{\"x\":\"{{y}}{{#y}}\",\"y\":\"{{{x}}}\"}", "{{y}}{{#y}}{{{x}}}" },
    { "integers have no point", "{{a}} {{b}} {{c}}", "{\"a\":3,\"b\":-0.5,\"c\":1e20}",
      "3 -0.5 1e+20" },
    { "numbers have the shortest form", "{{a}} {{b}}", "{\"a\":0.1,\"b\":0.30000000000000004}",
      "0.1 0.30000000000000004" },
    { "booleans have a text", "{{a}} {{b}}", "{\"a\":true,\"b\":false}", "true false" },
    { "an empty text is a value", "[{{a}}]", "{\"a\":\"\"}", "[]" },
    { "a dotted name goes into maps", "{{a.b.c}}", "{\"a\":{\"b\":{\"c\":\"x\"}}}", "x" },
    { "a section of a list repeats", "{{#l}}<{{.}}>{{/l}}", "{\"l\":[1,2,3]}", "<1><2><3>" },
    { "a section of a map looks into it first", "{{#m}}{{a}}{{b}}{{/m}}",
      "{\"a\":1,\"b\":2,\"m\":{\"a\":9}}", "92" },
    { "a section of an empty map is shown", "{{#m}}x{{/m}}", "{\"m\":{}}", "x" },
    { "a section of an empty text is not shown", "{{#a}}x{{/a}}{{^a}}y{{/a}}", "{\"a\":\"\"}",
      "y" },
    { "a section of zero is shown: it is a value", "{{#a}}x{{/a}}", "{\"a\":0}", "x" },
    { "sections may ask for what is not there", "{{#a}}x{{/a}}{{^a.b}}y{{/a.b}}", "{}", "y" },
    { "sections may ask for null", "{{#a}}x{{/a}}{{^a}}y{{/a}}", "{\"a\":null}", "y" },
    { "a variable in a hidden section needs no value", "{{#a}}{{b}}{{/a}}", "{}", "" },
    { "lists of lists repeat within", "{{#l}}{{#.}}{{.}},{{/.}};{{/l}}", "{\"l\":[[1,2],[3]]}",
      "1,2,;3,;" },
    { "comments are dropped, over lines too", "a{{! b\n c }}d", "{}", "ad" },
    { "a line with nothing but a tag is dropped", "a\n  {{#b}}  \nc\n\t{{/b}}\r\nd", "{\"b\":true}",
      "a\nc\nd" },
    { "two tags on a line keep it", "{{#b}}{{/b}}\nc", "{\"b\":true}", "\nc" },
    { "delimiters can be set", "{{=<% %>=}}{{x}} <%x%> <%={{ }}=%>{{x}}", "{\"x\":1}",
      "{{x}} 1 1" },
    { "raw tags work with other delimiters", "{{=<% %>=}}<%{x}%><%&x%>", "{\"x\":1}", "11" },
    { "space may stand before the sign", "{{ #a }}{{ & b }}{{ /a }}", "{\"a\":true,\"b\":2}", "2" },
    { "three braces and one are a value in braces", "{{{{x}}}}", "{\"x\":1}", NULL },
};

static void check_text(void **state)
{
    const struct text_row *row = *state;
    struct cf_buf out;
    struct cf_error err = { 0 };

    cf_buf_init(&out, TEXT_MAX);
    if (row->expected == NULL) {
        assert_false(render(row->text, row->json, NULL, &out, &err));
    } else {
        if (!render(row->text, row->json, NULL, &out, &err))
            fail_msg("%s", err.message);
        assert_string_equal(cf_buf_str(&out), row->expected);
    }
    cf_buf_done(&out);
}

/* --- what is refused --- */

struct error_row { const char *name, *text, *json, *message; };

static struct error_row error_rows[] = {
    { "a missing variable is named with its place", "a\nb {{x}}", "{}",
      "template t, line 2, column 3: no value for \"x\"" },
    { "columns count characters", "\xE6\x97\xA5\xE6\x9C\xAC{{x}}", "{}",
      "template t, line 1, column 3: no value for \"x\"" },
    { "the nearest name is suggested", "{{emotoin}}", "{\"topic\":1,\"emotion\":2}",
      "template t, line 1, column 1: no value for \"emotoin\"; did you mean \"emotion\"?" },
    { "letter case is no distance", "{{Name}}", "{\"name\":1}",
      "template t, line 1, column 1: no value for \"Name\"; did you mean \"name\"?" },
    { "nothing is suggested where nothing is near", "{{weather}}", "{\"emotion\":2}",
      "template t, line 1, column 1: no value for \"weather\"" },
    { "names around a section are suggested too", "{{#m}}{{topc}}{{/m}}", "{\"m\":{},\"topic\":1}",
      "template t, line 1, column 7: no value for \"topc\"; did you mean \"topic\"?" },
    { "the missing part of a dotted name is suggested", "{{a.b.nmae}}",
      "{\"a\":{\"b\":{\"name\":1}},\"nmae\":1}",
      "template t, line 1, column 1: no value for \"a.b.nmae\"; did you mean \"a.b.name\"?" },
    { "a dotted name needs maps", "{{a.b.c}}", "{\"a\":{\"b\":\"x\"}}",
      "template t, line 1, column 1: no value for \"a.b.c\": \"a.b\" is text, not a map" },
    { "null has no text", "{{a}}", "{\"a\":null}",
      "template t, line 1, column 1: no value for \"a\": it is null" },
    { "a list has no text", "{{a}}", "{\"a\":[1]}",
      "template t, line 1, column 1: \"a\" is a list, which has no text; name a member of it or "
      "use a section" },
    { "a map has no text", "{{.}}", "{\"a\":[1]}",
      "template t, line 1, column 1: \".\" is a map, which has no text; name a member of it or "
      "use a section" },
    { "a tag needs an end", "ab\n {{x", "{}",
      "template t, line 2, column 2: the tag has no end, }} is missing" },
    { "a raw tag needs three braces at its end", "{{{x}}", "{}",
      "template t, line 1, column 1: the tag has no end, }}} is missing" },
    { "a tag needs a name", "{{ }}", "{}", "template t, line 1, column 1: the tag has no name" },
    { "a section needs an end", "{{#a}}\n{{#b}}{{/b}}", "{}",
      "template t, line 1, column 1: \"a\" is opened but not closed" },
    { "an end needs a begin", "x{{/a}}", "{}",
      "template t, line 1, column 2: \"a\" is closed but was not opened" },
    { "sections do not overlap", "{{#a}}{{#b}}{{/a}}{{/b}}", "{}",
      "template t, line 1, column 13: \"a\" is closed, but \"b\" was opened last" },
    { "JSON in braces is no name", "{{\"turns\": 1}}", "{}",
      "template t, line 1, column 1: this is no name; where braces are meant as text, set other "
      "delimiters, such as {{=<% %>=}}" },
    { "a name has one line", "{{a\nb}}", "{}",
      "template t, line 1, column 1: this is no name; where braces are meant as text, set other "
      "delimiters, such as {{=<% %>=}}" },
    { "a dotted name has no empty part", "{{a..b}}", "{}",
      "template t, line 1, column 1: \"a..b\" has an empty part between its dots" },
    { "a dotted name does not end in a dot", "{{a.}}", "{}",
      "template t, line 1, column 1: \"a.\" has an empty part between its dots" },
    { "two delimiters are set", "{{=<%=}}", "{}",
      "template t, line 1, column 1: two delimiters are needed, such as {{=<% %>=}}" },
    { "three delimiters are too many", "{{=a b c=}}", "{}",
      "template t, line 1, column 1: delimiters have no space and no = in them, and are two" },
    { "a delimiter has no equals sign", "{{=a= b=}}", "{}",
      "template t, line 1, column 1: delimiters have no space and no = in them, and are two" },
    { "a delimiter is short", "{{=12345678901234567 b=}}", "{}",
      "template t, line 1, column 1: a delimiter has at most 16 bytes" },
    { "a template is valid UTF-8", "ab\xFF", "{}",
      "template t, line 1, column 3: the text is not valid UTF-8" },
    { "a missing partial is named", "{{>p}}", "{}",
      "template t, line 1, column 1: there is no partial \"p\"" },
};

static void check_error(void **state)
{
    const struct error_row *row = *state;
    struct cf_buf out;
    struct cf_error err = { 0 };

    cf_buf_init(&out, TEXT_MAX);
    assert_false(render(row->text, row->json, NULL, &out, &err));
    assert_int_equal(err.kind, CF_ERR_CONFIG);
    assert_string_equal(err.message, row->message);
    cf_buf_done(&out);
}

/* --- options --- */

static void expect(const char *text, const char *json, const struct cf_template_options *options,
                   const char *expected)
{
    struct cf_buf out;
    struct cf_error err = { 0 };

    cf_buf_init(&out, TEXT_MAX);
    if (!render(text, json, options, &out, &err))
        fail_msg("%s", err.message);
    assert_string_equal(cf_buf_str(&out), expected);
    cf_buf_done(&out);
}

static void what_is_missing_is_empty_when_not_strict(void **state)
{
    (void)state;
    const struct cf_template_options lenient = { .strict = false };

    expect("[{{x}}{{a.b}}{{n}}{{l}}{{m}}{{>p}}]", "{\"a\":1,\"n\":null,\"l\":[1],\"m\":{}}",
           &lenient, "[]");
}

static void html_is_escaped_when_asked_for(void **state)
{
    (void)state;
    const struct cf_template_options html = { .strict = true, .escape_html = true };

    expect("{{x}} {{{x}}} {{&x}}", "{\"x\":\"<&>\\\"'a\"}", &html,
           "&lt;&amp;&gt;&quot;&#39;a <&>\"'a <&>\"'a");
}

static void expect_error(const char *text, const char *json,
                         const struct cf_template_options *options, const char *message)
{
    struct cf_buf out;
    struct cf_error err = { 0 };

    cf_buf_init(&out, TEXT_MAX);
    assert_false(render(text, json, options, &out, &err));
    assert_int_equal(err.kind, CF_ERR_CONFIG);
    assert_string_equal(err.message, message);
    cf_buf_done(&out);
}

static void partials_see_the_values_where_they_are_used(void **state)
{
    (void)state;
    const struct cf_template_partial partials[] = {
        PARTIAL("line", "- {{.}}\n"), PARTIAL("both", "{{>line}}{{>line}}"),
    };
    const struct cf_template_options options = { .strict = true, .partials = partials,
                                                 .partial_count = 2 };

    expect("{{#l}}\n  {{>line}}\n{{/l}}", "{\"l\":[1,\"{{x}}\\n2\"]}", &options,
           "  - 1\n  - {{x}}\n2\n");
    expect("{{#l}}{{>both}}{{/l}}", "{\"l\":[1]}", &options, "- 1\n- 1\n");
}

static void indents_of_nested_partials_add_up_and_spare_empty_lines(void **state)
{
    (void)state;
    const struct cf_template_partial partials[] = {
        PARTIAL("a", "a\n\n  {{>b}}\nA\n"), PARTIAL("b", "{{#x}}\nb{{x}}\n{{/x}}\r\n\r\nB"),
    };
    const struct cf_template_options options = { .strict = true, .partials = partials,
                                                 .partial_count = 2 };

    expect(" {{>a}}\n", "{\"x\":1}", &options, " a\n\n   b1\n\r\n   B A\n");
}

static void errors_in_a_partial_name_it(void **state)
{
    (void)state;
    const struct cf_template_partial partials[] = {
        PARTIAL("p", "a\n{{x}}"), PARTIAL("q", "{{#x}}"),
    };
    struct cf_template_options options = { .strict = true, .partials = partials,
                                           .partial_count = 1 };

    expect_error("{{>p}}", "{}", &options,
                 "template t, partial p, line 2, column 1: no value for \"x\"");
    expect_error("{{>pp}}", "{}", &options,
                 "template t, line 1, column 1: there is no partial \"pp\"; did you mean \"p\"?");
    options.partial_count = 2;
    expect_error("not used", "{}", &options,
                 "template t, partial q, line 1, column 1: \"x\" is opened but not closed");
}

static void a_partial_may_use_itself_while_the_data_go_deeper(void **state)
{
    (void)state;
    const struct cf_template_partial partial = PARTIAL("n", "{{v}}{{#c}}({{>n}}){{/c}}");
    const struct cf_template_options options = { .strict = true, .partials = &partial,
                                                 .partial_count = 1 };

    expect("{{>n}}", "{\"v\":1,\"c\":[{\"v\":2,\"c\":[]},{\"v\":3,\"c\":false}]}", &options,
           "1(2)(3)");
    expect_error("{{>n}}", "{\"v\":1,\"c\":true}", &options,
                 "template t, partial n, line 1, column 13: sections and partials are nested more "
                 "than 256 deep");
}

static void messages_count_from_the_place_in_the_file(void **state)
{
    (void)state;
    const struct cf_template_partial partial = PARTIAL("p", "\n{{y}}");
    const struct cf_template_options options = { .strict = true, .partials = &partial,
                                                 .partial_count = 1, .first_line = 5,
                                                 .first_column = 3 };

    expect_error("a\nb {{x}}", "{}", &options,
                 "template t, line 6, column 5: no value for \"x\"");
    expect_error("a{{>p}}", "{}", &options,
                 "template t, partial p, line 2, column 1: no value for \"y\"");
}

static void a_variable_may_name_a_partial(void **state)
{
    (void)state;
    const struct cf_template_partial partials[] = {
        PARTIAL("text", "T{{c}}"), PARTIAL("image", "I{{c}}"),
    };
    struct cf_template_options options = { .strict = true, .partials = partials,
                                           .partial_count = 2 };

    expect("{{#l}}{{>*kind}}{{> * k.i }};{{/l}}", "{\"l\":[{\"kind\":\"text\",\"c\":1},"
           "{\"kind\":\"image\",\"c\":2}],\"k\":{\"i\":\"text\"}}", &options, "T1T1;I2T2;");
    expect("{{<*k}}{{/*k}}{{<* k}}{{/* k}}", "{\"k\":\"text\",\"c\":1}", &options, "T1T1");
    expect_error("a{{>*kind}}", "{\"kind\":\"txet\"}", &options,
                 "template t, line 1, column 2: there is no partial \"txet\"; did you mean "
                 "\"text\"?");
    expect_error("{{>*knd}}", "{\"kind\":\"text\"}", &options,
                 "template t, line 1, column 1: no value for \"knd\"; did you mean \"kind\"?");
    expect_error("{{>*kind}}", "{\"kind\":[1]}", &options,
                 "template t, line 1, column 1: \"kind\" is a list, which has no text; name a "
                 "member of it or use a section");
    expect_error("{{>*}}", "{}", &options, "template t, line 1, column 1: the tag has no name");
    expect_error("{{<*k}}{{/k}}", "{}", &options,
                 "template t, line 1, column 8: \"k\" is closed, but \"k\" was opened last");
    options.strict = false;
    expect("[{{>*knd}}{{>*l}}{{>*x}}]", "{\"l\":[1],\"x\":\"y\"}", &options, "[]");
}

/* --- parents and blocks --- */

struct block_row { const char *name, *text, *base, *expected; };

static struct block_row block_rows[] = {
    { "a parent is rendered with the blocks that it is given",
      "{{<base}}{{$a}}1{{/a}}{{$b}}2{{/b}}{{/base}}", "<{{$a}}x{{/a}}{{$b}}y{{/b}}{{$c}}z{{/c}}>",
      "<12z>" },
    { "a block given twice counts once, the first", "{{<base}}{{$a}}1{{/a}}{{$a}}2{{/a}}{{/base}}",
      "{{$a}}{{/a}}", "1" },
    { "a block has its own content in the template itself", "[{{$a}}{{x}}{{/a}}]", "", "[X]" },
    { "what is in a parent but in no block is dropped",
      "{{<base}}{{x}}{{#x}}{{$a}}1{{/a}}{{/x}}{{>base}}{{<base}}{{$a}}2{{/a}}{{/base}}{{/base}}",
      "<{{$a}}{{/a}}>", "<>" },
    { "blocks within a given block are filled from outside",
      "{{<base}}{{$a}}[{{$a}}in{{/a}}]{{/a}}{{/base}}", "{{$a}}x{{/a}}", "[in]" },
    { "parents reach through partials", "{{<base}}{{$a}}1{{/a}}{{/base}}", "{{>body}}", "<1>" },
    { "a parent that ends its line is indented whole",
      "  {{<base}}\n  {{$a}}\n    1\n    2\n  {{/a}}\n  {{/base}}\nend", "A\n{{$a}}\n{{/a}}\nB\n",
      "  A\n  1\n  2\n  B\nend" },
    { "a parent with text behind it is not", "  {{<base}}{{/base}} end", "A\nB", "  A\nB end" },
    { "a parent with text before it is not", "x {{<base}}{{/base}}\nend", "A\nB", "x A\nB\nend" },
    { "the indent of a block's own content is kept",
      "{{<base}}{{/base}}", "A\n  {{$a}}\n    1\n\n      2\n  {{/a}}\nB",
      "A\n    1\n\n      2\nB" },
    { "a given block takes the indent of what it replaces",
      "{{<base}}{{$a}}\n- 1\n\n  - 2\n{{/a}}{{/base}}", "A\n  {{$a}}\n    x\n  {{/a}}\nB",
      "A\n    - 1\n\n      - 2\nB" },
    { "a given line takes the indent too", "{{<base}}{{$a}}1{{/a}}{{/base}}",
      "A\n{{$a}}\n  x\n{{/a}}\nB", "A\n  1B" },
    { "tabs and spaces have no indent in common",
      "{{<base}}{{$a}}\n\t1\n  2\n{{/a}}{{/base}}", "{{$a}}\n{{/a}}", "\t1\n  2\n" },
    { "blocks in blocks are indented from there",
      "{{<base}}{{$a}}\n\t1\n\t{{$n}}\n\t  2\n\t{{/n}}\n{{/a}}{{/base}}", "{{$a}}\n{{/a}}",
      "1\n  2\n" },
    { "a block in a line leaves the line as it is", "{{<base}}{{$a}}\n1\n2{{/a}}{{/base}}",
      "  x {{$a}}{{/a}} y", "  x 1\n2 y" },
    { "sections in a block keep their place",
      "{{<base}}{{$a}}\n  {{#l}}\n  - {{.}}\n  {{/l}}\n{{/a}}{{/base}}",
      "A\n    {{$a}}\n    {{/a}}\nB", "A\n    - 1\n    - 2\nB" },
    { "partials in a block are indented from there",
      "{{<base}}{{$a}}\n    x\n      {{>lines}}\n{{/a}}{{/base}}", "{{$a}}\n  .\n{{/a}}\n",
      "  x\n    1\n    2\n" },
    { "lines may end in CR LF", "{{<base}}{{$a}}\r\n  1\r\n  \r\n  2\r\n{{/a}}{{/base}}\r\nend",
      " {{$a}}\r\n {{/a}}\r\n", " 1\r\n \r\n 2\r\nend" },
};

static void check_block(void **state)
{
    const struct block_row *row = *state;
    const struct cf_template_partial partials[] = {
        { "base", row->base, strlen(row->base) }, PARTIAL("body", "<{{$a}}{{/a}}>"),
        PARTIAL("lines", "1\n2\n"),
    };
    const struct cf_template_options options = { .strict = true, .partials = partials,
                                                 .partial_count = 3 };

    expect(row->text, "{\"x\":\"X\",\"l\":[1,2]}", &options, row->expected);
}

static void mistakes_with_parents_are_named(void **state)
{
    (void)state;
    const struct cf_template_partial partials[] = {
        PARTIAL("base", "{{$title}}{{/title}}"), PARTIAL("loop", "{{<loop}}{{/loop}}"),
    };
    struct cf_template_options options = { .strict = true, .partials = partials,
                                           .partial_count = 2 };

    expect_error("{{<bsae}}{{/bsae}}", "{}", &options,
                 "template t, line 1, column 1: there is no partial \"bsae\"; did you mean "
                 "\"base\"?");
    expect_error("{{<base}}\n{{$titel}}x{{/titel}}{{/base}}", "{}", &options,
                 "template t, line 2, column 1: there is no block \"titel\" to fill; did you mean "
                 "\"title\"?");
    expect_error("{{<base}}{{/bas}}", "{}", &options,
                 "template t, line 1, column 10: \"bas\" is closed, but \"base\" was opened last");
    expect_error("{{<base}}", "{}", &options,
                 "template t, line 1, column 1: \"base\" is opened but not closed");
    expect_error(
        "{{>loop}}", "{}", &options,
        "template t, partial loop, line 1, column 1: sections and partials are nested more "
        "than 256 deep");
    expect_error("{{<base}}{{$title}}{{nmae}}{{/title}}{{/base}}", "{\"name\":1}", &options,
                 "template t, line 1, column 20: no value for \"nmae\"; did you mean \"name\"?");
    options.strict = false;
    expect("[{{<bsae}}{{$x}}1{{/x}}{{/bsae}}{{<base}}{{$titel}}x{{/titel}}{{/base}}]", "{}",
           &options, "[]");
}

/* --- bounds --- */

static void what_stands_side_by_side_is_not_nested(void **state)
{
    (void)state;
    const struct cf_template_partial partial = PARTIAL("p", "x");
    const struct cf_template_options options = { .strict = true, .partials = &partial,
                                                 .partial_count = 1 };
    char text[6 * (CF_TEMPLATE_RENDER_DEPTH + 1) + 1] = "";
    char expected[CF_TEMPLATE_RENDER_DEPTH + 2] = "";
    char list[2 * (CF_TEMPLATE_RENDER_DEPTH + 1) + 16] = "{\"l\":[1";

    memset(expected, 'x', CF_TEMPLATE_RENDER_DEPTH + 1);
    for (int i = 0; i <= CF_TEMPLATE_RENDER_DEPTH; i++)
        memcpy(text + 6 * i, "{{>p}}", 7);
    for (int i = 0; i < CF_TEMPLATE_RENDER_DEPTH; i++)
        memcpy(list + strlen(list), ",1", 3);
    memcpy(list + strlen(list), "]}", 3);
    expect(text, "{}", &options, expected);
    expect("{{#l}}{{#l}}{{/l}}{{#.}}x{{/.}}{{/l}}", list, &options, expected);
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    char text[CF_TEMPLATE_DEPTH_MAX * 14 + 32] = "";
    struct cf_template *tmpl = NULL;
    struct cf_error err;

    for (int i = 0; i < CF_TEMPLATE_DEPTH_MAX; i++)
        memcpy(text + strlen(text), "{{#a}}", 7);
    size_t open_len = strlen(text);
    for (int i = 0; i < CF_TEMPLATE_DEPTH_MAX; i++)
        memcpy(text + strlen(text), "{{/a}}", 7);
    assert_true(cf_template_compile("t", text, strlen(text), NULL, &tmpl, &err));
    cf_template_free(tmpl);

    tmpl = NULL;
    memcpy(text + open_len, "{{#a}}", 7);
    assert_false(cf_template_compile("t", text, strlen(text), NULL, &tmpl, &err));
    assert_string_equal(err.message, "template t, line 1, column 385: more than 64 sections within "
                                     "each other");
    assert_null(tmpl);
}

static void a_text_over_a_megabyte_is_refused(void **state)
{
    (void)state;
    char *text = calloc(1, CF_TEMPLATE_MAX_BYTES + 1);
    struct cf_template *tmpl = NULL;
    struct cf_error err;

    assert_non_null(text);
    memset(text, 'x', CF_TEMPLATE_MAX_BYTES + 1);
    assert_false(cf_template_compile("t", text, CF_TEMPLATE_MAX_BYTES + 1, NULL, &tmpl, &err));
    assert_string_equal(err.message, "template t: 1048577 bytes are more than the 1048576 allowed");
    assert_true(cf_template_compile("t", text, CF_TEMPLATE_MAX_BYTES, NULL, &tmpl, &err));
    cf_template_free(tmpl);
    free(text);
}

static void a_text_over_the_bound_of_its_buffer_is_an_error(void **state)
{
    (void)state;
    struct cf_buf out;
    struct cf_error err = { 0 };

    cf_buf_init(&out, 10);
    assert_false(render("{{#l}}1234{{/l}}", "{\"l\":[1,2,3,4,5,6]}", NULL, &out, &err));
    assert_string_equal(err.message, "template t, line 1, column 7: the text grows over 10 bytes");
    cf_buf_done(&out);
}

/* Each of 40 partials uses the next one twice: nothing comes of it, and it would take for ever. */
static void work_that_multiplies_is_bounded(void **state)
{
    (void)state;
    enum { LEVELS = 40 };
    char texts[LEVELS][32];
    char names[LEVELS][8];
    struct cf_template_partial partials[LEVELS];
    const struct cf_template_options options = { .partials = partials, .partial_count = LEVELS };

    for (int i = 0; i < LEVELS; i++) {
        snprintf(names[i], sizeof names[i], "p%d", i);
        snprintf(texts[i], sizeof texts[i], "{{>p%d}}{{>p%d}}", i + 1, i + 1);
        partials[i] = (struct cf_template_partial){ names[i], texts[i], strlen(texts[i]) };
    }
    partials[LEVELS - 1].len = 0;
    expect_error(
        "{{>p0}}", "{}", &options,
        "template t, partial p38, line 1, column 1: rendering takes more than 50000000 tags "
        "and texts");
}

static void a_long_name_is_cut_in_messages(void **state)
{
    (void)state;
    char text[400] = "{{";
    struct cf_error err = { 0 };
    struct cf_buf out;

    for (int i = 0; i < 100; i++)
        memcpy(text + strlen(text), "\xE6\x97\xA5", 4);
    memcpy(text + strlen(text), "}}", 3);
    cf_buf_init(&out, TEXT_MAX);
    assert_false(render(text, "{\"x\":1}", NULL, &out, &err));
    assert_non_null(strstr(err.message, "\xE6\x97\xA5\""));
    assert_true(strlen(err.message) < 200);
    cf_buf_done(&out);
}

/* A hundred thousand tags and values full of braces: nothing is read twice. */
static void large_templates_and_values_render_in_one_pass(void **state)
{
    (void)state;
    const char piece[] = "{{x}} {\n";
    size_t len = 100000 * (sizeof piece - 1);
    char *text = malloc(len);
    struct cf_template *tmpl = NULL;
    struct cf_error err;
    struct cf_buf out;
    struct cf_template_cjson scratch;
    struct cf_template_data data;
    cJSON *tree = cJSON_Parse("{\"x\":\"{{x}}{{#x}}\"}");

    assert_non_null(text);
    for (size_t i = 0; i < 100000; i++)
        memcpy(text + i * (sizeof piece - 1), piece, sizeof piece - 1);
    assert_true(cf_template_compile("t", text, len, NULL, &tmpl, &err));
    cf_template_data_cjson(&scratch, tree, &data);
    cf_buf_init(&out, 16 * TEXT_MAX);
    assert_true(cf_template_render(tmpl, &data, &out, &err));
    assert_int_equal(out.len, 100000 * (strlen("{{x}}{{#x}}") + 3));
    cf_buf_done(&out);
    cf_template_free(tmpl);
    cJSON_Delete(tree);
    free(text);
}

/* --- the rest of the interface --- */

static void the_variables_are_listed_once_in_order(void **state)
{
    (void)state;
    static const char *const expected[] = { "b", "a.c", "a", "z", "q", "p", "own" };
    const char *text = "{{b}}{{a.c}}{{#a}}{{.}}{{b}}{{>part}}{{/a}}{{^z}}{{{a.c}}}{{/z}}"
                       "{{<base}}{{not}}{{$x}}{{q}}{{/x}}{{/base}}";
    const struct cf_template_partial partials[] = {
        PARTIAL("base", "{{$x}}{{own}}{{/x}}"), PARTIAL("other", "{{not_used}}"),
        PARTIAL("part", "{{a}}{{&p}}"),
    };
    const struct cf_template_options options = { .partials = partials, .partial_count = 3 };
    struct cf_template *tmpl = NULL;
    size_t count;

    assert_true(cf_template_compile("names", text, strlen(text), &options, &tmpl, NULL));
    const char *const *names = cf_template_variables(tmpl, &count);
    assert_int_equal(count, COUNT(expected));
    for (size_t i = 0; i < count; i++)
        assert_string_equal(names[i], expected[i]);
    assert_string_equal(cf_template_name(tmpl), "names");
    cf_template_free(tmpl);
    cf_template_free(NULL);
}

static void a_variable_that_names_a_partial_may_need_all_names(void **state)
{
    (void)state;
    static const char *const expected[] = { "k", "a", "b" };
    const struct cf_template_partial partials[] = { PARTIAL("2", "{{b}}"), PARTIAL("1", "{{a}}") };
    const struct cf_template_options options = { .partials = partials, .partial_count = 2 };
    struct cf_template *tmpl = NULL;
    size_t count;

    assert_true(cf_template_compile("t", "{{>*k}}{{>*k}}", 14, &options, &tmpl, NULL));
    const char *const *names = cf_template_variables(tmpl, &count);
    assert_int_equal(count, COUNT(expected));
    for (size_t i = 0; i < count; i++)
        assert_string_equal(names[i], expected[i]);
    cf_template_free(tmpl);
}

static void a_template_without_variables_lists_none(void **state)
{
    (void)state;
    struct cf_template *tmpl = NULL;
    size_t count = 9;

    assert_true(cf_template_compile("t", "plain {{.}}", 11, NULL, &tmpl, NULL));
    cf_template_variables(tmpl, &count);
    assert_int_equal(count, 0);
    cf_template_free(tmpl);
}

/* A source whose values are depths, and which checks that marks are released in order. */
struct marked { uint64_t live, most; };

static enum cf_value_kind marked_kind(void *self, struct cf_value value)
{
    (void)self;
    return value.number < 3 ? CF_VALUE_MAP : CF_VALUE_TEXT;
}

static bool marked_get(void *self, struct cf_value map, const char *name, size_t len,
                       struct cf_value *out)
{
    struct marked *marked = self;

    (void)name, (void)len;
    *out = (struct cf_value){ .number = map.number + 1 };
    marked->live++;
    if (marked->live > marked->most)
        marked->most = marked->live;
    return true;
}

static const char *marked_text(void *self, struct cf_value value, size_t *out_len)
{
    (void)self, (void)value;
    *out_len = 1;
    return "x";
}

static uint64_t marked_mark(void *self)
{
    return ((struct marked *)self)->live;
}

static void marked_release(void *self, uint64_t mark)
{
    struct marked *marked = self;
    assert_true(mark <= marked->live);
    marked->live = mark;
}

static void values_are_released_when_they_are_done_with(void **state)
{
    (void)state;
    struct marked marked = { 0 };
    const struct cf_template_data data = {
        .self = &marked, .kind = marked_kind, .get = marked_get, .text = marked_text,
        .mark = marked_mark, .release = marked_release,
    };
    struct cf_template *tmpl = NULL;
    struct cf_buf out;
    const char *text = "{{a.b.c}}{{a.b.c}}{{#a}}{{b.c}}{{b.c}}{{/a}}{{a.b.c}}";

    assert_true(cf_template_compile("t", text, strlen(text), NULL, &tmpl, NULL));
    cf_buf_init(&out, 100);
    assert_true(cf_template_render(tmpl, &data, &out, NULL));
    assert_string_equal(cf_buf_str(&out), "xxxxx");
    assert_int_equal(marked.live, 0);
    assert_int_equal(marked.most, 3);
    cf_buf_done(&out);
    cf_template_free(tmpl);
}

#define OTHERS 20    /* tests that are no rows */

int main(void)
{
    struct CMUnitTest tests[COUNT(text_rows) + COUNT(error_rows) + COUNT(block_rows) + OTHERS] = {
        cmocka_unit_test(what_is_missing_is_empty_when_not_strict),
        cmocka_unit_test(html_is_escaped_when_asked_for),
        cmocka_unit_test(partials_see_the_values_where_they_are_used),
        cmocka_unit_test(indents_of_nested_partials_add_up_and_spare_empty_lines),
        cmocka_unit_test(errors_in_a_partial_name_it),
        cmocka_unit_test(a_partial_may_use_itself_while_the_data_go_deeper),
        cmocka_unit_test(a_variable_may_name_a_partial),
        cmocka_unit_test(mistakes_with_parents_are_named),
        cmocka_unit_test(messages_count_from_the_place_in_the_file),
        cmocka_unit_test(what_stands_side_by_side_is_not_nested),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(a_text_over_a_megabyte_is_refused),
        cmocka_unit_test(a_text_over_the_bound_of_its_buffer_is_an_error),
        cmocka_unit_test(work_that_multiplies_is_bounded),
        cmocka_unit_test(a_long_name_is_cut_in_messages),
        cmocka_unit_test(large_templates_and_values_render_in_one_pass),
        cmocka_unit_test(the_variables_are_listed_once_in_order),
        cmocka_unit_test(a_variable_that_names_a_partial_may_need_all_names),
        cmocka_unit_test(a_template_without_variables_lists_none),
        cmocka_unit_test(values_are_released_when_they_are_done_with),
    };
    struct CMUnitTest *test = tests + OTHERS;

    for (size_t i = 0; i < COUNT(text_rows); i++)
        *test++ = (struct CMUnitTest){ .name = text_rows[i].name, .test_func = check_text,
                                       .initial_state = &text_rows[i] };
    for (size_t i = 0; i < COUNT(error_rows); i++)
        *test++ = (struct CMUnitTest){ .name = error_rows[i].name, .test_func = check_error,
                                       .initial_state = &error_rows[i] };
    for (size_t i = 0; i < COUNT(block_rows); i++)
        *test++ = (struct CMUnitTest){ .name = block_rows[i].name, .test_func = check_block,
                                       .initial_state = &block_rows[i] };
    return cmocka_run_group_tests_name("template", tests, NULL, NULL);
}
