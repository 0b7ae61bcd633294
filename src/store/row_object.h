/* row_object.h - parts of stored rows as JSON, the same wherever they are shown. */
#ifndef CONFAB_STORE_ROW_OBJECT_H
#define CONFAB_STORE_ROW_OBJECT_H

struct cf_buf;
struct cf_conversation_row;

/* "turns": a list of {role, content}, in the open object. */
void cf_row_add_turns(struct cf_buf *out, const struct cf_conversation_row *row);

/* "tags": an object of name to number, text or null, in the open object. */
void cf_row_add_tags(struct cf_buf *out, const struct cf_conversation_row *row);
#endif
