/* Items and calls: rows that nothing but `confab show` reads whole, so their columns stand in
 * tables here. */
#include "cli/show.h"

#include <sqlite3.h>

#include "cli/database.h"
#include "cli/object.h"
#include "cli/print.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "store/reader.h"

#define BODY_MAX (128u << 20) /* twice the largest reply that is taken */

/* The columns of a query in their order, shown and printed under these names. */
struct column {
    const char *label, *name;
    enum { TEXT, JSON, COUNT, FLAG, USD, REAL } kind;
};

static struct cf_text column_text(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    return (struct cf_text){ text, (size_t)sqlite3_column_bytes(row, column) };
}

static int64_t column_count(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL ? -1 : sqlite3_column_int64(row, column);
}

/* But for the first, which is in the heading. */
static void print_columns(const struct column *columns, sqlite3_stmt *row)
{
    for (int i = 1; columns[i].label != NULL; i++) {
        if (sqlite3_column_type(row, i) == SQLITE_NULL)
            continue;
        if (columns[i].kind == COUNT)
            cf_show_count(columns[i].label, column_count(row, i));
        else if (columns[i].kind == USD)
            cf_show_usd(columns[i].label, column_count(row, i));
        else if (columns[i].kind != FLAG)
            cf_show_field(columns[i].label, column_text(row, i));
        else if (sqlite3_column_int(row, i) != 0)
            cf_show_str(columns[i].label, "yes");
    }
}

static void add_columns(struct cf_buf *out, const struct column *columns, sqlite3_stmt *row)
{
    for (int i = 0; columns[i].label != NULL; i++) {
        const char *name = columns[i].name;
        switch (columns[i].kind) {
        case TEXT: cf_object_text(out, name, column_text(row, i)); break;
        case JSON: cf_object_json(out, name, column_text(row, i)); break;
        case COUNT: cf_object_count(out, name, column_count(row, i)); break;
        case FLAG: cf_object_bool(out, name, sqlite3_column_int(row, i) != 0); break;
        case USD: cf_object_usd(out, name, column_count(row, i)); break;
        case REAL:
            if (sqlite3_column_type(row, i) == SQLITE_NULL)
                cf_object_str(out, name, NULL);
            else
                cf_object_number(out, name, sqlite3_column_double(row, i));
            break;
        }
    }
}

/* The rows of a query about the id: as a list of the open object, or each under a heading. */
static bool show_rows(struct cf_reader *reader, const char *sql, int64_t id,
                      const struct column *columns, const char *heading, const char *list,
                      struct cf_buf *json, struct cf_error *err)
{
    sqlite3_stmt *row;
    int next;
    if (!cf_database_query(reader, sql, id, &row, err))
        return false;
    if (json != NULL && list != NULL)
        cf_object_open_list(json, list);
    while ((next = cf_database_step(row, err)) > 0) {
        if (json == NULL) {
            cf_printf("%s%s%lld\n", list != NULL ? "\n" : "", heading,
                      sqlite3_column_int64(row, 0));
            print_columns(columns, row);
        } else if (list == NULL) {
            add_columns(json, columns, row);
        } else {
            cf_object_open(json, NULL);
            add_columns(json, columns, row);
            cf_object_close(json);
        }
    }
    if (json != NULL && list != NULL)
        cf_object_close_list(json);
    sqlite3_finalize(row);
    return next == 0;
}

/* --- calls --- */

#define CALLS_SQL                                                                                 \
    "SELECT c.id, r.name, i.key, i.id, c.state, c.branch, lower(hex(c.request_hash)), c.ordinal," \
    " c.attempts, c.set_aside, c.model, c.model_answered, c.stop_reason, c.max_tokens,"           \
    " c.input_tokens, c.output_tokens, c.cache_write_5m_tokens, c.cache_write_1h_tokens,"         \
    " c.cache_read_tokens, c.thinking_tokens, c.cost_pico, c.bound_pico, c.at_risk_pico,"         \
    " c.latency_ms, c.request_id, c.sent_at, c.done_at"                                           \
    " FROM calls c JOIN items i ON i.id = c.item JOIN runs r ON r.id = i.run"

