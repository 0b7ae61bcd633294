/* Whether a text is plain, and that a plain one reads as it does by the long way. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "confab/conversation.h"
#include "confab/error.h"
#include "confab/rng.h"
#include "conversation/plain.h"

#define TEXT_MAX   16384
#define MUTATIONS  300    /* of each text */
#define TOKENS_MAX 400

#define U "{\"role\":\"user\",\"content\":\"Hi\"}"
#define A "{\"role\":\"assistant\",\"content\":\"Hello\"}"

static struct row {
    const char *name, *text;
    size_t turns;             /* 0: it is not plain */
} rows[] = {
    { "an object with a list is plain", "{\"turns\":[" U "," A "]}", 2 },
    { "a bare list is plain", "[" U "," A "]", 2 },
    { "other names for the parts are plain",
      "{\"Dialog\":[{\"From\":\"Human\",\"value\":\"Hi\"},{\"text\":\"Yes\",\"speaker\":\"Bot\"}]}",
      2 },
    { "single values beside the list are plain",
      "{\"title\":\"x\",\"n\":1.5,\"turns\":[" U "," A "],\"done\":true,\"next\":null}", 2 },
    { "single values beside a content are plain",
      "{\"turns\":[{\"mood\":\"calm\",\"role\":\"user\",\"n\":1,\"content\":\"Hi\"}]}", 1 },
    { "escapes are plain",
      "[{\"role\":\"user\",\"content\":\"\\\"\\n\\u00e9\\ud83d\\ude00\"}]", 1 },
    { "white space is plain", "{ \"turns\" :\r\n\t[ " U " ,\n" A " ] }\n", 2 },
    { "an empty content is plain", "[{\"role\":\"user\",\"content\":\"\"}]", 1 },
    { "turns that are no valid conversation are plain", "[" A "," A "]", 2 },

    { "nothing is not plain", "", 0 },
    { "a string is not plain", "\"x\"", 0 },
    { "an empty list is not plain", "{\"turns\":[]}", 0 },
    { "an empty object is not plain", "{}", 0 },
    { "a list with no known name is not plain", "{\"items\":[" U "," A "]}", 0 },
    { "a second list is not plain", "{\"turns\":[" U "," A "],\"messages\":[" U "]}", 0 },
    { "a list inside another value is not plain", "{\"data\":{\"turns\":[" U "," A "]}}", 0 },
    { "a system text beside the list is not plain",
      "{\"system\":\"x\",\"turns\":[" U "," A "]}", 0 },
    { "a message that holds the list is not plain",
      "{\"role\":\"x\",\"turns\":[" U "," A "]}", 0 },
    { "pairs are not plain", "[{\"user\":\"Hi\",\"assistant\":\"Hello\"}]", 0 },
    { "a role twice is not plain",
      "[{\"role\":\"user\",\"role\":\"user\",\"content\":\"Hi\"}]", 0 },
    { "a content twice is not plain",
      "[{\"role\":\"user\",\"content\":\"a\",\"text\":\"b\"}]", 0 },
    { "a role not known is not plain", "[{\"role\":\"clown\",\"content\":\"Hi\"}]", 0 },
    { "a role not known before one that is is not plain",
      "[{\"role\":\"clown\",\"from\":\"user\",\"content\":\"Hi\"}]", 0 },
    { "no role is not plain", "[{\"content\":\"Hi\"}]", 0 },
    { "no content is not plain", "[{\"role\":\"user\"}]", 0 },
    { "a number as content is not plain", "[{\"role\":\"user\",\"content\":7}]", 0 },
    { "content blocks are not plain",
      "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}]}]", 0 },
    { "a list in a turn is not plain", "[{\"role\":\"user\",\"content\":\"Hi\",\"x\":[]}]", 0 },
    { "a string among the turns is not plain", "[" U ",\"x\"]", 0 },
    { "what follows is not plain", "[" U "," A "] Done.", 0 },
    { "U+0000 is not plain", "[{\"role\":\"user\",\"content\":\"a\\u0000\"}]", 0 },
    { "half a surrogate pair is not plain", "[{\"role\":\"user\",\"content\":\"\\ud83d\"}]", 0 },
    { "invalid UTF-8 is not plain", "[{\"role\":\"user\",\"content\":\"\xff\"}]", 0 },
    { "a raw line break is not plain", "[{\"role\":\"user\",\"content\":\"a\nb\"}]", 0 },
    { "a trailing comma is not plain", "[" U "," A ",]", 0 },
    { "a text cut in a turn is not plain",
      "[" U ",{\"role\":\"assistant\",\"content\":\"Hello\"", 0 },
    { "a text cut after a turn is not plain", "{\"turns\":[" U "," A "]", 0 },
};

