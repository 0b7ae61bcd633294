#include "store/page.h"

#include <stdlib.h>

#include "confab/buf.h"
#include "confab/error.h"
#include "store/reader_impl.h"

/* Up to so many items of a run, it is quicker to go through them and sort. */
#define SORTED_ITEMS_MAX 5000

/* Text to be found as it is, between LIKE's wildcards. */
static void add_like(struct cf_buf *out, const char *text)
{
    cf_buf_addc(out, '%');
    for (; *text != '\0'; text++) {
        if (*text == '%' || *text == '_' || *text == '\\')
            cf_buf_addc(out, '\\');
        cf_buf_addc(out, *text);
    }
    cf_buf_addc(out, '%');
}

static bool is_large(struct cf_reader *reader, int64_t run)
{
    struct cf_query query = cf_db_query(&reader->db, "SELECT items_drawn FROM runs WHERE id = ?");
    cf_query_int(&query, run);
    bool large = cf_query_next(&query, NULL) > 0 && cf_column_int(&query, 0) > SORTED_ITEMS_MAX;
    cf_query_end(&query);
    return large;
}

static void add_conditions(struct cf_buf *sql, const struct cf_page_question *question)
{
    if (question->run != 0)
        cf_buf_adds(sql, " AND i.run = ?1");
    if (question->template != 0)
        cf_buf_adds(sql, " AND c.template = ?2");
    if (question->min_score > 0)
        cf_buf_adds(sql, " AND c.quality_score >= ?3");
    if (question->max_score > 0)
        cf_buf_adds(sql, " AND c.quality_score <= ?4");
    if (question->persona != NULL)
        cf_buf_adds(sql, " AND c.persona = ?5");
    if (question->emotion != NULL)
        cf_buf_adds(sql, " AND c.emotion = ?6");
    if (question->topic != NULL)
        cf_buf_adds(sql, " AND c.topic = ?7");
    if (question->tier != NULL)
        cf_buf_adds(sql, " AND c.tier = ?8");
    if (question->tag != NULL)
        cf_buf_adds(
            sql, " AND EXISTS (SELECT 1 FROM tags g WHERE g.conversation = c.id AND g.name = ?9)");
    if (question->text != NULL)
        cf_buf_adds(sql,
                    " AND (c.persona LIKE ?10 ESCAPE '\\' OR c.emotion LIKE ?10 ESCAPE '\\'"
                    " OR c.topic LIKE ?10 ESCAPE '\\' OR EXISTS (SELECT 1 FROM conversation_turns n"
                    " WHERE n.conversation = c.id AND n.content LIKE ?10 ESCAPE '\\'))");
    if (!question->with_superseded)
        cf_buf_adds(sql, " AND c.superseded_by IS NULL AND NOT c.withdrawn AND i.state = 'done'"
                         " AND NOT i.orphan AND NOT i.surplus");
    if (question->simulated != 0)
        cf_buf_adds(sql, question->simulated > 0 ? " AND c.simulated" : " AND NOT c.simulated");
    if (question->statuses != NULL) {
        cf_buf_adds(sql, " AND c.status IN (NULL");
        for (size_t i = 0; i < question->status_count; i++)
            cf_buf_addf(sql, ", ?%zu", i + 20);
        cf_buf_adds(sql, ")");
    }
}

