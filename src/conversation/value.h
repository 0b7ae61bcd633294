/* value.h - finds the JSON value of a reply that has more than that in it. */
#ifndef CONFAB_CONVERSATION_VALUE_H
#define CONFAB_CONVERSATION_VALUE_H

#include <stdbool.h>
#include <stddef.h>

struct cf_buf;

/* Looks for an object or array behind thinking, in a fence, or among words, and mends it as the
 * JSON of a conversation is mended. Among words it is the answer only if it is half of the text
 * or more: a "[1]" in prose is none. True: out gained it as strict JSON. False: there is none,
 * or its end is missing; out is as before. */
bool cf_reply_find_value(const char *text, size_t len, struct cf_buf *out);
#endif
