#include "provider/request_diff.h"

#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"

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

/* A parameter that another model does not take is not sent to it: that is no change of the script's. */
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
        { "tool_choice", "tool_choice" },
    };
    bool same_model = same_value(field(before, "model"), field(after, "model"));
    if (!same_model)
        add_name(out, "model");
    if (!same_text(system_text(before), system_text(after)))
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
    if (!same_value(field(before, "tools"), field(after, "tools")))
        add_name(out, "tools");

    const cJSON *old_output = field(before, "output_config"),
                *new_output = field(after, "output_config");
    if (!same_parameter(field(old_output, "format"), field(new_output, "format"), same_model))
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
