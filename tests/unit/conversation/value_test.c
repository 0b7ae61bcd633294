/* The JSON value of a reply that has more than that in it. */
#include "conversation/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "confab/buf.h"

struct row {
    const char *name, *text, *value;    /* value NULL: there is none */
};

static struct row rows[] = {
    { "a value alone", "{\"a\":1}", "{\"a\":1}" },
    { "a value in a fence", "Here you are:\n\n```json\n{\"a\":[1,2]}\n```\nAnything else?",
      "{\"a\":[1,2]}" },
    { "a fence counts however long the words are",
      "I thought about it for a long while, and this is what I would say:\n```\n[1]\n```", "[1]" },
    { "a value behind thinking", "<think>{\"a\":2}</think>\n{\"a\":1}", "{\"a\":1}" },
    { "a value among words", "Sure: {\"name\":\"green tea\"}. Enjoy!", "{\"name\":\"green tea\"}" },
    { "a bracket in prose is no value", "Tea comes from one plant [1], whatever its colour is.",
      NULL },
    { "brackets before the value", "(a {b} c) {\"name\":\"green tea, black tea\"}",
      "{\"name\":\"green tea, black tea\"}" },
    { "what models get wrong is mended",
      "```json\n{\"a\": 1, \xE2\x80\x9C"
      "b\xE2\x80\x9D: [1, 2,],}\n```",
      "{\"a\":1,\"b\":[1,2]}" },
    { "an end that is missing is no value", "{\"a\":[1,2", NULL },
    { "words alone are none", "I would rather not.", NULL },
    { "nothing is none", "", NULL },
    { "thinking alone is none", "<think>hm {\"a\":1}", NULL },
    { "what is not UTF-8 is none", "{\"a\":\"\xFF\"}", NULL },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct cf_buf out;
    cf_buf_init(&out, 4096);
    assert_int_equal(cf_reply_find_value(row->text, strlen(row->text), &out), row->value != NULL);
    assert_string_equal(cf_buf_str(&out), row->value != NULL ? row->value : "");
    cf_buf_done(&out);
}

int main(void)
{
    enum { ROWS = sizeof rows / sizeof rows[0] };
    struct CMUnitTest tests[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        tests[i] = (struct CMUnitTest){ rows[i].name, check_row, NULL, NULL, &rows[i] };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
