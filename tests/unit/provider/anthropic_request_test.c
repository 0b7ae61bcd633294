#include "provider/anthropic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "confab/buf.h"
#include "confab/error.h"

#define TEXT(literal) { (literal), sizeof(literal) - 1 }

/* One of each class of models. */
static const struct cf_features sonnet_5_5 = {
    .sampling = CF_SAMPLING_NONE, .structured_outputs = true, .effort = true,
    .thinking = CF_THINKING_BETWEEN_TOOLS | CF_THINKING_ADAPTIVE, .thinks_by_default = true,
    .max_output = 128000,
};
static const struct cf_features opus_5_5 = {
    .sampling = CF_SAMPLING_NONE, .structured_outputs = true, .effort = true,
    .thinking = CF_THINKING_ADAPTIVE, .thinks_by_default = true, .max_output = 128000,
};
static const struct cf_features sonnet_5 = {
    .sampling = CF_SAMPLING_NONE, .structured_outputs = true, .effort = true, .forced_tools = true,
    .thinking = CF_THINKING_DISABLED | CF_THINKING_ADAPTIVE, .thinks_by_default = true,
    .max_output = 128000,
};
static const struct cf_features opus_4_8 = {
    .sampling = CF_SAMPLING_NONE, .structured_outputs = true, .effort = true, .forced_tools = true,
    .thinking = CF_THINKING_DISABLED | CF_THINKING_ADAPTIVE, .max_output = 128000,
};
static const struct cf_features sonnet_4_6 = {
    .sampling = CF_SAMPLING_ONE, .structured_outputs = true, .effort = true, .forced_tools = true,
    .thinking = CF_THINKING_DISABLED | CF_THINKING_ADAPTIVE | CF_THINKING_ENABLED,
    .max_output = 128000,
};
static const struct cf_features haiku_4_5 = {
    .sampling = CF_SAMPLING_ONE, .structured_outputs = true, .forced_tools = true, .prefill = true,
    .thinking = CF_THINKING_ENABLED, .max_output = 64000,
};
static const struct cf_features sonnet_3_5 = {
    .sampling = CF_SAMPLING_BOTH, .forced_tools = true, .prefill = true, .max_output = 8192,
};

static const struct cf_features sonnet_3_5_thinking = {
    .sampling = CF_SAMPLING_BOTH, .forced_tools = true, .thinking = CF_THINKING_ENABLED,
    .max_output = 8192,
};

static const struct cf_chat_message hello[] = { { "user", TEXT("Hello \"you\"") } };
static const struct cf_chat_message prefilled[] = { { "user", TEXT("Go") },
                                                    { "assistant", TEXT("{") } };
static const struct cf_chat_message blank_end[] = { { "user", TEXT("Go") },
                                                    { "assistant", TEXT("{ ") } };
static const struct cf_text stops[] = { TEXT("END"), TEXT("\n\nHuman:") };

#define CALL(list, count) .model = "m", .messages = (list), .message_count = (count), \
                          .max_tokens = 100
#define HELLO CALL(hello, 1)
#define SAMPLING .has_temperature = true, .temperature = 0.7, .has_top_p = true, .top_p = 0.9, \
                 .has_top_k = true, .top_k = 40
#define TOOLS .tools = TEXT("[{\"name\":\"f\",\"input_schema\":{}}]")

#define HELLO_MESSAGES "\"messages\":[{\"role\":\"user\",\"content\":\"Hello \\\"you\\\"\"}]"
#define BEGIN(most)    "{\"model\":\"m\",\"max_tokens\":" most "," HELLO_MESSAGES

struct row {
    const char *name;
    const struct cf_features *features;
    struct cf_chat_request request;
    const char *body;
    const char *dropped;
};

