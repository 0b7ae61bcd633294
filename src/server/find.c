#include "server/find.h"

#include <string.h>

#include <sqlite3.h>

int cf_find_id(struct cf_reader *reader, const char *text, enum cf_id_kind kind, int64_t *out_id,
               struct cf_error *err)
{
    enum cf_id_kind found_kind;
    int64_t id;
    int found = cf_reader_find(reader, text, &found_kind, &id, err);
    if (found <= 0)
        return found;
    if (found_kind != kind)
        return 0;
    *out_id = id;
    return 1;
}

int cf_find_template(struct cf_reader *reader, const char *text, int64_t *out_id,
                     struct cf_error *err)
{
    static const char sql[] =
        "SELECT id FROM templates WHERE name = ?1 ORDER BY version DESC LIMIT 1";
    sqlite3_stmt *row;
    if (!cf_reader_sql(reader, sql, &row, err))
        return -1;
    sqlite3_bind_text(row, 1, text, -1, SQLITE_STATIC);
    bool is_name = sqlite3_step(row) == SQLITE_ROW;
    if (is_name)
        *out_id = sqlite3_column_int64(row, 0);
    sqlite3_finalize(row);
    return is_name ? 1 : cf_find_id(reader, text, CF_ID_TEMPLATE, out_id, err);
}

const char *cf_find_status(const char *text, size_t len)
{
    static const char *const statuses[] = { "generated", "needs_revision", "approved", "rejected" };
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (strlen(statuses[i]) == len && memcmp(statuses[i], text, len) == 0)
            return statuses[i];
    return NULL;
}
