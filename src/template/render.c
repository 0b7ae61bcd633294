/* Walks the nodes of a compiled template. All state is on the C stack (contexts, indents and given
 * blocks are linked through the frames), so a callback of the data source may leave by longjmp. */
#include "template/render.h"

#include "confab/buf.h"
#include "confab/error.h"

#include <string.h>

static uint64_t mark(const struct cf_render *render)
{
    return render->data->mark != NULL ? render->data->mark(render->data->self) : 0;
}

static void release(const struct cf_render *render, uint64_t to)
{
    if (render->data->release != NULL)
        render->data->release(render->data->self, to);
}

bool cf_render_enter(struct cf_render *render, const struct cf_render_place *place,
                     const struct cf_template_node *node)
{
    if (render->depth == CF_TEMPLATE_RENDER_DEPTH)
        return cf_template_fail(render->tmpl, place->unit, node->tag, render->err,
                                "sections and partials are nested more than %d deep",
                                CF_TEMPLATE_RENDER_DEPTH);
    render->depth++;
    return true;
}

/* --- values --- */

static void add_escaped(struct cf_buf *out, const char *text, size_t len)
{
    size_t from = 0;

    for (size_t i = 0; i < len; i++) {
        const char *entity;
        switch (text[i]) {
        case '&':  entity = "&amp;";  break;
        case '<':  entity = "&lt;";   break;
        case '>':  entity = "&gt;";   break;
        case '"':  entity = "&quot;"; break;
        case '\'': entity = "&#39;";  break;
        default:   continue;
        }
        cf_buf_add(out, text + from, i - from);
        cf_buf_adds(out, entity);
        from = i + 1;
    }
    cf_buf_add(out, text + from, len - from);
}

void cf_render_add(struct cf_render *render, const struct cf_template_node *node, const char *text,
                   size_t len)
{
    if (render->tmpl->escape_html && node->type == CF_NODE_VARIABLE)
        add_escaped(render->out, text, len);
    else
        cf_buf_add(render->out, text, len);
}

static bool render_variable(struct cf_render *render, const struct cf_render_place *place,
                            const struct cf_template_node *node)
{
    const struct cf_template_data *data = render->data;
    struct cf_value value;
    size_t found;
    const char *text;
    size_t len;

    if (!cf_render_find(render, place->context, place->unit->text + node->start, node->len, &value,
                        &found))
        return !render->tmpl->strict || cf_render_fail_missing(render, place, node, found, value);

    enum cf_value_kind kind = cf_render_kind(render, value);
    switch (kind) {
    case CF_VALUE_FALSE:
    case CF_VALUE_TEXT:
        text = data->text(data->self, value, &len);
        cf_render_add(render, node, text, len);
        return true;
    case CF_VALUE_FUNCTION:
        return cf_render_call(render, place, node, value);
    default:
        return !render->tmpl->strict || cf_render_fail_kind(render, place, node, kind);
    }
}

/* --- sections --- */

static bool render_body(struct cf_render *render, const struct cf_render_place *place,
                        const struct cf_template_node *node, struct cf_value value)
{
    const struct cf_render_context context = { value, place->context };
    const struct cf_render_place inside = { place->unit, &context, place->indent, place->given };
    uint32_t first = (uint32_t)(node - place->unit->nodes) + 1;

    return cf_render_nodes(render, &inside, first, node->end);
}

static bool render_list(struct cf_render *render, const struct cf_render_place *place,
                        const struct cf_template_node *node, struct cf_value list)
{
    const struct cf_template_data *data = render->data;
    size_t count = data->length(data->self, list);
    struct cf_value item = { 0 };

    for (size_t i = 0; i < count; i++) {
        uint64_t before = mark(render);

        item = data->at(data->self, list, i, item);
        if (!cf_render_step(render, place, node) || !render_body(render, place, node, item))
            return false;
        release(render, before);
    }
    return true;
}

