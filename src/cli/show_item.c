/* Items and calls: rows that nothing but `confab show` reads whole, so their columns stand in
 * tables here. */
#include "cli/show.h"

#include "base/object.h"
#include "cli/rows.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "store/reader.h"

#define BODY_MAX (128u << 20) /* twice the largest reply that is taken */

/* --- calls --- */

#define CALLS_SQL                                                                                 \
    "SELECT c.id, r.name, i.key, i.id, c.state, c.branch, lower(hex(c.request_hash)), c.ordinal," \
    " c.attempts, c.set_aside, c.model, c.model_answered, c.stop_reason, c.max_tokens,"           \
    " (SELECT nullif(json_extract(q.body, '$.max_tokens') - c.max_tokens, 0)"                     \
    "  FROM call_requests q WHERE q.call = c.id AND json_valid(q.body)),"                         \
    " c.input_tokens, c.output_tokens, c.cache_write_5m_tokens, c.cache_write_1h_tokens,"         \
    " c.cache_read_tokens, c.thinking_tokens, c.cost_pico, c.bound_pico, c.at_risk_pico,"         \
    " c.latency_ms, c.request_id, c.sent_at, c.done_at"                                           \
    " FROM calls c JOIN items i ON i.id = c.item JOIN runs r ON r.id = i.run"

static const struct cf_row_column call_columns[] = {
    { "call", "call", CF_FIELD_COUNT },
    { "run", "run", CF_FIELD_TEXT },
    { "item", "item", CF_FIELD_TEXT },
    { "item id", "item_id", CF_FIELD_COUNT },
    { "state", "state", CF_FIELD_TEXT },
    { "branch", "branch", CF_FIELD_TEXT },
    { "hash", "request_hash", CF_FIELD_TEXT },
    { "ordinal", "ordinal", CF_FIELD_COUNT },
    { "attempts", "attempts", CF_FIELD_COUNT },
    { "set aside", "set_aside", CF_FIELD_FLAG },
    { "model", "model", CF_FIELD_TEXT },
    { "answered by", "model_answered", CF_FIELD_TEXT },
    { "stopped", "stop_reason", CF_FIELD_TEXT },
    { "max tokens", "max_tokens", CF_FIELD_COUNT },
    { "and to think", "thinking_room", CF_FIELD_COUNT },    /* what confab added to the request */
    { "tokens in", "input_tokens", CF_FIELD_COUNT },
    { "tokens out", "output_tokens", CF_FIELD_COUNT },
    { "cached 5m", "cache_write_5m_tokens", CF_FIELD_COUNT },
    { "cached 1h", "cache_write_1h_tokens", CF_FIELD_COUNT },
    { "cache read", "cache_read_tokens", CF_FIELD_COUNT },
    { "thinking", "thinking_tokens", CF_FIELD_COUNT },
    { "cost", "cost_usd", CF_FIELD_USD },
    { "at most", "bound_usd", CF_FIELD_USD },
    { "at risk", "at_risk_usd", CF_FIELD_USD },
    { "latency ms", "latency_ms", CF_FIELD_COUNT },
    { "request id", "request_id", CF_FIELD_TEXT },
    { "sent", "sent_at", CF_FIELD_TEXT },
    { "done", "done_at", CF_FIELD_TEXT },
    { NULL, NULL, CF_FIELD_TEXT },
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
    static const struct cf_rows call = {
        CALLS_SQL " WHERE c.id = ?1", call_columns, "call:", NULL, NULL,
    };
    return cf_rows_show(&call, reader, id, json, err) &&
           show_body(cf_reader_request, "request", reader, id, json, err) &&
           show_body(cf_reader_reply, "reply", reader, id, json, err);
}

/* --- items --- */

static const struct cf_row_column item_columns[] = {
    { "item", "item_id", CF_FIELD_COUNT },     { "run", "run", CF_FIELD_TEXT },
    { "run id", "run_id", CF_FIELD_TEXT },     { "key", "key", CF_FIELD_TEXT },
    { "ordinal", "ordinal", CF_FIELD_COUNT },  { "state", "state", CF_FIELD_TEXT },
    { "accepted", "accepted", CF_FIELD_FLAG }, { "surplus", "surplus", CF_FIELD_FLAG },
    { "set aside", "orphan", CF_FIELD_FLAG },  { "passes", "attempts", CF_FIELD_COUNT },
    { "error", "error_kind", CF_FIELD_TEXT },  { "because", "error_message", CF_FIELD_TEXT },
    { "parameters", "params", CF_FIELD_JSON }, { "begun", "created_at", CF_FIELD_TEXT },
    { "ended", "finished_at", CF_FIELD_TEXT }, { NULL, NULL, CF_FIELD_TEXT },
};

static const struct cf_row_column part_columns[] = {
    { "part", "part", CF_FIELD_COUNT },
    { "id", "id", CF_FIELD_TEXT },
    { "version", "version", CF_FIELD_COUNT },
    { "status", "status", CF_FIELD_TEXT },
    { "score", "quality_score", CF_FIELD_REAL },
    { "superseded", "superseded", CF_FIELD_FLAG },
    { NULL, NULL, CF_FIELD_TEXT },
};

static bool show_item(struct cf_reader *reader, int64_t id, struct cf_buf *json,
                      struct cf_error *err)
{
    static const struct cf_rows item = {
        "SELECT i.id, r.name, r.uuid, i.key, i.ordinal, i.state, i.accepted, i.surplus, i.orphan,"
        " i.attempts, i.error_kind, i.error_message, i.params, i.created_at, i.finished_at"
        " FROM items i JOIN runs r ON r.id = i.run WHERE i.id = ?1",
        item_columns, "item:", NULL, NULL,
    };
    static const struct cf_rows parts = {
        "SELECT part, uuid, version, status, quality_score, superseded_by IS NOT NULL"
        " FROM conversations WHERE item = ?1 ORDER BY part, version",
        part_columns, "conversation ", "conversations", NULL,
    };
    static const struct cf_rows calls = {
        CALLS_SQL " WHERE c.item = ?1 ORDER BY c.id", call_columns, "call:", "calls", NULL,
    };
    return cf_rows_show(&item, reader, id, json, err) &&
           cf_rows_show(&parts, reader, id, json, err) &&
           cf_rows_show(&calls, reader, id, json, err);
}

/* --- either way --- */

bool cf_show_item(struct cf_reader *reader, int64_t id, bool as_json, struct cf_error *err)
{
    return cf_rows_as(as_json, "item", show_item, reader, id, err);
}

bool cf_show_call(struct cf_reader *reader, int64_t id, bool as_json, struct cf_error *err)
{
    return cf_rows_as(as_json, "call", show_call, reader, id, err);
}
