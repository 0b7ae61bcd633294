#include "cli/loose.h"

#include <sqlite3.h>

#include "cli/database.h"
#include "store/reader.h"

bool cf_loose_count(struct cf_reader *reader, const struct cf_run_row *row, struct cf_loose *out,
                    struct cf_error *err)
{
    sqlite3_stmt *stmt;
    *out = (struct cf_loose){ .is_all = false };
    if (row->account.planned > 0)
        return true;
    if (!cf_database_query(
            reader,
            "SELECT count(*), sum(state = 'done' AND accepted AND key <> ''),"
            " sum(state = 'done' AND NOT accepted AND key <> ''), sum(state = 'failed')"
            " FROM items WHERE run = ?1 AND ordinal IS NULL AND NOT orphan",
            row->run, &stmt, err))
        return false;
    int found = cf_database_step(stmt, err);
    if (found > 0)
        *out = (struct cf_loose){
            .is_all = sqlite3_column_int64(stmt, 0) > 0,
            .accepted = sqlite3_column_int64(stmt, 1),
            .needs_revision = sqlite3_column_int64(stmt, 2),
            .failed = sqlite3_column_int64(stmt, 3),
        };
    sqlite3_finalize(stmt);
    return found > 0;
}
