/* report_parts.h - a report while it is written, and its parts in their order. */
#ifndef CONFAB_ENGINE_REPORT_PARTS_H
#define CONFAB_ENGINE_REPORT_PARTS_H

#include <stdbool.h>

#include "store/reader.h"
#include "store/series.h"
#include "store/stats.h"

struct cf_buf;
struct cf_tally;

struct cf_report {
    struct cf_reader *reader;
    struct cf_tally *tally;
    const struct cf_run_row *run; /* lent by the reader */
    struct cf_stats_sum sum;
    struct cf_series_point points[CF_SERIES_MAX];
    size_t point_count;
    struct cf_buf *out; /* each part appends to it */
};

/* False where the database cannot be read. A part that has nothing to tell writes nothing. */
bool cf_report_head(struct cf_report *report, struct cf_error *err);
bool cf_report_quality(struct cf_report *report, struct cf_error *err); /* scores, rules, tiers */
bool cf_report_course(struct cf_report *report,
                      struct cf_error *err); /* over time, latencies, models */
bool cf_report_templates(struct cf_report *report, struct cf_error *err);
bool cf_report_failures(struct cf_report *report, struct cf_error *err);
bool cf_report_chats(struct cf_report *report, struct cf_error *err); /* some conversations */
#endif
