#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/database.h"
#include "cli/loose.h"
#include "base/object.h"
#include "cli/print.h"
#include "cli/run_object.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "confab/money.h"
#include "store/reader.h"
#include "store/stats.h"
#include "store/stats_object.h"
#include "store/tally.h"

static const struct cf_option options[] = {
    { "json", 0, NULL, false, "print one JSON object" },
    { NULL, 0, NULL, false, NULL },
};

/* --- as JSON --- */

static void add_status(const struct cf_stats_status *row, void *self)
{
    struct cf_buf *out = self;
    cf_object_open(out, NULL);
    cf_object_str(out, "status", row->status);
    cf_object_int(out, "conversations", row->conversations);
    cf_object_number(out, "mean_score", row->mean_score);
    cf_object_number(out, "mean_turns", row->mean_turns);
    cf_object_close(out);
}

static void add_group(const struct cf_tally_group *row, struct cf_buf *out)
{
    cf_object_open(out, NULL);
    cf_object_str(out, "name", row->name);
    cf_object_int(out, "replies", row->replies);
    cf_object_count(out, "input_tokens", row->input_tokens);
    cf_object_count(out, "output_tokens", row->output_tokens);
    cf_object_usd(out, "cost_usd", row->cost_pico);
    cf_object_number(out, "mean_output_tokens", row->mean_output_tokens);
    cf_object_count(out, "latency_p50_ms", row->p50_ms);
    cf_object_count(out, "latency_p95_ms", row->p95_ms);
    cf_object_count(out, "latency_p99_ms", row->p99_ms);
    cf_object_close(out);
}

static const struct cf_stats_spelling spelling = { add_status, add_group };

static bool print_json(struct cf_reader *reader, struct cf_tally *tally,
                       const struct cf_run_row *run, const struct cf_loose *loose,
                       struct cf_error *err)
{
    struct cf_buf out;
    cf_buf_init(&out, CF_OBJECT_MAX);
    cf_object_open(&out, NULL);
    cf_run_object(&out, "run", run, loose);
    bool ok = cf_stats_add_lists(&out, reader, tally, run->run, &spelling, err);
    cf_object_close(&out);
    ok = ok && cf_object_print(&out, err);
    cf_buf_done(&out);
    return ok;
}

/* --- for people --- */

static void print_status(const struct cf_stats_status *row, void *self)
{
    char count[CF_NUMBER_TEXT_MAX];
    (void)self;
    cf_printf("  %-16s %8s   mean score ", row->status, cf_format_count(row->conversations, count));
    if (isnan(row->mean_score))
        cf_printf("-");
    else
        cf_printf("%.2f", row->mean_score);
    cf_printf(", mean turns %.1f\n", row->mean_turns);
}

struct bars {
    int64_t count[12];
    int64_t most;
}; /* [0] unscored, [1 + points] */

static void read_bar(const struct cf_stats_score *row, void *self)
{
    struct bars *bars = self;
    int place = row->score < 0 ? 0 : row->score > 10 ? 11 : (int)row->score + 1;
    bars->count[place] += row->conversations;
    if (bars->count[place] > bars->most)
        bars->most = bars->count[place];
}

static void print_bars(const struct bars *bars)
{
    static const char full[] = "########################################";
    for (int i = 0; i < 12; i++) {
        char count[CF_NUMBER_TEXT_MAX], label[16] = "unscored";
        if (bars->count[i] == 0)
            continue;
        if (i > 0)
            snprintf(label, sizeof label, "%d", i - 1);
        int length = (int)((double)bars->count[i] / (double)bars->most * (double)(sizeof full - 1));
        cf_printf("  %8s %8s  %.*s\n", label, cf_format_count(bars->count[i], count),
                  length > 0 ? length : 1, full);
    }
}

static void print_group(const struct cf_tally_group *row, struct cf_table *table)
{
    const int64_t counts[] = { row->replies, row->input_tokens, row->output_tokens };
    const int64_t latencies[] = { row->p50_ms, row->p95_ms, row->p99_ms };
    char text[CF_NUMBER_TEXT_MAX], money[CF_MONEY_TEXT_MAX];
    cf_table_add(table, row->name);
    for (int i = 0; i < 3; i++)
        cf_table_add(table, cf_format_count(counts[i], text));
    cf_money_format(row->cost_pico, money);
    cf_table_add(table, money);
    for (int i = 0; i < 3; i++)
        cf_table_add(table, cf_format_duration(latencies[i], text));
}

