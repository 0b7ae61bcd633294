#include "store/reader.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/uuid.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "store/reader_impl.h"
#include "store/schema.h"

/* --- what the reader's files share --- */

bool cf_cursor_open(struct cf_reader *reader, const char *sql, struct cf_query *out_query,
                    struct cf_error *err)
{
    *out_query = (struct cf_query){ .db = &reader->db };
    if (sqlite3_prepare_v2(reader->db.handle, sql, -1, &out_query->stmt, NULL) != SQLITE_OK)
        return cf_db_fail(&reader->db, err);
    return true;
}

void cf_cursor_close(struct cf_query *query)
{
    sqlite3_finalize(query->stmt);
    query->stmt = NULL;
}

struct cf_text cf_keep_text(const struct cf_query *query, int column, struct cf_kept *kept)
{
    struct cf_text text = cf_column_text(query, column);
    if (kept == NULL || text.data == NULL)
        return text;
    text.data = kept->strings[kept->count++] = cf_memdup(text.data, text.len);
    return text;
}

const char *cf_keep_str(const struct cf_query *query, int column, struct cf_kept *kept)
{
    return cf_keep_text(query, column, kept).data;
}

void cf_kept_clear(struct cf_kept *kept)
{
    for (size_t i = 0; i < kept->count; i++)
        free(kept->strings[i]);
    kept->count = 0;
}

/* --- opening --- */

/* A log cannot be opened in a folder that may not be written; but if there is none, the file
 * is all there is and nobody is writing it. */
static bool open_immutable(struct cf_db *db, const char *path, int busy_ms, struct cf_error *err)
{
    struct cf_buf name = { .max = 16384 };
    struct stat st;
    bool ok = false;

    cf_buf_addf(&name, "%s-wal", path);
    if (stat(cf_buf_str(&name), &st) == 0 && st.st_size > 0)
        goto done;

    cf_buf_clear(&name);
    cf_buf_adds(&name, "file:");
    for (const char *c = path; *c != '\0'; c++) {
        if (*c == '?' || *c == '#' || *c == '%')
            cf_buf_addf(&name, "%%%02X", (unsigned)(unsigned char)*c);
        else
            cf_buf_addc(&name, *c);
    }
    cf_buf_adds(&name, "?immutable=1");

    cf_db_close(db);
    db->path = cf_strdup(path);
    db->busy_ms = busy_ms;
    ok = sqlite3_open_v2(cf_buf_str(&name), &db->handle,
                         SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                             SQLITE_OPEN_URI,
                         NULL) == SQLITE_OK &&
         cf_schema_check(db, &cf_schema_current, err);
done:
    cf_buf_done(&name);
    return ok;
}

static bool has_log(const char *path)
{
    struct cf_buf name = { .max = 16384 };
    struct stat st;
    cf_buf_addf(&name, "%s-wal", path);
    bool has = stat(cf_buf_str(&name), &st) == 0;
    cf_buf_done(&name);
    return has;
}

/* A connection that only reads makes FILE-wal and FILE-shm, but may not delete them. One that may
 * write does so when it closes as the last one, under SQLite's own locks. */
static void take_log_away(const char *path)
{
    sqlite3 *handle = NULL;
    if (!has_log(path))
        return;
    if (sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ==
        SQLITE_OK)
        sqlite3_exec(handle, "SELECT 1 FROM sqlite_schema LIMIT 1", NULL, NULL, NULL);
    sqlite3_close(handle);
}

bool cf_reader_open(const char *path, int busy_ms, struct cf_reader **out_reader,
                    struct cf_error *err)
{
    if (busy_ms <= 0)
        busy_ms = CF_STORE_CMD_BUSY_MS;

    struct cf_reader *reader = cf_calloc(1, sizeof *reader);
    bool had_log = has_log(path);
    if (!cf_db_open(&reader->db, path, SQLITE_OPEN_READONLY, busy_ms, err)) {
        free(reader);
        return false;
    }
    if (!cf_schema_check(&reader->db, &cf_schema_current, err)) {
        int code = sqlite3_errcode(reader->db.handle) & 0xff;
        bool no_log = code == SQLITE_CANTOPEN || code == SQLITE_READONLY;
        if (!no_log || !open_immutable(&reader->db, path, busy_ms, err)) {
            cf_reader_free(reader);
            return false;
        }
    }
    reader->made_log = !had_log;
    *out_reader = reader;
    return true;
}

