/* stats.h - what the conversations of a run, of a template, or all of them, come to.
 *
 * They are counted when it is asked for; only those that count: no older versions, orphans, surplus.
 * What replies come to is in tally.h. */
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

/* Whose conversations are meant: of a run, a template, or all. */
struct cf_stats_of {
    int64_t run, template;               /* 0: any; one of them at most */
};

/* Each calls on_row for every row, whose strings are lent for that time. */
bool cf_stats_statuses(struct cf_reader *reader, struct cf_stats_of of,
                       void (*on_row)(const struct cf_stats_status *row, void *self), void *self,
                       struct cf_error *err);
bool cf_stats_scores(struct cf_reader *reader, struct cf_stats_of of,
                     void (*on_row)(const struct cf_stats_score *row, void *self), void *self,
                     struct cf_error *err);
#endif
