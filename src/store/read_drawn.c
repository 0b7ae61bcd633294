#include "store/drawn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "confab/error.h"
#include "store/reader_impl.h"

#define TEXT_BYTES_MAX ((size_t)1 << 30)     /* parameters of CF_DRAWN_MAX items */

static void keep_text(struct cf_drawn *drawn, const struct cf_query *query, int column,
                      size_t *out_at, size_t *out_len)
{
    struct cf_text text = cf_column_text(query, column);
    *out_at = drawn->texts.len;
    *out_len = text.len;
    cf_buf_add(&drawn->texts, text.data, text.len);
}

static void fill_item(struct cf_drawn *drawn, struct cf_drawn_item *item,
                      const struct cf_query *query)
{
    item->item = cf_column_int(query, 0);
    keep_text(drawn, query, 2, &item->key_at, &item->key_len);
    keep_text(drawn, query, 3, &item->params_at, &item->params_len);
    item->state = cf_item_state_parse(cf_column_str(query, 4));
    item->accepted = cf_column_int(query, 5) != 0;
    cf_column_copy(query, 6, item->error_kind, sizeof item->error_kind);
    item->is_current = cf_column_int(query, 7) != 0;
    item->first_call = drawn->call_count;
}

static bool add_call(struct cf_drawn *drawn, struct cf_drawn_item *item,
                     const struct cf_query *query, int column, struct cf_error *err)
{
    if (drawn->call_count == drawn->call_cap) {
        drawn->call_cap = drawn->call_cap == 0 ? 64 : 2 * drawn->call_cap;
        drawn->calls = cf_realloc(drawn->calls, drawn->call_cap * sizeof *drawn->calls);
    }
    if (!cf_journal_call_fill(&drawn->calls[drawn->call_count], query, column, err))
        return false;
    drawn->call_count++;
    item->call_count++;
    return true;
}

/* Takes in one row: an item with one of its calls. */
static bool add_row(struct cf_drawn *drawn, struct cf_drawn_item *item,
                    const struct cf_query *query, struct cf_error *err)
{
    bool is_another = item->item != 0 && item->item != cf_column_int(query, 0);
    if (is_another && item->is_current)
        return true;
    if (is_another && cf_column_int(query, 7) == 0) {
        item->is_doubled = true;
        return true;
    }
    if (is_another)
        memset(item, 0, sizeof *item);
    if (item->item == 0)
        fill_item(drawn, item, query);
    bool has_call = sqlite3_column_type(query->stmt, 8) != SQLITE_NULL;
    return item->is_doubled || !has_call || add_call(drawn, item, query, 8, err);
}

static void clear(struct cf_drawn *drawn)
{
    drawn->count = drawn->call_count = 0;
    cf_buf_clear(&drawn->texts);
}

bool cf_drawn_read(struct cf_drawn *drawn, struct cf_reader *reader, int64_t run, int64_t drawing,
                   int64_t first, size_t count, struct cf_error *err)
{
    assert(count <= CF_DRAWN_MAX);
    clear(drawn);
    drawn->texts.max = TEXT_BYTES_MAX;
    if (count > drawn->cap) {
        drawn->items = cf_realloc(drawn->items, count * sizeof *drawn->items);
        drawn->cap = count;
    }
    memset(drawn->items, 0, count * sizeof *drawn->items);

    struct cf_query query = cf_db_query(
        &reader->db,
        "SELECT i.id, i.ordinal, i.key, i.params, i.state, i.accepted, i.error_kind,"
        " i.drawing = ?4, " CF_JOURNAL_COLUMNS " FROM items i INDEXED BY items_ordinal"
        " LEFT JOIN calls c INDEXED BY calls_item ON c.item = i.id"
        " WHERE i.run = ?1 AND i.ordinal >= ?2 AND i.ordinal < ?3 AND i.orphan = 0"
        " ORDER BY i.ordinal, i.id, c.id");
    cf_query_int(&query, run);
    cf_query_int(&query, first);
    cf_query_int(&query, first + (int64_t)count);
    cf_query_int(&query, drawing);

    int next;
    while ((next = cf_query_next(&query, err)) > 0) {
        int64_t ordinal = cf_column_int(&query, 1);
        if (!add_row(drawn, &drawn->items[ordinal - first], &query, err)) {
            cf_query_end(&query);
            next = -1;
            break;
        }
    }
    if (next == 0 && !cf_buf_ok(&drawn->texts)) {
        cf_fail(err, CF_ERR_STORAGE, "the parameters of %zu items are over %zu bytes", count,
                TEXT_BYTES_MAX);
        next = -1;
    }
    if (next < 0) {
        clear(drawn);
        return false;
    }
    drawn->first = first;
    drawn->count = count;
    return true;
}

void cf_drawn_done(struct cf_drawn *drawn)
{
    free(drawn->items);
    free(drawn->calls);
    cf_buf_done(&drawn->texts);
    memset(drawn, 0, sizeof *drawn);
}

const struct cf_drawn_item *cf_drawn_get(const struct cf_drawn *drawn, int64_t ordinal)
{
    if (ordinal < drawn->first || (uint64_t)(ordinal - drawn->first) >= drawn->count)
        return NULL;
    const struct cf_drawn_item *item = &drawn->items[ordinal - drawn->first];
    return item->item != 0 && !item->is_doubled ? item : NULL;
}

struct cf_text cf_drawn_key(const struct cf_drawn *drawn, const struct cf_drawn_item *item)
{
    return (struct cf_text){ drawn->texts.data + item->key_at, item->key_len };
}

struct cf_text cf_drawn_params(const struct cf_drawn *drawn, const struct cf_drawn_item *item)
{
    return (struct cf_text){ drawn->texts.data + item->params_at, item->params_len };
}

bool cf_reader_plan_size(struct cf_reader *reader, int64_t run, int64_t *out_count,
                         struct cf_error *err)
{
    struct cf_query query = cf_db_query(
        &reader->db, "SELECT items_drawn + items_surplus FROM runs WHERE id = ?");
    cf_query_int(&query, run);
    int found = cf_query_next(&query, err);
    if (found == 0)
        cf_fail(err, CF_ERR_CONFIG, "there is no run %lld", (long long)run);
    if (found <= 0)
        return false;
    *out_count = cf_column_int(&query, 0);
    cf_query_end(&query);
    return true;
}
