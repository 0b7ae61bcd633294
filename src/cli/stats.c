#include <math.h>
#include <stdio.h>

#include <sqlite3.h>

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

static const struct cf_option options[] = {
    { "json", 0, NULL, false, "print one JSON object" },
    { NULL, 0, NULL, false, NULL },
};

/* --- what is asked of the database --- */

/* Only what counts: no older versions, orphans, surplus. */
#define LISTED                                                                               \
    " FROM items i JOIN conversations c ON c.item = i.id"                                    \
    " WHERE i.run = ?1 AND c.superseded_by IS NULL AND NOT c.withdrawn AND i.state = 'done'" \
    " AND NOT i.orphan AND NOT i.surplus"

static const char statuses_sql[] =
    "SELECT c.status, count(*), avg(c.quality_score), avg(c.turn_count)" LISTED
    " GROUP BY 1 ORDER BY 2 DESC, 1";

/* Whole points; unscored ones are -1. */
static const char scores_sql[] =
    "SELECT coalesce(CAST(c.quality_score AS INTEGER), -1), count(*)" LISTED
    " GROUP BY 1 ORDER BY 1";

/* Nearest rank: the least latency that p % of the calls do not exceed. */
#define GROUPED(name)                                                                          \
    "WITH named AS (SELECT " name " AS name, c.latency_ms, c.input_tokens, c.output_tokens,"   \
    " c.cost_pico FROM items i JOIN calls c ON c.item = i.id"                                  \
    " LEFT JOIN templates t ON t.id = c.template WHERE i.run = ?1 AND c.state = 'done'),"      \
    " ranked AS (SELECT *, row_number() OVER (PARTITION BY name ORDER BY latency_ms) AS rank," \
    " count(*) OVER (PARTITION BY name) AS total FROM named)"                                  \
    " SELECT coalesce(name, '(none)'), total, sum(input_tokens), sum(output_tokens),"          \
    " sum(cost_pico), avg(output_tokens),"                                                     \
    " min(CASE WHEN rank * 100 >= total * 50 THEN latency_ms END),"                            \
    " min(CASE WHEN rank * 100 >= total * 95 THEN latency_ms END),"                            \
    " min(CASE WHEN rank * 100 >= total * 99 THEN latency_ms END)"                             \
    " FROM ranked GROUP BY name ORDER BY total DESC, 1"

static const char models_sql[] = GROUPED("coalesce(c.model_answered, c.model)");
static const char templates_sql[] = GROUPED("t.name || ' v' || t.version");

/* Calls a function for each row of a query about the run. */
static bool each_row(struct cf_reader *reader, const char *sql, int64_t run,
                     void (*on_row)(sqlite3_stmt *row, void *self), void *self,
                     struct cf_error *err)
{
    sqlite3_stmt *stmt;
    int next;
    if (!cf_database_query(reader, sql, run, &stmt, err))
        return false;
    while ((next = cf_database_step(stmt, err)) > 0)
        on_row(stmt, self);
    sqlite3_finalize(stmt);
    return next == 0;
}

static const char *column_str(sqlite3_stmt *row, int column)
{
    return (const char *)sqlite3_column_text(row, column);
}

/* NULL is -1. */
static int64_t column_count(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL ? -1 : sqlite3_column_int64(row, column);
}

static double column_real(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL ? NAN
                                                           : sqlite3_column_double(row, column);
}

/* --- as JSON --- */

static void add_status(sqlite3_stmt *row, void *self)
{
    struct cf_buf *out = self;
    cf_object_open(out, NULL);
    cf_object_str(out, "status", column_str(row, 0));
    cf_object_int(out, "conversations", sqlite3_column_int64(row, 1));
    cf_object_number(out, "mean_score", column_real(row, 2));
    cf_object_number(out, "mean_turns", column_real(row, 3));
    cf_object_close(out);
}

static void add_score(sqlite3_stmt *row, void *self)
{
    struct cf_buf *out = self;
    cf_object_open(out, NULL);
    cf_object_count(out, "score", sqlite3_column_int64(row, 0));
    cf_object_int(out, "conversations", sqlite3_column_int64(row, 1));
    cf_object_close(out);
}

static void add_group(sqlite3_stmt *row, void *self)
{
    struct cf_buf *out = self;
    cf_object_open(out, NULL);
    cf_object_str(out, "name", column_str(row, 0));
    cf_object_int(out, "replies", sqlite3_column_int64(row, 1));
    cf_object_count(out, "input_tokens", column_count(row, 2));
    cf_object_count(out, "output_tokens", column_count(row, 3));
    cf_object_usd(out, "cost_usd", column_count(row, 4));
    cf_object_number(out, "mean_output_tokens", column_real(row, 5));
    cf_object_count(out, "latency_p50_ms", column_count(row, 6));
    cf_object_count(out, "latency_p95_ms", column_count(row, 7));
    cf_object_count(out, "latency_p99_ms", column_count(row, 8));
    cf_object_close(out);
}

