#include "store/rules.h"

#include "store/reader_impl.h"

/* Each step looks only at what the one before it let through: JSON functions raise errors about the
 * rest. */
static const char rules[] =
    "WITH breakdowns AS MATERIALIZED (SELECT CASE WHEN json_valid(c.quality_breakdown)"
    " THEN c.quality_breakdown ELSE '[]' END AS parts"
    " FROM items i JOIN conversations c ON c.item = i.id"
    " WHERE i.run = ?1 AND c.superseded_by IS NULL AND NOT c.withdrawn AND i.state = 'done'"
    " AND NOT i.orphan AND NOT i.surplus AND c.quality_breakdown IS NOT NULL),"
    " parts AS MATERIALIZED (SELECT p.key AS place, p.value AS part FROM breakdowns b,"
    " json_each(b.parts) p WHERE p.type = 'object'),"
    " given AS (SELECT place, json_extract(part, '$.name') AS name,"
    " json_extract(part, '$.points') AS points, json_extract(part, '$.max') AS most FROM parts)"
    " SELECT name, count(*), sum(points >= most), sum(points <= 0), avg(points), max(most)"
    " FROM given WHERE typeof(name) = 'text' AND typeof(points) IN ('integer', 'real')"
    " AND typeof(most) IN ('integer', 'real') GROUP BY name ORDER BY min(place), name";

bool cf_rules_read(struct cf_reader *reader, int64_t run,
                   void (*on_row)(const struct cf_rule_row *row, void *self), void *self,
                   struct cf_error *err)
{
    struct cf_query query = cf_db_query(&reader->db, rules);
    int next;
    cf_query_int(&query, run);
    while ((next = cf_query_next(&query, err)) > 0) {
        const struct cf_rule_row row = {
            .name = cf_column_str(&query, 0),
            .conversations = cf_column_int(&query, 1),
            .full = cf_column_int(&query, 2),
            .none = cf_column_int(&query, 3),
            .mean_points = cf_column_real(&query, 4),
            .max_points = cf_column_real(&query, 5),
        };
        on_row(&row, self);
    }
    return next == 0;
}
