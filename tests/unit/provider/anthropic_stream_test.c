#include "provider/anthropic_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "base/json.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "provider/anthropic.h"
#include "splits.h"
#include "test_file.h"

/* What came of a stream. */
struct outcome {
    enum cf_stream_state state;
    struct cf_buf text;    /* as it was given, piece by piece */
    struct cf_buf message; /* of a whole one */
    char error_type[64], reason[1024];
};

static void outcome_done(struct outcome *outcome)
{
    cf_buf_done(&outcome->text);
    cf_buf_done(&outcome->message);
}

static void feed(struct cf_anthropic_stream *stream, const char *bytes, size_t len,
                 const size_t *cuts, size_t cut_count, struct outcome *out)
{
    size_t from = 0;
    memset(out, 0, sizeof *out);
    cf_buf_init(&out->text, 1u << 24);
    cf_buf_init(&out->message, 1u << 24);
    for (size_t i = 0; i <= cut_count; i++) {
        size_t to = i < cut_count ? cuts[i] : len;
        /* A copy of just that size, so that a sanitizer sees a read behind its end. */
        char *copy = malloc(to > from ? to - from : 1);
        memcpy(copy, bytes + from, to - from);
        out->state = cf_anthropic_stream_add(stream, copy, to - from, &out->text);
        free(copy);
        from = to;
    }
    if (out->state == CF_STREAM_WHOLE)
        cf_anthropic_stream_message(stream, &out->message);
    if (out->state == CF_STREAM_ERROR)
        snprintf(out->error_type, sizeof out->error_type, "%s",
                 cf_anthropic_stream_error(stream)->type);
    if (out->state == CF_STREAM_BROKEN)
        snprintf(out->reason, sizeof out->reason, "%s", cf_anthropic_stream_reason(stream));
}

static void read_stream(const char *bytes, struct outcome *out)
{
    struct cf_anthropic_stream *stream = cf_anthropic_stream_new();
    feed(stream, bytes, strlen(bytes), NULL, 0, out);
    cf_anthropic_stream_free(stream);
}

static void decode(const struct outcome *outcome, struct cf_reply *reply)
{
    struct cf_error err;
    assert_int_equal(outcome->state, CF_STREAM_WHOLE);
    if (!cf_anthropic_decode(outcome->message.data, outcome->message.len, reply, &err))
        fail_msg("%s", err.message);
}

/* --- the fixtures, at every split --- */

struct reference {
    struct cf_anthropic_stream *stream;
    struct outcome whole;
};

static void check_splits(const char *bytes, size_t len, const size_t *cuts, size_t cut_count,
                         void *self)
{
    struct reference *reference = self;
    struct outcome outcome;
    cf_anthropic_stream_clear(reference->stream);
    feed(reference->stream, bytes, len, cuts, cut_count, &outcome);
    assert_int_equal(outcome.state, reference->whole.state);
    assert_string_equal(cf_buf_str(&outcome.text), cf_buf_str(&reference->whole.text));
    assert_string_equal(cf_buf_str(&outcome.message), cf_buf_str(&reference->whole.message));
    assert_string_equal(outcome.error_type, reference->whole.error_type);
    outcome_done(&outcome);
}

static cJSON *read_json(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    fclose(file);
    char *text = test_file_read(path, NULL);
    cJSON *tree = cJSON_Parse(text);
    free(text);
    return tree;
}

static const char *string_of(const cJSON *tree, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItem(tree, name));
}

