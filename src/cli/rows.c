#include "cli/rows.h"

#include <sqlite3.h>

#include "cli/database.h"
#include "base/object.h"
#include "cli/print.h"
#include "cli/show.h"
#include "confab/buf.h"

/* But for the first, which is in the heading. */
static void print_columns(const struct cf_row_column *columns, sqlite3_stmt *row)
{
    for (int i = 1; columns[i].label != NULL; i++) {
        if (sqlite3_column_type(row, i) == SQLITE_NULL)
            continue;
        if (columns[i].kind == CF_FIELD_COUNT)
            cf_show_count(columns[i].label, cf_row_count(row, i));
        else if (columns[i].kind == CF_FIELD_USD)
            cf_show_usd(columns[i].label, cf_row_count(row, i));
        else if (columns[i].kind != CF_FIELD_FLAG)
            cf_show_field(columns[i].label, cf_row_text(row, i));
        else if (sqlite3_column_int(row, i) != 0)
            cf_show_str(columns[i].label, "yes");
    }
}

static void add_columns(struct cf_buf *out, const struct cf_row_column *columns, sqlite3_stmt *row)
{
    for (int i = 0; columns[i].label != NULL; i++)
        cf_row_add_field(out, row, i, columns[i].name, columns[i].kind);
}

static bool show_row(const struct cf_rows *rows, struct cf_reader *reader, sqlite3_stmt *row,
                     struct cf_buf *json, struct cf_error *err)
{
    int64_t id = sqlite3_column_int64(row, 0);
    bool is_element = json != NULL && rows->list != NULL;
    if (json == NULL) {
        cf_printf("%s%s%lld\n", rows->list != NULL ? "\n" : "", rows->heading, (long long)id);
        print_columns(rows->columns, row);
    } else {
        if (is_element)
            cf_object_open(json, NULL);
        add_columns(json, rows->columns, row);
    }
    bool ok = rows->show_more == NULL || rows->show_more(reader, id, json, err);
    if (is_element)
        cf_object_close(json);
    return ok;
}

bool cf_rows_show(const struct cf_rows *rows, struct cf_reader *reader, int64_t id,
                  struct cf_buf *json, struct cf_error *err)
{
    sqlite3_stmt *row;
    int next;
    if (!cf_database_query(reader, rows->sql, id, &row, err))
        return false;
    if (json != NULL && rows->list != NULL)
        cf_object_open_list(json, rows->list);
    while ((next = cf_database_step(row, err)) > 0) {
        if (!show_row(rows, reader, row, json, err)) {
            next = -1;
            break;
        }
    }
    if (json != NULL && rows->list != NULL)
        cf_object_close_list(json);
    sqlite3_finalize(row);
    return next == 0;
}

bool cf_rows_as(bool as_json, const char *kind,
                bool (*show_it)(struct cf_reader *, int64_t, struct cf_buf *, struct cf_error *),
                struct cf_reader *reader, int64_t id, struct cf_error *err)
{
    if (!as_json)
        return show_it(reader, id, NULL, err);
    struct cf_buf out;
    cf_buf_init(&out, CF_OBJECT_MAX);
    cf_object_open(&out, NULL);
    cf_object_str(&out, "kind", kind);
    bool ok = show_it(reader, id, &out, err);
    cf_object_close(&out);
    ok = ok && cf_object_print(&out, err);
    cf_buf_done(&out);
    return ok;
}
