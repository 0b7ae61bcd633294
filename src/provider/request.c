#include "provider/request.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "confab/buf.h"
#include "confab/error.h"

#define THINKING_BUDGET_MIN 1024
#define USER_ID_MAX         512     /* characters */
#define SETTINGS_BYTES      512     /* what is written around the texts of most requests */
#define BOUND_A_MESSAGE     16      /* tokens around each message, generously */
#define BOUND_AN_OBJECT     64      /* bytes added to each object of a schema, generously */
#define BOUND_TOOLS         1000    /* tokens that the provider adds for tools or a schema */

/* --- checking --- */

static bool is_blank(struct cf_text text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] != ' ' && (text.data[i] < '\t' || text.data[i] > '\r'))
            return false;
    }
    return true;
}

static bool check_utf8(const char *field, struct cf_text text, struct cf_error *err)
{
    size_t valid = cf_utf8_valid_prefix(text.data, text.len);
    if (valid == text.len)
        return true;
    return cf_fail(err, CF_ERR_CONFIG, "%s is not valid UTF-8 at byte %zu", field, valid + 1);
}

static bool check_share(const char *field, double value, struct cf_error *err)
{
    if (value >= 0 && value <= 1)    /* false for NaN as well */
        return true;
    return cf_fail(err, CF_ERR_CONFIG, "%s is %g: it must be from 0 to 1", field, value);
}

/* Gives the parsed JSON of a field, which the caller deletes. */
static bool parse_field(const char *field, struct cf_text text, cJSON **out_tree,
                        struct cf_error *err)
{
    struct cf_error why;
    if (cf_json_parse(text.data, text.len, NULL, out_tree, &why))
        return true;
    return cf_fail(err, CF_ERR_CONFIG, "%s is not valid JSON: %s", field, why.message);
}

static bool check_json(const char *field, struct cf_text text, bool want_array,
                       struct cf_error *err)
{
    if (text.data == NULL)
        return true;

    cJSON *tree;
    if (!parse_field(field, text, &tree, err))
        return false;
    bool ok = want_array ? cJSON_IsArray(tree) && tree->child != NULL : cJSON_IsObject(tree);
    cJSON_Delete(tree);
    if (!ok)
        return cf_fail(err, CF_ERR_CONFIG, "%s must be a JSON %s", field,
                       want_array ? "array with at least one element" : "object");
    return true;
}

static bool check_messages(const struct cf_chat_request *request, struct cf_error *err)
{
    if (request->message_count == 0)
        return cf_fail(err, CF_ERR_CONFIG, "messages is empty: at least one is needed");
    if (request->message_count > CF_MESSAGES_MAX)
        return cf_fail(err, CF_ERR_CONFIG, "messages has %zu elements: at most %d are taken",
                       request->message_count, CF_MESSAGES_MAX);

    for (size_t i = 0; i < request->message_count; i++) {
        const struct cf_chat_message *message = &request->messages[i];
        const char *role = message->role != NULL ? message->role : "";
        char field[48];
        snprintf(field, sizeof field, "messages[%zu].content", i + 1);

        if (strcmp(role, "user") != 0 && strcmp(role, "assistant") != 0)
            return cf_fail(err, CF_ERR_CONFIG,
                           "messages[%zu].role is \"%.40s\": it must be user or assistant", i + 1,
                           role);
        if (i == 0 && strcmp(role, "user") != 0)
            return cf_fail(err, CF_ERR_CONFIG, "messages[1].role is \"%s\": the first must be user",
                           role);
        if (is_blank(message->content))
            return cf_fail(err, CF_ERR_CONFIG, "%s is empty", field);
        if (!check_utf8(field, message->content, err))
            return false;
    }
    return true;
}

static bool check_stop(const struct cf_chat_request *request, struct cf_error *err)
{
    for (size_t i = 0; i < request->stop_count; i++) {
        char field[32];
        snprintf(field, sizeof field, "stop[%zu]", i + 1);
        if (is_blank(request->stop[i]))
            return cf_fail(err, CF_ERR_CONFIG, "%s is empty or only white space", field);
        if (!check_utf8(field, request->stop[i], err))
            return false;
    }
    return true;
}

static bool check_thinking(const struct cf_chat_request *request, struct cf_error *err)
{
    static const char *const efforts[] = { "low", "medium", "high", "xhigh", "max" };

    if (request->thinking == CF_THINKING_ENABLED && request->thinking_budget < THINKING_BUDGET_MIN)
        return cf_fail(err, CF_ERR_CONFIG, "thinking_budget is %" PRId64 ": it must be at least %d",
                       request->thinking_budget, THINKING_BUDGET_MIN);
    if (request->effort == NULL)
        return true;
    for (size_t i = 0; i < sizeof efforts / sizeof efforts[0]; i++) {
        if (strcmp(request->effort, efforts[i]) == 0)
            return true;
    }
    return cf_fail(err, CF_ERR_CONFIG,
                   "effort is \"%.40s\": it must be low, medium, high, xhigh or max",
                   request->effort);
}

