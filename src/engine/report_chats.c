/* Some conversations whole: of the lowest, the median and the highest score; without scores the
 * first. */
#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "confab/buf.h"
#include "engine/report_parts.h"
#include "engine/report_text.h"

#define TURNS_MAX  60
#define TURN_CHARS 4000
#define PARTS_MAX  20

/* --- one conversation --- */

static void add_about(struct cf_buf *out, const char *name, struct cf_text text)
{
    if (text.data == NULL || text.len == 0)
        return;
    cf_buf_addf(out, " · %s <bdi>", name);
    cf_report_text(out, text, CF_REPORT_NAME_MAX);
    cf_buf_adds(out, "</bdi>");
}

static void add_part(struct cf_buf *out, const cJSON *part)
{
    const cJSON *points = cJSON_GetObjectItem(part, "points"),
                *most = cJSON_GetObjectItem(part, "max");
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(part, "name"));
    const char *note = cJSON_GetStringValue(cJSON_GetObjectItem(part, "note"));
    if (name == NULL || !cJSON_IsNumber(points) || !cJSON_IsNumber(most))
        return;
    cf_buf_adds(out, "<li><bdi>");
    cf_report_str(out, name);
    cf_buf_adds(out, "</bdi> <b>");
    cf_report_number(out, points->valuedouble);
    cf_buf_adds(out, "</b>/");
    cf_report_number(out, most->valuedouble);
    if (note != NULL) {
        cf_buf_adds(out, " <bdi class=\"quiet\">");
        cf_report_str(out, note);
        cf_buf_adds(out, "</bdi>");
    }
    cf_buf_adds(out, "</li>");
}

static void add_breakdown(struct cf_buf *out, struct cf_text breakdown)
{
    cJSON *parts = NULL;
    if (breakdown.data == NULL || !cf_json_parse(breakdown.data, breakdown.len, NULL, &parts, NULL))
        return;
    int count = cJSON_IsArray(parts) ? cJSON_GetArraySize(parts) : 0;
    if (count > 0)
        cf_buf_adds(out, "<ul class=\"parts\">");
    for (int i = 0; i < count && i < PARTS_MAX; i++)
        add_part(out, cJSON_GetArrayItem(parts, i));
    if (count > 0)
        cf_buf_adds(out, "</ul>\n");
    cJSON_Delete(parts);
}

static bool is_text(struct cf_text text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.data, word, text.len) == 0;
}

static void add_turn(struct cf_buf *out, const struct cf_turn_row *turn)
{
    const char *side = is_text(turn->role, "assistant") ? "assistant"
                       : is_text(turn->role, "system")  ? "system"
                                                        : "user";
    cf_buf_addf(out, "<li class=\"%s\"><div class=\"role\"><bdi>", side);
    cf_report_text(out, turn->role, CF_REPORT_NAME_MAX);
    cf_buf_adds(out, "</bdi></div><p dir=\"auto\">");
    cf_report_text(out, turn->content, TURN_CHARS);
    cf_buf_adds(out, "</p></li>\n");
}

static void add_chat(struct cf_buf *out, const char *title, const struct cf_conversation_row *row)
{
    cf_buf_addf(out, "<article class=\"chat\">\n<header><h3>%s</h3>", title);
    if (!isnan(row->quality_score)) {
        cf_buf_adds(out, " <span class=\"score\">");
        cf_report_number(out, row->quality_score);
        cf_buf_adds(out, " <span class=\"of\">of 10</span></span>");
    }
    cf_buf_adds(out, "</header>\n<p class=\"about\">");
    cf_report_str(out, strcmp(row->status, "needs_revision") == 0 ? "to revise" : row->status);
    cf_buf_adds(out, row->truncated ? " · cut off" : "");
    cf_buf_adds(out, row->simulated ? " · simulated" : "");
    add_about(out, "tier", row->tier);
    add_about(out, "persona", row->persona);
    add_about(out, "emotion", row->emotion);
    add_about(out, "topic", row->topic);
    cf_buf_adds(out, " · <code>");
    cf_report_str(out, row->uuid);
    cf_buf_adds(out, "</code></p>\n");
    add_breakdown(out, row->quality_breakdown);
    cf_buf_adds(out, "<ol class=\"turns\">\n");
    for (size_t i = 0; i < row->turn_count && i < TURNS_MAX; i++)
        add_turn(out, &row->turns[i]);
    cf_buf_adds(out, "</ol>\n");
    if (row->turn_count > TURNS_MAX) {
        cf_buf_adds(out, "<p class=\"under\">");
        cf_report_count(out, (int64_t)(row->turn_count - TURNS_MAX));
        cf_buf_adds(out, " more turns</p>\n");
    }
    cf_buf_adds(out, "</article>\n");
}

/* --- which ones --- */

/* The first conversation that the filter lets through. */
static bool add_first(const struct cf_report *report, const char *title,
                      const struct cf_conversation_filter *filter, struct cf_error *err)
{
    struct cf_conversation_cursor *cursor;
    const struct cf_conversation_row *row;
    if (!cf_conversations_open(report->reader, filter, &cursor, err))
        return false;
    int next = cf_conversations_next(cursor, &row, err);
    if (next > 0)
        add_chat(report->out, title, row);
    cf_conversations_free(cursor);
    return next >= 0;
}

/* The scored one at that place, if it is not the last that was shown. */
static bool add_ranked(const struct cf_report *report, const char *title, int64_t place,
                       int64_t *last, struct cf_error *err)
{
    struct cf_conversation_filter filter = { .run = 0 };
    double score;
    int found = place == *last ? 0
                               : cf_stats_ranked(report->reader, report->run->run, place,
                                                 &filter.conversation, &score, err);
    *last = place;
    return found == 0 || (found > 0 && add_first(report, title, &filter, err));
}

bool cf_report_chats(struct cf_report *report, struct cf_error *err)
{
    int64_t scored = report->sum.scored, last = -1;
    const struct cf_conversation_filter any = { .run = report->run->run };
    bool ok;
    if (report->sum.conversations == 0)
        return true;
    cf_buf_adds(report->out, "<section>\n<h2>Samples</h2>\n");
    if (scored > 0)
        ok = add_ranked(report, scored == 1 ? "The only scored one" : "Lowest score", 0, &last,
                        err) &&
             add_ranked(report, "Median score", (scored - 1) / 2, &last, err) &&
             add_ranked(report, "Highest score", scored - 1, &last, err);
    else
        ok = add_first(report, "The first of the plan", &any, err);
    cf_buf_adds(report->out, "</section>\n");
    return ok;
}
