/* What of a schema the API is sent. */
#include "provider/reply_schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "confab/buf.h"

#define CLOSED ",\"additionalProperties\":false"
#define OBJECT(fields) "{\"type\":\"object\",\"properties\":{" fields "}}"
#define CLOSED_OBJECT(fields) "{\"type\":\"object\",\"properties\":{" fields "}" CLOSED "}"
#define NODE "\"node\":{\"type\":\"object\",\"properties\":{\"next\":{\"$ref\":\"#/$defs/node\"}}}"

struct row {
    const char *name, *schema, *sent;    /* sent NULL: it cannot be said */
};

static struct row rows[] = {
    { "objects are closed, at every depth",
      OBJECT("\"a\":{\"type\":\"array\",\"items\":" OBJECT("\"b\":{\"type\":\"null\"}") "}"),
      CLOSED_OBJECT(
          "\"a\":{\"type\":\"array\",\"items\":" CLOSED_OBJECT("\"b\":{\"type\":\"null\"}") "}") },
    { "an object that is open is closed",
      "{\"properties\":{\"a\":{\"type\":\"string\"}},"
      "\"additionalProperties\":true,\"type\":\"object\"}",
      "{\"properties\":{\"a\":{\"type\":\"string\"}},\"type\":\"object\"" CLOSED "}" },
    { "properties make an object", "{\"properties\":{\"a\":{\"type\":\"string\"}}}",
      "{\"properties\":{\"a\":{\"type\":\"string\"}},\"type\":\"object\"" CLOSED "}" },
    { "what is taken stays as it was written",
      "{\"type\":\"string\",\"title\":\"T\",\"description\":\"D\",\"enum\":[\"a\", "
      "9007199254740993,"
      "null],\"default\":\"a\",\"format\":\"date\",\"pattern\":\"^[a-z]+(x|y)$\"}",
      "{\"type\":\"string\",\"title\":\"T\",\"enum\":[\"a\", "
      "9007199254740993,null],\"default\":\"a\","
      "\"format\":\"date\",\"pattern\":\"^[a-z]+(x|y)$\",\"description\":\"D\"}" },
    { "what is not is told in the description",
      "{\"type\":\"string\",\"description\":\"A \\\"name\\\"\",\"minLength\":3,\"maxLength\":80}",
      "{\"type\":\"string\",\"description\":\"A \\\"name\\\"\\n\\n{minLength: 3, maxLength: "
      "80}\"}" },
    { "where there is none it is made", "{\"type\":\"integer\",\"minimum\":1,\"multipleOf\":2}",
      "{\"type\":\"integer\",\"description\":\"{minimum: 1, multipleOf: 2}\"}" },
    { "what is told is escaped", "{\"type\":\"string\",\"pattern\":\"a\\\\b\"}",
      "{\"type\":\"string\",\"description\":\"{pattern: \\\"a\\\\\\\\b\\\"}\"}" },
    { "a list may have none or one at least",
      "{\"type\":\"array\",\"items\":{\"type\":\"null\"},"
      "\"minItems\":1}",
      "{\"type\":\"array\",\"items\":{\"type\":\"null\"},\"minItems\":1}" },
    { "more are told", "{\"type\":\"array\",\"items\":{\"type\":\"null\"},\"minItems\":2}",
      "{\"type\":\"array\",\"items\":{\"type\":\"null\"},\"description\":\"{minItems: 2}\"}" },
    { "an unknown format is told", "{\"type\":\"string\",\"format\":\"iri\"}",
      "{\"type\":\"string\",\"description\":\"{format: \\\"iri\\\"}\"}" },
    { "an enum of lists is told",
      "{\"type\":\"array\",\"items\":{\"type\":\"null\"},\"enum\":[[1]]}",
      "{\"type\":\"array\",\"items\":{\"type\":\"null\"},\"description\":\"{enum: [[1]]}\"}" },
    { "notes are left out",
      "{\"$schema\":\"x\",\"$id\":\"y\",\"$comment\":\"z\",\"type\":\"null\"}",
      "{\"type\":\"null\"}" },
    { "oneOf goes as anyOf", "{\"oneOf\":[{\"type\":\"string\"},{\"const\":1}]}",
      "{\"anyOf\":[{\"type\":\"string\"},{\"const\":1}]}" },
    { "choices that say nothing by themselves are told",
      "{\"type\":\"string\",\"anyOf\":[{\"minLength\":1},{\"maxLength\":0}]}",
      "{\"type\":\"string\",\"description\":\"{anyOf: "
      "[{\\\"minLength\\\":1},{\\\"maxLength\\\":0}]}\"}" },
    { "choices beside properties are told",
      "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"null\"}},\"anyOf\":[{\"type\":"
      "\"object\"}]}",
      "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"null\"}},"
      "\"description\":\"{anyOf: [{\\\"type\\\":\\\"object\\\"}]}\"" CLOSED "}" },
    { "one allOf stays", "{\"allOf\":[{\"type\":\"string\",\"maxLength\":1}]}",
      "{\"allOf\":[{\"type\":\"string\",\"description\":\"{maxLength: 1}\"}]}" },
    { "references and definitions stay",
      "{\"$ref\":\"#/$defs/"
      "a\",\"minimum\":1,\"$defs\":{\"a\":{\"type\":\"integer\",\"maximum\":5}}}",
      "{\"$defs\":{\"a\":{\"type\":\"integer\",\"description\":\"{maximum: "
      "5}\"}},\"$ref\":\"#/$defs/a\"}" },
    { "the older name of definitions stays",
      "{\"type\":\"array\",\"items\":{\"$ref\":\"#/definitions/"
      "a\"},\"definitions\":{\"a\":{\"type\":\"null\"}}}",
      "{\"type\":\"array\",\"items\":{\"$ref\":\"#/definitions/"
      "a\"},\"definitions\":{\"a\":{\"type\":\"null\"}}}" },
    { "an object with no properties is one", "{\"type\":\"object\",\"additionalProperties\":false}",
      "{\"type\":\"object\"" CLOSED "}" },
    { "a schema that refers to itself", "{\"$ref\":\"#/$defs/node\",\"$defs\":{" NODE "}}", NULL },
    { "a definition that does, used or not", "{\"type\":\"null\",\"$defs\":{" NODE "}}", NULL },
    { "the whole within itself", OBJECT("\"a\":{\"$ref\":\"#\"}"), NULL },
    { "a reference to nothing", "{\"$ref\":\"#/$defs/b\",\"$defs\":{\"a\":{\"type\":\"null\"}}}",
      NULL },
    { "a reference elsewhere", "{\"$ref\":\"https://example.org/a\"}", NULL },
    { "an object of any properties", "{\"type\":\"object\"}", NULL },
    { "an object as a map", "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}",
      NULL },
    { "an object with patterns for names",
      "{\"type\":\"object\",\"patternProperties\":{\"^a\":{\"type\":\"null\"}},"
      "\"additionalProperties\":false}",
      NULL },
    { "a list of anything", "{\"type\":\"array\"}", NULL },
    { "a list with places",
      "{\"type\":\"array\",\"items\":{\"type\":\"null\"},\"prefixItems\":[{\"type\":\"null\"}]}",
      NULL },
    { "anything", "{}", NULL },
    { "anything within", OBJECT("\"a\":true"), NULL },
    { "two closed objects at once",
      "{\"allOf\":[" OBJECT("\"a\":{\"type\":\"null\"}") "," OBJECT(
          "\"b\":{\"type\":\"null\"}") "]}",
      NULL },
    { "allOf with a reference",
      "{\"allOf\":[{\"$ref\":\"#/$defs/a\"}],\"$defs\":{\"a\":{\"type\":\"null\"}}}", NULL },
    { "a type of several where one cannot be said", "{\"type\":[\"object\",\"null\"]}", NULL },
    { "no object at all", "[]", NULL },
    { "no JSON", "{", NULL },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct cf_buf out;
    cf_buf_init(&out, 4096);
    cf_buf_adds(&out, "before");
    bool ok = cf_reply_schema_narrow((struct cf_text){ row->schema, strlen(row->schema) }, &out);
    assert_int_equal(ok, row->sent != NULL);
    assert_memory_equal(cf_buf_str(&out), "before", 6);
    assert_string_equal(cf_buf_str(&out) + 6, row->sent != NULL ? row->sent : "");
    if (ok)
        assert_true(cf_json_check(out.data + 6, out.len - 6, NULL, NULL));
    cf_buf_done(&out);
}

