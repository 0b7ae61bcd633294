#include <dirent.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "base/json.h"
#include "confab/buf.h"
#include "confab/error.h"

#define SUITE      TEST_SHARED "/data/json_test_suite/test_parsing"
#define SUITE_MAX  500

/* A copy that ends where the text does, so that a sanitizer sees a read behind it. */
static char *exact_copy(const char *text, size_t len)
{
    char *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, text, len);
    return copy;
}

static bool read_all(const char *text, size_t len, struct cf_json_repairs *repairs,
                     struct cf_error *err)
{
    struct cf_json_token token;
    int got;
    struct cf_json_reader *reader = cf_json_open(text, len, repairs);

    do {
        got = cf_json_next(reader, &token, err);
    } while (got > 0);
    if (got < 0)
        assert_int_equal(cf_json_next(reader, &token, NULL), -1);    /* it stays failed */
    cf_json_free(reader);
    return got == 0;
}

/* --- what is refused, and what is said about it --- */

struct refusal { const char *name, *text, *message; };

static struct refusal refusals[] = {
    { "an empty text is refused", "", "line 1, column 1: the text is empty" },
    { "white space alone is refused", " \n ", "line 2, column 2: the text is empty" },
    { "an unclosed array is refused", "[1", "line 1, column 3: the text ends too early" },
    { "a text that ends after a comma is refused", "[1,",
      "line 1, column 4: the text ends too early" },
    { "a text that ends in a string is refused", "[\"ab",
      "line 1, column 5: the text ends inside a string" },
    { "a text that ends in an escape is refused", "\"\\",
      "line 1, column 3: the text ends inside a string" },
    { "a text that ends after a key is refused", "{\"a\"",
      "line 1, column 5: the text ends after a key" },
    { "a byte order mark is refused", "\xEF\xBB\xBF{}",
      "line 1, column 1: a byte order mark in front" },
    { "a bare word is refused", "[nul]", "line 1, column 2: a value was expected" },
    { "NaN is refused", "NaN", "line 1, column 1: a value was expected" },
    { "a trailing comma in an array is refused", "[1,]", "line 1, column 4: a value was expected" },
    { "a trailing comma in an object is refused", "{\"a\":1,}",
      "line 1, column 8: a key in double quotes was expected" },
    { "a key without quotes is refused", "{a:1}",
      "line 1, column 2: a key in double quotes was expected" },
    { "a missing colon is refused", "{\"a\" 1}", "line 1, column 6: ':' was expected" },
    { "a missing comma in an array is refused", "[1 2]",
      "line 1, column 4: ',' or ']' was expected" },
    { "a missing comma in an object is refused", "{\"a\":1 \"b\":2}",
      "line 1, column 8: ',' or '}' was expected" },
    { "a bracket of the wrong kind is refused", "[1}",
      "line 1, column 3: ',' or ']' was expected" },
    { "something after the value is refused", "{} x",
      "line 1, column 4: something follows the value" },
    { "a sign without digits is refused", "[-]", "line 1, column 3: a digit must follow the sign" },
    { "a number with a leading zero is refused", "[01]",
      "line 1, column 2: a number must not begin with 0" },
    { "a point without digits is refused", "[1.]",
      "line 1, column 4: a digit must follow the decimal point" },
    { "an exponent without digits is refused", "[1e+]",
      "line 1, column 5: a digit must be in the exponent" },
    { "a plus sign is refused", "[+1]", "line 1, column 2: a value was expected" },
    { "a raw line break in a string is refused", "\"a\nb\"",
      "line 1, column 3: a control character must be escaped in a string" },
    { "an unknown escape is refused", "\"\\x\"", "line 1, column 2: no such escape in JSON" },
    { "a short \\u is refused", "\"\\u12g4\"",
      "line 1, column 2: \\u needs four hexadecimal digits" },
    { "U+0000 is refused", "\"a\\u0000\"",
      "line 1, column 3: the character U+0000 cannot be kept" },
    { "a lone high surrogate is refused", "\"\\ud83d\"",
      "line 1, column 2: half a surrogate pair" },
    { "a lone low surrogate is refused", "\"\\ude00\"", "line 1, column 2: half a surrogate pair" },
    { "a high surrogate before another escape is refused", "\"\\ud83d\\u0041\"",
      "line 1, column 2: half a surrogate pair" },
    { "invalid UTF-8 is refused", "\"\xC3(\"", "line 1, column 2: invalid UTF-8" },
    { "UTF-8 cut off at the end is refused", "\"\xE2\x82", "line 1, column 2: invalid UTF-8" },
    { "columns are characters and lines are counted", "{\n  \"\xC3\xA9\": x}",
      "line 2, column 8: a value was expected" },
};

