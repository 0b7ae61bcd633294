#include "provider/anthropic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "confab/error.h"
#include "test_file.h"

static void decode(const char *body, struct cf_reply *reply)
{
    struct cf_error err;
    if (!cf_anthropic_decode(body, strlen(body), reply, &err))
        fail_msg("%s", err.message);
}

static void decode_fixture(const char *name, struct cf_reply *reply)
{
    char path[512];
    snprintf(path, sizeof path, "%s/provider/%s", TEST_DATA, name);
    char *body = test_file_read(path, NULL);
    decode(body, reply);
    free(body);
}

/* --- the fixtures --- */

struct row {
    const char *name, *file;
    const char *id, *model;
    const char *text_begins, *text_ends;
    enum cf_stop_reason stop;
    unsigned text_blocks, thinking_blocks, tool_blocks;
    int64_t input, output, write, write_5m, write_1h, read, thinking;
    unsigned present;
    const char *tier;
};

#define ALL_FIVE (CF_USAGE_INPUT | CF_USAGE_OUTPUT | CF_USAGE_CACHE_WRITE | CF_USAGE_CACHE_READ | \
                 CF_USAGE_CACHE_SPLIT)

static struct row rows[] = {
    { "a complete message", "message_ok.json", "msg_01FixtureOkAAAAAAAAAAAA1", "claude-sonnet-5",
      "{\"messages\": [{\"role\": \"user\", \"content\": \"My sourdough", "throw it away.\"}]}",
      CF_STOP_END_TURN, 1, 0, 0, .input = 87, .output = 142, .read = 1536, .present = ALL_FIVE,
      .tier = "standard" },
    { "thinking first, then two text blocks", "message_ok_thinking.json",
      "msg_01FixtureThinkAAAAAAAA1", "claude-opus-5-5",
      "Here is the conversation:\n\n{\"messages\": [{", "throw it away.\"}]}", CF_STOP_END_TURN, 2,
      1, 0, .input = 87, .output = 611, .write = 1536, .write_5m = 1536, .thinking = 466,
      .present = ALL_FIVE | CF_USAGE_THINKING, .tier = "standard" },
    { "a reply cut off by max_tokens", "message_max_tokens.json", "msg_01FixtureMaxTokAAAAAAA1",
      "claude-sonnet-5", "{\"messages\": [{", "It has a grey liquid on ", CF_STOP_MAX_TOKENS, 1, 0,
      0, .input = 96, .output = 64, .present = ALL_FIVE, .tier = "standard" },
    { "a refusal with a category", "message_refusal.json", "msg_01FixtureRefusalAAAAAA1",
      "claude-opus-5", "", "", CF_STOP_REFUSAL, 0, 0, 0, .input = 412, .present = ALL_FIVE,
      .tier = "standard" },
    { "a refusal without one", "message_refusal_null_category.json", "msg_01FixtureRefusalAAAAAA2",
      "claude-opus-5", "Sure, here is", "", CF_STOP_REFUSAL, 1, 0, 0, .input = 410, .output = 4,
      .present = ALL_FIVE, .tier = "standard" },
    { "a tool call", "message_tool_use.json", "msg_01FixtureToolUseAAAAAA1",
      "claude-haiku-4-5-20251001", "I will record the conversation now.", "", CF_STOP_TOOL_USE, 1,
      0, 1, .input = 803, .output = 188, .write = 1024, .write_1h = 1024, .present = ALL_FIVE,
      .tier = "standard" },
    { "an empty reply", "message_empty_end_turn.json", "msg_01FixtureEmptyAAAAAAAA1",
      "claude-sonnet-5", "", "", CF_STOP_END_TURN, 0, 0, 0, .input = 120, .output = 2,
      .present = ALL_FIVE, .tier = "standard" },
    { "the old shape without cache fields", "message_minimal_usage.json",
      "msg_01FixtureMinAAAAAAAAAA1", "claude-3-5-sonnet-20241022", "{\"messages\": [{",
      "throw it away.\"}]}", CF_STOP_END_TURN, 1, 0, 0, .input = 25, .output = 150,
      .present = CF_USAGE_INPUT | CF_USAGE_OUTPUT, .tier = "" },
};

