/* conversation_object.h - a conversation as the API gives it, in every reply that holds one. */
#ifndef CONFAB_SERVER_CONVERSATION_OBJECT_H
#define CONFAB_SERVER_CONVERSATION_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

struct cf_buf;
struct cf_conversation_row;
struct cf_error;
struct cf_reader;

struct cf_conversation_parts {
    bool turns;
    bool history;        /* edits and provenance, too: two more queries */
};

/* The conversation of that id, under a name in the open object; NULL: on its own. 1, 0 (none),
 * -1. */
int cf_conversation_object(struct cf_buf *out, const char *name, struct cf_reader *reader,
                           int64_t conversation, struct cf_conversation_parts parts,
                           struct cf_error *err);
#endif
