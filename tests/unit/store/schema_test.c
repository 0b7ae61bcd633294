/* The schema: every version that landed still opens, migrations are whole or not at all.
 *
 * tests/data/schema/ holds one small database for each version, for ever. When a version is
 * added: CONFAB_MAKE_SCHEMA=tests/data/schema/vN.db build/store_schema_test */
#include "store/schema.h"

#include <dirent.h>

#include "fixture.h"

static void copy_file(const char *from, const char *to)
{
    char command[4 * PATH_MAX];
    snprintf(command, sizeof command, "cp '%s' '%s' && chmod u+w '%s'", from, to, to);
    assert_int_equal(system(command), 0);
}

/* All that defines the tables, as one text. */
static char *structure_of(const char *path)
{
    struct cf_buf all = { .max = 1 << 20 };
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_prepare_v2(db, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name", -1,
                       &stmt, NULL);
    while (sqlite3_step(stmt) == SQLITE_ROW)
        cf_buf_addf(&all, "%s\n", (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return cf_buf_take(&all, &(size_t){ 0 });
}

static void every_version_that_landed_opens_with_its_data(void **state)
{
    struct fixture *f = *state;
    char old[PATH_MAX], copy[PATH_MAX + 16];
    char *now = structure_of(f->path);

    for (int version = 1; version <= cf_schema_current.version; version++) {
        snprintf(old, sizeof old, "%s/schema/v%d.db", TEST_DATA, version);
        snprintf(copy, sizeof copy, "%s/old%d.db", f->folder, version);
        copy_file(old, copy);

        struct cf_store *store;
        if (!cf_store_open(copy, NULL, &store, &f->err))
            fail_msg("%s", f->err.message);
        cf_store_free(store);
        char *then = structure_of(copy);
        assert_string_equal(then, now);
        free(then);

        struct cf_reader *reader;
        struct cf_conversation_cursor *cursor;
        const struct cf_conversation_row *row;
        assert_true(cf_reader_open(copy, 0, &reader, &f->err));
        assert_true(cf_conversations_open(reader, &(struct cf_conversation_filter){ .run = 0 },
                                          &cursor, &f->err));
        assert_int_equal(cf_conversations_next(cursor, &row, &f->err), 1);
        assert_string_equal(row->run_name, "demo");
        assert_int_equal(row->turn_count, 2);
        assert_string_equal(row->turns[1].content.data, "Hi, how can I help?");
        cf_conversations_free(cursor);
        cf_reader_free(reader);
    }
    free(now);
}

static void every_view_can_be_selected(void **state)
{
    struct fixture *f = *state;
    static const char *const views[] = { "run_view",  "item_view", "conversation_view", "turn_view",
                                         "call_view", "log_view",  "template_view" };
    int64_t item = fixture_item(f, "a", 0), call = fixture_sent(f, item, 50);
    fixture_reply(f, item, call, 1500000000);
    fixture_finish(f, item, "generated", 8);
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
        char sql[128];
        snprintf(sql, sizeof sql, "SELECT count(*) > 0 FROM (SELECT * FROM %s)", views[i]);
        assert_string_equal(fixture_sql(f, sql),
                            strcmp(views[i], "template_view") == 0 ? "0" : "1");
    }
    assert_string_equal(fixture_sql(f, "SELECT cost_usd FROM call_view"), "0.0015");
    assert_string_equal(fixture_sql(f, "SELECT spent_usd FROM run_view"), "0.0015");
    assert_string_equal(fixture_sql(f, "SELECT listed FROM conversation_view"), "1");
}

/* --- migrations --- */

static const char second[] = "ALTER TABLE runs ADD COLUMN colour TEXT;"
                             "UPDATE runs SET colour = 'blue';";
static const char broken[] =
    "ALTER TABLE runs ADD COLUMN colour TEXT; INSERT INTO nowhere VALUES (1);";

static int count_copies(const char *folder)
{
    int count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += strstr(entry->d_name, ".schema1.bak") != NULL;
    closedir(dir);
    return count;
}

static void a_migration_keeps_a_copy_and_the_data(void **state)
{
    struct fixture *f = *state;
    const char *const migrations[2] = { cf_schema_current.migrations[0], second };
    struct cf_schema schema = { .migrations = migrations, .version = 2 };
    struct cf_db db;
    int64_t version;

    cf_store_free(f->store);
    f->store = NULL;
    assert_true(cf_db_open(&db, f->path, SQLITE_OPEN_READWRITE, 100, &f->err));
    if (!cf_schema_upgrade(&db, &schema, &f->err))
        fail_msg("%s", f->err.message);
    assert_true(cf_db_int(&db, "PRAGMA user_version", &version, &f->err));
    assert_int_equal(version, 2);
    assert_true(cf_schema_upgrade(&db, &schema, &f->err));    /* nothing to do the second time */
    cf_db_close(&db);
    assert_string_equal(fixture_sql(f, "SELECT name || colour FROM runs"), "demoblue");
    assert_int_equal(count_copies(f->folder), 1);

    snprintf(f->path, sizeof f->path, "%s/test.db.schema1.bak", f->folder);
    assert_string_equal(fixture_sql(f, "PRAGMA user_version"), "1");
    assert_string_equal(fixture_sql(f, "SELECT name FROM runs"), "demo");
}

static void a_migration_that_fails_changes_nothing(void **state)
{
    struct fixture *f = *state;
    const char *const migrations[2] = { cf_schema_current.migrations[0], broken };
    struct cf_schema schema = { .migrations = migrations, .version = 2 };
    struct cf_db db;

    cf_store_free(f->store);
    f->store = NULL;
    char *before = structure_of(f->path);
    assert_true(cf_db_open(&db, f->path, SQLITE_OPEN_READWRITE, 100, &f->err));
    for (int i = 1; i <= 2; i++) {
        assert_false(cf_schema_upgrade(&db, &schema, &f->err));
        assert_int_equal(f->err.kind, CF_ERR_STORAGE);
        assert_non_null(strstr(f->err.message, "schema 2: "));
        assert_non_null(strstr(f->err.message, "nowhere"));
        assert_int_equal(count_copies(f->folder), i);    /* an earlier copy is never overwritten */
    }
    cf_db_close(&db);
    char *after = structure_of(f->path);
    assert_string_equal(before, after);
    assert_string_equal(fixture_sql(f, "PRAGMA user_version"), "1");
    free(before);
    free(after);
}

static void a_reader_does_not_migrate(void **state)
{
    struct fixture *f = *state;
    const char *const migrations[2] = { cf_schema_current.migrations[0], second };
    struct cf_schema schema = { .migrations = migrations, .version = 2 };
    struct cf_db db;

    assert_true(cf_db_open(&db, f->path, SQLITE_OPEN_READONLY, 100, &f->err));
    assert_false(cf_schema_check(&db, &schema, &f->err));
    assert_int_equal(f->err.kind, CF_ERR_CONFIG);
    assert_non_null(strstr(f->err.message, "has schema 1, this confab reads 2"));
    cf_db_close(&db);
    assert_string_equal(fixture_sql(f, "PRAGMA user_version"), "1");
}

static void an_empty_file_is_made_a_database_but_not_read_as_one(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX];
    struct cf_reader *reader;
    struct cf_store *store;

    snprintf(path, sizeof path, "%s/empty.db", f->folder);
    fclose(fopen(path, "w"));
    assert_false(cf_reader_open(path, 0, &reader, &f->err));
    assert_int_equal(f->err.kind, CF_ERR_CONFIG);
    assert_non_null(strstr(f->err.message, "is empty"));
    assert_true(cf_store_open(path, NULL, &store, &f->err));
    cf_store_free(store);
}

