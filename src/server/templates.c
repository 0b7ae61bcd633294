#include "server/templates.h"

#include "base/object.h"
#include "server/reading.h"
#include "server/rows.h"

/* One pass over the conversations, grouped, however many templates there are. */
static const char sql[] =
    "WITH made AS (SELECT c.template AS id, count(*) AS conversations, avg(c.quality_score) AS "
    "score,"
    " avg(c.cost_pico) AS cost, avg(c.turn_count) AS turns, sum(c.status = 'approved') AS approved,"
    " sum(c.status = 'rejected') AS rejected, sum(c.status = 'needs_revision') AS needs_revision"
    " FROM conversations c JOIN items i ON i.id = c.item WHERE c.superseded_by IS NULL AND NOT "
    "c.withdrawn"
    " AND i.state = 'done' AND NOT i.orphan AND NOT i.surplus AND c.template IS NOT NULL GROUP BY "
    "1)"
    " SELECT t.uuid, t.name, t.version,"
    " NOT EXISTS (SELECT 1 FROM templates n WHERE n.name = t.name AND n.version > t.version),"
    " t.tier, t.system, t.prompt, t.settings, t.usage_count, t.success_count,"
    " t.success_count * 1.0 / nullif(t.usage_count, 0), coalesce(m.conversations, 0), m.score,"
    " CAST(m.cost AS INTEGER), m.turns, coalesce(m.approved, 0), coalesce(m.rejected, 0),"
    " coalesce(m.needs_revision, 0), t.output_tokens * 1.0 / nullif(t.output_calls, 0), "
    "t.created_at"
    " FROM templates t LEFT JOIN made m ON m.id = t.id ORDER BY t.name, t.version DESC";

static const struct cf_row_field fields[] = {
    { "id", CF_FIELD_TEXT },            { "name", CF_FIELD_TEXT },
    { "version", CF_FIELD_COUNT },      { "isNewest", CF_FIELD_FLAG },
    { "tier", CF_FIELD_TEXT },          { "system", CF_FIELD_TEXT },
    { "prompt", CF_FIELD_TEXT },        { "settings", CF_FIELD_JSON },
    { "usageCount", CF_FIELD_COUNT },   { "successCount", CF_FIELD_COUNT },
    { "successRate", CF_FIELD_REAL },   { "conversations", CF_FIELD_COUNT },
    { "meanScore", CF_FIELD_REAL },     { "meanCost", CF_FIELD_USD },
    { "meanTurns", CF_FIELD_REAL },     { "approved", CF_FIELD_COUNT },
    { "rejected", CF_FIELD_COUNT },     { "needsRevision", CF_FIELD_COUNT },
    { "meanOutputTokens", CF_FIELD_REAL }, { "createdAt", CF_FIELD_TEXT },
    { NULL, CF_FIELD_TEXT },
};

static int make_list(struct cf_reading *reading)
{
    static const char *const none[] = { NULL };
    cf_params_only(&reading->params, none);
    bool ok = cf_rows_list(&reading->json, "data", reading->reader, sql, 0, fields, &reading->err);
    return ok ? 1 : -1;
}

void cf_templates_list(struct cf_http_exchange *exchange, struct cf_server *server)
{
    cf_reading_answer(exchange, server, "template", make_list);
}