static void decodes_the_fixture(void **state)
{
    const struct row *row = *state;
    struct cf_reply reply;
    decode_fixture(row->file, &reply);

    assert_string_equal(reply.id, row->id);
    assert_string_equal(reply.model, row->model);
    size_t begins = strlen(row->text_begins), ends = strlen(row->text_ends);
    assert_int_equal(reply.text_len, strlen(reply.text));
    assert_true(reply.text_len >= begins && reply.text_len >= ends);
    assert_memory_equal(reply.text, row->text_begins, begins);
    assert_string_equal(reply.text + reply.text_len - ends, row->text_ends);

    assert_int_equal(reply.stop, row->stop);
    assert_string_equal(reply.stop_text, cf_stop_reason_name(row->stop));
    assert_null(reply.stop_sequence);
    assert_int_equal(cf_reply_is_cut(&reply), row->stop == CF_STOP_MAX_TOKENS);
    assert_int_equal(cf_reply_is_complete(&reply),
                     row->stop == CF_STOP_END_TURN || row->stop == CF_STOP_TOOL_USE);
    assert_int_equal(reply.text_blocks, row->text_blocks);
    assert_int_equal(reply.thinking_blocks, row->thinking_blocks);
    assert_int_equal(reply.tool_blocks, row->tool_blocks);
    assert_int_equal(reply.unknown_blocks, 0);

    const struct cf_reply_usage *usage = &reply.usage;
    assert_true(usage->is_known);
    assert_int_equal(usage->present, row->present);
    assert_int_equal(usage->input, row->input);
    assert_int_equal(usage->output, row->output);
    assert_int_equal(usage->cache_write, row->write);
    assert_int_equal(usage->cache_write_5m, row->write_5m);
    assert_int_equal(usage->cache_write_1h, row->write_1h);
    assert_int_equal(usage->cache_read, row->read);
    assert_int_equal(usage->thinking, row->thinking);
    assert_string_equal(usage->service_tier, row->tier);
    assert_string_equal(usage->inference_geo, row->tier[0] != '\0' ? "global" : "");
    cf_reply_done(&reply);
}

static void a_refusal_keeps_its_category(void **state)
{
    (void)state;
    struct cf_reply reply;
    decode_fixture("message_refusal.json", &reply);
    assert_string_equal(reply.refusal_category, "frontier_llm");
    assert_string_equal(reply.refusal_explanation,
                        "Fixture text: the request was declined by a safety classifier.");
    cf_reply_done(&reply);

    decode_fixture("message_refusal_null_category.json", &reply);
    assert_null(reply.refusal_category);
    assert_null(reply.refusal_explanation);
    cf_reply_done(&reply);
}

static void a_tool_call_keeps_its_input_as_written(void **state)
{
    (void)state;
    struct cf_reply reply;
    decode_fixture("message_tool_use.json", &reply);
    assert_string_equal(reply.tool_name, "emit_conversation");
    assert_int_equal(reply.tool_input_len, strlen(reply.tool_input));
    assert_memory_equal(reply.tool_input, "{\n        \"messages\": [", 23);
    assert_string_equal(reply.tool_input + reply.tool_input_len - 9, "]\n      }");
    assert_true(cf_json_check(reply.tool_input, reply.tool_input_len, NULL, NULL));
    cf_reply_done(&reply);

    decode("{\"x\":[{\"content\":[]}],\"content\":[7,{\"type\":\"text\",\"text\":\"t\"},"
           "{\"input\":{\"n\":9007199254740993,\"a\":[{}]},\"name\":\"f\",\"type\":\"tool_use\"},"
           "{\"type\":\"tool_use\",\"name\":\"g\",\"input\":{}}]}",
           &reply);
    assert_string_equal(reply.tool_name, "f");
    assert_string_equal(reply.tool_input, "{\"n\":9007199254740993,\"a\":[{}]}");
    assert_int_equal(reply.tool_blocks, 2);
    cf_reply_done(&reply);

    decode("{\"content\":[{\"type\":\"tool_use\",\"name\":\"f\",\"input\":null}]}", &reply);
    assert_null(reply.tool_input);
    cf_reply_done(&reply);
}

