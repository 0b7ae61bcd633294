#include <string.h>

#include "confab/buf.h"
#include "conversation/transcript.h"
#include "conversation/words.h"

#define COLUMNS_MAX 16

struct row {
    struct { const char *text; size_t len; } cells[COLUMNS_MAX];
    size_t count;
    bool is_closed;    /* ends with its '|' */
};

/* Splits "| a | b |"; "\|" is no border. */
static bool split_row(const char *line, const char *end, struct row *row)
{
    size_t len = (size_t)(end - line);
    cf_transcript_trim(&line, &len);
    end = line + len;
    if (len == 0 || *line != '|')
        return false;

    const char *cell = line + 1;
    row->count = 0;
    for (const char *at = cell; at < end; at++) {
        if (*at == '\\' && at + 1 < end) {
            at++;
        } else if (*at == '|' && row->count < COLUMNS_MAX) {
            row->cells[row->count].text = cell;
            row->cells[row->count].len = (size_t)(at - cell);
            cf_transcript_trim(&row->cells[row->count].text, &row->cells[row->count].len);
            row->count++;
            cell = at + 1;
        }
    }
    row->is_closed = cell == end;
    return row->count > 0;
}

/* Which columns hold role and text, by the words of the heading. */
static bool read_heading(const struct row *row, size_t *out_role, size_t *out_text)
{
    bool has_role = false, has_text = false;

    for (size_t i = 0; i < row->count; i++) {
        enum cf_key_class class = cf_key_lookup(row->cells[i].text, row->cells[i].len).class;
        if (class == CF_KEY_ROLE && !has_role) {
            has_role = true;
            *out_role = i;
        } else if (class == CF_KEY_CONTENT && !has_text) {
            has_text = true;
            *out_text = i;
        }
    }
    return has_role && has_text;
}

static bool is_border(const struct row *row)
{
    const char *text = row->cells[0].text;
    for (size_t i = 0; i < row->cells[0].len; i++) {
        if (text[i] != '-' && text[i] != ':')
            return false;
    }
    return row->cells[0].len > 0;
}

/* A cell as text: "<br>" is a line break, "\|" a bar. */
static void add_cell(struct cf_conversation *out, enum cf_role role, const char *text, size_t len)
{
    static const char *const breaks[] = { "<br>", "<br/>", "<br />" };
    struct cf_buf cell;
    cf_buf_init(&cell, len + 1);

    for (size_t at = 0; at < len;) {
        size_t skip = 0;
        for (size_t i = 0; i < 3 && skip == 0; i++) {
            size_t size = strlen(breaks[i]);
            if (len - at >= size && memcmp(text + at, breaks[i], size) == 0)
                skip = size;
        }
        if (skip > 0) {
            cf_buf_addc(&cell, '\n');
            at += skip;
            continue;
        }
        if (text[at] == '\\' && at + 1 < len && text[at + 1] == '|')
            at++;
        cf_buf_addc(&cell, text[at++]);
    }
    cf_conversation_add(out, role, cf_buf_str(&cell), cell.len);
    cf_buf_done(&cell);
}

/* A role cell, perhaps in bold. */
static bool read_role(const char *text, size_t len, enum cf_role *out)
{
    while (len > 0 && (*text == '*' || *text == '_'))
        text++, len--;
    while (len > 0 && (text[len - 1] == '*' || text[len - 1] == '_'))
        len--;
    return cf_role_parse(text, len, out);
}

bool cf_transcript_table(const char *text, size_t len, struct cf_conversation *out, bool *out_cut)
{
    const char *end = text + len;
    bool in_table = false;
    size_t role_column = 0, text_column = 0;

    *out_cut = false;
    for (const char *line = text; line < end && out->turn_count < CF_TURNS_MAX;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const char *line_end = newline == NULL ? end : newline;
        struct row row;
        enum cf_role role;
        bool is_row = split_row(line, line_end, &row);

        line = newline == NULL ? end : newline + 1;
        if (!in_table) {
            in_table = is_row && read_heading(&row, &role_column, &text_column);
            continue;
        }
        if (!is_row)
            break;
        if (newline == NULL && !row.is_closed) {
            *out_cut = true;
            break;
        }
        if (is_border(&row))
            continue;
        if (row.count <= role_column || row.count <= text_column ||
            !read_role(row.cells[role_column].text, row.cells[role_column].len, &role)) {
            cf_conversation_done(out);
            return false;
        }
        add_cell(out, role, row.cells[text_column].text, row.cells[text_column].len);
    }
    return cf_transcript_accept(out);
}
