/* One pass over the text of a unit, tag by tag, with a stack of what is open. */
#include "template/program.h"

#include "base/json.h"
#include "base/mem.h"
#include "confab/error.h"
#include "confab/template.h"
#include "template/block.h"
#include "template/tag.h"

#include <string.h>

/* A tag that waits for its end. */
struct open {
    uint32_t node;
    uint32_t lead;          /* parents: the first node of the white space before the tag */
    uint32_t content;       /* where the body begins in the text */
    bool is_parent;
    bool is_first;          /* on its line */
};

struct parser {
    const struct cf_template *tmpl;
    struct cf_template_unit *unit;
    struct open open[CF_TEMPLATE_DEPTH_MAX];    /* the innermost last */
    unsigned depth;
    unsigned blocks;        /* open ones */
    struct cf_error *err;
};

#define FAIL(parser, offset, ...) \
    cf_template_fail((parser)->tmpl, (parser)->unit, offset, (parser)->err, __VA_ARGS__)

static struct open *innermost(struct parser *parser)
{
    return parser->depth > 0 ? &parser->open[parser->depth - 1] : NULL;
}

/* Directly inside {{<x}}, where only blocks count. */
static bool is_in_parent(const struct parser *parser)
{
    return parser->depth > 0 && parser->open[parser->depth - 1].is_parent;
}

/* --- nodes --- */

static struct cf_template_node *add_node(struct parser *parser, enum cf_template_node_type type,
                                         uint32_t tag, uint32_t start, uint32_t len)
{
    struct cf_template_unit *unit = parser->unit;

    if (unit->node_count == unit->node_cap) {
        unit->node_cap = unit->node_cap == 0 ? 16 : unit->node_cap * 2;
        unit->nodes = cf_realloc(unit->nodes, unit->node_cap * sizeof *unit->nodes);
    }
    struct cf_template_node *node = &unit->nodes[unit->node_count++];
    *node = (struct cf_template_node){ .type = type, .tag = tag, .start = start, .len = len };
    return node;
}

/* Lines of partials and blocks may be indented by whoever uses them; those of the template itself
 * never are. */
static bool is_indentable(const struct parser *parser)
{
    return parser->unit->name != NULL || parser->blocks > 0;
}

static void begin_line(struct parser *parser, uint32_t offset)
{
    if (is_indentable(parser) && cf_tag_begins_line(parser->unit, offset))
        add_node(parser, CF_NODE_INDENT, offset, offset, 0);
}

static void add_text(struct parser *parser, uint32_t from, uint32_t to)
{
    const struct cf_template_unit *unit = parser->unit;

    if (is_in_parent(parser))
        return;
    while (from < to) {
        const char *newline = NULL;
        uint32_t line_end = to;

        if (is_indentable(parser)) {    /* one node a line */
            newline = memchr(unit->text + from, '\n', to - from);
            if (newline != NULL)
                line_end = (uint32_t)(newline - unit->text) + 1;
            bool is_empty = unit->text[from] == '\n'
                         || (unit->text[from] == '\r' && newline == unit->text + from + 1);
            if (!is_empty)
                begin_line(parser, from);
        }
        add_node(parser, CF_NODE_TEXT, from, from, line_end - from);
        from = line_end;
    }
}

/* Text up to the tag, which is not alone on its line. */
static void add_text_before(struct parser *parser, uint32_t from, const struct cf_tag *tag)
{
    add_text(parser, from, tag->at);
    if (!is_in_parent(parser))
        begin_line(parser, tag->at);
}

/* --- what has a body --- */

static bool push_open(struct parser *parser, const struct cf_tag *tag, struct open open)
{
    if (parser->depth == CF_TEMPLATE_DEPTH_MAX)
        return FAIL(parser, tag->at, "more than %d sections within each other",
                    CF_TEMPLATE_DEPTH_MAX);
    parser->open[parser->depth++] = open;
    return true;
}

