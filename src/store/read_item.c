/* Reads of items, of their journal, and of raw requests and replies. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "confab/money.h"
#include "store/reader_impl.h"

#define ITEM_COLUMNS                                                                               \
    "SELECT id, run, ordinal, key, params, recorded, state, accepted, orphan, surplus, attempts," \
    " error_kind, error_message FROM items"

static void fill_item(struct cf_item_row *row, const struct cf_query *query, struct cf_kept *kept)
{
    row->item = cf_column_int(query, 0);
    row->run = cf_column_int(query, 1);
    row->ordinal = cf_column_count(query, 2);
    row->key = cf_keep_text(query, 3, kept);
    row->params = cf_keep_text(query, 4, kept);
    row->recorded = cf_keep_text(query, 5, kept);
    row->state = cf_keep_str(query, 6, kept);
    row->accepted = cf_column_int(query, 7) != 0;
    row->orphan = cf_column_int(query, 8) != 0;
    row->surplus = cf_column_int(query, 9) != 0;
    row->attempts = cf_column_int(query, 10);
    row->error_kind = cf_keep_str(query, 11, kept);
    row->error_message = cf_keep_str(query, 12, kept);
}

struct cf_item_cursor {
    struct cf_query query;
    struct cf_item_row row;
};

bool cf_items_open(struct cf_reader *reader, const struct cf_item_filter *filter,
                   struct cf_item_cursor **out_cursor, struct cf_error *err)
{
    struct cf_query query;
    if (!cf_cursor_open(reader,
                        ITEM_COLUMNS
                        " INDEXED BY items_ordinal WHERE run = ?1 AND (?2 IS NULL OR state = ?2)"
                        " AND (?3 OR NOT orphan) ORDER BY ordinal, id",
                        &query, err))
        return false;
    sqlite3_bind_int64(query.stmt, 1, filter->run);
    sqlite3_bind_text(query.stmt, 2, filter->state, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int(query.stmt, 3, filter->with_orphans);

    struct cf_item_cursor *cursor = cf_calloc(1, sizeof *cursor);
    cursor->query = query;
    *out_cursor = cursor;
    return true;
}

int cf_items_next(struct cf_item_cursor *cursor, const struct cf_item_row **out_row,
                  struct cf_error *err)
{
    int next = cf_query_next(&cursor->query, err);
    if (next > 0) {
        fill_item(&cursor->row, &cursor->query, NULL);
        *out_row = &cursor->row;
    }
    return next;
}

void cf_items_free(struct cf_item_cursor *cursor)
{
    if (cursor == NULL)
        return;
    cf_cursor_close(&cursor->query);
    free(cursor);
}

int cf_reader_item(struct cf_reader *reader, int64_t run, struct cf_text key,
                   const struct cf_item_row **out_row, struct cf_error *err)
{
    struct cf_query query = cf_db_query(&reader->db, ITEM_COLUMNS " WHERE run = ? AND key = ?");
    cf_query_int(&query, run);
    cf_query_text(&query, key);
    int found = cf_query_next(&query, err);
    if (found <= 0)
        return found;
    cf_kept_clear(&reader->item_kept);
    fill_item(&reader->item, &query, &reader->item_kept);
    cf_query_end(&query);
    *out_row = &reader->item;
    return 1;
}

/* 1: the totals say that no item of the plan is pending or failed; 0; -1. */
static int is_all_finished(struct cf_reader *reader, int64_t run, struct cf_error *err)
{
    struct cf_query query =
        cf_db_query(&reader->db, "SELECT items_surplus = 0 AND items_drawn = items_accepted + "
                                 "items_needs_revision + items_skipped"
                                 " FROM runs WHERE id = ?");
    cf_query_int(&query, run);
    int found = cf_query_next(&query, err);
    if (found <= 0)
        return found;
    bool is_all = cf_column_int(&query, 0) != 0;
    cf_query_end(&query);
    return is_all;
}

bool cf_reader_first_unfinished(struct cf_reader *reader, int64_t run, bool any_failed,
                                int64_t *out_ordinal, struct cf_error *err)
{
    int is_all = is_all_finished(reader, run, err);
    if (is_all < 0)
        return false;
    struct cf_query query;
    int found = 0;
    if (is_all == 0) {
        query = cf_db_query(
            &reader->db,
            "SELECT ordinal FROM items INDEXED BY items_ordinal WHERE run = ?1 AND ordinal >= 0"
            " AND NOT orphan AND (state = 'pending' OR (state = 'failed' AND (?2 OR error_kind NOT "
            "IN " CF_KINDS_ON_CONTENT "))) ORDER BY ordinal LIMIT 1");
        cf_query_int(&query, run);
        cf_query_int(&query, any_failed);
        found = cf_query_next(&query, err);
    }
    if (found == 0) {
        query = cf_db_query(&reader->db,
                            "SELECT coalesce(max(ordinal), -1) + 1 FROM items WHERE run = ?");
        cf_query_int(&query, run);
        found = cf_query_next(&query, err);
    }
    if (found <= 0)
        return false;
    *out_ordinal = cf_column_int(&query, 0);
    cf_query_end(&query);
    return true;
}

