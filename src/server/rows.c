#include "server/rows.h"

#include <math.h>

#include <sqlite3.h>

#include "base/object.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "store/reader.h"

static struct cf_text column_text(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    return (struct cf_text){ text, (size_t)sqlite3_column_bytes(row, column) };
}

static int64_t column_count(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL ? -1 : sqlite3_column_int64(row, column);
}

void cf_rows_add(struct cf_buf *out, sqlite3_stmt *row, const struct cf_row_field *fields)
{
    for (int i = 0; fields[i].name != NULL; i++) {
        const char *name = fields[i].name;
        switch (fields[i].kind) {
        case CF_FIELD_TEXT: cf_object_text(out, name, column_text(row, i)); break;
        case CF_FIELD_JSON: cf_object_json(out, name, column_text(row, i)); break;
        case CF_FIELD_COUNT: cf_object_count(out, name, column_count(row, i)); break;
        case CF_FIELD_FLAG: cf_object_bool(out, name, sqlite3_column_int(row, i) != 0); break;
        case CF_FIELD_USD: cf_object_usd(out, name, column_count(row, i)); break;
        case CF_FIELD_REAL:
            cf_object_number(
                out, name,
                sqlite3_column_type(row, i) == SQLITE_NULL ? NAN : sqlite3_column_double(row, i));
            break;
        }
    }
}

/* Each row as an element, or the fields of one without. */
static bool add_rows(struct cf_buf *out, struct cf_reader *reader, const char *sql, int64_t id,
                     const struct cf_row_field *fields, bool is_list, struct cf_error *err)
{
    sqlite3_stmt *row;
    int rc;
    if (!cf_reader_sql(reader, sql, &row, err))
        return false;
    sqlite3_bind_int64(row, 1, id);    /* of a query without ?1: nothing */
    while ((rc = sqlite3_step(row)) == SQLITE_ROW) {
        if (is_list)
            cf_object_open(out, NULL);
        cf_rows_add(out, row, fields);
        if (is_list)
            cf_object_close(out);
    }
    sqlite3_finalize(row);
    return rc == SQLITE_DONE ||
           cf_fail(err, CF_ERR_STORAGE, "reading the database: %s", sqlite3_errstr(rc));
}

bool cf_rows_list(struct cf_buf *out, const char *name, struct cf_reader *reader, const char *sql,
                  int64_t id, const struct cf_row_field *fields, struct cf_error *err)
{
    cf_object_open_list(out, name);
    bool ok = add_rows(out, reader, sql, id, fields, true, err);
    cf_object_close_list(out);
    return ok;
}

bool cf_rows_fields(struct cf_buf *out, struct cf_reader *reader, const char *sql, int64_t id,
                    const struct cf_row_field *fields, struct cf_error *err)
{
    return add_rows(out, reader, sql, id, fields, false, err);
}
