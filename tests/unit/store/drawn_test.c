/* Items drawn again and again: equal ones are numbered, those that stay are not written, and a
 * stretch of the plan is read at once. */
#include "store/drawn.h"

#include "fixture.h"

static int64_t number_of(struct fixture *f, const char *key, int64_t ordinal, int64_t drawing)
{
    struct cf_item_draw draw = { .key = text(key), .ordinal = ordinal, .params = text("{}"),
                                 .is_numbered = true };
    struct cf_write_item_draw batch = { .write.apply = cf_write_item_draw, .run = f->run.run,
                                        .drawing = drawing, .items = &draw, .count = 1 };
    must(f, &batch.write);
    assert_false(draw.drawn_before);
    return draw.number;
}

static void equal_items_are_numbered_in_their_order(void **state)
{
    struct fixture *f = *state;
    for (int64_t drawing = 1; drawing <= 2; drawing++) {
        for (int64_t n = 1; n <= 100; n++)
            assert_int_equal(number_of(f, "a", n - 1, drawing), n);
        assert_int_equal(number_of(f, "b", 100, drawing), 1);
    }
    assert_int_equal(fixture_account(f).planned, 101);
    assert_string_equal(fixture_sql(f, "SELECT ordinal FROM items WHERE key = 'a#37'"), "36");
    assert_string_equal(fixture_sql(f, "SELECT ordinal FROM items WHERE key = 'a'"), "0");
}

static void an_equal_item_begins_anew(void **state)
{
    struct fixture *f = *state;
    fixture_finish(f, fixture_item(f, "a", 0), "generated", 8);
    struct cf_item_draw draws[2] = { { .ordinal = 0 }, { .ordinal = 1 } };
    for (int i = 0; i < 2; i++) {
        draws[i].key = text("a");
        draws[i].params = text("{}");
        draws[i].is_numbered = true;
    }
    struct cf_write_item_draw batch = { .write.apply = cf_write_item_draw, .run = f->run.run,
                                        .drawing = 2, .items = draws, .count = 2 };
    must(f, &batch.write);
    assert_true(draws[0].existed && draws[0].accepted);
    assert_false(draws[1].existed || draws[1].accepted);
    assert_int_equal(draws[1].state, CF_ITEM_PENDING);
    struct cf_run_account account = fixture_account(f);
    assert_int_equal(account.planned, 2);
    assert_int_equal(account.accepted, 1);
    assert_int_equal(account.pending, 1);
}

static void equal_items_of_one_batch_are_numbered(void **state)
{
    struct fixture *f = *state;
    struct cf_item_draw draws[5] = { 0 };
    for (int i = 0; i < 5; i++)
        draws[i] = (struct cf_item_draw){ .key = text(i == 2 ? "b" : "a"), .ordinal = i,
                                          .params = text("{}"), .is_numbered = true };
    struct cf_write_item_draw batch = { .write.apply = cf_write_item_draw, .run = f->run.run,
                                        .drawing = 1, .items = draws, .count = 5 };
    must(f, &batch.write);
    const int64_t numbers[] = { 1, 2, 1, 3, 4 };
    for (int i = 0; i < 5; i++)
        assert_int_equal(draws[i].number, numbers[i]);
}

static void a_key_that_is_not_numbered_is_taken_once(void **state)
{
    struct fixture *f = *state;
    fixture_draw(f, "a", 0, 1);
    assert_true(fixture_draw(f, "a", 1, 1).drawn_before);
    assert_string_equal(fixture_sql(f, "SELECT ordinal FROM items"), "0");
}

static void a_numbered_key_has_a_bound(void **state)
{
    struct fixture *f = *state;
    static char key[2000];
    memset(key, 'k', sizeof key - 1);
    number_of(f, key, 0, 1);
    struct cf_item_draw draw = { .key = text(key), .ordinal = 1, .params = text("{}"),
                                 .is_numbered = true };
    struct cf_write_item_draw batch = { .write.apply = cf_write_item_draw, .run = f->run.run,
                                        .drawing = 1, .items = &draw, .count = 1 };
    assert_false(cf_store_write(f->store, &batch.write, &f->err));
    assert_non_null(strstr(f->err.message, "1024 bytes"));
}

