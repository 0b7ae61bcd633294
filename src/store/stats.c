#include "store/stats.h"

#include "store/reader_impl.h"

/* Only what counts: no older versions, orphans, surplus. */
#define LISTED                                                                                 \
    " FROM items i JOIN conversations c ON c.item = i.id"                                      \
    " WHERE c.superseded_by IS NULL AND NOT c.withdrawn AND i.state = 'done'"                  \
    " AND NOT i.orphan AND NOT i.surplus"

#define STATUSES(where)                                                                        \
    "SELECT c.status, count(*), avg(c.quality_score), avg(c.turn_count)" LISTED where          \
    " GROUP BY 1 ORDER BY 2 DESC, 1"

/* Whole points; unscored ones are -1. */
#define SCORES(where)                                                                          \
    "SELECT coalesce(CAST(c.quality_score AS INTEGER), -1), count(*)" LISTED where             \
    " GROUP BY 1 ORDER BY 1"

#define OF_RUN      " AND i.run = ?1"
#define OF_TEMPLATE " AND c.template = ?1"

/* A text for each: SQLite plans them differently. */
struct texts {
    const char *of_all, *of_run, *of_template;
};

static const struct texts statuses = { STATUSES(""), STATUSES(OF_RUN), STATUSES(OF_TEMPLATE) };
static const struct texts scores = { SCORES(""), SCORES(OF_RUN), SCORES(OF_TEMPLATE) };

#define SUCCEEDED "c.status IN ('generated', 'approved')"

static struct cf_query open_query(struct cf_reader *reader, struct cf_stats_of of,
                                  const struct texts *texts)
{
    const char *sql = of.run != 0 ? texts->of_run
                      : of.template != 0 ? texts->of_template
                                         : texts->of_all;
    struct cf_query query = cf_db_query(&reader->db, sql);
    if (of.run != 0 || of.template != 0)
        cf_query_int(&query, of.run != 0 ? of.run : of.template);
    return query;
}

bool cf_stats_statuses(struct cf_reader *reader, struct cf_stats_of of,
                       void (*on_row)(const struct cf_stats_status *row, void *self), void *self,
                       struct cf_error *err)
{
    struct cf_query query = open_query(reader, of, &statuses);
    int next;
    while ((next = cf_query_next(&query, err)) > 0) {
        const struct cf_stats_status row = {
            .status = cf_column_str(&query, 0),
            .conversations = cf_column_int(&query, 1),
            .mean_score = cf_column_real(&query, 2),
            .mean_turns = cf_column_real(&query, 3),
        };
        on_row(&row, self);
    }
    return next == 0;
}

bool cf_stats_scores(struct cf_reader *reader, struct cf_stats_of of,
                     void (*on_row)(const struct cf_stats_score *row, void *self), void *self,
                     struct cf_error *err)
{
    struct cf_query query = open_query(reader, of, &scores);
    int next;
    while ((next = cf_query_next(&query, err)) > 0) {
        const struct cf_stats_score row = { cf_column_int(&query, 0), cf_column_int(&query, 1) };
        on_row(&row, self);
    }
    return next == 0;
}

bool cf_stats_tiers(struct cf_reader *reader, int64_t run,
                    void (*on_row)(const struct cf_stats_tier *row, void *self), void *self,
                    struct cf_error *err)
{
    struct cf_query query =
        cf_db_query(&reader->db, "SELECT c.tier, count(*), sum(" SUCCEEDED " AND NOT c.truncated),"
                                 " avg(c.quality_score)" LISTED OF_RUN
                                 " GROUP BY 1 ORDER BY 2 DESC, 1");
    int next;
    cf_query_int(&query, run);
    while ((next = cf_query_next(&query, err)) > 0) {
        const struct cf_stats_tier row = {
            .tier = cf_column_str(&query, 0),
            .conversations = cf_column_int(&query, 1),
            .usable = cf_column_int(&query, 2),
            .mean_score = cf_column_real(&query, 3),
        };
        on_row(&row, self);
    }
    return next == 0;
}

bool cf_stats_templates(struct cf_reader *reader, int64_t run,
                        void (*on_row)(const struct cf_stats_template *row, void *self), void *self,
                        struct cf_error *err)
{
    struct cf_query query =
        cf_db_query(&reader->db, "SELECT c.template, count(*), sum(" SUCCEEDED "),"
                                 " avg(c.quality_score), avg(c.cost_pico)" LISTED OF_RUN
                                 " GROUP BY 1 ORDER BY 2 DESC, 1");
    int next;
    cf_query_int(&query, run);
    while ((next = cf_query_next(&query, err)) > 0) {
        const struct cf_stats_template row = {
            .template = cf_column_int(&query, 0),
            .conversations = cf_column_int(&query, 1),
            .succeeded = cf_column_int(&query, 2),
            .mean_score = cf_column_real(&query, 3),
            .mean_cost_pico = cf_column_real(&query, 4),
        };
        on_row(&row, self);
    }
    return next == 0;
}

bool cf_stats_sum(struct cf_reader *reader, int64_t run, struct cf_stats_sum *out,
                  struct cf_error *err)
{
    struct cf_query query = cf_db_query(
        &reader->db, "SELECT count(*), coalesce(sum(" SUCCEEDED " AND NOT c.truncated), 0),"
                     " coalesce(sum(c.truncated), 0), count(c.quality_score), avg(c.quality_score),"
                     " avg(c.turn_count)" LISTED OF_RUN);
    cf_query_int(&query, run);
    int next = cf_query_next(&query, err);
    if (next > 0)
        *out = (struct cf_stats_sum){
            .conversations = cf_column_int(&query, 0),
            .usable = cf_column_int(&query, 1),
            .truncated = cf_column_int(&query, 2),
            .scored = cf_column_int(&query, 3),
            .mean_score = cf_column_real(&query, 4),
            .mean_turns = cf_column_real(&query, 5),
        };
    cf_query_end(&query);
    return next > 0;
}

int cf_stats_ranked(struct cf_reader *reader, int64_t run, int64_t place,
                    int64_t *out_conversation, double *out_score, struct cf_error *err)
{
    struct cf_query query = cf_db_query(
        &reader->db, "SELECT c.id, c.quality_score" LISTED OF_RUN " AND c.quality_score IS NOT NULL"
                     " ORDER BY c.quality_score, i.ordinal, i.id, c.part LIMIT 1 OFFSET ?2");
    cf_query_int(&query, run);
    cf_query_int(&query, place);
    int next = cf_query_next(&query, err);
    if (next > 0) {
        *out_conversation = cf_column_int(&query, 0);
        *out_score = cf_column_real(&query, 1);
    }
    cf_query_end(&query);
    return next;
}
