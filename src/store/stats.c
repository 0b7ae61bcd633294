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