static void check_refusal(void **state)
{
    const struct refusal *row = *state;
    size_t len = strlen(row->text);
    char *text = exact_copy(row->text, len);
    struct cf_error err = { 0 };
    cJSON *tree = NULL;

    assert_false(cf_json_check(text, len, NULL, &err));
    assert_string_equal(err.message, row->message);
    assert_int_equal(err.kind, CF_ERR_PARSE);

    err = (struct cf_error){ 0 };
    assert_false(read_all(text, len, NULL, &err));
    assert_string_equal(err.message, row->message);

    err = (struct cf_error){ 0 };
    assert_false(cf_json_parse(text, len, NULL, &tree, &err));
    assert_string_equal(err.message, row->message);
    assert_null(tree);
    free(text);
}

/* --- what strings become --- */

struct decoding {
    const char *name, *text, *value;
    size_t len;
    unsigned nuls, surrogates;
};

static struct decoding decodings[] = {
    { "a plain string is taken as it is", "\"abc\"", "abc", 3, 0, 0 },
    { "an empty string is empty", "\"\"", "", 0, 0, 0 },
    { "every short escape has its meaning", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8,
      0, 0 },
    { "\\u gives one, two and three bytes", "\"\\u0041\\u00e9\\u20AC\"", "A\xC3\xA9\xE2\x82\xAC", 6,
      0, 0 },
    { "a surrogate pair is one character", "\"\\ud83d\\ude00\"", "\xF0\x9F\x98\x80", 4, 0, 0 },
    { "U+0000 is dropped", "\"a\\u0000b\\u0000\"", "ab", 2, 2, 0 },
    { "lone surrogates become U+FFFD", "\"\\ud83d \\udc00\"", "\xEF\xBF\xBD \xEF\xBF\xBD", 7, 0,
      2 },
    { "a high surrogate before a pair is replaced alone", "\"\\ud83d\\ud83d\\ude00\"",
      "\xEF\xBF\xBD\xF0\x9F\x98\x80", 7, 0, 1 },
    { "UTF-8 of every length stays",
      "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80 and eight more bytes\"",
      "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80 and eight more bytes", 30, 0, 0 },
};

static void check_decoding(void **state)
{
    const struct decoding *row = *state;
    size_t len = strlen(row->text);
    char *text = exact_copy(row->text, len);
    struct cf_json_repairs repairs = { 0 };
    struct cf_json_token token;
    struct cf_error err;
    cJSON *tree = NULL;

    struct cf_json_reader *reader = cf_json_open(text, len, &repairs);
    assert_int_equal(cf_json_next(reader, &token, &err), 1);
    assert_int_equal(token.type, CF_JSON_STRING);
    assert_int_equal(token.len, row->len);
    assert_memory_equal(token.text, row->value, row->len + 1);
    assert_int_equal(cf_json_next(reader, &token, &err), 0);
    assert_int_equal(token.type, CF_JSON_END);
    cf_json_free(reader);
    assert_int_equal(repairs.nul_dropped, row->nuls);
    assert_int_equal(repairs.surrogates_replaced, row->surrogates);

    assert_true(cf_json_parse(text, len, &repairs, &tree, &err));
    assert_string_equal(tree->valuestring, row->value);
    cJSON_Delete(tree);
    assert_int_equal(cf_json_check(text, len, NULL, &err), row->nuls + row->surrogates == 0);
    free(text);
}

