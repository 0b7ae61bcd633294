#include "provider/request_diff.h"

#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "provider/reply_schema.h"

static const cJSON *field(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* The text of a system prompt, with a cache mark or without; NULL: none. */
static const char *system_text(const cJSON *body)
{
    const cJSON *system = field(body, "system");
    if (cJSON_IsArray(system))
        system = field(cJSON_GetArrayItem(system, 0), "text");
    return cJSON_GetStringValue(system);
}

/* Where a schema stands in a system prompt that has one; NULL if it has none. */
static const char *find_schema(const char *system)
{
    return system != NULL ? strstr(system, CF_SCHEMA_PROMPT) : NULL;
}

/* Whether the system prompts are the same but for a schema in them. */
static bool same_system(const char *a, const char *b)
{
    const char *end_a = find_schema(a), *end_b = find_schema(b);
    size_t len_a = a == NULL ? 0 : end_a != NULL ? (size_t)(end_a - a) : strlen(a);
    size_t len_b = b == NULL ? 0 : end_b != NULL ? (size_t)(end_b - b) : strlen(b);
    while (end_a != NULL && len_a > 0 && a[len_a - 1] == '\n')
        len_a--;
    while (end_b != NULL && len_b > 0 && b[len_b - 1] == '\n')
        len_b--;
    return len_a == len_b && (len_a == 0 || memcmp(a, b, len_a) == 0);
}

/* The tools of the script: not the one that stands for a schema. */
static const cJSON *own_tools(const cJSON *body, const char *name)
{
    const char *forced = cJSON_GetStringValue(field(field(body, "tool_choice"), "name"));
    return forced != NULL && strcmp(forced, CF_SCHEMA_TOOL) == 0 ? NULL : field(body, name);
}

/* The schema, in whichever form it was sent but as words of the system prompt. */
static const cJSON *sent_schema(const cJSON *body)
{
    const cJSON *format = field(field(body, "output_config"), "format");
    if (format == NULL && own_tools(body, "tools") == NULL)
        return field(body, "tools");
    return format;
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_value(const cJSON *a, const cJSON *b)
{
    return a == NULL || b == NULL ? a == b : cJSON_Compare(a, b, true);
}

static void add_name(char out[CF_REQUEST_DIFF_MAX], const char *name)
{
    size_t len = strlen(out);
    snprintf(out + len, CF_REQUEST_DIFF_MAX - len, "%s%s", len > 0 ? ", " : "", name);
}

/* A parameter that another model does not take is not sent to it: that is no change of the
 * script's. */
static bool same_parameter(const cJSON *a, const cJSON *b, bool same_model)
{
    return (!same_model && (a == NULL || b == NULL)) || same_value(a, b);
}

static void compare(const cJSON *before, const cJSON *after, char out[CF_REQUEST_DIFF_MAX])
{
    static const struct {
        const char *key, *name;
    } parameters[] = {
        { "temperature", "temperature" },
        { "top_p", "top_p" },
        { "top_k", "top_k" },
    };
    bool same_model = same_value(field(before, "model"), field(after, "model"));
    if (!same_model)
        add_name(out, "model");
    const char *old_system = system_text(before), *new_system = system_text(after);
    if (!same_system(old_system, new_system))
        add_name(out, "system");

    const cJSON *old_messages = field(before, "messages"), *new_messages = field(after, "messages");
    if (!same_value(old_messages, new_messages)) {
        bool is_prompt =
            cJSON_GetArraySize(old_messages) == 1 && cJSON_GetArraySize(new_messages) == 1;
        add_name(out, is_prompt ? "prompt" : "messages");
    }
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++)
        if (!same_parameter(field(before, parameters[i].key), field(after, parameters[i].key),
                            same_model))
            add_name(out, parameters[i].name);
    if (!same_value(field(before, "stop_sequences"), field(after, "stop_sequences")))
        add_name(out, "stop");
    if (!same_parameter(own_tools(before, "tool_choice"), own_tools(after, "tool_choice"),
                        same_model))
        add_name(out, "tool_choice");
    if (!same_value(own_tools(before, "tools"), own_tools(after, "tools")))
        add_name(out, "tools");

    const cJSON *old_output = field(before, "output_config"),
                *new_output = field(after, "output_config");
    if (!same_parameter(sent_schema(before), sent_schema(after), same_model) ||
        (same_model && !same_text(find_schema(old_system), find_schema(new_system))))
        add_name(out, "schema");
    if (!same_parameter(field(old_output, "effort"), field(new_output, "effort"), same_model))
        add_name(out, "effort");

    /* How a model thinks, and the room for it, follows from the model. */
    if (same_model && !same_value(field(before, "thinking"), field(after, "thinking")))
        add_name(out, "thinking");
    if (same_model && !same_value(field(before, "max_tokens"), field(after, "max_tokens")))
        add_name(out, "max_tokens");
}

void cf_request_diff(struct cf_text before, struct cf_text after, char out[CF_REQUEST_DIFF_MAX])
{
    cJSON *old_body = NULL, *new_body = NULL;
    out[0] = '\0';
    if (cf_json_parse(before.data, before.len, NULL, &old_body, NULL) &&
        cf_json_parse(after.data, after.len, NULL, &new_body, NULL))
        compare(old_body, new_body, out);
    else
        add_name(out, "request");
    cJSON_Delete(old_body);
    cJSON_Delete(new_body);
}

bool cf_request_sends_back(struct cf_text before, struct cf_text reply, struct cf_text after)
{
    cJSON *old_body = NULL, *new_body = NULL;
    bool ok = false;
    if (!cf_json_parse(before.data, before.len, NULL, &old_body, NULL) ||
        !cf_json_parse(after.data, after.len, NULL, &new_body, NULL))
        goto done;

    const cJSON *messages = field(new_body, "messages");
    int count = cJSON_GetArraySize(messages);
    const cJSON *said = cJSON_GetArrayItem(messages, count - 2);
    const char *role = cJSON_GetStringValue(field(said, "role"));
    const char *text = cJSON_GetStringValue(field(said, "content"));
    ok = count >= 3 && role != NULL && strcmp(role, "assistant") == 0 && text != NULL &&
         strlen(text) == reply.len && memcmp(text, reply.data, reply.len) == 0 &&
         same_value(cJSON_GetArrayItem(field(old_body, "messages"), 0),
                    cJSON_GetArrayItem(messages, 0));
done:
    cJSON_Delete(old_body);
    cJSON_Delete(new_body);
    return ok;
}
