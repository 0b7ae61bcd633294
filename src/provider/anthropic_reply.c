#include "provider/anthropic.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "provider/clean.h"
#include "provider/members.h"

#define COUNT_MAX 2147483648.0    /* 2^31: more tokens than any model takes */

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* A string member as a copy; NULL if absent, null or something else. */
static char *copy_member(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(member(object, name));
    return text != NULL ? cf_strdup(text) : NULL;
}

static void print_member(const cJSON *object, const char *name, char *out, size_t size)
{
    const char *text = cJSON_GetStringValue(member(object, name));
    clean_text(text != NULL ? text : "", text != NULL ? strlen(text) : 0, out, size);
}

/* --- usage --- */

/* Absent and null count as 0; what is no count makes the whole usage unknown. */
static void read_count(const cJSON *object, const char *name, unsigned bit,
                       struct cf_reply_usage *usage, int64_t *out)
{
    const cJSON *item = member(object, name);
    if (item == NULL || cJSON_IsNull(item))
        return;

    double value = item->valuedouble;
    if (!cJSON_IsNumber(item) || !(value >= 0 && value <= COUNT_MAX) ||
        value != (double)(int64_t)value) {
        usage->is_known = false;
        return;
    }
    *out = (int64_t)value;
    usage->present |= bit;
}

static void read_cache_writes(const cJSON *tree, struct cf_reply_usage *usage)
{
    const cJSON *split = member(tree, "cache_creation");
    read_count(tree, "cache_creation_input_tokens", CF_USAGE_CACHE_WRITE, usage,
               &usage->cache_write);
    if (cJSON_IsObject(split)) {
        read_count(split, "ephemeral_5m_input_tokens", CF_USAGE_CACHE_SPLIT, usage,
                   &usage->cache_write_5m);
        read_count(split, "ephemeral_1h_input_tokens", CF_USAGE_CACHE_SPLIT, usage,
                   &usage->cache_write_1h);
    }

    /* Writes that the split does not account for are five-minute ones, the provider's default. */
    int64_t accounted = usage->cache_write_5m + usage->cache_write_1h;
    if (usage->cache_write > accounted)
        usage->cache_write_5m += usage->cache_write - accounted;
    else
        usage->cache_write = accounted;
}

static void read_usage(const cJSON *tree, struct cf_reply_usage *usage)
{
    usage->is_known = true;
    read_count(tree, "input_tokens", CF_USAGE_INPUT, usage, &usage->input);
    read_count(tree, "output_tokens", CF_USAGE_OUTPUT, usage, &usage->output);
    read_count(tree, "cache_read_input_tokens", CF_USAGE_CACHE_READ, usage, &usage->cache_read);
    read_cache_writes(tree, usage);
    read_count(member(tree, "output_tokens_details"), "thinking_tokens", CF_USAGE_THINKING, usage,
               &usage->thinking);
    const cJSON *tools = member(tree, "server_tool_use");
    read_count(tools, "web_search_requests", CF_USAGE_WEB_SEARCHES, usage, &usage->web_searches);
    read_count(tools, "web_fetch_requests", CF_USAGE_WEB_FETCHES, usage, &usage->web_fetches);
    print_member(tree, "service_tier", usage->service_tier, sizeof usage->service_tier);
    print_member(tree, "inference_geo", usage->inference_geo, sizeof usage->inference_geo);

    const unsigned needed = CF_USAGE_INPUT | CF_USAGE_OUTPUT;
    if ((usage->present & needed) != needed)
        usage->is_known = false;
}

/* --- content --- */

/* Reads one content block, of which token is the first; the place of its input if it is the
 * tool_use that is looked for. */
static bool read_block(struct cf_json_reader *reader, struct cf_json_token *token,
                       size_t *out_start, size_t *out_end, bool *out_found)
{
    size_t end, start = 0, stop = 0;
    bool is_tool = false;

    if (token->type != CF_JSON_OBJECT)
        return skip_value(reader, token, &end);
    while (cf_json_next(reader, token, NULL) == 1) {
        if (token->type == CF_JSON_OBJECT_END) {
            *out_found = is_tool && stop > 0;
            *out_start = start;
            *out_end = stop;
            return true;
        }
        bool is_type = strcmp(token->text, "type") == 0;
        bool is_input = strcmp(token->text, "input") == 0;
        if (cf_json_next(reader, token, NULL) != 1)
            return false;
        if (is_type && token->type == CF_JSON_STRING)
            is_tool = strcmp(token->text, "tool_use") == 0;
        size_t at = token->offset;
        bool is_object = token->type == CF_JSON_OBJECT;
        if (!skip_value(reader, token, &end))
            return false;
        if (is_input && is_object) {
            start = at;
            stop = end;
        }
    }
    return false;
}

/* The text of the first tool_use block's input, as it stands in the body: a tree would round its
 * large integers. */
