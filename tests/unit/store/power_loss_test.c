/* A power cut at every sync of a run of writes: what was told of as stored is there afterwards, and
 * nothing is half there. Also when some sectors of what was not synced did reach the disk. */
#include "store/store.h"

#include <stdatomic.h>

#include "confab/rng.h"
#include "disk_tape.h"
#include "fixture.h"

#define ITEMS      24
#define AT_A_TIME  4
#define PROOFS_MAX (ITEMS * 8)
#define REPLY_MAX  30000 /* several pages, so that a reply can be half on the disk */

/* An item on its way, each message submitted when the one before it was stored. */
struct journey {
    int number;
    enum step { DRAW, SENT, FAILED, SENT_AGAIN, REPLY, REJECTED, FINISH, ARRIVED } step;
    struct fixture *f;
    int64_t item, call;
    char key[16];
    struct cf_item_draw draw;
    struct cf_conversation_new conversation;
    struct cf_tag_row tag;
    union {
        struct cf_write write;
        struct cf_write_item_draw drawn;
        struct cf_write_call_sent sent;
        struct cf_write_call_failed failed;
        struct cf_write_call_reply reply;
        struct cf_write_call_rejected rejected;
        struct cf_write_item_finish finish;
    } message;
};

static struct journey journeys[ITEMS];
static int begun; /* the store thread's, once the first are on their way */
static atomic_int under_way;
static char proofs[PROOFS_MAX]
                  [512]; /* by the number of the mark: a query that gives 1 from then on */
static atomic_int proof_count;
static char reply_text[REPLY_MAX + 1];

static int reply_len(int number)
{
    return 2 + number * 977 % (REPLY_MAX - 2);
}

static bool is_rejected(int number)
{
    return number % 5 == 0;
}

static void submit_next(struct journey *journey);

/* What must hold of the item once this step was stored. */
static void prove(const struct journey *journey)
{
    int number = atomic_fetch_add(&proof_count, 1);
    char *proof = proofs[number];
    size_t size = sizeof proofs[number];
    const char *key = journey->key;
    switch (journey->step) {
    case DRAW: snprintf(proof, size, "SELECT count(*) FROM items WHERE key = '%s'", key); break;
    case SENT:
    case SENT_AGAIN:
        snprintf(proof, size,
                 "SELECT count(*) FROM calls k JOIN items i ON i.id = k.item"
                 " JOIN call_requests q ON q.call = k.id WHERE i.key = '%s' AND k.attempts >= %d",
                 key, journey->step == SENT ? 1 : 2);
        break;
    case FAILED:
        snprintf(proof, size,
                 "SELECT count(*) FROM generation_logs l JOIN items i ON i.id = l.item"
                 " WHERE i.key = '%s' AND l.at_risk_pico = 7",
                 key);
        break;
    case REPLY:
        snprintf(proof, size,
                 "SELECT count(*) FROM calls k JOIN items i ON i.id = k.item"
                 " JOIN call_replies p ON p.call = k.id WHERE i.key = '%s' AND k.state = 'done'"
                 " AND k.cost_pico = 5 AND length(p.body) = %d",
                 key, reply_len(journey->number));
        break;
    case REJECTED:
        snprintf(proof, size,
                 "SELECT count(*) FROM generation_logs l JOIN items i ON i.id = l.item"
                 " WHERE i.key = '%s' AND l.status = 'rejected'",
                 key);
        break;
    case FINISH:
        snprintf(proof, size,
                 "SELECT count(*) FROM items i WHERE key = '%s' AND state = '%s' AND"
                 " (SELECT count(*) FROM conversations c JOIN conversation_turns t ON "
                 "t.conversation = c.id"
                 " JOIN tags g ON g.conversation = c.id WHERE c.item = i.id) = %d",
                 key, is_rejected(journey->number) ? "failed" : "done",
                 is_rejected(journey->number) ? 0 : 2);
        break;
    case ARRIVED: break;
    }
    disk_tape_mark((size_t)number);
}

static void on_stored(struct cf_write *write, const struct cf_error *err)
{
    struct journey *journey = write->owner;
    if (err != NULL) {
        fprintf(stderr, "%s, step %d: %s\n", journey->key, journey->step, err->message);
        abort();
    }
    if (journey->step == DRAW)
        journey->item = journey->draw.item;
    if (journey->step == SENT)
        journey->call = journey->message.sent.call;
    prove(journey);
    journey->step++;
    if (journey->step == FAILED && journey->number % 3 != 0)
        journey->step = REPLY;
    if (journey->step == REJECTED && !is_rejected(journey->number))
        journey->step = FINISH;
    submit_next(journey);
}

