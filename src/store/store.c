#include "store/store.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "confab/clock.h"
#include "confab/error.h"
#include "store/schema.h"
#include "store/tx.h"

#define ROOM_RETRY_MS 200    /* a full disk is tried again so often */
#define GATHER_TURNS  8      /* others get so many turns before a group begins */

struct cf_store {
    struct cf_store_tx tx;           /* the store thread's once it runs */
    const struct cf_clock *clock;
    struct cf_queue queue;
    pthread_t thread;
    atomic_bool stopping;
    atomic_uint_fast64_t commits;
    atomic_bool in_a_hurry;          /* nothing waits for room on the disk */
    atomic_bool in_trouble;
    int64_t trouble_ms;              /* since when, by the monotonic clock */
    pthread_mutex_t hurry_lock;
    pthread_cond_t hurried;          /* in_a_hurry was set */
    char *path;
    struct cf_error broken; /* why no more is written: a sync failed, or the file is gone */
};

/* --- the store thread --- */

/* After a failed sync the kernel may have dropped the pages and will report success the next
 * time, so nothing that is written afterwards can be called durable. */
static void note_broken(struct cf_store *store)
{
    int code = sqlite3_extended_errcode(store->tx.db.handle);
    if (code != SQLITE_IOERR_FSYNC && code != SQLITE_IOERR_DIR_FSYNC)
        return;
    cf_db_fail(&store->tx.db, &store->broken);
    cf_fail_prefix(&store->broken, "a sync failed, no more is written: ");
}

/* SQLite would go on writing into a file that nobody can find any more. */
static bool is_in_place(struct cf_store *store)
{
    int moved = 0;
    if (sqlite3_file_control(store->tx.db.handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved) !=
            SQLITE_OK ||
        !moved)
        return true;
    return cf_fail(
        &store->broken, CF_ERR_STORAGE,
        "%s was moved or deleted while in use, no more is written; put it back and resume",
        store->path);
}

static bool is_locked(const struct cf_store *store)
{
    return (sqlite3_errcode(store->tx.db.handle) & 0xff) == SQLITE_BUSY;
}

static void finish(struct cf_write *write, const struct cf_error *err)
{
    write->on_done(write, err);
}

static void finish_all(struct cf_write *const *group, size_t count, const struct cf_error *err)
{
    /* Who waits for them is to find them together: then it answers with a group as large. */
    cf_queue_hold_wakes();
    for (size_t i = 0; i < count; i++)
        finish(group[i], err);
    cf_queue_let_wakes_go();
}

enum outcome { COMMITTED, FAILED, FAILED_FOR_ALL };

/* One transaction for the messages; nothing of it is left when it fails. */
static enum outcome commit(struct cf_store *store, struct cf_write *const *group, size_t count,
                           struct cf_error *err)
{
    struct cf_store_tx *tx = &store->tx;

    if (!cf_tx_begin(tx, cf_unix_ms(store->clock), err))
        return is_locked(store) ? FAILED_FOR_ALL : FAILED;

    for (size_t i = 0; i < count; i++) {
        if (!group[i]->apply(group[i], tx, err)) {
            cf_tx_rollback(tx);
            return FAILED;
        }
    }
    if (!cf_tx_commit(tx, err)) {
        note_broken(store);
        cf_tx_rollback(tx);
        if (store->broken.kind == CF_OK)
            return FAILED;
        *err = store->broken;
        return FAILED_FOR_ALL;
    }
    atomic_fetch_add_explicit(&store->commits, 1, memory_order_relaxed);
    return COMMITTED;
}

/* Waits a little for room on the disk; false if it has been waited for long enough. */
static bool wait_for_room(struct cf_store *store, const struct cf_error *why)
{
    int64_t now_ms = cf_now_ms(store->clock);
    if (!atomic_load(&store->in_trouble)) {
        store->trouble_ms = now_ms;
        atomic_store(&store->in_trouble, true);
        cf_log(CF_LOG_WARN, "%s; what is to be stored is kept and tried again", why->message);
    }
    if (now_ms - store->trouble_ms >= CF_STORE_PATIENCE_MS)
        return false;

    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ROOM_RETRY_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&store->hurry_lock);
    bool in_a_hurry = atomic_load(&store->in_a_hurry);
    if (!in_a_hurry)
        pthread_cond_timedwait(&store->hurried, &store->hurry_lock, &until);
    pthread_mutex_unlock(&store->hurry_lock);
    return !in_a_hurry;
}