static void batch_results_decode_as_messages(void **state)
{
    (void)state;
    char *text = test_file_read(TEST_DATA "/provider/batch_results.jsonl", NULL);
    int decoded = 0;
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        char *message = strstr(line, "\"message\":{");
        if (strstr(line, "\"succeeded\"") == NULL)
            continue;
        struct cf_reply reply;
        message += strlen("\"message\":");
        message[strlen(message) - 2] = '\0';
        decode(message, &reply);
        assert_string_equal(reply.usage.service_tier, "batch");
        assert_true(reply.usage.is_known);
        decoded++;
        cf_reply_done(&reply);
    }
    assert_int_equal(decoded, 3);
    free(text);
}

/* --- what the fixtures do not have --- */

static void unknown_things_are_counted_not_refused(void **state)
{
    (void)state;
    struct cf_reply reply;
    decode("{\"new_field\":{\"a\":[1]},\"content\":[{\"type\":\"hologram\",\"x\":1},"
           "{\"type\":\"text\",\"text\":\"a\",\"citations\":[{}]},{\"no_type\":1},"
           "{\"type\":\"redacted_thinking\",\"data\":\"x\"},{\"type\":\"text\",\"text\":\"b\"},"
           "{\"type\":\"text\"}],"
           "\"stop_reason\":\"tired\","
           "\"usage\":{\"input_tokens\":1,\"output_tokens\":2,\"new\":3}}",
           &reply);
    assert_string_equal(reply.text, "ab");
    assert_int_equal(reply.text_blocks, 3);
    assert_int_equal(reply.thinking_blocks, 1);
    assert_int_equal(reply.unknown_blocks, 2);
    assert_string_equal(reply.unknown_type, "hologram");
    assert_int_equal(reply.stop, CF_STOP_OTHER);
    assert_string_equal(reply.stop_text, "tired");
    assert_false(cf_reply_is_complete(&reply));
    assert_string_equal(reply.id, "");
    assert_string_equal(reply.model, "");
    assert_true(reply.usage.is_known);
    cf_reply_done(&reply);
}

static void every_stop_reason_is_read(void **state)
{
    (void)state;
    for (int stop = CF_STOP_END_TURN; stop < CF_STOP_OTHER; stop++) {
        char body[160];
        snprintf(body, sizeof body, "{\"content\":[],\"stop_reason\":\"%s\"}",
                 cf_stop_reason_name((enum cf_stop_reason)stop));
        struct cf_reply reply;
        decode(body, &reply);
        assert_int_equal(reply.stop, stop);
        cf_reply_done(&reply);
    }

    struct cf_reply reply;
    decode("{\"content\":[],\"stop_reason\":null}", &reply);
    assert_int_equal(reply.stop, CF_STOP_NONE);
    cf_reply_done(&reply);
    decode("{\"content\":[],\"stop_reason\":\"stop_sequence\",\"stop_sequence\":\"END\"}", &reply);
    assert_int_equal(reply.stop, CF_STOP_SEQUENCE);
    assert_string_equal(reply.stop_sequence, "END");
    assert_true(cf_reply_is_complete(&reply));
    cf_reply_done(&reply);
}

