#include "store/db.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "confab/error.h"
#include "store/gather.h"

struct cf_text cf_text_of(const char *text)
{
    return (struct cf_text){ .data = text, .len = text == NULL ? 0 : strlen(text) };
}

/* What stands in the way of a file, said better than SQLite's "unable to open database file". */
static bool check_path(const char *path, int flags, struct cf_error *err)
{
    struct stat st;
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return cf_fail(err, CF_ERR_CONFIG, "%s is a folder; name a database file with --db",
                           path);
        if (!S_ISREG(st.st_mode))
            return cf_fail(err, CF_ERR_CONFIG,
                           "%s is not a regular file; name a database file with --db", path);
        if (access(path, R_OK) != 0)
            return cf_fail(err, CF_ERR_STORAGE, "%s cannot be read: %s; check its permissions",
                           path, strerror(errno));
        if ((flags & SQLITE_OPEN_READWRITE) && access(path, W_OK) != 0)
            return cf_fail(err, CF_ERR_STORAGE,
                           "%s is read-only (%s); make it writable or name another with --db", path,
                           strerror(errno));
        return true;
    }
    if (errno != ENOENT)
        return cf_fail(err, CF_ERR_STORAGE, "%s cannot be opened: %s", path, strerror(errno));
    if (!(flags & SQLITE_OPEN_CREATE))
        return cf_fail(err, CF_ERR_CONFIG,
                       "there is no database at %s; run a pipeline first, or name one with --db",
                       path);

    const char *slash = strrchr(path, '/');
    char *parent = slash == NULL ? cf_strdup(".")
                                 : cf_memdup(path, slash == path ? 1 : (size_t)(slash - path));
    bool ok = true;
    if (stat(parent, &st) != 0 || !S_ISDIR(st.st_mode))
        ok = cf_fail(err, CF_ERR_CONFIG,
                     "%s cannot be created: there is no folder %s; make it first", path, parent);
    else if (access(parent, W_OK | X_OK) != 0)
        ok = cf_fail(err, CF_ERR_STORAGE, "%s cannot be created: folder %s cannot be written: %s",
                     path, parent, strerror(errno));
    free(parent);
    return ok;
}

static const char *vfs_for_writing;    /* NULL: the default */

/* SQLite's count of its memory takes a process-wide lock at every allocation: a tenth of the
 * time of a write. In a program that uses SQLite already this has no effect, and does no harm. */
static void configure_sqlite(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    vfs_for_writing = cf_gather_vfs();
}

bool cf_db_open(struct cf_db *db, const char *path, int flags, int busy_ms, struct cf_error *err)
{
    static pthread_once_t configured = PTHREAD_ONCE_INIT;
    pthread_once(&configured, configure_sqlite);

    memset(db, 0, sizeof *db);
    if (!check_path(path, flags, err))
        return false;

    db->path = cf_strdup(path);
    db->busy_ms = busy_ms;
    int rc = sqlite3_open_v2(path, &db->handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                             (flags & SQLITE_OPEN_READWRITE) != 0 ? vfs_for_writing : NULL);
    if (rc != SQLITE_OK) {
        cf_db_fail(db, err);
        cf_db_close(db);
        return false;
    }
    sqlite3_busy_timeout(db->handle, busy_ms);
    return true;
}

void cf_db_close(struct cf_db *db)
{
    for (size_t i = 0; i < CF_DB_STATEMENTS_MAX; i++)
        sqlite3_finalize(db->cache[i].stmt);
    sqlite3_close_v2(db->handle);
    free(db->path);
    memset(db, 0, sizeof *db);
}

/* A file at the limit that is set for the process counts as a disk that is full. */
static bool is_no_room(int code)
{
    return code == ENOSPC || code == EDQUOT || code == EFBIG;
}

bool cf_db_fail(struct cf_db *db, struct cf_error *err)
{
    int last_errno = errno;
    int code = sqlite3_extended_errcode(db->handle);
    int system_errno = sqlite3_system_errno(db->handle);
    /* Seen with 3.40.1: after a failed COMMIT it is 0, while errno is still that of the write. */
    if (system_errno == 0 && is_no_room(last_errno))
        system_errno = last_errno;
    const char *words = sqlite3_errmsg(db->handle);
    const char *path = db->path;

    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        cf_fail(err, CF_ERR_STORAGE,
                "%s: %s: another process has held it for %g s; end that process or try again", path,
                words, db->busy_ms / 1000.0);
        if (err != NULL)
            err->retryable = true;
        return false;
    case SQLITE_FULL:
        cf_fail(err, CF_ERR_STORAGE, "%s: %s: free some space and resume", path, words);
        if (err != NULL)
            err->retryable = true;
        return false;
    case SQLITE_READONLY:
        return cf_fail(err, CF_ERR_STORAGE, "%s: %s: make the file and its folder writable", path,
                       words);
    case SQLITE_NOTADB:
        return cf_fail(err, CF_ERR_CONFIG,
                       "%s is not a confab database (%s); name another with --db", path, words);
    case SQLITE_CORRUPT:
        return cf_fail(err, CF_ERR_STORAGE,
                       "%s is damaged: %s: keep a copy and try `sqlite3 FILE .recover`", path,
                       words);
    case SQLITE_IOERR:
        if (is_no_room(system_errno)) {
            cf_fail(err, CF_ERR_STORAGE, "%s: %s (%s): free some space and resume", path, words,
                    strerror(system_errno));
            if (err != NULL)
                err->retryable = true;
            return false;
        }
        return cf_fail(err, CF_ERR_STORAGE, "%s: %s%s%s: check the disk, then resume", path, words,
                       system_errno != 0 ? ": " : "",
                       system_errno != 0 ? strerror(system_errno) : "");
    default:
        return cf_fail(err, CF_ERR_STORAGE, "%s: %s%s%s", path, words,
                       system_errno != 0 ? ": " : "",
                       system_errno != 0 ? strerror(system_errno) : "");
    }
}