/* As commit, but a full disk may get room again. */
static enum outcome commit_patiently(struct cf_store *store, struct cf_write *const *group,
                                     size_t count, struct cf_error *err)
{
    enum outcome outcome;
    while ((outcome = commit(store, group, count, err)) == FAILED && err->retryable) {
        if (!wait_for_room(store, err))
            return FAILED_FOR_ALL;
    }
    if (outcome == COMMITTED && atomic_load(&store->in_trouble)) {
        atomic_store(&store->in_trouble, false);
        cf_log(CF_LOG_WARN, "%s: storing works again", store->path);
    }
    return outcome;
}

/* All together; if that fails each for itself, so that only the faulty one fails. */
static void write_group(struct cf_store *store, struct cf_write *const *group, size_t count)
{
    struct cf_error err;

    if (store->broken.kind != CF_OK || !is_in_place(store)) {
        finish_all(group, count, &store->broken);
        return;
    }

    enum outcome outcome = commit_patiently(store, group, count, &err);
    if (outcome == COMMITTED) {
        finish_all(group, count, NULL);
        return;
    }
    if (outcome == FAILED_FOR_ALL || count == 1) {
        finish_all(group, count, &err);
        return;
    }

    for (size_t i = 0; i < count; i++) {
        outcome = commit_patiently(store, &group[i], 1, &err);
        if (outcome == FAILED_FOR_ALL) { /* waiting for the lock once for each would take hours */
            finish_all(group + i, count - i, &err);
            return;
        }
        finish(group[i], outcome == COMMITTED ? NULL : &err);
    }
}

/* Appends what threads push that are at work on this core at the moment: without a wait, a group
 * would begin with the first message, and the others would need a sync of their own, and the
 * last page of each table written again. Where nobody else is at work this takes some
 * microseconds. */
static void gather(struct cf_store *store, struct cf_queue_link *list)
{
    for (int turn = 0; turn < GATHER_TURNS; turn++) {
        sched_yield();
        while (list->next != NULL)
            list = list->next;
        list->next = cf_queue_take_all(&store->queue);
    }
}

static void *run_writer(void *self)
{
    struct cf_store *store = self;
    pthread_setname_np(pthread_self(), "confab store");
    struct cf_write *group[CF_STORE_GROUP_MAX];

    bool stopping = false;

    for (;;) {
        struct cf_queue_link *link = cf_queue_take_all(&store->queue);
        if (link == NULL) {
            if (stopping)
                return NULL;
            /* Read after the queue was found empty, for taking swallows the wake-up; what was
             * pushed in between is found by the next turn. */
            stopping = atomic_load(&store->stopping);
            if (!stopping)
                cf_queue_wait(&store->queue, -1);
            continue;
        }
        gather(store, link);
        while (link != NULL) {
            size_t count = 0;
            for (; link != NULL && count < CF_STORE_GROUP_MAX; link = link->next)
                group[count++] = (struct cf_write *)(void *)link;   /* link is its first member */
            write_group(store, group, count);
        }
    }
}

/* --- opening and closing --- */

/* Another process may be opening it at this moment: SQLite does not wait for that lock itself. */
static bool set_wal(struct cf_db *db, struct cf_error *err)
{
    for (int waited_ms = 0;; waited_ms += 10) {
        struct cf_query query = cf_db_query(db, "PRAGMA journal_mode = WAL");
        int found = cf_query_next(&query, err);
        if (found > 0) {
            bool is_wal = strcmp(cf_column_str(&query, 0), "wal") == 0;
            cf_query_end(&query);
            if (!is_wal)
                return cf_fail(err, CF_ERR_STORAGE,
                               "%s: this file system does not take SQLite's write-ahead log; "
                               "put the database on a local disk",
                               db->path);
            return true;
        }
        if ((sqlite3_errcode(db->handle) & 0xff) != SQLITE_BUSY || waited_ms >= db->busy_ms)
            return false;
        sqlite3_sleep(10);
    }
}

static bool prepare(struct cf_db *db, struct cf_error *err)
{
    int64_t pages;

    /* Pages of 8 KB: an item's rows take about two of them, and each page costs a write to the
     * log and one to the file. Of no effect on a file that exists. */
    if (!cf_db_exec(db, "PRAGMA page_size = 8192; PRAGMA foreign_keys = OFF", err) ||
        !cf_db_int(db, "PRAGMA page_count", &pages, err))
        return false;

    /* A new file takes the log before its tables, which then cost a sync or two instead of four.
     * Any other may be of another program, and is not touched before that is known. */
    if (pages == 0 && !set_wal(db, err))
        return false;
    return cf_schema_upgrade(db, &cf_schema_current, err) && set_wal(db, err) &&
           cf_db_exec(db,
                      "PRAGMA synchronous = FULL;"
                      "PRAGMA secure_delete = OFF;"    /* Debian's SQLite has it on */
                      "PRAGMA foreign_keys = ON;"
                      "PRAGMA temp_store = MEMORY;"
                      "PRAGMA journal_size_limit = 67108864;",
                      err);
}

