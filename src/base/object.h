/* object.h - JSON for others to read: objects built in a buffer, lists printed while they are read.
 *
 * Lists are one array with an element a line, so that both a JSON parser and a line-wise tool can
 * read them, however long they are. */
#ifndef CONFAB_BASE_OBJECT_H
#define CONFAB_BASE_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

struct cf_buf;
struct cf_error;

#define CF_OBJECT_MAX (256u << 20) /* bytes: a conversation with all that belongs to it */

/* Opens and closes; a name of NULL opens an element of a list, or the whole. */
void cf_object_open(struct cf_buf *out, const char *name);
void cf_object_close(struct cf_buf *out);
void cf_object_open_list(struct cf_buf *out, const char *name);
void cf_object_close_list(struct cf_buf *out);

/* Fields of the open object. NULL texts, negative counts, unknown money and NaN are null. */
void cf_object_str(struct cf_buf *out, const char *name, const char *value);
void cf_object_text(struct cf_buf *out, const char *name, struct cf_text value);
void cf_object_int(struct cf_buf *out, const char *name, int64_t value);
void cf_object_count(struct cf_buf *out, const char *name, int64_t value);
void cf_object_number(struct cf_buf *out, const char *name, double value);
void cf_object_bool(struct cf_buf *out, const char *name, bool value);
void cf_object_usd(struct cf_buf *out, const char *name, int64_t pico); /* dollars, exact */
void cf_object_json(struct cf_buf *out, const char *name,
                    struct cf_text json); /* as it is; no JSON: text */

/* A list on standard output. */
struct cf_object_list {
    bool any;
};

void cf_object_list_begin(struct cf_object_list *list);

/* Prints the element and clears the buffer. False with *err if it went over its bound. */
bool cf_object_list_add(struct cf_object_list *list, struct cf_buf *element, struct cf_error *err);
void cf_object_list_end(struct cf_object_list *list);

/* Prints a single object on a line, likewise. */
bool cf_object_print(struct cf_buf *object, struct cf_error *err);
#endif
