/* The writer thread: groups, order, failures inside a group, and every way a file can be unfit. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "store/schema.h"
#include "store/tx.h"
#include "fixture.h"

/* --- a message of the tests: sets a tag-like row in `lanes` --- */

struct probe {
    struct cf_write write;
    int64_t number;
    bool faulty;              /* apply fails after it has written */
    struct cf_text big;
    atomic_int *applied;
    pthread_mutex_t *lock;    /* holds the store thread inside apply while the test holds it */
    struct journal *journal;
    bool done, ok;
    struct cf_error err;
};

struct journal {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t order[4096];
    size_t count;
};

static bool apply_probe(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err)
{
    struct probe *probe = (struct probe *)write;
    if (probe->applied != NULL)
        atomic_fetch_add(probe->applied, 1);
    if (probe->lock != NULL) {
        pthread_mutex_lock(probe->lock);
        pthread_mutex_unlock(probe->lock);
    }
    struct cf_query query = cf_db_query(
        &tx->db,
        "INSERT INTO lanes (base_url, organisation, limit_class, learnt_at) VALUES (?, '', ?, '')");
    cf_query_text(&query, probe->big);
    cf_query_int(&query, probe->number);
    if (!cf_query_run(&query, err))
        return false;
    return !probe->faulty || cf_fail(err, CF_ERR_CONFIG, "faulty %d", (int)probe->number);
}

static void note_probe(struct cf_write *write, const struct cf_error *err)
{
    struct probe *probe = (struct probe *)write;
    struct journal *journal = probe->journal;
    pthread_mutex_lock(&journal->lock);
    probe->ok = err == NULL;
    if (err != NULL)
        probe->err = *err;
    probe->done = true;
    journal->order[journal->count++] = probe->number;
    pthread_cond_signal(&journal->changed);
    pthread_mutex_unlock(&journal->lock);
}

static struct journal journal_new(void)
{
    return (struct journal){ .lock = PTHREAD_MUTEX_INITIALIZER,
                             .changed = PTHREAD_COND_INITIALIZER };
}

static void wait_for(struct journal *journal, size_t count)
{
    pthread_mutex_lock(&journal->lock);
    while (journal->count < count)
        pthread_cond_wait(&journal->changed, &journal->lock);
    pthread_mutex_unlock(&journal->lock);
}

static struct probe probe_of(int64_t number, struct journal *journal)
{
    return (struct probe){ .write = { .apply = apply_probe, .on_done = note_probe },
                           .number = number,
                           .journal = journal,
                           .big = { "url", 3 } };
}

/* Submits probes while the store thread is held in the first, so that the rest gathers. */
static void submit_gathered(struct fixture *f, struct probe *probes, size_t count)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    struct journal *journal = probes[0].journal;
    struct probe first = probe_of(-1, journal);
    size_t before = journal->count;

    first.lock = &gate;
    pthread_mutex_lock(&gate);
    cf_store_submit(f->store, &first.write);
    for (size_t i = 0; i < count; i++)
        cf_store_submit(f->store, &probes[i].write);
    pthread_mutex_unlock(&gate);
    wait_for(journal, before + count + 1);
}

static void what_gathers_during_a_commit_is_the_next_group(void **state)
{
    struct fixture *f = *state;
    struct journal journal = journal_new();
    struct probe probes[600];
    uint64_t before = cf_store_commits(f->store);

    for (int i = 0; i < 600; i++)
        probes[i] = probe_of(i, &journal);
    submit_gathered(f, probes, 600);

    uint64_t commits = cf_store_commits(f->store) - before;
    assert_in_range(commits, 3, 4);    /* at most 256 each; the first message may travel alone */
    assert_string_equal(fixture_sql(f, "SELECT count(*) FROM lanes"), "601");
}

static void completions_come_in_the_order_of_submission(void **state)
{
    struct fixture *f = *state;
    struct journal journal = journal_new();
    struct probe probes[300];

    for (int i = 0; i < 300; i++)
        probes[i] = probe_of(i, &journal);
    submit_gathered(f, probes, 300);
    for (int i = 0; i < 300; i++)
        assert_int_equal(journal.order[i + 1], i);
}

