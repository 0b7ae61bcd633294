#include "store/read_lane.h"

#include <stdio.h>

#include "store/reader_impl.h"

bool cf_reader_lanes(struct cf_reader *reader, const char *base_url, struct cf_lane_row *rows,
                     size_t max, size_t *out_count, struct cf_error *err)
{
    struct cf_query query = cf_db_query(
        &reader->db,
        "SELECT limit_class, max_requests, max_input_tokens, max_output_tokens, window_ms, source"
        " FROM lanes"
        " WHERE base_url = ? ORDER BY learnt_at DESC LIMIT ?");
    cf_query_str(&query, base_url);
    cf_query_int(&query, (int64_t)max);

    size_t count = 0;
    int next;
    while ((next = cf_query_next(&query, err)) > 0 && count < max) {
        struct cf_lane_row *row = &rows[count++];
        cf_column_copy(&query, 0, row->limit_class, sizeof row->limit_class);
        row->max_requests = cf_column_int(&query, 1);
        row->max_input_tokens = cf_column_int(&query, 2);
        row->max_output_tokens = cf_column_int(&query, 3);
        row->window_ms = cf_column_int(&query, 4);
        cf_column_copy(&query, 5, row->source, sizeof row->source);
    }
    if (next < 0)
        return false;
    if (next > 0)
        cf_query_end(&query);
    *out_count = count;
    return true;
}
