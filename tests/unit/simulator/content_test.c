#include <dirent.h>
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
#include "simulator/content.h"
#include "simulator/malformed.h"
#include "simulator/reply.h"
#include "simulator/request.h"
#include "simulator/spec.h"

#define PROMPT \
    "Write a chat of %d turns between Maya, who feels worried, and an agent, about parcel %d."

static struct cf_sim_spec spec_of(const char *text)
{
    struct cf_sim_spec spec;
    assert_true(cf_sim_spec_parse(text, &spec, NULL));
    return spec;
}

static void read_request(struct cf_sim_request *request, const char *body)
{
    struct cf_error err = { .kind = CF_OK };
    if (!cf_sim_request_read(body, strlen(body), request, &err))
        fail_msg("%s", err.message);
}

/* The text that answers a body; to be freed. */
static char *answer(const char *spec_text, const char *body, int way)
{
    struct cf_sim_spec spec = spec_of(spec_text);
    struct cf_sim_request request;
    struct cf_buf out;
    size_t len;
    read_request(&request, body);
    cf_buf_init(&out, CF_SIM_REPLY_MAX);
    cf_sim_content_add(&spec, &request, way, &out);
    assert_true(cf_buf_ok(&out));
    cf_sim_request_done(&request);
    return cf_buf_take(&out, &len);
}

static char *ask(const char *spec_text, int turns, int item)
{
    char body[600];
    snprintf(body, sizeof body,
             "{\"model\":\"m\",\"max_tokens\":4000,\"system\":\"You write JSON.\","
             "\"messages\":[{\"role\":\"user\",\"content\":\"" PROMPT "\"}]}",
             turns, item);
    return answer(spec_text, body, -1);
}

static cJSON *parse(const char *text)
{
    cJSON *tree = NULL;
    struct cf_error err;
    if (!cf_json_parse(text, strlen(text), NULL, &tree, &err))
        fail_msg("%s", err.message);
    return tree;
}

/* What a prompt is answered with, as JSON; to be deleted. */
static cJSON *answer_as_json(const char *prompt)
{
    char body[600];
    snprintf(body, sizeof body,
             "{\"model\":\"m\",\"max_tokens\":4000,\"messages\":[{\"role\":\"user\","
             "\"content\":\"%s\"}]}",
             prompt);
    char *text = answer("", body, -1);
    cJSON *tree = parse(text);
    free(text);
    return tree;
}

/* Points that the default rules give. */
static int score(const cJSON *turns)
{
    int count = 0, chars = 0;
    const cJSON *turn;
    cJSON_ArrayForEach(turn, turns) {
        const char *role = cJSON_GetObjectItem(turn, "role")->valuestring;
        const char *content = cJSON_GetObjectItem(turn, "content")->valuestring;
        assert_string_equal(role, count % 2 == 0 ? "user" : "assistant");
        assert_true(content[0] != '\0');
        chars += (int)cf_utf8_length(content, strlen(content));
        count++;
    }
    assert_int_equal(count % 2, 0);
    int mean = chars / count;
    return (count >= 8 && count <= 16 ? 3 : count >= 6 && count <= 20 ? 2 : count >= 4)
           + (mean >= 100 && mean <= 400 ? 3 : mean >= 50 && mean <= 600 ? 2 : mean >= 20) + 4;
}

static void conversations_pass_the_default_rules(void **state)
{
    (void)state;
    for (int item = 0; item < 300; item++) {
        int turns = 8 + item % 9;
        char *text = ask("", turns, item);
        cJSON *tree = parse(text);
        assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(tree, "turns")), turns + turns % 2);
        assert_int_equal(score(cJSON_GetObjectItem(tree, "turns")), 10);
        cJSON_Delete(tree);
        free(text);
    }
}

static void low_quality_fails_them_and_mixed_does_so_sometimes(void **state)
{
    (void)state;
    int low = 0;
    for (int item = 0; item < 300; item++) {
        char *text = ask("quality=low", 8, item), *mixed = ask("quality=mixed", 8, item);
        cJSON *tree = parse(text), *mixed_tree = parse(mixed);
        assert_true(score(cJSON_GetObjectItem(tree, "turns")) < 6);
        low += score(cJSON_GetObjectItem(mixed_tree, "turns")) < 6;
        cJSON_Delete(tree);
        cJSON_Delete(mixed_tree);
        free(text);
        free(mixed);
    }
    assert_in_range(low, 70, 130);
}