static void tokens_come_in_order_with_their_offsets(void **state)
{
    (void)state;
    static const char text[] = " {\"a\": [1, -2.5e3, \"x\", true, false, null], \"b\": {}} ";
    static const struct { enum cf_json_type type; size_t offset; const char *text; } wanted[] = {
        { CF_JSON_OBJECT, 1, NULL }, { CF_JSON_KEY, 2, "a" }, { CF_JSON_ARRAY, 7, NULL },
        { CF_JSON_NUMBER, 8, "1" }, { CF_JSON_NUMBER, 11, "-2.5e3" }, { CF_JSON_STRING, 19, "x" },
        { CF_JSON_TRUE, 24, NULL }, { CF_JSON_FALSE, 30, NULL }, { CF_JSON_NULL, 37, NULL },
        { CF_JSON_ARRAY_END, 41, NULL }, { CF_JSON_KEY, 44, "b" }, { CF_JSON_OBJECT, 49, NULL },
        { CF_JSON_OBJECT_END, 50, NULL }, { CF_JSON_OBJECT_END, 51, NULL },
    };
    struct cf_json_token token;
    struct cf_error err;
    struct cf_json_reader *reader = cf_json_open(text, strlen(text), NULL);

    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        assert_int_equal(cf_json_next(reader, &token, &err), 1);
        assert_int_equal(token.type, wanted[i].type);
        assert_int_equal(token.offset, wanted[i].offset);
        if (wanted[i].text != NULL)
            assert_string_equal(token.text, wanted[i].text);
    }
    assert_int_equal(cf_json_offset(reader), strlen(text) - 1);
    assert_int_equal(cf_json_next(reader, &token, &err), 0);
    assert_int_equal(cf_json_next(reader, &token, &err), 0);
    cf_json_free(reader);
}

static void nesting_ends_at_the_limit(void **state)
{
    (void)state;
    char text[4 * CF_JSON_DEPTH_MAX];
    struct cf_error err;
    cJSON *tree;

    for (int objects = 0; objects < 2; objects++) {
        for (size_t depth = CF_JSON_DEPTH_MAX; depth <= CF_JSON_DEPTH_MAX + 1; depth++) {
            size_t len = 0;
            for (size_t i = 0; i < depth; i++) {
                if (objects && i % 2 == 1) {
                    memcpy(text + len, "{\"\":", 4);
                    len += 4;
                } else {
                    text[len++] = '[';
                }
            }
            if (objects && depth % 2 == 0)
                text[len++] = '1';
            for (size_t i = depth; i > 0; i--)
                text[len++] = objects && (i - 1) % 2 == 1 ? '}' : ']';

            bool fits = depth == CF_JSON_DEPTH_MAX;
            assert_int_equal(cf_json_check(text, len, NULL, &err), fits);
            if (!fits)
                assert_non_null(strstr(err.message, "nested too deep"));
            assert_int_equal(cf_json_parse(text, len, NULL, &tree, &err), fits);
            if (fits)
                cJSON_Delete(tree);
        }
    }
}

static void a_megabyte_of_brackets_is_refused_at_the_limit(void **state)
{
    (void)state;
    size_t len = 1 << 20;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, '[', len);
    struct cf_json_token token;
    struct cf_json_reader *reader = cf_json_open(text, len, NULL);

    while (cf_json_next(reader, &token, NULL) > 0)
        continue;
    assert_int_equal(cf_json_offset(reader), CF_JSON_DEPTH_MAX);
    cf_json_free(reader);
    free(text);
}

static void a_text_over_the_size_cap_is_refused_unread(void **state)
{
    (void)state;
    struct cf_error err;
    assert_false(cf_json_check("1", (size_t)CF_JSON_SIZE_MAX + 1, NULL, &err));
    assert_string_equal(err.message, "line 1, column 1: the text is too long");
}

