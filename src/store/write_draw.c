/* Items drawn from the plan: new ones, known ones, and those that are no longer drawn. */
#include <inttypes.h>

#include "confab/buf.h"
#include "confab/error.h"
#include "store/tx.h"
#include "store/write_item.h"

#define KEY_BYTES_MAX 1024    /* those of equal items are made of a hash */

/* 1: there is an item with that key, *standing and the results are filled; 0: it is new; -1. */
static int find_item(struct cf_store_tx *tx, const struct cf_write_item_draw *batch,
                     struct cf_text key, struct cf_item_draw *draw,
                     struct cf_item_standing *standing, struct cf_error *err)
{
    struct cf_query query = cf_db_query(
        &tx->db,
        "SELECT id, state, attempts, error_kind, ordinal IS NOT NULL, accepted, surplus, orphan,"
        " drawing = ?"
        " FROM items WHERE run = ? AND key = ?");
    cf_query_int(&query, batch->drawing);
    cf_query_int(&query, batch->run);
    cf_query_text(&query, key);
    draw->drawn_before = false;
    int found = cf_query_next(&query, err);
    if (found <= 0)
        return found;

    draw->item = cf_column_int(&query, 0);
    draw->state = cf_item_state_parse(cf_column_str(&query, 1));
    draw->attempts = cf_column_int(&query, 2);
    cf_column_copy(&query, 3, draw->error_kind, sizeof draw->error_kind);
    *standing = (struct cf_item_standing){
        .run = batch->run,
        .planned = cf_column_int(&query, 4) != 0,
        .accepted = cf_column_int(&query, 5) != 0,
        .surplus = cf_column_int(&query, 6) != 0,
        .orphan = cf_column_int(&query, 7) != 0,
        .state = draw->state,
    };
    draw->accepted = standing->accepted;
    draw->drawn_before = cf_column_int(&query, 8) != 0;
    cf_query_end(&query);
    return 1;
}

static bool insert_item(struct cf_store_tx *tx, const struct cf_write_item_draw *batch,
                        struct cf_text key, struct cf_item_draw *draw, struct cf_error *err)
{
    struct cf_query query = cf_db_query(
        &tx->db, "INSERT INTO items (run, key, ordinal, state, drawing, params, created_at)"
                 " VALUES (?, ?, ?, 'pending', ?, ?, ?)");
    cf_query_int(&query, batch->run);
    cf_query_text(&query, key);
    cf_query_count(&query, draw->ordinal);
    cf_query_int(&query, batch->drawing);
    cf_query_text(&query, draw->params);
    cf_query_str(&query, tx->now);

    draw->state = CF_ITEM_PENDING;
    draw->attempts = 0;
    draw->accepted = false;
    draw->error_kind[0] = '\0';
    return cf_query_insert(&query, &draw->item, err);
}

static bool redraw_item(struct cf_store_tx *tx, const struct cf_write_item_draw *batch,
                        const struct cf_item_draw *draw, struct cf_error *err)
{
    struct cf_query query = cf_db_query(
        &tx->db, "UPDATE items SET ordinal = ?, params = ?, drawing = ?, orphan = 0 WHERE id = ?");
    cf_query_count(&query, draw->ordinal);
    cf_query_text(&query, draw->params);
    cf_query_int(&query, batch->drawing);
    cf_query_int(&query, draw->item);
    return cf_query_run(&query, err);
}

/* The key of the n-th of equal items; a number stands in buf. */
static struct cf_text key_of(const struct cf_item_draw *draw, int64_t number, struct cf_buf *buf)
{
    if (number == 1)
        return draw->key;
    cf_buf_clear(buf);
    cf_buf_add(buf, draw->key.data, draw->key.len);
    cf_buf_addf(buf, "#%" PRId64, number);
    return (struct cf_text){ buf->data, buf->len };
}

/* Finds, of key, key#2, key#3 ..., the first that this drawing has not drawn, as find_item would.
 * They are drawn in their order: O(log n) of n equal items. */
