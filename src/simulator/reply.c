#include "simulator/reply.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "confab/rng.h"
#include "simulator/content.h"
#include "simulator/malformed.h"
#include "simulator/request.h"
#include "simulator/spec.h"

#define DELTA_MAX 120      /* most bytes of text in one event of a stream */

static const struct {
    int status;
    const char *type, *message;
} errors[] = {
    { 400, "invalid_request_error", "The request was refused by the simulator" },
    { 401, "authentication_error", "invalid x-api-key" },
    { 402, "billing_error", "There is a problem with the billing of this organization" },
    { 403, "permission_error", "This key is not allowed to use the requested resource" },
    { 404, "not_found_error", "Not found" },
    { 405, "invalid_request_error", "Method Not Allowed" },
    { 408, "timeout_error", "Request timeout" },
    { 413, "request_too_large", "Request exceeds the maximum size" },
    { 429, "rate_limit_error", "This request would exceed your organization's rate limit" },
    { 431, "invalid_request_error", "The request headers are too large" },
    { 500, "api_error", "Internal server error" },
    { 503, "api_error", "Service unavailable" },
    { 504, "timeout_error", "The request took too long to process" },
    { 529, "overloaded_error", "Overloaded" },
};

/* A text block, or the input of a tool, with what stands around it. */
struct message {
    const struct cf_sim_request *request;
    char id[40];
    const char *stop_reason;
    const char *stop_sequence;        /* NULL: null */
    const char *refusal;              /* category; NULL: no stop_details */
    const char *usage;
    struct cf_buf text;
    bool has_content, has_thinking;
};

void cf_sim_reply_error(int status, const char *message, const char *request_id,
                        struct cf_sim_reply *out)
{
    const char *type = status < 500 ? "invalid_request_error" : "api_error";
    const char *usual = "Error";
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        if (errors[i].status == status) {
            type = errors[i].type;
            usual = errors[i].message;
        }
    }
    *out = (struct cf_sim_reply){ .status = status, .type = "application/json" };
    cf_buf_init(&out->body, CF_SIM_REPLY_MAX);
    cf_buf_addf(&out->body, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":", type);
    if (message == NULL)
        message = usual;
    cf_json_add_string(&out->body, message, strlen(message));
    cf_buf_addf(&out->body, "},\"request_id\":\"%s\"}", request_id);
}

void cf_sim_reply_fault(enum cf_sim_fault_kind kind, const char *request_id,
                        struct cf_sim_reply *out)
{
    if (kind == CF_SIM_FAULT_502) {
        *out = (struct cf_sim_reply){ .status = 502, .type = "text/html" };
        cf_buf_init(&out->body, CF_SIM_REPLY_MAX);
        cf_buf_adds(&out->body,
                    "<html>\n<head><title>502 Bad Gateway</title></head>\n<body><center>"
                    "<h1>502 Bad Gateway</h1></center></body>\n</html>\n");
    } else if (kind == CF_SIM_FAULT_SPEND_CAP) {
        *out = (struct cf_sim_reply){ .status = 429, .type = "application/json" };
        cf_buf_init(&out->body, CF_SIM_REPLY_MAX);
        cf_buf_addf(&out->body,
                    "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":"
                    "\"You have reached the monthly spend limit of your organization\",\"details\":"
                    "{\"error_code\":\"enforced_spend_limit_reached\"}},\"request_id\":\"%s\"}",
                    request_id);
    } else {
        cf_sim_reply_error(cf_sim_fault_status(kind), NULL, request_id, out);
    }
}

static void add_string(struct cf_buf *out, const char *text)
{
    cf_json_add_string(out, text, strlen(text));
}

static void add_or_null(struct cf_buf *out, const char *text)
{
    if (text == NULL)
        cf_buf_adds(out, "null");
    else
        add_string(out, text);
}

/* --- usage --- */

enum shape {
    SHAPE_FULL, SHAPE_WRITE_5M, SHAPE_WRITE_SPLIT, SHAPE_READ, SHAPE_NULLS, SHAPE_MINIMAL,
    SHAPE_NO_SPLIT, SHAPE_THINKING, SHAPES,
};