static struct row rows[] = {
    { "sonnet 5.5 thinks between tools only, with room for it",
      &sonnet_5_5,
      { HELLO },
      BEGIN("2148") ",\"thinking\":{\"type\":\"between_tools\"}}",
      "" },
    { "opus 5.5 thinks adaptively with little effort",
      &opus_5_5,
      { HELLO },
      BEGIN("2148") ",\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"low\"}}",
      "" },
    { "sonnet 5 does not think",
      &sonnet_5,
      { HELLO },
      BEGIN("100") ",\"thinking\":{\"type\":\"disabled\"}}",
      "" },
    { "opus 4.8 is told nothing", &opus_4_8, { HELLO }, BEGIN("100") "}", "" },
    { "3.5 is told nothing", &sonnet_3_5, { HELLO }, BEGIN("100") "}", "" },
    { "the newest take no sampling",
      &opus_4_8,
      { HELLO, SAMPLING },
      BEGIN("100") "}",
      "temperature, top_p, top_k" },
    { "4.6 takes temperature or top_p",
      &sonnet_4_6,
      { HELLO, SAMPLING },
      BEGIN("100") ",\"temperature\":0.7,\"top_k\":40}",
      "top_p" },
    { "4.5 takes top_p alone",
      &haiku_4_5,
      { HELLO, .has_top_p = true, .top_p = 0.9 },
      BEGIN("100") ",\"top_p\":0.9}",
      "" },
    { "3.5 takes all three",
      &sonnet_3_5,
      { HELLO, SAMPLING },
      BEGIN("100") ",\"temperature\":0.7,\"top_p\":0.9,\"top_k\":40}",
      "" },
    { "temperature 0 is sent",
      &sonnet_4_6,
      { HELLO, .has_temperature = true },
      BEGIN("100") ",\"temperature\":0}",
      "" },
    { "sampling does not go with thinking",
      &sonnet_4_6,
      { HELLO, SAMPLING, .thinking = CF_THINKING_ADAPTIVE },
      BEGIN("2148") ",\"thinking\":{\"type\":\"adaptive\"}}",
      "temperature, top_p, top_k" },
    { "a thinking budget comes on top",
      &haiku_4_5,
      { HELLO, .thinking = CF_THINKING_ENABLED, .thinking_budget = 3000 },
      BEGIN("3100") ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":3000}}",
      "" },
    { "thinking that was asked for has the model's own effort",
      &opus_5_5,
      { HELLO, .thinking = CF_THINKING_ADAPTIVE },
      BEGIN("2148") ",\"thinking\":{\"type\":\"adaptive\"}}",
      "" },
    { "an effort that was asked for is sent",
      &opus_5_5,
      { HELLO, .effort = "high" },
      BEGIN(
          "2148") ",\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"high\"}}",
      "" },
    { "an effort that the model does not know is not",
      &haiku_4_5,
      { HELLO, .effort = "high" },
      BEGIN("100") "}",
      "effort" },
    { "a schema goes out in the part that the API takes",
      &sonnet_5_5,
      { HELLO,
        .schema = TEXT("{\"type\": \"integer\", \"enum\": [9007199254740993], \"minimum\": 1}") },
      BEGIN("2148") ",\"thinking\":{\"type\":\"between_tools\"},\"output_config\":{\"format\":"
                    "{\"type\":\"json_schema\",\"schema\":{\"type\":\"integer\",\"enum\":["
                    "9007199254740993],"
                    "\"description\":\"{minimum: 1}\"}}}}",
      "" },
    { "effort and schema share a place",
      &opus_5_5,
      { HELLO, .schema = TEXT("{\"type\":\"null\"}") },
      BEGIN("2148") ",\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"low\","
                    "\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":\"null\"}}}}",
      "" },
    { "3.5 has no structured output: a tool is forced",
      &sonnet_3_5,
      { HELLO, .schema = TEXT("{\"type\":\"object\"}") },
      BEGIN("100") ",\"tools\":[{\"name\":\"reply\",\"description\":\"Takes your answer.\","
                   "\"input_schema\":{\"type\":\"object\"}}],"
                   "\"tool_choice\":{\"type\":\"tool\",\"name\":\"reply\"}}",
      "" },
    { "so it is where structured output cannot say the schema",
      &opus_4_8,
      { HELLO, .schema = TEXT("{\"type\":\"object\"}") },
      BEGIN("100") ",\"tools\":[{\"name\":\"reply\",\"description\":\"Takes your answer.\","
                   "\"input_schema\":{\"type\":\"object\"}}],"
                   "\"tool_choice\":{\"type\":\"tool\",\"name\":\"reply\"}}",
      "" },
    { "where no tool can be forced the prompt has the schema",
      &opus_5_5,
      { HELLO, .system = TEXT("Be brief."), .schema = TEXT("{\"type\":\"object\"}") },
      "{\"model\":\"m\",\"max_tokens\":2148,\"system\":\"Be brief.\\n\\nAnswer with JSON that fits "
      "this JSON Schema, and with nothing else:\\n{\\\"type\\\":\\\"object\\\"}\","
      "\"messages\":[{\"role\":\"user\",\"content\":\"Hello \\\"you\\\"\"}],"
      "\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"low\"}}",
      "" },
    { "the input of a tool is an object: another schema is told",
      &sonnet_3_5,
      { HELLO, .schema = TEXT("{\"type\":\"array\"}") },
      "{\"model\":\"m\",\"max_tokens\":100,\"system\":\"Answer with JSON that fits this JSON "
      "Schema, "
      "and with nothing else:\\n{\\\"type\\\":\\\"array\\\"}\","
      "\"messages\":[{\"role\":\"user\",\"content\":\"Hello \\\"you\\\"\"}]}",
      "" },
    { "no tool is forced for a schema while thinking by budget",
      &sonnet_3_5_thinking,
      { HELLO, .schema = TEXT("{\"type\":\"object\"}"), .thinking = CF_THINKING_ENABLED,
        .thinking_budget = 1024 },
      "{\"model\":\"m\",\"max_tokens\":1124,\"system\":\"Answer with JSON that fits this JSON "
      "Schema, "
      "and with nothing else:\\n{\\\"type\\\":\\\"object\\\"}\","
      "\"messages\":[{\"role\":\"user\",\"content\":\"Hello \\\"you\\\"\"}],"
      "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}}",
      "" },
    { "a forced tool",
      &haiku_4_5,
      { HELLO, TOOLS, .tool_choice = TEXT("{\"type\":\"tool\",\"name\":\"f\"}") },
      BEGIN("100") ",\"tools\":[{\"name\":\"f\",\"input_schema\":{}}],"
                   "\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\"}}",
      "" },
    { "a forced tool where none can be forced",
      &opus_5_5,
      { HELLO, TOOLS, .tool_choice = TEXT("{\"type\":\"any\"}") },
      BEGIN("2148") ",\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"low\"},"
                    "\"tools\":[{\"name\":\"f\",\"input_schema\":{}}]}",
      "tool_choice" },
    { "a free choice of tools is always sent",
      &opus_5_5,
      { HELLO, TOOLS, .tool_choice = TEXT("{\"type\":\"none\"}") },
      BEGIN("2148") ",\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"low\"},"
                    "\"tools\":[{\"name\":\"f\",\"input_schema\":{}}],\"tool_choice\":{\"type\":"
                    "\"none\"}}",
      "" },
    { "no tool is forced while thinking by budget",
      &haiku_4_5,
      { HELLO, TOOLS, .tool_choice = TEXT("{\"type\":\"any\"}"), .thinking = CF_THINKING_ENABLED,
        .thinking_budget = 1024 },
      BEGIN("1124") ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024},"
                    "\"tools\":[{\"name\":\"f\",\"input_schema\":{}}]}",
      "tool_choice" },
    { "a system prompt, stop sequences, user and stream",
      &opus_4_8,
      { HELLO, .system = TEXT("Be\tkind"), .stop = stops, .stop_count = 2, .stream = true,
        .user_id = TEXT("u1") },
      "{\"model\":\"m\",\"max_tokens\":100,\"system\":\"Be\\tkind\"," HELLO_MESSAGES
      ",\"stop_sequences\":[\"END\",\"\\n\\nHuman:\"],\"metadata\":{\"user_id\":\"u1\"},"
      "\"stream\":true}",
      "" },
    { "a cache mark on the system prompt",
      &opus_4_8,
      { HELLO, .system = TEXT("S"), .cache = CF_CACHE_5M },
      "{\"model\":\"m\",\"max_tokens\":100,\"system\":[{\"type\":\"text\",\"text\":\"S\","
      "\"cache_control\":{\"type\":\"ephemeral\"}}]," HELLO_MESSAGES "}",
      "" },
    { "a cache mark for an hour",
      &opus_4_8,
      { HELLO, .system = TEXT("S"), .cache = CF_CACHE_1H },
      "{\"model\":\"m\",\"max_tokens\":100,\"system\":[{\"type\":\"text\",\"text\":\"S\","
      "\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}]," HELLO_MESSAGES "}",
      "" },
    { "a cache mark without a system prompt marks nothing",
      &opus_4_8,
      { HELLO, .cache = CF_CACHE_5M },
      BEGIN("100") "}",
      "" },
    { "a prefill where it is continued",
      &haiku_4_5,
      { CALL(prefilled, 2) },
      "{\"model\":\"m\",\"max_tokens\":100,\"messages\":[{\"role\":\"user\",\"content\":\"Go\"},"
      "{\"role\":\"assistant\",\"content\":\"{\"}]}",
      "" },
    { "max_tokens at the model's limit leaves no room",
      &sonnet_5_5,
      { .model = "m", .messages = hello, .message_count = 1, .max_tokens = 128000 },
      BEGIN("128000") ",\"thinking\":{\"type\":\"between_tools\"}}",
      "" },
};