/* Compares with what the fixture's description says, as far as it says anything. */
static void check_described(const struct outcome *outcome, const cJSON *expect)
{
    const cJSON *complete = cJSON_GetObjectItem(expect, "complete");
    const char *text = string_of(expect, "text"), *stop = string_of(expect, "stop_reason");
    const cJSON *usage = cJSON_GetObjectItem(expect, "usage"),
                *input = cJSON_GetObjectItem(expect, "tool_input");
    struct cf_reply reply = { 0 };

    if (complete != NULL)
        assert_int_equal(outcome->state == CF_STREAM_WHOLE, cJSON_IsTrue(complete));
    if (text != NULL)
        assert_string_equal(cf_buf_str(&outcome->text), text);
    if (string_of(expect, "error_type") != NULL)
        assert_string_equal(outcome->error_type, string_of(expect, "error_type"));
    if (outcome->state != CF_STREAM_WHOLE)
        return;

    decode(outcome, &reply);
    assert_string_equal(reply.text, cf_buf_str(&outcome->text));
    if (stop != NULL)
        assert_string_equal(reply.stop_text, stop);
    if (usage != NULL) {
        assert_true(reply.usage.is_known);
        assert_int_equal(reply.usage.input, cJSON_GetObjectItem(usage, "input_tokens")->valueint);
        assert_int_equal(reply.usage.output, cJSON_GetObjectItem(usage, "output_tokens")->valueint);
        assert_int_equal(reply.usage.cache_read,
                         cJSON_GetObjectItem(usage, "cache_read_input_tokens")->valueint);
        assert_int_equal(reply.usage.cache_write,
                         cJSON_GetObjectItem(usage, "cache_creation_input_tokens")->valueint);
    }
    if (input != NULL) {
        cJSON *tree = cJSON_Parse(reply.tool_input);
        assert_true(cJSON_Compare(tree, input, true));
        assert_string_equal(reply.tool_name, string_of(expect, "tool_name"));
        cJSON_Delete(tree);
    }
    cf_reply_done(&reply);
}

struct fixture {
    const char *name, *file;
    enum cf_stream_state state;
    unsigned text, thinking, tools;
};

static struct fixture fixtures[] = {
    { "thinking, then text", "stream_ok", CF_STREAM_WHOLE, 1, 1, 0 },
    { "a tool call", "stream_tool_use", CF_STREAM_WHOLE, 0, 0, 1 },
    { "a refusal", "stream_refusal", CF_STREAM_WHOLE, 1, 0, 0 },
    { "an error in the middle", "stream_error_midway", CF_STREAM_ERROR, 0, 0, 0 },
    { "a stream that is cut", "stream_cut", CF_STREAM_OPEN, 0, 0, 0 },
    { "the edge cases of the framing", "stream_edge_cases", CF_STREAM_WHOLE, 1, 0, 0 },
};

static void check_fixture(void **state)
{
    const struct fixture *fixture = *state;
    char path[512];
    size_t len;
    struct reference reference = { .stream = cf_anthropic_stream_new() };
    snprintf(path, sizeof path, "%s/streams/%s.sse", TEST_DATA, fixture->file);
    char *bytes = test_file_read(path, &len);
    feed(reference.stream, bytes, len, NULL, 0, &reference.whole);
    assert_int_equal(reference.whole.state, fixture->state);

    snprintf(path, sizeof path, "%s/streams/%s.expect.json", TEST_DATA, fixture->file);
    cJSON *expect = read_json(path);
    check_described(&reference.whole, expect);
    cJSON_Delete(expect);
    if (fixture->state == CF_STREAM_WHOLE) {
        struct cf_reply reply = { 0 };
        decode(&reference.whole, &reply);
        assert_int_equal(reply.text_blocks, fixture->text);
        assert_int_equal(reply.thinking_blocks, fixture->thinking);
        assert_int_equal(reply.tool_blocks, fixture->tools);
        cf_reply_done(&reply);
    }

    splits_try_all(bytes, len, check_splits, &reference);
    outcome_done(&reference.whole);
    cf_anthropic_stream_free(reference.stream);
    free(bytes);
}

static void the_edge_cases_say_what_their_description_says(void **state)
{
    (void)state;
    size_t len;
    char *bytes = test_file_read(TEST_DATA "/streams/stream_edge_cases.sse", &len);
    struct cf_anthropic_stream *stream = cf_anthropic_stream_new();
    struct outcome outcome;
    feed(stream, bytes, len, NULL, 0, &outcome); /* it has a NUL */
    cf_anthropic_stream_free(stream);
    const char *text = cf_buf_str(&outcome.text);
    const char head[] =
        "ABCDEFGh\xc3\xa9 \xe6\xbc\xa2\xe5\xad\x97 \xf0\x9f\x98\x80 \xe2\x80\xa8 \xc2\x85HIJ";
    assert_memory_equal(text, head, strlen(head));
    assert_int_equal(strspn(text + strlen(head), "L"), 70000);
    assert_string_equal(text + strlen(head) + 70000, "K");
    outcome_done(&outcome);
    free(bytes);
}