static bool is_true(const struct cf_render *render, enum cf_value_kind kind, struct cf_value value)
{
    const struct cf_template_data *data = render->data;
    size_t len;

    switch (kind) {
    case CF_VALUE_TEXT:
        data->text(data->self, value, &len);
        return len > 0;
    case CF_VALUE_LIST:
        return data->length(data->self, value) > 0;
    case CF_VALUE_MAP:
    case CF_VALUE_FUNCTION:
    case CF_VALUE_OTHER:
        return true;
    default:
        return false;
    }
}

static bool render_section(struct cf_render *render, const struct cf_render_place *place,
                           const struct cf_template_node *node)
{
    struct cf_value value;
    size_t found;
    enum cf_value_kind kind = CF_VALUE_NULL;

    if (cf_render_find(render, place->context, place->unit->text + node->start, node->len, &value,
                       &found))
        kind = cf_render_kind(render, value);

    bool is_wanted = is_true(render, kind, value) == (node->type == CF_NODE_SECTION);
    if (!is_wanted)
        return true;
    if (kind == CF_VALUE_FUNCTION)
        return cf_render_call(render, place, node, value);
    if (!cf_render_enter(render, place, node))
        return false;

    bool ok;
    if (node->type == CF_NODE_INVERTED)
        ok = cf_render_nodes(render, place, (uint32_t)(node - place->unit->nodes) + 1, node->end);
    else if (kind == CF_VALUE_LIST)
        ok = render_list(render, place, node, value);
    else
        ok = render_body(render, place, node, value);
    render->depth--;
    return ok;
}

/* --- partials --- */

/* The unit whose name a variable holds. False: it failed; *out may be CF_UNIT_NONE. */
static bool find_dynamic(struct cf_render *render, const struct cf_render_place *place,
                         const struct cf_template_node *node, uint32_t *out)
{
    const struct cf_template_data *data = render->data;
    bool is_strict = render->tmpl->strict;
    struct cf_value value;
    size_t found;
    size_t len;

    *out = CF_UNIT_NONE;
    if (!cf_render_find(render, place->context, place->unit->text + node->start, node->len, &value,
                        &found))
        return !is_strict || cf_render_fail_missing(render, place, node, found, value);

    enum cf_value_kind kind = cf_render_kind(render, value);
    if (kind != CF_VALUE_TEXT && kind != CF_VALUE_FALSE)
        return !is_strict || cf_render_fail_kind(render, place, node, kind);

    const char *name = data->text(data->self, value, &len);
    *out = cf_template_find_partial(render->tmpl, name, len);
    return *out != CF_UNIT_NONE || !is_strict
        || cf_template_fail_partial(render->tmpl, place->unit, node->tag, render->err, name, len);
}

static bool render_partial(struct cf_render *render, const struct cf_render_place *place,
                           const struct cf_template_node *node)
{
    uint32_t number = node->unit;

    if (number == CF_UNIT_DYNAMIC && !find_dynamic(render, place, node, &number))
        return false;
    if (number == CF_UNIT_NONE)
        return true;

    const struct cf_template_unit *unit = &render->tmpl->units[number];
    const struct cf_render_indent indent = {
        place->unit->text + node->indent, node->indent_len, place->indent,
    };
    const struct cf_render_given given = {
        place->unit, (uint32_t)(node - place->unit->nodes) + 1, node->end, place->given,
    };
    const struct cf_render_place inside = {
        unit, place->context, node->indent_len > 0 ? &indent : place->indent,
        given.first < given.end ? &given : place->given,
    };

    if (!cf_render_enter(render, place, node))
        return false;
    bool ok = cf_render_nodes(render, &inside, 0, unit->node_count);
    render->depth--;
    return ok;
}

/* --- blocks --- */

/* The content that was given to a block: by the outermost of the parents around it, which knows
 * best what it wants. NULL if none did. */