static void make_fixture(const char *path)
{
    void *state;
    char command[4 * PATH_MAX];
    fixture_make(&state);
    struct fixture *f = state;
    int64_t item = fixture_item(f, "first", 0), call = fixture_sent(f, item, 50);
    fixture_reply(f, item, call, 40);
    fixture_finish(f, item, "generated", 8.5);
    fixture_fail(f, fixture_item(f, "second", 1), "refusal", "the model declined");
    cf_store_free(f->store);
    f->store = NULL;
    snprintf(command, sizeof command, "sqlite3 %s \"PRAGMA page_size = 1024; VACUUM INTO '%s'\"",
             f->path, path);
    if (system(command) != 0)
        fprintf(stderr, "%s cannot be written\n", path);
    fixture_remove(&state);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(every_version_that_landed_opens_with_its_data),
        WITH_STORE(every_view_can_be_selected),
        WITH_STORE(a_migration_keeps_a_copy_and_the_data),
        WITH_STORE(a_migration_that_fails_changes_nothing),
        WITH_STORE(a_reader_does_not_migrate),
        WITH_STORE(an_empty_file_is_made_a_database_but_not_read_as_one),
    };
    if (getenv("CONFAB_MAKE_SCHEMA") != NULL) {
        make_fixture(getenv("CONFAB_MAKE_SCHEMA"));
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
