/* The results of a run: its items in order of the plan, a page at a time. */
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "base/object.h"
#include "server/conversation_object.h"
#include "server/reading.h"
#include "server/request.h"
#include "server/rows.h"
#include "server/runs.h"
#include "store/reader.h"

#define LIMIT_MAX 500
#define DEFAULT_LIMIT 50

/* Items outside a plan come after it, in the order in which they were made. */
#define PAGE(state)                                                                            \
    "SELECT key, id, ordinal, state, accepted, surplus, attempts, error_kind, error_message, " \
    "params,"                                                                                  \
    " created_at, finished_at FROM items WHERE run = ?1 AND NOT orphan AND key <> ''" state    \
    " AND (coalesce(ordinal, 1 << 40), id) > (?2, ?3)"                                         \
    " ORDER BY coalesce(ordinal, 1 << 40), id LIMIT ?4"

/* Of a plan alone the index gives the order, so that a page reads a page. */
#define PLANNED(state)                                                                         \
    "SELECT key, id, ordinal, state, accepted, surplus, attempts, error_kind, error_message, " \
    "params,"                                                                                  \
    " created_at, finished_at FROM items INDEXED BY items_ordinal WHERE run = ?1 AND NOT "     \
    "orphan" state " AND ordinal > ?2 ORDER BY ordinal LIMIT ?4"

static const char page_sql[] = PAGE(""), page_state_sql[] = PAGE(" AND state = ?5");
static const char planned_sql[] = PLANNED(""), planned_state_sql[] = PLANNED(" AND state = ?5");

static const struct cf_row_field fields[] = {
    { "item", CF_FIELD_TEXT },         { "itemId", CF_FIELD_COUNT },
    { "ordinal", CF_FIELD_COUNT },     { "state", CF_FIELD_TEXT },
    { "accepted", CF_FIELD_FLAG },     { "surplus", CF_FIELD_FLAG },
    { "attempts", CF_FIELD_COUNT },    { "errorKind", CF_FIELD_TEXT },
    { "errorMessage", CF_FIELD_TEXT }, { "parameters", CF_FIELD_JSON },
    { "createdAt", CF_FIELD_TEXT },    { "finishedAt", CF_FIELD_TEXT },
    { NULL, CF_FIELD_TEXT },
};

struct wanted {
    const char *state;
    int64_t after_ordinal, after_item, limit;
    bool turns;
};

static void read_cursor(struct cf_params *params, struct wanted *wanted)
{
    const char *text = NULL;
    long long ordinal, item;
    char rest;
    cf_params_text(params, "cursor", &text);
    if (text == NULL)
        return;
    if (sscanf(text, "%lld.%lld%c", &ordinal, &item, &rest) != 2)
        cf_problems_add(params->problems, "cursor", "is none of ours");
    wanted->after_ordinal = ordinal;
    wanted->after_item = item;
}

static void read_wanted(struct cf_params *params, struct wanted *wanted)
{
    static const char *const names[] = { "state", "cursor", "limit", "turns", NULL };
    static const char *const states[] = { "pending", "done", "failed", "skipped", NULL };
    cf_params_only(params, names);
    cf_params_word(params, "state", states, &wanted->state);
    cf_params_int(params, "limit", 1, LIMIT_MAX, &wanted->limit);
    cf_params_bool(params, "turns", &wanted->turns);
    read_cursor(params, wanted);
}

/* "conversations": the parts that the item counts with. */
static bool add_conversations(struct cf_buf *out, struct cf_reader *reader, int64_t item,
                              bool turns, struct cf_error *err)
{
    struct cf_conversation_filter filter = { .item = item };
    struct cf_conversation_cursor *cursor;
    const struct cf_conversation_row *row;
    int next;
    if (!cf_conversations_open(reader, &filter, &cursor, err))
        return false;
    cf_object_open_list(out, "conversations");
    while ((next = cf_conversations_next(cursor, &row, err)) > 0)
        if ((next = cf_conversation_object(out, NULL, reader, row->conversation,
                                           (struct cf_conversation_parts){ .turns = turns }, err)) <
            0)
            break;
    cf_object_close_list(out);
    cf_conversations_free(cursor);
    return next >= 0;
}

static bool add_page(struct cf_buf *out, struct cf_reader *reader, const struct cf_run_row *run,
                     const struct wanted *wanted, struct cf_error *err)
{
    bool is_plan = run->account.planned > 0;
    const char *sql = is_plan ? (wanted->state != NULL ? planned_state_sql : planned_sql)
                              : (wanted->state != NULL ? page_state_sql : page_sql);
    int64_t count = 0, item = 0, ordinal = -1;
    sqlite3_stmt *row;
    int rc;
    if (!cf_reader_sql(reader, sql, &row, err))
        return false;
    sqlite3_bind_int64(row, 1, run->run);
    sqlite3_bind_int64(row, 2, wanted->after_ordinal);
    sqlite3_bind_int64(row, 3, wanted->after_item);
    sqlite3_bind_int64(row, 4, wanted->limit);
    sqlite3_bind_text(row, 5, wanted->state, -1, SQLITE_STATIC);

    bool ok = true;
    cf_object_open_list(out, "data");
    while (ok && (rc = sqlite3_step(row)) == SQLITE_ROW) {
        item = sqlite3_column_int64(row, 1);
        ordinal = sqlite3_column_type(row, 2) == SQLITE_NULL ? INT64_C(1) << 40
                                                             : sqlite3_column_int64(row, 2);
        cf_object_open(out, NULL);
        cf_rows_add(out, row, fields);
        ok = add_conversations(out, reader, item, wanted->turns, err);
        cf_object_close(out);
        count++;
    }
    sqlite3_finalize(row);
    cf_object_close_list(out);
    if (ok && rc != SQLITE_DONE)
        return cf_fail(err, CF_ERR_STORAGE, "reading the database: %s", sqlite3_errstr(rc));
    if (count == wanted->limit) {
        char cursor[64];
        snprintf(cursor, sizeof cursor, "%lld.%lld", (long long)ordinal, (long long)item);
        cf_object_str(out, "nextCursor", cursor);
    } else {
        cf_object_str(out, "nextCursor", NULL);
    }
    return ok;
}

static int make(struct cf_reading *reading)
{
    struct wanted wanted = { .after_ordinal = -1, .limit = DEFAULT_LIMIT, .turns = true };
    struct cf_buf *out = &reading->json;
    const struct cf_run_row *row;
    read_wanted(&reading->params, &wanted);
    if (reading->problems.count > 0)
        return 1;
    int found = cf_reading_run(reading, reading->exchange->id, &row);
    if (found <= 0)
        return found;
    cf_object_str(out, "runId", row->uuid);
    cf_object_str(out, "state", row->state);
    cf_object_count(out, "total", row->account.planned > 0 ? row->account.planned : -1);
    return add_page(out, reading->reader, row, &wanted, &reading->err) ? 1 : -1;
}

void cf_runs_results(struct cf_http_exchange *exchange, struct cf_server *server)
{
    cf_reading_answer(exchange, server, "run", make);
}
