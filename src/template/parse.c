/* One pass over the text of a unit. Each byte is looked at a bounded number of times: the search
 * for a tag's end that fails ends the parse, and white space is scanned once from either side. */
#include "template/program.h"

#include "base/json.h"
#include "base/mem.h"
#include "confab/error.h"
#include "confab/template.h"
#include "template/nearest.h"

#include <string.h>

#define DELIMITER_MAX 16    /* bytes; people use two */

struct delimiter {
    const char *text;       /* borrowed */
    size_t len;
};

struct parser {
    struct cf_template *tmpl;
    struct cf_template_unit *unit;
    const struct cf_template_options *options;
    struct delimiter open, close;
    uint32_t sections[CF_TEMPLATE_DEPTH_MAX];    /* open ones, the innermost last */
    unsigned depth;
    struct cf_error *err;
};

struct tag {
    char kind;              /* one of # ^ / > ! = { &, or 0: a variable */
    uint32_t at;            /* of the opening delimiter */
    uint32_t start, len;    /* its content, trimmed */
    uint32_t behind;        /* of the first byte behind it */
};

#define FAIL(parser, offset, ...) \
    cf_template_fail((parser)->tmpl, (parser)->unit, offset, (parser)->err, __VA_ARGS__)

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static bool is_space(char byte)
{
    return is_blank(byte) || byte == '\n' || byte == '\r' || byte == '\v' || byte == '\f';
}

static bool begins_line(const struct cf_template_unit *unit, uint32_t offset)
{
    return offset == 0 || unit->text[offset - 1] == '\n';
}

/* --- nodes --- */

static struct cf_template_node *add_node(struct cf_template_unit *unit,
                                         enum cf_template_node_type type, uint32_t tag,
                                         uint32_t start, uint32_t len)
{
    if (unit->node_count == unit->node_cap) {
        unit->node_cap = unit->node_cap == 0 ? 16 : unit->node_cap * 2;
        unit->nodes = cf_realloc(unit->nodes, unit->node_cap * sizeof *unit->nodes);
    }
    struct cf_template_node *node = &unit->nodes[unit->node_count++];
    *node = (struct cf_template_node){ .type = type, .tag = tag, .start = start, .len = len };
    return node;
}

/* Lines of a partial may be indented by whoever uses it; those of the template never are. */
static void begin_line(struct cf_template_unit *unit, uint32_t offset)
{
    if (unit->name != NULL && begins_line(unit, offset))
        add_node(unit, CF_NODE_INDENT, offset, offset, 0);
}

static void add_text(struct cf_template_unit *unit, uint32_t from, uint32_t to)
{
    while (from < to) {
        const char *newline = NULL;
        uint32_t line_end = to;

        if (unit->name != NULL) {    /* one node a line */
            newline = memchr(unit->text + from, '\n', to - from);
            if (newline != NULL)
                line_end = (uint32_t)(newline - unit->text) + 1;
            bool is_empty = unit->text[from] == '\n'
                         || (unit->text[from] == '\r' && newline == unit->text + from + 1);
            if (!is_empty)
                begin_line(unit, from);
        }
        add_node(unit, CF_NODE_TEXT, from, from, line_end - from);
        from = line_end;
    }
}

/* --- tags --- */

static void trim(const struct cf_template_unit *unit, struct tag *tag)
{
    while (tag->len > 0 && is_space(unit->text[tag->start])) {
        tag->start++;
        tag->len--;
    }
    while (tag->len > 0 && is_space(unit->text[tag->start + tag->len - 1]))
        tag->len--;
}

/* Reads the tag that begins at offset `at`. */
static bool read_tag(struct parser *parser, uint32_t at, struct tag *out)
{
    const struct cf_template_unit *unit = parser->unit;
    const char *end = unit->text + unit->len;
    const char *content = unit->text + at + parser->open.len;
    char closing[DELIMITER_MAX + 1];
    size_t closing_len = 0;
    struct tag tag = { .at = at };

    while (content < end && is_space(*content))
        content++;
    if (content < end && memchr("#^/>!={&<$", *content, 10) != NULL)
        tag.kind = *content++;

    /* {{{x}}} and {{=a b=}} end with a sign of their own before the delimiter. */
    if (tag.kind == '{')
        closing[closing_len++] = '}';
    else if (tag.kind == '=')
        closing[closing_len++] = '=';
    memcpy(closing + closing_len, parser->close.text, parser->close.len);
    closing_len += parser->close.len;

    const char *stop = memmem(content, (size_t)(end - content), closing, closing_len);
    if (stop == NULL)
        return FAIL(parser, at, "the tag has no end, %.*s is missing", (int)closing_len, closing);

    tag.start = (uint32_t)(content - unit->text);
    tag.len = (uint32_t)(stop - content);
    tag.behind = (uint32_t)(stop - unit->text + (ptrdiff_t)closing_len);
    trim(unit, &tag);
    *out = tag;
    return true;
}