static void builds(void **state)
{
    const struct row *row = *state;
    struct cf_buf body;
    struct cf_dropped dropped;
    struct cf_error err;
    char text[CF_DROPPED_TEXT_MAX];

    cf_buf_init(&body, CF_REQUEST_BYTES_MAX);
    if (!cf_anthropic_build(&row->request, row->features, &body, &dropped, &err))
        fail_msg("%s", err.message);
    assert_string_equal(cf_buf_str(&body), row->body);
    assert_true(cf_json_check(cf_buf_str(&body), body.len, NULL, NULL));
    cf_dropped_format(&dropped, text);
    assert_string_equal(text, row->dropped);
    cf_buf_done(&body);
}

struct bad_row {
    const char *name;
    const struct cf_features *features;
    struct cf_chat_request request;
    const char *message;
};

static struct bad_row bad_rows[] = {
    { "what no model takes",
      &opus_4_8,
      { HELLO, .has_temperature = true, .temperature = 1.5 },
      "temperature is 1.5: it must be from 0 to 1" },
    { "max_tokens beyond the model's limit",
      &sonnet_3_5,
      { .model = "m", .messages = hello, .message_count = 1, .max_tokens = 8193 },
      "max_tokens is 8193: m takes at most 8192" },
    { "a kind of thinking that the model refuses",
      &sonnet_5_5,
      { HELLO, .thinking = CF_THINKING_DISABLED },
      "thinking is \"disabled\", but m takes between_tools, adaptive" },
    { "thinking where there is none",
      &sonnet_3_5,
      { HELLO, .thinking = CF_THINKING_ADAPTIVE },
      "thinking is \"adaptive\", but m takes no such setting" },
    { "a thinking budget over the model's limit",
      &haiku_4_5,
      { HELLO, .thinking = CF_THINKING_ENABLED, .thinking_budget = 64000 },
      "thinking_budget is 64000: it must be below the 64000 tokens that m can write" },
    { "a prefill where none is continued",
      &opus_4_8,
      { CALL(prefilled, 2) },
      "messages[2].role is \"assistant\": the last must be user, as m does not continue an answer "
      "that was begun" },
    { "a prefill with a schema",
      &haiku_4_5,
      { CALL(prefilled, 2), .schema = TEXT("{\"type\":\"null\"}") },
      "messages[2].role is \"assistant\": the last must be user with a schema" },
    { "a prefill with thinking",
      &haiku_4_5,
      { CALL(prefilled, 2), .thinking = CF_THINKING_ENABLED, .thinking_budget = 1024 },
      "messages[2].role is \"assistant\": the last must be user with thinking" },
    { "a prefill that ends in a blank",
      &haiku_4_5,
      { CALL(blank_end, 2) },
      "messages[2].content ends in white space, which the beginning of an answer must not" },
};