bool cf_db_exec(struct cf_db *db, const char *sql, struct cf_error *err)
{
    if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
        return cf_db_fail(db, err);
    return true;
}

bool cf_db_int(struct cf_db *db, const char *sql, int64_t *out_value, struct cf_error *err)
{
    struct cf_query query = cf_db_query(db, sql);
    int found = cf_query_next(&query, err);
    if (found < 0)
        return false;
    *out_value = found ? cf_column_int(&query, 0) : 0;
    cf_query_end(&query);
    return true;
}

struct cf_query cf_db_query(struct cf_db *db, const char *sql)
{
    struct cf_query query = { .db = db };
    size_t slot = ((uintptr_t)sql >> 3) % CF_DB_STATEMENTS_MAX;
    for (size_t i = 0; i < CF_DB_STATEMENTS_MAX; i++, slot = (slot + 1) % CF_DB_STATEMENTS_MAX) {
        if (db->cache[slot].sql == sql) {
            query.stmt = db->cache[slot].stmt;
            sqlite3_reset(query.stmt);
            return query;
        }
        if (db->cache[slot].sql == NULL) {
            if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &query.stmt,
                                   NULL) == SQLITE_OK) {
                db->cache[slot].sql = sql;
                db->cache[slot].stmt = query.stmt;
            }
            return query;
        }
    }
    return query;    /* not reached: CF_DB_STATEMENTS_MAX is above the number of literals */
}

void cf_query_int(struct cf_query *query, int64_t value)
{
    sqlite3_bind_int64(query->stmt, ++query->bound, value);
}

static void bind_null(struct cf_query *query)
{
    sqlite3_bind_null(query->stmt, ++query->bound);
}

void cf_query_id(struct cf_query *query, int64_t id)
{
    if (id == 0)
        bind_null(query);
    else
        cf_query_int(query, id);
}

void cf_query_count(struct cf_query *query, int64_t value)
{
    if (value < 0)
        bind_null(query);
    else
        cf_query_int(query, value);
}

void cf_query_real(struct cf_query *query, double value)
{
    if (isnan(value))
        bind_null(query);
    else
        sqlite3_bind_double(query->stmt, ++query->bound, value);
}

void cf_query_str(struct cf_query *query, const char *text)
{
    sqlite3_bind_text(query->stmt, ++query->bound, text, -1, SQLITE_STATIC);
}

void cf_query_text(struct cf_query *query, struct cf_text text)
{
    sqlite3_bind_text64(query->stmt, ++query->bound, text.data, text.len, SQLITE_STATIC,
                        SQLITE_UTF8);
}

void cf_query_words(struct cf_query *query, const char *words)
{
    char *copy = words != NULL ? cf_strdup(words) : NULL;
    if (copy != NULL)
        cf_redact(copy);
    sqlite3_bind_text(query->stmt, ++query->bound, copy, -1, copy != NULL ? free : SQLITE_STATIC);
}

void cf_query_blob(struct cf_query *query, const void *bytes, size_t len)
{
    sqlite3_bind_blob64(query->stmt, ++query->bound, bytes, len, SQLITE_STATIC);
}

int cf_query_next(struct cf_query *query, struct cf_error *err)
{
    if (query->stmt == NULL) {
        cf_db_fail(query->db, err);
        return -1;
    }
    if (query->ended)
        return 0;
    int rc = sqlite3_step(query->stmt);
    if (rc == SQLITE_ROW)
        return 1;
    query->ended = rc == SQLITE_DONE;
    if (rc != SQLITE_DONE)
        cf_db_fail(query->db, err);
    cf_query_end(query);
    return rc == SQLITE_DONE ? 0 : -1;
}

bool cf_query_run(struct cf_query *query, struct cf_error *err)
{
    int next = cf_query_next(query, err);
    if (next > 0)
        cf_query_end(query);
    return next >= 0;
}

bool cf_query_insert(struct cf_query *query, int64_t *out_id, struct cf_error *err)
{
    if (!cf_query_run(query, err))
        return false;
    *out_id = sqlite3_last_insert_rowid(query->db->handle);
    return true;
}

/* Bindings stay; they are borrowed texts that the next use binds anew before it steps. */
void cf_query_end(struct cf_query *query)
{
    sqlite3_reset(query->stmt);
}

int64_t cf_column_int(const struct cf_query *query, int column)
{
    return sqlite3_column_int64(query->stmt, column);
}

int64_t cf_column_count(const struct cf_query *query, int column)
{
    return sqlite3_column_type(query->stmt, column) == SQLITE_NULL
               ? -1
               : sqlite3_column_int64(query->stmt, column);
}

double cf_column_real(const struct cf_query *query, int column)
{
    return sqlite3_column_type(query->stmt, column) == SQLITE_NULL
               ? NAN
               : sqlite3_column_double(query->stmt, column);
}

const char *cf_column_str(const struct cf_query *query, int column)
{
    return (const char *)sqlite3_column_text(query->stmt, column);
}

struct cf_text cf_column_text(const struct cf_query *query, int column)
{
    const char *data = cf_column_str(query, column);
    return (struct cf_text){ data,
                             data == NULL ? 0 : (size_t)sqlite3_column_bytes(query->stmt, column) };
}

void cf_column_copy(const struct cf_query *query, int column, char *field, size_t size)
{
    const char *text = cf_column_str(query, column);
    snprintf(field, size, "%s", text == NULL ? "" : text);
}