/* --- journal --- */

bool cf_journal_call_fill(struct cf_journal_call *call, const struct cf_query *query, int first,
                          struct cf_error *err)
{
    memset(call, 0, sizeof *call);
    call->call = cf_column_int(query, first);
    cf_column_copy(query, first + 1, call->branch, sizeof call->branch);
    if (sqlite3_column_bytes(query->stmt, first + 2) != CF_SHA256_SIZE)
        return cf_fail(err, CF_ERR_STORAGE, "%s: call %lld has a damaged request hash",
                       query->db->path, (long long)call->call);
    memcpy(call->request_hash, sqlite3_column_blob(query->stmt, first + 2), CF_SHA256_SIZE);
    call->ordinal = cf_column_int(query, first + 3);
    cf_column_copy(query, first + 4, call->state, sizeof call->state);
    call->set_aside = cf_column_int(query, first + 5) != 0;
    call->attempts = cf_column_int(query, first + 6);
    call->template = cf_column_int(query, first + 7);
    call->max_tokens = cf_column_int(query, first + 8);
    call->bound_pico = cf_column_count(query, first + 9);
    call->at_risk_pico = cf_column_int(query, first + 10);
    cf_column_copy(query, first + 11, call->model_answered, sizeof call->model_answered);
    cf_column_copy(query, first + 12, call->stop_reason, sizeof call->stop_reason);
    call->usage = (struct cf_token_usage){
        .input = cf_column_count(query, first + 13),
        .output = cf_column_count(query, first + 14),
        .cache_write_5m = cf_column_count(query, first + 15),
        .cache_write_1h = cf_column_count(query, first + 16),
        .cache_read = cf_column_count(query, first + 17),
        .thinking = cf_column_count(query, first + 18),
    };
    call->cost_pico = cf_column_count(query, first + 19);
    call->latency_ms = cf_column_count(query, first + 20);
    cf_column_copy(query, first + 21, call->request_id, sizeof call->request_id);
    return true;
}

bool cf_reader_journal(struct cf_reader *reader, int64_t item, struct cf_journal_call **out_calls,
                       size_t *out_count, struct cf_error *err)
{
    struct cf_journal_call *calls = NULL;
    size_t count = 0, cap = 0;
    int next;

    struct cf_query query = cf_db_query(
        &reader->db,
        "SELECT " CF_JOURNAL_COLUMNS " FROM calls c INDEXED BY calls_item WHERE item = ?"
        " ORDER BY c.id");
    cf_query_int(&query, item);
    while ((next = cf_query_next(&query, err)) > 0) {
        if (count == cap) {
            cap = cap == 0 ? 4 : cap * 2;
            calls = cf_realloc(calls, cap * sizeof *calls);
        }
        if (!cf_journal_call_fill(&calls[count], &query, 0, err)) {
            cf_query_end(&query);
            next = -1;
            break;
        }
        count++;
    }
    if (next < 0) {
        free(calls);
        return false;
    }
    *out_calls = calls;
    *out_count = count;
    return true;
}

static int add_body(struct cf_reader *reader, const char *sql, int64_t call, struct cf_buf *out,
                    struct cf_error *err)
{
    struct cf_query query = cf_db_query(&reader->db, sql);
    cf_query_int(&query, call);
    int found = cf_query_next(&query, err);
    if (found <= 0)
        return found;
    struct cf_text body = cf_column_text(&query, 0);
    cf_buf_add(out, body.data, body.len);
    cf_query_end(&query);
    if (!cf_buf_ok(out)) {
        cf_fail(err, CF_ERR_STORAGE, "the text of call %lld is over %zu bytes", (long long)call,
                out->max);
        return -1;
    }
    return 1;
}

int cf_reader_reply(struct cf_reader *reader, int64_t call, struct cf_buf *out,
                    struct cf_error *err)
{
    return add_body(reader, "SELECT body FROM call_replies WHERE call = ?", call, out, err);
}

int cf_reader_request(struct cf_reader *reader, int64_t call, struct cf_buf *out,
                      struct cf_error *err)
{
    return add_body(reader, "SELECT body FROM call_requests WHERE call = ?", call, out, err);
}