static bool read_plainly(const char *text, size_t len, struct cf_conversation *out)
{
    cf_conversation_init(out);
    bool is_plain = cf_plain_read(text, len, out);
    if (!is_plain) {
        assert_null(out->turns);
        assert_null(out->text);
        assert_int_equal(out->turn_count, 0);
    }
    return is_plain;
}

static void is_plain_or_not(void **state)
{
    const struct row *row = *state;
    struct cf_conversation conversation;

    assert_int_equal(read_plainly(row->text, strlen(row->text), &conversation), row->turns > 0);
    assert_int_equal(conversation.turn_count, row->turns);
    cf_conversation_done(&conversation);
}

static void a_thousand_turns_are_plain_and_one_more_is_not(void **state)
{
    (void)state;
    struct cf_conversation conversation;
    size_t size = sizeof U, count = CF_TURNS_MAX + 1;
    char *text = malloc(size * count + 1);

    assert_non_null(text);
    text[0] = '[';
    for (size_t i = 0; i < count; i++)
        memcpy(text + 1 + i * size, U ",", size);
    text[size * count] = ']';
    assert_false(read_plainly(text, size * count + 1, &conversation));
    text[size * CF_TURNS_MAX] = ']';
    assert_true(read_plainly(text, size * CF_TURNS_MAX + 1, &conversation));
    assert_int_equal(conversation.turn_count, CF_TURNS_MAX);
    cf_conversation_done(&conversation);
    free(text);
}

/* --- the long way --- */

static void assert_same(const struct cf_conversation *a, const struct cf_conversation *b)
{
    assert_int_equal(a->outcome, b->outcome);
    assert_int_equal(a->repairs, b->repairs);
    assert_int_equal(a->warnings, b->warnings);
    assert_int_equal(a->refusal_like, b->refusal_like);
    assert_int_equal(a->turn_count, b->turn_count);
    for (size_t i = 0; i < a->turn_count; i++) {
        assert_int_equal(a->turns[i].role, b->turns[i].role);
        assert_int_equal(a->turns[i].len, b->turns[i].len);
        assert_memory_equal(a->turns[i].content, b->turns[i].content, a->turns[i].len + 1);
    }
}

/* Whether the text, which has room for one byte more, is plain; then it is read both ways. A form
 * feed behind it says nothing, but is not plain. */
static bool compare_ways(char *text, size_t len)
{
    struct cf_conversation plain, other;

    bool is_plain = read_plainly(text, len, &plain);
    cf_conversation_done(&plain);
    for (int stopped_early = 0; is_plain && stopped_early < 2; stopped_early++) {
        struct cf_error err = { 0 }, other_err = { 0 };
        cf_conversation_parse(text, len, stopped_early == 1, &plain, &err);
        text[len] = '\f';
        assert_false(read_plainly(text, len + 1, &other));
        cf_conversation_parse(text, len + 1, stopped_early == 1, &other, &other_err);
        assert_same(&plain, &other);
        assert_int_equal(err.kind, other_err.kind);
        assert_string_equal(err.message, other_err.message);
        cf_conversation_done(&plain);
        cf_conversation_done(&other);
    }
    return is_plain;
}

struct token { size_t at, len; };

/* Strings, and runs of what can be a number or a word. */
static size_t find_tokens(const char *text, size_t len, struct token out[TOKENS_MAX])
{
    size_t count = 0;

    for (size_t at = 0, end; at < len && count < TOKENS_MAX; at = end) {
        end = at + 1;
        if (text[at] == '"') {
            while (end < len && text[end] != '"')
                end += text[end] == '\\' ? 2 : 1;
            if (++end > len)
                break;
        } else if (strchr("0123456789tfn", text[at]) == NULL) {
            continue;
        } else {
            while (end < len && strchr(",]} \r\n", text[end]) == NULL)
                end++;
        }
        out[count++] = (struct token){ at, end - at };
    }
    return count;
}