static bool find_tool_input(const char *body, size_t len, size_t *out_start, size_t *out_end)
{
    struct cf_json_repairs repairs = { 0 };
    struct cf_json_reader *reader = cf_json_open(body, len, &repairs);
    struct cf_json_token token;
    bool found = false;
    size_t end;

    if (cf_json_next(reader, &token, NULL) != 1 || token.type != CF_JSON_OBJECT)
        goto done;
    while (!found && cf_json_next(reader, &token, NULL) == 1 && token.type == CF_JSON_KEY) {
        bool is_content = strcmp(token.text, "content") == 0;
        if (cf_json_next(reader, &token, NULL) != 1)
            break;
        if (!is_content || token.type != CF_JSON_ARRAY) {
            if (!skip_value(reader, &token, &end))
                break;
            continue;
        }
        while (!found && cf_json_next(reader, &token, NULL) == 1 &&
               token.type != CF_JSON_ARRAY_END) {
            if (!read_block(reader, &token, out_start, out_end, &found))
                goto done;
        }
    }
done:
    cf_json_free(reader);
    return found;
}

static void read_content(const cJSON *content, struct cf_reply *reply)
{
    struct cf_buf text;
    cf_buf_init(&text, CF_JSON_SIZE_MAX);

    const cJSON *block;
    cJSON_ArrayForEach(block, content)
    {
        const char *type = cJSON_GetStringValue(member(block, "type"));
        if (type == NULL)
            type = "";
        if (strcmp(type, "text") == 0) {
            const char *part = cJSON_GetStringValue(member(block, "text"));
            reply->text_blocks++;
            cf_buf_adds(&text, part != NULL ? part : "");
        } else if (strcmp(type, "thinking") == 0 || strcmp(type, "redacted_thinking") == 0) {
            reply->thinking_blocks++;
        } else if (strcmp(type, "tool_use") == 0) {
            if (reply->tool_blocks++ == 0)
                reply->tool_name = copy_member(block, "name");
        } else if (reply->unknown_blocks++ == 0) {
            clean_text(type, strlen(type), reply->unknown_type, sizeof reply->unknown_type);
        }
    }
    reply->text = cf_buf_take(&text, &reply->text_len);
}

/* --- why it stopped --- */

static enum cf_stop_reason parse_stop(const char *name)
{
    if (name == NULL)
        return CF_STOP_NONE;
    for (int stop = CF_STOP_END_TURN; stop < CF_STOP_OTHER; stop++) {
        if (strcmp(name, cf_stop_reason_name((enum cf_stop_reason)stop)) == 0)
            return (enum cf_stop_reason)stop;
    }
    return CF_STOP_OTHER;
}

static void read_stop(const cJSON *tree, struct cf_reply *reply)
{
    const char *name = cJSON_GetStringValue(member(tree, "stop_reason"));
    reply->stop = parse_stop(name);
    print_member(tree, "stop_reason", reply->stop_text, sizeof reply->stop_text);
    reply->stop_sequence = copy_member(tree, "stop_sequence");
    if (reply->stop == CF_STOP_REFUSAL) {
        const cJSON *details = member(tree, "stop_details");
        reply->refusal_category = copy_member(details, "category");
        reply->refusal_explanation = copy_member(details, "explanation");
    }
}

/* --- the whole --- */

static bool fail_body(const char *body, size_t len, const char *otherwise, struct cf_error *err)
{
    char found[320];
    describe_body(body, len, otherwise, found, sizeof found);
    return cf_fail(err, CF_ERR_PARSE, "%s", found);
}

bool cf_anthropic_decode(const char *body, size_t len, struct cf_reply *out, struct cf_error *err)
{
    struct cf_reply reply = { 0 };
    cJSON *tree = NULL;
    bool ok = false;

    if (!cf_json_parse(body, len, &reply.repairs, &tree, NULL)) {
        fail_body(body, len, "the reply is not JSON", err);
        goto done;
    }
    const char *type = cJSON_GetStringValue(member(tree, "type"));
    if (type != NULL && strcmp(type, "error") == 0) {
        struct cf_api_error error;
        cf_anthropic_error(200, NULL, body, len, &error);
        cf_api_error_fail(&error, err);
        goto done;
    }
    const cJSON *content = member(tree, "content");
    if (!cJSON_IsArray(content)) {
        fail_body(body, len, "the reply is JSON but no message (there is no content array)", err);
        goto done;
    }

    read_content(content, &reply);
    size_t start, end;
    if (reply.tool_blocks > 0 && find_tool_input(body, len, &start, &end)) {
        reply.tool_input_len = end - start;
        reply.tool_input = cf_memdup(body + start, reply.tool_input_len);
    }
    read_stop(tree, &reply);
    read_usage(member(tree, "usage"), &reply.usage);
    char *id = copy_member(tree, "id"), *model = copy_member(tree, "model");
    reply.id = id != NULL ? id : cf_strdup("");
    reply.model = model != NULL ? model : cf_strdup("");

    *out = reply;
    reply = (struct cf_reply){ 0 };    /* moved to the caller */
    ok = true;
done:
    cf_reply_done(&reply);
    cJSON_Delete(tree);
    return ok;
}
