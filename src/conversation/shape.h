/* shape.h - finds the list of turns in JSON, whatever it is wrapped in, in one pass without a tree.
 *
 * A list of turns is an array of objects that say a role and a content, or the two sides of a
 * pair, under one of many names. Values are read one after the other; the best list of all is
 * kept, the first of equals. */
#ifndef CONFAB_CONVERSATION_SHAPE_H
#define CONFAB_CONVERSATION_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "confab/buf.h"
#include "confab/conversation.h"

struct cf_error;

enum cf_trouble {
    CF_TROUBLE_NONE,
    CF_TROUBLE_ROLE_MISSING,
    CF_TROUBLE_ROLE_UNKNOWN,
    CF_TROUBLE_CONTENT_MISSING,
    CF_TROUBLE_CONTENT_NULL,
    CF_TROUBLE_CONTENT_ODD,       /* a boolean, an object without text, ... */
    CF_TROUBLE_NOT_A_MESSAGE,     /* the element is no object that says anything */
    CF_TROUBLE_TOO_MANY,
};

/* Bytes in the shape's words. */
struct cf_span { size_t offset, len; };

struct cf_piece {
    enum cf_role role;
    bool has_role;                /* known, or at least named */
    enum cf_trouble trouble;
    struct cf_span said;
    struct cf_span role_word;     /* of ROLE_UNKNOWN */
    uint32_t repairs;
};

/* How much a list looks like a conversation, ascending. */
enum cf_grade {
    CF_GRADE_NONE,
    CF_GRADE_EMPTY,      /* an empty list under one of the known names */
    CF_GRADE_DAMAGED,    /* one of its turns has a trouble */
    CF_GRADE_LIKELY,     /* turns under a name not known */
    CF_GRADE_GOOD,
};

struct cf_list {
    struct cf_piece *pieces;      /* owned */
    size_t count, cap;
    enum cf_grade grade;
    enum cf_trouble trouble;      /* of the first turn that has one */
    size_t trouble_at;            /* its place */
    uint32_t repairs;
    unsigned owner;               /* serial of the object that holds it; 0: none */
};

struct cf_shape {
    struct cf_buf words;          /* all that was said, a NUL after each */
    struct cf_list best;          /* of all values */
    struct cf_list loose;         /* messages that stood alone at the top level */
    size_t loose_values;          /* in how many values */
    bool loose_cut;               /* the last of them was left out: the text ends in it */
    bool second;                  /* a second list as good as the best was found */

    struct cf_list value, stack;  /* while a value is read */
};

void cf_shape_init(struct cf_shape *shape, size_t max_words);
void cf_shape_done(struct cf_shape *shape);

/* Reads the one strict JSON value that text begins with. cut_at: from this byte on, brackets close
 * what a cut-off text left open (SIZE_MAX: none do), so that what they end is not complete.
 * repairs: what was done to the text before. False, with nothing changed, if it is not JSON.
 * *out_used: bytes read in either case; *out_found: a list or a message was in it. */
bool cf_shape_read(struct cf_shape *shape, const char *text, size_t len, size_t cut_at,
                   uint32_t repairs, size_t *out_used, bool *out_found);

/* Ends the reading: messages that stood alone become the best list if there is no better one. */
void cf_shape_finish(struct cf_shape *shape);

/* Says in *err what the trouble with the list is; returns false. */
bool cf_shape_complain(const struct cf_shape *shape, const struct cf_list *list,
                       struct cf_error *err);

#endif