bool cf_chat_request_check(const struct cf_chat_request *request, struct cf_error *err)
{
    if (request->model == NULL || request->model[0] == '\0')
        return cf_fail(err, CF_ERR_CONFIG, "model is empty");
    if (!check_utf8("model", (struct cf_text){ request->model, strlen(request->model) }, err) ||
        !check_utf8("system", request->system, err) || !check_messages(request, err))
        return false;
    if (request->system.len > 0 && is_blank(request->system))
        return cf_fail(err, CF_ERR_CONFIG, "system has only white space");

    if (request->max_tokens < 1)
        return cf_fail(err, CF_ERR_CONFIG, "max_tokens is %" PRId64 ": it must be at least 1",
                       request->max_tokens);
    if (request->has_temperature && !check_share("temperature", request->temperature, err))
        return false;
    if (request->has_top_p && !check_share("top_p", request->top_p, err))
        return false;
    if (request->has_top_k && request->top_k < 0)
        return cf_fail(err, CF_ERR_CONFIG, "top_k is %" PRId64 ": it must be 0 or more",
                       request->top_k);
    if (!check_stop(request, err) || !check_thinking(request, err))
        return false;

    if (!check_json("tools", request->tools, true, err) ||
        !check_json("tool_choice", request->tool_choice, false, err) ||
        !check_json("schema", request->schema, false, err))
        return false;
    if (request->tool_choice.data != NULL && request->tools.data == NULL)
        return cf_fail(err, CF_ERR_CONFIG, "tool_choice is given without tools");

    if (!check_utf8("user_id", request->user_id, err))
        return false;
    size_t id_length = cf_utf8_length(request->user_id.data, request->user_id.len);
    if (id_length > USER_ID_MAX)
        return cf_fail(err, CF_ERR_CONFIG, "user_id has %zu characters: at most %d are taken",
                       id_length, USER_ID_MAX);
    return true;
}

static size_t text_bytes(const struct cf_chat_request *request)
{
    size_t bytes = request->system.len + request->tools.len + request->tool_choice.len +
                   request->schema.len;
    for (size_t i = 0; i < request->message_count; i++)
        bytes += request->messages[i].content.len;
    return bytes;
}

void cf_chat_request_reserve(const struct cf_chat_request *request, struct cf_buf *buf)
{
    size_t bytes = text_bytes(request) + SETTINGS_BYTES;
    if (bytes < buf->max / 2)    /* it is no failure that what is not needed does not fit */
        cf_buf_reserve(buf, bytes);
}

/* --- identity --- */

static void add_key(struct cf_buf *buf, const char *key)
{
    cf_buf_adds(buf, ",\"");
    cf_buf_adds(buf, key);
    cf_buf_adds(buf, "\":");
}

static void add_text(struct cf_buf *buf, const char *key, const char *text, size_t len)
{
    add_key(buf, key);
    cf_json_add_string(buf, text, len);
}

static bool add_json(struct cf_buf *buf, const char *key, struct cf_text text, struct cf_error *err)
{
    if (text.data == NULL)
        return true;

    cJSON *tree;
    if (!parse_field(key, text, &tree, err))
        return false;
    add_key(buf, key);
    cf_json_add_canonical(buf, tree);
    cJSON_Delete(tree);
    return true;
}

static void add_messages(struct cf_buf *buf, const struct cf_chat_request *request)
{
    add_key(buf, "messages");
    for (size_t i = 0; i < request->message_count; i++) {
        const struct cf_chat_message *message = &request->messages[i];
        cf_buf_adds(buf, i == 0 ? "[{\"content\":" : ",{\"content\":");
        cf_json_add_string(buf, message->content.data, message->content.len);
        add_text(buf, "role", message->role, strlen(message->role));
        cf_buf_addc(buf, '}');
    }
    cf_buf_adds(buf, request->message_count == 0 ? "[]" : "]");
}

bool cf_chat_request_canonical(const struct cf_chat_request *request, struct cf_buf *buf,
                               struct cf_error *err)
{
    cf_chat_request_reserve(request, buf);

