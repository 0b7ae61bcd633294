/* Reads single tags. Each byte is looked at a bounded number of times: the search for a tag's end
 * that fails ends the parse, and white space is scanned once from either side. */
#include "template/tag.h"

#include "confab/error.h"
#include "confab/template.h"
#include "template/program.h"

#include <string.h>

bool cf_tag_is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static bool is_space(char byte)
{
    return cf_tag_is_blank(byte) || byte == '\n' || byte == '\r' || byte == '\v' || byte == '\f';
}

bool cf_tag_begins_line(const struct cf_template_unit *unit, uint32_t offset)
{
    return offset == 0 || unit->text[offset - 1] == '\n';
}

static void trim(const struct cf_template_unit *unit, struct cf_tag *tag)
{
    while (tag->len > 0 && is_space(unit->text[tag->start])) {
        tag->start++;
        tag->len--;
    }
    while (tag->len > 0 && is_space(unit->text[tag->start + tag->len - 1]))
        tag->len--;
}

static void find_line(const struct cf_template_unit *unit, uint32_t from, struct cf_tag *tag)
{
    uint32_t line = tag->at;
    uint32_t next = tag->behind;

    while (line > from && cf_tag_is_blank(unit->text[line - 1]))
        line--;
    tag->is_first = cf_tag_begins_line(unit, line);
    tag->line = tag->is_first ? line : tag->at;

    while (next < unit->len && cf_tag_is_blank(unit->text[next]))
        next++;
    if (next + 1 < unit->len && unit->text[next] == '\r' && unit->text[next + 1] == '\n')
        next++;
    tag->is_last = next == unit->len || unit->text[next] == '\n';
    tag->next = tag->is_last ? next + (next < unit->len) : tag->behind;
}

bool cf_tag_read(const struct cf_template *tmpl, const struct cf_template_unit *unit,
                 const struct cf_template_delimiters *delimiters, uint32_t from, uint32_t at,
                 struct cf_tag *out, struct cf_error *err)
{
    const char *end = unit->text + unit->len;
    const char *content = unit->text + at + delimiters->open_len;
    char closing[CF_TEMPLATE_DELIMITER_MAX + 1];
    size_t closing_len = 0;
    struct cf_tag tag = { .at = at };

    while (content < end && is_space(*content))
        content++;
    if (content < end && memchr("#^/>!={&<$", *content, 10) != NULL)
        tag.kind = *content++;

    /* {{{x}}} and {{=a b=}} end with a sign of their own before the delimiter. */
    if (tag.kind == '{')
        closing[closing_len++] = '}';
    else if (tag.kind == '=')
        closing[closing_len++] = '=';
    memcpy(closing + closing_len, delimiters->close, delimiters->close_len);
    closing_len += delimiters->close_len;

    const char *stop = memmem(content, (size_t)(end - content), closing, closing_len);
    if (stop == NULL)
        return cf_template_fail(tmpl, unit, at, err, "the tag has no end, %.*s is missing",
                                (int)closing_len, closing);

    tag.start = (uint32_t)(content - unit->text);
    tag.len = (uint32_t)(stop - content);
    tag.behind = (uint32_t)(stop - unit->text + (ptrdiff_t)closing_len);
    trim(unit, &tag);
    if (tag.kind != 0 && strchr("><", tag.kind) != NULL && tag.len > 0
        && unit->text[tag.start] == '*') {
        tag.is_dynamic = true;
        tag.start++;
        tag.len--;
        trim(unit, &tag);
    }
    find_line(unit, from, &tag);
    *out = tag;
    return true;
}

bool cf_tag_check_name(const struct cf_template *tmpl, const struct cf_template_unit *unit,
                       const struct cf_tag *tag, struct cf_error *err)
{
    const char *name = unit->text + tag->start;
    bool is_path = tag->is_dynamic || tag->kind == 0 || strchr("><$/", tag->kind) == NULL;
    bool part_is_empty = true;

    if (tag->len == 0)
        return cf_template_fail(tmpl, unit, tag->at, err, "the tag has no name");
    if (is_path && tag->len == 1 && *name == '.')
        return true;
    for (uint32_t i = 0; i < tag->len; i++) {
        unsigned char byte = (unsigned char)name[i];
        if (byte < ' ' || byte == 0x7F || strchr("{}\"", byte) != NULL)
            return cf_template_fail(tmpl, unit, tag->at, err,
                                    "this is no name; where braces are meant as text, set other "
                                    "delimiters, such as {{=<%% %%>=}}");
        if (is_path && byte == '.') {
            if (part_is_empty)
                break;
            part_is_empty = true;
        } else {
            part_is_empty = false;
        }
    }
    if (part_is_empty)
        return cf_template_fail(tmpl, unit, tag->at, err,
                                "\"%.*s\" has an empty part between its dots",
                                cf_template_shown(name, tag->len), name);
    return true;
}

bool cf_tag_read_delimiters(const struct cf_template *tmpl, const struct cf_template_unit *unit,
                            const struct cf_tag *tag, struct cf_template_delimiters *out,
                            struct cf_error *err)
{
    const char *content = unit->text + tag->start;
    uint32_t open_len = 0;
    uint32_t gap;

    while (open_len < tag->len && !is_space(content[open_len]))
        open_len++;
    gap = open_len;
    while (gap < tag->len && is_space(content[gap]))
        gap++;

    uint32_t close_len = tag->len - gap;
    if (open_len == 0 || close_len == 0)
        return cf_template_fail(tmpl, unit, tag->at, err,
                                "two delimiters are needed, such as {{=<%% %%>=}}");
    if (open_len > CF_TEMPLATE_DELIMITER_MAX || close_len > CF_TEMPLATE_DELIMITER_MAX)
        return cf_template_fail(tmpl, unit, tag->at, err, "a delimiter has at most %d bytes",
                                CF_TEMPLATE_DELIMITER_MAX);
    for (uint32_t i = 0; i < tag->len; i++) {
        if (content[i] == '=' || (i >= gap && is_space(content[i])))
            return cf_template_fail(tmpl, unit, tag->at, err,
                                    "delimiters have no space and no = in them, and are two");
    }
    *out = (struct cf_template_delimiters){ .open_len = open_len, .close_len = close_len };
    memcpy(out->open, content, open_len);
    memcpy(out->close, content + gap, close_len);
    return true;
}
