#include "server/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "confab/buf.h"
#include "confab/error.h"
#include "server/metrics_live.h"
#include "server/metrics_text.h"
#include "server/readers.h"
#include "server/respond.h"
#include "server/server.h"
#include "store/reader.h"
#include "store/tally.h"

#define TEXT_MAX (4u << 20)

/* --- from the database: the sums that stand with the runs, in one pass --- */

static const char sums_sql[] =
    "SELECT total(items_accepted), total(items_needs_revision), total(items_failed),"
    " total(items_skipped), total(max(coalesce(planned, 0), items_drawn) - items_accepted"
    " - items_needs_revision - items_failed - items_skipped), total(calls), total(attempts),"
    " total(replies), total(input_tokens), total(output_tokens), total(cache_write_5m_tokens)"
    " + total(cache_write_1h_tokens), total(cache_read_tokens), total(thinking_tokens),"
    " total(spent_pico) / 1e12, total(at_risk_pico) / 1e12, total(unknown_cost_replies) FROM runs";

/* The columns in their order; rows with the same name stand together. */
static const struct {
    const char *name, *type, *help;
    const char *label, *value; /* NULL: it has none */
} sums[] = {
    { "items", "gauge", "Items of all runs by state.", "state", "accepted" },
    { "items", NULL, NULL, "state", "needs_revision" },
    { "items", NULL, NULL, "state", "failed" },
    { "items", NULL, NULL, "state", "skipped" },
    { "items", NULL, NULL, "state", "pending" },
    { "calls_total", "counter", "Calls to the provider.", NULL, NULL },
    { "attempts_total", "counter", "Requests sent to the provider, retries included.", NULL, NULL },
    { "replies_total", "counter", "Whole replies of the provider.", NULL, NULL },
    { "tokens_total", "counter", "Tokens used, by kind.", "kind", "input" },
    { "tokens_total", NULL, NULL, "kind", "output" },
    { "tokens_total", NULL, NULL, "kind", "cache_write" },
    { "tokens_total", NULL, NULL, "kind", "cache_read" },
    { "tokens_total", NULL, NULL, "kind", "thinking" },
    { "cost_usd_total", "counter", "Money spent, in dollars.", NULL, NULL },
    { "cost_at_risk_usd", "gauge",
      "Money that requests of unknown outcome may have cost, in dollars.", NULL, NULL },
    { "unknown_cost_replies_total", "counter", "Replies whose price is not known.", NULL, NULL },
};

static bool fail_reading(int rc, struct cf_error *err)
{
    return cf_fail(err, CF_ERR_STORAGE, "reading the database: %s", sqlite3_errstr(rc));
}

static bool add_sums(struct cf_buf *out, struct cf_reader *reader, struct cf_error *err)
{
    sqlite3_stmt *row;
    if (!cf_reader_sql(reader, sums_sql, &row, err))
        return false;
    int rc = sqlite3_step(row);
    for (size_t i = 0; rc == SQLITE_ROW && i < sizeof sums / sizeof *sums; i++) {
        if (sums[i].type != NULL)
            cf_metric_head(out, sums[i].name, sums[i].type, sums[i].help);
        cf_metric_add(
            out, sums[i].name,
            sums[i].label != NULL ? CF_METRIC_LABELS({ sums[i].label, sums[i].value }) : NULL,
            sqlite3_column_double(row, (int)i));
    }
    sqlite3_finalize(row);
    return rc == SQLITE_ROW || fail_reading(rc, err);
}

static bool add_runs(struct cf_buf *out, struct cf_reader *reader, struct cf_error *err)
{
    sqlite3_stmt *row;
    int rc;
    if (!cf_reader_sql(reader, "SELECT state, count(*) FROM runs GROUP BY 1", &row, err))
        return false;
    cf_metric_head(out, "runs", "gauge", "Runs by state.");
    while ((rc = sqlite3_step(row)) == SQLITE_ROW)
        cf_metric_add(out, "runs",
                      CF_METRIC_LABELS({ "state", (const char *)sqlite3_column_text(row, 0) }),
                      sqlite3_column_double(row, 1));
    sqlite3_finalize(row);
    return rc == SQLITE_DONE || fail_reading(rc, err);
}

/* --- from the log --- */

