#include "template/block.h"

#include "base/mem.h"
#include "confab/error.h"
#include "template/nearest.h"
#include "template/program.h"
#include "template/tag.h"

#include <stdlib.h>
#include <string.h>

/* --- indentation --- */

static uint32_t min2(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t blanks_at(const struct cf_template_unit *unit, uint32_t at, uint32_t end)
{
    uint32_t from = at;

    while (at < end && cf_tag_is_blank(unit->text[at]))
        at++;
    return at - from;
}

static uint32_t common(const char *a, const char *b, uint32_t len)
{
    uint32_t i = 0;

    while (i < len && a[i] == b[i])
        i++;
    return i;
}

/* The white space that all lines but empty ones begin with. False: there is no such line. */
static bool find_indent(const struct cf_template_unit *unit, uint32_t at, uint32_t end,
                        uint32_t *out_at, uint32_t *out_len)
{
    const char *text = unit->text;
    bool is_found = false;

    while (at < end) {
        const char *newline = memchr(text + at, '\n', end - at);
        uint32_t line_end = newline != NULL ? (uint32_t)(newline - text) : end;
        uint32_t blanks = blanks_at(unit, at, line_end);
        uint32_t rest = at + blanks;
        bool is_empty = rest == line_end || (rest + 1 == line_end && text[rest] == '\r');

        if (!is_empty && !is_found) {
            is_found = true;
            *out_at = at;
            *out_len = blanks;
        } else if (!is_empty) {
            *out_len = common(text + *out_at, text + at, min2(*out_len, blanks));
        }
        at = line_end + 1;
    }
    return is_found;
}

void cf_block_dedent(struct cf_template_unit *unit, uint32_t block, uint32_t content, uint32_t end)
{
    struct cf_template_node *nodes = unit->nodes;
    uint32_t at = 0;
    uint32_t len = 0;

    if (!find_indent(unit, content, end, &at, &len))
        return;
    nodes[block].indent = at;
    nodes[block].indent_len = len;
    for (uint32_t i = block + 1; len > 0 && i < unit->node_count; i++) {
        struct cf_template_node *node = &nodes[i];
        uint32_t less = len;

        switch (node->type) {
        case CF_NODE_TEXT:    /* lines of blocks within are dedented: they begin no line any more */
            if (!cf_tag_begins_line(unit, node->start))
                break;
            less = min2(len, blanks_at(unit, node->start, node->start + node->len));
            node->start += less;
            node->len -= less;
            break;
        case CF_NODE_BLOCK:
        case CF_NODE_PARTIAL:
            less = min2(len, node->indent_len);
            node->indent += less;
            node->indent_len -= less;
            break;
        case CF_NODE_SECTION:
            if (node->dedent < len)
                node->dedent = len;
            break;
        default:
            break;
        }
    }
}

/* --- names --- */

struct name {
    const char *text;    /* borrowed */
    size_t len;
};

struct names {
    struct name *list;   /* owned */
    size_t count, cap;
};

static int by_text(const void *left, const void *right)
{
    const struct name *a = left, *b = right;

    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    return memcmp(a->text, b->text, a->len);
}

static struct name name_of(const struct cf_template_unit *unit,
                           const struct cf_template_node *node)
{
    return (struct name){ unit->text + node->start, node->len };
}

static void add_name(struct names *names, struct name name)
{
    if (names->count == names->cap) {
        names->cap = names->cap == 0 ? 16 : names->cap * 2;
        names->list = cf_realloc(names->list, names->cap * sizeof *names->list);
    }
    names->list[names->count++] = name;
}

static bool fail_unknown(const struct cf_template *tmpl, const struct cf_template_unit *unit,
                         const struct cf_template_node *block, const struct names *known,
                         struct cf_error *err)
{
    const char *name = unit->text + block->start;
    struct cf_nearest nearest;

    cf_nearest_init(&nearest, name, block->len);
    for (size_t i = 0; i < known->count; i++)
        cf_nearest_offer(&nearest, known->list[i].text, known->list[i].len);
    return cf_template_fail(tmpl, unit, block->tag, err, "there is no block \"%.*s\" to fill%s%s%s",
                            cf_template_shown(name, block->len), name,
                            nearest.best[0] != '\0' ? "; did you mean \"" : "", nearest.best,
                            nearest.best[0] != '\0' ? "\"?" : "");
}

bool cf_block_check_names(const struct cf_template *tmpl, struct cf_error *err)
{
    struct names known = { 0 };
    bool ok = true;

    for (size_t i = 0; i < tmpl->unit_count; i++) {
        const struct cf_template_unit *unit = &tmpl->units[i];
        for (uint32_t n = 0; n < unit->node_count; n++) {
            if (unit->nodes[n].type == CF_NODE_BLOCK && !unit->nodes[n].is_given)
                add_name(&known, name_of(unit, &unit->nodes[n]));
        }
    }
    if (known.count > 0)
        qsort(known.list, known.count, sizeof *known.list, by_text);

    for (size_t i = 0; ok && i < tmpl->unit_count; i++) {
        const struct cf_template_unit *unit = &tmpl->units[i];
        for (uint32_t n = 0; ok && n < unit->node_count; n++) {
            const struct cf_template_node *node = &unit->nodes[n];
            struct name name = name_of(unit, node);
            if (node->type == CF_NODE_BLOCK && node->is_given
                && (known.count == 0
                    || bsearch(&name, known.list, known.count, sizeof name, by_text) == NULL))
                ok = fail_unknown(tmpl, unit, node, &known, err);
        }
    }
    free(known.list);
    return ok;
}
