#include "server/respond.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <civetweb.h>

#include "base/log.h"
#include "base/object.h"
#include "confab/error.h"
#include "server/problems.h"

#define HEAD_MAX (16u << 10)

static const struct status {
    int status;
    const char *reason, *word;
} statuses[] = {
    { 200, "OK", "ok" },
    { 201, "Created", "created" },
    { 202, "Accepted", "accepted" },
    { 204, "No Content", "no_content" },
    { 304, "Not Modified", "not_modified" },
    { 400, "Bad Request", "invalid_request" },
    { 401, "Unauthorized", "unauthorized" },
    { 402, "Payment Required", "budget_error" },
    { 403, "Forbidden", "forbidden" },
    { 404, "Not Found", "not_found" },
    { 405, "Method Not Allowed", "method_not_allowed" },
    { 408, "Request Timeout", "request_timeout" },
    { 409, "Conflict", "conflict" },
    { 411, "Length Required", "length_required" },
    { 413, "Content Too Large", "too_large" },
    { 414, "URI Too Long", "uri_too_long" },
    { 415, "Unsupported Media Type", "unsupported_media_type" },
    { 417, "Expectation Failed", "expectation_failed" },
    { 421, "Misdirected Request", "misdirected" },
    { 422, "Unprocessable Content", "validation_error" },
    { 426, "Upgrade Required", "upgrade_required" },
    { 429, "Too Many Requests", "rate_limit_error" },
    { 431, "Request Header Fields Too Large", "headers_too_large" },
    { 500, "Internal Server Error", "internal_error" },
    { 501, "Not Implemented", "not_implemented" },
    { 502, "Bad Gateway", "api_error" },
    { 503, "Service Unavailable", "unavailable" },
    { 505, "HTTP Version Not Supported", "http_version" },
};

static const struct status *find_status(int status)
{
    static const struct status unknown = { 0, "Unknown", "error" };
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i].status == status)
            return &statuses[i];
    return &unknown;
}

const char *cf_respond_reason(int status)
{
    return find_status(status)->reason;
}

const char *cf_respond_word(int status)
{
    return find_status(status)->word;
}

void cf_respond_header(struct cf_http_exchange *exchange, const char *name, const char *fmt, ...)
{
    va_list args;
    cf_buf_adds(&exchange->headers, name);
    cf_buf_adds(&exchange->headers, ": ");
    va_start(args, fmt);
    cf_buf_addv(&exchange->headers, fmt, args);
    va_end(args);
    cf_buf_adds(&exchange->headers, "\r\n");
}

/* The connection is of no use after a body that was not read; civetweb then closes it. */
static bool is_kept(struct cf_http_exchange *exchange)
{
    const char *version = exchange->info->http_version;
    const char *connection = mg_get_header(exchange->connection, "Connection");
    bool is_kept = !exchange->has_unread_body && version != NULL && strcmp(version, "1.1") == 0 &&
                   (connection == NULL || mg_strcasecmp(connection, "close") != 0);
    if (!is_kept)
        mg_disable_connection_keep_alive(exchange->connection);
    return is_kept;
}

void cf_respond(struct cf_http_exchange *exchange, int status, const char *content_type,
                const char *text, size_t len)
{
    struct cf_buf reply;
    bool has_content = status != 204 && status != 304;
    cf_buf_init(&reply, len + HEAD_MAX);
    cf_buf_addf(&reply, "HTTP/1.1 %d %s\r\n", status, cf_respond_reason(status));
    if (content_type != NULL)
        cf_buf_addf(&reply, "Content-Type: %s\r\n", content_type);
    if (has_content)
        cf_buf_addf(&reply, "Content-Length: %zu\r\n", len);
    cf_buf_addf(&reply,
                "Cache-Control: %s\r\n"
                "X-Content-Type-Options: nosniff\r\n"
                "X-Frame-Options: DENY\r\n"
                "Referrer-Policy: no-referrer\r\n"
                "Cross-Origin-Resource-Policy: same-origin\r\n"
                "Connection: %s\r\n",
                exchange->cache_control != NULL ? exchange->cache_control : "no-store",
                is_kept(exchange) ? "keep-alive" : "close");
    cf_buf_add(&reply, exchange->headers.data, exchange->headers.len);
    cf_buf_adds(&reply, "\r\n");
    if (!exchange->is_head && has_content)
        cf_buf_add(&reply, text, len);

    exchange->status = status;
    mg_write(exchange->connection, reply.data, reply.len);
    cf_buf_done(&reply);
}