static void only_the_faulty_message_of_a_group_fails(void **state)
{
    struct fixture *f = *state;
    struct journal journal = journal_new();
    struct probe probes[20];
    atomic_int applied = 0;

    for (int i = 0; i < 20; i++) {
        probes[i] = probe_of(i, &journal);
        probes[i].faulty = i == 7 || i == 11;
        probes[i].applied = &applied;
    }
    submit_gathered(f, probes, 20);

    for (int i = 0; i < 20; i++) {
        assert_true(probes[i].done);
        assert_int_equal(probes[i].ok, i != 7 && i != 11);
    }
    assert_string_equal(probes[7].err.message, "faulty 7");
    assert_string_equal(fixture_sql(f, "SELECT count(*) FROM lanes"), "19");
    assert_string_equal(
        fixture_sql(f, "SELECT count(*) FROM lanes WHERE limit_class IN ('7', '11')"), "0");
}

struct chained_sent {
    struct cf_write_call_sent sent;
    struct journal *journal;
    bool ok;
};

static void note_sent(struct cf_write *write, const struct cf_error *err)
{
    struct chained_sent *call = (struct chained_sent *)write;
    struct journal *journal = call->journal;
    pthread_mutex_lock(&journal->lock);
    call->ok = err == NULL;
    journal->order[journal->count++] = 0;
    pthread_cond_signal(&journal->changed);
    pthread_mutex_unlock(&journal->lock);
}

static void an_undone_group_leaves_no_totals_and_no_ids_behind(void **state)
{
    struct fixture *f = *state;
    struct journal journal = journal_new();
    int64_t item = fixture_item(f, "a", 0);
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    struct probe first = probe_of(0, &journal), faulty = probe_of(1, &journal);
    struct chained_sent calls[3];

    first.lock = &gate;
    faulty.faulty = true;
    pthread_mutex_lock(&gate);
    cf_store_submit(f->store, &first.write);
    for (int i = 0; i < 3; i++) {
        calls[i] = (struct chained_sent){
            .sent = { .write = { .apply = cf_write_call_sent, .on_done = note_sent },
                      .run = f->run.run,
                      .item = item,
                      .branch = "",
                      .ordinal = i,
                      .bound_pico = 9,
                      .request = text("{}") },
            .journal = &journal,
        };
        cf_store_submit(f->store, &calls[i].sent.write);
    }
    cf_store_submit(f->store, &faulty.write);
    pthread_mutex_unlock(&gate);
    wait_for(&journal, 5);

    assert_false(faulty.ok);
    for (int i = 0; i < 3; i++)
        assert_true(calls[i].ok);
    struct cf_run_account account = fixture_account(f);
    assert_int_equal(account.calls, 3);
    assert_int_equal(account.attempts, 3);
    assert_string_equal(fixture_sql(f, "SELECT count(*) FROM calls WHERE attempts = 1"), "3");
    assert_string_equal(fixture_sql(f, "SELECT count(*) FROM call_requests"), "3");
    assert_int_not_equal(calls[0].sent.call, calls[1].sent.call);
}

static void freeing_writes_what_is_queued(void **state)
{
    struct fixture *f = *state;
    struct journal journal = journal_new();
    struct probe probes[50];

    for (int i = 0; i < 50; i++) {
        probes[i] = probe_of(i, &journal);
        cf_store_submit(f->store, &probes[i].write);
    }
    cf_store_free(f->store);
    f->store = NULL;
    assert_int_equal(journal.count, 50);
    assert_string_equal(fixture_sql(f, "SELECT count(*) FROM lanes"), "50");
}

struct producer {
    struct fixture *f;
    struct journal journal;
    struct probe probes[200];
};

static void *produce(void *self)
{
    struct producer *producer = self;
    for (int i = 0; i < 200; i++)
        cf_store_submit(producer->f->store, &producer->probes[i].write);
    wait_for(&producer->journal, 200);
    return NULL;
}

static void several_threads_may_submit(void **state)
{
    struct fixture *f = *state;
    struct producer *producers = calloc(4, sizeof *producers);
    pthread_t threads[4];

    for (int t = 0; t < 4; t++) {
        producers[t].f = f;
        producers[t].journal = journal_new();
        for (int i = 0; i < 200; i++)
            producers[t].probes[i] = probe_of(t * 1000 + i, &producers[t].journal);
        pthread_create(&threads[t], NULL, produce, &producers[t]);
    }
    struct cf_reader *reader = fixture_reader(f);    /* reads beside them */
    int64_t run;
    for (int i = 0; i < 50; i++)
        assert_int_equal(cf_reader_find_run(reader, "demo", &run, &f->err), 1);
    for (int t = 0; t < 4; t++) {
        pthread_join(threads[t], NULL);
        for (int i = 0; i < 200; i++)
            assert_int_equal(producers[t].journal.order[i], t * 1000 + i);
    }
    cf_reader_free(reader);
    free(producers);
    assert_string_equal(fixture_sql(f, "SELECT count(*) FROM lanes"), "800");
}

