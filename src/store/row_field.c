#include "store/row_field.h"

#include <math.h>

#include <sqlite3.h>

#include "base/object.h"

struct cf_text cf_row_text(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    return (struct cf_text){ text, (size_t)sqlite3_column_bytes(row, column) };
}

static bool is_null(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL;
}

int64_t cf_row_count(sqlite3_stmt *row, int column)
{
    return is_null(row, column) ? -1 : sqlite3_column_int64(row, column);
}

void cf_row_add_field(struct cf_buf *out, sqlite3_stmt *row, int column, const char *name,
                      enum cf_field_kind kind)
{
    switch (kind) {
    case CF_FIELD_TEXT: cf_object_text(out, name, cf_row_text(row, column)); break;
    case CF_FIELD_JSON: cf_object_json(out, name, cf_row_text(row, column)); break;
    case CF_FIELD_COUNT: cf_object_count(out, name, cf_row_count(row, column)); break;
    case CF_FIELD_FLAG: cf_object_bool(out, name, sqlite3_column_int(row, column) != 0); break;
    case CF_FIELD_USD: cf_object_usd(out, name, cf_row_count(row, column)); break;
    case CF_FIELD_REAL:
        cf_object_number(out, name,
                         is_null(row, column) ? NAN : sqlite3_column_double(row, column));
        break;
    }
}
