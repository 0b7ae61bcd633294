/* Walks the nodes of a compiled template. All state is on the C stack (contexts and indents are
 * linked through the frames), so a callback of the data source may leave by longjmp. */
#include "confab/template.h"

#include "confab/buf.h"
#include "confab/error.h"
#include "template/nearest.h"
#include "template/program.h"

#include <string.h>

/* A value that names are looked up in; the root is the outermost. */
struct context {
    struct cf_value value;
    const struct context *outer;
};

/* White space before each line of a partial that stood indented. */
struct indent {
    const char *text;
    uint32_t len;
    const struct indent *outer;
};

struct render {
    const struct cf_template *tmpl;
    const struct cf_template_data *data;
    struct cf_buf *out;
    struct cf_error *err;
    unsigned depth;              /* of sections and partials */
};

/* Where the walk is. */
struct place {
    const struct cf_template_unit *unit;
    const struct context *context;
    const struct indent *indent;
};

static bool render_nodes(struct render *render, const struct place *place, uint32_t from,
                         uint32_t to);

static const char *kind_name(enum cf_value_kind kind)
{
    static const char *const names[] = {
        [CF_VALUE_NULL] = "null", [CF_VALUE_FALSE] = "false", [CF_VALUE_TEXT] = "text",
        [CF_VALUE_LIST] = "a list", [CF_VALUE_MAP] = "a map",
    };
    return names[kind];
}

static enum cf_value_kind kind_of(const struct render *render, struct cf_value value)
{
    return render->data->kind(render->data->self, value);
}

static uint64_t mark(const struct render *render)
{
    return render->data->mark != NULL ? render->data->mark(render->data->self) : 0;
}

static void release(const struct render *render, uint64_t to)
{
    if (render->data->release != NULL)
        render->data->release(render->data->self, to);
}

/* --- names --- */

static size_t part_length(const char *name, size_t len)
{
    const char *dot = memchr(name, '.', len);
    return dot != NULL ? (size_t)(dot - name) : len;
}

static bool get_member(const struct render *render, struct cf_value parent, const char *name,
                       size_t len, struct cf_value *out)
{
    return kind_of(render, parent) == CF_VALUE_MAP
        && render->data->get(render->data->self, parent, name, len, out);
}

/* The value of a name: its first part is looked for from the innermost context outwards, each
 * further part only in what was found. On failure *out_found is the length of what was found, dots
 * included, and *out, if that is not 0, the value that lacks the rest. */
static bool find_value(const struct render *render, const struct context *context,
                       const char *name, size_t len, struct cf_value *out, size_t *out_found)
{
    size_t part = part_length(name, len);
    size_t at = 0;

    *out_found = 0;
    if (len == 1 && *name == '.') {
        *out = context->value;
        return true;
    }
    while (context != NULL && !get_member(render, context->value, name, part, out))
        context = context->outer;
    if (context == NULL)
        return false;

    while (at + part < len) {
        struct cf_value child;
        at += part + 1;
        part = part_length(name + at, len - at);
        if (!get_member(render, *out, name + at, part, &child)) {
            *out_found = at;
            return false;
        }
        *out = child;
    }
    return true;
}

static void offer_names(const struct render *render, struct cf_value map,
                        struct cf_nearest *nearest)
{
    const struct cf_template_data *data = render->data;
    const char *name;
    size_t len;

    if (data->name == NULL || kind_of(render, map) != CF_VALUE_MAP)
        return;
    for (size_t i = 0; (name = data->name(data->self, map, i, &len)) != NULL; i++)
        cf_nearest_offer(nearest, name, len);
}

/* Says which name has no value, and what may have been meant. `found` and `parent` are what
 * find_value left. */
static bool fail_missing(const struct render *render, const struct place *place,
                         const struct cf_template_node *node, size_t found, struct cf_value parent)
{
    const char *name = place->unit->text + node->start;
    int shown = cf_template_shown(name, node->len);
    struct cf_nearest nearest;

    if (found > 0 && kind_of(render, parent) != CF_VALUE_MAP)
        return cf_template_fail(render->tmpl, place->unit, node->tag, render->err,
                                "no value for \"%.*s\": \"%.*s\" is %s, not a map", shown, name,
                                cf_template_shown(name, found - 1), name,
                                kind_name(kind_of(render, parent)));

    cf_nearest_init(&nearest, name + found, part_length(name + found, node->len - found));
    if (found > 0) {
        offer_names(render, parent, &nearest);
    } else {
        for (const struct context *c = place->context; c != NULL; c = c->outer)
            offer_names(render, c->value, &nearest);
    }
    if (nearest.best[0] == '\0')
        return cf_template_fail(render->tmpl, place->unit, node->tag, render->err,
                                "no value for \"%.*s\"", shown, name);
    return cf_template_fail(render->tmpl, place->unit, node->tag, render->err,
                            "no value for \"%.*s\"; did you mean \"%.*s%s\"?", shown, name,
                            cf_template_shown(name, found), name, nearest.best);
}

