#include "provider/anthropic.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "provider/reply_schema.h"

#define OWN_HOST "api.anthropic.com"

/* --- address and header fields --- */

char *cf_anthropic_url(const char *base_url)
{
    size_t len = strlen(base_url);
    while (len > 0 && base_url[len - 1] == '/')
        len--;
    bool has_version = len >= 3 && memcmp(base_url + len - 3, "/v1", 3) == 0;

    struct cf_buf url;
    cf_buf_init(&url, SIZE_MAX);
    cf_buf_add(&url, base_url, len);
    cf_buf_adds(&url, has_version ? "/messages" : "/v1/messages");
    return cf_buf_take(&url, NULL);
}

bool cf_anthropic_is_own_url(const char *base_url)
{
    const char *host = strstr(base_url, "://");
    if (host == NULL)
        return false;
    host += 3;
    size_t len = strcspn(host, ":/");
    return len == strlen(OWN_HOST) && memcmp(host, OWN_HOST, len) == 0;
}

size_t cf_anthropic_fields(const char *key, struct cf_http_field out[CF_ANTHROPIC_FIELDS])
{
    size_t n = 0;
    out[n++] = (struct cf_http_field){ "x-api-key", key };
    out[n++] = (struct cf_http_field){ "anthropic-version", CF_ANTHROPIC_VERSION };
    out[n++] = (struct cf_http_field){ "content-type", "application/json" };
    out[n++] = (struct cf_http_field){ "accept", "application/json" };
    return n;
}

void cf_dropped_format(const struct cf_dropped *dropped, char out[CF_DROPPED_TEXT_MAX])
{
    const struct {
        bool is_dropped;
        const char *name;
    } each[] = {
        { dropped->temperature, "temperature" },
        { dropped->top_p, "top_p" },
        { dropped->top_k, "top_k" },
        { dropped->tool_choice, "tool_choice" },
        { dropped->effort, "effort" },
    };
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
        if (each[i].is_dropped)
            n += (size_t)snprintf(out + n, CF_DROPPED_TEXT_MAX - n, "%s%s", n > 0 ? ", " : "",
                                  each[i].name);
    }
}

/* --- what is sent --- */

/* How a reply is held to a schema. */
enum form {
    FORM_NONE,   /* there is no schema */
    FORM_OUTPUT, /* by the API, in the part of the schema that it takes */
    FORM_TOOL,   /* as the input of a tool that the model must use */
    FORM_PROMPT, /* by words in the system prompt */
};

#define TOOL_BEFORE \
    "[{\"name\":\"" CF_SCHEMA_TOOL "\",\"description\":\"Takes your answer.\",\"input_schema\":"
#define TOOL_CHOICE "{\"type\":\"tool\",\"name\":\"" CF_SCHEMA_TOOL "\"}"

/* The decisions between what was asked for and what the model takes. */
struct plan {
    enum cf_thinking thinking; /* CF_THINKING_LEAST: no field */
    const char *effort;        /* NULL: not sent */
    bool temperature, top_p, top_k, tool_choice;
    enum form form;
    struct cf_buf schema; /* of FORM_OUTPUT: what is sent */
    struct cf_buf system; /* of FORM_PROMPT: the system prompt with the schema */
    int64_t max_tokens;
};

static bool is_thinking(const struct plan *plan, const struct cf_features *features)
{
    return plan->thinking != CF_THINKING_DISABLED &&
           (plan->thinking != CF_THINKING_LEAST || features->thinks_by_default);
}

static bool is_forced(struct cf_text tool_choice)
{
    cJSON *tree;
    if (tool_choice.data == NULL ||
        !cf_json_parse(tool_choice.data, tool_choice.len, NULL, &tree, NULL))
        return false;
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "type"));
    bool forced = type != NULL && (strcmp(type, "any") == 0 || strcmp(type, "tool") == 0);
    cJSON_Delete(tree);
    return forced;
}

