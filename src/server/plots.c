#include "server/plots.h"

#include <stdlib.h>

#include "base/object.h"
#include "confab/clock.h"
#include "server/find.h"
#include "server/reading.h"
#include "server/request.h"
#include "server/server.h"
#include "store/distribution.h"
#include "store/reader.h"
#include "store/series.h"
#include "store/stats.h"
#include "store/tally.h"

static void add_list(struct cf_buf *out, const char *name, const int64_t *numbers, size_t count)
{
    cf_object_open_list(out, name);
    for (size_t i = 0; i < count; i++)
        cf_object_int(out, NULL, numbers[i]);
    cf_object_close_list(out);
}

static bool add_scores(struct cf_reading *reading, struct cf_stats_of of)
{
    static const int64_t edges[CF_SCORE_BINS] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
    struct cf_buf *out = &reading->json;
    struct cf_scores scores;
    if (!cf_scores_read(reading->reader, of, &scores, &reading->err))
        return false;
    cf_object_open(out, "scores");
    add_list(out, "edges", edges, CF_SCORE_BINS);
    add_list(out, "counts", scores.counts, CF_SCORE_BINS);
    cf_object_int(out, "unscored", scores.unscored);
    cf_object_close(out);
    return true;
}

static bool add_latencies(struct cf_reading *reading, struct cf_stats_of of)
{
    struct cf_tally *tally = cf_server_tally(reading->server);
    struct cf_buf *out = &reading->json;
    struct cf_latencies latencies;
    uint32_t *ms;
    if (!cf_tally_update(tally, reading->reader, &reading->err))
        return false;
    size_t count = cf_tally_latencies(tally, of.run, of.template, NULL, &ms);
    cf_latencies_count(ms, count, &latencies);
    free(ms);
    cf_object_open(out, "latency");
    add_list(out, "edges", latencies.edges, latencies.bins > 0 ? latencies.bins + 1 : 0);
    add_list(out, "counts", latencies.counts, latencies.bins);
    cf_object_close(out);
    return true;
}

/* --- the course of a run --- */

static void add_point(struct cf_buf *out, const struct cf_series_point *point)
{
    char time[CF_TIME_TEXT_MAX];
    cf_time_format(point->unix_ms, time);
    cf_object_open(out, NULL);
    cf_object_str(out, "at", time);
    cf_object_usd(out, "cost", point->cost_pico);
    cf_object_int(out, "accepted", point->accepted);
    cf_object_int(out, "needsRevision", point->needs_revision);
    cf_object_int(out, "failed", point->failed);
    cf_object_close(out);
}

static bool add_time(struct cf_reading *reading, int64_t run)
{
    struct cf_series_point points[CF_SERIES_MAX];
    size_t count;
    if (!cf_series_read(reading->reader, run, points, &count, &reading->err))
        return false;
    cf_object_open_list(&reading->json, "time");
    for (size_t i = 0; i < count; i++)
        add_point(&reading->json, &points[i]);
    cf_object_close_list(&reading->json);
    return true;
}

/* --- the routes --- */

static int make_run(struct cf_reading *reading)
{
    const struct cf_run_row *row;
    int found = cf_reading_run(reading, reading->exchange->id, &row);
    if (found <= 0)
        return found;
    struct cf_stats_of of = { .run = row->run };
    cf_object_open(&reading->json, "data");
    bool ok = add_scores(reading, of) && add_latencies(reading, of) && add_time(reading, of.run);
    cf_object_close(&reading->json);
    return ok ? 1 : -1;
}

void cf_plots_run(struct cf_http_exchange *exchange, struct cf_server *server)
{
    cf_reading_answer_kept(exchange, server, "run", make_run);
}

static int make_template(struct cf_reading *reading)
{
    struct cf_stats_of of = { .run = 0 };
    int found = cf_find_template(reading->reader, reading->exchange->id, &of.template,
                                 &reading->err);
    if (found <= 0)
        return found;
    cf_object_open(&reading->json, "data");
    bool ok = add_scores(reading, of) && add_latencies(reading, of);
    cf_object_close(&reading->json);
    return ok ? 1 : -1;
}

void cf_plots_template(struct cf_http_exchange *exchange, struct cf_server *server)
{
    cf_reading_answer_kept(exchange, server, "template", make_template);
}
