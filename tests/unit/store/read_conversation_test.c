/* The conversations cursor: what it leaves out, in which order, and that it streams. */
#include "store/reader.h"

#include "fixture.h"

/* Six items, drawn out of order, in all kinds of standing. */
static int fill(void **state)
{
    fixture_make(state);
    struct fixture *f = *state;
    struct cf_tag_row tag = { .name = "gold", .number = 7, .is_number = true };

    int64_t weak = fixture_item(f, "weak", 3), good = fixture_item(f, "good", 1);
    int64_t two = fixture_item(f, "two", 0), gone = fixture_item(f, "gone", 4),
            extra = fixture_item(f, "extra", 2);
    int64_t bad = fixture_item(f, "bad", 5);

    fixture_finish(f, weak, "needs_revision", 3);
    fixture_finish(f, good, "generated", 6);
    fixture_finish(f, good, "approved", 9);    /* takes the first one's place */

    struct cf_conversation_new parts[2] = { fixture_conversation(2, "generated", 8),
                                            fixture_conversation(1, "generated", NAN) };
    parts[0].tags = &tag;
    parts[0].tag_count = 1;
    parts[1].tier = text("scenario");
    parts[1].persona = text("Bo");
    struct cf_write_item_finish finish = { .write.apply = cf_write_item_finish,
                                           .item = two,
                                           .state = CF_ITEM_DONE,
                                           .conversations = parts,
                                           .count = 2 };
    must(f, &finish.write);

    struct cf_conversation_new one = fixture_conversation(1, "generated", 10);
    finish = (struct cf_write_item_finish){ .write.apply = cf_write_item_finish,
                                            .item = extra,
                                            .state = CF_ITEM_DONE,
                                            .surplus = true,
                                            .conversations = &one,
                                            .count = 1 };
    must(f, &finish.write);
    fixture_finish(f, gone, "generated", 7);
    fixture_finish(f, bad, "generated", 7);
    fixture_fail(f, bad, "refusal", "changed its mind");
    for (int i = 0; i < 5; i++) {
        static const char *const kept[] = { "two", "good", "extra", "weak", "bad" };
        static const int places[] = { 0, 1, 2, 3, 5 };
        fixture_draw(f, kept[i], places[i], 2);
    }
    struct cf_write_item_orphans orphans = { .write.apply = cf_write_item_orphans,
                                             .run = f->run.run,
                                             .drawing = 2 };
    must(f, &orphans.write);
    return 0;
}

struct filter_row {
    const char *name;
    struct cf_conversation_filter filter;
    const char *expected;            /* key.part.version each */
};

static const char *const approved_only[] = { "approved" };
static const char *const both[] = { "approved", "needs_revision" };

static struct filter_row filter_rows[] = {
    { "by default only what counts, in order of the plan",
      { .run = 1 },
      "two.1.1 two.2.1 good.1.2 weak.1.1 " },
    { "all runs", { .run = 0 }, "two.1.1 two.2.1 good.1.2 weak.1.1 " },
    { "another run", { .run = 9 }, "" },
    { "superseded, orphaned and surplus ones on request",
      { .run = 1, .with_superseded = true },
      "two.1.1 two.2.1 good.1.1 good.1.2 extra.1.1 weak.1.1 gone.1.1 bad.1.1 " },
    { "by status", { .run = 1, .statuses = approved_only, .status_count = 1 }, "good.1.2 " },
    { "by several statuses",
      { .run = 1, .statuses = both, .status_count = 2 },
      "good.1.2 weak.1.1 " },
    { "no status is no conversation", { .run = 1, .statuses = both, .status_count = 0 }, "" },
    { "by least score, the unscored left out", { .run = 1, .min_score = 8 }, "two.2.1 good.1.2 " },
    { "by tier", { .run = 1, .tier = "scenario" }, "two.1.1 " },
    { "by persona", { .run = 1, .persona = "Bo" }, "two.1.1 " },
    { "by tag", { .run = 1, .tag = "gold" }, "two.2.1 " },
    { "only simulated", { .run = 1, .simulated = 1 }, "" },
    { "only real", { .run = 1, .simulated = -1 }, "two.1.1 two.2.1 good.1.2 weak.1.1 " },
    { "one conversation, whatever its standing", { .conversation = 2 }, "good.1.1 " },
    { "the parts of one item", { .item = 3 }, "two.1.1 two.2.1 " },
};

static void filter_selects(void **state)
{
    const struct filter_row *row = *state;
    void *made;
    fill(&made);
    struct fixture *f = made;
    struct cf_reader *reader = fixture_reader(f);
    struct cf_conversation_cursor *cursor;
    const struct cf_conversation_row *conversation;
    struct cf_buf seen = { .max = 1000 };
    int next;

    assert_true(cf_conversations_open(reader, &row->filter, &cursor, &f->err));
    while ((next = cf_conversations_next(cursor, &conversation, &f->err)) > 0)
        cf_buf_addf(&seen, "%s.%d.%d ", conversation->key.data, (int)conversation->part,
                    (int)conversation->version);
    assert_int_equal(next, 0);
    assert_string_equal(cf_buf_str(&seen), row->expected);
    cf_buf_done(&seen);
    cf_conversations_free(cursor);
    cf_reader_free(reader);
    fixture_remove(&made);
}

