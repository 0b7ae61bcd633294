#include "store/write_take_back.h"

#include "store/tx.h"
#include "store/write_item.h"

bool cf_items_drop_unbegun(struct cf_store_tx *tx, int64_t run, int64_t *out_dropped,
                           struct cf_error *err)
{
    struct cf_query query =
        cf_db_query(&tx->db, "DELETE FROM items WHERE run = ? AND ordinal IS NOT NULL AND NOT "
                             "orphan AND state = 'pending'"
                             " AND NOT EXISTS (SELECT 1 FROM calls WHERE item = items.id)"
                             " AND NOT EXISTS (SELECT 1 FROM conversations WHERE item = items.id)"
                             " RETURNING surplus");
    cf_query_int(&query, run);

    int next;
    *out_dropped = 0;
    while ((next = cf_query_next(&query, err)) > 0) {
        struct cf_item_standing standing = {
            .run = run, .planned = true, .state = CF_ITEM_PENDING,
            .surplus = cf_column_int(&query, 0) != 0,
        };
        cf_tx_count_item(tx, &standing, -1);
        ++*out_dropped;
    }
    return next == 0;
}

bool cf_write_take_back(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    struct cf_write_take_back *back = (struct cf_write_take_back *)write;
    CF_TX_KIND(tx, "take_back");

    if (!cf_items_drop_unbegun(tx, back->run, &back->dropped, err))
        return false;
    struct cf_query query = cf_db_query(
        &tx->db,
        "UPDATE calls SET set_aside = 0 WHERE set_aside = ?2 AND item IN"
        " (SELECT id FROM items INDEXED BY items_failed WHERE run = ?1 AND state = 'failed')");
    cf_query_int(&query, back->run);
    cf_query_int(&query, back->drawing);
    return cf_query_run(&query, err);
}