static void a_conversation_uses_what_the_prompt_says(void **state)
{
    (void)state;
    char *text = ask("", 8, 4711);
    assert_non_null(strstr(text, "Maya"));
    assert_non_null(strstr(text, "worried"));
    assert_non_null(strstr(text, "parcel 4711"));
    free(text);
}

static void items_differ_and_the_same_item_does_not(void **state)
{
    (void)state;
    char *first = ask("", 8, 1), *again = ask("", 8, 1), *second = ask("", 8, 2),
         *seed = ask("seed=2", 8, 1);
    assert_string_equal(first, again);
    assert_string_not_equal(first, second);
    assert_string_not_equal(first, seed);
    free(first);
    free(again);
    free(second);
    free(seed);
}

static void a_length_can_be_aimed_at(void **state)
{
    (void)state;
    size_t sum = 0;
    for (int item = 0; item < 50; item++) {
        char *text = ask("reply_bytes=6000", 10, item);
        sum += strlen(text);
        free(text);
    }
    assert_in_range(sum / 50, 5400, 6600);
}

static void a_cut_off_answer_is_gone_on_with(void **state)
{
    (void)state;
    char *whole = ask("", 8, 1);
    char body[8000];
    struct cf_buf quoted;
    cf_buf_init(&quoted, 8000);
    cf_json_add_string(&quoted, whole, 500);
    snprintf(body, sizeof body,
             "{\"model\":\"m\",\"max_tokens\":4000,\"system\":\"You write JSON.\",\"messages\":["
             "{\"role\":\"user\",\"content\":\"" PROMPT
             "\"},{\"role\":\"assistant\",\"content\":%s},"
             "{\"role\":\"user\",\"content\":\"Go on\"}]}",
             8, 1, cf_buf_str(&quoted));
    char *rest = answer("", body, -1);
    assert_string_equal(rest, whole + 500);
    cf_buf_done(&quoted);
    free(rest);
    free(whole);
}

static void a_whole_answer_is_followed_by_another(void **state)
{
    (void)state;
    static const char head[] = "{\"model\":\"m\",\"max_tokens\":4000,\"messages\":["
                               "{\"role\":\"user\",\"content\":\"What is tea?\"}";
    char body[4000];
    struct cf_buf quoted;
    snprintf(body, sizeof body, "%s]}", head);
    char *first = answer("", body, -1);
    cf_buf_init(&quoted, 2000);
    cf_json_add_string(&quoted, first, strlen(first));
    snprintf(body, sizeof body, "%s,{\"role\":\"assistant\",\"content\":%s},"
             "{\"role\":\"user\",\"content\":\"And coffee?\"}]}", head, cf_buf_str(&quoted));
    char *second = answer("", body, -1);
    assert_true(strlen(second) > 20);
    assert_string_not_equal(second, first);
    cf_buf_done(&quoted);
    free(second);
    free(first);
}

static void a_prefilled_brace_is_not_repeated(void **state)
{
    (void)state;
    char *whole = ask("", 8, 1);
    char body[1000];
    snprintf(body, sizeof body,
             "{\"model\":\"m\",\"max_tokens\":4000,\"system\":\"You write JSON.\",\"messages\":["
             "{\"role\":\"user\",\"content\":\"" PROMPT
             "\"},{\"role\":\"assistant\",\"content\":\"{\"}]}",
             8, 1);
    char *rest = answer("", body, -1);
    assert_string_equal(rest, whole + 1);
    free(rest);
    free(whole);
}

#define FORCED "\"tool_choice\":{\"type\":\"tool\",\"name\":\"t\"}"