static void a_row_carries_turns_and_tags(void **state)
{
    struct fixture *f = *state;
    struct cf_reader *reader = fixture_reader(f);
    struct cf_conversation_cursor *cursor;
    const struct cf_conversation_row *row;

    assert_true(cf_conversations_open(reader, &(struct cf_conversation_filter){ .run = 1 }, &cursor,
                                      &f->err));
    assert_int_equal(cf_conversations_next(cursor, &row, &f->err), 1);
    assert_true(isnan(row->quality_score));
    assert_int_equal(row->tag_count, 0);
    assert_int_equal(cf_conversations_next(cursor, &row, &f->err), 1);
    assert_int_equal(row->turn_count, 2);
    assert_string_equal(row->turns[0].role.data, "user");
    assert_int_equal(row->turns[1].content.len, 19);
    assert_string_equal(row->turns[1].content.data, "Hi, how can I help?");
    assert_int_equal(row->tag_count, 1);
    assert_string_equal(row->tags[0].name, "gold");
    assert_true(row->tags[0].is_number && row->tags[0].number == 7);
    assert_string_equal(row->run_name, "demo");
    assert_string_equal(row->model, "claude-x-1");
    assert_int_equal(row->cost_pico, 5);
    assert_int_equal(row->ordinal, 0);
    assert_null(row->template_name);
    assert_null(row->topic.data);
    assert_string_equal(row->created_at, "2026-09-21T14:13:20.123Z");
    cf_conversations_free(cursor);
    cf_reader_free(reader);
}

/* Sorting the whole would read everything before the first row. */
static void the_order_needs_no_sort_of_the_whole(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db;
    sqlite3_stmt *stmt;
    bool sorted_whole = false, by_ordinal = false;

    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(
            db,
            "EXPLAIN QUERY PLAN SELECT c.id FROM items i INDEXED BY items_ordinal"
            " CROSS JOIN conversations c ON c.item = i.id CROSS JOIN runs r ON r.id = i.run"
            " LEFT JOIN templates t ON t.id = c.template WHERE i.run = 1"
            " ORDER BY i.run, i.ordinal, i.id, c.part, c.version",
            -1, &stmt, NULL),
        SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        const char *line = (const char *)sqlite3_column_text(stmt, 3);
        sorted_whole = sorted_whole || strcmp(line, "USE TEMP B-TREE FOR ORDER BY") == 0;
        by_ordinal = by_ordinal || strstr(line, "items_ordinal") != NULL;
    }
    assert_false(sorted_whole);
    assert_true(by_ordinal);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
}

static void two_cursors_of_one_reader_do_not_disturb_each_other(void **state)
{
    struct fixture *f = *state;
    struct cf_reader *reader = fixture_reader(f);
    struct cf_conversation_cursor *one, *two;
    const struct cf_conversation_row *first, *second;
    struct cf_conversation_filter filter = { .run = 1 };

    assert_true(cf_conversations_open(reader, &filter, &one, &f->err));
    assert_true(cf_conversations_open(reader, &filter, &two, &f->err));
    for (int i = 0; i < 4; i++) {
        assert_int_equal(cf_conversations_next(one, &first, &f->err), 1);
        assert_int_equal(cf_conversations_next(two, &second, &f->err), 1);
        assert_int_equal(first->conversation, second->conversation);
        assert_string_equal(first->turns[0].content.data, second->turns[0].content.data);
    }
    cf_conversations_free(one);
    cf_conversations_free(two);
    cf_reader_free(reader);
}

static void a_cursor_keeps_its_view_while_the_store_writes(void **state)
{
    struct fixture *f = *state;
    struct cf_reader *reader = fixture_reader(f);
    struct cf_conversation_cursor *cursor;
    const struct cf_conversation_row *row;
    int count = 1;

    assert_true(cf_conversations_open(reader, &(struct cf_conversation_filter){ .run = 1 }, &cursor,
                                      &f->err));
    assert_int_equal(cf_conversations_next(cursor, &row, &f->err), 1);
    fixture_finish(f, fixture_item(f, "new", 99), "generated", 8);
    while (cf_conversations_next(cursor, &row, &f->err) > 0)
        count++;
    assert_int_equal(count, 4);
    cf_conversations_free(cursor);
    cf_reader_free(reader);
}

#define WITH_DATA(test) cmocka_unit_test_setup_teardown(test, fill, fixture_remove)

int main(void)
{
    struct CMUnitTest tests[32] = {
        WITH_DATA(a_row_carries_turns_and_tags),
        WITH_DATA(the_order_needs_no_sort_of_the_whole),
        WITH_DATA(two_cursors_of_one_reader_do_not_disturb_each_other),
        WITH_DATA(a_cursor_keeps_its_view_while_the_store_writes),
    };
    size_t count = 4;
    for (size_t i = 0; i < sizeof filter_rows / sizeof filter_rows[0]; i++)
        tests[count++] = (struct CMUnitTest){ .name = filter_rows[i].name,
                                              .test_func = filter_selects,
                                              .initial_state = &filter_rows[i] };
    return _cmocka_run_group_tests("read_conversation", tests, count, NULL, NULL);
}