static void nul_and_lone_surrogates_are_repaired_and_counted(void **state)
{
    (void)state;
    struct cf_reply reply;
    decode("{\"content\":[{\"type\":\"text\",\"text\":\"a\\u0000b\\ud800c\"}]}", &reply);
    assert_string_equal(reply.text, "ab\xef\xbf\xbd" "c");
    assert_int_equal(reply.repairs.nul_dropped, 1);
    assert_int_equal(reply.repairs.surrogates_replaced, 1);
    cf_reply_done(&reply);
}

static void the_order_of_keys_does_not_matter(void **state)
{
    (void)state;
    struct cf_reply reply;
    decode("{\"stop_details\":{\"explanation\":\"why\",\"category\":\"cyber\"},"
           "\"content\":[{\"text\":\"a\",\"type\":\"text\"},{\"text\":\"x\",\"type\":\"thinking\"},"
           "{\"text\":\"x\"},{\"text\":\"b\",\"type\":\"text\"},{\"text\":\"x\",\"type\":\"odd\"}],"
           "\"stop_reason\":\"refusal\"}",
           &reply);
    assert_string_equal(reply.text, "ab");
    assert_int_equal(reply.text_len, 2);
    assert_int_equal(reply.text_blocks, 2);
    assert_string_equal(reply.unknown_type, "");    /* of the first, which has none */
    assert_string_equal(reply.refusal_category, "cyber");
    assert_string_equal(reply.refusal_explanation, "why");
    cf_reply_done(&reply);

    decode(
        "{\"stop_details\":{\"category\":\"cyber\"},\"content\":[],\"stop_reason\":\"end_turn\"}",
        &reply);
    assert_null(reply.refusal_category);
    cf_reply_done(&reply);
}

static void of_equal_keys_the_first_counts(void **state)
{
    (void)state;
    struct cf_reply reply;
    decode("{\"id\":\"one\",\"id\":\"two\",\"model\":7,\"model\":\"m\","
           "\"content\":[{\"type\":\"text\",\"type\":\"tool_use\",\"text\":\"a\",\"text\":\"b\"},"
           "{\"type\":\"tool_use\",\"type\":\"text\",\"name\":\"f\",\"name\":\"g\",\"text\":\"x\","
           "\"input\":{\"a\":1},\"input\":{\"a\":2}}],\"content\":[{\"type\":\"text\",\"text\":"
           "\"c\"}],"
           "\"usage\":{\"input_tokens\":1,\"input_tokens\":null,\"output_tokens\":2,"
           "\"output_tokens\":\"x\"},\"usage\":{},\"type\":\"message\",\"type\":\"error\"}",
           &reply);
    assert_string_equal(reply.id, "one");
    assert_string_equal(reply.model, "");
    assert_string_equal(reply.text, "a");
    assert_string_equal(reply.tool_name, "f");
    assert_string_equal(reply.tool_input, "{\"a\":1}");
    assert_int_equal(reply.text_blocks, 1);
    assert_int_equal(reply.tool_blocks, 1);
    assert_true(reply.usage.is_known);
    assert_int_equal(reply.usage.input, 1);
    assert_int_equal(reply.usage.output, 2);
    cf_reply_done(&reply);
}

static void a_number_beyond_all_doubles_is_refused_wherever_it_stands(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"content\":[],\"new\":[{\"x\":1e400}]}",
        "{\"content\":[{\"type\":\"tool_use\",\"input\":{\"x\":-1e400}}]}",
        "{\"content\":[],\"usage\":{\"input_tokens\":1e400}}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct cf_reply reply;
        struct cf_error err;
        assert_false(cf_anthropic_decode(bodies[i], strlen(bodies[i]), &reply, &err));
        assert_int_equal(err.kind, CF_ERR_PARSE);
        assert_non_null(strstr(err.message, "the reply is not JSON"));
    }
}

struct usage_row {
    const char *name, *json;
    bool is_known;
    int64_t input, write_5m, write_1h, write, searches;
};