static void a_schema_gets_an_object_that_matches(void **state)
{
    (void)state;
    char *text =
        answer("",
               "{\"model\":\"m\",\"max_tokens\":4000," FORCED ",\"tools\":[{\"name\":\"t\","
               "\"input_schema\":{\"type\":\"object\",\"properties\":{\"note\":{\"anyOf\":[{"
               "\"type\":\"string\"},{\"type\":\"null\"}]},"
               "\"score\":{\"type\":\"integer\",\"minimum\":3,\"maximum\":4},\"kind\":{\"enum\":["
               "\"a\",\"b\"]},"
               "\"ok\":{\"type\":\"boolean\"},\"day\":{\"type\":\"string\",\"format\":\"date\"},"
               "\"tags\":{\"$ref\":\"#/$defs/t\"},"
               "\"turns\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
               "\"role\":{\"enum\":[\"user\",\"assistant\"]},"
               "\"content\":{\"type\":\"string\"}}}}},\"required\":[\"score\",\"turns\"],\"$defs\":"
               "{\"t\":{\"type\":\"array\","
               "\"items\":{\"type\":\"string\"}}}}}],\"messages\":[{\"role\":\"user\",\"content\":"
               "\"Write a chat of 8 turns.\"}]}",
               -1);
    cJSON *tree = parse(text);
    assert_string_equal(tree->child->string, "score");          /* required ones come first */
    assert_in_range((int)cJSON_GetObjectItem(tree, "score")->valuedouble, 3, 4);
    assert_true(cJSON_IsString(cJSON_GetObjectItem(tree, "note")));
    assert_int_equal(strlen(cJSON_GetObjectItem(tree, "kind")->valuestring), 1);
    assert_true(cJSON_IsBool(cJSON_GetObjectItem(tree, "ok")));
    assert_string_equal(cJSON_GetObjectItem(tree, "day")->valuestring, "2026-11-23");
    assert_true(cJSON_IsString(cJSON_GetObjectItem(tree, "tags")->child));
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(tree, "turns")), 8);
    assert_int_equal(score(cJSON_GetObjectItem(tree, "turns")), 10);
    cJSON_Delete(tree);
    free(text);
}

/* Limits that the API does not take are told in descriptions; an answer keeps them all the same. */
static void an_answer_keeps_the_limits_that_descriptions_tell(void **state)
{
    (void)state;
    char *text =
        answer("",
               "{\"model\":\"m\",\"max_tokens\":4000,\"output_config\":{\"format\":{\"type\":"
               "\"json_schema\","
               "\"schema\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
               "\"score\":{\"type\":\"integer\",\"description\":\"How good.\\n\\n{minimum: 40, "
               "maximum: 60, multipleOf: 20}\"},"
               "\"word\":{\"type\":\"string\",\"description\":\"{minLength: 4, maxLength: 4}\"},"
               "\"long\":{\"type\":\"string\",\"description\":\"{minLength: 300}\"},"
               "\"list\":{\"type\":\"array\",\"items\":{\"type\":\"null\"},\"description\":\"{"
               "minItems: 7, maxItems: 7}\"},"
               "\"turns\":{\"type\":\"array\",\"description\":\"{minItems: "
               "14}\",\"items\":{\"type\":\"object\",\"properties\":"
               "{\"role\":{\"enum\":[\"user\",\"assistant\"]},\"content\":{\"type\":\"string\"}},"
               "\"additionalProperties\":false}}},"
               "\"required\":[\"score\"]}}},\"messages\":[{\"role\":\"user\",\"content\":\"Write a "
               "chat of 8 turns.\"}]}",
               -1);
    cJSON *tree = parse(text);
    int score = (int)cJSON_GetObjectItem(tree, "score")->valuedouble;
    assert_true(score == 40 || score == 60);
    assert_int_equal(strlen(cJSON_GetObjectItem(tree, "word")->valuestring), 4);
    assert_true(strlen(cJSON_GetObjectItem(tree, "long")->valuestring) >= 300);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(tree, "list")), 7);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(tree, "turns")), 14);
    cJSON_Delete(tree);
    free(text);
}

static void a_schema_in_the_system_prompt_is_followed(void **state)
{
    (void)state;
    char *text = answer("",
                        "{\"model\":\"m\",\"max_tokens\":4000,\"system\":\"Be kind.\\n\\nAnswer "
                        "with JSON that fits this "
                        "JSON Schema, and with nothing "
                        "else:\\n{\\\"type\\\":\\\"array\\\",\\\"items\\\":{\\\"const\\\":5},"
                        "\\\"minItems\\\":3,\\\"maxItems\\\":3}\",\"messages\":[{\"role\":\"user\","
                        "\"content\":\"x\"}]}",
                        -1);
    assert_string_equal(text, "[5,5,5]");
    free(text);
}