static void print_groups(struct cf_tally *tally, const char *title, enum cf_tally_by by,
                         int64_t run)
{
    static const char *const heads[] = {
        "REPLIES", "INPUT", "OUTPUT", "COST", "P50", "P95", "P99"
    };
    struct cf_tally_group *groups;
    struct cf_table table;
    size_t count = cf_tally_groups(tally, run, by, &groups);
    cf_table_init(&table, "lrrrrrrr");
    cf_table_add(&table, title);
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        cf_table_add(&table, heads[i]);
    for (size_t i = 0; i < count; i++)
        print_group(&groups[i], &table);
    if (count > 0) {
        cf_printf("\n");
        cf_table_print(&table);
    }
    cf_table_done(&table);
    free(groups);
}

static void print_account(const struct cf_run_row *run, const struct cf_loose *loose)
{
    const struct cf_run_account *a = &run->account;
    char one[CF_NUMBER_TEXT_MAX], two[CF_NUMBER_TEXT_MAX], three[CF_NUMBER_TEXT_MAX];
    char spent[CF_MONEY_TEXT_MAX], at_risk[CF_MONEY_TEXT_MAX];
    cf_money_format(a->spent_pico, spent);
    cf_money_format(a->at_risk_pico, at_risk);
    cf_printf("run %.13s  ", run->uuid);
    cf_print_line(cf_text_of(run->name), 0);
    cf_printf("%s  %s\n", run->simulated ? " (simulated)" : "", run->state);
    if (loose->is_all)
        cf_printf("  outside a plan: %lld accepted, %lld to revise, %lld failed\n",
                  (long long)loose->accepted, (long long)loose->needs_revision,
                  (long long)loose->failed);
    else
        cf_printf("  %s planned: %lld accepted, %lld to revise, %lld failed, %lld pending, "
                  "%lld skipped\n",
                  cf_format_count(a->planned, one), (long long)a->accepted,
                  (long long)a->needs_revision, (long long)a->failed, (long long)a->pending,
                  (long long)a->skipped);
    cf_printf("  %s spent, %s at risk; %s calls, %s attempts, %s of them without a whole reply\n",
              spent, at_risk, cf_format_count(a->calls, one), cf_format_count(a->attempts, two),
              cf_format_count(a->failures, three));
    cf_printf("  %s input tokens, %s output tokens", cf_format_count(a->tokens.input, one),
              cf_format_count(a->tokens.output, two));
    if (a->tokens.cache_read > 0)
        cf_printf(", %s read from the cache", cf_format_count(a->tokens.cache_read, three));
    cf_printf("\n");
    if (a->unknown_cost_replies > 0)
        cf_printf("  the cost of %s replies is not known\n",
                  cf_format_count(a->unknown_cost_replies, one));
}

static bool print_people(struct cf_reader *reader, struct cf_tally *tally,
                         const struct cf_run_row *run, const struct cf_loose *loose,
                         struct cf_error *err)
{
    struct cf_stats_of of = { .run = run->run };
    struct bars bars = { .most = 0 };
    print_account(run, loose);
    cf_printf("\nconversations\n");
    if (!cf_stats_statuses(reader, of, print_status, NULL, err) ||
        !cf_stats_scores(reader, of, read_bar, &bars, err) ||
        !cf_tally_update(tally, reader, err))
        return false;
    if (bars.most > 0) {
        cf_printf("\nscores, from the number given to below the next\n");
        print_bars(&bars);
    }
    print_groups(tally, "MODEL", CF_TALLY_BY_MODEL, run->run);
    print_groups(tally, "TEMPLATE", CF_TALLY_BY_TEMPLATE, run->run);
    return true;
}

static int stats(const struct cf_args *args, struct cf_error *err)
{
    struct cf_reader *reader;
    const struct cf_run_row *run;
    bool ok = false;
    if (!cf_database_open(args, &reader, err))
        return -1;
    struct cf_tally *tally = cf_tally_new();
    struct cf_loose loose;
    if (cf_database_run(reader, args->positional_count > 0 ? args->positionals[0] : NULL, &run,
                        err) &&
        cf_loose_count(reader, run, &loose, err))
        ok = cf_args_has(args, "json") ? print_json(reader, tally, run, &loose, err)
                                       : print_people(reader, tally, run, &loose, err);
    cf_tally_free(tally);
    cf_reader_free(reader);
    return ok ? CF_EXIT_OK : -1;
}

const struct cf_command cf_command_stats = {
    .name = "stats",
    .synopsis = "[RUN]",
    .summary = "Count a run: conversations, scores, cost, tokens, latency per model and template",
    .example = "confab stats support-v1\n"
               "confab stats --json",
    .details =
        "RUN is a name or the start of an id; without it the newest run is meant. P50, P95 and\n"
        "P99 are the latencies that so many percent of the replies did not exceed.",
    .options = options,
    .common = cf_database_options,
    .max_positionals = 1,
    .run = stats,
};