/* --- nodes --- */

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

static bool render_variable(struct render *render, const struct place *place,
                            const struct cf_template_node *node)
{
    const struct cf_template_data *data = render->data;
    const char *name = place->unit->text + node->start;
    int shown = cf_template_shown(name, node->len);
    struct cf_value value;
    size_t found;
    const char *text;
    size_t len;

    if (!find_value(render, place->context, name, node->len, &value, &found))
        return !render->tmpl->strict || fail_missing(render, place, node, found, value);

    enum cf_value_kind kind = kind_of(render, value);
    switch (kind) {
    case CF_VALUE_FALSE:
    case CF_VALUE_TEXT:
        text = data->text(data->self, value, &len);
        if (render->tmpl->escape_html && node->type == CF_NODE_VARIABLE)
            add_escaped(render->out, text, len);
        else
            cf_buf_add(render->out, text, len);
        return true;
    case CF_VALUE_NULL:
        return !render->tmpl->strict
            || cf_template_fail(render->tmpl, place->unit, node->tag, render->err,
                                "no value for \"%.*s\": it is null", shown, name);
    default:
        return !render->tmpl->strict
            || cf_template_fail(render->tmpl, place->unit, node->tag, render->err,
                                "\"%.*s\" is %s, which has no text; name a member of it or use a "
                                "section", shown, name, kind_name(kind));
    }
}

static bool enter(struct render *render, const struct place *place,
                  const struct cf_template_node *node)
{
    if (render->depth == CF_TEMPLATE_RENDER_DEPTH)
        return cf_template_fail(render->tmpl, place->unit, node->tag, render->err,
                                "sections and partials are nested more than %d deep",
                                CF_TEMPLATE_RENDER_DEPTH);
    render->depth++;
    return true;
}

static bool render_body(struct render *render, const struct place *place,
                        const struct cf_template_node *node, struct cf_value value)
{
    const struct context context = { value, place->context };
    const struct place inside = { place->unit, &context, place->indent };
    uint32_t first = (uint32_t)(node - place->unit->nodes) + 1;

    return render_nodes(render, &inside, first, node->end);
}

static bool render_list(struct render *render, const struct place *place,
                        const struct cf_template_node *node, struct cf_value list)
{
    const struct cf_template_data *data = render->data;
    size_t count = data->length(data->self, list);
    struct cf_value item = { 0 };

    for (size_t i = 0; i < count; i++) {
        uint64_t before = mark(render);

        item = data->at(data->self, list, i, item);
        if (!render_body(render, place, node, item))
            return false;
        release(render, before);
    }
    return true;
}

static bool is_true(const struct render *render, enum cf_value_kind kind, struct cf_value value)
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
        return true;
    default:
        return false;
    }
}

static bool render_section(struct render *render, const struct place *place,
                           const struct cf_template_node *node)
{
    struct cf_value value;
    size_t found;
    enum cf_value_kind kind = CF_VALUE_NULL;

    if (find_value(render, place->context, place->unit->text + node->start, node->len, &value,
                   &found))
        kind = kind_of(render, value);

    bool is_wanted = is_true(render, kind, value) == (node->type == CF_NODE_SECTION);
    if (!is_wanted)
        return true;
    if (!enter(render, place, node))
        return false;

    bool ok;
    if (node->type == CF_NODE_INVERTED)
        ok = render_nodes(render, place, (uint32_t)(node - place->unit->nodes) + 1, node->end);
    else if (kind == CF_VALUE_LIST)
        ok = render_list(render, place, node, value);
    else
        ok = render_body(render, place, node, value);
    render->depth--;
    return ok;
}

static bool render_partial(struct render *render, const struct place *place,
                           const struct cf_template_node *node)
{
    const struct cf_template_unit *unit = &render->tmpl->units[node->end];
    const struct indent indent = {
        place->unit->text + node->tag - node->indent, node->indent, place->indent,
    };
    const struct place inside = { unit, place->context, &indent };

    if (!enter(render, place, node))
        return false;
    bool ok = render_nodes(render, &inside, 0, unit->node_count);
    render->depth--;
    return ok;
}

static void add_indent(struct cf_buf *out, const struct indent *indent)
{
    if (indent == NULL)
        return;
    add_indent(out, indent->outer);
    cf_buf_add(out, indent->text, indent->len);
}

static bool render_nodes(struct render *render, const struct place *place, uint32_t from,
                         uint32_t to)
{
    const struct cf_template_unit *unit = place->unit;

    for (uint32_t i = from; i < to; i++) {
        const struct cf_template_node *node = &unit->nodes[i];
        uint64_t before = mark(render);
        bool ok = true;

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
            break;
        case CF_NODE_INDENT:
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
    const struct context root = { data->root, NULL };
    const struct place place = { &tmpl->units[0], &root, NULL };
    struct render render = { .tmpl = tmpl, .data = data, .out = out, .err = err };

    return render_nodes(&render, &place, 0, tmpl->units[0].node_count);
}
