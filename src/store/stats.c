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

/* Nearest rank: the least latency that p % of the calls do not exceed. */
#define GROUPS(name, where)                                                                    \
    "WITH named AS (SELECT " name " AS name, c.latency_ms, c.input_tokens, c.output_tokens,"   \
    " c.cost_pico FROM items i JOIN calls c ON c.item = i.id"                                  \
    " LEFT JOIN templates t ON t.id = c.template WHERE c.state = 'done'" where "),"            \
    " ranked AS (SELECT *, row_number() OVER (PARTITION BY name ORDER BY latency_ms) AS rank," \
    " count(*) OVER (PARTITION BY name) AS total FROM named)"                                  \
    " SELECT coalesce(name, '(none)'), total, sum(input_tokens), sum(output_tokens),"          \
    " sum(cost_pico), avg(output_tokens),"                                                     \
    " min(CASE WHEN rank * 100 >= total * 50 THEN latency_ms END),"                            \
    " min(CASE WHEN rank * 100 >= total * 95 THEN latency_ms END),"                            \
    " min(CASE WHEN rank * 100 >= total * 99 THEN latency_ms END)"                             \
    " FROM ranked GROUP BY name ORDER BY total DESC, 1"

#define OF_RUN " AND i.run = ?1"
#define MODEL "coalesce(c.model_answered, c.model)"
#define TEMPLATE "t.name || ' v' || t.version"

static const char statuses_of_run[] = STATUSES(OF_RUN), statuses_of_all[] = STATUSES("");
static const char scores_of_run[] = SCORES(OF_RUN), scores_of_all[] = SCORES("");
static const char models_of_run[] = GROUPS(MODEL, OF_RUN), models_of_all[] = GROUPS(MODEL, "");
static const char templates_of_run[] = GROUPS(TEMPLATE, OF_RUN),
                  templates_of_all[] = GROUPS(TEMPLATE, "");

static struct cf_query open_query(struct cf_reader *reader, int64_t run, const char *of_run,
                                  const char *of_all)
{
    struct cf_query query = cf_db_query(&reader->db, run != 0 ? of_run : of_all);
    if (run != 0)
        cf_query_int(&query, run);
    return query;
}

bool cf_stats_statuses(struct cf_reader *reader, int64_t run,
                       void (*on_row)(const struct cf_stats_status *row, void *self), void *self,
                       struct cf_error *err)
{
    struct cf_query query = open_query(reader, run, statuses_of_run, statuses_of_all);
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

bool cf_stats_scores(struct cf_reader *reader, int64_t run,
                     void (*on_row)(const struct cf_stats_score *row, void *self), void *self,
                     struct cf_error *err)
{
    struct cf_query query = open_query(reader, run, scores_of_run, scores_of_all);
    int next;
    while ((next = cf_query_next(&query, err)) > 0) {
        const struct cf_stats_score row = { cf_column_int(&query, 0), cf_column_int(&query, 1) };
        on_row(&row, self);
    }
    return next == 0;
}

bool cf_stats_groups(struct cf_reader *reader, int64_t run, enum cf_stats_by by,
                     void (*on_row)(const struct cf_stats_group *row, void *self), void *self,
                     struct cf_error *err)
{
    struct cf_query query = by == CF_STATS_BY_MODEL
                                ? open_query(reader, run, models_of_run, models_of_all)
                                : open_query(reader, run, templates_of_run, templates_of_all);
    int next;
    while ((next = cf_query_next(&query, err)) > 0) {
        const struct cf_stats_group row = {
            .name = cf_column_str(&query, 0),
            .replies = cf_column_int(&query, 1),
            .input_tokens = cf_column_count(&query, 2),
            .output_tokens = cf_column_count(&query, 3),
            .cost_pico = cf_column_count(&query, 4),
            .mean_output_tokens = cf_column_real(&query, 5),
            .p50_ms = cf_column_count(&query, 6),
            .p95_ms = cf_column_count(&query, 7),
            .p99_ms = cf_column_count(&query, 8),
        };
        on_row(&row, self);
    }
    return next == 0;
}
