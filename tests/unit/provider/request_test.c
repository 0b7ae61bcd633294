#include "provider/request.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "confab/buf.h"
#include "confab/error.h"

#define TEXT(literal) { (literal), sizeof(literal) - 1 }

static const struct cf_chat_message one_message[] = { { "user", TEXT("Hello") } };

#define CALL(name, list, count, most) \
    .model = (name), .messages = (list), .message_count = (count), .max_tokens = (most)
#define SAYING(list, count) CALL("claude-sonnet-5-5", list, count, 100)
#define PLAIN               SAYING(one_message, 1)

/* --- checking --- */

static const struct cf_chat_message bad_role[] = { { "user", TEXT("a") }, { "bot", TEXT("b") } };
static const struct cf_chat_message no_role[] = { { NULL, TEXT("a") } };
static const struct cf_chat_message wrong_start[] = { { "assistant", TEXT("a") } };
static const struct cf_chat_message no_content[] = { { "user", { NULL, 0 } } };
static const struct cf_chat_message blank[] = { { "user", TEXT("a") }, { "user", TEXT(" \n") } };
static const struct cf_chat_message invalid[] = { { "user", TEXT("ab\xff") } };
static const struct cf_text blank_stop[] = { TEXT("END"), TEXT(" ") };
static char long_id[513];

struct check_row {
    const char *name;
    struct cf_chat_request request;
    const char *message;         /* NULL: it is fine */
};

static struct check_row check_rows[] = {
    { "a plain call is fine", { PLAIN }, NULL },
    { "edges of the ranges are fine",
      { PLAIN, .has_temperature = true, .temperature = 1, .has_top_p = true, .top_p = 0,
        .has_top_k = true, .top_k = 0, .effort = "max" }, NULL },
    { "no model", { CALL(NULL, one_message, 1, 100) }, "model is empty" },
    { "no messages", { SAYING(NULL, 0) }, "messages is empty: at least one is needed" },
    { "an unknown role", { SAYING(bad_role, 2) },
      "messages[2].role is \"bot\": it must be user or assistant" },
    { "no role", { SAYING(no_role, 1) },
      "messages[1].role is \"\": it must be user or assistant" },
    { "the assistant begins", { SAYING(wrong_start, 1) },
      "messages[1].role is \"assistant\": the first must be user" },
    { "no content", { SAYING(no_content, 1) }, "messages[1].content is empty" },
    { "blank content", { SAYING(blank, 2) },
      "messages[2].content is empty" },
    { "invalid UTF-8", { SAYING(invalid, 1) },
      "messages[1].content is not valid UTF-8 at byte 3" },
    { "a blank system prompt", { PLAIN, .system = TEXT("\n") }, "system has only white space" },
    { "an empty system prompt is none", { PLAIN, .system = TEXT("") }, NULL },
    { "max_tokens of 0", { CALL("m", one_message, 1, 0) },
      "max_tokens is 0: it must be at least 1" },
    { "temperature over 1", { PLAIN, .has_temperature = true, .temperature = 1.5 },
      "temperature is 1.5: it must be from 0 to 1" },
    { "temperature below 0", { PLAIN, .has_temperature = true, .temperature = -0.1 },
      "temperature is -0.1: it must be from 0 to 1" },
    { "temperature that is no number", { PLAIN, .has_temperature = true, .temperature = NAN },
      "temperature is nan: it must be from 0 to 1" },
    { "top_p over 1", { PLAIN, .has_top_p = true, .top_p = 2 },
      "top_p is 2: it must be from 0 to 1" },
    { "a negative top_k", { PLAIN, .has_top_k = true, .top_k = -1 },
      "top_k is -1: it must be 0 or more" },
    { "a blank stop sequence", { PLAIN, .stop = blank_stop, .stop_count = 2 },
      "stop[2] is empty or only white space" },
    { "too small a thinking budget",
      { PLAIN, .thinking = CF_THINKING_ENABLED, .thinking_budget = 1023 },
      "thinking_budget is 1023: it must be at least 1024" },
    { "an unknown effort", { PLAIN, .effort = "huge" },
      "effort is \"huge\": it must be low, medium, high, xhigh or max" },
    { "tools that are no JSON", { PLAIN, .tools = TEXT("[") }, "tools is not valid JSON: " },
    { "tools that are no array", { PLAIN, .tools = TEXT("{}") },
      "tools must be a JSON array with at least one element" },
    { "no tool in tools", { PLAIN, .tools = TEXT("[]") },
      "tools must be a JSON array with at least one element" },
    { "a schema that is no object", { PLAIN, .schema = TEXT("true") },
      "schema must be a JSON object" },
    { "a tool_choice without tools", { PLAIN, .tool_choice = TEXT("{\"type\":\"any\"}") },
      "tool_choice is given without tools" },
    { "too long a user id", { PLAIN, .user_id = { long_id, 513 } },
      "user_id has 513 characters: at most 512 are taken" },
};

