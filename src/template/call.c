/* Functions among the data. The source calls them; what they give comes back as a piece. */
#include "template/render.h"

#include "base/mem.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "template/tag.h"

#include <stdlib.h>
#include <string.h>

#define CALL_STEPS 50    /* what a call, and compiling what it gave, cost in tags rendered */

struct cf_template_call {
    struct cf_render *render;
    const struct cf_render_place *place;
    const struct cf_template_node *node;
    struct cf_render before;     /* what the function, and what it catches, may not change */
};

struct cf_template_piece {
    struct cf_template_unit unit;
};

bool cf_template_call_is_section(const struct cf_template_call *call)
{
    return call->node->type == CF_NODE_SECTION;
}

/* As it was when the function was called, but for the steps. */
static void restore(const struct cf_template_call *call)
{
    uint32_t steps = call->render->steps;

    *call->render = call->before;
    call->render->steps = steps;
}

bool cf_render_call(struct cf_render *render, const struct cf_render_place *place,
                    const struct cf_template_node *node, struct cf_value function)
{
    const struct cf_template_data *data = render->data;
    struct cf_template_call call = { render, place, node, *render };

    render->steps += CALL_STEPS;
    bool ok = data->call(data->self, function, &call, render->err);

    restore(&call);
    return ok;
}

void cf_template_call_body(const struct cf_template_call *call, struct cf_buf *out)
{
    const struct cf_template_unit *unit = call->place->unit;
    const struct cf_template_node *node = call->node;
    uint32_t at = node->raw;
    uint32_t end = node->raw + node->raw_len;

    while (at < end) {
        const char *newline = memchr(unit->text + at, '\n', end - at);
        uint32_t next = newline != NULL ? (uint32_t)(newline - unit->text) + 1 : end;
        uint32_t blanks = 0;
        if (cf_tag_begins_line(unit, at)) {
            while (blanks < node->dedent && cf_tag_is_blank(unit->text[at + blanks]))
                blanks++;
        }
        cf_buf_add(out, unit->text + at + blanks, next - at - blanks);
        at = next;
    }
}

bool cf_template_call_is_strict(const struct cf_template_call *call)
{
    return call->render->tmpl->strict;
}

bool cf_template_call_fail(const struct cf_template_call *call, struct cf_error *err,
                           const char *message)
{
    const char *name = call->place->unit->text + call->node->start;

    return cf_template_fail(call->render->tmpl, call->place->unit, call->node->tag, err,
                            "\"%.*s\" %s", cf_template_shown(name, call->node->len), name,
                            message);
}

bool cf_template_call_compile(const struct cf_template_call *call, const char *text, size_t len,
                              struct cf_template_piece **out, struct cf_error *err)
{
    const struct cf_template_unit *unit = call->place->unit;
    const struct cf_template_node *node = call->node;

    if (len > CF_TEMPLATE_MAX_BYTES)
        return cf_template_call_fail(call, err, "gave more text than a template may have");

    struct cf_template_piece *piece = cf_calloc(1, sizeof *piece);
    piece->unit = (struct cf_template_unit){
        .name = cf_memdup(unit->text + node->start,
                          (size_t)cf_template_shown(unit->text + node->start, node->len)),
        .text = cf_memdup(text, len),
        .len = len,
        .caller = unit,
        .caller_tag = node->tag,
    };
    if (!cf_template_parse(
            call->render->tmpl, &piece->unit,
            cf_template_call_is_section(call) ? &unit->delimiters[node->delimiters] : NULL, err)) {
        cf_template_piece_free(piece);
        return false;
    }
    *out = piece;
    return true;
}

void cf_template_piece_free(struct cf_template_piece *piece)
{
    if (piece == NULL)
        return;
    cf_template_unit_done(&piece->unit);
    free(piece);
}

/* The lines of a section are indented like those around it, a variable's are not. */
bool cf_template_call_render(struct cf_template_call *call, const struct cf_template_piece *piece,
                             struct cf_buf *out, struct cf_error *err)
{
    struct cf_render *render = call->render;
    struct cf_render_place inside = *call->place;
    bool begins_line = cf_template_call_is_section(call) && call->node->raw > 0
                    && call->place->unit->text[call->node->raw - 1] == '\n';

    inside.unit = &piece->unit;
    if (!cf_template_call_is_section(call))
        inside.indent = NULL;
    restore(call);
    render->err = err;
    if (out != NULL)
        render->out = out;
    render->begun = begins_line ? SIZE_MAX : render->out->len;

    bool ok = cf_render_enter(render, call->place, call->node) &&
              cf_render_nodes(render, &inside, 0, piece->unit.node_count);

    restore(call);
    return ok;
}

void cf_template_call_add(struct cf_template_call *call, const char *text, size_t len)
{
    restore(call);
    cf_render_add(call->render, call->node, text, len);
}
