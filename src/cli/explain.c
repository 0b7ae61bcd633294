#include "cli/explain.h"

#include <sqlite3.h>

#include "cli/command.h"
#include "cli/database.h"
#include "cli/rows.h"
#include "confab/error.h"
#include "store/reader.h"

static const struct cf_option options[] = {
    { "json", 0, NULL, false, "print one JSON object" },
    { NULL, 0, NULL, false, NULL },
};

/* --- calls --- */

#define CALLS_SQL                                                                                \
    "SELECT c.id, c.state, t.name || ', version ' || t.version, t.uuid, c.model, "               \
    "c.model_answered,"                                                                          \
    " c.request_id, c.attempts, nullif(c.branch, ''), c.set_aside, c.stop_reason, c.max_tokens," \
    " c.input_tokens, c.output_tokens, c.cost_pico, nullif(c.at_risk_pico, 0), c.latency_ms,"    \
    " c.sent_at, c.done_at"                                                                      \
    " FROM calls c LEFT JOIN templates t ON t.id = c.template"

static const struct cf_row_column call_columns[] = {
    { "call", "call", CF_FIELD_COUNT },
    { "state", "state", CF_FIELD_TEXT },
    { "template", "template", CF_FIELD_TEXT },
    { "template id", "template_id", CF_FIELD_TEXT },
    { "asked", "model", CF_FIELD_TEXT },
    { "answered by", "model_answered", CF_FIELD_TEXT },
    { "request id", "request_id", CF_FIELD_TEXT },
    { "attempts", "attempt_count", CF_FIELD_COUNT },
    { "branch", "branch", CF_FIELD_TEXT },
    { "set aside", "set_aside", CF_FIELD_FLAG },
    { "stopped", "stop_reason", CF_FIELD_TEXT },
    { "max tokens", "max_tokens", CF_FIELD_COUNT },
    { "tokens in", "input_tokens", CF_FIELD_COUNT },
    { "tokens out", "output_tokens", CF_FIELD_COUNT },
    { "cost", "cost_usd", CF_FIELD_USD },
    { "at risk", "at_risk_usd", CF_FIELD_USD },
    { "latency ms", "latency_ms", CF_FIELD_COUNT },
    { "sent", "sent_at", CF_FIELD_TEXT },
    { "done", "done_at", CF_FIELD_TEXT },
    { NULL, NULL, CF_FIELD_TEXT },
};

/* --- items --- */

#define ITEMS_SQL                                                                          \
    "SELECT i.id, r.name, r.uuid, r.generation, i.key, i.state, i.attempts, i.error_kind," \
    " i.error_message, i.params FROM items i JOIN runs r ON r.id = i.run"

static const struct cf_row_column item_columns[] = {
    { "item", "item_id", CF_FIELD_COUNT },
    { "run", "run", CF_FIELD_TEXT },
    { "run id", "run_id", CF_FIELD_TEXT },
    { "generation", "generation", CF_FIELD_COUNT },
    { "key", "key", CF_FIELD_TEXT },
    { "state", "item_state", CF_FIELD_TEXT },
    { "passes", "passes", CF_FIELD_COUNT },
    { "error", "error_kind", CF_FIELD_TEXT },
    { "because", "error_message", CF_FIELD_TEXT },
    { "parameters", "item_parameters", CF_FIELD_JSON },
    { NULL, NULL, CF_FIELD_TEXT },
};

static const struct cf_row_column version_columns[] = {
    { "part", "part", CF_FIELD_COUNT },
    { "id", "id", CF_FIELD_TEXT },
    { "version", "version", CF_FIELD_COUNT },
    { "status", "status", CF_FIELD_TEXT },
    { "score", "quality_score", CF_FIELD_REAL },
    { "breakdown", "quality_breakdown", CF_FIELD_JSON },
    { "cost", "cost_usd", CF_FIELD_USD },
    { "replaced by", "superseded_by", CF_FIELD_TEXT },
    { NULL, NULL, CF_FIELD_TEXT },
};

static bool explain_item(struct cf_reader *reader, int64_t id, struct cf_buf *json,
                         struct cf_error *err)
{
    static const struct cf_rows item = { ITEMS_SQL " WHERE i.id = ?1", item_columns, "item:", NULL,
                                         NULL };
    static const struct cf_rows versions = {
        "SELECT c.part, c.uuid, c.version, c.status, c.quality_score, c.quality_breakdown, "
        "c.cost_pico, s.uuid"
        " FROM conversations c LEFT JOIN conversations s ON s.id = c.superseded_by"
        " WHERE c.item = ?1 ORDER BY c.part, c.version",
        version_columns,
        "conversation ",
        "conversations",
        NULL,
    };
    static const struct cf_rows calls = {
        CALLS_SQL " WHERE c.item = ?1 ORDER BY c.id",
        call_columns,
        "call:",
        "calls",
        cf_explain_call_more,
    };
    return cf_rows_show(&item, reader, id, json, err) &&
           cf_rows_show(&versions, reader, id, json, err) &&
           cf_rows_show(&calls, reader, id, json, err);
}

static bool explain_call(struct cf_reader *reader, int64_t id, struct cf_buf *json,
                         struct cf_error *err)
{
    static const struct cf_rows call = {
        CALLS_SQL " WHERE c.id = ?1", call_columns, "call:", NULL, cf_explain_call_more,
    };
    static const struct cf_rows item = {
        ITEMS_SQL " WHERE i.id = (SELECT item FROM calls WHERE id = ?1)",
        item_columns,
        "\nfor item:",
        NULL,
        NULL,
    };
    return cf_rows_show(&call, reader, id, json, err) && cf_rows_show(&item, reader, id, json, err);
}

/* --- conversations --- */

