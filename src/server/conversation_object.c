#include "server/conversation_object.h"

#include <sqlite3.h>

#include "base/object.h"
#include "confab/error.h"
#include "server/rows.h"
#include "store/reader.h"
#include "store/row_object.h"

static const char edits_sql[] =
    "SELECT field, turn_index, before, after, note, author, created_at FROM edits"
    " WHERE conversation = ?1 ORDER BY id";

/* The calls that its turns came from. */
static const char calls_sql[] =
    "SELECT n.first_turn, n.last_turn, c.id, coalesce(c.model_answered, c.model), c.stop_reason,"
    " c.input_tokens, c.output_tokens, c.cost_pico, c.latency_ms, c.request_id, c.sent_at"
    " FROM turn_calls n JOIN calls c ON c.id = n.call WHERE n.conversation = ?1 ORDER BY 1, 3";

static const char versions_sql[] =
    "SELECT o.uuid, o.version, o.superseded_by IS NULL AND NOT o.withdrawn, o.status, "
    "o.quality_score,"
    " o.created_at FROM conversations c JOIN conversations o ON o.item = c.item AND o.part = c.part"
    " WHERE c.id = ?1 ORDER BY o.version";

static const struct cf_row_field edit_fields[] = {
    { "field", CF_FIELD_TEXT },  { "turnIndex", CF_FIELD_COUNT }, { "before", CF_FIELD_TEXT },
    { "after", CF_FIELD_TEXT },  { "note", CF_FIELD_TEXT },       { "author", CF_FIELD_TEXT },
    { "createdAt", CF_FIELD_TEXT }, { NULL, CF_FIELD_TEXT },
};

static const struct cf_row_field call_fields[] = {
    { "firstTurn", CF_FIELD_COUNT },    { "lastTurn", CF_FIELD_COUNT },
    { "call", CF_FIELD_COUNT },         { "model", CF_FIELD_TEXT },
    { "stopReason", CF_FIELD_TEXT },    { "inputTokens", CF_FIELD_COUNT },
    { "outputTokens", CF_FIELD_COUNT }, { "cost", CF_FIELD_USD },
    { "latencyMs", CF_FIELD_COUNT },    { "requestId", CF_FIELD_TEXT },
    { "sentAt", CF_FIELD_TEXT },        { NULL, CF_FIELD_TEXT },
};

static const struct cf_row_field version_fields[] = {
    { "id", CF_FIELD_TEXT },     { "version", CF_FIELD_COUNT },    { "isCurrent", CF_FIELD_FLAG },
    { "status", CF_FIELD_TEXT }, { "qualityScore", CF_FIELD_REAL }, { "createdAt", CF_FIELD_TEXT },
    { NULL, CF_FIELD_TEXT },
};

static bool add_history(struct cf_buf *out, struct cf_reader *reader, int64_t conversation,
                        struct cf_error *err)
{
    return cf_rows_list(out, "edits", reader, edits_sql, conversation, edit_fields, err) &&
           cf_rows_list(out, "calls", reader, calls_sql, conversation, call_fields, err) &&
           cf_rows_list(out, "versions", reader, versions_sql, conversation, version_fields, err);
}

static void add_row(struct cf_buf *out, const struct cf_conversation_row *row, bool with_turns)
{
    cf_object_str(out, "id", row->uuid);
    cf_object_str(out, "templateId", row->template_uuid);
    cf_object_str(out, "template", row->template_name);
    cf_object_count(out, "templateVersion",
                    row->template_name != NULL ? row->template_version : -1);
    cf_object_text(out, "persona", row->persona);
    cf_object_text(out, "emotion", row->emotion);
    cf_object_text(out, "topic", row->topic);
    cf_object_text(out, "tier", row->tier);
    cf_object_json(out, "parameters", row->parameters);
    cf_object_str(out, "status", row->status);
    cf_object_number(out, "qualityScore", row->quality_score);
    cf_object_json(out, "qualityBreakdown", row->quality_breakdown);
    cf_object_int(out, "turnCount", (int64_t)row->turn_count);
    if (with_turns)
        cf_row_add_turns(out, row);
    cf_row_add_tags(out, row);
    cf_object_usd(out, "cost", row->cost_pico);
    cf_object_str(out, "model", row->model);
    cf_object_text(out, "documentId", row->document_id);
    cf_object_text(out, "chunkId", row->chunk_id);
    cf_object_str(out, "runId", row->run_uuid);
    cf_object_str(out, "run", row->run_name);
    cf_object_text(out, "item", row->key);
    cf_object_count(out, "ordinal", row->ordinal);
    cf_object_int(out, "part", row->part);
    cf_object_int(out, "version", row->version);
    cf_object_bool(out, "superseded", row->superseded_by != 0);
    cf_object_bool(out, "orphan", row->orphan);
    cf_object_bool(out, "surplus", row->surplus);
    cf_object_bool(out, "truncated", row->truncated);
    cf_object_bool(out, "simulated", row->simulated);
    cf_object_str(out, "reviewNote", row->review_note);
    cf_object_str(out, "reviewedAt", row->reviewed_at);
    cf_object_str(out, "createdAt", row->created_at);
}

int cf_conversation_object(struct cf_buf *out, const char *name, struct cf_reader *reader,
                           int64_t conversation, struct cf_conversation_parts parts,
                           struct cf_error *err)
{
    struct cf_conversation_filter filter = { .conversation = conversation };
    struct cf_conversation_cursor *cursor;
    const struct cf_conversation_row *row;
    if (!cf_conversations_open(reader, &filter, &cursor, err))
        return -1;
    int found = cf_conversations_next(cursor, &row, err);
    if (found > 0) {
        cf_object_open(out, name);
        add_row(out, row, parts.turns);
        if (parts.history && !add_history(out, reader, conversation, err))
            found = -1;
        cf_object_close(out);
    }
    cf_conversations_free(cursor);
    return found;
}
