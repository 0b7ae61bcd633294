/* The log's frames leave together, and nobody sees the difference but the kernel. */
#include "store/gather.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "log_shim.h"

/* Counts what reaches the log, and lets it fail. */
static int writes, largest;
static int64_t written;
static int write_result;       /* SQLITE_OK: they are done */

static int log_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset)
{
    if (write_result != SQLITE_OK)
        return write_result;
    writes++;
    written += count;
    largest = count > largest ? count : largest;
    return log_shim_real->xWrite(file, bytes, count, offset);
}

static void change_methods(sqlite3_io_methods *methods)
{
    methods->xWrite = log_write;
}

static int install_shim(void **state)
{
    (void)state;
    return log_shim_install(change_methods);
}

struct fixture {
    char folder[64], path[96];
    sqlite3 *writer, *reader;    /* the reader is another connection, of the default VFS */
};

static void run_sql(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

static int64_t int_of(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static int make(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    write_result = SQLITE_OK;
    snprintf(f->folder, sizeof f->folder, "/tmp/confab-gather-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/test.db", f->folder);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    assert_int_equal(sqlite3_open_v2(f->path, &f->writer, flags, cf_gather_vfs()), SQLITE_OK);
    run_sql(f->writer, "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL;"
                       "PRAGMA synchronous = FULL; CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB)");
    assert_int_equal(sqlite3_open_v2(f->path, &f->reader, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    writes = largest = 0, written = 0;
    *state = f;
    return 0;
}

static int undo(void **state)
{
    struct fixture *f = *state;
    sqlite3_close(f->reader);
    sqlite3_close(f->writer);
    unlink(f->path);
    rmdir(f->folder);
    free(f);
    return 0;
}

#define FILL(rows)                                                                                \
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " #rows ")"         \
    " INSERT INTO t (b) SELECT randomblob(6000) FROM n;"

static void the_frames_of_a_transaction_leave_together(void **state)
{
    struct fixture *f = *state;
    run_sql(f->writer, "BEGIN;" FILL(10) "COMMIT");
    assert_true(written > 10 * 8192);
    assert_int_equal(writes, 1);
    assert_int_equal(int_of(f->reader, "SELECT count(*) FROM t"), 10);
}

static void no_write_is_larger_than_the_system_takes(void **state)
{
    struct fixture *f = *state;
    run_sql(f->writer, "BEGIN;" FILL(100) "COMMIT");
    assert_true(largest < 0x20000);
    assert_true(writes <= 100 / 10);
    assert_int_equal(int_of(f->reader, "SELECT count(*) FROM t"), 100);
}

static void others_find_a_commit_that_was_not_synced(void **state)
{
    struct fixture *f = *state;
    run_sql(f->writer, "PRAGMA synchronous = OFF");
    for (int i = 1; i <= 3; i++) {
        run_sql(f->writer, "BEGIN;" FILL(2) "COMMIT");
        assert_int_equal(int_of(f->reader, "SELECT sum(length(b)) FROM t"), i * 12000);
    }
}

static void pages_larger_than_those_of_confab_are_written_too(void **state)
{
    struct fixture *f = *state;
    run_sql(f->writer, "PRAGMA journal_mode = DELETE; PRAGMA page_size = 65536; VACUUM;"
                       "PRAGMA journal_mode = WAL; BEGIN;" FILL(50) "COMMIT");
    assert_int_equal(int_of(f->reader, "SELECT sum(length(b)) FROM t"), 50 * 6000);
    assert_int_equal(int_of(f->reader, "SELECT count(*) FROM pragma_integrity_check"), 1);
}

/* With no room in its cache a transaction writes pages before it commits, and reads them again. */
static void what_was_gathered_is_found_by_reads_before_the_commit(void **state)
{
    struct fixture *f = *state;
    run_sql(f->writer, "PRAGMA cache_size = 10; BEGIN;" FILL(200));
    assert_int_equal(int_of(f->writer, "SELECT sum(length(b)) FROM t"), 200 * 6000);
    assert_int_equal(int_of(f->reader, "SELECT count(*) FROM t"), 0);
    run_sql(f->writer, "UPDATE t SET b = zeroblob(5000) WHERE a % 3 = 0; COMMIT");
    assert_int_equal(int_of(f->reader, "SELECT sum(length(b)) FROM t"), 134 * 6000 + 66 * 5000);
    assert_int_equal(int_of(f->reader, "SELECT count(*) FROM pragma_integrity_check"), 1);
}

static void a_transaction_that_is_rolled_back_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    run_sql(f->writer, FILL(5) "PRAGMA cache_size = 10; BEGIN;" FILL(200) "ROLLBACK;" FILL(3));
    assert_int_equal(int_of(f->reader, "SELECT count(*) FROM t"), 8);
    assert_int_equal(int_of(f->writer, "SELECT count(*) FROM pragma_integrity_check"), 1);
    run_sql(f->writer, "PRAGMA wal_checkpoint(TRUNCATE)");
    assert_int_equal(int_of(f->reader, "SELECT count(*) FROM t"), 8);
}

static void a_write_that_fails_fails_its_commit_alone(void **state)
{
    struct fixture *f = *state;
    run_sql(f->writer, FILL(5));
    write_result = SQLITE_FULL;
    assert_int_equal(sqlite3_exec(f->writer, FILL(5), NULL, NULL, NULL), SQLITE_FULL);
    write_result = SQLITE_OK;
    assert_int_equal(int_of(f->reader, "SELECT count(*) FROM t"), 5);
    run_sql(f->writer, FILL(7));
    assert_int_equal(int_of(f->reader, "SELECT count(*) FROM t"), 12);
    assert_int_equal(int_of(f->writer, "SELECT count(*) FROM pragma_integrity_check"), 1);
}

#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, make, undo)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILES(the_frames_of_a_transaction_leave_together),
        WITH_FILES(no_write_is_larger_than_the_system_takes),
        WITH_FILES(others_find_a_commit_that_was_not_synced),
        WITH_FILES(pages_larger_than_those_of_confab_are_written_too),
        WITH_FILES(what_was_gathered_is_found_by_reads_before_the_commit),
        WITH_FILES(a_transaction_that_is_rolled_back_leaves_nothing),
        WITH_FILES(a_write_that_fails_fails_its_commit_alone),
    };
    return cmocka_run_group_tests(tests, install_shim, NULL);
}