static const struct cf_row_column conversation_columns[] = {
    { "conversation", "row", CF_FIELD_COUNT },
    { "id", "id", CF_FIELD_TEXT },
    { "part", "part", CF_FIELD_COUNT },
    { "version", "version", CF_FIELD_COUNT },
    { "in place of", "supersedes", CF_FIELD_TEXT },
    { "replaced by", "superseded_by", CF_FIELD_TEXT },
    { "branch of", "branch_of", CF_FIELD_TEXT },
    { "from turn", "branch_turn", CF_FIELD_COUNT },
    { "branches", "branches", CF_FIELD_TEXT },
    { "turns by", "turns_by", CF_FIELD_TEXT },
    { "template", "template", CF_FIELD_TEXT },
    { "template id", "template_id", CF_FIELD_TEXT },
    { "parameters", "parameters", CF_FIELD_JSON },
    { "answered by", "model", CF_FIELD_TEXT },
    { "status", "status", CF_FIELD_TEXT },
    { "score", "quality_score", CF_FIELD_REAL },
    { "breakdown", "quality_breakdown", CF_FIELD_JSON },
    { "cost", "cost_usd", CF_FIELD_USD },
    { "cut off", "truncated", CF_FIELD_FLAG },
    { "simulated", "simulated", CF_FIELD_FLAG },
    { "made", "created_at", CF_FIELD_TEXT },
    { NULL, NULL, CF_FIELD_TEXT },
};

static bool explain_conversation(struct cf_reader *reader, int64_t id, struct cf_buf *json,
                                 struct cf_error *err)
{
    static const struct cf_rows conversation = {
        "SELECT c.id, c.uuid, c.part, c.version,"
        " (SELECT o.uuid FROM conversations o WHERE o.superseded_by = c.id AND o.item = c.item"
        "  AND o.part = c.part ORDER BY o.version DESC LIMIT 1),"
        " s.uuid, b.uuid, c.branch_turn + 1,"
        " (SELECT group_concat(uuid, ', ') FROM conversations WHERE item = c.item AND branch_of = "
        "c.id),"
        " (SELECT group_concat(turns || ' by call:' || call, ', ') FROM (SELECT call, first_turn + "
        "1 ||"
        "  CASE WHEN last_turn > first_turn THEN '-' || (last_turn + 1) ELSE '' END AS turns"
        "  FROM turn_calls WHERE conversation = c.id ORDER BY first_turn, call)),"
        " t.name || ', version ' || t.version, t.uuid, c.parameters, c.model, c.status,"
        " c.quality_score, c.quality_breakdown, c.cost_pico, c.truncated, c.simulated, c.created_at"
        " FROM conversations c LEFT JOIN templates t ON t.id = c.template"
        " LEFT JOIN conversations s ON s.id = c.superseded_by"
        " LEFT JOIN conversations b ON b.id = c.branch_of WHERE c.id = ?1",
        conversation_columns,
        "conversation ",
        NULL,
        NULL,
    };
    static const struct cf_rows item = {
        ITEMS_SQL " WHERE i.id = (SELECT item FROM conversations WHERE id = ?1)",
        item_columns,
        "\nof item:",
        NULL,
        NULL,
    };
    static const struct cf_rows calls = {
        CALLS_SQL
        " WHERE c.id IN (SELECT call FROM turn_calls WHERE conversation = ?1) ORDER BY c.id",
        call_columns,
        "call:",
        "calls",
        cf_explain_call_more,
    };
    return cf_rows_show(&conversation, reader, id, json, err) &&
           cf_rows_show(&item, reader, id, json, err) &&
           cf_rows_show(&calls, reader, id, json, err);
}

/* --- the command --- */

static int explain(const struct cf_args *args, struct cf_error *err)
{
    struct cf_reader *reader;
    enum cf_id_kind kind = CF_ID_NONE;
    int64_t id;
    bool as_json = cf_args_has(args, "json"), ok = false;
    const char *text = args->positionals[0];
    if (!cf_database_open(args, &reader, err))
        return -1;
    int found = cf_reader_find(reader, text, &kind, &id, err);
    if (found == 0)
        cf_fail(err, CF_ERR_CONFIG,
                "nothing has the id '%s'; an id is the start of a conversation's uuid, "
                "item:N, or call:N",
                text);
    else if (found > 0 && kind == CF_ID_CONVERSATION)
        ok = cf_rows_as(as_json, "conversation", explain_conversation, reader, id, err);
    else if (found > 0 && kind == CF_ID_ITEM)
        ok = cf_rows_as(as_json, "item", explain_item, reader, id, err);
    else if (found > 0 && kind == CF_ID_CALL)
        ok = cf_rows_as(as_json, "call", explain_call, reader, id, err);
    else if (found > 0)
        cf_fail(err, CF_ERR_CONFIG,
                "'%s' is a %s: `confab show` shows it; explain is for conversations, items "
                "and calls",
                text, kind == CF_ID_RUN ? "run" : "template");
    cf_reader_free(reader);
    return ok ? CF_EXIT_OK : -1;
}

const struct cf_command cf_command_explain = {
    .name = "explain",
    .synopsis = "ID",
    .summary = "Tell where a conversation, item or call came from",
    .example = "confab explain item:1\n"
               "confab explain call:1 --json",
    .details =
        "ID is the start of a conversation's id (4 characters or more), item:N, or call:N as "
        "`confab\n"
        "logs` prints it. Told are the template and its version, the parameters, the model asked "
        "and\n"
        "the one that answered, request ids, every attempt with its error, the cost, the score "
        "and\n"
        "its parts; and for a call that was made again, after which one, and which field changed.",
    .options = options,
    .common = cf_database_options,
    .min_positionals = 1,
    .max_positionals = 1,
    .run = explain,
};
