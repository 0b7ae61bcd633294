/* respond.h - replies: JSON, errors of one shape, plain text; each with the headers that all have.
 *
 * An error is {error, message, details?, retryAfter?}: `error` is a word for programs, `message`
 * a sentence for people. Every value goes through base/object.h's escaping, and nothing leaves with
 * a key in it: texts are redacted as log lines are. An exchange is answered exactly once. */
#ifndef CONFAB_SERVER_RESPOND_H
#define CONFAB_SERVER_RESPOND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/request.h"

struct cf_buf;
struct cf_error;
struct cf_problems;

#define CF_HTTP_JSON "application/json; charset=utf-8"

/* Adds a line to the head of the reply to come; the value must not hold line breaks. */
void cf_respond_header(struct cf_http_exchange *exchange, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Any content; text may hold any bytes. */
void cf_respond(struct cf_http_exchange *exchange, int status, const char *content_type,
                const char *text, size_t len);

/* The JSON in the buffer, which is used up; a 500 instead if the buffer went over its bound. */
void cf_respond_json(struct cf_http_exchange *exchange, int status, struct cf_buf *json);

/* Begins what every reply that succeeds is: {"success": true, …, with its "data" to be added. */
void cf_respond_open(struct cf_buf *json);

/* No content, such as 204 and 304. */
void cf_respond_empty(struct cf_http_exchange *exchange, int status);

/* An error with the word that belongs to the status. */
void cf_respond_fail(struct cf_http_exchange *exchange, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* What went wrong inside: `error` is the kind, the status follows from it: 400 config_error,
 * 402 budget_error, 422 validation_error, parse_error and refusal, 429 rate_limit_error, 502
 * api_error, 503 cancelled, else 500. */
void cf_respond_error(struct cf_http_exchange *exchange, const struct cf_error *err);

/* 400 (or another status), naming every problem in `details`. */
void cf_respond_problems(struct cf_http_exchange *exchange, struct cf_problems *problems);
void cf_respond_problems_as(struct cf_http_exchange *exchange, int status,
                            struct cf_problems *problems);

/* The status that a kind of error is answered with. */
int cf_respond_status(const struct cf_error *err);

/* What a status is called, "Not Found", and the word for programs, "not_found". Static. */
const char *cf_respond_reason(int status);
const char *cf_respond_word(int status);
#endif
