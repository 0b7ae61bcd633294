#include "confab/template.h"

#include "base/json.h"
#include "base/mem.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "template/block.h"
#include "template/nearest.h"
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

/* Appends "line 1, column 2", the partial before it if it is in one. */
static void add_place(const struct cf_template *tmpl, const struct cf_template_unit *unit,
                      uint32_t offset, struct cf_buf *out)
{
    size_t line, column;

    find_place(unit, offset, &line, &column);
    if (unit->caller == NULL && unit->name != NULL)
        cf_buf_addf(out, "partial %s, ", unit->name);
    if (unit->name == NULL) {
        line += tmpl->first_line - 1;
        column += tmpl->first_column - 1;
    }
    cf_buf_addf(out, "line %zu, column %zu", line, column);
}

/* For what a function gave, the place of the tag that it goes back to stands before it. */
static void add_places(const struct cf_template *tmpl, const struct cf_template_unit *unit,
                       uint32_t offset, struct cf_buf *out)
{
    const struct cf_template_unit *outer = unit;
    uint32_t tag = offset;

    while (outer->caller != NULL) {
        tag = outer->caller_tag;
        outer = outer->caller;
    }
    add_place(tmpl, outer, tag, out);
    if (outer != unit) {
        cf_buf_addf(out, ": what \"%s\" gave, ", unit->name);
        add_place(tmpl, unit, offset, out);
    }
}

bool cf_template_fail(const struct cf_template *tmpl, const struct cf_template_unit *unit,
                      uint32_t offset, struct cf_error *err, const char *fmt, ...)
{
    char message[CF_ERROR_MESSAGE_MAX];
    struct cf_buf place;
    va_list args;

    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);

    cf_buf_init(&place, CF_ERROR_MESSAGE_MAX);
    add_places(tmpl, unit, offset, &place);
    cf_fail(err, CF_ERR_CONFIG, "template %s, %s: %s", tmpl->name, cf_buf_str(&place), message);
    cf_buf_done(&place);
    return false;
}

int cf_template_shown(const char *name, size_t len)
{
    if (len > SHOWN_BYTES_MAX)
        len = cf_utf8_valid_prefix(name, SHOWN_BYTES_MAX);
    return (int)len;
}

/* --- partials --- */

static int by_name_of(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

    if (order == 0 && a_len != b_len)
        order = a_len < b_len ? -1 : 1;
    return order;
}

static int by_unit_name(const void *left, const void *right)
{
    const struct cf_template_unit *a = left, *b = right;
    return strcmp(a->name, b->name);
}

uint32_t cf_template_find_partial(const struct cf_template *tmpl, const char *name, size_t len)
{
    size_t low = 1;
    size_t high = tmpl->unit_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *known = tmpl->units[middle].name;
        int order = by_name_of(known, strlen(known), name, len);
        if (order == 0)
            return (uint32_t)middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return CF_UNIT_NONE;
}

bool cf_template_fail_partial(const struct cf_template *tmpl, const struct cf_template_unit *unit,
                              uint32_t offset, struct cf_error *err, const char *name, size_t len)
{
    struct cf_nearest nearest;

    cf_nearest_init(&nearest, name, len);
    for (size_t i = 1; i < tmpl->unit_count; i++)
        cf_nearest_offer(&nearest, tmpl->units[i].name, strlen(tmpl->units[i].name));
    return cf_template_fail(tmpl, unit, offset, err, "there is no partial \"%.*s\"%s%s%s",
                            cf_template_shown(name, len), name,
                            nearest.best[0] != '\0' ? "; did you mean \"" : "", nearest.best,
                            nearest.best[0] != '\0' ? "\"?" : "");
}

/* --- the names that are used --- */

struct use {
    const char *name;
    size_t len;
    size_t order;
};

static int by_name(const void *left, const void *right)
{
    const struct use *a = left, *b = right;
    int order = by_name_of(a->name, a->len, b->name, b->len);

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
    case CF_NODE_PARTIAL:
        if (node->unit != CF_UNIT_DYNAMIC)
            return false;
        break;
    case CF_NODE_VARIABLE:
    case CF_NODE_RAW:
    case CF_NODE_SECTION:
    case CF_NODE_INVERTED:
        break;
    default:
        return false;
    }
    return node->len != 1 || unit->text[node->start] != '.';
}

/* Fills order with the numbers of the units that the template uses, in the order of their first
 * use; a variable partial uses them all. Returns how many there are. */
