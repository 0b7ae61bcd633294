#include "cli/print.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "confab/buf.h"
#include "confab/error.h"

#define LINE_MAX_BYTES (64u << 20)
#define BEHIND_MAX     (16u << 20)

static bool is_terminal(void)
{
    static int known = -1;
    if (known < 0)
        known = isatty(STDOUT_FILENO);
    return known;
}

/* The length of a control character at text, 0 if there is none: C0, DEL, and C1 (U+0080 to
 * U+009F). */
static size_t control_at(const char *text, size_t len)
{
    unsigned char c = (unsigned char)text[0];
    if (c < 0x20 || c == 0x7f)
        return 1;
    return len > 1 && c == 0xc2 && (unsigned char)text[1] >= 0x80 && (unsigned char)text[1] < 0xa0
               ? 2
               : 0;
}

void cf_print_text(struct cf_text text)
{
    if (!is_terminal()) {
        fwrite(text.data, 1, text.data != NULL ? text.len : 0, stdout);
        return;
    }
    for (size_t i = 0; i < text.len;) {
        size_t len = control_at(text.data + i, text.len - i);
        if (len > 0 && text.data[i] != '\n' && text.data[i] != '\t') {
            putchar('?');
            i += len;
        } else {
            putchar(text.data[i++]);
        }
    }
}

/* One line of it, cleaned whether or not it goes to a terminal: a table has no room for more. */
static void add_line(struct cf_buf *out, struct cf_text text, size_t max_chars)
{
    size_t chars = 0;
    for (size_t i = 0; i < text.len;) {
        if (max_chars > 0 && chars + 1 >= max_chars &&
            cf_utf8_length(text.data + i, text.len - i) > 1) {
            cf_buf_adds(out, "\xe2\x80\xa6"); /* … */
            return;
        }
        size_t control = control_at(text.data + i, text.len - i);
        size_t sequence = cf_utf8_sequence(text.data + i, text.len - i);
        if (isspace((unsigned char)text.data[i])) {
            while (i < text.len && isspace((unsigned char)text.data[i]))
                i++;
            cf_buf_addc(out, ' ');
        } else if (control > 0 || sequence == 0) {
            cf_buf_addc(out, '?');
            i += control > 0 ? control : 1;
        } else {
            cf_buf_add(out, text.data + i, sequence);
            i += sequence;
        }
        chars++;
    }
}

void cf_print_line(struct cf_text text, size_t max_chars)
{
    struct cf_buf line;
    cf_buf_init(&line, LINE_MAX_BYTES);
    add_line(&line, text, max_chars);
    fputs(cf_buf_str(&line), stdout);
    cf_buf_done(&line);
}

void cf_printf(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
}

/* --- tables --- */

void cf_table_init(struct cf_table *table, const char *aligned)
{
    *table = (struct cf_table){ .columns = strlen(aligned), .aligned = aligned };
}

void cf_table_add_text(struct cf_table *table, struct cf_text text, size_t max_chars)
{
    struct cf_buf line;
    cf_buf_init(&line, LINE_MAX_BYTES);
    add_line(&line, text, max_chars);
    if (table->count == table->cap) {
        table->cap = table->cap == 0 ? 64 : table->cap * 2;
        table->cells = cf_realloc(table->cells, table->cap * sizeof *table->cells);
    }
    table->cells[table->count++] = cf_buf_take(&line, NULL);
}

void cf_table_add(struct cf_table *table, const char *text)
{
    if (text == NULL)
        text = "-";
    cf_table_add_text(table, (struct cf_text){ text, strlen(text) }, 0);
}

static size_t width_of(const char *text)
{
    return cf_utf8_length(text, strlen(text));
}

static size_t column_width(const struct cf_table *table, size_t column)
{
    size_t widest = 0;
    for (size_t i = column; i < table->count; i += table->columns)
        if (width_of(table->cells[i]) > widest)
            widest = width_of(table->cells[i]);
    return widest;
}

void cf_table_print(struct cf_table *table)
{
    size_t *widths = cf_calloc(table->columns, sizeof *widths);
    for (size_t column = 0; column < table->columns; column++)
        widths[column] = column_width(table, column);
    for (size_t i = 0; i < table->count; i++) {
        size_t column = i % table->columns;
        bool is_last = column + 1 == table->columns;
        int padding = (int)(widths[column] - width_of(table->cells[i]));
        if (table->aligned[column] == 'r')
            printf("%*s%s", padding, "", table->cells[i]);
        else
            printf("%s%*s", table->cells[i], is_last ? 0 : padding, "");
        fputs(is_last ? "\n" : "  ", stdout);
    }
    free(widths);
    cf_table_done(table);
}

void cf_table_done(struct cf_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    table->cells = NULL;
    table->count = table->cap = 0;
}

static struct cf_buf behind = { .max = BEHIND_MAX };

void cf_print_behind(const char *text)
{
    cf_buf_adds(&behind, text);
}

void cf_print_what_is_behind(void)
{
    if (behind.len > 0) {
        cf_redact(behind.data);
        fputs(behind.data, stderr);
    }
    cf_buf_done(&behind);
}

bool cf_print_finish(struct cf_error *err)
{
    bool is_flushed = fflush(stdout) == 0;
    if (is_flushed && ferror(stdout) == 0)
        return true;
    /* The reason of an earlier write that failed is not known any more. */
    return cf_fail(err, CF_ERR_STORAGE, "standard output: %s",
                   is_flushed ? "not all could be written" : strerror(errno));
}