static void a_tree_has_what_the_text_has(void **state)
{
    (void)state;
    static const char text[] = "{\"s\": \"x\", \"n\": [1, 2.5, -3e2], \"t\": true, \"f\": false, "
                               "\"z\": null, \"o\": {\"s\": \"\\u00e9\"}, \"s\": \"twice\"}";
    cJSON *tree;
    struct cf_error err;

    assert_true(cf_json_parse(text, strlen(text), NULL, &tree, &err));
    assert_string_equal(cJSON_GetObjectItem(tree, "s")->valuestring, "x");
    const cJSON *numbers = cJSON_GetObjectItem(tree, "n");
    assert_int_equal(cJSON_GetArraySize(numbers), 3);
    assert_true(cJSON_GetArrayItem(numbers, 1)->valuedouble == 2.5);
    assert_true(cJSON_GetArrayItem(numbers, 2)->valuedouble == -300);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(tree, "t")));
    assert_true(cJSON_IsFalse(cJSON_GetObjectItem(tree, "f")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(tree, "z")));
    assert_string_equal(cJSON_GetObjectItem(cJSON_GetObjectItem(tree, "o"), "s")->valuestring,
                        "\xC3\xA9");
    assert_int_equal(cJSON_GetArraySize(tree), 7);
    cJSON_Delete(tree);
}

static void numbers_of_any_length_are_read(void **state)
{
    (void)state;
    char text[400];
    memset(text, '3', sizeof text);
    text[1] = '.';
    cJSON *tree;
    struct cf_error err;

    assert_true(cf_json_parse(text, sizeof text, NULL, &tree, &err));
    assert_true(fabs(tree->valuedouble - 10.0 / 3) < 1e-15);
    cJSON_Delete(tree);

    assert_false(cf_json_parse("[1,1e999]", 9, NULL, &tree, &err));
    assert_string_equal(err.message, "byte 4: a number out of range");
    assert_true(cf_json_check("[1,1e999]", 9, NULL, &err));
}

/* --- writing --- */

struct number { const char *name; double value; const char *text; };

static struct number numbers[] = {
    { "zero is 0", 0, "0" },
    { "a negative zero keeps its sign", -0.0, "-0" },
    { "an integer has no point", 42, "42" },
    { "2^53 is written out", 9007199254740992.0, "9007199254740992" },
    { "-2^53 is written out", -9007199254740992.0, "-9007199254740992" },
    { "one tenth is 0.1", 0.1, "0.1" },
    { "a third has sixteen digits", 1.0 / 3, "0.3333333333333333" },
    { "0.1 + 0.2 has seventeen", 0.1 + 0.2, "0.30000000000000004" },
    { "large numbers have a bare exponent", 1e22, "1e22" },
    { "small numbers have one without zeros", 1e-7, "1e-7" },
    { "the smallest double is 5e-324", 5e-324, "5e-324" },
    { "the largest double reads back", DBL_MAX, "1.797693134862316e308" },
    { "NaN is null", NAN, "null" },
    { "infinity is null", -INFINITY, "null" },
};

static void check_number(void **state)
{
    const struct number *row = *state;
    struct cf_buf buf;
    cf_buf_init(&buf, 100);
    cf_json_add_number(&buf, row->value);
    if (row->value == DBL_MAX)    /* of two shortest forms either will do */
        assert_true(cf_json_number(cf_buf_str(&buf)) == DBL_MAX);
    else
        assert_string_equal(cf_buf_str(&buf), row->text);
    if (isfinite(row->value))
        assert_true(cf_json_number(cf_buf_str(&buf)) == row->value);
    cf_buf_done(&buf);
}

static void random_numbers_read_back_the_same(void **state)
{
    (void)state;
    uint64_t bits = 88172645463325252;
    struct cf_buf buf;
    struct cf_error err;
    cf_buf_init(&buf, 100);

    for (int i = 0; i < 20000; i++) {
        bits ^= bits << 13, bits ^= bits >> 7, bits ^= bits << 17;
        double value, back;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        cf_buf_clear(&buf);
        cf_json_add_number(&buf, value);
        assert_true(cf_json_check(buf.data, buf.len, NULL, &err));
        back = cf_json_number(buf.data);
        assert_memory_equal(&back, &value, sizeof value);
    }
    cf_buf_done(&buf);
}

