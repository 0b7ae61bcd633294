/* plain.h - a reply as most are: strict JSON that is a list of turns, or one object that holds such
 * a list, where each turn has a role and a content.
 *
 * It is read straight into a conversation; shape.h makes sense of what is not as plain. */
#ifndef CONFAB_CONVERSATION_PLAIN_H
#define CONFAB_CONVERSATION_PLAIN_H

#include <stdbool.h>
#include <stddef.h>

struct cf_conversation;

/* Reads a whole text; its turns go to *out, which was empty. False, with *out empty again, if
 * anything about it is not plain: a turn without a known role or with two contents, U+0000, a
 * second list, no turn at all. The turns are those that cf_shape_read would find. */
bool cf_plain_read(const char *text, size_t len, struct cf_conversation *out);

#endif
