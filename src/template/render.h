/* render.h - the state of a rendering, shared by the files that walk, look up and call. */
#ifndef CONFAB_TEMPLATE_RENDER_H
#define CONFAB_TEMPLATE_RENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "confab/template.h"
#include "template/program.h"

/* A value that names are looked up in; the root, or what is around it, is the outermost. */
struct cf_render_context {
    struct cf_value value;
    const struct cf_render_context *outer;
};

/* White space before each line of a partial or block that stood indented. */
struct cf_render_indent {
    const char *text;
    uint32_t len;
    const struct cf_render_indent *outer;
};

/* The blocks that stand in the body of a parent: content for the blocks of what is rendered. */
struct cf_render_given {
    const struct cf_template_unit *unit;
    uint32_t first, end;         /* nodes of the body */
    const struct cf_render_given *outer;
};

struct cf_render {
    const struct cf_template *tmpl;
    const struct cf_template_data *data;
    struct cf_buf *out;
    struct cf_error *err;
    unsigned depth;              /* of sections, partials, blocks and what functions gave */
    uint32_t steps;              /* nodes visited: bounds what recursion may multiply */
    size_t begun;                /* length of out when a line was begun: it needs no indent */
};

/* Where the walk is. */
struct cf_render_place {
    const struct cf_template_unit *unit;
    const struct cf_render_context *context;
    const struct cf_render_indent *indent;
    const struct cf_render_given *given;
};

/* --- lookup.c --- */

const char *cf_render_kind_name(enum cf_value_kind kind);

/* The value of a name: its first part is looked for from the innermost context outwards, each
 * further part only in what was found. On failure *out_found is the length of what was found, dots
 * included, and *out, if that is not 0, the value that lacks the rest. */
bool cf_render_find(const struct cf_render *render, const struct cf_render_context *context,
                    const char *name, size_t len, struct cf_value *out, size_t *out_found);

/* Says which name has no value, and what may have been meant. `found` and `parent` are what
 * cf_render_find left. */
bool cf_render_fail_missing(const struct cf_render *render, const struct cf_render_place *place,
                            const struct cf_template_node *node, size_t found,
                            struct cf_value parent);

/* Says that a value of this kind has no text. */
bool cf_render_fail_kind(const struct cf_render *render, const struct cf_render_place *place,
                         const struct cf_template_node *node, enum cf_value_kind kind);

static inline enum cf_value_kind cf_render_kind(const struct cf_render *render,
                                                struct cf_value value)
{
    return render->data->kind(render->data->self, value);
}

/* --- render.c --- */

bool cf_render_enter(struct cf_render *render, const struct cf_render_place *place,
                     const struct cf_template_node *node);

bool cf_render_nodes(struct cf_render *render, const struct cf_render_place *place, uint32_t from,
                     uint32_t to);

/* Counts a step of the walk. False: there were too many. */
static inline bool cf_render_step(struct cf_render *render, const struct cf_render_place *place,
                                  const struct cf_template_node *node)
{
    if (++render->steps <= CF_TEMPLATE_STEPS_MAX)
        return true;
    return cf_template_fail(render->tmpl, place->unit, node->tag, render->err,
                            "rendering takes more than %u tags and texts", CF_TEMPLATE_STEPS_MAX);
}

/* Appends text as the tag asks for it. */
void cf_render_add(struct cf_render *render, const struct cf_template_node *node, const char *text,
                   size_t len);

/* --- call.c --- */

/* Calls the function that a tag named. */
bool cf_render_call(struct cf_render *render, const struct cf_render_place *place,
                    const struct cf_template_node *node, struct cf_value function);
#endif