static void the_locale_changes_nothing(void **state)
{
    (void)state;
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL &&
        setlocale(LC_NUMERIC, "fr_FR.UTF-8") == NULL)
        skip();

    struct cf_buf buf;
    cf_buf_init(&buf, 100);
    cf_json_add_number(&buf, 0.5);
    assert_string_equal(cf_buf_str(&buf), "0.5");
    assert_true(cf_json_number("0.5") == 0.5);
    cf_buf_done(&buf);
    setlocale(LC_NUMERIC, "C");
}

struct quoting { const char *name, *text; size_t len; const char *json; };

static struct quoting quotings[] = {
    { "plain text is quoted", "abc", 3, "\"abc\"" },
    { "an empty text is two quotes", "", 0, "\"\"" },
    { "quotes, backslashes and controls are escaped", "\"\\\b\f\n\r\t\x01\x1f", 9,
      "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\"" },
    { "a NUL is escaped", "a\0b", 3, "\"a\\u0000b\"" },
    { "slashes, DEL and non-ASCII stay", "/\x7f\xC3\xA9\xF0\x9F\x98\x80", 8,
      "\"/\x7f\xC3\xA9\xF0\x9F\x98\x80\"" },
    { "each invalid byte becomes U+FFFD", "a\xFFz\xC3", 4, "\"a\xEF\xBF\xBDz\xEF\xBF\xBD\"" },
};

static void check_quoting(void **state)
{
    const struct quoting *row = *state;
    char *text = exact_copy(row->text, row->len);
    struct cf_buf buf;
    cf_buf_init(&buf, 100);
    cf_json_add_string(&buf, text, row->len);
    assert_string_equal(cf_buf_str(&buf), row->json);
    cf_buf_done(&buf);
    free(text);
}

struct canon { const char *name, *text, *canonical; };

static struct canon canons[] = {
    { "white space goes", " [ 1 , { } , [ ] ] ", "[1,{},[]]" },
    { "keys are in byte order at each level",
      "{\"b\":{\"d\":1,\"c\":2},\"a\":3,\"B\":4,\"\xC3\xA9\":5}",
      "{\"B\":4,\"a\":3,\"b\":{\"c\":2,\"d\":1},\"\xC3\xA9\":5}" },
    { "arrays keep their order", "[3,1,2]", "[3,1,2]" },
    { "equal keys keep their order", "{\"a\":2,\"a\":1}", "{\"a\":2,\"a\":1}" },
    { "numbers take their shortest form", "[1.0,1e2,0.10,-0,12E-1]", "[1,100,0.1,0,1.2]" },
    { "escapes take one form", "\"\\u0041\\/\\u00e9\\u001f\"", "\"A/\xC3\xA9\\u001f\"" },
    { "literals stay", "[true,false,null]", "[true,false,null]" },
};

static void check_canonical(void **state)
{
    const struct canon *row = *state;
    cJSON *tree;
    struct cf_error err;
    struct cf_buf buf;

    assert_true(cf_json_parse(row->text, strlen(row->text), NULL, &tree, &err));
    cf_buf_init(&buf, 1000);
    cf_json_add_canonical(&buf, tree);
    assert_true(cf_buf_ok(&buf));
    assert_string_equal(cf_buf_str(&buf), row->canonical);
    cf_buf_done(&buf);
    cJSON_Delete(tree);
}

static void a_tree_nested_too_deep_is_not_written(void **state)
{
    (void)state;
    struct cf_buf buf;
    cJSON *tree = cJSON_CreateArray();
    for (int i = 0; i < CF_JSON_DEPTH_MAX; i++) {
        cJSON *outer = cJSON_CreateArray();
        cJSON_AddItemToArray(outer, tree);
        tree = outer;
    }

    cf_buf_init(&buf, 1000);
    cf_json_add_canonical(&buf, tree);
    assert_false(cf_buf_ok(&buf));
    cf_buf_done(&buf);
    cJSON_Delete(tree);
}

