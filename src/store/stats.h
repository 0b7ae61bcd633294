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

/* Conversations of one tier. */
struct cf_stats_tier {
    const char *tier;                    /* NULL: of none */
    int64_t conversations, usable;       /* usable as below */
    double mean_score;                   /* NaN: none has one */
};

/* Conversations that one version of a template made. */
struct cf_stats_template {
    int64_t template;                    /* its row; 0: made without one */
    int64_t conversations, succeeded;    /* succeeded: generated or approved */
    double mean_score, mean_cost_pico;   /* NaN: none has one */
};

/* All of them. Usable is what an export takes unless told otherwise: generated or approved, and not
 * cut off; the simulated ones are counted, too. */
struct cf_stats_sum {
    int64_t conversations, usable, truncated, scored;
    double mean_score, mean_turns;       /* NaN: none has one */
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

/* The tiers and templates of a run's conversations, those with most of them first. */
bool cf_stats_tiers(struct cf_reader *reader, int64_t run,
                    void (*on_row)(const struct cf_stats_tier *row, void *self), void *self,
                    struct cf_error *err);
bool cf_stats_templates(struct cf_reader *reader, int64_t run,
                        void (*on_row)(const struct cf_stats_template *row, void *self), void *self,
                        struct cf_error *err);

/* What a run's conversations come to in all. */
bool cf_stats_sum(struct cf_reader *reader, int64_t run, struct cf_stats_sum *out,
                  struct cf_error *err);

/* The conversation at this place (from 0) of a run's scored ones: the lowest score first, equal ones
 * in the order of the plan. 1, 0 (there are not so many), -1. */
int cf_stats_ranked(struct cf_reader *reader, int64_t run, int64_t place,
                    int64_t *out_conversation, double *out_score, struct cf_error *err);
#endif
