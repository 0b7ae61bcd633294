#include "simulator/request.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "base/json.h"
#include "confab/error.h"
#include "simulator/schema_check.h"

#define TEXT_MAX     (40u << 20)    /* above the largest body */
#define STOPS_MAX    64

/* What a model refuses. The first row whose text begins the name holds. */
static const struct model {
    const char *prefix;
    int64_t max_output;
    bool sampling, prefill, forced_tool, thinking_off, thinking_budget;
} models[] = {
    { "claude-fable-5-1", 128000, false, false, false, false, false },
    { "claude-fable-5-2", 128000, false, false, false, false, false },
    { "claude-fable-", 128000, false, false, true, false, false },
    { "claude-mythos-5-1", 128000, false, false, false, false, false },
    { "claude-mythos-", 128000, false, false, true, false, false },
    { "claude-opus-5-5", 128000, false, false, false, false, false },
    { "claude-opus-5", 128000, false, false, true, true, false },
    { "claude-opus-4-8", 128000, false, false, true, true, false },
    { "claude-opus-4-7", 128000, false, false, true, true, false },
    { "claude-opus-4-6", 128000, true, false, true, true, true },
    { "claude-sonnet-5-5", 128000, false, false, false, false, false },
    { "claude-sonnet-5", 128000, false, false, true, true, false },
    { "claude-sonnet-4-6", 128000, true, false, true, true, true },
    { "claude-haiku-5-5", 128000, false, false, true, true, false },
    { "claude-opus-4-5", 64000, true, true, true, true, true },
    { "claude-sonnet-4-5", 64000, true, true, true, true, true },
    { "claude-haiku-4-5", 64000, true, true, true, true, true },
    { "claude-3-haiku", 4096, true, true, true, true, false },
    { "claude-3-opus", 4096, true, true, true, true, false },
    { "claude-3-5-", 8192, true, true, true, true, false },
    { "", 128000, true, true, true, true, true },     /* any other: whatever is asked */
};

static const char *const fields[] = {
    "model", "max_tokens", "messages", "system", "temperature", "top_p", "top_k", "stop_sequences",
    "stream", "metadata", "tools", "tool_choice", "thinking", "output_config", "output_format",
    "cache_control", "service_tier", "inference_geo", "container",
};

static bool refuse(struct cf_error *err, const char *message)
{
    cf_fail(err, CF_ERR_VALIDATION, "%s", message);
    err->http_status = 400;
    return false;
}

static const struct model *find_model(const char *name)
{
    const struct model *model = models;
    while (strncmp(name, model->prefix, strlen(model->prefix)) != 0)
        model++;
    return model;
}

static const cJSON *get(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static const char *get_text(const cJSON *object, const char *key)
{
    const cJSON *item = get(object, key);
    return cJSON_IsString(item) ? item->valuestring : "";
}

/* Appends the text of a string or of an array of blocks; false if it is neither or a text is
 * empty. */
static bool add_text(const cJSON *content, struct cf_buf *out)
{
    if (cJSON_IsString(content)) {
        cf_buf_adds(out, content->valuestring);
        return content->valuestring[0] != '\0';
    }
    if (!cJSON_IsArray(content) || content->child == NULL)
        return false;
    const cJSON *block;
    cJSON_ArrayForEach(block, content) {
        if (!cJSON_IsObject(block) || get_text(block, "type")[0] == '\0')
            return false;
        if (strcmp(get_text(block, "type"), "text") == 0) {
            if (get_text(block, "text")[0] == '\0')
                return false;
            if (out->len > 0)
                cf_buf_addc(out, '\n');
            cf_buf_adds(out, get_text(block, "text"));
        }
    }
    return true;
}

static bool read_messages(const cJSON *tree, struct cf_sim_request *request, struct cf_error *err)
{
    const cJSON *messages = get(tree, "messages"), *message;
    if (messages == NULL)
        return refuse(err, "messages: Field required");
    if (!cJSON_IsArray(messages))
        return refuse(err, "messages: Input should be a valid array");
    if (messages->child == NULL)
        return refuse(err, "messages: at least one message is required");

    cJSON_ArrayForEach(message, messages) {
        const char *role = get_text(message, "role");
        bool is_user = strcmp(role, "user") == 0;
        if (!is_user && strcmp(role, "assistant") != 0
            && (strcmp(role, "system") != 0 || request->messages == 0))
            return refuse(err, "messages: Input should be 'user' or 'assistant' for every role");
        if (request->messages == 0 && !is_user)
            return refuse(err, "messages: first message must use the \"user\" role");

        struct cf_buf *text = is_user ? &request->prompt : &request->partial;
        cf_buf_clear(text);
        if (!add_text(get(message, "content"), text))
            return refuse(err, "messages: text content blocks must be non-empty");
        if (request->messages++ == 0)
            cf_buf_add(&request->first, text->data, text->len);
        request->is_prefilled = !is_user;
    }
    return true;
}

static bool read_number(const cJSON *tree, const char *key, double max, double *out, bool *out_has,
                        struct cf_error *err)
{
    const cJSON *item = get(tree, key);
    *out_has = item != NULL;
    if (item == NULL)
        return true;
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0) || item->valuedouble > max) {
        cf_fail(err, CF_ERR_VALIDATION, "%s: Input should be a number from 0 to %g", key, max);
        err->http_status = 400;
        return false;
    }
    *out = item->valuedouble;
    return true;
}