static void a_completed_write_survives_the_process(void **state)
{
    struct fixture *f = *state;
    cf_store_free(f->store);
    f->store = NULL;

    pid_t child = fork();
    if (child == 0) {
        struct cf_store *store;
        struct cf_error err;
        if (!cf_store_open(f->path, NULL, &store, &err))
            _exit(1);
        struct probe probe = probe_of(5, NULL);
        if (!cf_store_write(store, &probe.write, &err))
            _exit(2);
        raise(SIGKILL);
    }
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    fixture_open(f);
    assert_string_equal(fixture_sql(f, "SELECT limit_class FROM lanes"), "5");
}

static void the_file_is_durable_by_its_settings(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(fixture_sql(f, "PRAGMA journal_mode"), "wal");
    assert_string_equal(fixture_sql(f, "PRAGMA application_id"), "1667653986");
    assert_string_equal(fixture_sql(f, "PRAGMA integrity_check"), "ok");

    struct cf_db *db = (struct cf_db *)f->store; /* tx is its first member, db the first of that */
    int64_t value;
    assert_true(cf_db_int(db, "PRAGMA synchronous", &value, &f->err));
    assert_int_equal(value, 2);
    assert_true(cf_db_int(db, "PRAGMA foreign_keys", &value, &f->err));
    assert_int_equal(value, 1);
}

/* --- trouble with the disk --- */

/* In a child, since the limit holds for the whole process. */
static void a_full_disk_fails_the_write_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    cf_store_free(f->store);
    f->store = NULL;

    pid_t child = fork();
    if (child == 0) {
        struct cf_store *store;
        struct cf_error err;
        signal(SIGXFSZ, SIG_IGN);
        if (!cf_store_open(f->path, NULL, &store, &err))
            _exit(1);
        struct probe small = probe_of(1, NULL);
        if (!cf_store_write(store, &small.write, &err))
            _exit(2);

        struct rlimit limit, tight;
        getrlimit(RLIMIT_FSIZE, &limit);
        tight = limit;
        tight.rlim_cur = 256 * 1024;
        setrlimit(RLIMIT_FSIZE, &tight);
        char *big = calloc(1, 1 << 20);
        memset(big, 'x', 1 << 20);
        struct probe large = probe_of(2, NULL);
        large.big = (struct cf_text){ big, 1 << 20 };
        if (cf_store_write(store, &large.write, &err))
            _exit(3);
        if (err.kind != CF_ERR_STORAGE || strstr(err.message, f->path) == NULL ||
            strstr(err.message, "free some space") == NULL) {
            fprintf(stderr, "%s\n", err.message);
            _exit(4);
        }
        /* Space again: work goes on in the same process. */
        setrlimit(RLIMIT_FSIZE, &limit);
        struct probe later = probe_of(3, NULL);
        if (!cf_store_write(store, &later.write, &err))
            _exit(5);
        cf_store_free(store);
        free(big);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    fixture_open(f);
    assert_string_equal(fixture_sql(f, "SELECT group_concat(limit_class) FROM lanes"), "1,3");
    assert_string_equal(fixture_sql(f, "PRAGMA integrity_check"), "ok");
}

static void a_database_locked_too_long_fails_all_that_waits_at_once(void **state)
{
    struct fixture *f = *state;
    struct journal journal = journal_new();
    struct probe probes[30];
    sqlite3 *other;

    assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    for (int i = 0; i < 30; i++) {
        probes[i] = probe_of(i, &journal);
        cf_store_submit(f->store, &probes[i].write);
    }
    wait_for(&journal, 30);
    for (int i = 0; i < 30; i++) {
        assert_false(probes[i].ok);
        assert_int_equal(probes[i].err.kind, CF_ERR_STORAGE);
        assert_true(probes[i].err.retryable);
        assert_non_null(strstr(probes[i].err.message, "another process has held it for 0.2 s"));
        assert_non_null(strstr(probes[i].err.message, f->path));
    }

    sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(other);
    struct probe after = probe_of(99, &journal);
    must(f, &after.write);
    assert_string_equal(fixture_sql(f, "SELECT count(*) FROM lanes"), "1");
}

