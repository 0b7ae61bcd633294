/* In what two requests differ. */
#include "provider/request_diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct row {
    const char *name, *before, *after, *diff;
};

#define ASK(text) "\"messages\":[{\"role\":\"user\",\"content\":\"" text "\"}]"

#define PROMPT "Answer with JSON that fits this JSON Schema, and with nothing else:\\n"
#define TOOL(schema) "{\"tools\":[{\"name\":\"reply\",\"input_schema\":" schema "}]," \
                     "\"tool_choice\":{\"type\":\"tool\",\"name\":\"reply\"}}"

static struct row rows[] = {
    { "equal bodies do not differ", "{" ASK("a") "}", "{" ASK("a") "}", "" },
    { "one message is a prompt", "{" ASK("a") "}", "{" ASK("b") "}", "prompt" },
    { "several are messages", "{" ASK("a") "}",
      "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":"
      "\"b\"}]}",
      "messages" },
    { "several fields are listed", "{\"model\":\"x\",\"temperature\":0.5," ASK("a") "}",
      "{\"model\":\"y\",\"temperature\":0.7," ASK("b") "}", "model, prompt, temperature" },
    { "a field that was not there differs", "{" ASK("a") "}", "{\"top_k\":3," ASK("a") "}",
      "top_k" },
    { "a field that is gone differs", "{\"stop_sequences\":[\"x\"]}", "{}", "stop" },
    { "numbers are compared as numbers", "{\"temperature\":0.50}", "{\"temperature\":5e-1}", "" },
    { "the order of keys is none", "{\"a\":1,\"model\":\"x\"}", "{\"model\":\"x\",\"a\":1}", "" },
    { "a cache mark is no difference", "{\"system\":\"s\"}",
      "{\"system\":[{\"type\":\"text\",\"text\":\"s\",\"cache_control\":{\"type\":\"ephemeral\"}}]"
      "}",
      "" },
    { "a system prompt with a mark is looked into", "{\"system\":\"s\"}",
      "{\"system\":[{\"type\":\"text\",\"text\":\"t\"}]}", "system" },
    { "a system prompt that is gone differs", "{\"system\":\"s\"}", "{}", "system" },
    { "schema and effort are told apart",
      "{\"output_config\":{\"effort\":\"low\",\"format\":{\"a\":1}}}",
      "{\"output_config\":{\"effort\":\"low\",\"format\":{\"a\":2}}}", "schema" },
    { "a schema that goes out as a tool is a schema", TOOL("1"), TOOL("2"), "schema" },
    { "one that stands in the system prompt, too", "{\"system\":\"s\\n\\n" PROMPT "1\"}",
      "{\"system\":\"s\\n\\n" PROMPT "2\"}", "schema" },
    { "beside it the system prompt is compared", "{\"system\":\"s\\n\\n" PROMPT "1\"}",
      "{\"system\":\"t\\n\\n" PROMPT "1\"}", "system" },
    { "a schema that is new is one, too", "{}", "{\"system\":\"" PROMPT "1\"}", "schema" },
    { "the form that follows from the model is not told",
      "{\"model\":\"x\",\"output_config\":{\"format\":1}}",
      "{\"model\":\"y\",\"system\":\"" PROMPT "1\"}", "model" },
    { "effort alone", "{\"output_config\":{\"effort\":\"low\"}}",
      "{\"output_config\":{\"effort\":\"high\"}}", "effort" },
    { "streaming is no difference", "{\"stream\":true}", "{}", "" },
    { "max_tokens is one", "{\"max_tokens\":10}", "{\"max_tokens\":20}", "max_tokens" },
    { "what follows from the model is not told",
      "{\"model\":\"x\",\"max_tokens\":10,\"temperature\":1}",
      "{\"model\":\"y\",\"max_tokens\":20,\"thinking\":{\"type\":\"disabled\"}}", "model" },
    { "what both models take is", "{\"model\":\"x\",\"temperature\":1}",
      "{\"model\":\"y\",\"temperature\":0}", "model, temperature" },
    { "no JSON at all", "what?", "{}", "request" },
    { "nothing", "", "", "request" },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    char diff[CF_REQUEST_DIFF_MAX];
    cf_request_diff((struct cf_text){ row->before, strlen(row->before) },
                    (struct cf_text){ row->after, strlen(row->after) }, diff);
    assert_string_equal(diff, row->diff);
}

static void a_reply_that_is_sent_back_is_known(void **state)
{
    (void)state;
#define TEXT(text) (struct cf_text){ text, strlen(text) }
    const char *before = "{" ASK("a") "}";
    const char *after =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\","
        "\"content\":\"{}\"},{\"role\":\"user\",\"content\":\"no\"}]}";
    assert_true(cf_request_sends_back(TEXT(before), TEXT("{}"), TEXT(after)));
    assert_false(cf_request_sends_back(TEXT(before), TEXT("[]"), TEXT(after)));
    assert_false(cf_request_sends_back(TEXT("{" ASK("b") "}"), TEXT("{}"), TEXT(after)));
    assert_false(cf_request_sends_back(TEXT(before), TEXT("{}"), TEXT(before)));
    assert_false(cf_request_sends_back(TEXT(before), TEXT("{}"), TEXT("?")));
}

int main(void)
{
    enum { ROWS = sizeof rows / sizeof rows[0] };
    struct CMUnitTest tests[ROWS + 1];
    for (size_t i = 0; i < ROWS; i++)
        tests[i] = (struct CMUnitTest){ .name = rows[i].name,
                                        .test_func = check_row,
                                        .initial_state = &rows[i] };
    tests[ROWS] = (struct CMUnitTest)cmocka_unit_test(a_reply_that_is_sent_back_is_known);
    return cmocka_run_group_tests_name("request_diff", tests, NULL, NULL);
}
