#include "server/metrics.h"

#include <inttypes.h>
#include <string.h>

#include <sqlite3.h>

#include "confab/buf.h"
#include "confab/error.h"
#include "server/readers.h"
#include "server/respond.h"
#include "server/server.h"
#include "server/traffic.h"
#include "store/reader.h"

#define TEXT_MAX (4u << 20)

/* A value of a label, with what the format wants escaped. */
static void add_label(struct cf_buf *out, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '\\' || *value == '"')
            cf_buf_addc(out, '\\');
        if (*value == '\n')
            cf_buf_adds(out, "\\n");
        else
            cf_buf_addc(out, *value);
    }
}

static void add_head(struct cf_buf *out, const char *name, const char *type, const char *help)
{
    cf_buf_addf(out, "# HELP confab_%s %s\n# TYPE confab_%s %s\n", name, help, name, type);
}

/* --- from the database: a query of one row a sample: the label's value, the figure --- */

struct metric {
    const char *name, *type, *help;
    const char *label;         /* NULL: one sample without a label, of one column */
    const char *sql;
};

static const struct metric metrics[] = {
    { "runs", "gauge", "Runs by state.", "state", "SELECT state, count(*) FROM runs GROUP BY 1" },
    { "items", "gauge", "Items of all runs by state.", "state",
      "SELECT 'accepted', total(items_accepted) FROM runs UNION ALL"
      " SELECT 'needs_revision', total(items_needs_revision) FROM runs UNION ALL"
      " SELECT 'failed', total(items_failed) FROM runs UNION ALL"
      " SELECT 'skipped', total(items_skipped) FROM runs UNION ALL"
      " SELECT 'pending', total(max(coalesce(planned, 0), items_drawn) - items_accepted"
      " - items_needs_revision - items_failed - items_skipped) FROM runs" },
    { "calls_total", "counter", "Calls to the provider.", NULL, "SELECT total(calls) FROM runs" },
    { "attempts_total", "counter", "Requests sent to the provider, retries included.", NULL,
      "SELECT total(attempts) FROM runs" },
    { "replies_total", "counter", "Whole replies of the provider.", NULL,
      "SELECT total(replies) FROM runs" },
    { "failed_attempts_total", "counter", "Requests without a whole reply, by what came of them.",
      "outcome",
      "SELECT status, count(*) FROM generation_logs WHERE status <> 'success' GROUP BY 1" },
    { "failed_attempts_by_status_total", "counter",
      "Requests without a whole reply, by the HTTP status; 0: no answer.", "status",
      "SELECT coalesce(http_status, 0), count(*) FROM generation_logs WHERE status <> 'success' "
      "GROUP BY 1" },
    { "tokens_total", "counter", "Tokens used, by kind.", "kind",
      "SELECT 'input', total(input_tokens) FROM runs UNION ALL"
      " SELECT 'output', total(output_tokens) FROM runs UNION ALL"
      " SELECT 'cache_write', total(cache_write_5m_tokens) + total(cache_write_1h_tokens) FROM "
      "runs UNION ALL"
      " SELECT 'cache_read', total(cache_read_tokens) FROM runs UNION ALL"
      " SELECT 'thinking', total(thinking_tokens) FROM runs" },
    { "cost_usd_total", "counter", "Money spent, in dollars.", NULL,
      "SELECT total(spent_pico) / 1e12 FROM runs" },
    { "cost_at_risk_usd", "gauge",
      "Money that requests of unknown outcome may have cost, in dollars.", NULL,
      "SELECT total(at_risk_pico) / 1e12 FROM runs" },
    { "unknown_cost_replies_total", "counter", "Replies whose price is not known.", NULL,
      "SELECT total(unknown_cost_replies) FROM runs" },
    { "lane_limit_requests", "gauge", "Requests a window that the provider allows, as learnt.",
      "lane",
      "SELECT base_url || ' ' || organisation || ' ' || limit_class, max_requests FROM lanes"
      " WHERE max_requests IS NOT NULL" },
};

static bool fail_reading(int rc, struct cf_error *err)
{
    return cf_fail(err, CF_ERR_STORAGE, "reading the database: %s", sqlite3_errstr(rc));
}

static bool add_metric(struct cf_buf *out, struct cf_reader *reader, const struct metric *metric,
                       struct cf_error *err)
{
    sqlite3_stmt *row;
    int rc;
    if (!cf_reader_sql(reader, metric->sql, &row, err))
        return false;
    add_head(out, metric->name, metric->type, metric->help);
    while ((rc = sqlite3_step(row)) == SQLITE_ROW) {
        cf_buf_addf(out, "confab_%s", metric->name);
        if (metric->label != NULL) {
            cf_buf_addf(out, "{%s=\"", metric->label);
            add_label(out, (const char *)sqlite3_column_text(row, 0));
            cf_buf_adds(out, "\"}");
        }
        cf_buf_addf(out, " %.15g\n", sqlite3_column_double(row, metric->label != NULL));
    }
    sqlite3_finalize(row);
    return rc == SQLITE_DONE || fail_reading(rc, err);
}