static struct usage_row usage_rows[] = {
    { "no usage at all", "null", .is_known = false },
    { "an empty usage", "{}", .is_known = false },
    { "input missing", "{\"output_tokens\":1}", .is_known = false },
    { "output null", "{\"input_tokens\":1,\"output_tokens\":null}", .is_known = false, .input = 1 },
    { "null cache fields",
      "{\"input_tokens\":1,\"output_tokens\":1,\"cache_creation_input_tokens\":null,"
      "\"cache_read_input_tokens\":null,\"cache_creation\":null,\"server_tool_use\":null,"
      "\"service_tier\":null}",
      .is_known = true, .input = 1 },
    { "writes without a split are five-minute ones",
      "{\"input_tokens\":1,\"output_tokens\":1,\"cache_creation_input_tokens\":70}",
      .is_known = true, .input = 1, .write_5m = 70, .write = 70 },
    { "writes beyond the split are five-minute ones",
      "{\"input_tokens\":1,\"output_tokens\":1,\"cache_creation_input_tokens\":70,"
      "\"cache_creation\":{\"ephemeral_1h_input_tokens\":50}}",
      .is_known = true, .input = 1, .write_5m = 20, .write_1h = 50, .write = 70 },
    { "a split without a total",
      "{\"input_tokens\":1,\"output_tokens\":1,\"cache_creation\":"
      "{\"ephemeral_5m_input_tokens\":3,\"ephemeral_1h_input_tokens\":4}}",
      .is_known = true, .input = 1, .write_5m = 3, .write_1h = 4, .write = 7 },
    { "web searches", "{\"input_tokens\":1,\"output_tokens\":1,\"server_tool_use\":"
      "{\"web_search_requests\":2,\"web_fetch_requests\":null}}",
      .is_known = true, .input = 1, .searches = 2 },
    { "the largest count", "{\"input_tokens\":2147483648,\"output_tokens\":1}",
      .is_known = true, .input = 2147483648 },
    { "too large a count", "{\"input_tokens\":2147483649,\"output_tokens\":1}", .is_known = false },
    { "an absurd count", "{\"input_tokens\":1e300,\"output_tokens\":1}", .is_known = false },
    { "a negative count", "{\"input_tokens\":-1,\"output_tokens\":1}", .is_known = false },
    { "half a token", "{\"input_tokens\":1.5,\"output_tokens\":1}", .is_known = false },
    { "a count in words", "{\"input_tokens\":\"1\",\"output_tokens\":1}", .is_known = false },
    { "a bad count of a lesser kind",
      "{\"input_tokens\":1,\"output_tokens\":1,\"cache_read_input_tokens\":-5}",
      .is_known = false, .input = 1 },
};

static void reads_the_usage(void **state)
{
    const struct usage_row *row = *state;
    char body[512];
    snprintf(body, sizeof body, "{\"content\":[],\"usage\":%s}", row->json);
    struct cf_reply reply;
    decode(body, &reply);
    assert_int_equal(reply.usage.is_known, row->is_known);
    assert_int_equal(reply.usage.input, row->input);
    assert_int_equal(reply.usage.cache_write_5m, row->write_5m);
    assert_int_equal(reply.usage.cache_write_1h, row->write_1h);
    assert_int_equal(reply.usage.cache_write, row->write);
    assert_int_equal(reply.usage.web_searches, row->searches);
    cf_reply_done(&reply);
}

/* --- what is no message --- */

struct bad_row { const char *name, *body; enum cf_error_kind kind; const char *message; };

