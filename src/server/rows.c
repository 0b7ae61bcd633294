#include "server/rows.h"

#include <sqlite3.h>

#include "base/object.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "store/reader.h"

void cf_rows_add(struct cf_buf *out, sqlite3_stmt *row, const struct cf_row_field *fields)
{
    for (int i = 0; fields[i].name != NULL; i++)
        cf_row_add_field(out, row, i, fields[i].name, fields[i].kind);
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
