/* Reads of what requests were counted as, to calibrate estimates by. */
#include <stdlib.h>

#include "base/mem.h"
#include "store/reader_impl.h"

struct cf_usage_cursor {
    struct cf_query query;
    struct cf_usage_row row;
};

bool cf_usages_open(struct cf_reader *reader, const char *model, bool simulated, int64_t last,
                    struct cf_usage_cursor **out_cursor, struct cf_error *err)
{
    struct cf_query query;
    /* Only the newest calls are looked through: there is no index by model. */
    if (!cf_cursor_open(reader,
                        "SELECT q.body, c.input_tokens + coalesce(c.cache_write_5m_tokens, 0)"
                        " + coalesce(c.cache_write_1h_tokens, 0) + coalesce(c.cache_read_tokens, 0)"
                        " FROM calls c JOIN items i ON i.id = c.item JOIN runs r ON r.id = i.run"
                        " JOIN call_requests q ON q.call = c.id"
                        " WHERE c.id > (SELECT max(id) FROM calls) - 10 * ?3 AND c.model = ?1"
                        " AND c.state = 'done' AND c.input_tokens IS NOT NULL AND r.simulated = ?2"
                        " ORDER BY c.id DESC LIMIT ?3",
                        &query, err))
        return false;
    sqlite3_bind_text(query.stmt, 1, model, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int(query.stmt, 2, simulated);
    sqlite3_bind_int64(query.stmt, 3, last);

    struct cf_usage_cursor *cursor = cf_calloc(1, sizeof *cursor);
    cursor->query = query;
    *out_cursor = cursor;
    return true;
}

int cf_usages_next(struct cf_usage_cursor *cursor, const struct cf_usage_row **out_row,
                   struct cf_error *err)
{
    int next = cf_query_next(&cursor->query, err);
    if (next > 0) {
        cursor->row.request = cf_column_text(&cursor->query, 0);
        cursor->row.input_tokens = cf_column_int(&cursor->query, 1);
        *out_row = &cursor->row;
    }
    return next;
}

void cf_usages_free(struct cf_usage_cursor *cursor)
{
    if (cursor == NULL)
        return;
    cf_cursor_close(&cursor->query);
    free(cursor);
}
