#include "confab/error.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[CF_ERROR_KINDS] = {
    [CF_OK] = "ok",
    [CF_ERR_API] = "api_error",
    [CF_ERR_RATE_LIMIT] = "rate_limit_error",
    [CF_ERR_PARSE] = "parse_error",
    [CF_ERR_VALIDATION] = "validation_error",
    [CF_ERR_REFUSAL] = "refusal",
    [CF_ERR_BUDGET] = "budget_error",
    [CF_ERR_CONFIG] = "config_error",
    [CF_ERR_SCRIPT] = "script_error",
    [CF_ERR_STORAGE] = "storage_error",
    [CF_ERR_CANCELLED] = "cancelled",
};

/* A cut message must not end in half a character. */
static void cut_at_character(char *text, size_t len)
{
    size_t end = len;
    while (end > 0 && ((unsigned char)text[end - 1] & 0xC0) == 0x80)
        end--;
    if (end == 0)
        return;
    unsigned char lead = (unsigned char)text[end - 1];
    size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (need > 1 && len - (end - 1) < need)
        text[end - 1] = '\0';
}

bool cf_fail(struct cf_error *err, enum cf_error_kind kind, const char *fmt, ...)
{
    if (err == NULL)
        return false;

    /* The arguments may point into *err itself, so the message is made aside. */
    char message[CF_ERROR_MESSAGE_MAX];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    if (len >= (int)sizeof message)
        cut_at_character(message, sizeof message - 1);

    err->kind = kind;
    err->http_status = 0;
    err->retryable = false;
    err->retry_after_ms = -1;
    memcpy(err->message, message, sizeof message);
    return false;
}

bool cf_fail_prefix(struct cf_error *err, const char *fmt, ...)
{
    if (err == NULL)
        return false;

    char message[CF_ERROR_MESSAGE_MAX];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    if (len < 0)
        return false;

    size_t used = (size_t)len < sizeof message ? (size_t)len : sizeof message - 1;
    size_t room = sizeof message - 1 - used;
    size_t rest = strnlen(err->message, sizeof err->message);
    bool cut = rest > room;
    memcpy(message + used, err->message, cut ? room : rest);
    message[used + (cut ? room : rest)] = '\0';
    if (cut)
        cut_at_character(message, used + room);
    memcpy(err->message, message, sizeof message);
    return false;
}

const char *cf_error_kind_name(enum cf_error_kind kind)
{
    return (unsigned)kind < CF_ERROR_KINDS ? kind_names[kind] : "unknown_error";
}

enum cf_error_kind cf_error_kind_parse(const char *name)
{
    for (int kind = 1; kind < CF_ERROR_KINDS; kind++)
        if (strcmp(name, kind_names[kind]) == 0)
            return (enum cf_error_kind)kind;
    return CF_OK;
}
