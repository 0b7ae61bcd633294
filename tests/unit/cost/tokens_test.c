#include "confab/cost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct row { const char *name, *text; int64_t tokens; };

static struct row rows[] = {
    { "no text has no tokens", "", 0 },
    { "white space has no tokens", " \t\r\n\xC2\xA0\xE3\x80\x80", 0 },
    { "one word is 1.3 tokens, rounded up", "word", 2 },
    { "ten words are thirteen tokens", "a b c d e f g h i\nj", 13 },
    { "space around words does not count", "  a  b  ", 3 },
    { "an accent is part of its word", "caf\xC3\xA9", 2 },
    { "twelve letters are one word", "abcdefghijkl", 2 },
    { "ten words of twelve letters are thirteen tokens",
      "abcdefghijkl abcdefghijkl abcdefghijkl abcdefghijkl abcdefghijkl abcdefghijkl abcdefghijkl "
      "abcdefghijkl abcdefghijkl abcdefghijkl", 13 },
    { "longer ones count a token more for four letters", "abcdefghijklmnopqrst", 4 },
    { "a Japanese character is a word", "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E", 4 },
    { "Japanese and English in one line", "GPU\xE3\x81\xA8""CPU", 4 },
    { "Korean counts by the syllable", "\xED\x95\x9C\xEA\xB5\xAD", 3 },
    { "Thai counts by the character", "\xE0\xB8\x81\xE0\xB8\x82", 3 },
    { "an ideograph of four bytes is a word", "\xF0\xA0\x80\x80", 2 },
    { "an emoji is a word among its letters", "\xF0\x9F\x98\x80", 2 },
    { "invalid bytes are letters", "\xFF\xFE\x80", 2 },
    { "a sequence cut at the end is letters", "ab\xE6\x97", 2 },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    assert_int_equal(cf_tokens_estimate(row->text, strlen(row->text)), row->tokens);
}

static void a_text_of_one_endless_word_is_not_one_token(void **state)
{
    (void)state;
    char *text = malloc(40012);

    assert_non_null(text);
    memset(text, 'A', 40012);
    assert_int_equal(cf_tokens_estimate(text, 40012), 10002);
    free(text);
}

/* Long texts are counted by blocks: where these begin must not matter. */
static void space_in_front_changes_nothing(void **state)
{
    (void)state;
    static const char *const words[] = { "a",
                                         "of",
                                         "word",
                                         "abcdefghijk",
                                         "abcdefghijkl",
                                         "abcdefghijklm",
                                         "a-word-of-twenty-byt",
                                         "caf\xC3\xA9",
                                         "\xE6\x97\xA5",
                                         "\x01",
                                         "\t\n" };
    char text[700] = "", shifted[800];
    uint32_t seed = 1;
    while (strlen(text) < 640) {
        seed = seed * 1664525 + 1013904223;
        strcat(text, words[(seed >> 16) % COUNT(words)]);
        if (seed >> 30 != 0)
            strcat(text, " ");
    }
    for (size_t len = 0; len <= strlen(text); len += 7) {
        int64_t tokens = cf_tokens_estimate(text, len);
        for (size_t space = 1; space < 70; space++) {
            memset(shifted, ' ', space);
            memcpy(shifted + space, text, len);
            assert_int_equal(cf_tokens_estimate(shifted, space + len), tokens);
        }
    }
}

static void a_long_text_counts_like_its_words(void **state)
{
    (void)state;
    char text[4000];
    for (size_t i = 0; i < sizeof text; i += 8)
        memcpy(text + i, "seven77 ", 8);
    assert_int_equal(cf_tokens_estimate(text, sizeof text), 650);     /* 500 words */
    for (size_t i = 0; i < sizeof text; i += 20)
        memcpy(text + i, "a-word-of-16-byt 2l ", 20);                 /* a token more each */
    assert_int_equal(cf_tokens_estimate(text, sizeof text), 720);     /* 400 words */
}

int main(void)
{
    struct CMUnitTest tests[COUNT(rows) + 3] = {
        cmocka_unit_test(a_text_of_one_endless_word_is_not_one_token),
        cmocka_unit_test(space_in_front_changes_nothing),
        cmocka_unit_test(a_long_text_counts_like_its_words),
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        tests[i + 3] = (struct CMUnitTest){ .name = rows[i].name, .test_func = check_row,
                                            .initial_state = &rows[i] };
    return cmocka_run_group_tests_name("tokens", tests, NULL, NULL);
}