/* The text before a tag that opens a body, and its content's start: a tag alone takes its whole
 * line. */
static bool open_body(struct parser *parser, uint32_t from, const struct cf_tag *tag, bool is_alone,
                      uint32_t *out_content)
{
    *out_content = is_alone ? tag->next : tag->behind;
    if (is_alone)
        add_text(parser, from, tag->line);
    else
        add_text_before(parser, from, tag);
    return push_open(parser, tag, (struct open){ .node = parser->unit->node_count,
                                                 .content = *out_content });
}

static bool open_section(struct parser *parser, uint32_t from, const struct cf_tag *tag,
                         uint32_t *out_next)
{
    uint32_t content;
    if (!open_body(parser, from, tag, tag->is_first && tag->is_last, &content))
        return false;

    struct cf_template_node *node =
        add_node(parser, tag->kind == '#' ? CF_NODE_SECTION : CF_NODE_INVERTED, tag->at, tag->start,
                 tag->len);
    node->raw = content;
    node->delimiters = parser->unit->delimiters_count - 1;
    *out_next = content;
    return true;
}

/* A block may be given its content by whoever uses the template. Where it begins its line, so do
 * the lines of that content. */
static bool open_block(struct parser *parser, uint32_t from, const struct cf_tag *tag,
                       uint32_t *out_next)
{
    bool is_given = is_in_parent(parser);    /* what stands before it is not rendered */
    bool is_alone = (tag->is_first || is_given) && tag->is_last;
    uint32_t content;
    if (!open_body(parser, from, tag, is_alone, &content))
        return false;

    struct cf_template_node *node = add_node(parser, CF_NODE_BLOCK, tag->at, tag->start, tag->len);
    node->indent = tag->line;
    node->indent_len = tag->at - tag->line;
    node->is_alone = is_alone;
    node->is_given = is_given;
    if (!is_alone)    /* its first line, where it is given to a block that is indented */
        add_node(parser, CF_NODE_INDENT, tag->behind, tag->behind, 0);
    parser->blocks++;
    *out_next = content;
    return true;
}

static bool open_parent(struct parser *parser, uint32_t from, const struct cf_tag *tag,
                        uint32_t unit)
{
    struct open open = { .is_parent = true, .is_first = tag->is_first };

    /* White space before the tag is an indent if the end of it turns out to end its line, too. */
    add_text(parser, from, tag->line);
    open.lead = parser->unit->node_count;
    add_text_before(parser, tag->line, tag);
    open.node = parser->unit->node_count;
    if (!push_open(parser, tag, open))
        return false;
    struct cf_template_node *node = add_node(parser, CF_NODE_PARTIAL, tag->at, tag->start,
                                             tag->len);
    node->unit = unit;
    node->indent = tag->line;
    return true;
}

static void close_section(struct parser *parser, uint32_t from, const struct cf_tag *tag,
                          uint32_t *out_next)
{
    bool is_alone = tag->is_first && tag->is_last;
    struct cf_template_node *node;

    if (is_alone)
        add_text(parser, from, tag->line);
    else
        add_text_before(parser, from, tag);
    node = &parser->unit->nodes[innermost(parser)->node];
    node->raw_len = (is_alone ? tag->line : tag->at) - node->raw;
    *out_next = is_alone ? tag->next : tag->behind;
}

static void close_block(struct parser *parser, uint32_t from, const struct cf_tag *tag,
                        uint32_t *out_next)
{
    const struct open *open = innermost(parser);
    bool is_given = parser->depth > 1 && parser->open[parser->depth - 2].is_parent;
    bool is_alone = tag->is_first && (tag->is_last || is_given);
    uint32_t end = is_alone ? tag->line : tag->at;

    if (is_alone)
        add_text(parser, from, end);
    else
        add_text_before(parser, from, tag);
    parser->blocks--;
    if (parser->unit->nodes[open->node].is_alone)
        cf_block_dedent(parser->unit, open->node, open->content, end);
    *out_next = is_alone ? tag->next : tag->behind;
}