static void bind(sqlite3_stmt *stmt, const struct cf_page_question *question)
{
    const char *const texts[] = { question->persona, question->emotion, question->topic,
                                  question->tier, question->tag };
    struct cf_buf like = { .max = 1u << 20 };
    /* Binding a parameter that is not in the text does nothing. */
    sqlite3_bind_int64(stmt, 1, question->run);
    sqlite3_bind_int64(stmt, 2, question->template);
    sqlite3_bind_double(stmt, 3, question->min_score);
    sqlite3_bind_double(stmt, 4, question->max_score);
    for (int i = 0; i < 5; i++)
        sqlite3_bind_text(stmt, 5 + i, texts[i], -1, SQLITE_TRANSIENT);
    if (question->text != NULL)
        add_like(&like, question->text);
    sqlite3_bind_text(stmt, 10, cf_buf_str(&like), -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(stmt, 11, question->before);
    sqlite3_bind_int64(stmt, 12, (sqlite3_int64)question->limit);
    sqlite3_bind_int64(stmt, 13, question->offset);
    for (size_t i = 0; question->statuses != NULL && i < question->status_count; i++)
        sqlite3_bind_text(stmt, (int)i + 20, question->statuses[i], -1, SQLITE_TRANSIENT);
    cf_buf_done(&like);
}

/* Where a question begins and how far it looks, in ids: [lowest, before). */
struct stretch {
    bool by_items;       /* the few items of a run, all of them */
    int64_t lowest;      /* 0: to the end */
};

/* Newest first is the order of the table itself; only a small run's items are worth sorting. */
static bool find_stretch(struct cf_reader *reader, const struct cf_page_question *question,
                         int64_t before, struct stretch *out, struct cf_error *err)
{
    int64_t newest = before - 1;
    *out = (struct stretch){ .by_items = question->run != 0 && !is_large(reader, question->run) };
    if (out->by_items || question->look_most == 0)
        return true;
    if (before == 0 && !cf_db_int(&reader->db, "SELECT coalesce(max(id), 0) FROM conversations",
                                  &newest, err))
        return false;
    if (newest > question->look_most)
        out->lowest = newest - question->look_most + 1;
    return true;
}

static bool open_query(struct cf_reader *reader, const struct cf_page_question *question,
                       const char *columns, const struct stretch *stretch, bool is_page,
                       struct cf_query *out_query, struct cf_error *err)
{
    struct cf_buf sql = { .max = 16384 };
    cf_buf_addf(&sql, "SELECT %s FROM %s WHERE c.id >= ?14", columns,
                stretch->by_items ? "items i CROSS JOIN conversations c ON c.item = i.id"
                                  : "conversations c CROSS JOIN items i ON i.id = c.item");
    add_conditions(&sql, question);
    if (is_page && question->before != 0)
        cf_buf_adds(&sql, " AND c.id < ?11");
    if (is_page)
        cf_buf_adds(&sql, " ORDER BY c.id DESC LIMIT ?12 OFFSET ?13");
    bool ok = cf_buf_ok(&sql) ? cf_cursor_open(reader, cf_buf_str(&sql), out_query, err)
                              : cf_fail(err, CF_ERR_CONFIG, "too many statuses in the filter");
    cf_buf_done(&sql);
    if (ok) {
        bind(out_query->stmt, question);
        sqlite3_bind_int64(out_query->stmt, 14, stretch->lowest);
    }
    return ok;
}

bool cf_page_read(struct cf_reader *reader, const struct cf_page_question *question, int64_t *ids,
                  size_t *out_count, int64_t *out_next, struct cf_error *err)
{
    struct stretch stretch;
    struct cf_query query;
    size_t count = 0;
    int next;
    if (!find_stretch(reader, question, question->before, &stretch, err))
        return false;
    if (question->offset > 0)
        stretch.lowest = 0;
    if (!open_query(reader, question, "c.id", &stretch, true, &query, err))
        return false;
    while ((next = cf_query_next(&query, err)) > 0 && count < question->limit)
        ids[count++] = cf_column_int(&query, 0);
    cf_cursor_close(&query);
    if (next < 0)
        return false;
    *out_count = count;
    *out_next = count == question->limit ? ids[count - 1] : stretch.lowest;
    return true;
}

bool cf_page_total(struct cf_reader *reader, const struct cf_page_question *question,
                   int64_t *out_total, bool *out_is_exact, struct cf_error *err)
{
    struct stretch stretch;
    struct cf_query query;
    if (!find_stretch(reader, question, 0, &stretch, err) ||
        !open_query(reader, question, "count(*)", &stretch, false, &query, err))
        return false;
    int next = cf_query_next(&query, err);
    if (next > 0)
        *out_total = cf_column_int(&query, 0);
    cf_cursor_close(&query);
    *out_is_exact = stretch.lowest <= 1;
    return next > 0;
}
