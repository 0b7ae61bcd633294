/* template.h - Mustache templates: compiled once, rendered many times.
 *
 * The whole Mustache specification: variables, dotted names, sections, inverted sections, comments,
 * partials (their names from variables, too), parents and blocks, set delimiters, functions; white
 * space around standalone tags as it has it. Values are data: braces inside a value are never read
 * as template text; only what a function gives is. A compiled template does not change and may be
 * rendered by several threads at once. */
#ifndef CONFAB_TEMPLATE_H
#define CONFAB_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_buf;
struct cf_error;
struct cf_template;
struct cJSON;

#define CF_TEMPLATE_MAX_BYTES    (1u << 20)  /* of one text; larger ones are data in disguise */
#define CF_TEMPLATE_DEPTH_MAX    64          /* sections within sections in one text */
#define CF_TEMPLATE_RENDER_DEPTH 256         /* with partials, at run time: bounds our C stack */
#define CF_TEMPLATE_STEPS_MAX    50000000u   /* tags and texts rendered: seconds */
#define CF_TEMPLATE_PARTIALS_MAX 1000

struct cf_template_partial {
    const char *name;
    const char *text;
    size_t len;
};

struct cf_template_options {
    bool strict;                                  /* what the data lack is an error, not "" */
    bool escape_html;                             /* {{x}} escapes; {{{x}}} and {{&x}} never do */
    const struct cf_template_partial *partials;   /* borrowed for the call */
    size_t partial_count;
    size_t first_line, first_column;    /* of the text in its file, for messages; 0 is 1 */
};

/* Compiles text and partials; name (copied) stands in messages. options NULL: strict, no escaping,
 * no partials. CF_ERR_CONFIG with template name, line and column; if strict, also for a partial
 * that is not there and for a block that is given to a parent and is nowhere to be filled. */
bool cf_template_compile(const char *name, const char *text, size_t len,
                         const struct cf_template_options *options,
                         struct cf_template **out, struct cf_error *err);
void cf_template_free(struct cf_template *tmpl);

const char *cf_template_name(const struct cf_template *tmpl);

/* Every name used, each once, in order of first use (those of partials behind the others), dotted
 * ones whole, the implicit "." left out. Lent for the template's life. Names inside a section may
 * belong to the section's value. A variable that names a partial may mean any of them: the names of
 * all are listed. */
const char *const *cf_template_variables(const struct cf_template *tmpl, size_t *out_count);

/* --- data --- */

enum cf_value_kind {
    CF_VALUE_NULL,     /* there, but nothing: false in sections, in text as if it were not there */
    CF_VALUE_FALSE,    /* false in sections; has a text */
    CF_VALUE_TEXT,     /* string, number, true; false in sections only if it is empty text */
    CF_VALUE_LIST,     /* a section goes through it; empty: false */
    CF_VALUE_MAP,      /* a section goes into it, empty or not */
    CF_VALUE_FUNCTION, /* called for a variable or section; only from sources that have `call` */
    CF_VALUE_OTHER,    /* there, but without a text; true in sections */
};

/* A tag that stands for a function of the data, while the function runs. */
struct cf_template_call;

/* A value of the data source; what is in it is the source's business. */
struct cf_value {
    const void *pointer;
    uint64_t number;
};

/* How a template reaches its data. The renderer keeps no memory of its own, so a callback may
 * leave by longjmp. Values that it was given stay valid until the rendering ends, or, where the
 * source has mark and release, until the release of the mark set before they were got. */
struct cf_template_data {
    void *self;
    struct cf_value root;
    struct cf_value around;    /* if has_around: names that root lacks are looked up here */
    bool has_around;

    enum cf_value_kind (*kind)(void *self, struct cf_value value);

    /* The member of a map. False: it has none of that name. */
    bool (*get)(void *self, struct cf_value map, const char *name, size_t len,
                struct cf_value *out);

    /* The text of FALSE or TEXT. Lent until the next call of any callback. */
    const char *(*text)(void *self, struct cf_value value, size_t *out_len);

    size_t (*length)(void *self, struct cf_value list);

    /* The item at index, from 0. They are asked for in order; previous is the item before it, for
     * sources that find the next one from there (it may have been released). */
    struct cf_value (*at)(void *self, struct cf_value list, size_t index, struct cf_value previous);

    /* Optional. The index-th name of a map in any fixed order, lent until the next call; NULL at
     * the end. Only asked to suggest a name in an error. */
    const char *(*name)(void *self, struct cf_value map, size_t index, size_t *out_len);

    /* Optional, both or none: values got after mark are no longer used at release. They nest. */
    uint64_t (*mark)(void *self);
    void (*release)(void *self, uint64_t mark);

    /* Calls a function; what it gives goes into the text with the cf_template_call functions below.
     * False ends the rendering with *err. */
    bool (*call)(void *self, struct cf_value function, struct cf_template_call *call,
                 struct cf_error *err);
};

/* Appends the rendered text to out, whose bound is the bound of the text. CF_ERR_CONFIG, with
 * template name, line, column and the nearest known name, if a variable has no value or is a list
 * or map (strict only), nesting is too deep, or the text is over the bound; what was appended until
 * then stays in out. Sections may ask for names that are not there: they are false. */
bool cf_template_render(const struct cf_template *tmpl, const struct cf_template_data *data,
                        struct cf_buf *out, struct cf_error *err);

/* --- functions among the data --- */

/* What a function gave, compiled. */
struct cf_template_piece;

/* Whether the tag is a section, else it is a variable. */
bool cf_template_call_is_section(const struct cf_template_call *call);

/* Appends the body of the section as it is written, without the lines of tags that stand alone and
 * the indentation of the block that it is in. */
void cf_template_call_body(const struct cf_template_call *call, struct cf_buf *out);

/* Whether the template is strict. */
bool cf_template_call_is_strict(const struct cf_template_call *call);

/* Fills *err with the tag's place, its name and the message; returns false. */
bool cf_template_call_fail(const struct cf_template_call *call, struct cf_error *err,
                           const char *message);

/* Compiles text as a part of the template, for this call only: it may use the template's partials,
 * and for a section the delimiters in force there. The piece is yours, so that a callback that
 * leaves by longjmp can leave it to whoever collects it. */
bool cf_template_call_compile(const struct cf_template_call *call, const char *text, size_t len,
                              struct cf_template_piece **out, struct cf_error *err);
void cf_template_piece_free(struct cf_template_piece *piece);

/* Renders a piece with the values that the tag sees: to out, or, if that is NULL, in place of the
 * tag, where nothing is escaped. */
bool cf_template_call_render(struct cf_template_call *call, const struct cf_template_piece *piece,
                             struct cf_buf *out, struct cf_error *err);

/* Puts text in place of the tag: as it is, or escaped where the tag's values are. */
void cf_template_call_add(struct cf_template_call *call, const char *text, size_t len);

/* --- data in cJSON --- */

/* Scratch space for numbers; lives in the caller's memory while the data are used. */
struct cf_template_cjson {
    char number[32];
};

/* Fills *out_data with a source over root (borrowed, not changed, may be NULL for no data). */
void cf_template_data_cjson(struct cf_template_cjson *scratch, const struct cJSON *root,
                            struct cf_template_data *out_data);
#endif