/* Spreads the input over the kinds of tokens and writes the object down. */
static void make_usage(enum shape shape, int64_t input, int64_t output, int64_t thinking,
                       struct cf_sim_reply *reply)
{
    int64_t part = input * 3 / 4;
    long long write_5m = 0, write_1h = 0, read = 0;
    if (shape == SHAPE_WRITE_5M || shape == SHAPE_NO_SPLIT)
        write_5m = part;
    if (shape == SHAPE_WRITE_SPLIT)
        write_5m = part / 3, write_1h = part - part / 3;
    if (shape == SHAPE_READ)
        read = part;

    reply->input_tokens = input - write_5m - write_1h - read;
    reply->output_tokens = output;
    reply->cache_write_tokens = write_5m + write_1h;
    reply->cache_read_tokens = read;
    long long rest = reply->input_tokens, out = output;

    struct cf_buf text;
    cf_buf_init(&text, CF_SIM_USAGE_MAX - 1);
    if (shape == SHAPE_MINIMAL) {
        cf_buf_addf(&text, "{\"input_tokens\":%lld,\"output_tokens\":%lld}", rest, out);
    } else if (shape == SHAPE_NULLS) {
        cf_buf_addf(
            &text,
            "{\"input_tokens\":%lld,\"cache_creation_input_tokens\":null,"
            "\"cache_read_input_tokens\":null,\"output_tokens\":%lld,\"server_tool_use\":null,"
            "\"service_tier\":null,\"inference_geo\":null}",
            rest, out);
    } else {
        cf_buf_addf(&text, "{\"input_tokens\":%lld,\"cache_creation_input_tokens\":%lld,"
                    "\"cache_read_input_tokens\":%lld,", rest, write_5m + write_1h, read);
        if (shape != SHAPE_NO_SPLIT)
            cf_buf_addf(&text, "\"cache_creation\":{\"ephemeral_5m_input_tokens\":%lld,"
                        "\"ephemeral_1h_input_tokens\":%lld},", write_5m, write_1h);
        cf_buf_addf(&text, "\"output_tokens\":%lld,\"server_tool_use\":null,"
                    "\"service_tier\":\"standard\",\"inference_geo\":\"global\"", out);
        if (thinking > 0)
            cf_buf_addf(&text, ",\"output_tokens_details\":{\"thinking_tokens\":%lld}",
                        (long long)thinking);
        cf_buf_addc(&text, '}');
    }
    snprintf(reply->usage, sizeof reply->usage, "%s", cf_buf_str(&text));
    cf_buf_done(&text);
}

/* --- one body --- */

static void add_head(const struct message *message, struct cf_buf *out)
{
    cf_buf_addf(
        out, "{\"id\":\"%s\",\"type\":\"message\",\"role\":\"assistant\",\"model\":", message->id);
    add_string(out, message->request->model);
}

static void add_stop(const struct message *message, struct cf_buf *out)
{
    cf_buf_addf(out, "\"stop_reason\":\"%s\",\"stop_sequence\":", message->stop_reason);
    add_or_null(out, message->stop_sequence);
    cf_buf_adds(out, ",\"stop_details\":");
    if (message->refusal == NULL)
        cf_buf_adds(out, "null");
    else
        cf_buf_addf(out, "{\"type\":\"refusal\",\"category\":%s,\"explanation\":\"Simulated: the "
                    "request was declined.\"}", message->refusal);
}

static void add_message(const struct message *message, struct cf_buf *out)
{
    add_head(message, out);
    cf_buf_adds(out, ",\"content\":[");
    if (message->has_thinking)
        cf_buf_adds(out,
                    "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"U0lNVUxBVEVE\"}");
    if (message->has_content) {
        cf_buf_adds(out, message->has_thinking ? "," : "");
        if (message->request->tool != NULL) {
            cf_buf_addf(out,
                        "{\"type\":\"tool_use\",\"id\":\"toolu_%s\",\"name\":", message->id + 4);
            add_string(out, message->request->tool);
            cf_buf_adds(out, ",\"input\":");
            cf_buf_add(out, message->text.data, message->text.len);
        } else {
            cf_buf_adds(out, "{\"type\":\"text\",\"text\":");
            cf_json_add_string(out, cf_buf_str(&message->text), message->text.len);
        }
        cf_buf_addc(out, '}');
    }
    cf_buf_adds(out, "],");
    add_stop(message, out);
    cf_buf_addf(out, ",\"container\":null,\"usage\":%s}", message->usage);
}

