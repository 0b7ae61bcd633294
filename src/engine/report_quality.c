/* How good the conversations are: scores, the rules they come from, statuses, tiers. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "confab/buf.h"
#include "confab/conversation.h"
#include "engine/report_parts.h"
#include "engine/report_plot.h"
#include "engine/report_text.h"
#include "store/distribution.h"
#include "store/rules.h"

#define ROWS_MAX     60 /* rules, tiers: as many as people read */
#define SCORE_LOWEST 1

/* A table's rows while they are read; what is over ROWS_MAX is only counted. */
struct rows {
    struct cf_buf *out;
    int64_t count, whole;
};

static bool may_add(struct rows *rows)
{
    return rows->count++ < ROWS_MAX;
}

static void close_table(struct rows *rows, int columns)
{
    if (rows->count > ROWS_MAX) {
        cf_buf_addf(rows->out, "<tr><td colspan=\"%d\" class=\"quiet\">", columns);
        cf_report_count(rows->out, rows->count - ROWS_MAX);
        cf_buf_adds(rows->out, " more</td></tr>\n");
    }
    cf_buf_adds(rows->out, "</tbody></table></div>\n");
}

/* --- scores --- */

static bool add_scores(const struct cf_report *report, struct cf_error *err)
{
    struct cf_plot_bar bars[CF_SCORE_BINS - SCORE_LOWEST];
    struct cf_buf *out = report->out;
    struct cf_scores scores;
    if (!cf_scores_read(report->reader, (struct cf_stats_of){ .run = report->run->run }, &scores,
                        err))
        return false;
    scores.counts[SCORE_LOWEST] += scores.counts[0]; /* a person may have given less than one */
    for (int i = 0; i < CF_SCORE_BINS - SCORE_LOWEST; i++) {
        int score = i + SCORE_LOWEST;
        bars[i] = (struct cf_plot_bar){ .count = scores.counts[score],
                                        .fill = score < CF_SCORE_GENERATED ? "warn" : "plot" };
        snprintf(bars[i].label, sizeof bars[i].label, "%d", score);
    }
    cf_buf_addf(out,
                "<figure><figcaption><strong>Conversations by score</strong>each bar from its "
                "number to below the next; <span class=\"key warn\">below %d</span></figcaption>\n",
                CF_SCORE_GENERATED);
    cf_plot_bars(out, "Conversations by score", bars, CF_SCORE_BINS - SCORE_LOWEST, NULL);
    cf_buf_adds(out, "</figure>\n");
    return true;
}

static void add_status(const struct cf_stats_status *row, void *self)
{
    struct rows *rows = self;
    struct cf_buf *out = rows->out;
    cf_buf_adds(out, "<tr><td>");
    cf_report_str(out, strcmp(row->status, "needs_revision") == 0 ? "to revise" : row->status);
    cf_buf_adds(out, "</td><td class=\"n\">");
    cf_report_count(out, row->conversations);
    cf_buf_adds(out, "</td><td class=\"n\">");
    cf_report_share(out, row->conversations, rows->whole);
    cf_buf_adds(out, "</td><td class=\"n\">");
    cf_report_number(out, row->mean_score);
    cf_buf_adds(out, "</td><td class=\"n\">");
    cf_report_number(out, row->mean_turns);
    cf_buf_adds(out, "</td></tr>\n");
    rows->count++;
}

static bool add_statuses(const struct cf_report *report, struct cf_error *err)
{
    struct rows rows = { .out = report->out, .whole = report->sum.conversations };
    cf_buf_adds(report->out,
                "<div class=\"wide\"><table><thead><tr><th>Status</th><th class=\"n\">"
                "Conversations</th><th class=\"n\">Share</th><th class=\"n\">Mean score</th>"
                "<th class=\"n\">Mean turns</th></tr></thead><tbody>\n");
    bool ok = cf_stats_statuses(report->reader, (struct cf_stats_of){ .run = report->run->run },
                                add_status, &rows, err);
    close_table(&rows, 5);
    return ok;
}