static void submit_next(struct journey *journey)
{
    struct cf_write head = { .on_done = on_stored, .owner = journey };
    int64_t run = journey->f->run.run, item = journey->item, call = journey->call;
    switch (journey->step) {
    case DRAW:
        head.apply = cf_write_item_draw;
        journey->message.drawn = (struct cf_write_item_draw){
            .write = head,
            .run = run,
            .drawing = 1,
            .items = &journey->draw,
            .count = 1,
        };
        break;
    case SENT:
    case SENT_AGAIN:
        head.apply = cf_write_call_sent;
        journey->message.sent = (struct cf_write_call_sent){
            .write = head,
            .run = run,
            .item = item,
            .call = call,
            .branch = "",
            .model = "claude-x",
            .max_tokens = 100,
            .bound_pico = 7,
            .request = { call == 0 ? reply_text : NULL, call == 0 ? 2000 : 0 },
        };
        break;
    case FAILED:
        head.apply = cf_write_call_failed;
        journey->message.failed = (struct cf_write_call_failed){
            .write = head,
            .run = run,
            .item = item,
            .call = call,
            .may_be_billed = true,
            .will_retry = true,
            .error_kind = "api_error",
            .error_message = "reset",
            .usage = CF_TOKEN_USAGE_NONE,
        };
        break;
    case REPLY:
        head.apply = cf_write_call_reply;
        journey->message.reply = (struct cf_write_call_reply){
            .write = head,
            .run = run,
            .item = item,
            .call = call,
            .reply = { reply_text, (size_t)reply_len(journey->number) },
            .usage = CF_TOKEN_USAGE_NONE,
            .cost_pico = 5,
            .model_answered = "claude-x-1",
            .stop_reason = "end_turn",
            .request_id = "req_1",
        };
        break;
    case REJECTED:
        head.apply = cf_write_call_rejected;
        journey->message.rejected = (struct cf_write_call_rejected){
            .write = head,
            .run = run,
            .item = item,
            .call = call,
            .error_kind = "parse_error",
            .error_message = "no JSON",
        };
        break;
    case FINISH:
        head.apply = cf_write_item_finish;
        journey->conversation = fixture_conversation(1, "generated", 8);
        journey->tag = (struct cf_tag_row){ .name = "tag", .number = 1, .is_number = true };
        journey->conversation.tags = &journey->tag;
        journey->conversation.tag_count = 1;
        journey->message.finish = (struct cf_write_item_finish){
            .write = head,
            .item = item,
            .state = CF_ITEM_DONE,
            .conversations = &journey->conversation,
            .count = 1,
        };
        if (is_rejected(journey->number)) {
            journey->message.finish = (struct cf_write_item_finish){
                .write = head,
                .item = item,
                .state = CF_ITEM_FAILED,
                .error_kind = "parse_error",
                .error_message = "no JSON",
            };
        }
        break;
    case ARRIVED:
        if (begun < ITEMS)
            submit_next(&journeys[begun++]);
        atomic_fetch_sub(&under_way, 1);
        return;
    }
    cf_store_submit(journey->f->store, &journey->message.write);
}

/* Copies the log into the file again and again, by another connection, while the store writes. */
static void checkpoint_till_the_end(struct fixture *f)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    while (atomic_load(&under_way) > 0)
        sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    sqlite3_close(db);
}

/* The run of writes that is cut: a new file, its schema, a run, its items, the closing. */
static void write_run(struct fixture *f)
{
    memset(journeys, 0, sizeof journeys);
    memset(reply_text, 'x', REPLY_MAX);
    disk_tape_watch(f->path);
    fixture_open(f);
    f->run = (struct cf_write_run_begin){
        .write.apply = cf_write_run_begin,
        .name = "demo",
        .provider = "anthropic",
        .seed = 7,
        .script_hash = "aa",
        .source = "script",
    };
    must(f, &f->run.write);
    assert_int_equal(fixture_own(f), 1);

    atomic_store(&proof_count, 0);
    atomic_store(&under_way, ITEMS);
    for (int i = 0; i < ITEMS; i++) {
        struct journey *journey = &journeys[i];
        journey->number = i;
        journey->f = f;
        snprintf(journey->key, sizeof journey->key, "k%d", i);
        journey->draw =
            (struct cf_item_draw){ .key = text(journey->key), .ordinal = i, .params = text("{}") };
    }
    begun = AT_A_TIME;
    for (int i = 0; i < AT_A_TIME; i++)
        submit_next(&journeys[i]);
    checkpoint_till_the_end(f);
    cf_store_free(f->store);
    f->store = NULL;
    disk_tape_watch(NULL);
}

