/* tag.h - one tag of a template's text. */
#ifndef CONFAB_TEMPLATE_TAG_H
#define CONFAB_TEMPLATE_TAG_H

#include <stdbool.h>
#include <stdint.h>

struct cf_error;
struct cf_template;
struct cf_template_delimiters;
struct cf_template_unit;

struct cf_tag {
    char kind;              /* one of # ^ / > < $ ! = { &, or 0: a variable */
    bool is_dynamic;        /* > < and their end: the name, behind a *, is of a variable */
    uint32_t at;            /* of the opening delimiter */
    uint32_t start, len;    /* its content, trimmed; the name, without the * */
    uint32_t behind;        /* of the first byte behind it */

    /* The line it stands in. */
    bool is_first;          /* nothing but white space before it */
    bool is_last;           /* nothing but white space behind it */
    uint32_t line;          /* is_first: where the line begins; else `at` */
    uint32_t next;          /* is_last: where the next line begins; else `behind` */
};

/* Reads the tag at offset `at`; `from` is the end of the tag before it. */
bool cf_tag_read(const struct cf_template *tmpl, const struct cf_template_unit *unit,
                 const struct cf_template_delimiters *delimiters, uint32_t from, uint32_t at,
                 struct cf_tag *out, struct cf_error *err);

/* Whether a name is one. */
bool cf_tag_check_name(const struct cf_template *tmpl, const struct cf_template_unit *unit,
                       const struct cf_tag *tag, struct cf_error *err);

/* {{=<% %>=}} */
bool cf_tag_read_delimiters(const struct cf_template *tmpl, const struct cf_template_unit *unit,
                            const struct cf_tag *tag, struct cf_template_delimiters *out,
                            struct cf_error *err);

bool cf_tag_begins_line(const struct cf_template_unit *unit, uint32_t offset);
bool cf_tag_is_blank(char byte);
#endif