/* Puts `with` in a token's place. */
static size_t replace(char *text, size_t len, struct token token, const char *with, size_t with_len)
{
    if (len - token.len + with_len >= TEXT_MAX)
        return len;
    memmove(text + token.at + with_len, text + token.at + token.len, len - token.at - token.len);
    memcpy(text + token.at, with, with_len);
    return len - token.len + with_len;
}

static size_t pick(struct cf_rng *rng, size_t count)
{
    return cf_rng_next(rng) % count;
}

/* One small change, most often one after which the text is JSON still. */
static size_t mutate(char *text, size_t len, struct cf_rng *rng)
{
    static const char *const values[] = {
        "\"role\"", "\"from\"", "\"content\"", "\"text\"", "\"turns\"", "\"messages\"",
        "\"system\"", "\"user\"", "\"ASSISTANT\"", "\"\"", "\" \"", "\"x\"", "\"\\u0000\"",
        "\"\\ud800x\"", "1", "-0.5e9", "null", "true", "{}", "[]", "[" U "]",
        "{\"text\":\"x\"}", "\"a\",\"b\"", "\"a\":\"b\"",
    };
    static const char marks[] = "{}[],:\"\\ \n";
    struct token tokens[TOKENS_MAX];
    char copy[TEXT_MAX];
    size_t count = find_tokens(text, len, tokens);

    if (count > 0 && pick(rng, 4) > 0) {
        struct token token = tokens[pick(rng, count)];
        if (pick(rng, 2) > 0) {
            const char *value = values[pick(rng, sizeof values / sizeof *values)];
            return replace(text, len, token, value, strlen(value));
        }
        struct token from = tokens[pick(rng, count)];
        memcpy(copy, text + from.at, from.len);
        return replace(text, len, token, copy, from.len);
    }
    if (len == 0)
        return 0;
    size_t at = pick(rng, len);
    if (pick(rng, 2) > 0) {
        text[at] = marks[pick(rng, sizeof marks - 1)];
        return len;
    }
    return replace(text, len, (struct token){ at, 1 }, "", 0);
}

/* Adds to *plain how many of the text and its mutations are plain. */
static void compare_mutations(const char *text, size_t len, size_t *plain)
{
    char mutated[TEXT_MAX + 1];
    struct cf_rng rng;

    cf_rng_seed(&rng, len);
    assert_true(len < TEXT_MAX);
    for (size_t i = 0; i < MUTATIONS; i++) {
        size_t mutated_len = len;
        memcpy(mutated, text, len);
        for (size_t changes = i < 2 ? i : 1 + i % 2; changes > 0; changes--)
            mutated_len = mutate(mutated, mutated_len, &rng);
        *plain += compare_ways(mutated, mutated_len) ? 1 : 0;
    }
}

static void a_plain_text_reads_as_by_the_long_way(void **state)
{
    (void)state;
    size_t plain = 0;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        compare_mutations(rows[i].text, strlen(rows[i].text), &plain);
    assert_true(plain > 500);
}

static void a_model_reply_that_is_plain_reads_as_by_the_long_way(void **state)
{
    (void)state;
    size_t plain = 0;

    DIR *folder = opendir(TEST_DATA "/model_replies");
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[4096], text[TEXT_MAX];
        const char *dot = strrchr(entry->d_name, '.');
        if (dot == NULL || strcmp(dot, ".txt") != 0)
            continue;
        snprintf(path, sizeof path, TEST_DATA "/model_replies/%s", entry->d_name);
        FILE *file = fopen(path, "rb");
        assert_non_null(file);
        size_t len = fread(text, 1, sizeof text, file);
        fclose(file);
        if (len < TEXT_MAX)
            compare_mutations(text, len, &plain);
    }
    closedir(folder);
    assert_true(plain > 1000);
}

int main(void)
{
    enum { ROWS = sizeof rows / sizeof *rows };
    struct CMUnitTest tests[ROWS + 3] = {
        cmocka_unit_test(a_thousand_turns_are_plain_and_one_more_is_not),
        cmocka_unit_test(a_plain_text_reads_as_by_the_long_way),
        cmocka_unit_test(a_model_reply_that_is_plain_reads_as_by_the_long_way),
    };
    for (size_t i = 0; i < ROWS; i++) {
        tests[3 + i] = (struct CMUnitTest){ .name = rows[i].name, .test_func = is_plain_or_not,
                                            .initial_state = &rows[i] };
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