/* --- UTF-8 --- */

struct utf8 { const char *name, *text; size_t valid, length; };

static struct utf8 utf8s[] = {
    { "ASCII counts by byte", "hello, world: 21 bytes", 22, 22 },
    { "two, three and four bytes count one each", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 9, 3 },
    { "a stray tail is invalid", "ab\x80" "c", 2, 4 },
    { "overlong forms are invalid", "\xC0\xAF", 0, 2 },
    { "an overlong three byte form is invalid", "\xE0\x9F\xBF", 0, 3 },
    { "an overlong four byte form is invalid", "\xF0\x8F\xBF\xBF", 0, 4 },
    { "a surrogate is invalid", "\xED\xA0\x80", 0, 3 },
    { "the last before the surrogates is valid", "\xED\x9F\xBF", 3, 1 },
    { "U+10FFFF is valid", "\xF4\x8F\xBF\xBF", 4, 1 },
    { "above U+10FFFF is invalid", "\xF4\x90\x80\x80", 0, 4 },
    { "a sequence cut off is invalid", "a\xE2\x82", 1, 3 },
    { "bad bytes after eight good ones are found", "12345678\xFF", 8, 9 },
};

/* Plain text is skipped in blocks; what ends it is found wherever it stands. */
static void the_end_of_plain_text_is_found_anywhere(void **state)
{
    (void)state;
    static const char *const ends[] = { "\"", "\\", "\n", "\x1f", "\xff" };
    char text[200];
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        for (size_t at = 0; at < 150; at++) {
            memset(text, 'x', sizeof text);
            text[at] = ends[i][0];
            text[(at + 3) % 150] = at % 2 == 0 ? 'x' : (char)0x7f;
            assert_ptr_equal(cf_json_skip_plain(text, text + 150), text + at);
            assert_int_equal(cf_utf8_valid_prefix(text, 150), ends[i][0] == '\xff' ? at : 150);
            assert_int_equal(cf_utf8_length(text, 150), 150);
        }
    }
    for (size_t at = 0; at < 150; at++) {
        memset(text, 'x', sizeof text);
        memcpy(text + at, "\xC3\xA9", 2);
        assert_ptr_equal(cf_json_skip_plain(text, text + 160), text + 160);
        assert_int_equal(cf_utf8_valid_prefix(text, 160), 160);
        assert_int_equal(cf_utf8_length(text, 160), 159);
    }
}

static void check_utf8(void **state)
{
    const struct utf8 *row = *state;
    size_t len = strlen(row->text);
    char *text = exact_copy(row->text, len);
    assert_int_equal(cf_utf8_valid_prefix(text, len), row->valid);
    assert_int_equal(cf_utf8_length(text, len), row->length);
    free(text);
}

static void every_code_point_survives_encoding(void **state)
{
    (void)state;
    char bytes[4];
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        if (code >= 0xD800 && code <= 0xDFFF)
            continue;
        size_t size = cf_utf8_encode(code, bytes);
        assert_int_equal(cf_utf8_sequence(bytes, size), size);
        assert_int_equal(cf_utf8_sequence(bytes, size - 1), 0);
    }
    assert_int_equal(cf_utf8_encode(0xD800, bytes), 3);
    assert_memory_equal(bytes, "\xEF\xBF\xBD", 3);
    assert_int_equal(cf_utf8_encode(0x110000, bytes), 3);
    assert_memory_equal(bytes, "\xEF\xBF\xBD", 3);

    struct cf_buf buf;
    cf_buf_init(&buf, 10);
    cf_utf8_add(&buf, 0x20AC);
    assert_string_equal(cf_buf_str(&buf), "\xE2\x82\xAC");
    cf_buf_done(&buf);
}

/* --- JSONTestSuite --- */