/* --- a stream --- */

static void add_event(const char *name, const struct cf_buf *data, struct cf_buf *out)
{
    size_t len = strlen("event: ") + strlen(name) + strlen("\ndata: ") + data->len + 2;
    cf_buf_addf(out, "%zx\r\nevent: %s\ndata: ", len, name);
    cf_buf_add(out, data->data, data->len);
    cf_buf_adds(out, "\n\n\r\n");
}

static void add_plain_event(const char *name, const char *data, struct cf_buf *out)
{
    struct cf_buf text;
    cf_buf_init(&text, CF_SIM_REPLY_MAX);
    cf_buf_adds(&text, data);
    add_event(name, &text, out);
    cf_buf_done(&text);
}

/* The first text_len bytes of the text. */
static void add_deltas(const struct message *message, int index, size_t text_len,
                       struct cf_rng *rng, struct cf_buf *out)
{
    bool is_tool = message->request->tool != NULL;
    struct cf_buf data;
    cf_buf_init(&data, CF_SIM_REPLY_MAX);

    for (size_t at = 0; at < text_len;) {
        size_t len = 1 + cf_rng_next(rng) % DELTA_MAX;
        if (len >= text_len - at) {
            len = text_len - at;
        } else {
            size_t whole = cf_utf8_valid_prefix(message->text.data + at, len);
            while (whole == 0 && len < text_len - at)     /* longer than one character */
                whole = cf_utf8_valid_prefix(message->text.data + at, ++len);
            len = whole > 0 ? whole : len;
        }
        cf_buf_clear(&data);
        cf_buf_addf(
            &data,
            "{\"type\":\"content_block_delta\",\"index\":%d,\"delta\":{\"type\":\"%s\",\"%s\":",
            index, is_tool ? "input_json_delta" : "text_delta", is_tool ? "partial_json" : "text");
        cf_json_add_string(&data, message->text.data + at, len);
        cf_buf_adds(&data, "}}");
        add_event("content_block_delta", &data, out);
        at += len;
    }
    cf_buf_done(&data);
}

/* With is_half it breaks off in mid-text. */
static void add_block(const struct message *message, int index, bool is_half, struct cf_rng *rng,
                      struct cf_buf *out)
{
    struct cf_buf data;
    size_t text_len = message->text.len;
    if (is_half)
        text_len = cf_utf8_valid_prefix(cf_buf_str(&message->text), text_len / 2);
    cf_buf_init(&data, CF_SIM_REPLY_MAX);
    cf_buf_addf(&data, "{\"type\":\"content_block_start\",\"index\":%d,\"content_block\":", index);
    if (message->request->tool != NULL) {
        cf_buf_addf(&data, "{\"type\":\"tool_use\",\"id\":\"toolu_%s\",\"name\":", message->id + 4);
        add_string(&data, message->request->tool);
        cf_buf_adds(&data, ",\"input\":{}}}");
    } else {
        cf_buf_adds(&data, "{\"type\":\"text\",\"text\":\"\"}}");
    }
    add_event("content_block_start", &data, out);
    add_plain_event("ping", "{\"type\":\"ping\"}", out);
    add_deltas(message, index, text_len, rng, out);
    if (!is_half) {
        cf_buf_clear(&data);
        cf_buf_addf(&data, "{\"type\":\"content_block_stop\",\"index\":%d}", index);
        add_event("content_block_stop", &data, out);
    }
    cf_buf_done(&data);
}

static void add_stream(const struct message *message, bool has_error, struct cf_rng *rng,
                       struct cf_buf *out)
{
    struct cf_buf data;
    int index = 0;
    cf_buf_init(&data, CF_SIM_REPLY_MAX);