/* --- the histogram of latencies --- */

static const struct {
    const char *le;
    int ms;
} bounds[] = {
    { "0.1", 100 },   { "0.25", 250 },  { "0.5", 500 },   { "1", 1000 },    { "2.5", 2500 },
    { "5", 5000 },    { "10", 10000 },  { "30", 30000 },  { "60", 60000 },  { "120", 120000 },
    { "300", 300000 },
};

#define BOUNDS ((int)(sizeof bounds / sizeof *bounds))

static void add_histogram(struct cf_buf *out, sqlite3_stmt *row)
{
    struct cf_buf model = { .max = 4096 };
    add_label(&model, (const char *)sqlite3_column_text(row, 0));
    for (int i = 0; i < BOUNDS; i++)
        cf_buf_addf(out, "confab_call_latency_seconds_bucket{model=\"%s\",le=\"%s\"} %lld\n",
                    cf_buf_str(&model), bounds[i].le, (long long)sqlite3_column_int64(row, i + 3));
    cf_buf_addf(out, "confab_call_latency_seconds_bucket{model=\"%s\",le=\"+Inf\"} %lld\n",
                cf_buf_str(&model), (long long)sqlite3_column_int64(row, 1));
    cf_buf_addf(out, "confab_call_latency_seconds_sum{model=\"%s\"} %.15g\n", cf_buf_str(&model),
                sqlite3_column_double(row, 2));
    cf_buf_addf(out, "confab_call_latency_seconds_count{model=\"%s\"} %lld\n", cf_buf_str(&model),
                (long long)sqlite3_column_int64(row, 1));
    cf_buf_done(&model);
}

static bool add_histograms(struct cf_buf *out, struct cf_reader *reader, struct cf_error *err)
{
    struct cf_buf sql = { .max = 8192 };
    sqlite3_stmt *row;
    int rc;
    cf_buf_adds(&sql,
                "SELECT coalesce(model_answered, model, ''), count(*), total(latency_ms) / 1e3");
    for (int i = 0; i < BOUNDS; i++)
        cf_buf_addf(&sql, ", sum(latency_ms <= %d)", bounds[i].ms);
    cf_buf_adds(&sql, " FROM calls WHERE state = 'done' AND latency_ms IS NOT NULL GROUP BY 1");
    bool ok = cf_reader_sql(reader, cf_buf_str(&sql), &row, err);
    cf_buf_done(&sql);
    if (!ok)
        return false;
    add_head(out, "call_latency_seconds", "histogram",
             "Time to a whole reply, by the model that answered.");
    while ((rc = sqlite3_step(row)) == SQLITE_ROW)
        add_histogram(out, row);
    sqlite3_finalize(row);
    return rc == SQLITE_DONE || fail_reading(rc, err);
}

/* --- from this process --- */

static void add_traffic(struct cf_buf *out, struct cf_traffic *traffic)
{
    add_head(out, "http_replies_total", "counter", "Requests answered by this server, by status.");
    for (int status = 0; status < CF_TRAFFIC_STATUSES; status++)
        if (cf_traffic_replies(traffic, status) > 0)
            cf_buf_addf(out, "confab_http_replies_total{status=\"%d\"} %" PRIu64 "\n", status,
                        cf_traffic_replies(traffic, status));
    add_head(out, "http_connections", "gauge", "Connections to this server.");
    cf_buf_addf(out, "confab_http_connections %zu\n", cf_traffic_connections(traffic));
    add_head(out, "build_info", "gauge", "The version of confab.");
    cf_buf_adds(out, "confab_build_info{version=\"" CONFAB_VERSION "\"} 1\n");
}

static bool add_all(struct cf_buf *out, struct cf_reader *reader, struct cf_error *err)
{
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
        if (!add_metric(out, reader, &metrics[i], err))
            return false;
    return add_histograms(out, reader, err);
}

void cf_metrics_show(struct cf_http_exchange *exchange, struct cf_server *server)
{
    struct cf_reader *reader = NULL;
    struct cf_buf text;
    struct cf_error err;
    cf_buf_init(&text, TEXT_MAX);
    bool ok =
        cf_readers_take(cf_server_readers(server), &reader, &err) && add_all(&text, reader, &err);
    cf_readers_give(cf_server_readers(server), reader);
    add_traffic(&text, cf_server_traffic(server));

    if (!ok)
        cf_respond_error(exchange, &err);
    else if (!cf_buf_ok(&text))
        cf_respond_fail(exchange, 500, "the figures are over %u bytes", TEXT_MAX);
    else
        cf_respond(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", text.data, text.len);
    cf_buf_done(&text);
}
