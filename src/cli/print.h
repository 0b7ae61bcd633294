/* print.h - results on standard output: for people, with what could steer a terminal cleaned away.
 *
 * Text from the database was written by models and scripts. On a terminal its control characters
 * become '?'; into a file or pipe it goes as it is. Whether writing worked is asked once,
 * at the end, by main (cf_print_finish). */
#ifndef CONFAB_CLI_PRINT_H
#define CONFAB_CLI_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/format.h"
#include "base/text.h"

struct cf_error;

/* Prints text; lines stay lines. */
void cf_print_text(struct cf_text text);

/* Prints text on one line: white space runs become one space, cut to max_chars (0: not) with
 * "...". */
void cf_print_line(struct cf_text text, size_t max_chars);

/* printf of our own words; every string given must be ours or go through the two above. */
void cf_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Lines of cells in columns that are as wide as need be. Cells are added row by row. */
struct cf_table {
    size_t columns;
    const char *aligned; /* one 'l' or 'r' a column */
    char **cells;        /* owned */
    size_t count, cap;
};

void cf_table_init(struct cf_table *table, const char *aligned);
void cf_table_add(struct cf_table *table, const char *text); /* copied, made one line */
void cf_table_add_text(struct cf_table *table, struct cf_text text, size_t max_chars);
void cf_table_print(struct cf_table *table); /* prints and empties it */
void cf_table_done(struct cf_table *table);

/* Keeps text that follows the command's error, or its end if there is none, for main to print.
 * Copied. */
void cf_print_behind(const char *text);

/* Prints that, to standard error and without keys. */
void cf_print_what_is_behind(void);

/* Flushes standard output. storage_error if what was printed could not be written. */
bool cf_print_finish(struct cf_error *err);
#endif