static bool check_sampling(const cJSON *tree, const struct model *model, struct cf_error *err)
{
    double temperature = 1, top_p = 1, top_k = 0;
    bool has_temperature, has_top_p, has_top_k;
    if (!read_number(tree, "temperature", 1, &temperature, &has_temperature, err)
        || !read_number(tree, "top_p", 1, &top_p, &has_top_p, err)
        || !read_number(tree, "top_k", 1e9, &top_k, &has_top_k, err))
        return false;

    if (!model->sampling && ((has_temperature && temperature != 1) || (has_top_p && top_p < 0.99)
                             || has_top_k))
        return refuse(err, "temperature, top_p and top_k are not supported by this model");
    bool is_old = strncmp(model->prefix, "claude-3", 8) == 0 || model->prefix[0] == '\0';
    if (!is_old && has_temperature && has_top_p)
        return refuse(err, "`temperature` and `top_p` cannot both be specified for this model. "
                           "Please use only one");
    return true;
}

static bool check_thinking(const cJSON *tree, const struct model *model,
                           struct cf_sim_request *request, struct cf_error *err)
{
    const cJSON *thinking = get(tree, "thinking");
    const char *type = get_text(thinking, "type");
    if (thinking == NULL)
        return true;
    if (strcmp(type, "disabled") == 0) {
        request->may_think = false;
        if (!model->thinking_off)
            return refuse(err, "thinking.type: disabled is not supported by this model");
    } else if (strcmp(type, "enabled") == 0) {
        const cJSON *budget = get(thinking, "budget_tokens");
        if (!model->thinking_budget)
            return refuse(err,
                          "thinking.type: enabled is not supported by this model, use adaptive");
        if (!cJSON_IsNumber(budget) || budget->valuedouble < 1024
            || budget->valuedouble >= (double)request->max_tokens)
            return refuse(err, "thinking.budget_tokens: Input should be at least 1024 and less "
                               "than max_tokens");
    } else if (strcmp(type, "adaptive") != 0 && strcmp(type, "between_tools") != 0) {
        return refuse(err, "thinking.type: Input should be 'adaptive', 'enabled' or 'disabled'");
    }
    return true;
}

static bool read_tools(const cJSON *tree, const struct model *model, struct cf_sim_request *request,
                       struct cf_error *err)
{
    const cJSON *tools = get(tree, "tools"), *choice = get(tree, "tool_choice"), *tool;
    const char *type = get_text(choice, "type");
    bool is_any = strcmp(type, "any") == 0;

    if (choice == NULL || (!is_any && strcmp(type, "tool") != 0))
        return true;
    if (!model->forced_tool)
        return refuse(err, "tool_choice: forced tool use is not supported by this model");
    cJSON_ArrayForEach(tool, tools) {
        if (is_any || strcmp(get_text(tool, "name"), get_text(choice, "name")) == 0) {
            request->tool = get_text(tool, "name");
            request->schema = get(tool, "input_schema");
            return true;
        }
    }
    return refuse(err, "tool_choice: Tool not found in provided tools");
}

static bool read_format(const cJSON *tree, struct cf_sim_request *request, struct cf_error *err)
{
    const cJSON *format = get(get(tree, "output_config"), "format");
    if (format == NULL)
        format = get(tree, "output_format");
    if (format == NULL)
        return true;
    if (strcmp(get_text(format, "type"), "json_schema") != 0 ||
        !cJSON_IsObject(get(format, "schema")))
        return refuse(err, "output_config.format: Input should be a json_schema with a schema");
    if (request->is_prefilled)
        return refuse(err, "output_config.format: cannot be combined with a prefilled message");
    char why[256];
    if (!cf_sim_schema_check(get(format, "schema"), why, sizeof why))
        return refuse(err, why);
    request->schema = get(format, "schema");
    return true;
}

