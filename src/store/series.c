#include "store/series.h"

#include <string.h>

#include "confab/clock.h"
#include "store/reader_impl.h"

#define BINS (CF_SERIES_MAX - 1)    /* the first point is the beginning */

/* What came in each span of time. When an event lies behind the last span, two and two become one
 * of twice the width: so one pass will do, whatever the run's length. */
struct series {
    int64_t begin_ms, end_ms, width_ms;
    size_t events;
    struct cf_series_point bins[BINS];
};

static void add(struct cf_series_point *to, const struct cf_series_point *what)
{
    to->cost_pico += what->cost_pico;
    to->accepted += what->accepted;
    to->needs_revision += what->needs_revision;
    to->failed += what->failed;
}

static void widen(struct series *series)
{
    struct cf_series_point pairs[BINS] = { { 0 } };
    for (size_t i = 0; i < BINS; i++)
        add(&pairs[i / 2], &series->bins[i]);
    memcpy(series->bins, pairs, sizeof pairs);
    series->width_ms *= 2;
}

/* The span of a time after the beginning: up to its end, which the point behind it tells. */
static int64_t span_of(const struct series *series, int64_t ms)
{
    return ms > series->begin_ms ? (ms - series->begin_ms - 1) / series->width_ms : 0;
}

static void add_event(struct series *series, const char *time, const struct cf_series_point *what)
{
    int64_t ms;
    if (time == NULL || !cf_time_parse(time, strlen(time), &ms))
        return;
    if (ms < series->begin_ms)
        ms = series->begin_ms;    /* the clock was set back */
    if (ms > series->end_ms)
        series->end_ms = ms;
    while (span_of(series, ms) >= BINS)
        widen(series);
    add(&series->bins[span_of(series, ms)], what);
    series->events++;
}

static bool add_items(struct series *series, struct cf_reader *reader, int64_t run,
                      struct cf_error *err)
{
    struct cf_query query = cf_db_query(
        &reader->db, "SELECT finished_at, state = 'done' AND accepted, state = 'done' AND NOT"
                     " accepted, state = 'failed' FROM items WHERE run = ? AND NOT orphan AND NOT"
                     " surplus AND state IN ('done', 'failed') AND key <> ''");
    int next;
    cf_query_int(&query, run);
    while ((next = cf_query_next(&query, err)) > 0)
        add_event(series, cf_column_str(&query, 0),
                  &(struct cf_series_point){ .accepted = cf_column_int(&query, 1),
                                             .needs_revision = cf_column_int(&query, 2),
                                             .failed = cf_column_int(&query, 3) });
    return next == 0;
}

static bool add_costs(struct series *series, struct cf_reader *reader, int64_t run,
                      struct cf_error *err)
{
    struct cf_query query = cf_db_query(
        &reader->db, "SELECT c.done_at, c.cost_pico FROM items i JOIN calls c ON c.item = i.id"
                     " WHERE i.run = ? AND c.cost_pico IS NOT NULL");
    int next;
    cf_query_int(&query, run);
    while ((next = cf_query_next(&query, err)) > 0)
        add_event(series, cf_column_str(&query, 0),
                  &(struct cf_series_point){ .cost_pico = cf_column_int(&query, 1) });
    return next == 0;
}

/* When the run began; -1: that cannot be read. */
static bool read_begin(struct cf_reader *reader, int64_t run, int64_t *out_ms,
                       struct cf_error *err)
{
    struct cf_query query =
        cf_db_query(&reader->db, "SELECT coalesce(started_at, created_at) FROM runs WHERE id = ?");
    cf_query_int(&query, run);
    int next = cf_query_next(&query, err);
    const char *time = next > 0 ? cf_column_str(&query, 0) : NULL;
    *out_ms = -1;
    if (time != NULL && !cf_time_parse(time, strlen(time), out_ms))
        *out_ms = -1;
    cf_query_end(&query);
    return next >= 0;
}

bool cf_series_read(struct cf_reader *reader, int64_t run,
                    struct cf_series_point points[CF_SERIES_MAX], size_t *out_count,
                    struct cf_error *err)
{
    struct series series = { .width_ms = 1 };
    size_t count = 0;
    if (!read_begin(reader, run, &series.begin_ms, err))
        return false;
    series.end_ms = series.begin_ms;
    if (series.begin_ms >= 0 &&
        (!add_items(&series, reader, run, err) || !add_costs(&series, reader, run, err)))
        return false;

    struct cf_series_point sum = { .unix_ms = series.begin_ms };
    if (series.events > 0)
        points[count++] = sum;
    for (size_t i = 0; i < BINS && series.events > 0; i++) {
        add(&sum, &series.bins[i]);
        sum.unix_ms = series.begin_ms + ((int64_t)i + 1) * series.width_ms;
        if (sum.unix_ms > series.end_ms)
            sum.unix_ms = series.end_ms;
        points[count++] = sum;
        if (sum.unix_ms == series.end_ms)
            break;
    }
    *out_count = count;
    return true;
}