static void a_schema_that_refers_to_itself_ends(void **state)
{
    (void)state;
    char *text =
        answer("",
               "{\"model\":\"m\",\"max_tokens\":4000," FORCED ",\"tools\":[{\"name\":\"t\","
               "\"input_schema\":{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"}},"
               "\"required\":[\"a\"]}}],"
               "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
               -1);
    cJSON_Delete(parse(text));
    free(text);
}

static void the_ways_are_those_of_the_fixtures(void **state)
{
    (void)state;
    DIR *dir = opendir(TEST_DATA "/model_replies");
    struct dirent *entry;
    int count = 0;
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        size_t len = strlen(entry->d_name);
        if (len < 5 || strcmp(entry->d_name + len - 4, ".txt") != 0)
            continue;
        if (cf_sim_malformed_find(entry->d_name, len - 4) < 0)
            fail_msg("no way is called %s", entry->d_name);
        count++;
    }
    closedir(dir);
    assert_int_equal(count, cf_sim_malformed_count());
    for (int way = 0; way + 1 < count; way++)
        assert_true(strcmp(cf_sim_malformed_name(way), cf_sim_malformed_name(way + 1)) < 0);
    assert_null(cf_sim_malformed_name(count));
}

static void a_json_list_is_answered_with_a_list(void **state)
{
    (void)state;
    static const struct { const char *prompt; bool is_list; } rows[] = {
        { "Name three kinds of tea, as a JSON list.", true },
        { "List five topics for a support chat as a JSON list of strings.", true },
        { "Give me synonyms of calm. Answer with a JSON array of strings only.", true },
        { "Which teas are green? Answer in JSON, with an array.", true },
        { "List five topics for a support chat as JSON.", false },
        { "Name a tea, as JSON.", false },
        { "Write a chat of 8 turns about a list of teas as JSON.", false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cJSON *tree = answer_as_json(rows[i].prompt);
        if (rows[i].is_list != (bool)cJSON_IsArray(tree))
            fail_msg("%s", rows[i].prompt);
        if (rows[i].is_list) {
            assert_in_range(cJSON_GetArraySize(tree), 2, 8);
            assert_true(cJSON_IsString(tree->child));
        }
        cJSON_Delete(tree);
    }
}

/* Fills usage counters for many requests and checks what must hold for each. */
static void varied_usage_always_adds_up(void **state)
{
    (void)state;
    struct cf_sim_spec spec = spec_of("usage=varied");
    int with_cache = 0, with_thinking = 0, minimal = 0, nulls = 0;
    for (uint64_t hash = 1; hash <= 200; hash++) {
        struct cf_sim_request request;
        struct cf_sim_reply reply;
        read_request(
            &request,
            "{\"model\":\"m\",\"max_tokens\":600,\"messages\":[{\"role\":\"user\",\"content\":"
            "\"Write a chat of 8 turns about tea as JSON, please, and make it long.\"}]}");
        cf_sim_reply_make(&spec, &request, hash, NULL, &reply);
        cJSON *usage = parse(reply.usage), *message = parse(cf_buf_str(&reply.body));
        assert_true(cJSON_Compare(cJSON_GetObjectItem(message, "usage"), usage, true));
        assert_int_equal(reply.input_tokens + reply.cache_write_tokens + reply.cache_read_tokens,
                         request.input_tokens);
        assert_true(reply.output_tokens > 0 && reply.output_tokens <= request.max_tokens);
        const cJSON *split = cJSON_GetObjectItem(usage, "cache_creation");
        if (split != NULL)
            assert_int_equal(
                (int64_t)cJSON_GetObjectItem(split, "ephemeral_5m_input_tokens")->valuedouble +
                    (int64_t)cJSON_GetObjectItem(split, "ephemeral_1h_input_tokens")->valuedouble,
                reply.cache_write_tokens);
        with_cache += reply.cache_write_tokens > 0 || reply.cache_read_tokens > 0;
        with_thinking += cJSON_GetObjectItem(usage, "output_tokens_details") != NULL;
        minimal += cJSON_GetObjectItem(usage, "cache_read_input_tokens") == NULL;
        nulls += cJSON_IsNull(cJSON_GetObjectItem(usage, "cache_read_input_tokens"));
        cJSON_Delete(usage);
        cJSON_Delete(message);
        cf_sim_reply_done(&reply);
        cf_sim_request_done(&request);
    }
    assert_true(with_cache > 50 && with_thinking > 10 && minimal > 10 && nulls > 10);
}

static void a_small_max_tokens_cuts_the_text(void **state)
{
    (void)state;
    struct cf_sim_spec spec = spec_of("");
    struct cf_sim_request request;
    struct cf_sim_reply reply;
    read_request(&request,
                 "{\"model\":\"m\",\"max_tokens\":50,\"messages\":[{\"role\":\"user\",\"content\":"
                 "\"Write a chat of 8 turns about tea as JSON.\"}]}");
    cf_sim_reply_make(&spec, &request, 1, NULL, &reply);
    cJSON *message = parse(cf_buf_str(&reply.body));
    assert_string_equal(cJSON_GetObjectItem(message, "stop_reason")->valuestring, "max_tokens");
    assert_int_equal(
        strlen(cJSON_GetObjectItem(cJSON_GetObjectItem(message, "content")->child, "text")
                   ->valuestring),
        200);
    assert_int_equal(reply.output_tokens, 50);
    cJSON_Delete(message);
    cf_sim_reply_done(&reply);
    cf_sim_request_done(&request);
}

static void a_stop_sequence_ends_the_text(void **state)
{
    (void)state;
    struct cf_sim_spec spec = spec_of("");
    struct cf_sim_request request;
    struct cf_sim_reply reply;
    read_request(
        &request,
        "{\"model\":\"m\",\"max_tokens\":5000,\"stop_sequences\":[\"zzz\",\"assistant\"],"
        "\"messages\":"
        "[{\"role\":\"user\",\"content\":\"Write a chat of 8 turns about tea as JSON.\"}]}");
    cf_sim_reply_make(&spec, &request, 1, NULL, &reply);
    cJSON *message = parse(cf_buf_str(&reply.body));
    assert_string_equal(cJSON_GetObjectItem(message, "stop_reason")->valuestring, "stop_sequence");
    assert_string_equal(cJSON_GetObjectItem(message, "stop_sequence")->valuestring, "assistant");
    assert_null(strstr(
        cJSON_GetObjectItem(cJSON_GetObjectItem(message, "content")->child, "text")->valuestring,
        "assistant"));
    cJSON_Delete(message);
    cf_sim_reply_done(&reply);
    cf_sim_request_done(&request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversations_pass_the_default_rules),
        cmocka_unit_test(low_quality_fails_them_and_mixed_does_so_sometimes),
        cmocka_unit_test(a_conversation_uses_what_the_prompt_says),
        cmocka_unit_test(items_differ_and_the_same_item_does_not),
        cmocka_unit_test(a_length_can_be_aimed_at),
        cmocka_unit_test(a_cut_off_answer_is_gone_on_with),
        cmocka_unit_test(a_whole_answer_is_followed_by_another),
        cmocka_unit_test(a_prefilled_brace_is_not_repeated),
        cmocka_unit_test(a_schema_gets_an_object_that_matches),
        cmocka_unit_test(an_answer_keeps_the_limits_that_descriptions_tell),
        cmocka_unit_test(a_schema_in_the_system_prompt_is_followed),
        cmocka_unit_test(a_schema_that_refers_to_itself_ends),
        cmocka_unit_test(the_ways_are_those_of_the_fixtures),
        cmocka_unit_test(a_json_list_is_answered_with_a_list),
        cmocka_unit_test(varied_usage_always_adds_up),
        cmocka_unit_test(a_small_max_tokens_cuts_the_text),
        cmocka_unit_test(a_stop_sequence_ends_the_text),
    };
    return cmocka_run_group_tests_name("simulator/content", tests, NULL, NULL);
}
