/* Functions among the data. The source calls them; what they give comes back as a piece. */
#include "template/render.h"

#include "base/mem.h"
#include "confab/buf.h"
#include "confab/error.h"

#include <stdlib.h>

struct cf_template_call {
    struct cf_render *render;
    const struct cf_render_place *place;
    const struct cf_template_node *node;
    struct cf_render before;     /* what the function, and what it catches, may not change */
};

struct cf_template_piece {
    struct cf_template_unit unit;
};

static bool is_section(const struct cf_template_call *call)
{
    return call->node->type == CF_NODE_SECTION;
}

bool cf_render_call(struct cf_render *render, const struct cf_render_place *place,
                    const struct cf_template_node *node, struct cf_value function)
{
    const struct cf_template_data *data = render->data;
    struct cf_template_call call = { render, place, node, *render };

    bool ok = data->call(data->self, function, &call, render->err);

    *render = call.before;
    return ok;
}

const char *cf_template_call_name(const struct cf_template_call *call, size_t *out_len)
{
    *out_len = call->node->len;
    return call->place->unit->text + call->node->start;
}

const char *cf_template_call_body(const struct cf_template_call *call, size_t *out_len)
{
    if (!is_section(call))
        return NULL;
    *out_len = call->node->raw_len;
    return call->place->unit->text + call->node->raw;
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
    if (!cf_template_parse(call->render->tmpl, &piece->unit,
                           is_section(call) ? &unit->delimiters[node->delimiters] : NULL, err)) {
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
    bool begins_line = is_section(call) && call->node->raw > 0
                    && call->place->unit->text[call->node->raw - 1] == '\n';

    inside.unit = &piece->unit;
    if (!is_section(call))
        inside.indent = NULL;
    *render = call->before;
    render->err = err;
    if (out != NULL)
        render->out = out;
    render->begun = begins_line ? SIZE_MAX : render->out->len;

    bool ok = cf_render_enter(render, call->place, call->node) &&
              cf_render_nodes(render, &inside, 0, piece->unit.node_count);

    *render = call->before;
    return ok;
}

void cf_template_call_add(struct cf_template_call *call, const char *text, size_t len)
{
    *call->render = call->before;
    cf_render_add(call->render, call->node, text, len);
}
