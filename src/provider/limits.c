#include "provider/limits.h"

#include <stdio.h>
#include <string.h>

#include "confab/clock.h"
#include "http/headers.h"

#define DIGITS_MAX 15    /* a limit with more is no limit */

static bool parse_count(const char *text, int64_t *out)
{
    size_t len = strlen(text);
    if (len == 0 || len > DIGITS_MAX || strspn(text, "0123456789") != len)
        return false;
    *out = 0;
    for (size_t i = 0; i < len; i++)
        *out = *out * 10 + (text[i] - '0');
    return true;
}

static const char *limit_header(const struct cf_http_headers *headers, const char *what,
                                const char *part)
{
    char name[96];
    snprintf(name, sizeof name, "anthropic-ratelimit-%s-%s", what, part);
    return cf_http_headers_get(headers, name);
}

static void read_limit(const struct cf_http_headers *headers, const char *what,
                       struct cf_limit *out)
{
    const char *value = limit_header(headers, what, "limit");
    out->has_limit = value != NULL && parse_count(value, &out->limit);
    value = limit_header(headers, what, "remaining");
    out->has_remaining = value != NULL && parse_count(value, &out->remaining);
    value = limit_header(headers, what, "reset");
    out->has_reset =
        value != NULL && cf_time_parse(value, strlen(value), &out->reset_unix_ms);
}

static void copy_header(const struct cf_http_headers *headers, const char *name,
                        char out[CF_HEADER_TEXT_MAX])
{
    const char *value = cf_http_headers_get(headers, name);
    snprintf(out, CF_HEADER_TEXT_MAX, "%s", value != NULL ? value : "");
}

void cf_limit_headers_read(const struct cf_http_headers *headers, struct cf_limit_headers *out)
{
    *out = (struct cf_limit_headers){ 0 };
    read_limit(headers, "requests", &out->requests);
    read_limit(headers, "input-tokens", &out->input);
    read_limit(headers, "output-tokens", &out->output);
    read_limit(headers, "tokens", &out->tokens);
    copy_header(headers, "anthropic-organization-id", out->organization);
    copy_header(headers, "anthropic-workspace-id", out->workspace);
    copy_header(headers, "request-id", out->request_id);
    copy_header(headers, "x-should-retry", out->should_retry);
    copy_header(headers, "retry-after", out->retry_after);
    copy_header(headers, "retry-after-ms", out->retry_after_ms);
}

bool cf_limit_headers_has_any(const struct cf_limit_headers *limits)
{
    const struct cf_limit *each[] = { &limits->requests, &limits->input, &limits->output,
                                      &limits->tokens };
    for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
        if (each[i]->has_limit || each[i]->has_remaining)
            return true;
    }
    return false;
}
