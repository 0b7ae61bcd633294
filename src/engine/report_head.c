/* The head of a report: what run it is, what came of it in a few figures. */
#include <math.h>
#include <string.h>

#include "confab/buf.h"
#include "confab/clock.h"
#include "engine/report_parts.h"
#include "engine/report_text.h"

static const char *state_class(const char *state)
{
    static const struct {
        const char *state, *name;
    } classes[] = {
        { "done", "good" },
        { "running", "busy" },
        { "failed", "bad" },
        { "died", "bad" },
    };
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strcmp(state, classes[i].state) == 0)
            return classes[i].name;
    return "warn";
}

static void add_title(const struct cf_report *report)
{
    const struct cf_run_row *run = report->run;
    struct cf_buf *out = report->out;
    cf_buf_adds(
        out, "<header>\n<p class=\"kicker\">What a run made</p>\n<div class=\"title\"><h1><bdi>");
    cf_report_str(out, run->name);
    cf_buf_addf(out, "</bdi></h1> <span class=\"state %s\">", state_class(run->state));
    cf_report_str(out, run->state);
    cf_buf_adds(out, "</span></div>\n");
    if (run->simulated)
        cf_buf_adds(
            out, "<p class=\"note\" role=\"note\"><strong>SIMULATED.</strong> No model answered: "
                 "confab's simulator made these conversations up. Times, tokens and costs are "
                 "what they might be. Nothing of it is for training.</p>\n");
    if (run->state_reason != NULL && run->state_reason[0] != '\0') {
        cf_buf_adds(out, "<p class=\"note\" role=\"note\"><strong>Why it ended:</strong> <bdi>");
        cf_report_text(out, cf_text_of(run->state_reason), 600);
        cf_buf_adds(out, "</bdi></p>\n");
    }
}

static void add_of(struct cf_buf *out, int64_t part, int64_t whole)
{
    cf_report_count(out, part);
    cf_buf_adds(out, " of ");
    cf_report_count(out, whole);
}

static void add_lead(const struct cf_report *report)
{
    const struct cf_stats_sum *sum = &report->sum;
    const struct cf_run_account *account = &report->run->account;
    struct cf_buf *out = report->out;
    cf_buf_adds(out, "<p class=\"lead\">");
    if (account->planned > 0) {
        cf_buf_adds(out, "<strong>");
        add_of(out, account->accepted, account->planned);
        cf_buf_addf(out, "</strong> planned item%s %s accepted. ", account->planned == 1 ? "" : "s",
                    account->accepted == 1 ? "is" : "are");
    }
    if (sum->conversations == 0) {
        cf_buf_adds(out, "No conversation is stored.</p>\n");
        return;
    }
    cf_buf_adds(out, "<strong>");
    add_of(out, sum->usable, sum->conversations);
    cf_buf_addf(out, "</strong> conversation%s %s usable", sum->conversations == 1 ? "" : "s",
                sum->usable == 1 ? "is" : "are");
    if (sum->scored > 0) {
        cf_buf_adds(out, "; the mean score of all is <strong>");
        cf_report_number(out, sum->mean_score);
        cf_buf_adds(out, "</strong> of 10");
    }
    cf_buf_adds(out, ".</p>\n");
}

/* --- figures --- */

static void open_tile(struct cf_buf *out, const char *name)
{
    cf_buf_addf(out, "<div><dt>%s</dt><dd>", name);
}

static void add_whole(struct cf_buf *out, int64_t whole)
{
    cf_buf_adds(out, " <span class=\"of\">of ");
    cf_report_count(out, whole);
    cf_buf_adds(out, "</span></dd><dd>");
}