static void plan_sampling(const struct cf_chat_request *request, const struct cf_features *features,
                          struct plan *plan)
{
    /* A model that thinks takes no sampling parameters either. */
    if (features->sampling == CF_SAMPLING_NONE || is_thinking(plan, features))
        return;
    plan->temperature = request->has_temperature;
    plan->top_k = request->has_top_k;
    plan->top_p =
        request->has_top_p && (features->sampling == CF_SAMPLING_BOTH || !request->has_temperature);
}

static void plan_schema(const struct cf_chat_request *request, const struct cf_features *features,
                        struct plan *plan)
{
    struct cf_text schema = request->schema;
    if (schema.data == NULL)
        return;
    if (features->structured_outputs && cf_reply_schema_narrow(schema, &plan->schema)) {
        plan->form = FORM_OUTPUT;
    } else if (features->forced_tools && plan->thinking != CF_THINKING_ENABLED &&
               request->tools.data == NULL && cf_reply_schema_is_object(schema)) {
        plan->form = FORM_TOOL;
    } else {
        plan->form = FORM_PROMPT;
        cf_buf_add(&plan->system, request->system.data, request->system.len);
        cf_buf_adds(&plan->system, request->system.len > 0 ? "\n\n" : "");
        cf_buf_adds(&plan->system, CF_SCHEMA_PROMPT);
        cf_buf_add(&plan->system, schema.data, schema.len);
    }
}

static void make_plan(const struct cf_chat_request *request, const struct cf_features *features,
                      struct plan *plan)
{
    *plan = (struct plan){ .thinking = cf_chat_request_thinking(request, features) };
    cf_buf_init(&plan->schema, CF_REQUEST_BYTES_MAX);
    cf_buf_init(&plan->system, CF_REQUEST_BYTES_MAX);
    plan->max_tokens = cf_chat_request_output_bound(request, features);

    if (request->effort != NULL && features->effort)
        plan->effort = request->effort;
    else if (request->thinking == CF_THINKING_LEAST && plan->thinking == CF_THINKING_ADAPTIVE)
        plan->effort = "low";

    plan_sampling(request, features, plan);
    plan_schema(request, features, plan);
    plan->tool_choice = request->tool_choice.data != NULL;
    if (is_forced(request->tool_choice) &&
        (!features->forced_tools || plan->thinking == CF_THINKING_ENABLED))
        plan->tool_choice = false;
}

static bool fail_thinking(const struct cf_chat_request *request, const struct cf_features *features,
                          const struct plan *plan, struct cf_error *err)
{
    char accepted[64] = "";
    size_t n = 0;
    for (unsigned bit = CF_THINKING_DISABLED; bit <= CF_THINKING_ENABLED; bit <<= 1) {
        if (features->thinking & bit)
            n += (size_t)snprintf(accepted + n, sizeof accepted - n, "%s%s", n > 0 ? ", " : "",
                                  cf_thinking_name((enum cf_thinking)bit));
    }
    return cf_fail(err, CF_ERR_CONFIG, "thinking is \"%s\", but %.100s takes %s",
                   cf_thinking_name(plan->thinking), request->model,
                   n > 0 ? accepted : "no such setting");
}

static bool check_thinking(const struct cf_chat_request *request,
                           const struct cf_features *features, const struct plan *plan,
                           struct cf_error *err)
{
    if (plan->thinking != CF_THINKING_LEAST && !(features->thinking & plan->thinking))
        return fail_thinking(request, features, plan, err);
    if (plan->thinking == CF_THINKING_ENABLED && request->thinking_budget >= plan->max_tokens)
        return cf_fail(err, CF_ERR_CONFIG,
                       "thinking_budget is %" PRId64 ": it must be below the %" PRId64
                       " tokens that %.100s can write",
                       request->thinking_budget, plan->max_tokens, request->model);
    return true;
}

