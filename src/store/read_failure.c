/* Reads of failed items: alike ones are counted together. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/reader_impl.h"

#define SHAPE_BYTES_MAX 200    /* where messages are told apart; what a model said stands behind */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The digits from `at` on; 0: there are none, or they are a line of a file, which tells mistakes
 * apart. */
static size_t number_at(const char *message, const char *at)
{
    const char *begin = at;
    size_t len = 0;
    while (begin > message && is_digit(begin[-1]))
        begin--;
    while (is_digit(at[len]))
        len++;
    bool is_line = begin > message && begin[-1] == ':' && at[len] == ':';
    return is_line ? 0 : len;
}

/* confab_shape(message): without what differs between failures for one reason, which are numbers
 * and what stands in quotes. */
static void shape_of(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    const char *message = (const char *)sqlite3_value_text(values[0]);
    char shape[SHAPE_BYTES_MAX];
    int len = 0;
    for (const char *at = message; at != NULL && *at != '\0' && len < SHAPE_BYTES_MAX;) {
        size_t digits = number_at(message, at);
        const char *end = *at == '"' ? strchr(at + 1, '"') : NULL;
        shape[len++] = digits > 0 ? '0' : *at;
        at = digits > 0 ? at + digits : end != NULL ? end + 1 : at + 1;
    }
    sqlite3_result_text(context, shape, len, SQLITE_TRANSIENT);
}

struct cf_failure_cursor {
    struct cf_query query;
    struct cf_failure_row row;
};

bool cf_failures_open(struct cf_reader *reader, int64_t run, struct cf_failure_cursor **out_cursor,
                      struct cf_error *err)
{
    struct cf_query query;
    if (!reader->knows_shapes &&
        sqlite3_create_function(reader->db.handle, "confab_shape", 1,
                                SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL,
                                shape_of, NULL, NULL) != SQLITE_OK)
        return cf_db_fail(&reader->db, err);
    reader->knows_shapes = true;
    /* With min() the bare columns come from the row that has the minimum (SQLite's rule). */
    if (!cf_cursor_open(reader,
                        "SELECT coalesce(error_kind, 'unknown'), count(*), key, error_message,"
                        " min(coalesce(ordinal, -1)) FROM items INDEXED BY items_failed"
                        " WHERE run = ? AND state = 'failed' AND NOT orphan"
                        " GROUP BY error_kind, confab_shape(error_message) ORDER BY 2 DESC, 1, 5",
                        &query, err))
        return false;
    cf_query_int(&query, run);

    struct cf_failure_cursor *cursor = cf_calloc(1, sizeof *cursor);
    cursor->query = query;
    *out_cursor = cursor;
    return true;
}

int cf_failures_next(struct cf_failure_cursor *cursor, const struct cf_failure_row **out_row,
                     struct cf_error *err)
{
    int next = cf_query_next(&cursor->query, err);
    if (next <= 0)
        return next;
    cursor->row.error_kind = cf_column_str(&cursor->query, 0);
    cursor->row.count = cf_column_int(&cursor->query, 1);
    cursor->row.key = cf_column_text(&cursor->query, 2);
    cursor->row.error_message = cf_column_str(&cursor->query, 3);
    *out_row = &cursor->row;
    return 1;
}

void cf_failures_free(struct cf_failure_cursor *cursor)
{
    if (cursor == NULL)
        return;
    cf_cursor_close(&cursor->query);
    free(cursor);
}