static bool add_list(struct cf_reader *reader, const char *name, const char *sql, int64_t run,
                     void (*on_row)(sqlite3_stmt *row, void *self), struct cf_buf *out,
                     struct cf_error *err)
{
    cf_object_open_list(out, name);
    bool ok = each_row(reader, sql, run, on_row, out, err);
    cf_object_close_list(out);
    return ok;
}

static bool print_json(struct cf_reader *reader, const struct cf_run_row *run,
                       const struct cf_loose *loose, struct cf_error *err)
{
    struct cf_buf out;
    cf_buf_init(&out, CF_OBJECT_MAX);
    cf_object_open(&out, NULL);
    cf_run_object(&out, "run", run, loose);
    bool ok = add_list(reader, "statuses", statuses_sql, run->run, add_status, &out, err) &&
              add_list(reader, "scores", scores_sql, run->run, add_score, &out, err) &&
              add_list(reader, "models", models_sql, run->run, add_group, &out, err) &&
              add_list(reader, "templates", templates_sql, run->run, add_group, &out, err);
    cf_object_close(&out);
    ok = ok && cf_object_print(&out, err);
    cf_buf_done(&out);
    return ok;
}

/* --- for people --- */

static void print_status(sqlite3_stmt *row, void *self)
{
    char count[CF_NUMBER_TEXT_MAX];
    double score = column_real(row, 2);
    (void)self;
    cf_printf("  %-16s %8s   mean score ", column_str(row, 0),
              cf_format_count(sqlite3_column_int64(row, 1), count));
    if (isnan(score))
        cf_printf("-");
    else
        cf_printf("%.2f", score);
    cf_printf(", mean turns %.1f\n", sqlite3_column_double(row, 3));
}

struct bars {
    int64_t count[12];
    int64_t most;
}; /* [0] unscored, [1 + points] */

static void read_bar(sqlite3_stmt *row, void *self)
{
    struct bars *bars = self;
    int64_t score = sqlite3_column_int64(row, 0), count = sqlite3_column_int64(row, 1);
    int place = score < 0 ? 0 : score > 10 ? 11 : (int)score + 1;
    bars->count[place] += count;
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

static void print_group(sqlite3_stmt *row, void *self)
{
    struct cf_table *table = self;
    char text[CF_NUMBER_TEXT_MAX], money[CF_MONEY_TEXT_MAX];
    cf_table_add(table, column_str(row, 0));
    for (int column = 1; column <= 3; column++)
        cf_table_add(table, cf_format_count(column_count(row, column), text));
    cf_money_format(column_count(row, 4), money);
    cf_table_add(table, money);
    for (int column = 6; column <= 8; column++)
        cf_table_add(table, cf_format_duration(column_count(row, column), text));
}

static bool print_groups(struct cf_reader *reader, const char *title, const char *sql, int64_t run,
                         struct cf_error *err)
{
    static const char *const heads[] = {
        "REPLIES", "INPUT", "OUTPUT", "COST", "P50", "P95", "P99"
    };
    struct cf_table table;
    cf_table_init(&table, "lrrrrrrr");
    cf_table_add(&table, title);
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        cf_table_add(&table, heads[i]);
    bool ok = each_row(reader, sql, run, print_group, &table, err);
    if (ok && table.count > table.columns) {
        cf_printf("\n");
        cf_table_print(&table);
    }
    cf_table_done(&table);
    return ok;
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

static bool print_people(struct cf_reader *reader, const struct cf_run_row *run,
                         const struct cf_loose *loose, struct cf_error *err)
{
    struct bars bars = { .most = 0 };
    print_account(run, loose);
    cf_printf("\nconversations\n");
    if (!each_row(reader, statuses_sql, run->run, print_status, NULL, err))
        return false;
    if (!each_row(reader, scores_sql, run->run, read_bar, &bars, err))
        return false;
    if (bars.most > 0) {
        cf_printf("\nscores, from the number given to below the next\n");
        print_bars(&bars);
    }
    return print_groups(reader, "MODEL", models_sql, run->run, err) &&
           print_groups(reader, "TEMPLATE", templates_sql, run->run, err);
}

static int stats(const struct cf_args *args, struct cf_error *err)
{
    struct cf_reader *reader;
    const struct cf_run_row *run;
    bool ok = false;
    if (!cf_database_open(args, &reader, err))
        return -1;
    struct cf_loose loose;
    if (cf_database_run(reader, args->positional_count > 0 ? args->positionals[0] : NULL, &run,
                        err) &&
        cf_loose_count(reader, run, &loose, err))
        ok = cf_args_has(args, "json") ? print_json(reader, run, &loose, err)
                                       : print_people(reader, run, &loose, err);
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