static void a_refusal_keeps_its_category(void **state)
{
    (void)state;
    char *bytes = test_file_read(TEST_DATA "/streams/stream_refusal.sse", NULL);
    struct outcome outcome;
    struct cf_reply reply = { 0 };
    read_stream(bytes, &outcome);
    decode(&outcome, &reply);
    assert_int_equal(reply.stop, CF_STOP_REFUSAL);
    assert_string_equal(reply.refusal_category, "bio");
    assert_int_equal(reply.usage.input, 87);
    assert_int_equal(reply.usage.output, 0);
    cf_reply_done(&reply);
    outcome_done(&outcome);
    free(bytes);
}

/* --- small streams --- */

#define START                                                                                    \
    "data: "                                                                                     \
    "{\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"x\",\"role\":"            \
    "\"assistant\","                                                                             \
    "\"content\":[],\"stop_reason\":null,\"future\":{\"a\":[1]},\"usage\":{\"input_tokens\":10," \
    "\"output_tokens\":1,\"cache_read_input_tokens\":5,\"service_tier\":\"standard\"}}}\n\n"
#define BLOCK(index, block)                                                                       \
    "data: {\"type\":\"content_block_start\",\"index\":" #index ",\"content_block\":" block "}\n" \
                                                                                            "\n"
#define TEXT_BLOCK(index) BLOCK(index, "{\"type\":\"text\",\"text\":\"\"}")
#define DELTA(index, delta) \
    "data: {\"type\":\"content_block_delta\",\"index\":" #index ",\"delta\":" delta "}\n\n"
#define TEXT(index, text) DELTA(index, "{\"type\":\"text_delta\",\"text\":\"" text "\"}")
#define INPUT(index, text) \
    DELTA(index, "{\"type\":\"input_json_delta\",\"partial_json\":\"" text "\"}")
#define END                                                                       \
    "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}," \
    "\"usage\":{\"output_tokens\":20}}\n\n"
#define STOP "data: {\"type\":\"message_stop\"}\n\n"

struct row {
    const char *name, *stream;
    enum cf_stream_state state;
    const char *text;    /* given live */
    const char *content; /* of the message, as JSON; NULL: not looked at */
    const char *says;    /* error type, or part of the reason */
};

