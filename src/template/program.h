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
 * A body follows its node, up to `end`. Names and texts are pieces of the unit's text, so a node is
 * a few numbers, and the line of a node is only counted when a message needs it. */
#ifndef CONFAB_TEMPLATE_PROGRAM_H
#define CONFAB_TEMPLATE_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_error;

#define CF_TEMPLATE_DELIMITER_MAX 16       /* bytes; people use two */
#define CF_UNIT_NONE    UINT32_MAX         /* a partial that is not there, in a lenient template */
#define CF_UNIT_DYNAMIC (UINT32_MAX - 1)   /* {{>*x}}: x is a variable that holds the name */

enum cf_template_node_type {
    CF_NODE_TEXT,
    CF_NODE_VARIABLE,      /* {{x}} */
    CF_NODE_RAW,           /* {{{x}}}, {{&x}}: never escaped */
    CF_NODE_SECTION,       /* {{#x}} */
    CF_NODE_INVERTED,      /* {{^x}} */
    CF_NODE_PARTIAL,       /* {{>x}}; {{<x}}, whose body is the blocks that it gives */
    CF_NODE_BLOCK,         /* {{$x}} */
    CF_NODE_INDENT,        /* a line begins, of a partial or a block */
};

struct cf_template_node {
    enum cf_template_node_type type;
    uint32_t tag;                  /* where it stands, for messages */
    uint32_t start, len;           /* text: its bytes; tags: their name */
    uint32_t end;                  /* what has a body: the node behind it */
    uint32_t unit;                 /* partials: its number, or one of CF_UNIT_... */
    uint32_t indent, indent_len;   /* partials, blocks: white space that goes before each line */
    uint32_t raw, raw_len;         /* sections: the body as it is written */
    uint32_t dedent;               /* sections: white space that is taken off each line of it */
    uint32_t delimiters;           /* sections: those in force in the body */
    bool is_alone;                 /* blocks: the content begins with a line of its own */
    bool is_given;                 /* blocks: content for a parent, in whose body it stands */
};

struct cf_template_delimiters {
    uint32_t open_len, close_len;
    char open[CF_TEMPLATE_DELIMITER_MAX];
    char close[CF_TEMPLATE_DELIMITER_MAX];
};

/* The text of the template, of one partial, or of what a function of the data gave. */
struct cf_template_unit {
    char *name;            /* owned; NULL in the template itself */
    char *text;            /* owned */
    size_t len;
    struct cf_template_node *nodes;                /* owned */
    uint32_t node_count, node_cap;
    struct cf_template_delimiters *delimiters;     /* owned; [0] are those at its begin */
    uint32_t delimiters_count;
    /* borrowed: where a function was used, or NULL */
    const struct cf_template_unit *caller;
    uint32_t caller_tag;
};

struct cf_template {
    char *name;            /* owned */
    bool strict;
    bool escape_html;
    size_t first_line, first_column;   /* what messages count from */
    struct cf_template_unit *units;    /* owned; [0] is the template, then the partials by name */
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

/* The partial of that name, or CF_UNIT_NONE. */
uint32_t cf_template_find_partial(const struct cf_template *tmpl, const char *name, size_t len);

/* "there is no partial ...", with the nearest one. */
bool cf_template_fail_partial(const struct cf_template *tmpl, const struct cf_template_unit *unit,
                              uint32_t offset, struct cf_error *err, const char *name, size_t len);

/* Compiles one unit, whose text and name are there. delimiters NULL: {{ and }}. Partials are looked
 * up in the template, whose units need not be compiled yet. */
bool cf_template_parse(const struct cf_template *tmpl, struct cf_template_unit *unit,
                       const struct cf_template_delimiters *delimiters, struct cf_error *err);

void cf_template_unit_done(struct cf_template_unit *unit);
#endif