static void what_stays_is_no_orphan_and_not_drawn_twice(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 4; i++)
        number_of(f, "a", i, 1);
    struct cf_write_item_stay stay = { .write.apply = cf_write_item_stay, .run = f->run.run,
                                       .drawing = 2, .first = 1, .last = 2 };
    must(f, &stay.write);
    assert_int_equal(number_of(f, "a", 7, 2), 1);
    assert_int_equal(number_of(f, "a", 8, 2), 4);
    assert_int_equal(number_of(f, "a", 9, 2), 5);

    struct cf_write_item_orphans orphans = { .write.apply = cf_write_item_orphans,
                                             .run = f->run.run, .drawing = 2 };
    must(f, &orphans.write);
    assert_int_equal(orphans.orphans, 0);
    stay.drawing = 3;
    must(f, &stay.write);
    orphans.drawing = 3;
    must(f, &orphans.write);
    assert_int_equal(orphans.orphans, 3);
    assert_int_equal(fixture_account(f).planned, 2);
}

static void an_orphan_does_not_stay(void **state)
{
    struct fixture *f = *state;
    fixture_item(f, "a", 0);
    struct cf_write_item_orphans orphans = { .write.apply = cf_write_item_orphans,
                                             .run = f->run.run, .drawing = 2 };
    must(f, &orphans.write);
    struct cf_write_item_stay stay = { .write.apply = cf_write_item_stay, .run = f->run.run,
                                       .drawing = 3, .first = 0, .last = 9 };
    must(f, &stay.write);
    assert_string_equal(fixture_sql(f, "SELECT orphan || drawing FROM items"), "11");
}

static bool is_text(struct cf_text found, const char *expected)
{
    return found.len == strlen(expected) && memcmp(found.data, expected, found.len) == 0;
}

static void a_stretch_is_read_with_its_journal(void **state)
{
    struct fixture *f = *state;
    int64_t a = fixture_item(f, "a", 0), b = fixture_item(f, "b", 1), c = fixture_item(f, "c", 3);
    fixture_item(f, "", CF_ITEM_NO_ORDINAL);
    int64_t first = fixture_sent(f, a, 9), second = fixture_sent(f, a, 9);
    fixture_reply(f, a, first, 5);
    fixture_finish(f, a, "generated", 8);
    fixture_fail(f, b, "refusal", "no");

    struct cf_reader *reader = fixture_reader(f);
    struct cf_drawn drawn = { 0 };
    assert_true(cf_drawn_read(&drawn, reader, f->run.run, 2, 0, 4, &f->err));
    const struct cf_drawn_item *item = cf_drawn_get(&drawn, 0);
    assert_int_equal(item->item, a);
    assert_int_equal(item->state, CF_ITEM_DONE);
    assert_true(item->accepted);
    assert_true(is_text(cf_drawn_key(&drawn, item), "a"));
    assert_true(is_text(cf_drawn_params(&drawn, item), "{\"topic\":\"x\"}"));
    assert_int_equal(item->call_count, 2);
    assert_int_equal(drawn.calls[item->first_call].call, first);
    assert_string_equal(drawn.calls[item->first_call].stop_reason, "end_turn");
    assert_string_equal(drawn.calls[item->first_call + 1].state, "sent");
    assert_int_equal(drawn.calls[item->first_call + 1].call, second);

    item = cf_drawn_get(&drawn, 1);
    assert_int_equal(item->state, CF_ITEM_FAILED);
    assert_string_equal(item->error_kind, "refusal");
    assert_int_equal(item->call_count, 0);
    assert_null(cf_drawn_get(&drawn, 2));
    assert_int_equal(cf_drawn_get(&drawn, 3)->item, c);
    assert_null(cf_drawn_get(&drawn, 4));
    assert_null(cf_drawn_get(&drawn, -1));

    assert_true(cf_drawn_read(&drawn, reader, f->run.run, 2, 3, 1, &f->err));
    assert_null(cf_drawn_get(&drawn, 0));
    assert_int_equal(cf_drawn_get(&drawn, 3)->item, c);
    int64_t size;
    assert_true(cf_reader_plan_size(reader, f->run.run, &size, &f->err));
    assert_int_equal(size, 3);
    assert_false(cf_reader_plan_size(reader, 99, &size, &f->err));
    cf_drawn_done(&drawn);
    cf_reader_free(reader);
}

