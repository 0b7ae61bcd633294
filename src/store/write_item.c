#include "store/write_item.h"

#include <inttypes.h>
#include <string.h>

#include "confab/error.h"
#include "confab/money.h"
#include "store/conversation_insert.h"
#include "store/tx.h"

bool cf_write_item_record(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    struct cf_write_item_record *record = (struct cf_write_item_record *)write;
    CF_TX_KIND(tx, "item_record");

    struct cf_query query = cf_db_query(&tx->db, "UPDATE items SET recorded = ? WHERE id = ?");
    cf_query_text(&query, record->recorded);
    cf_query_int(&query, record->item);
    return cf_query_run(&query, err);
}

/* The conversations that count for the item so far give way to the new ones. */
static bool supersede(struct cf_store_tx *tx, const struct cf_write_item_finish *finish,
                      struct cf_error *err)
{
    for (size_t i = 0; i < finish->count; i++) {
        const struct cf_conversation_new *fresh = &finish->conversations[i];
        struct cf_query query = cf_db_query(
            &tx->db,
            "UPDATE conversations SET superseded_by = ?1 WHERE item = ?2 AND part = ?3 AND id <> ?1"
            " AND superseded_by IS NULL");
        cf_query_int(&query, fresh->conversation);
        cf_query_int(&query, finish->item);
        cf_query_int(&query, fresh->part);
        if (!cf_query_run(&query, err))
            return false;
    }

    /* Parts that the item no longer makes. */
    int64_t newest = finish->count > 0 ? finish->conversations[0].conversation : 0;
    struct cf_query rest = cf_db_query(
        &tx->db, "UPDATE conversations SET superseded_by = ?1, withdrawn = 1 WHERE item = ?2"
                 " AND superseded_by IS NULL AND id < coalesce(?1, 9223372036854775807)");
    cf_query_id(&rest, newest);
    cf_query_int(&rest, finish->item);
    return cf_query_run(&rest, err);
}

static bool has_conversations(struct cf_store_tx *tx, int64_t item, bool *out_any,
                              struct cf_error *err)
{
    struct cf_query query =
        cf_db_query(&tx->db, "SELECT 1 FROM conversations WHERE item = ? LIMIT 1");
    cf_query_int(&query, item);
    int found = cf_query_next(&query, err);
    if (found < 0)
        return false;
    *out_any = found > 0;
    cf_query_end(&query);
    return true;
}

bool cf_write_item_finish(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    struct cf_write_item_finish *finish = (struct cf_write_item_finish *)write;
    struct cf_item_standing standing;
    bool accepted = finish->state == CF_ITEM_DONE && finish->count > 0;
    struct cf_conversation_place place = { .item = finish->item };
    CF_TX_KIND(tx, "item_finish");

    if (!cf_tx_item_standing(tx, finish->item, &standing, err))
        return false;
    if (!cf_run_is_simulated(tx, standing.run, &place.simulated, err))
        return false;
    if (standing.was_finished && !has_conversations(tx, finish->item, &place.has_earlier, err))
        return false;

    for (size_t i = 0; i < finish->count; i++) {
        struct cf_conversation_new *conversation = &finish->conversations[i];
        int64_t parent = conversation->branch_part;
        if (parent > 0 && parent <= (int64_t)i)
            conversation->branch_of = finish->conversations[parent - 1].conversation;
        if (!cf_conversation_insert(tx, &place, conversation, err))
            return false;
        if (!cf_status_is_accepted(conversation->status))
            accepted = false;
        else
            cf_tx_add_template(tx, conversation->template, CF_TEMPLATE_SUCCESS, 1);
    }
    if (place.has_earlier && finish->state != CF_ITEM_FAILED && !supersede(tx, finish, err))
        return false;

    struct cf_query query = cf_db_query(
        &tx->db, "UPDATE items SET state = ?, accepted = ?, surplus = ?, attempts = attempts + 1,"
                 " error_kind = ?, error_message = ?, finished_at = ? WHERE id = ?");
    cf_query_str(&query, cf_item_state_name(finish->state));
    cf_query_int(&query, accepted);
    cf_query_int(&query, finish->surplus);
    cf_query_str(&query, finish->error_kind);
    cf_query_words(&query, finish->error_message);
    cf_query_str(&query, tx->now);
    cf_query_int(&query, finish->item);
    if (!cf_query_run(&query, err))
        return false;

    cf_tx_count_item(tx, &standing, -1);
    standing.state = finish->state;
    standing.accepted = accepted;
    standing.surplus = finish->surplus;
    cf_tx_count_item(tx, &standing, 1);
    return true;
}