static size_t order_units(const struct cf_template *tmpl, uint32_t *order, bool *is_listed)
{
    size_t count = 0;

    order[count++] = 0;
    is_listed[0] = true;
    for (size_t i = 0; i < count; i++) {
        const struct cf_template_unit *unit = &tmpl->units[order[i]];
        for (uint32_t n = 0; n < unit->node_count; n++) {
            const struct cf_template_node *node = &unit->nodes[n];
            if (node->type != CF_NODE_PARTIAL || node->unit == CF_UNIT_NONE)
                continue;
            bool is_dynamic = node->unit == CF_UNIT_DYNAMIC;
            uint32_t first = is_dynamic ? 1 : node->unit;
            uint32_t last = is_dynamic ? (uint32_t)tmpl->unit_count : node->unit + 1;
            for (uint32_t used = first; count < tmpl->unit_count && used < last; used++) {
                if (!is_listed[used])
                    order[count++] = used;
                is_listed[used] = true;
            }
        }
    }
    return count;
}

/* Sorts all uses by name to drop the repeated ones, then back into their order. */
static void list_variables(struct cf_template *tmpl)
{
    uint32_t *order = cf_malloc(tmpl->unit_count * sizeof *order);
    bool *is_listed = cf_calloc(tmpl->unit_count, sizeof *is_listed);
    size_t used = order_units(tmpl, order, is_listed);
    size_t count = 0;
    size_t kept = 0;
    size_t cap = 1;

    for (size_t i = 0; i < used; i++)
        cap += tmpl->units[order[i]].node_count;
    struct use *uses = cf_malloc(cap * sizeof *uses);

    for (size_t i = 0; i < used; i++) {
        const struct cf_template_unit *unit = &tmpl->units[order[i]];
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
    free(is_listed);
    free(order);
}

/* --- life --- */

static bool check_sizes(const char *name, size_t len, const struct cf_template_options *options,
                        struct cf_error *err)
{
    if (len > CF_TEMPLATE_MAX_BYTES)
        return cf_fail(err, CF_ERR_CONFIG, "template %s: %zu bytes are more than the %u allowed",
                       name, len, CF_TEMPLATE_MAX_BYTES);
    if (options->partial_count > CF_TEMPLATE_PARTIALS_MAX)
        return cf_fail(err, CF_ERR_CONFIG, "template %s: %zu partials are more than the %u allowed",
                       name, options->partial_count, CF_TEMPLATE_PARTIALS_MAX);
    for (size_t i = 0; i < options->partial_count; i++) {
        const struct cf_template_partial *partial = &options->partials[i];
        if (partial->len > CF_TEMPLATE_MAX_BYTES)
            return cf_fail(err, CF_ERR_CONFIG,
                           "template %s: partial %.*s has %zu bytes, more than the %u allowed",
                           name, cf_template_shown(partial->name, strlen(partial->name)),
                           partial->name, partial->len, CF_TEMPLATE_MAX_BYTES);
    }
    return true;
}

bool cf_template_compile(const char *name, const char *text, size_t len,
                         const struct cf_template_options *options,
                         struct cf_template **out, struct cf_error *err)
{
    static const struct cf_template_options defaults = { .strict = true };

    if (options == NULL)
        options = &defaults;
    if (!check_sizes(name, len, options, err))
        return false;

    struct cf_template *tmpl = cf_calloc(1, sizeof *tmpl);
    tmpl->name = cf_strdup(name);
    tmpl->strict = options->strict;
    tmpl->escape_html = options->escape_html;
    tmpl->first_line = options->first_line > 0 ? options->first_line : 1;
    tmpl->first_column = options->first_column > 0 ? options->first_column : 1;
    tmpl->units = cf_calloc(1 + options->partial_count, sizeof *tmpl->units);
    tmpl->units[0].text = cf_memdup(text, len);
    tmpl->units[0].len = len;
    tmpl->unit_count = 1 + options->partial_count;
    for (size_t i = 0; i < options->partial_count; i++) {
        const struct cf_template_partial *partial = &options->partials[i];
        tmpl->units[1 + i] = (struct cf_template_unit){
            .name = cf_strdup(partial->name),
            .text = cf_memdup(partial->text, partial->len),
            .len = partial->len,
        };
    }
    qsort(tmpl->units + 1, options->partial_count, sizeof *tmpl->units, by_unit_name);

    bool ok = true;
    for (size_t i = 0; ok && i < tmpl->unit_count; i++)
        ok = cf_template_parse(tmpl, &tmpl->units[i], NULL, err);
    if (!ok || (tmpl->strict && !cf_block_check_names(tmpl, err))) {
        cf_template_free(tmpl);
        return false;
    }
    list_variables(tmpl);
    *out = tmpl;
    return true;
}

void cf_template_unit_done(struct cf_template_unit *unit)
{
    free(unit->name);
    free(unit->text);
    free(unit->nodes);
    free(unit->delimiters);
}

void cf_template_free(struct cf_template *tmpl)
{
    if (tmpl == NULL)
        return;
    for (size_t i = 0; i < tmpl->unit_count; i++)
        cf_template_unit_done(&tmpl->units[i]);
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