static const struct cf_template_node *find_given(const struct cf_render_place *place,
                                                 const struct cf_template_node *block,
                                                 const struct cf_render_given **out_by)
{
    const char *name = place->unit->text + block->start;
    const struct cf_template_node *found = NULL;

    for (const struct cf_render_given *given = place->given; given != NULL; given = given->outer) {
        const struct cf_template_unit *unit = given->unit;
        for (uint32_t i = given->first; i < given->end; i = unit->nodes[i].end) {
            const struct cf_template_node *node = &unit->nodes[i];
            if (node->len == block->len
                && memcmp(unit->text + node->start, name, node->len) == 0) {
                found = node;
                *out_by = given;
                break;
            }
        }
    }
    return found;
}

/* Content that was given sees the values where the block stands, and fills its own blocks from
 * where it was given. */
static bool render_block(struct cf_render *render, const struct cf_render_place *place,
                         const struct cf_template_node *node)
{
    const struct cf_render_given *by = NULL;
    const struct cf_template_node *content = find_given(place, node, &by);
    const struct cf_render_indent indent = {
        place->unit->text + node->indent, node->indent_len, place->indent,
    };
    struct cf_render_place inside = *place;

    /* Its own content was written where it stands: only what was taken out of it goes back. */
    if (node->indent_len > 0 && (content != NULL || node->is_alone))
        inside.indent = &indent;
    if (content != NULL) {
        inside.unit = by->unit;
        inside.given = by->outer;
    } else {
        content = node;
    }
    if (!node->is_alone)
        render->begun = render->out->len;

    if (!cf_render_enter(render, place, node))
        return false;
    bool ok = cf_render_nodes(render, &inside,
                              (uint32_t)(content - inside.unit->nodes) + 1, content->end);
    render->depth--;
    return ok;
}

/* --- the walk --- */

static void add_indent(struct cf_buf *out, const struct cf_render_indent *indent)
{
    if (indent == NULL)
        return;
    add_indent(out, indent->outer);
    cf_buf_add(out, indent->text, indent->len);
}

bool cf_render_nodes(struct cf_render *render, const struct cf_render_place *place, uint32_t from,
                     uint32_t to)
{
    const struct cf_template_unit *unit = place->unit;

    for (uint32_t i = from; i < to; i++) {
        const struct cf_template_node *node = &unit->nodes[i];
        uint64_t before = mark(render);
        bool ok = true;

        if (!cf_render_step(render, place, node))
            return false;
        switch (node->type) {
        case CF_NODE_TEXT:
            cf_buf_add(render->out, unit->text + node->start, node->len);
            break;
        case CF_NODE_VARIABLE:
        case CF_NODE_RAW:
            ok = render_variable(render, place, node);
            break;
        case CF_NODE_SECTION:
        case CF_NODE_INVERTED:
            ok = render_section(render, place, node);
            i = node->end - 1;
            break;
        case CF_NODE_PARTIAL:
            ok = render_partial(render, place, node);
            i = node->end - 1;
            break;
        case CF_NODE_BLOCK:
            ok = render_block(render, place, node);
            i = node->end - 1;
            break;
        case CF_NODE_INDENT:
            if (place->indent != NULL && render->out->len != render->begun)
                add_indent(render->out, place->indent);
            break;
        }
        if (!ok)
            return false;
        release(render, before);
        if (!cf_buf_ok(render->out))
            return cf_template_fail(render->tmpl, unit, node->tag, render->err,
                                    "the text grows over %zu bytes", render->out->max);
    }
    return true;
}

bool cf_template_render(const struct cf_template *tmpl, const struct cf_template_data *data,
                        struct cf_buf *out, struct cf_error *err)
{
    const struct cf_render_context around = { data->around, NULL };
    const struct cf_render_context root = { data->root, data->has_around ? &around : NULL };
    const struct cf_render_place place = { .unit = &tmpl->units[0], .context = &root };
    struct cf_render render = {
        .tmpl = tmpl, .data = data, .out = out, .err = err, .begun = SIZE_MAX,
    };

    return cf_render_nodes(&render, &place, 0, tmpl->units[0].node_count);
}
