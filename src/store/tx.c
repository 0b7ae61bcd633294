#include "store/tx.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "confab/error.h"
#include "confab/money.h"
#include "store/failpoint.h"

static const char add_totals[] =
    "UPDATE runs SET items_drawn = items_drawn + ?1, items_accepted = items_accepted + ?2,"
    "  items_needs_revision = items_needs_revision + ?3, items_failed = items_failed + ?4,"
    "  items_skipped = items_skipped + ?5, items_surplus = items_surplus + ?6,"
    "  items_orphan = items_orphan + ?7, calls = calls + ?8, attempts = attempts + ?9,"
    "  replies = replies + ?10, failures = failures + ?11,"
    "  unknown_cost_replies = unknown_cost_replies + ?12, spent_pico = spent_pico + ?13,"
    "  at_risk_pico = at_risk_pico + ?14, input_tokens = input_tokens + ?15,"
    "  output_tokens = output_tokens + ?16, cache_write_5m_tokens = cache_write_5m_tokens + ?17,"
    "  cache_write_1h_tokens = cache_write_1h_tokens + ?18, cache_read_tokens = cache_read_tokens "
    "+ ?19,"
    "  thinking_tokens = thinking_tokens + ?20 WHERE id = ?21";

static const char add_template[] =
    "UPDATE templates SET usage_count = usage_count + ?1, success_count = success_count + ?2,"
    "  output_calls = output_calls + ?3, output_tokens = output_tokens + ?4,"
    "  output_tokens_max = max(output_tokens_max, ?5) WHERE id = ?6";

static void forget_totals(struct cf_store_tx *tx)
{
    tx->runs.count = tx->templates.count = 0;
    tx->overflow = false;
    tx->simulated.run = 0;
    tx->summed = NULL;
#ifdef CONFAB_FAILPOINTS
    tx->kind_count = 0;
#endif
}

bool cf_tx_begin(struct cf_store_tx *tx, int64_t unix_ms, struct cf_error *err)
{
    forget_totals(tx);
    tx->unix_ms = unix_ms;
    cf_time_format(unix_ms, tx->now);
    struct cf_query query = cf_db_query(&tx->db, "BEGIN IMMEDIATE");
    return cf_query_run(&query, err);
}

static bool write_totals(struct cf_store_tx *tx, const struct cf_tx_totals_list *list,
                         const char *sql, size_t columns, struct cf_error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        struct cf_query query = cf_db_query(&tx->db, sql);
        for (size_t column = 0; column < columns; column++)
            cf_query_int(&query, list->rows[i].sums[column]);
        cf_query_int(&query, list->rows[i].id);
        if (!cf_query_run(&query, err))
            return false;
    }
    return true;
}

static void pass_failpoints(const struct cf_store_tx *tx, const char *moment)
{
#ifdef CONFAB_FAILPOINTS
    for (size_t i = 0; i < tx->kind_count; i++)
        cf_failpoint(tx->kinds[i], moment);
#else
    (void)tx, (void)moment;
#endif
}

bool cf_tx_commit(struct cf_store_tx *tx, struct cf_error *err)
{
    if (tx->overflow)
        return cf_fail(err, CF_ERR_STORAGE, "%s: a total of the run is beyond what can be counted",
                       tx->db.path);
    if (!write_totals(tx, &tx->runs, add_totals, CF_RUN_TOTALS, err) ||
        !write_totals(tx, &tx->templates, add_template, CF_TEMPLATE_TOTALS, err))
        return false;

    pass_failpoints(tx, "before");
    struct cf_query query = cf_db_query(&tx->db, "COMMIT");
    if (!cf_query_run(&query, err))
        return false;
    pass_failpoints(tx, "after");
    return true;
}

void cf_tx_rollback(struct cf_store_tx *tx)
{
    forget_totals(tx);
    if (sqlite3_get_autocommit(tx->db.handle))
        return;    /* SQLite has rolled back by itself */
    struct cf_query query = cf_db_query(&tx->db, "ROLLBACK");
    cf_query_run(&query, NULL);
}