static int find_number(struct cf_store_tx *tx, const struct cf_write_item_draw *batch,
                       struct cf_item_draw *draw, struct cf_buf *buf,
                       struct cf_item_standing *standing, struct cf_error *err)
{
    int64_t taken = 0, number = 1;
    int found = find_item(tx, batch, key_of(draw, number, buf), draw, standing, err);
    while (found > 0 && draw->drawn_before) {
        taken = number;
        number *= 2;
        found = find_item(tx, batch, key_of(draw, number, buf), draw, standing, err);
    }
    while (found >= 0 && number - taken > 1) {
        int64_t middle = taken + (number - taken) / 2;
        found = find_item(tx, batch, key_of(draw, middle, buf), draw, standing, err);
        if (found > 0 && draw->drawn_before)
            taken = middle;
        else
            number = middle;
    }
    draw->number = number;
    if (found >= 0 && draw->drawn_before)      /* the last one looked at was another one */
        found = find_item(tx, batch, key_of(draw, number, buf), draw, standing, err);
    if (found >= 0 && !cf_buf_ok(buf)) {
        cf_fail(err, CF_ERR_CONFIG, "an item's key is over %d bytes", KEY_BYTES_MAX);
        return -1;
    }
    return found;
}

static bool draw_item(struct cf_store_tx *tx, const struct cf_write_item_draw *batch,
                      struct cf_item_draw *draw, struct cf_buf *buf, struct cf_error *err)
{
    struct cf_item_standing standing;

    draw->number = 1;
    int found = draw->is_numbered ? find_number(tx, batch, draw, buf, &standing, err)
                                  : find_item(tx, batch, draw->key, draw, &standing, err);
    if (found < 0)
        return false;
    draw->existed = found == 1;
    if (draw->drawn_before)
        return true;
    if (draw->existed)
        cf_tx_count_item(tx, &standing, -1);
    else
        standing = (struct cf_item_standing){ .run = batch->run };

    if (!(draw->existed ? redraw_item(tx, batch, draw, err)
                        : insert_item(tx, batch, key_of(draw, draw->number, buf), draw, err)))
        return false;
    standing.planned = draw->ordinal >= 0;
    standing.orphan = false;
    cf_tx_count_item(tx, &standing, 1);
    return true;
}

bool cf_write_item_draw(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    struct cf_write_item_draw *batch = (struct cf_write_item_draw *)write;
    struct cf_buf buf;
    bool ok = true;
    CF_TX_KIND(tx, "item_draw");

    cf_buf_init(&buf, KEY_BYTES_MAX);
    for (size_t i = 0; ok && i < batch->count; i++)
        ok = draw_item(tx, batch, &batch->items[i], &buf, err);
    cf_buf_done(&buf);
    return ok;
}

bool cf_write_item_stay(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    struct cf_write_item_stay *stay = (struct cf_write_item_stay *)write;
    CF_TX_KIND(tx, "item_stay");

    struct cf_query query = cf_db_query(
        &tx->db, "UPDATE items INDEXED BY items_ordinal SET drawing = ?"
                 " WHERE run = ? AND ordinal BETWEEN ? AND ? AND orphan = 0");
    cf_query_int(&query, stay->drawing);
    cf_query_int(&query, stay->run);
    cf_query_int(&query, stay->first);
    cf_query_int(&query, stay->last);
    return cf_query_run(&query, err);
}

bool cf_write_item_orphans(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    struct cf_write_item_orphans *orphans = (struct cf_write_item_orphans *)write;
    CF_TX_KIND(tx, "item_orphans");

    struct cf_query query = cf_db_query(
        &tx->db, "UPDATE items SET orphan = 1 WHERE run = ? AND orphan = 0 AND ordinal IS NOT NULL"
                 " AND drawing < ? RETURNING state, accepted, surplus");
    cf_query_int(&query, orphans->run);
    cf_query_int(&query, orphans->drawing);

    orphans->orphans = 0;
    int next;
    while ((next = cf_query_next(&query, err)) > 0) {
        struct cf_item_standing standing = {
            .run = orphans->run,
            .planned = true,
            .state = cf_item_state_parse(cf_column_str(&query, 0)),
            .accepted = cf_column_int(&query, 1) != 0,
            .surplus = cf_column_int(&query, 2) != 0,
        };
        cf_tx_count_item(tx, &standing, -1);
        standing.orphan = true;
        cf_tx_count_item(tx, &standing, 1);
        orphans->orphans++;
    }
    return next == 0;
}