bool cf_reader_open_empty(struct cf_reader **out_reader, struct cf_error *err)
{
    struct cf_reader *reader = cf_calloc(1, sizeof *reader);
    reader->db.path = cf_strdup(":memory:");
    int rc =
        sqlite3_open_v2(":memory:", &reader->db.handle,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc != SQLITE_OK || !cf_schema_upgrade(&reader->db, &cf_schema_current, err) ||
        !cf_db_exec(&reader->db, "PRAGMA query_only = ON", err)) {
        if (rc != SQLITE_OK)
            cf_db_fail(&reader->db, err);
        cf_reader_free(reader);
        return false;
    }
    *out_reader = reader;
    return true;
}

void cf_reader_free(struct cf_reader *reader)
{
    if (reader == NULL)
        return;
    cf_kept_clear(&reader->run_kept);
    cf_kept_clear(&reader->item_kept);
    cf_kept_clear(&reader->template_kept);
    cf_kept_clear(&reader->control_kept);
    char *path = reader->made_log ? cf_strdup(reader->db.path) : NULL;
    cf_db_close(&reader->db);
    if (path != NULL)
        take_log_away(path);
    free(path);
    free(reader);
}

bool cf_reader_hold(struct cf_reader *reader, struct cf_error *err)
{
    return cf_db_exec(&reader->db, "BEGIN", err);
}

void cf_reader_release(struct cf_reader *reader)
{
    cf_db_exec(&reader->db, "ROLLBACK", NULL);
}

int64_t cf_reader_data_version(struct cf_reader *reader)
{
    int64_t version;
    return cf_db_int(&reader->db, "PRAGMA data_version", &version, NULL) ? version : -1;
}

bool cf_reader_check(struct cf_reader *reader, char out[CF_READER_CHECK_MAX], struct cf_error *err)
{
    struct cf_query query = cf_db_query(&reader->db, "PRAGMA quick_check(1)");
    int next = cf_query_next(&query, err);
    if (next > 0)
        cf_column_copy(&query, 0, out, CF_READER_CHECK_MAX);
    cf_query_end(&query);
    return next > 0;
}

/* --- ids that people type --- */

#define PREFIX_MIN 4

/* Lower-cases text into out if it can be the start of a uuid. */
static bool as_prefix(const char *text, char out[CF_UUID_TEXT_SIZE])
{
    size_t len = strlen(text);
    if (len < PREFIX_MIN || len >= CF_UUID_TEXT_SIZE)
        return false;
    for (size_t i = 0; i <= len; i++) {
        out[i] = (char)tolower((unsigned char)text[i]);
        if (text[i] != '\0' && text[i] != '-' && !isxdigit((unsigned char)text[i]))
            return false;
    }
    return true;
}

/* The rows whose uuid starts so, up to two. Returns how many, or -1. */
static int find_prefix(struct cf_reader *reader, const char *sql, const char *prefix,
                       int64_t *out_id, struct cf_error *err)
{
    struct cf_query query = cf_db_query(&reader->db, sql);
    cf_query_str(&query, prefix);
    int count = 0, next;
    while ((next = cf_query_next(&query, err)) > 0)
        if (count++ == 0)
            *out_id = cf_column_int(&query, 0);
    return next < 0 ? -1 : count;
}

#define BY_PREFIX(table) "SELECT id FROM " table " WHERE uuid >= ?1 AND uuid < ?1 || '~' LIMIT 2"

int cf_reader_find_run(struct cf_reader *reader, const char *text, int64_t *out_run,
                       struct cf_error *err)
{
    char prefix[CF_UUID_TEXT_SIZE];
    struct cf_query query;

    if (text == NULL) {
        query = cf_db_query(&reader->db,
                            "SELECT id FROM runs ORDER BY coalesce(started_at, created_at) DESC,"
                            " id DESC LIMIT 1");
    } else {
        query =
            cf_db_query(&reader->db, "SELECT id FROM runs WHERE name = ? ORDER BY id DESC LIMIT 1");
        cf_query_str(&query, text);
    }
    int found = cf_query_next(&query, err);
    if (found > 0) {
        *out_run = cf_column_int(&query, 0);
        cf_query_end(&query);
    }
    if (found != 0 || text == NULL || !as_prefix(text, prefix))
        return found;

    int count = find_prefix(reader, BY_PREFIX("runs"), prefix, out_run, err);
    if (count > 1) {
        cf_fail(err, CF_ERR_CONFIG, "several runs have an id that starts with %s; give more of it",
                text);
        return -1;
    }
    return count;
}