static void a_lock_that_goes_away_in_time_is_waited_for(void **state)
{
    struct fixture *f = *state;
    struct journal journal = journal_new();
    sqlite3 *other;

    assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    struct probe probe = probe_of(1, &journal);
    cf_store_submit(f->store, &probe.write);
    sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL);
    wait_for(&journal, 1);
    assert_true(probe.ok);
    sqlite3_close(other);
}

static void a_database_held_by_another_process_cannot_be_opened(void **state)
{
    struct fixture *f = *state;
    struct cf_store_options options = { .busy_ms = 50 };
    struct cf_store *store;
    struct cf_reader *reader;
    sqlite3 *other;

    cf_store_free(f->store);
    f->store = NULL;
    assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(other, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE", NULL, NULL, NULL),
        SQLITE_OK);
    assert_false(cf_store_open(f->path, &options, &store, &f->err));
    assert_int_equal(f->err.kind, CF_ERR_STORAGE);
    assert_non_null(strstr(f->err.message, "another process has held it for 0.05 s"));
    assert_false(cf_reader_open(f->path, 50, &reader, &f->err));
    assert_non_null(strstr(f->err.message, "another process has held it"));
    sqlite3_close(other);
    fixture_open(f);
}

static void a_file_that_was_moved_away_is_not_written_any_more(void **state)
{
    struct fixture *f = *state;
    char aside[PATH_MAX + 8];
    struct probe probe = probe_of(1, NULL);

    snprintf(aside, sizeof aside, "%s.old", f->path);
    assert_int_equal(rename(f->path, aside), 0);
    assert_false(cf_store_write(f->store, &probe.write, &f->err));
    assert_int_equal(f->err.kind, CF_ERR_STORAGE);
    assert_non_null(strstr(f->err.message, "was moved or deleted while in use"));
    assert_non_null(strstr(f->err.message, f->path));
}

/* --- files that cannot be a database --- */

static void make_folder(const char *path) { assert_int_equal(mkdir(path, 0777), 0); }

static void make_text(const char *path)
{
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 200; i++)
        fputs("this is no database but a text of some length\n", file);
    fclose(file);
}