static struct bad_row bad_rows[] = {
    { "an empty 200", "", CF_ERR_PARSE, "the reply is empty" },
    { "an HTML page with 200", "<html><body>Sign in</body></html>", CF_ERR_PARSE,
      "the reply is an HTML page: <html><body>Sign in</body></html>" },
    { "a broken envelope", "{\"content\":[", CF_ERR_PARSE,
      "the reply is not JSON, it begins with: {\"content\":[" },
    { "two documents", "{\"content\":[]}{}", CF_ERR_PARSE,
      "the reply is not JSON, it begins with: {\"content\":[]}{}" },
    { "other JSON", "{\"choices\":[]}", CF_ERR_PARSE,
      "the reply is JSON but no message (there is no content array), it begins with: "
      "{\"choices\":[]}" },
    { "a content that is no array", "{\"content\":\"text\"}", CF_ERR_PARSE,
      "the reply is JSON but no message (there is no content array), it begins with: "
      "{\"content\":\"text\"}" },
    { "a bare string", "\"content\"", CF_ERR_PARSE,
      "the reply is JSON but no message (there is no content array), it begins with: "
      "\"content\"" },
    { "an error with 200",
      "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
      CF_ERR_API, "200 overloaded_error: Overloaded" },
};

static void says_what_it_found(void **state)
{
    const struct bad_row *row = *state;
    struct cf_reply reply = { .text_len = 77 };
    struct cf_error err;
    assert_false(cf_anthropic_decode(row->body, strlen(row->body), &reply, &err));
    assert_int_equal(err.kind, row->kind);
    assert_string_equal(err.message, row->message);
    assert_int_equal(reply.text_len, 77);
}

static void every_prefix_of_a_message_is_refused(void **state)
{
    (void)state;
    size_t len;
    char *body = test_file_read(TEST_DATA "/provider/message_tool_use.json", &len);
    while (len > 0 && (body[len - 1] == '\n' || body[len - 1] == '\r'))
        len--;
    for (size_t cut = 0; cut < len; cut++) {
        struct cf_reply reply;
        struct cf_error err;
        char *copy = malloc(cut + 1);    /* so that a sanitizer sees a read beyond the end */
        memcpy(copy, body, cut);
        assert_false(cf_anthropic_decode(copy, cut, &reply, &err));
        assert_int_equal(err.kind, CF_ERR_PARSE);
        free(copy);
    }
    free(body);
}

int main(void)
{
    static const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_refusal_keeps_its_category),
        cmocka_unit_test(a_tool_call_keeps_its_input_as_written),
        cmocka_unit_test(batch_results_decode_as_messages),
        cmocka_unit_test(unknown_things_are_counted_not_refused),
        cmocka_unit_test(every_stop_reason_is_read),
        cmocka_unit_test(nul_and_lone_surrogates_are_repaired_and_counted),
        cmocka_unit_test(the_order_of_keys_does_not_matter),
        cmocka_unit_test(of_equal_keys_the_first_counts),
        cmocka_unit_test(a_number_beyond_all_doubles_is_refused_wherever_it_stands),
        cmocka_unit_test(every_prefix_of_a_message_is_refused),
    };
    enum {
        ROWS = sizeof rows / sizeof rows[0],
        USAGES = sizeof usage_rows / sizeof usage_rows[0],
        BAD = sizeof bad_rows / sizeof bad_rows[0],
        CASES = sizeof cases / sizeof cases[0],
    };
    struct CMUnitTest tests[ROWS + USAGES + BAD + CASES] = { 0 };
    size_t n = 0;
    for (size_t i = 0; i < ROWS; i++)
        tests[n++] = (struct CMUnitTest){ .name = rows[i].name, .test_func = decodes_the_fixture,
                                          .initial_state = &rows[i] };
    for (size_t i = 0; i < USAGES; i++)
        tests[n++] = (struct CMUnitTest){ .name = usage_rows[i].name,
                                          .test_func = reads_the_usage,
                                          .initial_state = &usage_rows[i] };
    for (size_t i = 0; i < BAD; i++)
        tests[n++] = (struct CMUnitTest){ .name = bad_rows[i].name,
                                          .test_func = says_what_it_found,
                                          .initial_state = &bad_rows[i] };
    memcpy(tests + n, cases, sizeof cases);
    return cmocka_run_group_tests_name("anthropic_reply", tests, NULL, NULL);
}