static void checks(void **state)
{
    const struct check_row *row = *state;
    struct cf_error err;
    bool ok = cf_chat_request_check(&row->request, &err);
    assert_int_equal(ok, row->message == NULL);
    if (ok)
        return;
    assert_int_equal(err.kind, CF_ERR_CONFIG);
    assert_memory_equal(err.message, row->message, strlen(row->message));
    if (row->message[strlen(row->message) - 1] != ' ')    /* what follows is another module's */
        assert_string_equal(err.message, row->message);
}

/* --- identity --- */

static const struct cf_text stops[] = { TEXT("END"), TEXT("\"STOP\"") };

static const struct cf_chat_request full = {
    .model = "claude-haiku-4-5", .system = TEXT("Be kind.\n\xc3\xa9"),
    .messages = (const struct cf_chat_message[]){ { "user", TEXT("Hi") },
                                                  { "assistant", TEXT("{") } },
    .message_count = 2, .max_tokens = 512,
    .has_temperature = true, .temperature = 0.7, .has_top_p = true, .top_p = 1.0,
    .has_top_k = true, .top_k = 40, .stop = stops, .stop_count = 2,
    .tools = TEXT("[ {\"name\":\"f\", \"input_schema\":{\"type\":\"object\",\"a\":1.50}} ]"),
    .tool_choice = TEXT("{\"type\":\"tool\",\"name\":\"f\"}"),
    .schema = TEXT("{\"b\":1,\"a\":2}"),
    .thinking = CF_THINKING_ENABLED, .thinking_budget = 2048, .effort = "high",
};

static void assert_canonical(const struct cf_chat_request *request, const char *expected)
{
    struct cf_buf buf;
    cf_buf_init(&buf, 1 << 20);
    assert_true(cf_chat_request_canonical(request, &buf, NULL));
    assert_string_equal(cf_buf_str(&buf), expected);
    cf_buf_done(&buf);
}

static void the_canonical_form_is_sorted_and_short(void **state)
{
    (void)state;
    struct cf_chat_request plain = { PLAIN };
    assert_canonical(&plain, "{\"hash_version\":1,\"messages\":[{\"content\":\"Hello\",\"role\":"
                             "\"user\"}],\"model\":\"claude-sonnet-5-5\"}");
    assert_canonical(&full,
        "{\"effort\":\"high\",\"hash_version\":1,\"messages\":[{\"content\":\"Hi\",\"role\":"
        "\"user\"},{\"content\":\"{\",\"role\":\"assistant\"}],\"model\":\"claude-haiku-4-5\","
        "\"schema\":{\"a\":2,\"b\":1},\"stop\":[\"END\",\"\\\"STOP\\\"\"],"
        "\"system\":\"Be kind.\\n\xc3\xa9\",\"temperature\":0.7,\"thinking\":\"enabled\","
        "\"thinking_budget\":2048,\"tool_choice\":{\"name\":\"f\",\"type\":\"tool\"},"
        "\"tools\":[{\"input_schema\":{\"a\":1.5,\"type\":\"object\"},\"name\":\"f\"}],"
        "\"top_k\":40,\"top_p\":1}");
}

static void hash_text(const struct cf_chat_request *request, char out[65])
{
    uint8_t hash[CF_REQUEST_HASH_SIZE];
    assert_true(cf_chat_request_hash(request, hash, NULL));
    cf_hex(hash, sizeof hash, out);
}

/* Journals hold these: a hash that changes loses every stored reply. */
static void hashes_never_change(void **state)
{
    (void)state;
    char hash[65];
    struct cf_chat_request plain = { PLAIN };
    hash_text(&plain, hash);
    assert_string_equal(hash,
                        "98148e18729aee95adbce4c804e1683d43eddc81be964857573512658fec4a3b");
    hash_text(&full, hash);
    assert_string_equal(hash,
                        "ff61d7db405374502c1c7ef76822b3f5310a92b2fdd6d89355d9d98574f6cca1");
}

