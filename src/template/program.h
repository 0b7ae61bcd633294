/* program.h - a compiled template: flat lists of nodes over the template's own text.
 *
 *     Dear {{name}},{{#gift}} thanks for {{.}}.{{/gift}} Bye
 *
 *     0 TEXT      "Dear "
 *     1 VARIABLE  name
 *     2 TEXT      ","
 *     3 SECTION   gift, end 7
 *     4 TEXT      " thanks for "
 *     5 VARIABLE  .
 *     6 TEXT      "."
 *     7 TEXT      " Bye"
 *
 * A section's body follows it, up to `end`. Names and texts are pieces of the unit's text, so a
 * node is six numbers, and the line of a node is only counted when a message needs it. */
#ifndef CONFAB_TEMPLATE_PROGRAM_H
#define CONFAB_TEMPLATE_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_error;

enum cf_template_node_type {
    CF_NODE_TEXT,
    CF_NODE_VARIABLE,      /* {{x}} */
    CF_NODE_RAW,           /* {{{x}}}, {{&x}}: never escaped */
    CF_NODE_SECTION,       /* {{#x}} */
    CF_NODE_INVERTED,      /* {{^x}} */
    CF_NODE_PARTIAL,       /* {{>x}} */
    CF_NODE_INDENT,        /* a line of a partial begins */
};

struct cf_template_node {
    enum cf_template_node_type type;
    uint32_t tag;          /* where it stands, for messages */
    uint32_t start, len;   /* text: its bytes; tags: their name */
    uint32_t end;          /* sections: the node behind the body; partials: number of the unit */
    uint32_t indent;       /* partials alone on a line: bytes of white space before the tag */
};

/* The text of the template or of one partial. */
struct cf_template_unit {
    char *name;            /* owned; NULL in the template itself */
    char *text;            /* owned */
    size_t len;
    struct cf_template_node *nodes;    /* owned */
    uint32_t node_count, node_cap;
};

struct cf_template {
    char *name;            /* owned */
    bool strict;
    bool escape_html;
    struct cf_template_unit *units;    /* owned; [0] is the template, then the partials it uses */
    size_t unit_count;
    char **variables;      /* owned, each of them too */
    size_t variable_count;
};

/* Fills *err with the place and the message, CF_ERR_CONFIG; returns false. */
bool cf_template_fail(const struct cf_template *tmpl, const struct cf_template_unit *unit,
                      uint32_t offset, struct cf_error *err, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* How many bytes of a name to print: all of a usual one, a whole number of characters. */
int cf_template_shown(const char *name, size_t len);

struct cf_template_options;

/* Compiles the template's units, of which [0] has its text and the rest are made as partials are
 * met; units has room for all partials. */
bool cf_template_parse(struct cf_template *tmpl, const struct cf_template_options *options,
                       struct cf_error *err);
#endif