static struct row rows[] = {
    { "nothing is a stream that was cut", "", CF_STREAM_OPEN, "", NULL, NULL },
    { "an empty message", START END STOP, CF_STREAM_WHOLE, "", "[]", NULL },
    { "without message_stop it is cut", START TEXT_BLOCK(0) TEXT(0, "a") END, CF_STREAM_OPEN, "a",
      NULL, NULL },
    { "message_stop is enough of an end", START TEXT_BLOCK(0) TEXT(0, "a") STOP, CF_STREAM_WHOLE,
      "a", "[{\"type\":\"text\",\"text\":\"a\"}]", NULL },
    { "what follows message_stop is ignored", START END STOP "data: [DONE]\n\n" START,
      CF_STREAM_WHOLE, "", "[]", NULL },
    { "text may begin in its block",
      START BLOCK(0, "{\"type\":\"text\",\"text\":\"a\\\"\"}") TEXT(0, "b") END STOP,
      CF_STREAM_WHOLE, "a\"b", "[{\"type\":\"text\",\"text\":\"a\\\"b\"}]", NULL },
    { "text blocks may come mixed",
      START TEXT_BLOCK(0) TEXT_BLOCK(2) TEXT(0, "a") TEXT(2, "c") TEXT(0, "b") END STOP,
      CF_STREAM_WHOLE, "acb",
      "[{\"type\":\"text\",\"text\":\"ab\"},{\"type\":\"text\",\"text\":\"c\"}]", NULL },
    { "escapes stay as they were written",
      START TEXT_BLOCK(0) TEXT(0, "\\u00e9\\n\\/") TEXT(0, "\xc3\xa9") END STOP, CF_STREAM_WHOLE,
      "\xc3\xa9\n/\xc3\xa9", "[{\"type\":\"text\",\"text\":\"\\u00e9\\n\\/\xc3\xa9\"}]", NULL },
    { "a pair of surrogates may be cut in two",
      START TEXT_BLOCK(0) TEXT(0, "\\ud83d") TEXT(0, "\\ude00") END STOP, CF_STREAM_WHOLE,
      "\xef\xbf\xbd\xef\xbf\xbd", "[{\"type\":\"text\",\"text\":\"\\ud83d\\ude00\"}]", NULL },
    { "thinking is kept and not shown",
      START BLOCK(0, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}")
          DELTA(0, "{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}")
              DELTA(0, "{\"type\":\"signature_delta\",\"signature\":\"s\"}") TEXT_BLOCK(1)
                  TEXT(1, "a") END STOP,
      CF_STREAM_WHOLE, "a",
      "[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"s\"},{\"type\":\"text\","
      "\"text\":\"a\"}]",
      NULL },
    { "citations are collected",
      START TEXT_BLOCK(0) DELTA(0, "{\"type\":\"citations_delta\",\"citation\":{\"n\":1}}")
          DELTA(0, "{\"type\":\"citations_delta\",\"citation\":{\"n\":2}}") TEXT(0, "a") END STOP,
      CF_STREAM_WHOLE, "a",
      "[{\"type\":\"text\",\"text\":\"a\",\"citations\":[{\"n\":1},{\"n\":2}]}]", NULL },
    { "a tool's input is put together",
      START BLOCK(0, "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}}")
          INPUT(0, "") INPUT(0, "{\\\"a\\\":9007199") INPUT(0, "254740993}") END STOP,
      CF_STREAM_WHOLE, "",
      "[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{\"a\":9007199254740993}}]",
      NULL },
    { "a tool without input has an empty one",
      START BLOCK(0, "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}}")
          INPUT(0, "") END STOP,
      CF_STREAM_WHOLE, "", "[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}}]",
      NULL },
    { "a tool's input that was cut off is kept as text",
      START BLOCK(0, "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}}")
          INPUT(0, "{\\\"a\\\": \\\"b") END STOP,
      CF_STREAM_WHOLE, "",
      "[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{},\"partial_json\":\"{"
      "\\\"a\\\": \\\"b\"}]",
      NULL },
    { "unknown blocks stay as they began, unknown deltas are skipped",
      START BLOCK(0, "{\"type\":\"new\",\"x\":[1,{}]}") DELTA(0, "{\"type\":\"new_delta\",\"y\":2}")
          END STOP,
      CF_STREAM_WHOLE, "", "[{\"type\":\"new\",\"x\":[1,{}]}]", NULL },
    { "pings, unknown events and empty data are skipped",
      "data: {\"type\":\"ping\"}\n\n" START "data\n\n"
      "event: new\ndata: {\"type\":\"new\",\"index\":7}\n\n" TEXT_BLOCK(0)
          TEXT(0, "a") "data: {}\n\n" END STOP,
      CF_STREAM_WHOLE, "a", "[{\"type\":\"text\",\"text\":\"a\"}]", NULL },
    { "an error ends it",
      START TEXT_BLOCK(0) TEXT(0, "a") "event: error\ndata: "
                                       "{\"type\":\"error\",\"error\":{\"type\":\"api_error\","
                                       "\"message\":\"m\"}}\n\n" TEXT(0, "b") STOP,
      CF_STREAM_ERROR, "a", NULL, "api_error" },
    { "an error may come first",
      "data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n", CF_STREAM_ERROR,
      "", NULL, "overloaded_error" },
    { "an error of a gateway has no type around it",
      START "data: {\"error\":{\"type\":\"timeout_error\",\"message\":\"m\"}}\n\n", CF_STREAM_ERROR,
      "", NULL, "timeout_error" },
    { "what is not JSON breaks it", START "data: hello\n\n" STOP, CF_STREAM_BROKEN, "", NULL,
      "not JSON, it begins with: hello" },
    { "half an object breaks it", START "data: {\"type\":\"ping\"\n\n" STOP, CF_STREAM_BROKEN, "",
      NULL, "not JSON" },
    { "more than an object breaks it", START "data: {\"type\":\"ping\"} {}\n\n" STOP,
      CF_STREAM_BROKEN, "", NULL, "not JSON" },
    { "invalid UTF-8 breaks it", START TEXT_BLOCK(0) TEXT(0, "a\xff") STOP, CF_STREAM_BROKEN, "",
      NULL, "not JSON" },
    { "it begins with message_start", TEXT_BLOCK(0) START END STOP, CF_STREAM_BROKEN, "", NULL,
      "does not begin" },
    { "message_stop alone is no message", STOP, CF_STREAM_BROKEN, "", NULL, "does not begin" },
    { "a message begins once", START START, CF_STREAM_BROKEN, "", NULL, "second message" },
    { "a message must be there", "data: {\"type\":\"message_start\"}\n\n", CF_STREAM_BROKEN, "",
      NULL, "no message" },
    { "a block begins once", START TEXT_BLOCK(0) TEXT_BLOCK(0), CF_STREAM_BROKEN, "", NULL,
      "no place" },
    { "a block has an index",
      START "data: {\"type\":\"content_block_start\",\"content_block\":{}}\n\n", CF_STREAM_BROKEN,
      "", NULL, "no place" },
    { "a piece belongs to a block", START TEXT_BLOCK(0) TEXT(1, "a"), CF_STREAM_BROKEN, "", NULL,
      "no content block" },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct outcome outcome;
    read_stream(row->stream, &outcome);
    if (outcome.state == CF_STREAM_BROKEN && row->state != CF_STREAM_BROKEN)
        fail_msg("%s", outcome.reason);
    assert_int_equal(outcome.state, row->state);
    assert_string_equal(cf_buf_str(&outcome.text), row->text);
    if (row->says != NULL)
        assert_non_null(
            strstr(row->state == CF_STREAM_ERROR ? outcome.error_type : outcome.reason, row->says));
    if (row->content != NULL) {
        char content[1000];
        struct cf_reply reply = { 0 };
        snprintf(content, sizeof content, "\"content\":%s", row->content);
        if (strstr(cf_buf_str(&outcome.message), content) == NULL)
            fail_msg("%s", cf_buf_str(&outcome.message));
        decode(&outcome, &reply);
        cf_reply_done(&reply);
    }
    outcome_done(&outcome);
}