/* Whether the tag has its line to itself; if so *out_line is where the line begins and
 * *out_next the begin of the next one. */
static bool stands_alone(const struct parser *parser, const struct tag *tag, uint32_t from,
                         uint32_t *out_line, uint32_t *out_next)
{
    const struct cf_template_unit *unit = parser->unit;
    uint32_t line = tag->at;
    uint32_t next = tag->behind;

    if (tag->kind == 0 || tag->kind == '{' || tag->kind == '&')
        return false;

    while (line > from && is_blank(unit->text[line - 1]))
        line--;
    if (!begins_line(unit, line))
        return false;

    while (next < unit->len && is_blank(unit->text[next]))
        next++;
    if (next + 1 < unit->len && unit->text[next] == '\r' && unit->text[next + 1] == '\n')
        next++;
    if (next < unit->len && unit->text[next] != '\n')
        return false;
    *out_line = line;
    *out_next = next < unit->len ? next + 1 : next;
    return true;
}

static bool check_name(struct parser *parser, const struct tag *tag)
{
    const char *name = parser->unit->text + tag->start;
    bool is_path = tag->kind != '>';
    bool part_is_empty = true;

    if (tag->len == 0)
        return FAIL(parser, tag->at, "the tag has no name");
    if (is_path && tag->len == 1 && *name == '.')
        return true;
    for (uint32_t i = 0; i < tag->len; i++) {
        unsigned char byte = (unsigned char)name[i];
        if (byte < ' ' || byte == 0x7F || strchr("{}\"", byte) != NULL)
            return FAIL(parser, tag->at, "this is no name; where braces are meant as text, set "
                        "other delimiters, such as {{=<%% %%>=}}");
        if (is_path && byte == '.') {
            if (part_is_empty)
                break;
            part_is_empty = true;
        } else {
            part_is_empty = false;
        }
    }
    if (part_is_empty)
        return FAIL(parser, tag->at, "\"%.*s\" has an empty part between its dots",
                    cf_template_shown(name, tag->len), name);
    return true;
}

static bool open_section(struct parser *parser, const struct tag *tag)
{
    if (parser->depth == CF_TEMPLATE_DEPTH_MAX)
        return FAIL(parser, tag->at, "more than %d sections within each other",
                    CF_TEMPLATE_DEPTH_MAX);
    parser->sections[parser->depth++] = parser->unit->node_count;
    add_node(parser->unit, tag->kind == '#' ? CF_NODE_SECTION : CF_NODE_INVERTED, tag->at,
             tag->start, tag->len);
    return true;
}

static bool close_section(struct parser *parser, const struct tag *tag)
{
    struct cf_template_unit *unit = parser->unit;
    const char *name = unit->text + tag->start;

    if (parser->depth == 0)
        return FAIL(parser, tag->at, "\"%.*s\" is closed but was not opened",
                    cf_template_shown(name, tag->len), name);

    struct cf_template_node *section = &unit->nodes[parser->sections[parser->depth - 1]];
    const char *opened = unit->text + section->start;
    if (section->len != tag->len || memcmp(opened, name, tag->len) != 0)
        return FAIL(parser, tag->at, "\"%.*s\" is closed, but \"%.*s\" was opened last",
                    cf_template_shown(name, tag->len), name,
                    cf_template_shown(opened, section->len), opened);
    section->end = unit->node_count;
    parser->depth--;
    return true;
}

static bool has_name(const char *known, const char *name, size_t len)
{
    return strlen(known) == len && memcmp(known, name, len) == 0;
}

/* Finds the unit of a partial, making it at its first use. *out_unit is 0 if there is no such
 * partial and that is no error. */
static bool find_partial(struct parser *parser, const struct tag *tag, uint32_t *out_unit)
{
    struct cf_template *tmpl = parser->tmpl;
    const struct cf_template_options *options = parser->options;
    const char *name = parser->unit->text + tag->start;
    struct cf_nearest nearest;

    for (size_t i = 1; i < tmpl->unit_count; i++) {
        if (has_name(tmpl->units[i].name, name, tag->len)) {
            *out_unit = (uint32_t)i;
            return true;
        }
    }

    cf_nearest_init(&nearest, name, tag->len);
    for (size_t i = 0; i < options->partial_count; i++) {
        const struct cf_template_partial *partial = &options->partials[i];
        if (has_name(partial->name, name, tag->len)) {
            if (partial->len > CF_TEMPLATE_MAX_BYTES)
                return FAIL(parser, tag->at, "the partial has %zu bytes, more than the %u allowed",
                            partial->len, CF_TEMPLATE_MAX_BYTES);
            *out_unit = (uint32_t)tmpl->unit_count;
            tmpl->units[tmpl->unit_count++] = (struct cf_template_unit){
                .name = cf_strdup(partial->name),
                .text = cf_memdup(partial->text, partial->len),
                .len = partial->len,
            };
            return true;
        }
        cf_nearest_offer(&nearest, partial->name, strlen(partial->name));
    }

    *out_unit = 0;
    if (!tmpl->strict)
        return true;
    return FAIL(parser, tag->at, "there is no partial \"%.*s\"%s%s%s",
                cf_template_shown(name, tag->len), name,
                nearest.best[0] != '\0' ? "; did you mean \"" : "", nearest.best,
                nearest.best[0] != '\0' ? "\"?" : "");
}

