/* reply_schema.h - a JSON Schema in the form that the Messages API holds a reply to.
 *
 * The API takes part of JSON Schema and answers the rest with a 400. What it does not take is left
 * out and said to the model in the description, as the official clients do; whoever reads the reply
 * checks it against the whole schema. */
#ifndef CONFAB_PROVIDER_REPLY_SCHEMA_H
#define CONFAB_PROVIDER_REPLY_SCHEMA_H

#include <stdbool.h>

#include "base/text.h"

struct cf_buf;

/* The tool whose input is the reply, where a schema goes out as one. */
#define CF_SCHEMA_TOOL "reply"

/* Put in front of a schema that stands in the system prompt. */
#define CF_SCHEMA_PROMPT "Answer with JSON that fits this JSON Schema, and with nothing else:\n"

/* Appends to out the schema (valid JSON, an object) as the API takes it: every object closed,
 * what is refused moved into descriptions, oneOf as anyOf, numbers as they were written. False
 * if no such form says what is meant (a schema that refers to itself, an object of any
 * properties, a place where anything may stand, too many choices for the API); out is then as
 * before. */
bool cf_reply_schema_narrow(struct cf_text schema, struct cf_buf *out);

/* Whether the schema says that the reply is an object. */
bool cf_reply_schema_is_object(struct cf_text schema);
#endif