static void add_outcomes(struct cf_buf *out, struct cf_tally *tally)
{
    struct cf_tally_outcome *outcomes;
    size_t count = cf_tally_outcomes(tally, &outcomes);
    double retries = 0, rejected = 0;
    cf_metric_head(out, "requests_total", "counter",
                   "Requests to the provider, by HTTP status (0: no answer) and what came of it.");
    for (size_t i = 0; i < count; i++) {
        char status[16];
        snprintf(status, sizeof status, "%d", outcomes[i].http_status);
        if (strcmp(outcomes[i].status, "rejected") == 0) {
            rejected += (double)outcomes[i].count;
            continue;
        }
        if (strcmp(outcomes[i].status, "retry") == 0)
            retries += (double)outcomes[i].count;
        cf_metric_add(out, "requests_total",
                      CF_METRIC_LABELS({ "status", status }, { "outcome", outcomes[i].status }),
                      (double)outcomes[i].count);
    }
    cf_metric_single(out, "retries_total", "counter",
                     "Requests that failed and were followed by another one.", retries);
    cf_metric_single(out, "rejected_replies_total", "counter",
                     "Whole replies that did not serve: no conversation, or refused.", rejected);
    free(outcomes);
}

static const struct {
    const char *le;
    uint32_t ms;
} bounds[] = {
    { "0.1", 100 },   { "0.25", 250 },  { "0.5", 500 },   { "1", 1000 },    { "2.5", 2500 },
    { "5", 5000 },    { "10", 10000 },  { "30", 30000 },  { "60", 60000 },  { "120", 120000 },
    { "300", 300000 },
};

static void add_histogram(struct cf_buf *out, const char *model, const uint32_t *ms, size_t count)
{
    double sum_ms = 0;
    size_t below = 0;
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        while (below < count && ms[below] <= bounds[i].ms)
            sum_ms += ms[below++];
        cf_metric_add(out, "call_latency_seconds_bucket",
                      CF_METRIC_LABELS({ "model", model }, { "le", bounds[i].le }), (double)below);
    }
    for (size_t i = below; i < count; i++)
        sum_ms += ms[i];
    const struct cf_metric_label *labels = CF_METRIC_LABELS({ "model", model });
    cf_metric_add(out, "call_latency_seconds_bucket",
                  CF_METRIC_LABELS({ "model", model }, { "le", "+Inf" }), (double)count);
    cf_metric_add(out, "call_latency_seconds_sum", labels, sum_ms / 1e3);
    cf_metric_add(out, "call_latency_seconds_count", labels, (double)count);
}

static void add_histograms(struct cf_buf *out, struct cf_tally *tally)
{
    struct cf_tally_group *models;
    size_t count = cf_tally_groups(tally, 0, CF_TALLY_BY_MODEL, &models);
    cf_metric_head(out, "call_latency_seconds", "histogram",
                   "Time to a whole reply, by the model that answered.");
    for (size_t i = 0; i < count; i++) {
        uint32_t *ms;
        size_t replies = cf_tally_latencies(tally, 0, 0, models[i].name, &ms);
        add_histogram(out, models[i].name, ms, replies);
        free(ms);
    }
    free(models);
}

static bool add_all(struct cf_buf *out, struct cf_server *server, struct cf_error *err)
{
    struct cf_tally *tally = cf_server_tally(server);
    struct cf_reader *reader = NULL;
    bool ok = cf_readers_take(cf_server_readers(server), &reader, err) &&
              add_runs(out, reader, err) && add_sums(out, reader, err) &&
              cf_tally_update(tally, reader, err);
    cf_readers_give(cf_server_readers(server), reader);
    if (ok) {
        add_outcomes(out, tally);
        add_histograms(out, tally);
        cf_metrics_add_live(out, server);
    }
    return ok;
}

void cf_metrics_show(struct cf_http_exchange *exchange, struct cf_server *server)
{
    struct cf_buf text;
    struct cf_error err;
    cf_buf_init(&text, TEXT_MAX);
    bool ok = add_all(&text, server, &err);

    if (!ok)
        cf_respond_error(exchange, &err);
    else if (!cf_buf_ok(&text))
        cf_respond_fail(exchange, 500, "the figures are over %u bytes", TEXT_MAX);
    else
        cf_respond(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", text.data, text.len);
    cf_buf_done(&text);
}
