/* reply_text.h - what stands around or over the JSON of a reply: thinking, escapes, refusals. */
#ifndef CONFAB_CONVERSATION_REPLY_TEXT_H
#define CONFAB_CONVERSATION_REPLY_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_buf;

/* Moves *text and *len past white space and a byte order mark. */
void cf_reply_skip_blank(const char **text, size_t *len);

/* Moves *text and *len past thinking blocks that stand before any bracket. False: one of them has
 * no end, so no answer follows. */
bool cf_reply_skip_thinking(const char **text, size_t *len);

/* If the whole reply is HTML-escaped JSON: adds it unescaped to out and returns true. */
bool cf_reply_unescape_html(const char *text, size_t len, struct cf_buf *out);

/* If the whole reply is a JSON string that holds JSON, perhaps without its quotes or cut off: adds
 * the string's value to out and returns true. *repairs gains what was changed on the way. */
bool cf_reply_decode_string(const char *text, size_t len, struct cf_buf *out, uint32_t *repairs);

/* Where the content of the first fence begins that holds JSON; len if there is none. */
size_t cf_reply_find_fence(const char *text, size_t len);

/* Whether prose reads like a model's refusal. */
bool cf_reply_is_refusal(const char *text, size_t len);

#endif