static int find_number(struct cf_reader *reader, const char *text, const char *sql, int64_t *out_id,
                       struct cf_error *err)
{
    char *end;
    errno = 0;
    long long id = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0)
        return 0;
    struct cf_query query = cf_db_query(&reader->db, sql);
    cf_query_int(&query, id);
    int found = cf_query_next(&query, err);
    cf_query_end(&query);
    if (found > 0)
        *out_id = id;
    return found;
}

int cf_reader_find_item(struct cf_reader *reader, const char *key, int64_t *out_item,
                        struct cf_error *err)
{
    struct cf_query query =
        cf_db_query(&reader->db, "SELECT i.id FROM runs r CROSS JOIN items i ON i.run = r.id AND"
                                 " i.key = ? ORDER BY r.id DESC LIMIT 1");
    cf_query_str(&query, key);
    int found = cf_query_next(&query, err);
    if (found > 0) {
        *out_item = cf_column_int(&query, 0);
        cf_query_end(&query);
    }
    return found;
}

int cf_reader_find(struct cf_reader *reader, const char *text, enum cf_id_kind *out_kind,
                   int64_t *out_id, struct cf_error *err)
{
    static const struct {
        enum cf_id_kind kind;
        const char *sql;
    } tables[] = {
        { CF_ID_CONVERSATION, BY_PREFIX("conversations") },
        { CF_ID_RUN, BY_PREFIX("runs") },
        { CF_ID_TEMPLATE, BY_PREFIX("templates") },
    };
    char prefix[CF_UUID_TEXT_SIZE];
    int total = 0;

    if (strncmp(text, "item:", 5) == 0) {
        *out_kind = CF_ID_ITEM;
        return find_number(reader, text + 5, "SELECT 1 FROM items WHERE id = ?", out_id, err);
    }
    if (strncmp(text, "call:", 5) == 0) {
        *out_kind = CF_ID_CALL;
        return find_number(reader, text + 5, "SELECT 1 FROM calls WHERE id = ?", out_id, err);
    }
    if (!as_prefix(text, prefix))
        return 0;

    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        int64_t id = 0;
        int count = find_prefix(reader, tables[i].sql, prefix, &id, err);
        if (count < 0)
            return -1;
        if (count > 0) {
            *out_kind = tables[i].kind;
            *out_id = id;
        }
        total += count;
    }
    if (total > 1) {
        cf_fail(err, CF_ERR_CONFIG, "several ids start with %s; give more of it", text);
        return -1;
    }
    return total;
}

/* --- any query --- */

/* Only looking: no attached files, no transactions that would hold a snapshot, no settings. */
static int allow_reading(void *self, int action, const char *first, const char *second,
                         const char *database, const char *trigger)
{
    (void)self, (void)second, (void)database, (void)trigger;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_FUNCTION:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_PRAGMA:
        return strncmp(first, "table_", 6) == 0 || strncmp(first, "index_", 6) == 0 ? SQLITE_OK
                                                                                     : SQLITE_DENY;
    default:
        return SQLITE_DENY;
    }
}

bool cf_reader_sql(struct cf_reader *reader, const char *sql, struct sqlite3_stmt **out_stmt,
                   struct cf_error *err)
{
    sqlite3 *handle = reader->db.handle;
    sqlite3_stmt *stmt = NULL;
    const char *rest = "";

    sqlite3_set_authorizer(handle, allow_reading, NULL);
    int rc = sqlite3_prepare_v2(handle, sql, -1, &stmt, &rest);
    sqlite3_set_authorizer(handle, NULL, NULL);

    if ((rc & 0xff) == SQLITE_AUTH)
        return cf_fail(err, CF_ERR_CONFIG, "sql reads only: use SELECT");
    if (rc != SQLITE_OK)
        return cf_fail(err, CF_ERR_CONFIG, "sql: %s", sqlite3_errmsg(handle));
    if (stmt == NULL)
        return cf_fail(err, CF_ERR_CONFIG, "sql: the text holds no statement");

    sqlite3_stmt *second = NULL;
    if (*rest != '\0' &&
        (sqlite3_prepare_v2(handle, rest, -1, &second, NULL) != SQLITE_OK || second != NULL)) {
        sqlite3_finalize(second);
        sqlite3_finalize(stmt);
        return cf_fail(err, CF_ERR_CONFIG, "sql: one statement at a time");
    }
    *out_stmt = stmt;
    return true;
}
