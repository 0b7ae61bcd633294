#include "template/render.h"

#include "template/nearest.h"

#include <string.h>

const char *cf_render_kind_name(enum cf_value_kind kind)
{
    static const char *const names[] = {
        [CF_VALUE_NULL] = "null", [CF_VALUE_FALSE] = "false", [CF_VALUE_TEXT] = "text",
        [CF_VALUE_LIST] = "a list", [CF_VALUE_MAP] = "a map", [CF_VALUE_FUNCTION] = "a function",
        [CF_VALUE_OTHER] = "an object",
    };
    return names[kind];
}

static size_t part_length(const char *name, size_t len)
{
    const char *dot = memchr(name, '.', len);
    return dot != NULL ? (size_t)(dot - name) : len;
}

static bool get_member(const struct cf_render *render, struct cf_value parent, const char *name,
                       size_t len, struct cf_value *out)
{
    return cf_render_kind(render, parent) == CF_VALUE_MAP
        && render->data->get(render->data->self, parent, name, len, out);
}

bool cf_render_find(const struct cf_render *render, const struct cf_render_context *context,
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

static void offer_names(const struct cf_render *render, struct cf_value map,
                        struct cf_nearest *nearest)
{
    const struct cf_template_data *data = render->data;
    const char *name;
    size_t len;

    if (data->name == NULL || cf_render_kind(render, map) != CF_VALUE_MAP)
        return;
    for (size_t i = 0; (name = data->name(data->self, map, i, &len)) != NULL; i++)
        cf_nearest_offer(nearest, name, len);
}

bool cf_render_fail_missing(const struct cf_render *render, const struct cf_render_place *place,
                            const struct cf_template_node *node, size_t found,
                            struct cf_value parent)
{
    const char *name = place->unit->text + node->start;
    int shown = cf_template_shown(name, node->len);
    struct cf_nearest nearest;

    if (found > 0 && cf_render_kind(render, parent) != CF_VALUE_MAP)
        return cf_template_fail(render->tmpl, place->unit, node->tag, render->err,
                                "no value for \"%.*s\": \"%.*s\" is %s, not a map", shown, name,
                                cf_template_shown(name, found - 1), name,
                                cf_render_kind_name(cf_render_kind(render, parent)));

    cf_nearest_init(&nearest, name + found, part_length(name + found, node->len - found));
    if (found > 0) {
        offer_names(render, parent, &nearest);
    } else {
        for (const struct cf_render_context *c = place->context; c != NULL; c = c->outer)
            offer_names(render, c->value, &nearest);
    }
    if (nearest.best[0] == '\0')
        return cf_template_fail(render->tmpl, place->unit, node->tag, render->err,
                                "no value for \"%.*s\"", shown, name);
    return cf_template_fail(render->tmpl, place->unit, node->tag, render->err,
                            "no value for \"%.*s\"; did you mean \"%.*s%s\"?", shown, name,
                            cf_template_shown(name, found), name, nearest.best);
}

bool cf_render_fail_kind(const struct cf_render *render, const struct cf_render_place *place,
                         const struct cf_template_node *node, enum cf_value_kind kind)
{
    const char *name = place->unit->text + node->start;
    int shown = cf_template_shown(name, node->len);

    if (kind == CF_VALUE_NULL)
        return cf_template_fail(render->tmpl, place->unit, node->tag, render->err,
                                "no value for \"%.*s\": it is null", shown, name);
    return cf_template_fail(render->tmpl, place->unit, node->tag, render->err,
                            "\"%.*s\" is %s, which has no text%s", shown, name,
                            cf_render_kind_name(kind),
                            kind == CF_VALUE_LIST || kind == CF_VALUE_MAP
                                ? "; name a member of it or use a section" : "");
}