static void what_is_not_the_call_is_not_in_its_hash(void **state)
{
    (void)state;
    char before[65], after[65];
    struct cf_chat_request request = full;
    hash_text(&request, before);
    request.max_tokens = 9999;
    request.cache = CF_CACHE_1H;
    request.stream = true;
    request.user_id = (struct cf_text)TEXT("u1");
    request.schema = (struct cf_text)TEXT(" {\"a\" : 2.0, \"b\" : 1e0}\n");
    hash_text(&request, after);
    assert_string_equal(before, after);
}

static void what_is_the_call_is_in_its_hash(void **state)
{
    (void)state;
    char before[65], after[65];
    hash_text(&full, before);
    for (int change = 0; change < 14; change++) {
        struct cf_chat_request request = full;
        switch (change) {
        case 0: request.model = "claude-haiku-5-5"; break;
        case 1: request.system = (struct cf_text)TEXT("Be brief."); break;
        case 2: request.message_count = 1; break;
        case 3: request.temperature = 0.71; break;
        case 4: request.has_temperature = false; break;
        case 5: request.top_p = 0.5; break;
        case 6: request.top_k = 41; break;
        case 7: request.stop_count = 1; break;
        case 8: request.tools = (struct cf_text)TEXT("[{\"name\":\"g\"}]"); break;
        case 9: request.tool_choice = (struct cf_text)TEXT("{\"type\":\"any\"}"); break;
        case 10: request.schema = (struct cf_text)TEXT("{\"b\":1,\"a\":3}"); break;
        case 11: request.thinking = CF_THINKING_ADAPTIVE; break;
        case 12: request.thinking_budget = 4096; break;
        case 13: request.effort = "low"; break;
        }
        hash_text(&request, after);
        assert_string_not_equal(before, after);
    }
}

static void a_call_that_cannot_be_identified_says_why(void **state)
{
    (void)state;
    struct cf_error err;
    uint8_t hash[CF_REQUEST_HASH_SIZE];
    struct cf_chat_request request = { PLAIN, .tools = TEXT("[1,") };
    assert_false(cf_chat_request_hash(&request, hash, &err));
    assert_int_equal(err.kind, CF_ERR_CONFIG);
    assert_memory_equal(err.message, "tools is not valid JSON: ", 25);

    struct cf_chat_request plain = { PLAIN };
    struct cf_buf small;
    cf_buf_init(&small, 20);
    assert_false(cf_chat_request_canonical(&plain, &small, &err));
    assert_string_equal(err.message, "the request is over 20 bytes");
    cf_buf_done(&small);
}

/* --- bounds --- */

static void the_input_bound_counts_bytes_messages_and_tools(void **state)
{
    (void)state;
    struct cf_chat_request request = { PLAIN };
    assert_int_equal(cf_chat_request_input_bound(&request), 5 + 16);
    request.system = (struct cf_text)TEXT("\xc3\xa9");
    assert_int_equal(cf_chat_request_input_bound(&request), 5 + 16 + 2);
    request.schema = (struct cf_text)TEXT("{}");
    assert_int_equal(cf_chat_request_input_bound(&request), 5 + 16 + 2 + 2 + 64 + 1000);
    request.tools = (struct cf_text)TEXT("[{}]");
    assert_int_equal(cf_chat_request_input_bound(&request), 5 + 16 + 2 + 2 + 64 + 4 + 1000);
    request.messages = full.messages;
    request.message_count = 2;
    assert_int_equal(cf_chat_request_input_bound(&request), 3 + 32 + 2 + 2 + 64 + 4 + 1000);
}

struct bound_row {
    const char *name;
    struct cf_features features;
    enum cf_thinking asked;
    int64_t budget, max_tokens, bound;
    const char *effort;
    enum cf_thinking in_force;
};

