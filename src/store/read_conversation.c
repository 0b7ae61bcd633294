/* Reads of conversations with their turns and tags, streamed in the order of the plan. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "store/reader_impl.h"

#define TEXT_MAX ((size_t)256 << 20)   /* of one conversation: some times the largest reply */

struct cf_conversation_cursor {
    struct cf_reader *reader;
    struct cf_query query;
    struct cf_conversation_row row;
    struct cf_buf text;                /* roles, contents, tag names and values of this row */
    struct cf_turn_row *turns;
    size_t turn_cap;
    struct cf_tag_row *tags;
    size_t tag_cap;
};

static void add_filter(struct cf_buf *sql, const struct cf_conversation_filter *filter)
{
    if (filter->conversation != 0) {
        cf_buf_adds(sql, " AND c.id = ?3");
        return;
    }
    if (filter->run != 0)
        cf_buf_adds(sql, " AND i.run = ?1");
    if (filter->item != 0)
        cf_buf_adds(sql, " AND i.id = ?2");
    if (!filter->with_superseded)
        cf_buf_adds(sql, " AND c.superseded_by IS NULL AND NOT c.withdrawn AND i.state = 'done'"
                         " AND NOT i.orphan AND NOT i.surplus");
    if (filter->min_score > 0)
        cf_buf_adds(sql, " AND c.quality_score >= ?4");
    if (filter->tier != NULL)
        cf_buf_adds(sql, " AND c.tier = ?5");
    if (filter->persona != NULL)
        cf_buf_adds(sql, " AND c.persona = ?6");
    if (filter->tag != NULL)
        cf_buf_adds(
            sql, " AND EXISTS (SELECT 1 FROM tags g WHERE g.conversation = c.id AND g.name = ?7)");
    if (filter->simulated != 0)
        cf_buf_adds(sql, filter->simulated > 0 ? " AND c.simulated" : " AND NOT c.simulated");
    if (filter->statuses != NULL) {
        cf_buf_adds(sql, " AND c.status IN (NULL");
        for (size_t i = 0; i < filter->status_count; i++)
            cf_buf_addf(sql, ", ?%zu", i + 8);
        cf_buf_adds(sql, ")");
    }
}