static void a_place_with_two_items_has_none_and_orphans_have_no_place(void **state)
{
    struct fixture *f = *state;
    fixture_draw(f, "gone", 1, 1);
    struct cf_write_item_orphans orphans = { .write.apply = cf_write_item_orphans,
                                             .run = f->run.run, .drawing = 2 };
    must(f, &orphans.write);
    int64_t a = fixture_draw(f, "a", 0, 2).item;
    fixture_sent(f, a, 9);
    fixture_draw(f, "b", 1, 2);
    fixture_draw(f, "c", 0, 2);

    struct cf_reader *reader = fixture_reader(f);
    struct cf_drawn drawn = { 0 };
    assert_true(cf_drawn_read(&drawn, reader, f->run.run, 3, 0, 2, &f->err));
    assert_null(cf_drawn_get(&drawn, 0));
    assert_true(is_text(cf_drawn_key(&drawn, cf_drawn_get(&drawn, 1)), "b"));
    cf_drawn_done(&drawn);
    cf_reader_free(reader);
}

static void what_was_drawn_last_has_its_place(void **state)
{
    struct fixture *f = *state;
    fixture_sent(f, fixture_draw(f, "a", 0, 1).item, 9);
    fixture_sent(f, fixture_draw(f, "b", 0, 1).item, 9);
    int64_t c = fixture_draw(f, "c", 0, 2).item;
    int64_t call = fixture_sent(f, c, 9);
    fixture_draw(f, "d", 0, 1);

    struct cf_reader *reader = fixture_reader(f);
    struct cf_drawn drawn = { 0 };
    assert_true(cf_drawn_read(&drawn, reader, f->run.run, 2, 0, 1, &f->err));
    const struct cf_drawn_item *item = cf_drawn_get(&drawn, 0);
    assert_int_equal(item->item, c);
    assert_int_equal(item->call_count, 1);
    assert_int_equal(drawn.calls[item->first_call].call, call);
    cf_drawn_done(&drawn);
    cf_reader_free(reader);
}

static void a_damaged_journal_is_an_error(void **state)
{
    struct fixture *f = *state;
    fixture_sent(f, fixture_item(f, "a", 0), 9);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE calls SET request_hash = x'00'", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);

    struct cf_reader *reader = fixture_reader(f);
    struct cf_drawn drawn = { 0 };
    assert_false(cf_drawn_read(&drawn, reader, f->run.run, 2, 0, 2, &f->err));
    assert_int_equal(f->err.kind, CF_ERR_STORAGE);
    assert_null(cf_drawn_get(&drawn, 0));
    cf_drawn_done(&drawn);
    cf_reader_free(reader);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(equal_items_are_numbered_in_their_order),
        TEST(an_equal_item_begins_anew),
        TEST(equal_items_of_one_batch_are_numbered),
        TEST(a_key_that_is_not_numbered_is_taken_once),
        TEST(a_numbered_key_has_a_bound),
        TEST(what_stays_is_no_orphan_and_not_drawn_twice),
        TEST(an_orphan_does_not_stay),
        TEST(a_stretch_is_read_with_its_journal),
        TEST(a_place_with_two_items_has_none_and_orphans_have_no_place),
        TEST(what_was_drawn_last_has_its_place),
        TEST(a_damaged_journal_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