bool cf_store_open(const char *path, const struct cf_store_options *options,
                   struct cf_store **out_store, struct cf_error *err)
{
    int busy_ms = options != NULL && options->busy_ms > 0 ? options->busy_ms : CF_STORE_CMD_BUSY_MS;
    bool has_queue = false;

    struct cf_store *store = cf_calloc(1, sizeof *store);
    store->clock = options != NULL && options->clock != NULL ? options->clock : cf_clock_system();
    store->path = cf_strdup(path);
    atomic_init(&store->stopping, false);
    atomic_init(&store->commits, 0);
    pthread_mutex_init(&store->hurry_lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&store->hurried, &attributes);
    pthread_condattr_destroy(&attributes);

    if (!cf_db_open(&store->tx.db, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, busy_ms, err))
        goto fail;
    if (!prepare(&store->tx.db, err))
        goto fail;

    has_queue = cf_queue_init(&store->queue);
    if (!has_queue) {
        cf_fail(err, CF_ERR_STORAGE, "no file descriptor left for the store; raise `ulimit -n`");
        goto fail;
    }
    int rc = pthread_create(&store->thread, NULL, run_writer, store);
    if (rc != 0) {
        cf_fail(err, CF_ERR_STORAGE, "the store's thread cannot be started: %s", strerror(rc));
        goto fail;
    }

    *out_store = store;
    return true;
fail:
    if (has_queue)
        cf_queue_done(&store->queue);
    if (store->tx.db.handle != NULL)
        cf_db_close(&store->tx.db);
    pthread_cond_destroy(&store->hurried);
    pthread_mutex_destroy(&store->hurry_lock);
    free(store->path);
    free(store);
    return false;
}

void cf_store_hurry(struct cf_store *store)
{
    pthread_mutex_lock(&store->hurry_lock);
    atomic_store(&store->in_a_hurry, true);
    pthread_cond_signal(&store->hurried);
    pthread_mutex_unlock(&store->hurry_lock);
}

bool cf_store_is_in_trouble(const struct cf_store *store)
{
    return atomic_load(&store->in_trouble);
}

void cf_store_free(struct cf_store *store)
{
    if (store == NULL)
        return;
    cf_store_hurry(store);
    atomic_store(&store->stopping, true);
    cf_queue_poke(&store->queue);
    pthread_join(store->thread, NULL);
    cf_queue_done(&store->queue);
    cf_tx_done(&store->tx);
    cf_db_close(&store->tx.db);
    pthread_cond_destroy(&store->hurried);
    pthread_mutex_destroy(&store->hurry_lock);
    free(store->path);
    free(store);
}

const char *cf_store_path(const struct cf_store *store)
{
    return store->path;
}

uint64_t cf_store_commits(const struct cf_store *store)
{
    return atomic_load_explicit(&store->commits, memory_order_relaxed);
}

/* --- submitting --- */

void cf_store_submit(struct cf_store *store, struct cf_write *write)
{
    cf_queue_push(&store->queue, &write->link);
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t  changed;
    bool done, ok;
    struct cf_error err;
};

static void wake_waiter(struct cf_write *write, const struct cf_error *err)
{
    struct waiter *waiter = write->owner;
    pthread_mutex_lock(&waiter->lock);
    waiter->done = true;
    waiter->ok = err == NULL;
    if (err != NULL)
        waiter->err = *err;
    pthread_cond_signal(&waiter->changed);
    pthread_mutex_unlock(&waiter->lock);
}

bool cf_store_write(struct cf_store *store, struct cf_write *write, struct cf_error *err)
{
    struct waiter waiter = { .lock = PTHREAD_MUTEX_INITIALIZER,
                             .changed = PTHREAD_COND_INITIALIZER };
    write->on_done = wake_waiter;
    write->owner = &waiter;
    cf_store_submit(store, write);
    cf_queue_flush_wakes();

    pthread_mutex_lock(&waiter.lock);
    while (!waiter.done)
        pthread_cond_wait(&waiter.changed, &waiter.lock);
    pthread_mutex_unlock(&waiter.lock);
    pthread_cond_destroy(&waiter.changed);
    pthread_mutex_destroy(&waiter.lock);
    if (!waiter.ok && err != NULL)
        *err = waiter.err;
    return waiter.ok;
}
