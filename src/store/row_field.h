/* row_field.h - a column of a query as a field of JSON. */
#ifndef CONFAB_STORE_ROW_FIELD_H
#define CONFAB_STORE_ROW_FIELD_H

#include <stdint.h>

#include "base/text.h"

struct cf_buf;
struct sqlite3_stmt;

enum cf_field_kind {
    CF_FIELD_TEXT,
    CF_FIELD_JSON,
    CF_FIELD_COUNT,
    CF_FIELD_FLAG,
    CF_FIELD_USD,      /* of integer pico-dollars */
    CF_FIELD_REAL,
};

/* Adds it to the open object; NULL is null. */
void cf_row_add_field(struct cf_buf *out, struct sqlite3_stmt *row, int column, const char *name,
                      enum cf_field_kind kind);

/* What a column says: a text lent until the next step, a number or -1 for NULL. */
struct cf_text cf_row_text(struct sqlite3_stmt *row, int column);
int64_t        cf_row_count(struct sqlite3_stmt *row, int column);
#endif