/* A schema that the system prompt ends in, after the words "JSON Schema". */
static void read_told_schema(struct cf_sim_request *request)
{
    const char *text = cf_buf_str(&request->system), *words = strstr(text, "JSON Schema");
    const char *at = words != NULL ? strchr(words, '{') : NULL;
    if (request->schema == NULL && at != NULL
        && cf_json_parse(at, request->system.len - (size_t)(at - text), NULL, &request->told, NULL))
        request->schema = request->told;
}

static bool check_fields(const cJSON *tree, struct cf_error *err)
{
    const cJSON *field;
    cJSON_ArrayForEach(field, tree) {
        bool is_known = false;
        for (size_t i = 0; i < sizeof fields / sizeof *fields && !is_known; i++)
            is_known = strcmp(fields[i], field->string) == 0;
        if (!is_known) {
            cf_fail(err, CF_ERR_VALIDATION, "%s: Extra inputs are not permitted", field->string);
            err->http_status = 400;
            return false;
        }
    }
    return true;
}

static bool read_tree(const cJSON *tree, struct cf_sim_request *request, struct cf_error *err)
{
    const cJSON *max_tokens = get(tree, "max_tokens");
    if (!cJSON_IsObject(tree))
        return refuse(err, "Input should be a valid dictionary");
    request->model = get_text(tree, "model");
    if (get(tree, "model") == NULL)
        return refuse(err, "model: Field required");
    if (request->model[0] == '\0')
        return refuse(err, "model: String should have at least 1 character");
    if (max_tokens == NULL)
        return refuse(err, "max_tokens: Field required");
    if (!cJSON_IsNumber(max_tokens) || max_tokens->valuedouble < 1
        || max_tokens->valuedouble != (double)(int64_t)max_tokens->valuedouble)
        return refuse(err, "max_tokens: Input should be an integer greater than or equal to 1");

    const struct model *model = find_model(request->model);
    request->max_tokens = (int64_t)max_tokens->valuedouble;
    if (request->max_tokens > model->max_output) {
        cf_fail(err, CF_ERR_VALIDATION,
                "max_tokens: %lld is above the maximum of %lld for this model",
                (long long)request->max_tokens, (long long)model->max_output);
        err->http_status = 400;
        return false;
    }
    if (!check_fields(tree, err) || !read_messages(tree, request, err)
        || !check_sampling(tree, model, err) || !check_thinking(tree, model, request, err))
        return false;
    if (request->is_prefilled && !model->prefill)
        return refuse(err,
                      "This model does not support assistant message prefill. The conversation "
                      "must end with a user message.");
    if (get(tree, "system") != NULL && !add_text(get(tree, "system"), &request->system))
        return refuse(err, "system: text content blocks must be non-empty");

    request->is_stream = cJSON_IsTrue(get(tree, "stream"));
    const cJSON *stops = get(tree, "stop_sequences"), *stop;
    int count = 0;
    cJSON_ArrayForEach(stop, stops) {
        if (!cJSON_IsString(stop) ||
            strspn(stop->valuestring, " \t\r\n") == strlen(stop->valuestring))
            return refuse(err, "stop_sequences: each stop sequence must contain non-whitespace");
        if (++count > STOPS_MAX)
            return refuse(err, "stop_sequences: too many");
    }
    request->stops = stops;
    if (!read_format(tree, request, err) || !read_tools(tree, model, request, err))
        return false;
    read_told_schema(request);
    return true;
}

int64_t cf_sim_tokens(size_t bytes)
{
    return (int64_t)((bytes + 3) / 4);
}

bool cf_sim_request_read(const char *body, size_t len, struct cf_sim_request *out,
                         struct cf_error *err)
{
    *out = (struct cf_sim_request){ .may_think = true };
    cf_buf_init(&out->system, TEXT_MAX);
    cf_buf_init(&out->first, TEXT_MAX);
    cf_buf_init(&out->prompt, TEXT_MAX);
    cf_buf_init(&out->partial, TEXT_MAX);

    struct cf_error cause;
    if (!cf_json_parse(body, len, NULL, &out->tree, &cause)) {
        cf_fail(err, CF_ERR_VALIDATION, "The request body is not valid JSON: %.300s",
                cause.message);
        err->http_status = 400;
        return false;
    }
    if (!read_tree(out->tree, out, err))
        return false;
    /* All text and all schemas, less the field names around them, much as the API counts. */
    out->input_tokens = cf_sim_tokens(len > 120 ? len - 100 : len);
    return true;
}

void cf_sim_request_done(struct cf_sim_request *request)
{
    cJSON_Delete(request->tree);
    cJSON_Delete(request->told);
    cf_buf_done(&request->system);
    cf_buf_done(&request->first);
    cf_buf_done(&request->prompt);
    cf_buf_done(&request->partial);
    request->tree = NULL;
    request->told = NULL;
}