/* Each gives the number of rows that must not be there. */
static const char *const half_written[] = {
    "SELECT count(*) FROM items i WHERE (state = 'done') <> EXISTS"
    " (SELECT 1 FROM conversations c WHERE c.item = i.id)",
    "SELECT count(*) FROM (SELECT c.id FROM conversations c LEFT JOIN conversation_turns t"
    " ON t.conversation = c.id GROUP BY c.id HAVING count(t.content) <> c.turn_count)",
    "SELECT count(*) FROM calls k WHERE NOT EXISTS (SELECT 1 FROM call_requests q WHERE q.call = "
    "k.id)",
    "SELECT count(*) FROM calls k WHERE (state = 'done') <> EXISTS"
    " (SELECT 1 FROM call_replies p WHERE p.call = k.id)",
    "SELECT count(*) FROM (SELECT k.id FROM calls k LEFT JOIN generation_logs l ON l.call = k.id"
    " AND l.status <> 'rejected' GROUP BY k.id HAVING count(l.id) <> k.attempts - (k.state = "
    "'sent'))",
    "SELECT count(*) FROM runs r WHERE r.spent_pico <> (SELECT coalesce(sum(cost_pico), 0) FROM "
    "calls)"
    " OR r.at_risk_pico <> (SELECT coalesce(sum(at_risk_pico), 0) FROM generation_logs)"
    " OR r.attempts <> (SELECT coalesce(sum(attempts), 0) FROM calls)"
    " OR r.items_drawn <> (SELECT count(*) FROM items)"
    " OR r.items_accepted <> (SELECT count(*) FROM items WHERE accepted)",
    "SELECT count(*) FROM pragma_foreign_key_check",
};

static int64_t count(sqlite3 *db, const char *sql, size_t cut)
{
    sqlite3_stmt *stmt;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW)
        fail_msg("cut %zu: %s: %s", cut, sql, sqlite3_errmsg(db));
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

/* Opens what the cut left, as the next process would; the first so many proofs must hold. */
static void check_cut(struct fixture *f, const struct disk_image images[DISK_FILES],
                      const bool *told, size_t cut)
{
    assert_true(disk_images_write(images, f->path));
    struct cf_store_options options = { .busy_ms = 200, .clock = &fixed_clock };
    if (!cf_store_open(f->path, &options, &f->store, &f->err))
        fail_msg("cut %zu: %s", cut, f->err.message);

    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_string_equal(fixture_sql(f, "PRAGMA integrity_check"), "ok");
    for (size_t i = 0; i < sizeof half_written / sizeof *half_written; i++)
        if (count(db, half_written[i], cut) != 0)
            fail_msg("cut %zu: half written: %s", cut, half_written[i]);
    for (int i = 0; i < atomic_load(&proof_count); i++)
        if (told[i] && count(db, proofs[i], cut) != 1)
            fail_msg("cut %zu: told of as stored, but gone: %s", cut, proofs[i]);
    sqlite3_close(db);

    struct cf_write_run_begin again = {
        .write.apply = cf_write_run_begin,
        .name = "demo",
        .provider = "anthropic",
        .source = "script",
    };
    must(f, &again.write);
    cf_store_free(f->store);
    f->store = NULL;
}

static bool draw_half(void *self)
{
    return cf_rng_unit(self) < 0.5;
}

/* Cuts before each sync, where the most was told of since the one before, and after the last. */
static void check_all_cuts(struct fixture *f, bool keeps_some)
{
    struct disk_image now[DISK_FILES] = { 0 }, synced[DISK_FILES] = { 0 },
                      mixed[DISK_FILES] = { 0 };
    bool told[PROOFS_MAX] = { false };
    struct cf_rng rng;
    size_t cuts = 0;
    cf_rng_seed(&rng, 1);

    write_run(f);
    for (size_t i = 0; i <= disk_tape.count; i++) {
        const struct disk_event *event = i < disk_tape.count ? &disk_tape.events[i] : NULL;
        if (event == NULL || event->kind == DISK_SYNC ||
            (event->kind == DISK_DELETE && event->is_synced)) {
            for (int which = DISK_MAIN; keeps_some && which < DISK_FILES; which++)
                disk_image_mix(&mixed[which], &synced[which], &now[which], draw_half, &rng);
            check_cut(f, keeps_some ? mixed : synced, told, cuts++);
        }
        if (event != NULL && event->kind == DISK_MARK)
            told[event->at] = true;
        if (event != NULL)
            disk_apply(event, now, synced);
    }
    assert_in_range(cuts, 20, 2000);
    assert_in_range(atomic_load(&proof_count), 4 * ITEMS, PROOFS_MAX);
    disk_images_done(now);
    disk_images_done(synced);
    disk_images_done(mixed);
}

static void a_cut_at_any_sync_loses_nothing_that_was_told_of(void **state)
{
    check_all_cuts(*state, false);
}

static void sectors_that_arrived_unsynced_do_no_harm(void **state)
{
    check_all_cuts(*state, true);
}

static int make_folder(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/confab-store-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/test.db", f->folder);
    *state = f;
    return 0;
}

static int install(void **state)
{
    (void)state;
    return disk_tape_install();
}

static int forget(void **state)
{
    (void)state;
    disk_tape_done();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_cut_at_any_sync_loses_nothing_that_was_told_of,
                                        make_folder, fixture_remove),
        cmocka_unit_test_setup_teardown(sectors_that_arrived_unsynced_do_no_harm, make_folder,
                                        fixture_remove),
    };
    return cmocka_run_group_tests(tests, install, forget);
}
