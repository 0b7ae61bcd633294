/* Nobody is told of a write before it is synced; a disk that fails to sync ends writing.
 *
 * A shim around SQLite's VFS watches the write-ahead log: written means dirty, synced means
 * clean. */
#include "store/store.h"

#include <stdatomic.h>

#include "fixture.h"
#include "log_shim.h"

static atomic_bool log_is_dirty;
static atomic_int log_syncs;
static atomic_bool sync_fails;

static int log_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset)
{
    atomic_store(&log_is_dirty, true);
    return log_shim_real->xWrite(file, bytes, count, offset);
}

static int log_sync(sqlite3_file *file, int flags)
{
    if (atomic_load(&sync_fails))
        return SQLITE_IOERR_FSYNC;
    int rc = log_shim_real->xSync(file, flags);
    if (rc == SQLITE_OK) {
        atomic_store(&log_is_dirty, false);
        atomic_fetch_add(&log_syncs, 1);
    }
    return rc;
}

static void change_methods(sqlite3_io_methods *methods)
{
    methods->xWrite = log_write;
    methods->xSync = log_sync;
}

static int install_shim(void **state)
{
    (void)state;
    return log_shim_install(change_methods);
}

struct watched {
    struct cf_write_item_draw batch;
    struct cf_item_draw draw;
    char key[16];
    bool was_dirty;
    atomic_int *left;
};

static void note_dirt(struct cf_write *write, const struct cf_error *err)
{
    struct watched *watched = (struct watched *)write;
    watched->was_dirty = err != NULL || atomic_load(&log_is_dirty);
    atomic_fetch_sub(watched->left, 1);
}

static void completions_follow_the_sync(void **state)
{
    struct fixture *f = *state;
    static struct watched watched[500];
    atomic_int left = 500;
    int syncs = atomic_load(&log_syncs);

    for (int i = 0; i < 500; i++) {
        struct watched *one = &watched[i];
        snprintf(one->key, sizeof one->key, "k%d", i);
        one->draw =
            (struct cf_item_draw){ .key = text(one->key), .ordinal = i, .params = text("{}") };
        one->left = &left;
        one->batch = (struct cf_write_item_draw){
            .write = { .apply = cf_write_item_draw, .on_done = note_dirt },
            .run = f->run.run,
            .drawing = 1,
            .items = &one->draw,
            .count = 1,
        };
        cf_store_submit(f->store, &one->batch.write);
    }
    cf_store_free(f->store);
    f->store = NULL;
    assert_int_equal(left, 0);
    for (int i = 0; i < 500; i++)
        assert_false(watched[i].was_dirty);
    assert_true(atomic_load(&log_syncs) > syncs);
}

static void after_a_failed_sync_nothing_more_is_written(void **state)
{
    struct fixture *f = *state;
    struct cf_item_draw draw = { .key = text("a"), .ordinal = 0, .params = text("{}") };
    struct cf_write_item_draw batch = { .write.apply = cf_write_item_draw,
                                        .run = f->run.run,
                                        .drawing = 1,
                                        .items = &draw,
                                        .count = 1 };

    atomic_store(&sync_fails, true);
    assert_false(cf_store_write(f->store, &batch.write, &f->err));
    assert_int_equal(f->err.kind, CF_ERR_STORAGE);
    assert_non_null(strstr(f->err.message, "a sync failed, no more is written"));

    atomic_store(&sync_fails,
                 false); /* the kernel forgets what it could not write, so trust nothing */
    draw.key = text("b");
    assert_false(cf_store_write(f->store, &batch.write, &f->err));
    assert_non_null(strstr(f->err.message, "a sync failed"));
    cf_store_free(f->store);

    fixture_open(f);                     /* a new start looks at what the file really holds */
    draw.key = text("c");
    must(f, &batch.write);
    assert_string_equal(fixture_sql(f, "SELECT count(*) FROM items WHERE key = 'b'"), "0");
    assert_string_equal(fixture_sql(f, "PRAGMA integrity_check"), "ok");
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(completions_follow_the_sync),
        WITH_STORE(after_a_failed_sync_nothing_more_is_written),
    };
    return cmocka_run_group_tests(tests, install_shim, NULL);
}