void cf_tx_done(struct cf_store_tx *tx)
{
    free(tx->runs.rows);
    free(tx->templates.rows);
    memset(&tx->runs, 0, sizeof tx->runs);
    memset(&tx->templates, 0, sizeof tx->templates);
}

static struct cf_tx_totals *totals_of(struct cf_tx_totals_list *list, int64_t id)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->rows[i].id == id)
            return &list->rows[i];
    if (list->count == list->cap) {
        list->cap = list->cap == 0 ? 4 : list->cap * 2;
        list->rows = cf_realloc(list->rows, list->cap * sizeof *list->rows);
    }
    struct cf_tx_totals *totals = &list->rows[list->count++];
    memset(totals, 0, sizeof *totals);
    totals->id = id;
    return totals;
}

void cf_tx_add_run(struct cf_store_tx *tx, int64_t run, enum cf_run_total total, int64_t amount)
{
    if (!cf_money_add(&totals_of(&tx->runs, run)->sums[total], amount))
        tx->overflow = true;
}

void cf_tx_add_template(struct cf_store_tx *tx, int64_t template, enum cf_template_total total,
                        int64_t amount)
{
    if (template == 0)
        return;
    int64_t *sum = &totals_of(&tx->templates, template)->sums[total];
    if (total == CF_TEMPLATE_TOKENS_MAX)
        *sum = amount > *sum ? amount : *sum;
    else if (!cf_money_add(sum, amount))
        tx->overflow = true;
}

static const char *const state_names[] = { "pending", "done", "failed", "skipped" };

const char *cf_item_state_name(enum cf_item_state state)
{
    return state_names[state];
}

enum cf_item_state cf_item_state_parse(const char *name)
{
    for (int state = CF_ITEM_DONE; name != NULL && state <= CF_ITEM_SKIPPED; state++)
        if (strcmp(name, state_names[state]) == 0)
            return (enum cf_item_state)state;
    return CF_ITEM_PENDING;
}

bool cf_tx_item_standing(struct cf_store_tx *tx, int64_t item,
                         struct cf_item_standing *out_standing, struct cf_error *err)
{
    struct cf_query query =
        cf_db_query(&tx->db, "SELECT run, ordinal IS NOT NULL, accepted, "
                             "surplus, orphan, state, attempts > 0 FROM items WHERE id = ?");
    cf_query_int(&query, item);
    int found = cf_query_next(&query, err);
    if (found < 0)
        return false;
    if (found == 0)
        return cf_fail(err, CF_ERR_CONFIG, "there is no item %lld", (long long)item);

    out_standing->run = cf_column_int(&query, 0);
    out_standing->planned = cf_column_int(&query, 1) != 0;
    out_standing->accepted = cf_column_int(&query, 2) != 0;
    out_standing->surplus = cf_column_int(&query, 3) != 0;
    out_standing->orphan = cf_column_int(&query, 4) != 0;
    out_standing->state = cf_item_state_parse(cf_column_str(&query, 5));
    out_standing->was_finished = cf_column_int(&query, 6) != 0;
    cf_query_end(&query);
    return true;
}

void cf_tx_count_item(struct cf_store_tx *tx, const struct cf_item_standing *standing, int sign)
{
    if (!standing->planned)
        return;
    if (standing->orphan || standing->surplus) {
        cf_tx_add_run(tx, standing->run, standing->orphan ? CF_TOTAL_ORPHAN : CF_TOTAL_SURPLUS,
                      sign);
        return;
    }

    cf_tx_add_run(tx, standing->run, CF_TOTAL_DRAWN, sign);
    switch (standing->state) {
    case CF_ITEM_PENDING:
        break;
    case CF_ITEM_DONE:
        cf_tx_add_run(tx, standing->run,
                      standing->accepted ? CF_TOTAL_ACCEPTED : CF_TOTAL_NEEDS_REVISION, sign);
        break;
    case CF_ITEM_FAILED:
        cf_tx_add_run(tx, standing->run, CF_TOTAL_FAILED, sign);
        break;
    case CF_ITEM_SKIPPED:
        cf_tx_add_run(tx, standing->run, CF_TOTAL_SKIPPED, sign);
        break;
    }
}