/* An object with so many properties, of which each may be left out, or is of two types. */
static bool says(int count, bool is_union)
{
    struct cf_buf schema, out;
    cf_buf_init(&schema, 65536);
    cf_buf_init(&out, 65536);
    cf_buf_adds(&schema, "{\"type\":\"object\",\"properties\":{");
    for (int i = 0; i < count; i++)
        cf_buf_addf(&schema, "%s\"p%d\":{\"type\":%s}", i > 0 ? "," : "", i,
                    is_union ? "[\"string\",\"null\"]" : "\"string\"");
    cf_buf_adds(&schema, "},\"required\":[");
    for (int i = 0; is_union && i < count; i++)
        cf_buf_addf(&schema, "%s\"p%d\"", i > 0 ? "," : "", i);
    cf_buf_adds(&schema, "]}");
    bool ok = cf_reply_schema_narrow((struct cf_text){ schema.data, schema.len }, &out);
    cf_buf_done(&schema);
    cf_buf_done(&out);
    return ok;
}

static void the_numbers_that_the_api_takes_are_kept(void **state)
{
    (void)state;
    assert_true(says(24, false));
    assert_false(says(25, false));
    assert_true(says(16, true));
    assert_false(says(17, true));
}

/* Definitions that name each other twice: 2^60 ways through them. */
static void a_net_of_definitions_is_walked_once(void **state)
{
    (void)state;
    struct cf_buf schema, out;
    cf_buf_init(&schema, 65536);
    cf_buf_init(&out, 65536);
    cf_buf_adds(&schema, "{\"$ref\":\"#/$defs/d0\",\"$defs\":{");
    for (int i = 0; i < 60; i++)
        cf_buf_addf(&schema,
                    "\"d%d\":{\"anyOf\":[{\"$ref\":\"#/$defs/d%d\"},{\"$ref\":\"#/$defs/d%d\"}]},",
                    i, i + 1, i + 1);
    cf_buf_adds(&schema, "\"d60\":{\"type\":\"null\"}}}");
    assert_true(cf_reply_schema_narrow((struct cf_text){ schema.data, schema.len }, &out));
    cf_buf_done(&schema);
    cf_buf_done(&out);
}

static void an_object_is_told_from_others(void **state)
{
    (void)state;
    assert_true(cf_reply_schema_is_object((struct cf_text){ "{\"type\":\"object\"}", 17 }));
    assert_false(cf_reply_schema_is_object((struct cf_text){ "{\"type\":\"array\"}", 16 }));
    assert_false(cf_reply_schema_is_object((struct cf_text){ "{}", 2 }));
    assert_false(cf_reply_schema_is_object((struct cf_text){ "{", 1 }));
}

int main(void)
{
    static const struct CMUnitTest cases[] = {
        cmocka_unit_test(the_numbers_that_the_api_takes_are_kept),
        cmocka_unit_test(a_net_of_definitions_is_walked_once),
        cmocka_unit_test(an_object_is_told_from_others),
    };
    enum { ROWS = sizeof rows / sizeof rows[0], CASES = sizeof cases / sizeof cases[0] };
    struct CMUnitTest tests[ROWS + CASES];
    for (size_t i = 0; i < ROWS; i++)
        tests[i] = (struct CMUnitTest){ rows[i].name, check_row, NULL, NULL, &rows[i] };
    memcpy(tests + ROWS, cases, sizeof cases);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
