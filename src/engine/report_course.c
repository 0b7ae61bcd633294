/* How the run went: items and cost over time, how long replies took, which models answered. */
#include <stdio.h>
#include <stdlib.h>

#include "confab/buf.h"
#include "engine/report_parts.h"
#include "engine/report_plot.h"
#include "engine/report_text.h"
#include "store/distribution.h"
#include "store/tally.h"

#define MODELS_MAX 20 /* as many as people read; a run has a few */

/* The points of a run column by column. */
struct course {
    int64_t ms[CF_SERIES_MAX], cost[CF_SERIES_MAX];
    int64_t accepted[CF_SERIES_MAX], needs_revision[CF_SERIES_MAX], failed[CF_SERIES_MAX];
};

static void read_course(const struct cf_report *report, struct course *out)
{
    for (size_t i = 0; i < report->point_count; i++) {
        const struct cf_series_point *point = &report->points[i];
        out->ms[i] = point->unix_ms - report->points[0].unix_ms;
        out->cost[i] = point->cost_pico;
        out->accepted[i] = point->accepted;
        out->needs_revision[i] = point->needs_revision;
        out->failed[i] = point->failed;
    }
}

static void add_items(struct cf_buf *out, const struct course *course, size_t count)
{
    const struct cf_plot_band bands[] = {
        { "accepted", "good", NULL, course->accepted },
        { "to revise", "warn", NULL, course->needs_revision },
        { "failed", "bad", NULL, course->failed },
    };
    cf_buf_adds(out, "<figure><figcaption><strong>Items over time</strong>");
    for (size_t i = 0; i < 3; i++) {
        cf_buf_addf(out, "<span class=\"key %s\">", bands[i].fill);
        cf_report_count(out, bands[i].values[count - 1]);
        cf_buf_addf(out, " %s</span>", bands[i].name);
    }
    cf_buf_adds(out, "</figcaption>\n");
    cf_plot_bands(out, "Items over time", course->ms, count, bands, 3, false);
    cf_buf_adds(out, "</figure>\n");
}

static void add_cost(struct cf_buf *out, const struct course *course, size_t count)
{
    const struct cf_plot_band band = { "spent", "area", "line", course->cost };
    if (course->cost[count - 1] <= 0)
        return;
    cf_buf_adds(out, "<figure><figcaption><strong>Cost over time</strong>");
    cf_report_money(out, course->cost[count - 1]);
    cf_buf_adds(out, " spent by the last reply</figcaption>\n");
    cf_plot_bands(out, "Cost over time", course->ms, count, &band, 1, true);
    cf_buf_adds(out, "</figure>\n");
}

static void format_edge(int64_t ms, char out[CF_PLOT_LABEL_MAX])
{
    if (ms < 1000)
        snprintf(out, CF_PLOT_LABEL_MAX, "%lld ms", (long long)ms);
    else
        snprintf(out, CF_PLOT_LABEL_MAX, "%lld s", (long long)(ms / 1000));
}

/* What so many percent of the latencies did not exceed: as cf_tally_groups has it. */
static void add_percentile(struct cf_buf *out, const uint32_t *ms, size_t count, size_t percent)
{
    size_t rank = (count * percent + 99) / 100;
    cf_buf_addf(out, "%zu%% within ", percent);
    cf_report_duration(out, ms[rank > 0 ? rank - 1 : 0]);
}

static void add_latencies(struct cf_buf *out, const uint32_t *ms, size_t count)
{
    struct cf_plot_bar bars[CF_LATENCY_BINS_MAX];
    struct cf_latencies latencies;
    char end[CF_PLOT_LABEL_MAX];
    cf_latencies_count(ms, count, &latencies);
    for (size_t i = 0; i < latencies.bins; i++) {
        bars[i] = (struct cf_plot_bar){ .count = latencies.counts[i], .fill = "plot" };
        format_edge(latencies.edges[i], bars[i].label);
    }
    format_edge(latencies.edges[latencies.bins], end);
    cf_buf_adds(out, "<figure><figcaption><strong>Replies by latency</strong>");
    add_percentile(out, ms, count, 50);
    cf_buf_adds(out, ", ");
    add_percentile(out, ms, count, 95);
    cf_buf_adds(out, ", ");
    add_percentile(out, ms, count, 99);
    cf_buf_adds(out, "</figcaption>\n");
    cf_plot_bars(out, "Replies by latency", bars, latencies.bins, end);
    cf_buf_adds(out, "</figure>\n");
}

static void add_model(struct cf_buf *out, const struct cf_tally_group *group)
{
    const int64_t counts[] = { group->replies, group->input_tokens, group->output_tokens };
    cf_buf_adds(out, "<tr><td><bdi>");
    cf_report_str(out, group->name);
    cf_buf_adds(out, "</bdi></td>");
    for (size_t i = 0; i < 3; i++) {
        cf_buf_adds(out, "<td class=\"n\">");
        cf_report_count(out, counts[i]);
        cf_buf_adds(out, "</td>");
    }
    cf_buf_adds(out, "<td class=\"n\">");
    cf_report_money(out, group->cost_pico);
    cf_buf_adds(out, "</td></tr>\n");
}

static void add_models(const struct cf_report *report)
{
    struct cf_buf *out = report->out;
    struct cf_tally_group *groups;
    size_t count = cf_tally_groups(report->tally, report->run->run, CF_TALLY_BY_MODEL, &groups);
    if (count > 0)
        cf_buf_adds(
            out, "<div class=\"wide\"><table><thead><tr><th>Model</th><th class=\"n\">Replies</th>"
                 "<th class=\"n\">Tokens in</th><th class=\"n\">Tokens out</th><th class=\"n\">"
                 "Cost</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < count && i < MODELS_MAX; i++)
        add_model(out, &groups[i]);
    if (count > 0)
        cf_buf_adds(out, "</tbody></table></div>\n");
    free(groups);
}

bool cf_report_course(struct cf_report *report, struct cf_error *err)
{
    struct course course;
    struct cf_buf *out = report->out;
    uint32_t *ms;
    (void)err;
    size_t count = cf_tally_latencies(report->tally, report->run->run, 0, NULL, &ms);
    if (report->point_count > 1 || count > 0) {
        cf_buf_adds(out, "<section>\n<h2>Course and cost</h2>\n<div class=\"pair\">\n");
        if (report->point_count > 1) {
            read_course(report, &course);
            add_items(out, &course, report->point_count);
            add_cost(out, &course, report->point_count);
        }
        if (count > 0) {
            add_latencies(out, ms, count);
            add_models(report);
        }
        cf_buf_adds(out, "</div>\n</section>\n");
    }
    free(ms);
    return true;
}
