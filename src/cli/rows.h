/* rows.h - the rows of a query shown whole: which columns, under which names, stands in a table. */
#ifndef CONFAB_CLI_ROWS_H
#define CONFAB_CLI_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/row_field.h"

struct cf_buf;
struct cf_error;
struct cf_reader;

/* A column of the query, in its order. */
struct cf_row_column {
    const char *label, *name; /* for people, in JSON; label NULL ends the table */
    enum cf_field_kind kind;
};

struct cf_rows {
    const char *sql; /* the id is ?1; the first column is an id, too */
    const struct cf_row_column *columns;
    const char *heading; /* before the first column, such as "call:" */
    const char *list;    /* the list's name in JSON; NULL: one row, fields of the open object */

    /* Shows what belongs to the row, in its object; may be NULL. */
    bool (*show_more)(struct cf_reader *reader, int64_t id, struct cf_buf *json,
                      struct cf_error *err);
};

/* Shows the rows of the query about an id: in the open object of json, or for people if it is
 * NULL. */
bool cf_rows_show(const struct cf_rows *rows, struct cf_reader *reader, int64_t id,
                  struct cf_buf *json, struct cf_error *err);

/* Runs show_it with a JSON object of that kind, printed at its end, or with none. */
bool cf_rows_as(bool as_json, const char *kind,
                bool (*show_it)(struct cf_reader *, int64_t, struct cf_buf *, struct cf_error *),
                struct cf_reader *reader, int64_t id, struct cf_error *err);
#endif