static bool check_prefill(const struct cf_chat_request *request, const struct cf_features *features,
                          const struct plan *plan, struct cf_error *err)
{
    const struct cf_chat_message *last = &request->messages[request->message_count - 1];
    size_t n = request->message_count;

    if (strcmp(last->role, "assistant") != 0)
        return true;
    if (!features->prefill)
        return cf_fail(err, CF_ERR_CONFIG,
                       "messages[%zu].role is \"assistant\": the last must be user, as %.100s does "
                       "not continue an answer that was begun",
                       n, request->model);
    if (plan->form != FORM_NONE || is_thinking(plan, features))
        return cf_fail(err, CF_ERR_CONFIG,
                       "messages[%zu].role is \"assistant\": the last must be user with %s", n,
                       plan->form != FORM_NONE ? "a schema" : "thinking");
    char end = last->content.data[last->content.len - 1];
    if (end == ' ' || (end >= '\t' && end <= '\r'))
        return cf_fail(err, CF_ERR_CONFIG,
                       "messages[%zu].content ends in white space, which the beginning of an "
                       "answer must not",
                       n);
    return true;
}

/* --- writing --- */

static void add_key(struct cf_buf *body, const char *key)
{
    cf_buf_adds(body, ",\"");
    cf_buf_adds(body, key);
    cf_buf_adds(body, "\":");
}

static void add_text_field(struct cf_buf *body, const char *key, struct cf_text text)
{
    add_key(body, key);
    cf_json_add_string(body, text.data, text.len);
}

/* JSON from the script goes out as it was written: the order of a schema's keys matters. */
static void add_raw_field(struct cf_buf *body, const char *key, struct cf_text json)
{
    add_key(body, key);
    cf_buf_add(body, json.data, json.len);
}

static void add_system(struct cf_buf *body, const struct cf_chat_request *request,
                       const struct plan *plan)
{
    struct cf_text system = request->system;
    if (plan->form == FORM_PROMPT)
        system = (struct cf_text){ cf_buf_str(&plan->system), plan->system.len };
    if (system.len == 0)
        return;
    if (request->cache == CF_CACHE_NONE) {
        add_text_field(body, "system", system);
        return;
    }
    cf_buf_adds(body, ",\"system\":[{\"type\":\"text\"");
    add_text_field(body, "text", system);
    cf_buf_addf(body, ",\"cache_control\":{\"type\":\"ephemeral\"%s}}]",
                request->cache == CF_CACHE_1H ? ",\"ttl\":\"1h\"" : "");
}

static void add_messages(struct cf_buf *body, const struct cf_chat_request *request)
{
    for (size_t i = 0; i < request->message_count; i++) {
        const struct cf_chat_message *message = &request->messages[i];
        cf_buf_adds(body, i == 0 ? ",\"messages\":[{\"role\":\"" : ",{\"role\":\"");
        cf_buf_adds(body, message->role);
        cf_buf_addc(body, '"');
        add_text_field(body, "content", message->content);
        cf_buf_addc(body, '}');
    }
    cf_buf_addc(body, ']');
}

static void add_sampling(struct cf_buf *body, const struct cf_chat_request *request,
                         const struct plan *plan)
{
    if (plan->temperature) {
        cf_buf_adds(body, ",\"temperature\":");
        cf_json_add_number(body, request->temperature);
    }
    if (plan->top_p) {
        cf_buf_adds(body, ",\"top_p\":");
        cf_json_add_number(body, request->top_p);
    }
    if (plan->top_k)
        cf_buf_addf(body, ",\"top_k\":%" PRId64, request->top_k);
    for (size_t i = 0; i < request->stop_count; i++) {
        cf_buf_adds(body, i == 0 ? ",\"stop_sequences\":[" : ",");
        cf_json_add_string(body, request->stop[i].data, request->stop[i].len);
    }
    if (request->stop_count > 0)
        cf_buf_addc(body, ']');
}

static void add_thinking(struct cf_buf *body, const struct cf_chat_request *request,
                         const struct plan *plan)
{
    if (plan->thinking == CF_THINKING_LEAST)
        return;
    cf_buf_adds(body, ",\"thinking\":{\"type\":\"");
    cf_buf_adds(body, cf_thinking_name(plan->thinking));
    cf_buf_addc(body, '"');
    if (plan->thinking == CF_THINKING_ENABLED)
        cf_buf_addf(body, ",\"budget_tokens\":%" PRId64, request->thinking_budget);
    cf_buf_addc(body, '}');
}