void cf_respond_json(struct cf_http_exchange *exchange, int status, struct cf_buf *json)
{
    if (!cf_buf_ok(json)) {
        cf_respond_fail(exchange, 500, "the reply is over %zu bytes", json->max);
        return;
    }
    cf_buf_addc(json, '\n');
    cf_redact(json->data);
    cf_respond(exchange, status, CF_HTTP_JSON, json->data, strlen(json->data));
}

void cf_respond_open(struct cf_buf *json)
{
    cf_object_open(json, NULL);
    cf_object_bool(json, "success", true);
}

void cf_respond_empty(struct cf_http_exchange *exchange, int status)
{
    cf_respond(exchange, status, NULL, "", 0);
}

static void respond_problem(struct cf_http_exchange *exchange, int status, const char *word,
                            const char *message, struct cf_text details, int64_t retry_after_ms)
{
    struct cf_buf json;
    cf_buf_init(&json, CF_OBJECT_MAX);
    cf_object_open(&json, NULL);
    cf_object_str(&json, "error", word);
    cf_object_str(&json, "message", message);
    if (details.data != NULL)
        cf_object_json(&json, "details", details);
    if (retry_after_ms >= 0) {
        int64_t seconds = (retry_after_ms + 999) / 1000;
        cf_object_int(&json, "retryAfter", seconds);
        cf_respond_header(exchange, "Retry-After", "%lld", (long long)seconds);
    }
    cf_object_close(&json);
    cf_respond_json(exchange, status, &json);
    cf_buf_done(&json);
}

static const struct cf_text no_details = { NULL, 0 };

void cf_respond_fail(struct cf_http_exchange *exchange, int status, const char *fmt, ...)
{
    struct cf_buf message;
    va_list args;
    cf_buf_init(&message, 8192);
    va_start(args, fmt);
    cf_buf_addv(&message, fmt, args);
    va_end(args);
    respond_problem(exchange, status, cf_respond_word(status),
                    cf_buf_ok(&message) ? cf_buf_str(&message) : cf_respond_reason(status),
                    no_details, -1);
    cf_buf_done(&message);
}

int cf_respond_status(const struct cf_error *err)
{
    switch (err->kind) {
    case CF_ERR_CONFIG: return 400;
    case CF_ERR_BUDGET: return 402;
    case CF_ERR_PARSE:
    case CF_ERR_VALIDATION:
    case CF_ERR_REFUSAL: return 422;
    case CF_ERR_RATE_LIMIT: return 429;
    case CF_ERR_API: return 502;
    case CF_ERR_CANCELLED: return 503;
    default: return 500;
    }
}

void cf_respond_error(struct cf_http_exchange *exchange, const struct cf_error *err)
{
    int status = cf_respond_status(err);
    int64_t wait_ms = status == 429 || err->retry_after_ms > 0 ? err->retry_after_ms : -1;
    respond_problem(exchange, status, cf_error_kind_name(err->kind), err->message, no_details,
                    wait_ms);
}

void cf_respond_problems_as(struct cf_http_exchange *exchange, int status,
                            struct cf_problems *problems)
{
    char message[96];
    if (problems->count == 1)
        snprintf(message, sizeof message, "the request has a mistake: see details");
    else
        snprintf(message, sizeof message, "the request has %zu mistakes: see details",
                 problems->count);
    cf_buf_addc(&problems->json, ']');
    respond_problem(exchange, status, cf_respond_word(status), message,
                    (struct cf_text){ cf_buf_str(&problems->json), problems->json.len }, -1);
}

void cf_respond_problems(struct cf_http_exchange *exchange, struct cf_problems *problems)
{
    cf_respond_problems_as(exchange, 400, problems);
}