static void bind_filter(sqlite3_stmt *stmt, const struct cf_conversation_filter *filter)
{
    /* Binding a parameter that is not in the text does nothing. */
    sqlite3_bind_int64(stmt, 1, filter->run);
    sqlite3_bind_int64(stmt, 2, filter->item);
    sqlite3_bind_int64(stmt, 3, filter->conversation);
    sqlite3_bind_double(stmt, 4, filter->min_score);
    sqlite3_bind_text(stmt, 5, filter->tier, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(stmt, 6, filter->persona, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(stmt, 7, filter->tag, -1, SQLITE_TRANSIENT);
    if (filter->statuses != NULL)
        for (size_t i = 0; i < filter->status_count; i++)
            sqlite3_bind_text(stmt, (int)(i + 8), filter->statuses[i], -1, SQLITE_TRANSIENT);
}

bool cf_conversations_open(struct cf_reader *reader, const struct cf_conversation_filter *filter,
                           struct cf_conversation_cursor **out_cursor, struct cf_error *err)
{
    struct cf_buf sql = { .max = 16384 };
    struct cf_query query;
    /* The outer loop walks items in order of the plan, so that only the parts of one item are
     * sorted: CROSS JOIN is SQLite's way to fix that. */
    const char *items =
        filter->conversation != 0 || filter->item != 0
            ? "conversations c CROSS JOIN items i ON i.id = c.item"
            : "items i INDEXED BY items_ordinal CROSS JOIN conversations c ON c.item = i.id";

    cf_buf_addf(
        &sql,
        "SELECT c.id, i.run, i.id, i.ordinal, c.part, c.version, c.superseded_by, c.template, "
        "c.uuid,"
        " r.uuid, r.name, t.uuid, t.name, t.version, i.key, c.persona, c.emotion, c.topic, c.tier,"
        " c.document_id, c.chunk_id, c.parameters, c.status, c.quality_score, c.quality_breakdown,"
        " c.cost_pico, c.model, c.truncated, c.simulated, i.orphan, i.surplus, c.review_note,"
        " c.reviewed_at, c.created_at FROM %s CROSS JOIN runs r ON r.id = i.run"
        " LEFT JOIN templates t ON t.id = c.template WHERE 1",
        items);
    add_filter(&sql, filter);
    cf_buf_adds(&sql, " ORDER BY i.run, i.ordinal, i.id, c.part, c.version");

    if (!cf_buf_ok(&sql)) {
        cf_buf_done(&sql);
        return cf_fail(err, CF_ERR_CONFIG, "too many statuses in the filter");
    }
    bool ok = cf_cursor_open(reader, cf_buf_str(&sql), &query, err);
    cf_buf_done(&sql);
    if (!ok)
        return false;
    bind_filter(query.stmt, filter);

    struct cf_conversation_cursor *cursor = cf_calloc(1, sizeof *cursor);
    cursor->reader = reader;
    cursor->query = query;
    cf_buf_init(&cursor->text, TEXT_MAX);
    *out_cursor = cursor;
    return true;
}

static void fill_row(struct cf_conversation_row *row, const struct cf_query *query)
{
    row->conversation = cf_column_int(query, 0);
    row->run = cf_column_int(query, 1);
    row->item = cf_column_int(query, 2);
    row->ordinal = cf_column_count(query, 3);
    row->part = cf_column_int(query, 4);
    row->version = cf_column_int(query, 5);
    row->superseded_by = cf_column_int(query, 6);
    row->template = cf_column_int(query, 7);
    row->uuid = cf_column_str(query, 8);
    row->run_uuid = cf_column_str(query, 9);
    row->run_name = cf_column_str(query, 10);
    row->template_uuid = cf_column_str(query, 11);
    row->template_name = cf_column_str(query, 12);
    row->template_version = cf_column_int(query, 13);
    row->key = cf_column_text(query, 14);
    row->persona = cf_column_text(query, 15);
    row->emotion = cf_column_text(query, 16);
    row->topic = cf_column_text(query, 17);
    row->tier = cf_column_text(query, 18);
    row->document_id = cf_column_text(query, 19);
    row->chunk_id = cf_column_text(query, 20);
    row->parameters = cf_column_text(query, 21);
    row->status = cf_column_str(query, 22);
    row->quality_score = cf_column_real(query, 23);
    row->quality_breakdown = cf_column_text(query, 24);
    row->cost_pico = cf_column_count(query, 25);
    row->model = cf_column_str(query, 26);
    row->truncated = cf_column_int(query, 27) != 0;
    row->simulated = cf_column_int(query, 28) != 0;
    row->orphan = cf_column_int(query, 29) != 0;
    row->surplus = cf_column_int(query, 30) != 0;
    row->review_note = cf_column_str(query, 31);
    row->reviewed_at = cf_column_str(query, 32);
    row->created_at = cf_column_str(query, 33);
}

/* Texts are gathered in one buffer, which moves while it grows: until it is whole a cf_text
 * holds its offset (shifted by one, for NULL) in place of a pointer. */
static struct cf_text gather(struct cf_buf *buf, struct cf_text text)
{
    struct cf_text place = { NULL, text.len };
    if (text.data == NULL)
        return place;
    place.data = (const char *)(uintptr_t)(buf->len + 1);
    cf_buf_add(buf, text.data, text.len);
    cf_buf_addc(buf, '\0');
    return place;
}

static const char *settle(const struct cf_buf *buf, const char *place)
{
    return place == NULL ? NULL : buf->data + ((uintptr_t)place - 1);
}

static bool read_turns(struct cf_conversation_cursor *cursor, struct cf_error *err)
{
    struct cf_conversation_row *row = &cursor->row;
    int next;

    struct cf_query query = cf_db_query(
        &cursor->reader->db,
        "SELECT role, content FROM conversation_turns WHERE conversation = ? ORDER BY turn_index");
    cf_query_int(&query, row->conversation);
    row->turn_count = 0;
    while ((next = cf_query_next(&query, err)) > 0) {
        if (row->turn_count == cursor->turn_cap) {
            cursor->turn_cap = cursor->turn_cap == 0 ? 16 : cursor->turn_cap * 2;
            cursor->turns = cf_realloc(cursor->turns, cursor->turn_cap * sizeof *cursor->turns);
        }
        struct cf_turn_row *turn = &cursor->turns[row->turn_count++];
        turn->role = gather(&cursor->text, cf_column_text(&query, 0));
        turn->content = gather(&cursor->text, cf_column_text(&query, 1));
    }
    return next == 0;
}

static bool read_tags(struct cf_conversation_cursor *cursor, struct cf_error *err)
{
    struct cf_conversation_row *row = &cursor->row;
    int next;

    struct cf_query query = cf_db_query(
        &cursor->reader->db, "SELECT name, value FROM tags WHERE conversation = ? ORDER BY name");
    cf_query_int(&query, row->conversation);
    row->tag_count = 0;
    while ((next = cf_query_next(&query, err)) > 0) {
        if (row->tag_count == cursor->tag_cap) {
            cursor->tag_cap = cursor->tag_cap == 0 ? 4 : cursor->tag_cap * 2;
            cursor->tags = cf_realloc(cursor->tags, cursor->tag_cap * sizeof *cursor->tags);
        }
        struct cf_tag_row *tag = &cursor->tags[row->tag_count++];
        int type = sqlite3_column_type(query.stmt, 1);
        *tag = (struct cf_tag_row){ .is_number = type == SQLITE_INTEGER || type == SQLITE_FLOAT };
        tag->name = gather(&cursor->text, cf_column_text(&query, 0)).data;
        if (tag->is_number)
            tag->number = cf_column_real(&query, 1);
        else
            tag->text = gather(&cursor->text, cf_column_text(&query, 1));
    }
    return next == 0;
}

int cf_conversations_next(struct cf_conversation_cursor *cursor,
                          const struct cf_conversation_row **out_row, struct cf_error *err)
{
    struct cf_conversation_row *row = &cursor->row;

    int next = cf_query_next(&cursor->query, err);
    if (next <= 0)
        return next;
    fill_row(row, &cursor->query);

    cf_buf_clear(&cursor->text);
    if (!read_turns(cursor, err) || !read_tags(cursor, err))
        return -1;
    if (!cf_buf_ok(&cursor->text)) {
        cf_fail(err, CF_ERR_STORAGE, "conversation %s is over %zu bytes", row->uuid, TEXT_MAX);
        return -1;
    }

    for (size_t i = 0; i < row->turn_count; i++) {
        cursor->turns[i].role.data = settle(&cursor->text, cursor->turns[i].role.data);
        cursor->turns[i].content.data = settle(&cursor->text, cursor->turns[i].content.data);
    }
    for (size_t i = 0; i < row->tag_count; i++) {
        cursor->tags[i].name = settle(&cursor->text, cursor->tags[i].name);
        cursor->tags[i].text.data = settle(&cursor->text, cursor->tags[i].text.data);
    }
    row->turns = cursor->turns;
    row->tags = cursor->tags;
    *out_row = row;
    return 1;
}

void cf_conversations_free(struct cf_conversation_cursor *cursor)
{
    if (cursor == NULL)
        return;
    cf_cursor_close(&cursor->query);
    cf_buf_done(&cursor->text);
    free(cursor->turns);
    free(cursor->tags);
    free(cursor);
}
