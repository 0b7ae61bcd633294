/* Reads of the generation log. */
#include <stdlib.h>

#include "base/mem.h"
#include "confab/buf.h"
#include "store/reader_impl.h"

struct cf_log_cursor {
    struct cf_query query;
    struct cf_log_row row;
};

bool cf_logs_open(struct cf_reader *reader, const struct cf_log_filter *filter,
                  struct cf_log_cursor **out_cursor, struct cf_error *err)
{
    struct cf_buf sql = { .max = 4096 };
    struct cf_query query;

    cf_buf_adds(
        &sql,
        "SELECT * FROM (SELECT l.id AS log, l.run, l.item, l.call, l.attempt, i.key, l.status,"
        " l.http_status, l.error_kind, l.error_message, l.input_tokens, l.output_tokens, "
        "l.cost_pico,"
        " l.at_risk_pico, l.duration_ms, l.request_id, l.model, l.created_at"
        " FROM generation_logs l JOIN items i ON i.id = l.item WHERE 1");
    if (filter->run != 0)
        cf_buf_adds(&sql, " AND l.run = ?1");
    if (filter->item != 0)    /* there is no index by item: its calls lead there */
        cf_buf_adds(&sql, " AND l.call IN (SELECT id FROM calls WHERE item = ?2)");
    if (filter->call != 0)
        cf_buf_adds(&sql, " AND l.call = ?3");
    if (filter->failures_only)
        cf_buf_adds(&sql, " AND l.status <> 'success'");
    if (filter->last > 0)
        cf_buf_adds(&sql, " ORDER BY l.id DESC LIMIT ?4");
    cf_buf_adds(&sql, ") ORDER BY log");

    bool ok = cf_cursor_open(reader, cf_buf_str(&sql), &query, err);
    cf_buf_done(&sql);
    if (!ok)
        return false;
    sqlite3_bind_int64(query.stmt, 1,
                       filter->run); /* binding what is not in the text does nothing */
    sqlite3_bind_int64(query.stmt, 2, filter->item);
    sqlite3_bind_int64(query.stmt, 3, filter->call);
    sqlite3_bind_int64(query.stmt, 4, filter->last);

    struct cf_log_cursor *cursor = cf_calloc(1, sizeof *cursor);
    cursor->query = query;
    *out_cursor = cursor;
    return true;
}

int cf_logs_next(struct cf_log_cursor *cursor, const struct cf_log_row **out_row,
                 struct cf_error *err)
{
    const struct cf_query *query = &cursor->query;
    struct cf_log_row *row = &cursor->row;

    int next = cf_query_next(&cursor->query, err);
    if (next <= 0)
        return next;
    row->log = cf_column_int(query, 0);
    row->run = cf_column_int(query, 1);
    row->item = cf_column_int(query, 2);
    row->call = cf_column_int(query, 3);
    row->attempt = cf_column_int(query, 4);
    row->key = cf_column_text(query, 5);
    row->status = cf_column_str(query, 6);
    row->http_status = (int)cf_column_int(query, 7);
    row->error_kind = cf_column_str(query, 8);
    row->error_message = cf_column_str(query, 9);
    row->input_tokens = cf_column_count(query, 10);
    row->output_tokens = cf_column_count(query, 11);
    row->cost_pico = cf_column_count(query, 12);
    row->at_risk_pico = cf_column_int(query, 13);
    row->duration_ms = cf_column_count(query, 14);
    row->request_id = cf_column_str(query, 15);
    row->model = cf_column_str(query, 16);
    row->created_at = cf_column_str(query, 17);
    *out_row = row;
    return 1;
}

void cf_logs_free(struct cf_log_cursor *cursor)
{
    if (cursor == NULL)
        return;
    cf_cursor_close(&cursor->query);
    free(cursor);
}
