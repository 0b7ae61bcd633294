#include "store/write_accept.h"

#include "store/tx.h"
#include "store/write_item.h"
#include "store/write_take_back.h"

#define OF_THE_PLAN " run = ?1 AND ordinal IS NOT NULL AND NOT orphan"

static bool mark_surplus(struct cf_write_accept *accept, struct cf_store_tx *tx,
                         struct cf_error *err)
{
    struct cf_query query = cf_db_query(
        &tx->db,
        "UPDATE items SET surplus = NOT surplus FROM"
        " (SELECT id AS ranked, accepted AND sum(accepted) OVER (ORDER BY ordinal) > ?2 AS wanted"
        "  FROM items WHERE" OF_THE_PLAN " AND (accepted OR surplus))"
        " WHERE id = ranked AND surplus <> wanted RETURNING state, accepted, surplus");
    cf_query_int(&query, accept->run);
    cf_query_int(&query, accept->accept);

    int next;
    while ((next = cf_query_next(&query, err)) > 0) {
        struct cf_item_standing standing = {
            .run = accept->run,
            .planned = true,
            .state = cf_item_state_parse(cf_column_str(&query, 0)),
            .accepted = cf_column_int(&query, 1) != 0,
            .surplus = cf_column_int(&query, 2) == 0,
        };
        cf_tx_count_item(tx, &standing, -1);
        standing.surplus = !standing.surplus;
        cf_tx_count_item(tx, &standing, 1);
    }
    return next == 0;
}

bool cf_write_accept(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    struct cf_write_accept *accept = (struct cf_write_accept *)write;
    CF_TX_KIND(tx, "accept");

    accept->dropped = 0;
    if (!mark_surplus(accept, tx, err))
        return false;
    if (accept->drops_rest && !cf_items_drop_unbegun(tx, accept->run, &accept->dropped, err))
        return false;

    struct cf_query query = cf_db_query(
        &tx->db, "SELECT count(*) FROM items WHERE" OF_THE_PLAN " AND surplus");
    cf_query_int(&query, accept->run);
    int found = cf_query_next(&query, err);
    if (found <= 0)
        return false;
    accept->surplus = cf_column_int(&query, 0);
    cf_query_end(&query);
    return true;
}