/* y_ must be accepted, n_ refused, i_ may be either. U+0000 is valid JSON that we do not keep, so
 * y_ files are accepted with repairs. */
static void check_suite_file(void **state)
{
    const char *name = *state;
    char path[4096];
    static char bytes[1 << 20];

    snprintf(path, sizeof path, SUITE "/%s", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    char *text = exact_copy(bytes, len);

    struct cf_json_repairs repairs = { 0 };
    struct cf_error err = { 0 };
    cJSON *tree = NULL;
    bool strict = cf_json_check(text, len, NULL, &err);
    assert_int_equal(read_all(text, len, NULL, &err), strict);
    bool repaired = cf_json_check(text, len, &repairs, &err);
    assert_int_equal(read_all(text, len, &repairs, &err), repaired);
    bool parsed = cf_json_parse(text, len, &repairs, &tree, &err);
    bool changed = repairs.nul_dropped + repairs.surrogates_replaced > 0;

    if (name[0] == 'y')
        assert_true(repaired && parsed && (strict || repairs.nul_dropped > 0));
    else if (name[0] == 'n')
        assert_true(!strict && !parsed && (!repaired || changed));
    if (parsed) {
        struct cf_buf buf;
        cf_buf_init(&buf, 1 << 22);
        cf_json_add_canonical(&buf, tree);
        assert_true(cf_json_check(buf.data, buf.len, NULL, &err));
        cf_buf_done(&buf);
        cJSON_Delete(tree);
    }
    free(text);
}

static void skip_suite(void **state)
{
    (void)state;
    skip();
}

static int is_json_file(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot != NULL && strcmp(dot, ".json") == 0;
}

static int run_suite(void)
{
    static struct CMUnitTest tests[SUITE_MAX];
    struct dirent **entries;
    int count = scandir(SUITE, &entries, is_json_file, alphasort);

    if (count <= 0 || count > SUITE_MAX) {
        const struct CMUnitTest skipped[] = { cmocka_unit_test(skip_suite) };
        return cmocka_run_group_tests_name("JSONTestSuite", skipped, NULL, NULL);
    }
    for (int i = 0; i < count; i++) {
        char *name = entries[i]->d_name;
        tests[i] = (struct CMUnitTest){ .name = name, .test_func = check_suite_file,
                                        .initial_state = name };
    }
    int failed = _cmocka_run_group_tests("JSONTestSuite", tests, (size_t)count, NULL, NULL);
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    return failed;
}

#define ADD_ROWS(table, check)                                                              \
    for (size_t i = 0; i < sizeof(table) / sizeof *(table); i++)                            \
        tests[count++] = (struct CMUnitTest){ .name = (table)[i].name, .test_func = (check), \
                                              .initial_state = &(table)[i] }
#define ADD(test) tests[count++] = (struct CMUnitTest)cmocka_unit_test(test)

int main(void)
{
    static struct CMUnitTest tests[200];
    size_t count = 0;

    ADD_ROWS(refusals, check_refusal);
    ADD_ROWS(decodings, check_decoding);
    ADD(tokens_come_in_order_with_their_offsets);
    ADD(nesting_ends_at_the_limit);
    ADD(a_megabyte_of_brackets_is_refused_at_the_limit);
    ADD(a_text_over_the_size_cap_is_refused_unread);
    ADD(a_tree_has_what_the_text_has);
    ADD(numbers_of_any_length_are_read);
    ADD_ROWS(numbers, check_number);
    ADD(random_numbers_read_back_the_same);
    ADD(the_locale_changes_nothing);
    ADD_ROWS(quotings, check_quoting);
    ADD_ROWS(canons, check_canonical);
    ADD(a_tree_nested_too_deep_is_not_written);
    ADD(the_end_of_plain_text_is_found_anywhere);
    ADD_ROWS(utf8s, check_utf8);
    ADD(every_code_point_survives_encoding);
    int failed = _cmocka_run_group_tests("json", tests, count, NULL, NULL);
    return failed + run_suite();
}