static bool use_partial(struct parser *parser, const struct tag *tag, uint32_t indent)
{
    uint32_t unit = 0;

    if (!find_partial(parser, tag, &unit))
        return false;
    if (unit == 0)
        return true;
    struct cf_template_node *node = add_node(parser->unit, CF_NODE_PARTIAL, tag->at, tag->start,
                                             tag->len);
    node->end = unit;
    node->indent = indent;
    return true;
}

/* {{=<% %>=}} */
static bool set_delimiters(struct parser *parser, const struct tag *tag)
{
    const char *content = parser->unit->text + tag->start;
    uint32_t first = 0;
    uint32_t gap;

    while (first < tag->len && !is_space(content[first]))
        first++;
    gap = first;
    while (gap < tag->len && is_space(content[gap]))
        gap++;

    struct delimiter open = { content, first };
    struct delimiter close = { content + gap, tag->len - gap };
    if (open.len == 0 || close.len == 0)
        return FAIL(parser, tag->at, "two delimiters are needed, such as {{=<%% %%>=}}");
    if (open.len > DELIMITER_MAX || close.len > DELIMITER_MAX)
        return FAIL(parser, tag->at, "a delimiter has at most %d bytes", DELIMITER_MAX);
    for (uint32_t i = 0; i < tag->len; i++) {
        if (content[i] == '=' || (i >= gap && is_space(content[i])))
            return FAIL(parser, tag->at, "delimiters have no space and no = in them, and are two");
    }
    parser->open = open;
    parser->close = close;
    return true;
}

/* indent: bytes of white space before the tag if it stands alone, else 0. */
static bool add_tag(struct parser *parser, const struct tag *tag, uint32_t indent)
{
    switch (tag->kind) {
    case '!':
        return true;
    case '=':
        return set_delimiters(parser, tag);
    case '<':
    case '$':
        return FAIL(parser, tag->at, "%c is not known at the start of a tag", tag->kind);
    default:
        break;
    }
    if (!check_name(parser, tag))
        return false;
    switch (tag->kind) {
    case '#':
    case '^':
        return open_section(parser, tag);
    case '/':
        return close_section(parser, tag);
    case '>':
        return use_partial(parser, tag, indent);
    default:
        add_node(parser->unit, tag->kind == 0 ? CF_NODE_VARIABLE : CF_NODE_RAW, tag->at,
                 tag->start, tag->len);
        return true;
    }
}

static bool parse_unit(struct parser *parser)
{
    struct cf_template_unit *unit = parser->unit;
    size_t valid = cf_utf8_valid_prefix(unit->text, unit->len);
    uint32_t from = 0;

    if (valid < unit->len)
        return FAIL(parser, (uint32_t)valid, "the text is not valid UTF-8");

    parser->open = (struct delimiter){ "{{", 2 };
    parser->close = (struct delimiter){ "}}", 2 };
    parser->depth = 0;
    while (from < unit->len) {
        const char *open = memmem(unit->text + from, unit->len - from, parser->open.text,
                                  parser->open.len);
        if (open == NULL)
            break;

        struct tag tag = { 0 };
        if (!read_tag(parser, (uint32_t)(open - unit->text), &tag))
            return false;

        uint32_t line = tag.at;
        uint32_t next = tag.behind;
        bool alone = stands_alone(parser, &tag, from, &line, &next);
        add_text(unit, from, line);
        if (!alone)
            begin_line(unit, tag.at);
        if (!add_tag(parser, &tag, tag.at - line))
            return false;
        from = next;
    }
    add_text(unit, from, (uint32_t)unit->len);

    if (parser->depth > 0) {
        const struct cf_template_node *section = &unit->nodes[parser->sections[parser->depth - 1]];
        return FAIL(parser, section->tag, "\"%.*s\" is opened but not closed",
                    cf_template_shown(unit->text + section->start, section->len),
                    unit->text + section->start);
    }
    return true;
}

bool cf_template_parse(struct cf_template *tmpl, const struct cf_template_options *options,
                       struct cf_error *err)
{
    struct parser parser = { .tmpl = tmpl, .options = options, .err = err };

    for (size_t i = 0; i < tmpl->unit_count; i++) {    /* grows as partials are met */
        parser.unit = &tmpl->units[i];
        if (!parse_unit(&parser))
            return false;
    }
    return true;
}