static void refuses(void **state)
{
    const struct bad_row *row = *state;
    struct cf_buf body;
    struct cf_dropped dropped = { .effort = true };
    struct cf_error err;

    cf_buf_init(&body, CF_REQUEST_BYTES_MAX);
    cf_buf_adds(&body, "before");
    assert_false(cf_anthropic_build(&row->request, row->features, &body, &dropped, &err));
    assert_int_equal(err.kind, CF_ERR_CONFIG);
    assert_string_equal(err.message, row->message);
    assert_string_equal(cf_buf_str(&body), "before");
    assert_true(dropped.effort);
    cf_buf_done(&body);
}

static void a_request_over_the_bound_leaves_the_buffer_alone(void **state)
{
    (void)state;
    struct cf_chat_request request = { HELLO };
    struct cf_buf body;
    struct cf_dropped dropped;
    struct cf_error err;

    cf_buf_init(&body, 40);
    cf_buf_adds(&body, "before");
    assert_false(cf_anthropic_build(&request, &opus_4_8, &body, &dropped, &err));
    assert_string_equal(err.message, "the request is over 40 bytes");
    assert_string_equal(cf_buf_str(&body), "before");
    assert_true(cf_buf_ok(&body));
    cf_buf_done(&body);
}

static void both_forms_of_a_base_url_lead_to_messages(void **state)
{
    (void)state;
    static const char *const urls[][2] = {
        { "https://api.anthropic.com/v1", "https://api.anthropic.com/v1/messages" },
        { "https://api.anthropic.com", "https://api.anthropic.com/v1/messages" },
        { "https://api.anthropic.com/v1//", "https://api.anthropic.com/v1/messages" },
        { "http://127.0.0.1:8080/", "http://127.0.0.1:8080/v1/messages" },
        { "http://gateway/team/v1", "http://gateway/team/v1/messages" },
        { "http://gateway/dev1", "http://gateway/dev1/v1/messages" },
    };
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        char *url = cf_anthropic_url(urls[i][0]);
        assert_string_equal(url, urls[i][1]);
        free(url);
    }
}