static void close_parent(struct parser *parser, const struct cf_tag *tag, uint32_t *out_next)
{
    const struct open *open = innermost(parser);
    struct cf_template_node *nodes = parser->unit->nodes;
    struct cf_template_node *node = &nodes[open->node];

    *out_next = tag->behind;
    if (!open->is_first || !tag->is_last)
        return;
    for (uint32_t i = open->lead; i < open->node; i++)
        nodes[i] = (struct cf_template_node){ .type = CF_NODE_TEXT, .tag = nodes[i].tag };
    node->indent_len = node->tag - node->indent;
    *out_next = tag->next;
}

/* Whether an end tag, which has a * in its name where the open tag has, belongs to the node. */
static bool ends(const struct cf_template_unit *unit, const struct cf_template_node *node,
                 const struct cf_tag *tag)
{
    const char *name = unit->text + tag->start;
    uint32_t len = tag->len;

    if (node->type == CF_NODE_PARTIAL && node->unit == CF_UNIT_DYNAMIC) {
        if (*name != '*')
            return false;
        do {
            name++;
            len--;
        } while (len > 0 && cf_tag_is_blank(*name));
    }
    return len == node->len && memcmp(unit->text + node->start, name, len) == 0;
}

static bool close_tag(struct parser *parser, uint32_t from, const struct cf_tag *tag,
                      uint32_t *out_next)
{
    struct cf_template_unit *unit = parser->unit;
    const struct open *open = innermost(parser);
    const char *name = unit->text + tag->start;

    if (open == NULL)
        return FAIL(parser, tag->at, "\"%.*s\" is closed but was not opened",
                    cf_template_shown(name, tag->len), name);

    struct cf_template_node *node = &unit->nodes[open->node];
    if (!ends(unit, node, tag))
        return FAIL(parser, tag->at, "\"%.*s\" is closed, but \"%.*s\" was opened last",
                    cf_template_shown(name, tag->len), name,
                    cf_template_shown(unit->text + node->start, node->len),
                    unit->text + node->start);
    if (node->type == CF_NODE_BLOCK)
        close_block(parser, from, tag, out_next);
    else if (node->type == CF_NODE_PARTIAL)
        close_parent(parser, tag, out_next);
    else
        close_section(parser, from, tag, out_next);
    unit->nodes[open->node].end = unit->node_count;
    parser->depth--;
    if (is_in_parent(parser) && !unit->nodes[open->node].is_given)
        unit->node_count = open->node;    /* of a parent's body only blocks count */
    return true;
}

/* --- other tags --- */

static bool find_unit(struct parser *parser, const struct cf_tag *tag, uint32_t *out_unit)
{
    const char *name = parser->unit->text + tag->start;

    *out_unit = tag->is_dynamic ? CF_UNIT_DYNAMIC
                                : cf_template_find_partial(parser->tmpl, name, tag->len);
    return *out_unit != CF_UNIT_NONE || !parser->tmpl->strict
        || cf_template_fail_partial(parser->tmpl, parser->unit, tag->at, parser->err, name,
                                    tag->len);
}

static void add_partial(struct parser *parser, uint32_t from, const struct cf_tag *tag,
                        uint32_t unit, uint32_t *out_next)
{
    bool is_alone = tag->is_first && tag->is_last;

    if (is_alone)
        add_text(parser, from, tag->line);
    else
        add_text_before(parser, from, tag);
    *out_next = is_alone ? tag->next : tag->behind;
    if (is_in_parent(parser))
        return;

    struct cf_template_node *node = add_node(parser, CF_NODE_PARTIAL, tag->at, tag->start,
                                             tag->len);
    node->unit = unit;
    node->end = parser->unit->node_count;
    node->indent = tag->line;
    node->indent_len = is_alone ? tag->at - tag->line : 0;
}