static void add_tier(const struct cf_stats_tier *row, void *self)
{
    struct rows *rows = self;
    struct cf_buf *out = rows->out;
    if (!may_add(rows))
        return;
    cf_buf_adds(out, row->tier == NULL ? "<tr><td class=\"quiet\">none" : "<tr><td><bdi>");
    cf_report_str(out, row->tier);
    cf_buf_adds(out, row->tier == NULL ? "" : "</bdi>");
    cf_buf_adds(out, "</td><td class=\"n\">");
    cf_report_count(out, row->conversations);
    cf_buf_adds(out, "</td><td class=\"n\">");
    cf_report_share(out, row->usable, row->conversations);
    cf_buf_adds(out, "</td><td class=\"n\">");
    cf_report_number(out, row->mean_score);
    cf_buf_adds(out, "</td></tr>\n");
}

static bool add_tiers(const struct cf_report *report, struct cf_error *err)
{
    struct rows rows = { .out = report->out };
    cf_buf_adds(report->out,
                "<div class=\"wide\"><table><thead><tr><th>Tier</th><th class=\"n\">"
                "Conversations</th><th class=\"n\">Usable</th><th class=\"n\">Mean score</th>"
                "</tr></thead><tbody>\n");
    bool ok = cf_stats_tiers(report->reader, report->run->run, add_tier, &rows, err);
    close_table(&rows, 4);
    return ok;
}

/* --- rules --- */

static void add_rule(const struct cf_rule_row *row, void *self)
{
    struct rows *rows = self;
    struct cf_buf *out = rows->out;
    double share = row->max_points > 0 ? row->mean_points / row->max_points : 0;
    if (rows->count == 0)
        cf_buf_adds(
            out, "<h3>Rules</h3>\n<div class=\"wide\"><table><thead><tr><th>Rule</th>"
                 "<th class=\"meter\"></th><th class=\"n\">Mean points</th>"
                 "<th class=\"n\">All points</th><th class=\"n\">No points</th>"
                 "<th class=\"n\">Conversations</th></tr></thead><tbody>\n");
    if (!may_add(rows))
        return;
    cf_buf_adds(out, "<tr><td><bdi>");
    cf_report_str(out, row->name);
    cf_buf_addf(out,
                "</bdi></td><td class=\"meter\"><span><i class=\"plot\" style=\"width:%d%%\"></i>"
                "</span></td><td class=\"n\">",
                (int)lround(100 * fmin(fmax(share, 0), 1)));
    cf_report_number(out, row->mean_points);
    cf_buf_adds(out, " <span class=\"of\">of ");
    cf_report_number(out, row->max_points);
    cf_buf_adds(out, "</span></td><td class=\"n\">");
    cf_report_share(out, row->full, row->conversations);
    cf_buf_adds(out, "</td><td class=\"n\">");
    cf_report_share(out, row->none, row->conversations);
    cf_buf_adds(out, "</td><td class=\"n\">");
    cf_report_count(out, row->conversations);
    cf_buf_adds(out, "</td></tr>\n");
}

bool cf_report_quality(struct cf_report *report, struct cf_error *err)
{
    struct rows rules = { .out = report->out };
    struct cf_buf *out = report->out;
    if (report->sum.conversations == 0)
        return true;
    cf_buf_adds(out, "<section>\n<h2>Quality</h2>\n<div class=\"pair\">\n");
    if (report->sum.scored > 0 && !add_scores(report, err))
        return false;
    cf_buf_adds(out, "<div class=\"tables\">\n");
    if (!add_statuses(report, err) || !add_tiers(report, err))
        return false;
    cf_buf_adds(out, "</div>\n</div>\n");
    if (!cf_rules_read(report->reader, report->run->run, add_rule, &rules, err))
        return false;
    if (rules.count > 0)
        close_table(&rules, 6);
    cf_buf_adds(out, "</section>\n");
    return true;
}