    /* Keys in byte order, since equal calls must give equal bytes, for ever. */
    cf_buf_adds(buf, "{");
    if (request->effort != NULL) {
        cf_buf_adds(buf, "\"effort\":");
        cf_json_add_string(buf, request->effort, strlen(request->effort));
        cf_buf_addc(buf, ',');
    }
    cf_buf_adds(buf, "\"hash_version\":");
    cf_buf_add_int(buf, CF_REQUEST_HASH_VERSION);
    add_messages(buf, request);
    add_text(buf, "model", request->model, strlen(request->model));
    if (!add_json(buf, "schema", request->schema, err))
        return false;
    for (size_t i = 0; i < request->stop_count; i++) {
        cf_buf_adds(buf, i == 0 ? ",\"stop\":[" : ",");
        cf_json_add_string(buf, request->stop[i].data, request->stop[i].len);
    }
    if (request->stop_count > 0)
        cf_buf_addc(buf, ']');
    if (request->system.len > 0)
        add_text(buf, "system", request->system.data, request->system.len);
    if (request->has_temperature) {
        add_key(buf, "temperature");
        cf_json_add_number(buf, request->temperature);
    }
    if (request->thinking != CF_THINKING_LEAST) {
        const char *name = cf_thinking_name(request->thinking);
        add_text(buf, "thinking", name, strlen(name));
        if (request->thinking == CF_THINKING_ENABLED)
            cf_buf_addf(buf, ",\"thinking_budget\":%" PRId64, request->thinking_budget);
    }
    if (!add_json(buf, "tool_choice", request->tool_choice, err) ||
        !add_json(buf, "tools", request->tools, err))
        return false;
    if (request->has_top_k)
        cf_buf_addf(buf, ",\"top_k\":%" PRId64, request->top_k);
    if (request->has_top_p) {
        add_key(buf, "top_p");
        cf_json_add_number(buf, request->top_p);
    }
    cf_buf_addc(buf, '}');

    if (!cf_buf_ok(buf))
        return cf_fail(err, CF_ERR_CONFIG, "the request is over %zu bytes", buf->max);
    return true;
}

bool cf_chat_request_hash(const struct cf_chat_request *request, uint8_t out[CF_REQUEST_HASH_SIZE],
                          struct cf_error *err)
{
    struct cf_buf buf;
    cf_buf_init(&buf, CF_REQUEST_BYTES_MAX);
    bool ok = cf_chat_request_canonical(request, &buf, err);
    if (ok)
        cf_sha256(cf_buf_str(&buf), buf.len, out);
    cf_buf_done(&buf);
    return ok;
}

/* --- bounds --- */

int64_t cf_chat_request_input_bound(const struct cf_chat_request *request)
{
    int64_t bound =
        (int64_t)text_bytes(request) + BOUND_A_MESSAGE * (int64_t)request->message_count;
    for (size_t i = 0; i < request->schema.len; i++)
        bound += request->schema.data[i] == '{' ? BOUND_AN_OBJECT : 0;
    if (request->tools.data != NULL || request->schema.data != NULL)
        bound += BOUND_TOOLS;
    return bound;
}

enum cf_thinking cf_chat_request_thinking(const struct cf_chat_request *request,
                                          const struct cf_features *features)
{
    static const enum cf_thinking rising[] = {
        CF_THINKING_DISABLED, CF_THINKING_BETWEEN_TOOLS, CF_THINKING_ADAPTIVE,
    };

    if (request->thinking == CF_THINKING_DISABLED && !features->thinks_by_default)
        return CF_THINKING_LEAST;
    if (request->thinking != CF_THINKING_LEAST)
        return request->thinking;
    if (!features->thinks_by_default)
        return CF_THINKING_LEAST;

    /* The two highest efforts go with adaptive thinking only. */
    bool high = request->effort != NULL && features->effort &&
                (strcmp(request->effort, "xhigh") == 0 || strcmp(request->effort, "max") == 0);
    for (size_t i = high ? 2 : 0; i < sizeof rising / sizeof rising[0]; i++) {
        if (features->thinking & rising[i])
            return rising[i];
    }
    return CF_THINKING_LEAST;
}

int64_t cf_chat_request_output_bound(const struct cf_chat_request *request,
                                     const struct cf_features *features)
{
    enum cf_thinking thinking = cf_chat_request_thinking(request, features);
    int64_t room = features->thinking_room > 0 ? features->thinking_room : CF_THINKING_ROOM_DEFAULT;
    if (thinking == CF_THINKING_ENABLED)
        room = request->thinking_budget;
    else if (thinking == CF_THINKING_DISABLED)
        room = 0;
    else if (thinking == CF_THINKING_LEAST && !features->thinks_by_default)
        room = 0;

    int64_t bound;
    if (__builtin_add_overflow(request->max_tokens, room, &bound))
        bound = INT64_MAX;
    return features->max_output > 0 && bound > features->max_output ? features->max_output : bound;
}
