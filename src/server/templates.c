#include "server/templates.h"

#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/object.h"
#include "server/find.h"
#include "server/reading.h"
#include "server/request.h"
#include "server/rows.h"
#include "server/server.h"
#include "server/template_variables.h"
#include "store/reader.h"

/* One pass over the conversations, grouped, however many templates there are. */
#define TEMPLATES(where)                                                                           \
    "WITH wanted AS (SELECT * FROM templates t" where "), made AS (SELECT c.template AS id,"       \
    " count(*) AS conversations, avg(c.quality_score) AS score, avg(c.cost_pico) AS cost,"         \
    " avg(c.turn_count) AS turns, sum(c.status = 'approved') AS approved,"                         \
    " sum(c.status = 'rejected') AS rejected, sum(c.status = 'needs_revision') AS needs_revision"  \
    " FROM conversations c CROSS JOIN items i ON i.id = c.item WHERE c.superseded_by IS NULL"      \
    " AND NOT c.withdrawn AND i.state = 'done' AND NOT i.orphan AND NOT i.surplus"                 \
    " AND c.template IN (SELECT id FROM wanted) GROUP BY 1)"                                       \
    " SELECT t.uuid, t.name, t.version,"                                                           \
    " NOT EXISTS (SELECT 1 FROM templates n WHERE n.name = t.name AND n.version > t.version),"     \
    " t.tier, t.system, t.prompt, t.settings, t.usage_count, t.success_count,"                     \
    " t.success_count * 1.0 / nullif(t.usage_count, 0), coalesce(m.conversations, 0), m.score,"    \
    " CAST(m.cost AS INTEGER), m.turns, coalesce(m.approved, 0), coalesce(m.rejected, 0),"         \
    " coalesce(m.needs_revision, 0), t.output_tokens * 1.0 / nullif(t.output_calls, 0),"           \
    " t.created_at FROM wanted t LEFT JOIN made m ON m.id = t.id ORDER BY t.name, t.version DESC"

static const char all_sql[] = TEMPLATES("");
static const char one_sql[] = TEMPLATES(" WHERE t.id = ?1");
static const char versions_sql[] =
    TEMPLATES(" WHERE t.name = (SELECT name FROM templates WHERE id = ?1)");

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
    bool ok =
        cf_rows_list(&reading->json, "data", reading->reader, all_sql, 0, fields, &reading->err);
    return ok ? 1 : -1;
}

void cf_templates_list(struct cf_http_exchange *exchange, struct cf_server *server)
{
    cf_reading_answer_kept(exchange, server, "template", make_list);
}

/* --- one --- */

static bool is_offered(const struct cf_server *server, const struct cf_template_row *row,
                       const cJSON *settings)
{
    const char *const *offered = cf_server_options(server)->offered;
    for (size_t i = 0; offered != NULL && offered[i] != NULL; i++)
        if (strcmp(offered[i], row->uuid) == 0)
            return true;
    return cf_template_is_whole(row, settings);
}

static void add_settings(struct cf_reading *reading, const struct cf_template_row *row)
{
    struct cf_buf *out = &reading->json;
    cJSON *settings = NULL;
    if (row->settings != NULL &&
        !cf_json_parse(row->settings, strlen(row->settings), NULL, &settings, NULL))
        settings = NULL;
    const cJSON *max_tokens = cJSON_GetObjectItem(settings, "max_tokens");
    cf_object_str(out, "model", cJSON_GetStringValue(cJSON_GetObjectItem(settings, "model")));
    cf_object_count(out, "maxTokens", cJSON_IsNumber(max_tokens) ? max_tokens->valueint : -1);
    cf_object_bool(out, "isOffered", is_offered(reading->server, row, settings));
    cf_template_add_variables(out, row, settings);
    cJSON_Delete(settings);
}

static int make_one(struct cf_reading *reading)
{
    static const char *const none[] = { NULL };
    const struct cf_template_row *row;
    struct cf_buf *out = &reading->json;
    int64_t id;
    cf_params_only(&reading->params, none);
    int found = cf_find_template(reading->reader, reading->exchange->id, &id, &reading->err);
    if (found > 0)
        found = cf_reader_template(reading->reader, id, &row, &reading->err);
    if (found <= 0)
        return found;
    cf_object_open(out, "data");
    bool ok = cf_rows_fields(out, reading->reader, one_sql, id, fields, &reading->err);
    add_settings(reading, row);
    ok = ok && cf_rows_list(out, "versions", reading->reader, versions_sql, id, fields,
                            &reading->err);
    cf_object_close(out);
    return ok ? 1 : -1;
}

void cf_templates_show(struct cf_http_exchange *exchange, struct cf_server *server)
{
    cf_reading_answer_kept(exchange, server, "template", make_one);
}
