#include "server/plots.h"

#include <stdlib.h>

#include "base/object.h"
#include "confab/clock.h"
#include "server/find.h"
#include "server/reading.h"
#include "server/request.h"
#include "server/server.h"
#include "store/reader.h"
#include "store/series.h"
#include "store/stats.h"
#include "store/tally.h"

#define SCORE_BINS 11    /* of one point each; the last one is for 10 alone */

/* --- scores --- */

struct scores {
    int64_t counts[SCORE_BINS], unscored;
};

static void add_score(const struct cf_stats_score *row, void *self)
{
    struct scores *scores = self;
    int64_t bin = row->score < SCORE_BINS ? row->score : SCORE_BINS - 1;
    if (row->score < 0)
        scores->unscored += row->conversations;
    else
        scores->counts[bin] += row->conversations;
}

static bool add_scores(struct cf_reading *reading, struct cf_stats_of of)
{
    struct cf_buf *out = &reading->json;
    struct scores scores = { .unscored = 0 };
    if (!cf_stats_scores(reading->reader, of, add_score, &scores, &reading->err))
        return false;
    cf_object_open(out, "scores");
    cf_object_open_list(out, "edges");
    for (int i = 0; i < SCORE_BINS; i++)
        cf_object_int(out, NULL, i);
    cf_object_close_list(out);
    cf_object_open_list(out, "counts");
    for (int i = 0; i < SCORE_BINS; i++)
        cf_object_int(out, NULL, scores.counts[i]);
    cf_object_close_list(out);
    cf_object_int(out, "unscored", scores.unscored);
    cf_object_close(out);
    return true;
}

/* --- latencies --- */

/* 1, 2, 5, 10, … */
static int64_t edge(size_t i)
{
    static const int64_t steps[] = { 1, 2, 5 };
    int64_t tens = 1;
    for (size_t decade = 0; decade < i / 3; decade++)
        tens *= 10;
    return tens * steps[i % 3];
}

/* From the edge below the least to that above the greatest. ms: in ascending order. */
static void add_latency(struct cf_buf *out, const uint32_t *ms, size_t count)
{
    size_t first = 0, at = 0;
    while (count > 0 && edge(first + 1) <= ms[0])
        first++;
    size_t last = count > 0 ? first + 1 : first;
    while (count > 0 && edge(last) <= ms[count - 1])
        last++;

    cf_object_open(out, "latency");
    cf_object_open_list(out, "edges");
    for (size_t i = first; count > 0 && i <= last; i++)
        cf_object_int(out, NULL, i == 0 ? 0 : edge(i));    /* below 1 ms, too */
    cf_object_close_list(out);
    cf_object_open_list(out, "counts");
    for (size_t i = first; i < last; i++) {
        size_t begin = at;
        while (at < count && ms[at] < edge(i + 1))
            at++;
        cf_object_int(out, NULL, (int64_t)(at - begin));
    }
    cf_object_close_list(out);
    cf_object_close(out);
}

static bool add_latencies(struct cf_reading *reading, struct cf_stats_of of)
{
    struct cf_tally *tally = cf_server_tally(reading->server);
    uint32_t *ms;
    if (!cf_tally_update(tally, reading->reader, &reading->err))
        return false;
    size_t count = cf_tally_latencies(tally, of.run, of.template, NULL, &ms);
    add_latency(&reading->json, ms, count);
    free(ms);
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