static void the_own_service_is_told_from_others(void **state)
{
    (void)state;
    assert_true(cf_anthropic_is_own_url(CF_ANTHROPIC_BASE_URL));
    assert_true(cf_anthropic_is_own_url("https://api.anthropic.com"));
    assert_true(cf_anthropic_is_own_url("https://api.anthropic.com:443/v1"));
    assert_false(cf_anthropic_is_own_url("https://api.anthropic.com.evil.example/v1"));
    assert_false(cf_anthropic_is_own_url("http://127.0.0.1:1/api.anthropic.com"));
    assert_false(cf_anthropic_is_own_url("api.anthropic.com"));
    assert_false(cf_anthropic_is_own_url(""));
}

static void the_header_fields_carry_key_and_version(void **state)
{
    (void)state;
    struct cf_http_field fields[CF_ANTHROPIC_FIELDS];
    assert_int_equal(cf_anthropic_fields("sk-1", fields), CF_ANTHROPIC_FIELDS);
    assert_string_equal(fields[0].name, "x-api-key");
    assert_string_equal(fields[0].value, "sk-1");
    assert_string_equal(fields[1].name, "anthropic-version");
    assert_string_equal(fields[1].value, "2023-06-01");
    assert_string_equal(fields[2].name, "content-type");
    assert_string_equal(fields[2].value, "application/json");
}

static void everything_dropped_can_be_said(void **state)
{
    (void)state;
    struct cf_dropped all = { true, true, true, true, true };
    char text[CF_DROPPED_TEXT_MAX];
    cf_dropped_format(&all, text);
    assert_string_equal(text, "temperature, top_p, top_k, tool_choice, effort");
}

int main(void)
{
    static const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_request_over_the_bound_leaves_the_buffer_alone),
        cmocka_unit_test(both_forms_of_a_base_url_lead_to_messages),
        cmocka_unit_test(the_own_service_is_told_from_others),
        cmocka_unit_test(the_header_fields_carry_key_and_version),
        cmocka_unit_test(everything_dropped_can_be_said),
    };
    enum {
        ROWS = sizeof rows / sizeof rows[0],
        BAD = sizeof bad_rows / sizeof bad_rows[0],
        CASES = sizeof cases / sizeof cases[0],
    };
    struct CMUnitTest tests[ROWS + BAD + CASES] = { 0 };
    size_t n = 0;
    for (size_t i = 0; i < ROWS; i++)
        tests[n++] = (struct CMUnitTest){ .name = rows[i].name, .test_func = builds,
                                          .initial_state = &rows[i] };
    for (size_t i = 0; i < BAD; i++)
        tests[n++] = (struct CMUnitTest){ .name = bad_rows[i].name, .test_func = refuses,
                                          .initial_state = &bad_rows[i] };
    memcpy(tests + n, cases, sizeof cases);
    return cmocka_run_group_tests_name("anthropic_request", tests, NULL, NULL);
}
