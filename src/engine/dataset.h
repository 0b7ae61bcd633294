/* dataset.h - which conversations make a dataset, and their way from the database into files.
 *
 * Streams: one conversation is in memory at a time. The order is that of runs and of the plan,
 * so the same database gives the same bytes. Nothing is left out silently: what the filter's
 * defaults hold back is counted. Reads only; for the thread of the reader. */
#ifndef CONFAB_ENGINE_DATASET_H
#define CONFAB_ENGINE_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "export/export.h"

struct cf_buf;
struct cf_error;
struct cf_reader;

/* Zero is valid: all runs, what is usable (generated or approved, whole, not simulated). Borrows
 * its strings. */
struct cf_dataset_filter {
    int64_t run, item;           /* 0: all */
    const char *const *statuses; /* NULL: generated and approved */
    size_t status_count;
    double min_score;                 /* 0: any, the unscored included */
    const char *tier, *tag, *persona; /* NULL: any */
    bool with_simulated;
    bool with_truncated;
};

struct cf_dataset_result {
    struct cf_export_result file; /* of the exporter: written, skipped, ... */
    int64_t left_status;          /* held back: needs_revision, rejected */
    int64_t left_truncated, left_simulated;
    char *paths[CF_EXPORT_SPLIT_MAX]; /* owned; one a split, in their order; the only one without */
    size_t path_count;
};

void cf_dataset_result_done(struct cf_dataset_result *result);

/* Writes the filter's conversations to path ("-": standard output). options may be NULL. On
 * failure no file has changed (but see cf_export_commit) and *out is untouched; errors are those
 * of the reader and of the exporter. cf_dataset_result_done frees *out. */
bool cf_dataset_export(struct cf_reader *reader, const struct cf_dataset_filter *filter,
                       const char *path, enum cf_export_format format,
                       const struct cf_export_options *options, struct cf_dataset_result *out,
                       struct cf_error *err);

/* Appends what came of it for people, without a newline: "200 written, 3 skipped (has a turn
 * without text: 3)". */
void cf_dataset_result_format(const struct cf_dataset_result *result, struct cf_buf *out);
#endif
