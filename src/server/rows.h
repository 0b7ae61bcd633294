/* rows.h - the rows of a query as JSON: which column stands under which name is a table. */
#ifndef CONFAB_SERVER_ROWS_H
#define CONFAB_SERVER_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/row_field.h"

struct cf_buf;
struct cf_error;
struct cf_reader;
struct sqlite3_stmt;

/* A column of the query, in its order; NULL is null. */
struct cf_row_field {
    const char *name;        /* NULL ends the table */
    enum cf_field_kind kind;
};

/* The fields of a row, in the open object. */
void cf_rows_add(struct cf_buf *out, struct sqlite3_stmt *row, const struct cf_row_field *fields);

/* A list of what the query gives, ?1 being the id, under that name in the open object. */
bool cf_rows_list(struct cf_buf *out, const char *name, struct cf_reader *reader, const char *sql,
                  int64_t id, const struct cf_row_field *fields, struct cf_error *err);

/* The fields of the query's only row, ?1 being the id, in the open object. */
bool cf_rows_fields(struct cf_buf *out, struct cf_reader *reader, const char *sql, int64_t id,
                    const struct cf_row_field *fields, struct cf_error *err);
#endif
