/* error.h - what went wrong, as a plain value.
 *
 * No allocation, so it can be copied whole between threads and filled when
 * memory is gone. The core returns errors and prints nothing; main.c prints. */
#ifndef CONFAB_ERROR_H
#define CONFAB_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#define CF_ERROR_MESSAGE_MAX \
    1024 /* bytes with the NUL; a longer message is cut at a UTF-8 boundary */

enum cf_error_kind {
    CF_OK = 0,
    CF_ERR_API,           /* "api_error": the provider or the way to it failed */
    CF_ERR_RATE_LIMIT,    /* "rate_limit_error": the local limiter refused */
    CF_ERR_PARSE,         /* "parse_error": a text could not be understood */
    CF_ERR_VALIDATION,    /* "validation_error": understood, but not a valid conversation */
    CF_ERR_REFUSAL,       /* "refusal": the model declined */
    CF_ERR_BUDGET,        /* "budget_error" */
    CF_ERR_CONFIG,        /* "config_error": wrong use, option, file or setting */
    CF_ERR_SCRIPT,        /* "script_error": a mistake in the user's Lua */
    CF_ERR_STORAGE,       /* "storage_error": database or disk */
    CF_ERR_CANCELLED,     /* "cancelled" */
    CF_ERROR_KINDS
};

struct cf_error {
    enum cf_error_kind kind;
    int     http_status;      /* 0 when no reply arrived */
    bool    retryable;        /* the same request may succeed later */
    int64_t retry_after_ms;   /* what the server asked for; -1 if it did not */
    char    message[CF_ERROR_MESSAGE_MAX];
};

/* Fills *err (which may be NULL) with a one-line message and returns false.
 * http_status becomes 0, retryable false, retry_after_ms -1. */
bool cf_fail(struct cf_error *err, enum cf_error_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts text in front of the message of *err ("line 41: "), cutting its end if
 * need be; returns false, so that it can close a failing branch. */
bool cf_fail_prefix(struct cf_error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The name of DESIGN's list, such as "parse_error"; "ok" for CF_OK. Static. */
const char *cf_error_kind_name(enum cf_error_kind kind);

/* The kind of a name; CF_OK if there is none of that name. */
enum cf_error_kind cf_error_kind_parse(const char *name);
#endif