static bool add_score_tile(const struct cf_report *report, struct cf_error *err)
{
    const struct cf_stats_sum *sum = &report->sum;
    struct cf_buf *out = report->out;
    int64_t conversation;
    double median = NAN;
    if (sum->scored == 0)
        return true;
    if (cf_stats_ranked(report->reader, report->run->run, (sum->scored - 1) / 2, &conversation,
                        &median, err) < 0)
        return false;
    open_tile(out, "Mean score");
    cf_report_number(out, sum->mean_score);
    cf_buf_adds(out, " <span class=\"of\">of 10</span></dd><dd>median ");
    cf_report_number(out, median);
    if (sum->scored < sum->conversations) {
        cf_buf_adds(out, ", ");
        cf_report_count(out, sum->conversations - sum->scored);
        cf_buf_adds(out, " not scored");
    }
    cf_buf_adds(out, "</dd></div>\n");
    return true;
}

static void add_cost_tiles(const struct cf_report *report)
{
    const struct cf_run_account *account = &report->run->account;
    struct cf_buf *out = report->out;
    open_tile(out, "Cost");
    cf_report_money(out, account->spent_pico);
    cf_buf_adds(out, "</dd><dd>");
    if (account->accepted > 0) {
        cf_report_money(out, account->spent_pico / account->accepted);
        cf_buf_adds(out, " an accepted item");
    }
    cf_buf_adds(out, "</dd></div>\n");

    open_tile(out, "Tokens");
    cf_report_count(out, account->tokens.input + account->tokens.output);
    cf_buf_adds(out, "</dd><dd>");
    cf_report_count(out, account->tokens.input);
    cf_buf_adds(out, " in, ");
    cf_report_count(out, account->tokens.output);
    cf_buf_adds(out, " out</dd></div>\n");

    open_tile(out, "Attempts");
    cf_report_count(out, account->attempts);
    cf_buf_adds(out, "</dd><dd>for ");
    cf_report_count(out, account->calls);
    cf_buf_adds(out, account->calls == 1 ? " call; " : " calls; ");
    cf_report_count(out, account->failures);
    cf_buf_adds(out, " without a whole reply</dd></div>\n");
}

static bool add_tiles(const struct cf_report *report, struct cf_error *err)
{
    const struct cf_run_account *account = &report->run->account;
    struct cf_buf *out = report->out;
    cf_buf_adds(out, "<dl class=\"tiles\">\n");
    open_tile(out, "Usable");
    cf_report_count(out, report->sum.usable);
    add_whole(out, report->sum.conversations);
    cf_buf_adds(out, "conversations</dd></div>\n");
    if (account->planned > 0) {
        open_tile(out, "Accepted");
        cf_report_share(out, account->accepted, account->planned);
        cf_buf_adds(out, "</dd><dd>of the items planned</dd></div>\n");
    }
    if (!add_score_tile(report, err))
        return false;
    add_cost_tiles(report);
    cf_buf_adds(out, "</dl>\n");
    return true;
}

static void add_account(const struct cf_report *report)
{
    const struct cf_run_account *account = &report->run->account;
    const struct {
        int64_t count;
        const char *name, *fill;
    } parts[] = {
        { account->accepted, "accepted", "good" }, { account->needs_revision, "to revise", "warn" },
        { account->failed, "failed", "bad" },      { account->pending, "pending", "idle" },
        { account->skipped, "skipped", "idle" },
    };
    size_t count = sizeof parts / sizeof *parts;
    struct cf_buf *out = report->out;
    if (account->planned <= 0)
        return;
    cf_buf_adds(out, "<div class=\"share\" aria-hidden=\"true\">");
    for (size_t i = 0; i < count; i++)
        if (parts[i].count > 0)
            cf_buf_addf(out, "<i class=\"%s\" style=\"flex:%lld\"></i>", parts[i].fill,
                        (long long)parts[i].count);
    cf_buf_adds(out, "</div>\n<p class=\"sum\"><span><b>");
    cf_report_count(out, account->planned);
    cf_buf_adds(out, "</b> planned</span>");
    for (size_t i = 0; i < count; i++) {
        cf_buf_addf(out, " <span>%s</span> <span class=\"key %s\"><b>", i == 0 ? "=" : "+",
                    parts[i].fill);
        cf_report_count(out, parts[i].count);
        cf_buf_addf(out, "</b> %s</span>", parts[i].name);
    }
    cf_buf_adds(out, "</p>\n");
}