static void add_variable(struct parser *parser, uint32_t from, const struct cf_tag *tag)
{
    add_text_before(parser, from, tag);
    if (!is_in_parent(parser))
        add_node(parser, tag->kind == 0 ? CF_NODE_VARIABLE : CF_NODE_RAW, tag->at, tag->start,
                 tag->len);
}

static bool set_delimiters(struct parser *parser, const struct cf_tag *tag)
{
    struct cf_template_unit *unit = parser->unit;
    struct cf_template_delimiters delimiters;

    if (!cf_tag_read_delimiters(parser->tmpl, unit, tag, &delimiters, parser->err))
        return false;
    unit->delimiters = cf_realloc(unit->delimiters,
                                  (unit->delimiters_count + 1) * sizeof *unit->delimiters);
    unit->delimiters[unit->delimiters_count++] = delimiters;
    return true;
}

/* Comments and delimiters leave nothing but the text around them. */
static void skip_tag(struct parser *parser, uint32_t from, const struct cf_tag *tag,
                     uint32_t *out_next)
{
    bool is_alone = tag->is_first && tag->is_last;

    if (is_alone)
        add_text(parser, from, tag->line);
    else
        add_text_before(parser, from, tag);
    *out_next = is_alone ? tag->next : tag->behind;
}

/* Adds the text from `from` on and the tag; *out_next is where to go on. */
static bool add_tag(struct parser *parser, uint32_t from, const struct cf_tag *tag,
                    uint32_t *out_next)
{
    uint32_t unit = CF_UNIT_NONE;

    *out_next = tag->behind;
    if (tag->kind == '!' || tag->kind == '=') {
        skip_tag(parser, from, tag, out_next);
        return tag->kind == '!' || set_delimiters(parser, tag);
    }
    if (!cf_tag_check_name(parser->tmpl, parser->unit, tag, parser->err))
        return false;
    switch (tag->kind) {
    case '#':
    case '^':
        return open_section(parser, from, tag, out_next);
    case '$':
        return open_block(parser, from, tag, out_next);
    case '<':
        return find_unit(parser, tag, &unit) && open_parent(parser, from, tag, unit);
    case '/':
        return close_tag(parser, from, tag, out_next);
    case '>':
        if (!find_unit(parser, tag, &unit))
            return false;
        add_partial(parser, from, tag, unit, out_next);
        return true;
    default:
        add_variable(parser, from, tag);
        return true;
    }
}

bool cf_template_parse(const struct cf_template *tmpl, struct cf_template_unit *unit,
                       const struct cf_template_delimiters *delimiters, struct cf_error *err)
{
    static const struct cf_template_delimiters usual = { 2, 2, "{{", "}}" };
    struct parser parser = { .tmpl = tmpl, .unit = unit, .err = err };
    size_t valid = cf_utf8_valid_prefix(unit->text, unit->len);
    uint32_t from = 0;

    if (valid < unit->len)
        return FAIL(&parser, (uint32_t)valid, "the text is not valid UTF-8");

    unit->delimiters = cf_malloc(sizeof *unit->delimiters);
    unit->delimiters[0] = delimiters != NULL ? *delimiters : usual;
    unit->delimiters_count = 1;
    while (from < unit->len) {
        const struct cf_template_delimiters *now = &unit->delimiters[unit->delimiters_count - 1];
        const char *open = memmem(unit->text + from, unit->len - from, now->open, now->open_len);
        struct cf_tag tag;

        if (open == NULL)
            break;
        if (!cf_tag_read(tmpl, unit, now, from, (uint32_t)(open - unit->text), &tag, err)
            || !add_tag(&parser, from, &tag, &from))
            return false;
    }
    add_text(&parser, from, (uint32_t)unit->len);

    if (parser.depth > 0) {
        const struct cf_template_node *node = &unit->nodes[innermost(&parser)->node];
        return FAIL(&parser, node->tag, "\"%.*s\" is opened but not closed",
                    cf_template_shown(unit->text + node->start, node->len),
                    unit->text + node->start);
    }
    return true;
}