static const struct column call_columns[] = {
    { "call", "call", COUNT },
    { "run", "run", TEXT },
    { "item", "item", TEXT },
    { "item id", "item_id", COUNT },
    { "state", "state", TEXT },
    { "branch", "branch", TEXT },
    { "hash", "request_hash", TEXT },
    { "ordinal", "ordinal", COUNT },
    { "attempts", "attempts", COUNT },
    { "set aside", "set_aside", FLAG },
    { "model", "model", TEXT },
    { "answered by", "model_answered", TEXT },
    { "stopped", "stop_reason", TEXT },
    { "max tokens", "max_tokens", COUNT },
    { "tokens in", "input_tokens", COUNT },
    { "tokens out", "output_tokens", COUNT },
    { "cached 5m", "cache_write_5m_tokens", COUNT },
    { "cached 1h", "cache_write_1h_tokens", COUNT },
    { "cache read", "cache_read_tokens", COUNT },
    { "thinking", "thinking_tokens", COUNT },
    { "cost", "cost_usd", USD },
    { "at most", "bound_usd", USD },
    { "at risk", "at_risk_usd", USD },
    { "latency ms", "latency_ms", COUNT },
    { "request id", "request_id", TEXT },
    { "sent", "sent_at", TEXT },
    { "done", "done_at", TEXT },
    { NULL, NULL, TEXT },
};

/* The request or the reply; a body that is no JSON is shown as text. */
static bool show_body(int (*read)(struct cf_reader *, int64_t, struct cf_buf *, struct cf_error *),
                      const char *name, struct cf_reader *reader, int64_t id, struct cf_buf *json,
                      struct cf_error *err)
{
    struct cf_buf body;
    cf_buf_init(&body, BODY_MAX);
    int found = read(reader, id, &body, err);
    if (found >= 0 && json != NULL)
        cf_object_json(json, name,
                       (struct cf_text){ found > 0 ? cf_buf_str(&body) : NULL, body.len });
    else if (found > 0)
        cf_show_block(name, (struct cf_text){ cf_buf_str(&body), body.len });
    cf_buf_done(&body);
    return found >= 0;
}

static bool show_call(struct cf_reader *reader, int64_t id, struct cf_buf *json,
                      struct cf_error *err)
{
    return show_rows(reader, CALLS_SQL " WHERE c.id = ?1", id, call_columns, "call:", NULL, json,
                     err) &&
           show_body(cf_reader_request, "request", reader, id, json, err) &&
           show_body(cf_reader_reply, "reply", reader, id, json, err);
}

/* --- items --- */

static const struct column item_columns[] = {
    { "item", "item_id", COUNT },     { "run", "run", TEXT },
    { "run id", "run_id", TEXT },     { "key", "key", TEXT },
    { "ordinal", "ordinal", COUNT },  { "state", "state", TEXT },
    { "accepted", "accepted", FLAG }, { "surplus", "surplus", FLAG },
    { "set aside", "orphan", FLAG },  { "passes", "attempts", COUNT },
    { "error", "error_kind", TEXT },  { "because", "error_message", TEXT },
    { "parameters", "params", JSON }, { "begun", "created_at", TEXT },
    { "ended", "finished_at", TEXT }, { NULL, NULL, TEXT },
};

static const struct column part_columns[] = {
    { "part", "part", COUNT },
    { "id", "id", TEXT },
    { "version", "version", COUNT },
    { "status", "status", TEXT },
    { "score", "quality_score", REAL },
    { "superseded", "superseded", FLAG },
    { NULL, NULL, TEXT },
};

static bool show_item(struct cf_reader *reader, int64_t id, struct cf_buf *json,
                      struct cf_error *err)
{
    static const char item_sql[] =
        "SELECT i.id, r.name, r.uuid, i.key, i.ordinal, i.state, i.accepted, i.surplus, i.orphan,"
        " i.attempts, i.error_kind, i.error_message, i.params, i.created_at, i.finished_at"
        " FROM items i JOIN runs r ON r.id = i.run WHERE i.id = ?1";
    static const char parts_sql[] =
        "SELECT part, uuid, version, status, quality_score, superseded_by IS NOT NULL"
        " FROM conversations WHERE item = ?1 ORDER BY part, version";
    return show_rows(reader, item_sql, id, item_columns, "item:", NULL, json, err) &&
           show_rows(reader, parts_sql, id, part_columns, "conversation ", "conversations", json,
                     err) &&
           show_rows(reader, CALLS_SQL " WHERE c.item = ?1 ORDER BY c.id", id, call_columns,
                     "call:", "calls", json, err);
}

/* --- either way --- */

static bool show(bool (*show_it)(struct cf_reader *, int64_t, struct cf_buf *, struct cf_error *),
                 const char *kind, struct cf_reader *reader, int64_t id, bool as_json,
                 struct cf_error *err)
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

bool cf_show_item(struct cf_reader *reader, int64_t id, bool as_json, struct cf_error *err)
{
    return show(show_item, "item", reader, id, as_json, err);
}

bool cf_show_call(struct cf_reader *reader, int64_t id, bool as_json, struct cf_error *err)
{
    return show(show_call, "call", reader, id, as_json, err);
}