/* --- what is to be known besides --- */

static void add_counted_note(struct cf_buf *out, int64_t count, const char *one, const char *more)
{
    if (count <= 0)
        return;
    cf_buf_adds(out, "<li>");
    cf_report_count(out, count);
    cf_buf_addf(out, " %s</li>\n", count == 1 ? one : more);
}

static void add_notes(const struct cf_report *report)
{
    const struct cf_run_account *account = &report->run->account;
    struct cf_buf list = { .max = 4096 }, *out = &list;
    add_counted_note(out, report->sum.truncated, "conversation was cut off",
                     "conversations were cut off");
    add_counted_note(out, account->unknown_cost_replies, "reply has no known cost",
                     "replies have no known cost");
    add_counted_note(out, account->surplus,
                     "item more was accepted than wanted, and does not count",
                     "items more were accepted than wanted, and do not count");
    add_counted_note(out, account->orphans, "item of earlier inputs is set aside",
                     "items of earlier inputs are set aside");
    if (account->at_risk_pico > 0) {
        cf_buf_adds(out, "<li>");
        cf_report_money(out, account->at_risk_pico);
        cf_buf_adds(
            out, " more may have been billed, at most, by attempts whose end is not known</li>\n");
    }
    if (list.len > 0)
        cf_buf_addf(report->out, "<ul class=\"notes\">\n%s</ul>\n", cf_buf_str(&list));
    cf_buf_done(&list);
}

static int64_t ms_of(const char *time)
{
    int64_t ms;
    return time != NULL && cf_time_parse(time, strlen(time), &ms) ? ms : -1;
}

static void open_fact(struct cf_buf *out, const char *name)
{
    cf_buf_addf(out, "<div><dt>%s</dt><dd>", name);
}

static void add_fact(struct cf_buf *out, const char *name, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    open_fact(out, name);
    cf_buf_adds(out, "<bdi>");
    cf_report_str(out, text);
    cf_buf_adds(out, "</bdi></dd></div>\n");
}

static void add_time(struct cf_buf *out, const char *name, const char *time)
{
    if (time == NULL)
        return;
    open_fact(out, name);
    cf_report_time(out, time);
    cf_buf_adds(out, "</dd></div>\n");
}

static void add_facts(const struct cf_report *report)
{
    const struct cf_run_row *run = report->run;
    struct cf_buf *out = report->out;
    int64_t begin = ms_of(run->started_at), end = ms_of(run->finished_at);
    cf_buf_adds(out, "<dl class=\"facts\">\n");
    add_fact(out, "Model", run->model);
    add_fact(out, "Provider", run->provider);
    add_time(out, "Started (UTC)", run->started_at != NULL ? run->started_at : run->created_at);
    add_time(out, "Finished (UTC)", run->finished_at);
    if (run->finished_at == NULL && report->point_count > 0) {
        char last[CF_TIME_TEXT_MAX];
        cf_time_format(report->points[report->point_count - 1].unix_ms, last);
        add_time(out, "Told up to (UTC)", last);
    }
    if (begin >= 0 && end >= begin) {
        open_fact(out, "Took");
        cf_report_duration(out, end - begin);
        cf_buf_adds(out, "</dd></div>\n");
    }
    add_fact(out, "Script", run->script);
    open_fact(out, "Seed");
    cf_buf_addf(out, "%llu</dd></div>\n", (unsigned long long)run->seed);
    if (run->budget_pico >= 0) {
        open_fact(out, "Budget");
        cf_report_money(out, run->budget_pico);
        cf_buf_adds(out, "</dd></div>\n");
    }
    cf_buf_adds(out, "</dl>\n</header>\n");
}

bool cf_report_head(struct cf_report *report, struct cf_error *err)
{
    add_title(report);
    add_lead(report);
    if (!add_tiles(report, err))
        return false;
    add_account(report);
    add_notes(report);
    add_facts(report);
    return true;
}