static void the_message_is_complete(void **state)
{
    (void)state;
    struct outcome outcome;
    read_stream(START TEXT_BLOCK(0) TEXT(0, "a") END STOP, &outcome);
    assert_string_equal(
        cf_buf_str(&outcome.message),
        "{\"id\":\"m\",\"model\":\"x\",\"role\":\"assistant\",\"future\":{\"a\":[1]},"
        "\"content\":[{\"type\":\"text\",\"text\":\"a\"}],\"stop_reason\":\"end_turn\","
        "\"usage\":{\"cache_read_input_tokens\":5,\"input_tokens\":10,\"output_tokens\":20,"
        "\"service_tier\":\"standard\"}}");
    outcome_done(&outcome);
}

static void the_last_word_on_usage_and_stop_counts(void **state)
{
    (void)state;
    struct outcome outcome;
    struct cf_reply reply = { 0 };
    read_stream(
        START "data: "
              "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":null},\"usage\":{\"output_"
              "tokens\":7}}\n\n"
              "data: "
              "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"stop_sequence\",\"stop_"
              "sequence\":\"x\"},"
              "\"usage\":{\"output_tokens\":9,\"input_tokens\":11,\"cache_read_input_tokens\":null,"
              "\"server_tool_use\":{\"web_search_requests\":2}}}\n\n"
              "data: {\"type\":\"message_delta\",\"delta\":{}}\n\n" STOP,
        &outcome);
    decode(&outcome, &reply);
    assert_int_equal(reply.stop, CF_STOP_SEQUENCE);
    assert_string_equal(reply.stop_sequence, "x");
    assert_int_equal(reply.usage.input, 11);
    assert_int_equal(reply.usage.output, 9);
    assert_int_equal(reply.usage.cache_read, 5);
    assert_int_equal(reply.usage.web_searches, 2);
    cf_reply_done(&reply);
    outcome_done(&outcome);
}

