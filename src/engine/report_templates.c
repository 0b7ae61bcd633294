/* What made the conversations: versions of templates. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "confab/buf.h"
#include "engine/report_parts.h"
#include "engine/report_text.h"
#include "store/tally.h"

#define ROWS_MAX 60 /* as many as people read */

struct made_rows {
    struct cf_stats_template *rows; /* owned */
    size_t count, cap;
};

static void keep_template(const struct cf_stats_template *row, void *self)
{
    struct made_rows *made = self;
    if (made->count == made->cap) {
        made->cap = made->cap == 0 ? 16 : made->cap * 2;
        made->rows = cf_realloc(made->rows, made->cap * sizeof *made->rows);
    }
    made->rows[made->count++] = *row;
}

static void open_cell(struct cf_buf *out)
{
    cf_buf_adds(out, "</td><td class=\"n\">");
}

static void add_template(struct cf_buf *out, const struct cf_tally_group *group,
                         const struct made_rows *made)
{
    struct cf_stats_template none = { .mean_score = NAN, .mean_cost_pico = NAN };
    const struct cf_stats_template *row = &none;
    for (size_t i = 0; i < made->count; i++)
        if (made->rows[i].template == group->template)
            row = &made->rows[i];
    cf_buf_adds(out, "<tr><td><bdi>");
    cf_report_str(out, group->template == 0 ? "without a template" : group->name);
    cf_buf_adds(out, "</bdi>");
    open_cell(out);
    cf_report_count(out, group->replies);
    open_cell(out);
    cf_report_count(out, row->conversations);
    open_cell(out);
    cf_report_share(out, row->succeeded, row->conversations > 0 ? group->replies : 0);
    open_cell(out);
    cf_report_number(out, row->mean_score);
    open_cell(out);
    if (isnan(row->mean_cost_pico))
        cf_buf_adds(out, "–");
    else
        cf_report_money(out, llround(row->mean_cost_pico));
    open_cell(out);
    cf_report_number(out, round(group->mean_output_tokens));
    cf_buf_adds(out, "</td></tr>\n");
}

bool cf_report_templates(struct cf_report *report, struct cf_error *err)
{
    struct made_rows made = { .rows = NULL };
    struct cf_buf *out = report->out;
    struct cf_tally_group *groups;
    size_t count = cf_tally_groups(report->tally, report->run->run, CF_TALLY_BY_TEMPLATE, &groups);
    bool ok = cf_stats_templates(report->reader, report->run->run, keep_template, &made, err);
    if (count > 0)
        cf_buf_adds(
            out,
            "<section>\n<h2>Templates</h2>\n<div class=\"wide\"><table><thead><tr><th>Version"
            "</th><th class=\"n\">Replies</th><th class=\"n\">Conversations</th><th class=\"n\">"
            "Success</th><th class=\"n\">Mean score</th><th class=\"n\">Mean cost</th>"
            "<th class=\"n\">Mean output tokens</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < count && i < ROWS_MAX; i++)
        add_template(out, &groups[i], &made);
    if (count > ROWS_MAX) {
        cf_buf_adds(out, "<tr><td colspan=\"7\" class=\"quiet\">");
        cf_report_count(out, (int64_t)(count - ROWS_MAX));
        cf_buf_adds(out, " more</td></tr>\n");
    }
    if (count > 0)
        cf_buf_adds(
            out, "</tbody></table></div>\n<p class=\"under\">Success: conversations generated or "
                 "approved, of whole replies. Cost: of a conversation, with all its calls.</p>\n"
                 "</section>\n");
    free(groups);
    free(made.rows);
    return ok;
}
