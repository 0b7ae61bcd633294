#include "confab/template.h"

#include "base/json.h"
#include "base/mem.h"
#include "confab/error.h"
#include "template/program.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_BYTES_MAX 80    /* of a name in a message */

static void find_place(const struct cf_template_unit *unit, uint32_t offset, size_t *out_line,
                       size_t *out_column)
{
    const char *line_start = unit->text;
    const char *end = unit->text + offset;
    const char *newline;
    size_t line = 1;

    while ((newline = memchr(line_start, '\n', (size_t)(end - line_start))) != NULL) {
        line_start = newline + 1;
        line++;
    }
    *out_line = line;
    *out_column = cf_utf8_length(line_start, (size_t)(end - line_start)) + 1;
}

bool cf_template_fail(const struct cf_template *tmpl, const struct cf_template_unit *unit,
                      uint32_t offset, struct cf_error *err, const char *fmt, ...)
{
    char message[CF_ERROR_MESSAGE_MAX];
    size_t line, column;
    va_list args;

    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);

    find_place(unit, offset, &line, &column);
    if (unit->name == NULL)
        return cf_fail(err, CF_ERR_CONFIG, "template %s, line %zu, column %zu: %s", tmpl->name,
                       line, column, message);
    return cf_fail(err, CF_ERR_CONFIG, "template %s, partial %s, line %zu, column %zu: %s",
                   tmpl->name, unit->name, line, column, message);
}

int cf_template_shown(const char *name, size_t len)
{
    if (len > SHOWN_BYTES_MAX)
        len = cf_utf8_valid_prefix(name, SHOWN_BYTES_MAX);
    return (int)len;
}

struct use {
    const char *name;
    size_t len;
    size_t order;
};

static int by_name(const void *left, const void *right)
{
    const struct use *a = left, *b = right;
    int order = memcmp(a->name, b->name, a->len < b->len ? a->len : b->len);

    if (order == 0 && a->len != b->len)
        order = a->len < b->len ? -1 : 1;
    if (order == 0)
        order = a->order < b->order ? -1 : 1;
    return order;
}

static int by_order(const void *left, const void *right)
{
    const struct use *a = left, *b = right;
    return a->order < b->order ? -1 : 1;
}

static bool names_a_value(const struct cf_template_unit *unit, const struct cf_template_node *node)
{
    switch (node->type) {
    case CF_NODE_VARIABLE:
    case CF_NODE_RAW:
    case CF_NODE_SECTION:
    case CF_NODE_INVERTED:
        return node->len != 1 || unit->text[node->start] != '.';
    default:
        return false;
    }
}

/* Sorts all uses by name to drop the repeated ones, then back into their order. */
static void list_variables(struct cf_template *tmpl)
{
    size_t count = 0;
    size_t kept = 0;
    size_t cap = 1;

    for (size_t i = 0; i < tmpl->unit_count; i++)
        cap += tmpl->units[i].node_count;
    struct use *uses = cf_malloc(cap * sizeof *uses);

    for (size_t i = 0; i < tmpl->unit_count; i++) {
        const struct cf_template_unit *unit = &tmpl->units[i];
        for (uint32_t n = 0; n < unit->node_count; n++) {
            const struct cf_template_node *node = &unit->nodes[n];
            if (names_a_value(unit, node)) {
                uses[count] = (struct use){ unit->text + node->start, node->len, count };
                count++;
            }
        }
    }
    qsort(uses, count, sizeof *uses, by_name);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || uses[kept - 1].len != uses[i].len
            || memcmp(uses[kept - 1].name, uses[i].name, uses[i].len) != 0)
            uses[kept++] = uses[i];
    }
    qsort(uses, kept, sizeof *uses, by_order);

    tmpl->variables = cf_calloc(kept + 1, sizeof *tmpl->variables);
    tmpl->variable_count = kept;
    for (size_t i = 0; i < kept; i++)
        tmpl->variables[i] = cf_memdup(uses[i].name, uses[i].len);
    free(uses);
}

bool cf_template_compile(const char *name, const char *text, size_t len,
                         const struct cf_template_options *options,
                         struct cf_template **out, struct cf_error *err)
{
    static const struct cf_template_options defaults = { .strict = true };

    if (options == NULL)
        options = &defaults;
    if (len > CF_TEMPLATE_MAX_BYTES)
        return cf_fail(err, CF_ERR_CONFIG, "template %s: %zu bytes are more than the %u allowed",
                       name, len, CF_TEMPLATE_MAX_BYTES);
    if (options->partial_count > CF_TEMPLATE_PARTIALS_MAX)
        return cf_fail(err, CF_ERR_CONFIG, "template %s: %zu partials are more than the %u allowed",
                       name, options->partial_count, CF_TEMPLATE_PARTIALS_MAX);

    struct cf_template *tmpl = cf_calloc(1, sizeof *tmpl);
    tmpl->name = cf_strdup(name);
    tmpl->strict = options->strict;
    tmpl->escape_html = options->escape_html;
    tmpl->units = cf_calloc(1 + options->partial_count, sizeof *tmpl->units);
    tmpl->units[0].text = cf_memdup(text, len);
    tmpl->units[0].len = len;
    tmpl->unit_count = 1;

    if (!cf_template_parse(tmpl, options, err)) {
        cf_template_free(tmpl);
        return false;
    }
    list_variables(tmpl);
    *out = tmpl;
    return true;
}

void cf_template_free(struct cf_template *tmpl)
{
    if (tmpl == NULL)
        return;
    for (size_t i = 0; i < tmpl->unit_count; i++) {
        free(tmpl->units[i].name);
        free(tmpl->units[i].text);
        free(tmpl->units[i].nodes);
    }
    for (size_t i = 0; i < tmpl->variable_count; i++)
        free(tmpl->variables[i]);
    free(tmpl->variables);
    free(tmpl->units);
    free(tmpl->name);
    free(tmpl);
}

const char *cf_template_name(const struct cf_template *tmpl)
{
    return tmpl->name;
}

const char *const *cf_template_variables(const struct cf_template *tmpl, size_t *out_count)
{
    *out_count = tmpl->variable_count;
    return (const char *const *)tmpl->variables;
}