static void make_by_sql(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void make_foreign(const char *path) { make_by_sql(path, "CREATE TABLE bookmarks (url)"); }
static void make_marked(const char *path) { make_by_sql(path, "PRAGMA application_id = 77"); }

static void make_newer(const char *path)
{
    make_by_sql(
        path,
        "PRAGMA application_id = 1667653986; PRAGMA user_version = 99; CREATE TABLE runs (id)");
}

static void make_pipe(const char *path) { assert_int_equal(mkfifo(path, 0666), 0); }
static void make_nothing(const char *path) { (void)path; }

struct unfit {
    const char *name;
    void (*make)(const char *path);
    const char *below;               /* put behind the path */
    enum cf_error_kind kind;
    const char *words, *reader_words;   /* NULL: the same */
};

static struct unfit unfit_rows[] = {
    { "a folder is refused", make_folder, "", CF_ERR_CONFIG, "is a folder", NULL },
    { "a text is refused", make_text, "", CF_ERR_CONFIG, "is not a confab database", NULL },
    { "a database without our mark is refused", make_foreign, "", CF_ERR_CONFIG,
      "is a database of another program", NULL },
    { "a database with another mark is refused", make_marked, "", CF_ERR_CONFIG,
      "is a database of another program", NULL },
    { "a newer schema is refused", make_newer, "", CF_ERR_CONFIG,
      "newer confab (schema 99, this one knows 1)", NULL },
    { "a pipe is refused", make_pipe, "", CF_ERR_CONFIG, "is not a regular file", NULL },
    { "a missing folder is named", make_nothing, "/sub/x.db", CF_ERR_CONFIG, "there is no folder",
      "there is no database at" },
    { "a file as a folder is refused", make_text, "/x.db", CF_ERR_STORAGE, "Not a directory",
      NULL },
};

static void unfit_file_is_refused(void **state)
{
    const struct unfit *row = *state;
    char folder[] = "/tmp/confab-unfit-XXXXXX", path[128], command[256];
    struct cf_error err = { .kind = CF_OK };
    struct cf_store *store = NULL;
    struct cf_reader *reader = NULL;
    struct stat before, after;

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
    row->make(path);
    bool there = stat(path, &before) == 0;
    snprintf(path, sizeof path, "%s/file%s", folder, row->below);

    assert_false(cf_store_open(path, NULL, &store, &err));
    assert_null(store);
    assert_int_equal(err.kind, row->kind);
    if (strstr(err.message, row->words) == NULL || strstr(err.message, path) == NULL)
        fail_msg("message: %s", err.message);

    assert_false(cf_reader_open(path, 0, &reader, &err));
    if (strstr(err.message, row->reader_words != NULL ? row->reader_words : row->words) == NULL)
        fail_msg("reader's message: %s", err.message);

    snprintf(path, sizeof path, "%s/file", folder);
    if (there) {
        assert_int_equal(stat(path, &after), 0);
        assert_int_equal(before.st_size, after.st_size);
    }
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

/* As an ordinary user, in a child: root may write everything. */
static int as_user(struct fixture *f, int (*act)(struct fixture *f))
{
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(99);
        _exit(act(f));
    }
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static int open_read_only(struct fixture *f)
{
    struct cf_store *store;
    struct cf_error err;
    if (cf_store_open(f->path, NULL, &store, &err))
        return 1;
    return err.kind == CF_ERR_STORAGE && strstr(err.message, "is read-only") != NULL &&
                   strstr(err.message, f->path) != NULL
               ? 0
               : 2;
}

static void a_read_only_file_is_refused_for_writing(void **state)
{
    struct fixture *f = *state;
    cf_store_free(f->store);
    f->store = NULL;
    chmod(f->folder, 0777);
    chmod(f->path, 0444);
    assert_int_equal(as_user(f, open_read_only), 0);
}

static int create_in_read_only(struct fixture *f)
{
    struct cf_store *store;
    struct cf_error err;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/new.db", f->folder);
    if (cf_store_open(path, NULL, &store, &err))
        return 1;
    return err.kind == CF_ERR_STORAGE && strstr(err.message, "cannot be written") != NULL ? 0 : 2;
}

static void a_read_only_folder_is_refused_for_a_new_file(void **state)
{
    struct fixture *f = *state;
    chmod(f->folder, 0555);
    assert_int_equal(as_user(f, create_in_read_only), 0);
}

static int read_in_read_only(struct fixture *f)
{
    struct cf_reader *reader;
    struct cf_error err;
    int64_t run;
    if (!cf_reader_open(f->path, 0, &reader, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    int found = cf_reader_find_run(reader, "demo", &run, &err);
    cf_reader_free(reader);
    return found == 1 ? 0 : 2;
}

static void a_closed_file_in_a_read_only_folder_can_be_read(void **state)
{
    struct fixture *f = *state;
    cf_store_free(f->store);    /* the last one out removes the log */
    f->store = NULL;
    chmod(f->path, 0444);
    chmod(f->folder, 0555);
    assert_int_equal(as_user(f, read_in_read_only), 0);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_remove)

int main(void)
{
    struct CMUnitTest tests[64] = {
        WITH_STORE(what_gathers_during_a_commit_is_the_next_group),
        WITH_STORE(completions_come_in_the_order_of_submission),
        WITH_STORE(only_the_faulty_message_of_a_group_fails),
        WITH_STORE(an_undone_group_leaves_no_totals_and_no_ids_behind),
        WITH_STORE(freeing_writes_what_is_queued),
        WITH_STORE(several_threads_may_submit),
        WITH_STORE(a_completed_write_survives_the_process),
        WITH_STORE(the_file_is_durable_by_its_settings),
        WITH_STORE(a_full_disk_fails_the_write_and_nothing_else),
        WITH_STORE(a_database_locked_too_long_fails_all_that_waits_at_once),
        WITH_STORE(a_lock_that_goes_away_in_time_is_waited_for),
        WITH_STORE(a_database_held_by_another_process_cannot_be_opened),
        WITH_STORE(a_file_that_was_moved_away_is_not_written_any_more),
        WITH_STORE(a_read_only_file_is_refused_for_writing),
        WITH_STORE(a_read_only_folder_is_refused_for_a_new_file),
        WITH_STORE(a_closed_file_in_a_read_only_folder_can_be_read),
    };
    size_t count = 16;
    for (size_t i = 0; i < sizeof unfit_rows / sizeof unfit_rows[0]; i++)
        tests[count++] = (struct CMUnitTest){ .name = unfit_rows[i].name,
                                              .test_func = unfit_file_is_refused,
                                              .initial_state = &unfit_rows[i] };
    return _cmocka_run_group_tests("store", tests, count, NULL, NULL);
}