static void add_output_config(struct cf_buf *body, const struct plan *plan)
{
    bool has_schema = plan->form == FORM_OUTPUT;
    if (plan->effort == NULL && !has_schema)
        return;
    cf_buf_adds(body, ",\"output_config\":{");
    if (plan->effort != NULL)
        cf_buf_addf(body, "\"effort\":\"%s\"%s", plan->effort, has_schema ? "," : "");
    if (has_schema) {
        cf_buf_adds(body, "\"format\":{\"type\":\"json_schema\",\"schema\":");
        cf_buf_add(body, cf_buf_str(&plan->schema), plan->schema.len);
        cf_buf_addc(body, '}');
    }
    cf_buf_addc(body, '}');
}

static void add_tools(struct cf_buf *body, const struct cf_chat_request *request,
                      const struct plan *plan)
{
    if (plan->form == FORM_TOOL) {
        cf_buf_adds(body, ",\"tools\":" TOOL_BEFORE);
        cf_buf_add(body, request->schema.data, request->schema.len);
        cf_buf_adds(body, "}],\"tool_choice\":" TOOL_CHOICE);
        return;
    }
    if (request->tools.data != NULL)
        add_raw_field(body, "tools", request->tools);
    if (plan->tool_choice)
        add_raw_field(body, "tool_choice", request->tool_choice);
}

static void add_body(struct cf_buf *body, const struct cf_chat_request *request,
                     const struct plan *plan)
{
    cf_chat_request_reserve(request, body);
    cf_buf_adds(body, "{\"model\":");
    cf_json_add_string(body, request->model, strlen(request->model));
    add_key(body, "max_tokens");
    cf_buf_add_int(body, plan->max_tokens);
    add_system(body, request, plan);
    add_messages(body, request);
    add_sampling(body, request, plan);
    add_thinking(body, request, plan);
    add_output_config(body, plan);
    add_tools(body, request, plan);
    if (request->user_id.len > 0) {
        cf_buf_adds(body, ",\"metadata\":{\"user_id\":");
        cf_json_add_string(body, request->user_id.data, request->user_id.len);
        cf_buf_addc(body, '}');
    }
    if (request->stream)
        cf_buf_adds(body, ",\"stream\":true");
    cf_buf_addc(body, '}');
}

bool cf_anthropic_build(const struct cf_chat_request *request, const struct cf_features *features,
                        struct cf_buf *body, struct cf_dropped *dropped, struct cf_error *err)
{
    if (!cf_chat_request_check(request, err))
        return false;
    if (features->max_output > 0 && request->max_tokens > features->max_output)
        return cf_fail(err, CF_ERR_CONFIG,
                       "max_tokens is %" PRId64 ": %.100s takes at most %" PRId64,
                       request->max_tokens, request->model, features->max_output);

    struct plan plan;
    size_t before = body->len;
    bool ok = false;
    make_plan(request, features, &plan);
    if (!check_thinking(request, features, &plan, err) ||
        !check_prefill(request, features, &plan, err))
        goto done;

    add_body(body, request, &plan);
    if (!cf_buf_ok(body)) {
        body->len = before;
        body->failed = false;
        if (body->data != NULL)
            body->data[before] = '\0';
        cf_fail(err, CF_ERR_CONFIG, "the request is over %zu bytes", body->max);
        goto done;
    }

    *dropped = (struct cf_dropped){
        .temperature = request->has_temperature && !plan.temperature,
        .top_p = request->has_top_p && !plan.top_p,
        .top_k = request->has_top_k && !plan.top_k,
        .tool_choice = request->tool_choice.data != NULL && !plan.tool_choice,
        .effort = request->effort != NULL && !features->effort,
    };
    ok = true;
done:
    cf_buf_done(&plan.schema);
    cf_buf_done(&plan.system);
    return ok;
}