    cf_buf_adds(&data, "{\"type\":\"message_start\",\"message\":");
    add_head(message, &data);
    cf_buf_addf(&data, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":%s}}",
                message->usage);
    add_event("message_start", &data, out);
    if (message->has_thinking) {
        index = 1;
        add_plain_event(
            "content_block_start",
            "{\"type\":\"content_block_start\",\"index\":0,"
            "\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}",
            out);
        add_plain_event("content_block_delta",
                        "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":"
                        "{\"type\":\"signature_delta\",\"signature\":\"U0lNVUxBVEVE\"}}",
                        out);
        add_plain_event("content_block_stop", "{\"type\":\"content_block_stop\",\"index\":0}", out);
    }
    if (message->has_content)
        add_block(message, index, has_error, rng, out);
    if (has_error) {
        add_plain_event("error", "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
                        "\"message\":\"Overloaded\"}}", out);
    } else {
        cf_buf_clear(&data);
        cf_buf_adds(&data, "{\"type\":\"message_delta\",\"delta\":{");
        add_stop(message, &data);
        cf_buf_addf(&data, "},\"usage\":%s}", message->usage);
        add_event("message_delta", &data, out);
        add_plain_event("message_stop", "{\"type\":\"message_stop\"}", out);
    }
    cf_buf_adds(out, "0\r\n\r\n");
    cf_buf_done(&data);
}

/* --- the whole --- */

static void cut_to(struct cf_buf *buf, size_t len)
{
    if (len < buf->len) {
        buf->len = len;
        buf->data[len] = '\0';
    }
}

static void cut_at_stop(struct message *message)
{
    const cJSON *stop;
    size_t first = message->text.len;
    cJSON_ArrayForEach(stop, message->request->stops) {
        const char *found = memmem(cf_buf_str(&message->text), message->text.len, stop->valuestring,
                                   strlen(stop->valuestring));
        if (found != NULL && (size_t)(found - message->text.data) < first) {
            first = (size_t)(found - message->text.data);
            message->stop_reason = "stop_sequence";
            message->stop_sequence = stop->valuestring;
        }
    }
    cut_to(&message->text, first);
}

static void cut_to_tokens(struct message *message, int64_t tokens)
{
    if (cf_sim_tokens(message->text.len) <= tokens)
        return;
    size_t len = tokens > 0 ? (size_t)tokens * 4 : 0;
    cut_to(&message->text, cf_utf8_valid_prefix(message->text.data, len));
    message->stop_reason = "max_tokens";
    message->stop_sequence = NULL;
}

/* A body that is no message, in one of several ways. */
static void spoil(struct cf_buf *body, uint64_t way)
{
    if (way % 4 == 0) {
        cut_to(body, body->len * 2 / 3);
        return;
    }
    cf_buf_clear(body);
    if (way % 4 == 1)
        cf_buf_adds(body, "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\"}");
    else if (way % 4 == 2)
        cf_buf_adds(body, "<html><body>Please log in to the network</body></html>");
}

static void choose_refusal(struct message *message, struct cf_rng *rng)
{
    static const char *const categories[] = { "\"cyber\"", "\"bio\"", "\"frontier_llm\"",
                                              "\"general_harms\"", "null" };
    message->refusal = categories[cf_rng_next(rng) % 5];
    message->stop_reason = "refusal";
    message->has_content = false;
}