static struct bound_row bound_rows[] = {
    { "no thinking, no room", { .max_output = 8192 }, .max_tokens = 100, .bound = 100 },
    { "thinking that can be off is off",
      { .thinking = CF_THINKING_DISABLED | CF_THINKING_ADAPTIVE, .thinks_by_default = true },
      .max_tokens = 100, .bound = 100, .in_force = CF_THINKING_DISABLED },
    { "between tools is less than adaptive",
      { .thinking = CF_THINKING_BETWEEN_TOOLS | CF_THINKING_ADAPTIVE, .thinks_by_default = true },
      .max_tokens = 100, .bound = 2148, .in_force = CF_THINKING_BETWEEN_TOOLS },
    { "thinking that is always on has its room",
      { .thinking = CF_THINKING_ADAPTIVE, .thinks_by_default = true, .thinking_room = 500 },
      .max_tokens = 100, .bound = 600, .in_force = CF_THINKING_ADAPTIVE },
    { "a model that thinks and takes no setting has room too", { .thinks_by_default = true },
      .max_tokens = 100, .bound = 2148 },
    { "thinking that was asked for has room",
      { .thinking = CF_THINKING_DISABLED | CF_THINKING_ADAPTIVE }, .asked = CF_THINKING_ADAPTIVE,
      .max_tokens = 100, .bound = 2148, .in_force = CF_THINKING_ADAPTIVE },
    { "a budget is the room", { .thinking = CF_THINKING_ENABLED }, .asked = CF_THINKING_ENABLED,
      .budget = 3000, .max_tokens = 100, .bound = 3100, .in_force = CF_THINKING_ENABLED },
    { "disabled is nothing to say to a model that does not think by itself", { .thinking = 0 },
      .asked = CF_THINKING_DISABLED, .max_tokens = 100, .bound = 100 },
    { "the highest efforts need adaptive thinking",
      { .thinking = CF_THINKING_DISABLED | CF_THINKING_ADAPTIVE, .thinks_by_default = true,
        .effort = true },
      .effort = "xhigh", .max_tokens = 100, .bound = 2148, .in_force = CF_THINKING_ADAPTIVE },
    { "the model's limit bounds the sum",
      { .thinking = CF_THINKING_ADAPTIVE, .thinks_by_default = true, .max_output = 1000 },
      .max_tokens = 900, .bound = 1000, .in_force = CF_THINKING_ADAPTIVE },
    { "no overflow",
      { .thinking = CF_THINKING_ADAPTIVE, .thinks_by_default = true },
      .max_tokens = INT64_MAX, .bound = INT64_MAX, .in_force = CF_THINKING_ADAPTIVE },
};

static void bounds_the_output(void **state)
{
    const struct bound_row *row = *state;
    struct cf_chat_request request = { PLAIN, .thinking = row->asked, .effort = row->effort,
                                       .thinking_budget = row->budget };
    request.max_tokens = row->max_tokens;
    assert_int_equal(cf_chat_request_thinking(&request, &row->features), row->in_force);
    assert_int_equal(cf_chat_request_output_bound(&request, &row->features), row->bound);
}

static void thinking_has_names(void **state)
{
    (void)state;
    static const char *const names[] = { "least", "disabled", "between_tools", "adaptive",
                                         "enabled" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        enum cf_thinking thinking;
        assert_true(cf_thinking_parse(names[i], &thinking));
        assert_string_equal(cf_thinking_name(thinking), names[i]);
    }
    enum cf_thinking untouched = CF_THINKING_ADAPTIVE;
    assert_false(cf_thinking_parse("off", &untouched));
    assert_int_equal(untouched, CF_THINKING_ADAPTIVE);
}

int main(void)
{
    static const struct CMUnitTest cases[] = {
        cmocka_unit_test(the_canonical_form_is_sorted_and_short),
        cmocka_unit_test(hashes_never_change),
        cmocka_unit_test(what_is_not_the_call_is_not_in_its_hash),
        cmocka_unit_test(what_is_the_call_is_in_its_hash),
        cmocka_unit_test(a_call_that_cannot_be_identified_says_why),
        cmocka_unit_test(the_input_bound_counts_bytes_messages_and_tools),
        cmocka_unit_test(thinking_has_names),
    };
    enum {
        CHECKS = sizeof check_rows / sizeof check_rows[0],
        BOUNDS = sizeof bound_rows / sizeof bound_rows[0],
        CASES = sizeof cases / sizeof cases[0],
    };
    struct CMUnitTest tests[CHECKS + BOUNDS + CASES] = { 0 };
    size_t n = 0;

    memset(long_id, 'u', sizeof long_id);
    for (size_t i = 0; i < CHECKS; i++)
        tests[n++] = (struct CMUnitTest){ .name = check_rows[i].name, .test_func = checks,
                                          .initial_state = &check_rows[i] };
    for (size_t i = 0; i < BOUNDS; i++)
        tests[n++] = (struct CMUnitTest){ .name = bound_rows[i].name,
                                          .test_func = bounds_the_output,
                                          .initial_state = &bound_rows[i] };
    memcpy(tests + n, cases, sizeof cases);
    return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
