#include "store/script_budget.h"

#include "confab/error.h"
#include "store/owner.h"
#include "store/reader_impl.h"
#include "store/tx.h"

/* ?1 script, ?2 provider, ?3 simulated, ?4 the first run. */
#define OWN_RUNS                                                                                   \
    "WITH own AS (SELECT id, spent_pico, at_risk_pico FROM runs r WHERE script = ?1 AND provider " \
    "= ?2"                                                                                         \
    "  AND simulated = ?3 AND id >= ?4 AND generation = (SELECT max(generation) FROM runs s"       \
    "    WHERE s.name = r.name AND s.provider = r.provider AND s.simulated = r.simulated)) "

static void bind(struct cf_query *query, const struct cf_script_budget *budget)
{
    cf_query_str(query, budget->script);
    cf_query_str(query, budget->provider);
    cf_query_int(query, budget->is_simulated);
    cf_query_int(query, budget->first_run);
}

/* What is in flight is looked up run by run: only a process that lives brings it back. CROSS JOIN:
 * from the few calls in flight to their items, not through all items of the runs. */
static bool read_use(struct cf_db *db, const struct cf_script_budget *budget,
                     struct cf_script_use *out, struct cf_error *err)
{
    struct cf_script_use use = { 0 };
    struct cf_query sums =
        cf_db_query(db, OWN_RUNS
                    "SELECT coalesce(sum(spent_pico), 0), coalesce(sum(at_risk_pico), 0) FROM own");
    bind(&sums, budget);
    if (cf_query_next(&sums, err) <= 0)
        return false;
    use.spent_pico = cf_column_int(&sums, 0);
    use.at_risk_pico = cf_column_int(&sums, 1);
    cf_query_end(&sums);

    struct cf_query flights = cf_db_query(
        db, OWN_RUNS
        "SELECT i.run, sum(coalesce(c.bound_pico, 0)) FROM calls c INDEXED BY calls_in_flight"
        " CROSS JOIN items i ON i.id = c.item WHERE c.state = 'sent' AND i.run IN"
        " (SELECT id FROM own) GROUP BY i.run");
    bind(&flights, budget);
    int found;
    while ((found = cf_query_next(&flights, err)) > 0) {
        bool is_alive = cf_owner_is_held(db->path, cf_column_int(&flights, 0));
        *(is_alive ? &use.in_flight_pico : &use.at_risk_pico) += cf_column_int(&flights, 1);
    }
    if (found < 0)
        return false;
    *out = use;
    return true;
}

static int64_t sum_of(const struct cf_script_use *use)
{
    return use->spent_pico + use->at_risk_pico + use->in_flight_pico;
}

/* What this transaction has booked: it stands in the rows of the runs only just before the
 * commit. */
static void add_pending(const struct cf_store_tx *tx, struct cf_script_use *use)
{
    for (size_t i = 0; i < tx->runs.count; i++) {
        use->spent_pico += tx->runs.rows[i].sums[CF_TOTAL_SPENT];
        use->at_risk_pico += tx->runs.rows[i].sums[CF_TOTAL_AT_RISK];
    }
}

/* Summed once a transaction, then added to: what comes back meanwhile only makes room, and is seen
 * when there seems to be none. */
bool cf_script_budget_take(struct cf_store_tx *tx, const struct cf_script_budget *budget,
                           int64_t bound_pico, enum cf_script_room *out_room,
                           struct cf_script_use *out_use, struct cf_error *err)
{
    *out_room = CF_SCRIPT_HAS_ROOM;
    if (tx->summed != budget || bound_pico > budget->budget_pico - tx->sum_pico) {
        if (!read_use(&tx->db, budget, out_use, err))
            return false;
        add_pending(tx, out_use);
        tx->summed = budget;
        tx->sum_pico = sum_of(out_use);
    }
    if (bound_pico <= budget->budget_pico - tx->sum_pico)
        tx->sum_pico += bound_pico;
    else
        *out_room = out_use->in_flight_pico > 0 ? CF_SCRIPT_MAY_HAVE : CF_SCRIPT_HAS_NONE;
    return true;
}

bool cf_reader_script_use(struct cf_reader *reader, const struct cf_script_budget *budget,
                          struct cf_script_use *out_use, struct cf_error *err)
{
    return read_use(&reader->db, budget, out_use, err);
}

bool cf_reader_first_run_anew(struct cf_reader *reader, const struct cf_script_budget *budget,
                              int64_t *out_run, struct cf_error *err)
{
    struct cf_query query = cf_db_query(
        &reader->db, "SELECT id, script = ?1 AND provider = ?2 AND simulated = ?3 FROM runs"
                     " WHERE id >= ?4 ORDER BY id");
    bind(&query, budget);
    int64_t first = 1;
    int found;
    while ((found = cf_query_next(&query, err)) > 0) {
        int64_t run = cf_column_int(&query, 0);
        if (cf_column_int(&query, 1) != 0 && cf_owner_is_held(reader->db.path, run)) {
            *out_run = run;
            cf_query_end(&query);
            return true;
        }
        first = run + 1;
    }
    if (found == 0)
        *out_run = first;
    return found == 0;
}