void cf_sim_reply_make(const struct cf_sim_spec *spec, const struct cf_sim_request *request,
                       uint64_t hash, const struct cf_sim_fault *fault, struct cf_sim_reply *out)
{
    enum cf_sim_fault_kind kind = fault == NULL ? CF_SIM_FAULT_NONE : fault->kind;
    struct message message = { .request = request, .has_content = true,
                               .stop_reason = request->tool != NULL ? "tool_use" : "end_turn" };
    struct cf_rng rng;
    int64_t thinking = 0;
    int way = -1;

    *out = (struct cf_sim_reply){ .status = 200, .type = "application/json" };
    cf_buf_init(&out->body, CF_SIM_REPLY_MAX);
    cf_buf_init(&message.text, CF_SIM_REPLY_MAX);
    cf_rng_seed(&rng, hash ^ spec->seed * UINT64_C(0x9e3779b97f4a7c15));
    snprintf(message.id, sizeof message.id, "msg_01%016llx%04llx", (unsigned long long)hash,
             (unsigned long long)(spec->seed & 0xffff));

    enum shape shape = spec->usage_varied ? (enum shape)(cf_rng_next(&rng) % SHAPES) : SHAPE_FULL;
    if (shape == SHAPE_THINKING && request->may_think && request->max_tokens >= 256) {
        thinking =
            cf_rng_range(&rng, 20, request->max_tokens / 8 < 600 ? request->max_tokens / 8 : 600);
        message.has_thinking = true;
    }
    uint64_t draw = cf_rng_next(&rng);
    if (kind == CF_SIM_FAULT_MALFORMED)
        way = fault->way >= 0 ? fault->way : (int)(draw % (uint64_t)cf_sim_malformed_count());

    if (kind == CF_SIM_FAULT_EMPTY)
        message.has_content = false;
    else if (kind == CF_SIM_FAULT_REFUSAL)
        choose_refusal(&message, &rng);
    else
        cf_sim_content_add(spec, request, way, &message.text);
    cut_at_stop(&message);
    cut_to_tokens(&message, request->max_tokens - thinking);
    if (kind == CF_SIM_FAULT_MAX_TOKENS)
        cut_to_tokens(&message, cf_sim_tokens(message.text.len) / 2);
    if (message.text.len == 0 && request->tool == NULL)
        message.has_content = message.has_content && kind == CF_SIM_FAULT_MALFORMED;
    if (request->tool != NULL &&
        !cf_json_check(cf_buf_str(&message.text), message.text.len, NULL, NULL)) {
        cf_buf_clear(&message.text);          /* the input of a tool is JSON whatever happens */
        cf_buf_adds(&message.text, "{}");
    }

    int64_t text_tokens = cf_sim_tokens(message.text.len);
    if (text_tokens == 0)
        text_tokens = kind == CF_SIM_FAULT_REFUSAL ? 0 : 2;
    make_usage(shape, request->input_tokens, text_tokens + thinking, thinking, out);
    message.usage = out->usage;
    if (request->is_stream) {
        out->type = "text/event-stream";
        out->is_chunked = true;
        add_stream(&message, kind == CF_SIM_FAULT_STREAM_ERROR, &rng, &out->body);
    } else {
        cf_buf_reserve(&out->body, message.text.len + message.text.len / 8 + 1024);
        add_message(&message, &out->body);
        if (kind == CF_SIM_FAULT_BAD_ENVELOPE) {
            spoil(&out->body, draw);
            out->usage[0] = '\0';        /* none that anybody could read */
        }
    }
    cf_buf_done(&message.text);
}

void cf_sim_reply_done(struct cf_sim_reply *reply)
{
    cf_buf_done(&reply->body);
}

void cf_sim_reply_add_models(struct cf_buf *out)
{
    static const struct {
        const char *id, *name, *created;
        long max_input, max_tokens;
    } models[] = {
        { "claude-fable-5-2", "Claude Fable 5.2", "2026-11-09", 1000000, 128000 },
        { "claude-opus-5-5", "Claude Opus 5.5", "2026-10-01", 1000000, 128000 },
        { "claude-sonnet-5-5", "Claude Sonnet 5.5", "2026-10-01", 1000000, 128000 },
        { "claude-haiku-5-5", "Claude Haiku 5.5", "2026-10-01", 400000, 128000 },
        { "claude-sonnet-4-6", "Claude Sonnet 4.6", "2026-02-17", 1000000, 128000 },
        { "claude-haiku-4-5-20251001", "Claude Haiku 4.5", "2025-10-15", 200000, 64000 },
    };
    size_t count = sizeof models / sizeof *models;
    cf_buf_adds(out, "{\"data\":[");
    for (size_t i = 0; i < count; i++)
        cf_buf_addf(
            out,
            "%s{\"type\":\"model\",\"id\":\"%s\",\"display_name\":\"%s\",\"created_at\":"
            "\"%sT00:00:00Z\",\"max_input_tokens\":%ld,\"max_tokens\":%ld,\"capabilities\":null}",
            i == 0 ? "" : ",", models[i].id, models[i].name, models[i].created, models[i].max_input,
            models[i].max_tokens);
    cf_buf_addf(out, "],\"has_more\":false,\"first_id\":\"%s\",\"last_id\":\"%s\"}", models[0].id,
                models[count - 1].id);
}
