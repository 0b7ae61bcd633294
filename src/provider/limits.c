#include "provider/limits.h"

#include <string.h>
#include <strings.h>

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

/* What follows the prefix of a name; NULL if it has another one. */
static const char *after(const char *name, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncasecmp(name, prefix, len) == 0 ? name + len : NULL;
}

/* name: "requests-limit" and so on, without the prefix that all have. */
static void read_limit(const char *name, const char *value, struct cf_limit_headers *out)
{
    const struct { const char *prefix; struct cf_limit *limit; } kinds[] = {
        { "requests-", &out->requests }, { "input-tokens-", &out->input },
        { "output-tokens-", &out->output }, { "tokens-", &out->tokens },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const char *part = after(name, kinds[i].prefix);
        struct cf_limit *limit = kinds[i].limit;
        if (part == NULL)
            continue;
        if (strcasecmp(part, "limit") == 0)
            limit->has_limit = parse_count(value, &limit->limit);
        else if (strcasecmp(part, "remaining") == 0)
            limit->has_remaining = parse_count(value, &limit->remaining);
        else if (strcasecmp(part, "reset") == 0)
            limit->has_reset = cf_time_parse(value, strlen(value), &limit->reset_unix_ms);
        return;
    }
}

static void copy_text(const char *value, char out[CF_HEADER_TEXT_MAX])
{
    size_t len = strnlen(value, CF_HEADER_TEXT_MAX - 1);
    memcpy(out, value, len);
    out[len] = '\0';
}

static void read_text(const char *name, const char *value, struct cf_limit_headers *out)
{
    const struct { const char *name; char *text; } fields[] = {
        { "anthropic-organization-id", out->organization },
        { "anthropic-workspace-id", out->workspace },
        { "request-id", out->request_id },
        { "x-should-retry", out->should_retry },
        { "retry-after", out->retry_after },
        { "retry-after-ms", out->retry_after_ms },
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (strcasecmp(name, fields[i].name) == 0)
            copy_text(value, fields[i].text);
    }
}

/* From the last to the first, so that of a repeated header the first one counts. */
void cf_limit_headers_read(const struct cf_http_headers *headers, struct cf_limit_headers *out)
{
    *out = (struct cf_limit_headers){ 0 };
    for (size_t i = headers->count; i-- > 0;) {
        const struct cf_http_header *header = &headers->fields[i];
        const char *limit = after(header->name, "anthropic-ratelimit-");
        if (limit != NULL)
            read_limit(limit, header->value, out);
        else
            read_text(header->name, header->value, out);
    }
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