static void a_reply_without_usage_has_an_unknown_one(void **state)
{
    (void)state;
    struct outcome outcome;
    struct cf_reply reply = { 0 };
    read_stream(
        "data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":null}}\n\n" STOP,
        &outcome);
    decode(&outcome, &reply);
    assert_false(reply.usage.is_known);
    assert_int_equal(reply.stop, CF_STOP_NONE);
    cf_reply_done(&reply);
    outcome_done(&outcome);
}

static void repairs_are_counted_in_the_message(void **state)
{
    (void)state;
    struct outcome outcome;
    struct cf_reply reply = { 0 };
    read_stream(START TEXT_BLOCK(0) TEXT(0, "\\u0000a\\ud800") TEXT(0, "\\ud83d") TEXT(0, "\\ude00")
                    END STOP,
                &outcome);
    decode(&outcome, &reply);
    assert_int_equal(reply.repairs.nul_dropped, 1);
    assert_int_equal(reply.repairs.surrogates_replaced, 1);
    assert_string_equal(reply.text, "a\xef\xbf\xbd\xf0\x9f\x98\x80");
    cf_reply_done(&reply);
    outcome_done(&outcome);
}

static void a_cleared_stream_begins_anew(void **state)
{
    (void)state;
    struct cf_anthropic_stream *stream = cf_anthropic_stream_new();
    struct outcome outcome;
    static const char first[] = START TEXT_BLOCK(0) TEXT(0, "a") "data: half",
                      second[] = START TEXT_BLOCK(0) TEXT(0, "b") END STOP;
    feed(stream, first, strlen(first), NULL, 0, &outcome);
    assert_int_equal(outcome.state, CF_STREAM_OPEN);
    outcome_done(&outcome);
    cf_anthropic_stream_clear(stream);
    feed(stream, second, strlen(second), NULL, 0, &outcome);
    assert_int_equal(outcome.state, CF_STREAM_WHOLE);
    assert_non_null(strstr(cf_buf_str(&outcome.message), "[{\"type\":\"text\",\"text\":\"b\"}]"));
    outcome_done(&outcome);
    cf_anthropic_stream_free(stream);
}

int main(void)
{
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(the_edge_cases_say_what_their_description_says),
        cmocka_unit_test(a_refusal_keeps_its_category),
        cmocka_unit_test(the_message_is_complete),
        cmocka_unit_test(the_last_word_on_usage_and_stop_counts),
        cmocka_unit_test(a_reply_without_usage_has_an_unknown_one),
        cmocka_unit_test(repairs_are_counted_in_the_message),
        cmocka_unit_test(a_cleared_stream_begins_anew),
    };
    enum {
        FIXTURES = sizeof fixtures / sizeof *fixtures,
        ROWS = sizeof rows / sizeof *rows,
        OTHERS = sizeof others / sizeof *others
    };
    struct CMUnitTest tests[FIXTURES + ROWS + OTHERS];
    for (size_t i = 0; i < FIXTURES; i++)
        tests[i] = (struct CMUnitTest){ fixtures[i].name, check_fixture, NULL, NULL, &fixtures[i] };
    for (size_t i = 0; i < ROWS; i++)
        tests[FIXTURES + i] = (struct CMUnitTest){ rows[i].name, check_row, NULL, NULL, &rows[i] };
    memcpy(tests + FIXTURES + ROWS, others, sizeof others);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
