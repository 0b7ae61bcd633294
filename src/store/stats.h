/* stats.h - what the replies and conversations of a run, or of all runs, come to.
 *
 * Everything is counted when it is asked for, from the calls and conversations themselves; of a run
 * 0 all runs are meant. Conversations are those that count: no older versions, orphans, surplus. */
#ifndef CONFAB_STORE_STATS_H
#define CONFAB_STORE_STATS_H

#include <stdbool.h>
#include <stdint.h>

struct cf_error;
struct cf_reader;

/* Conversations of one status. */
struct cf_stats_status {
    const char *status;
    int64_t conversations;
    double mean_score, mean_turns;       /* NaN: none has one */
};

/* Conversations by score: from `score` to below the next; -1: not scored. */
struct cf_stats_score {
    int64_t score, conversations;
};

/* The replies of a model or a template. Latencies: so many percent of the replies did not exceed them
 * (nearest rank). Negative and NaN: not known. */
struct cf_stats_group {
    const char *name;                    /* "(none)": without a template */
    int64_t replies, input_tokens, output_tokens, cost_pico;
    double mean_output_tokens;
    int64_t p50_ms, p95_ms, p99_ms;
};

enum cf_stats_by { CF_STATS_BY_MODEL, CF_STATS_BY_TEMPLATE };

/* Each calls on_row for every row, whose strings are lent for that time. */
bool cf_stats_statuses(struct cf_reader *reader, int64_t run,
                       void (*on_row)(const struct cf_stats_status *row, void *self), void *self,
                       struct cf_error *err);
bool cf_stats_scores(struct cf_reader *reader, int64_t run,
                     void (*on_row)(const struct cf_stats_score *row, void *self), void *self,
                     struct cf_error *err);
bool cf_stats_groups(struct cf_reader *reader, int64_t run, enum cf_stats_by by,
                     void (*on_row)(const struct cf_stats_group *row, void *self), void *self,
                     struct cf_error *err);
#endif
