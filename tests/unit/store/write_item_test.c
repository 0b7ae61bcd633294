/* Items: drawn, finished, superseded, orphaned; and an account that balances all along. */
#include "store/write_item.h"

#include "fixture.h"

/* The totals of the run, counted anew from the rows that they sum up. */
static void check_totals(struct fixture *f)
{
    struct cf_run_account account = fixture_account(f);
    static const struct {
        size_t offset;
        const char *sql;
    } sums[] = {
#define LIVE " FROM items WHERE ordinal IS NOT NULL AND NOT orphan AND NOT surplus AND run = 1"
        { offsetof(struct cf_run_account, accepted),
          "SELECT count(*)" LIVE " AND state = 'done' AND accepted" },
        { offsetof(struct cf_run_account, needs_revision),
          "SELECT count(*)" LIVE " AND state = 'done' AND NOT accepted" },
        { offsetof(struct cf_run_account, failed), "SELECT count(*)" LIVE " AND state = 'failed'" },
        { offsetof(struct cf_run_account, skipped),
          "SELECT count(*)" LIVE " AND state = 'skipped'" },
        { offsetof(struct cf_run_account, pending),
          "SELECT count(*)" LIVE " AND state = 'pending'" },
        { offsetof(struct cf_run_account, planned), "SELECT count(*)" LIVE },
        { offsetof(struct cf_run_account, orphans), "SELECT count(*) FROM items WHERE orphan" },
        { offsetof(struct cf_run_account, surplus),
          "SELECT count(*) FROM items WHERE surplus AND NOT orphan" },
        { offsetof(struct cf_run_account, spent_pico),
          "SELECT coalesce(sum(cost_pico), 0) FROM calls" },
        { offsetof(struct cf_run_account, at_risk_pico),
          "SELECT coalesce(sum(at_risk_pico), 0) FROM calls" },
    };
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++) {
        int64_t told;
        memcpy(&told, (const char *)&account + sums[i].offset, sizeof told);
        int64_t counted = atoll(fixture_sql(f, sums[i].sql));
        if (told != counted)
            fail_msg("%s: told %lld, counted %lld", sums[i].sql, (long long)told,
                     (long long)counted);
    }
}

static void a_new_item_is_pending_and_a_known_one_keeps_its_state(void **state)
{
    struct fixture *f = *state;
    struct cf_item_draw draws[3] = {
        { .key = text("a"), .ordinal = 0, .params = text("{}") },
        { .key = text("b"), .ordinal = 1, .params = text("{}") },
        { .key = text("b#2"), .ordinal = 2, .params = text("{}") },
    };
    struct cf_write_item_draw batch = { .write.apply = cf_write_item_draw,
                                        .run = f->run.run,
                                        .drawing = 1,
                                        .items = draws,
                                        .count = 3 };
    must(f, &batch.write);
    for (int i = 0; i < 3; i++) {
        assert_false(draws[i].existed);
        assert_int_equal(draws[i].state, CF_ITEM_PENDING);
        assert_int_not_equal(draws[i].item, 0);
    }
    fixture_finish(f, draws[0].item, "generated", 8);
    fixture_fail(f, draws[1].item, "refusal", "declined");

    int64_t first = draws[0].item;
    batch.drawing = 2;
    must(f, &batch.write);
    assert_true(draws[0].existed && draws[1].existed && draws[2].existed);
    assert_int_equal(draws[0].item, first);
    assert_int_equal(draws[0].state, CF_ITEM_DONE);
    assert_int_equal(draws[0].attempts, 1);
    assert_int_equal(draws[1].state, CF_ITEM_FAILED);
    assert_string_equal(draws[1].error_kind, "refusal");
    assert_int_equal(draws[2].state, CF_ITEM_PENDING);
    assert_string_equal(draws[2].error_kind, "");
    check_totals(f);
}

static void an_item_takes_its_new_place_and_parameters(void **state)
{
    struct fixture *f = *state;
    fixture_item(f, "a", 5);
    struct cf_item_draw draw = { .key = text("a"), .ordinal = 2, .params = text("{\"n\":2}") };
    struct cf_write_item_draw batch = { .write.apply = cf_write_item_draw,
                                        .run = f->run.run,
                                        .drawing = 2,
                                        .items = &draw,
                                        .count = 1 };
    must(f, &batch.write);

    struct cf_reader *reader = fixture_reader(f);
    const struct cf_item_row *row;
    assert_int_equal(cf_reader_item(reader, f->run.run, text("a"), &row, &f->err), 1);
    assert_int_equal(row->ordinal, 2);
    assert_string_equal(row->params.data, "{\"n\":2}");
    assert_string_equal(row->state, "pending");
    assert_int_equal(cf_reader_item(reader, f->run.run, text("b"), &row, &f->err), 0);
    cf_reader_free(reader);
}

static void keys_may_hold_any_bytes(void **state)
{
    struct fixture *f = *state;
    struct cf_item_draw draws[2] = {
        { .key = { "a\0b", 3 }, .ordinal = 0, .params = text("{}") },
        { .key = { "a\0c", 3 }, .ordinal = 1, .params = text("{}") },
    };
    struct cf_write_item_draw batch = { .write.apply = cf_write_item_draw,
                                        .run = f->run.run,
                                        .drawing = 1,
                                        .items = draws,
                                        .count = 2 };
    must(f, &batch.write);
    assert_false(draws[1].existed);
    must(f, &batch.write);
    assert_true(draws[1].existed);
    assert_int_not_equal(draws[0].item, draws[1].item);
}

static void an_item_outside_the_plan_is_not_counted(void **state)
{
    struct fixture *f = *state;
    int64_t item = fixture_item(f, "", CF_ITEM_NO_ORDINAL);
    int64_t call = fixture_sent(f, item, 50);
    fixture_reply(f, item, call, 30);
    assert_int_equal(fixture_account(f).planned, 0);
    assert_int_equal(fixture_account(f).spent_pico, 30);
    fixture_finish(f, item, "generated", 7);
    assert_int_equal(fixture_account(f).accepted, 0);
    check_totals(f);
}

static void every_outcome_has_its_place_in_the_account(void **state)
{
    struct fixture *f = *state;
    int64_t items[6];
    for (int i = 0; i < 6; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%d", i);
        items[i] = fixture_item(f, key, i);
    }
    fixture_finish(f, items[0], "generated", 8);
    fixture_finish(f, items[1], "needs_revision", 3);
    fixture_fail(f, items[2], "validation_error", "one turn only");
    struct cf_write_item_finish skip = { .write.apply = cf_write_item_finish, .item = items[3],
                                         .state = CF_ITEM_SKIPPED };
    must(f, &skip.write);
    struct cf_conversation_new conversation = fixture_conversation(1, "generated", 9);
    struct cf_write_item_finish surplus = { .write.apply = cf_write_item_finish, .item = items[4],
                                            .state = CF_ITEM_DONE, .surplus = true,
                                            .conversations = &conversation, .count = 1 };
    must(f, &surplus.write);

    struct cf_run_account account = fixture_account(f);
    assert_int_equal(account.planned, 5);
    assert_int_equal(account.accepted, 1);
    assert_int_equal(account.needs_revision, 1);
    assert_int_equal(account.failed, 1);
    assert_int_equal(account.skipped, 1);
    assert_int_equal(account.pending, 1);
    assert_int_equal(account.surplus, 1);
    check_totals(f);

    fixture_finish(f, items[2], "generated", 7);
    assert_string_equal(
        fixture_sql(f, "SELECT coalesce(error_kind, 'none') FROM items WHERE key = 'k2'"), "none");
    assert_int_equal(fixture_account(f).accepted, 2);
    check_totals(f);
}

static void one_weak_part_keeps_an_item_from_being_accepted(void **state)
{
    struct fixture *f = *state;
    int64_t item = fixture_item(f, "a", 0);
    struct cf_conversation_new parts[2] = { fixture_conversation(1, "generated", 8),
                                            fixture_conversation(2, "needs_revision", 2) };
    struct cf_write_item_finish finish = { .write.apply = cf_write_item_finish,
                                           .item = item,
                                           .state = CF_ITEM_DONE,
                                           .conversations = parts,
                                           .count = 2 };
    must(f, &finish.write);
    assert_int_equal(fixture_account(f).needs_revision, 1);

    struct cf_write_review review = { .write.apply = cf_write_review,
                                      .conversation = parts[1].conversation,
                                      .status = "approved" };
    must(f, &review.write);
    assert_int_equal(fixture_account(f).accepted, 1);
    check_totals(f);
}

static void a_conversation_is_stored_with_all_that_belongs_to_it(void **state)
{
    struct fixture *f = *state;
    int64_t item = fixture_item(f, "a", 0), call = fixture_sent(f, item, 50);
    fixture_reply(f, item, call, 30);
    struct cf_turn_call made = { .first_turn = 0, .last_turn = 1, .call = call };
    struct cf_tag_row tags[3] = { { .name = "judge", .number = 7.5, .is_number = true },
                                  { .name = "bare" },
                                  { .name = "mood", .text = { "calm", 4 } } };
    struct cf_conversation_new conversation = fixture_conversation(1, "generated", 8);
    conversation.calls = &made;
    conversation.call_count = 1;
    conversation.tags = tags;
    conversation.tag_count = 3;
    struct cf_write_item_finish finish = { .write.apply = cf_write_item_finish,
                                           .item = item,
                                           .state = CF_ITEM_DONE,
                                           .conversations = &conversation,
                                           .count = 1 };
    must(f, &finish.write);
    assert_int_equal(conversation.version, 1);
    assert_string_equal(fixture_sql(f, "SELECT uuid FROM conversations"), conversation.uuid);
    assert_string_equal(
        fixture_sql(f, "SELECT group_concat(role || '=' || content, '|') FROM turn_view"),
        "user=Hello?|assistant=Hi, how can I help?");
    assert_string_equal(
        fixture_sql(f, "SELECT group_concat(name || ':' || coalesce(value, '-') || ':' ||"
                       " typeof(value)) FROM tags"),
        "bare:-:null,judge:7.5:real,mood:calm:text");
    assert_string_equal(
        fixture_sql(f, "SELECT first_turn || '-' || last_turn || ':' || call FROM turn_calls"),
        "0-1:1");
    assert_string_equal(fixture_sql(f, "SELECT simulated FROM conversations"), "0");
}

static void nothing_of_an_item_is_stored_when_a_part_of_it_cannot_be(void **state)
{
    struct fixture *f = *state;
    int64_t item = fixture_item(f, "a", 0);
    struct cf_turn_call made = { .first_turn = 0, .last_turn = 1, .call = 4711 }; /* no such call */
    struct cf_conversation_new parts[2] = { fixture_conversation(1, "generated", 8),
                                            fixture_conversation(2, "generated", 8) };
    parts[1].calls = &made;
    parts[1].call_count = 1;
    struct cf_write_item_finish finish = { .write.apply = cf_write_item_finish,
                                           .item = item,
                                           .state = CF_ITEM_DONE,
                                           .conversations = parts,
                                           .count = 2 };
    assert_false(cf_store_write(f->store, &finish.write, &f->err));
    assert_int_equal(f->err.kind, CF_ERR_STORAGE);
    assert_non_null(strstr(f->err.message, "FOREIGN KEY"));
    assert_string_equal(fixture_sql(f, "SELECT count(*) FROM conversations"), "0");
    assert_string_equal(fixture_sql(f, "SELECT count(*) FROM conversation_turns"), "0");
    assert_string_equal(fixture_sql(f, "SELECT state FROM items"), "pending");
    check_totals(f);

    finish.item = 4711;
    assert_false(cf_store_write(f->store, &finish.write, &f->err));
    assert_string_equal(f->err.message, "there is no item 4711");
}

static void a_new_conversation_takes_the_place_of_the_old_one(void **state)
{
    struct fixture *f = *state;
    int64_t item = fixture_item(f, "a", 0);
    struct cf_conversation_new parts[3] = { fixture_conversation(1, "generated", 8),
                                            fixture_conversation(2, "generated", 8),
                                            fixture_conversation(3, "generated", 8) };
    struct cf_write_item_finish finish = { .write.apply = cf_write_item_finish,
                                           .item = item,
                                           .state = CF_ITEM_DONE,
                                           .conversations = parts,
                                           .count = 3 };
    must(f, &finish.write);
    struct cf_write_review review = { .write.apply = cf_write_review,
                                      .conversation = parts[0].conversation,
                                      .status = "approved",
                                      .note = "lovely" };
    must(f, &review.write);

    finish.count = 2;
    must(f, &finish.write);
    assert_int_equal(parts[0].version, 2);
    assert_string_equal(
        fixture_sql(f, "SELECT group_concat(coalesce(superseded_by, '-') || '.' || withdrawn)"
                       " FROM (SELECT * FROM conversations ORDER BY id)"),
        "4.0,5.0,4.1,-.0,-.0");
    assert_string_equal(
        fixture_sql(f, "SELECT status || review_note FROM conversations WHERE id = 1"),
        "approvedlovely");
    assert_string_equal(fixture_sql(f, "SELECT count(*) FROM conversation_view WHERE listed"), "2");
    check_totals(f);

    fixture_fail(f, item, "api_error",
                 "gone"); /* a failure sets nothing aside, but nothing counts either */
    assert_string_equal(
        fixture_sql(f, "SELECT count(*) FROM conversations WHERE superseded_by IS NULL"), "2");
    assert_string_equal(fixture_sql(f, "SELECT count(*) FROM conversation_view WHERE listed"), "0");

    struct cf_write_item_finish skip = { .write.apply = cf_write_item_finish, .item = item,
                                         .state = CF_ITEM_SKIPPED };
    must(f, &skip.write);
    assert_string_equal(fixture_sql(f,
                                    "SELECT count(*) FROM conversations WHERE superseded_by IS NULL"
                                    " AND NOT withdrawn"),
                        "0");
    check_totals(f);
}

static void what_is_no_longer_drawn_becomes_an_orphan_and_may_come_back(void **state)
{
    struct fixture *f = *state;
    fixture_item(f, "", CF_ITEM_NO_ORDINAL);
    int64_t a = fixture_item(f, "a", 0), b = fixture_item(f, "b", 1);
    fixture_finish(f, a, "generated", 8);
    fixture_finish(f, b, "generated", 8);

    fixture_draw(f, "a", 0, 2);
    struct cf_write_item_orphans orphans = { .write.apply = cf_write_item_orphans,
                                             .run = f->run.run,
                                             .drawing = 2 };
    must(f, &orphans.write);
    assert_int_equal(orphans.orphans, 1);
    assert_int_equal(fixture_account(f).orphans, 1);
    assert_int_equal(fixture_account(f).planned, 1);
    assert_string_equal(fixture_sql(f, "SELECT count(*) FROM conversation_view WHERE listed"), "1");
    check_totals(f);
    must(f, &orphans.write);
    assert_int_equal(orphans.orphans, 0);

    struct cf_item_draw back = fixture_draw(f, "b", 1, 3);
    assert_int_equal(back.state, CF_ITEM_DONE);
    assert_int_equal(fixture_account(f).orphans, 0);
    assert_int_equal(fixture_account(f).accepted, 2);
    check_totals(f);
}

static void recorded_times_are_kept(void **state)
{
    struct fixture *f = *state;
    int64_t item = fixture_item(f, "a", 0);
    struct cf_write_item_record record = { .write.apply = cf_write_item_record, .item = item,
                                           .recorded = text("[1,2]") };
    must(f, &record.write);
    struct cf_reader *reader = fixture_reader(f);
    const struct cf_item_row *row;
    assert_int_equal(cf_reader_item(reader, f->run.run, text("a"), &row, &f->err), 1);
    assert_string_equal(row->recorded.data, "[1,2]");
    cf_reader_free(reader);
}

static void items_come_in_the_order_of_the_plan(void **state)
{
    struct fixture *f = *state;
    struct cf_item_cursor *cursor;
    const struct cf_item_row *row;
    fixture_item(f, "z", 0);
    int64_t failed = fixture_item(f, "m", 2);
    fixture_item(f, "a", 1);
    fixture_fail(f, failed, "refusal", "no");

    struct cf_reader *reader = fixture_reader(f);
    struct cf_item_filter filter = { .run = f->run.run };
    char order[16] = "";
    assert_true(cf_items_open(reader, &filter, &cursor, &f->err));
    while (cf_items_next(cursor, &row, &f->err) > 0)
        strncat(order, row->key.data, sizeof order - strlen(order) - 1);
    cf_items_free(cursor);
    assert_string_equal(order, "zam");

    filter.state = "failed";
    assert_true(cf_items_open(reader, &filter, &cursor, &f->err));
    assert_int_equal(cf_items_next(cursor, &row, &f->err), 1);
    assert_string_equal(row->key.data, "m");
    assert_string_equal(row->error_message, "no");
    assert_int_equal(cf_items_next(cursor, &row, &f->err), 0);
    cf_items_free(cursor);
    cf_reader_free(reader);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_remove)

static int64_t first_unfinished(struct fixture *f, bool any_failed)
{
    struct cf_reader *reader = fixture_reader(f);
    int64_t ordinal = -7;
    if (!cf_reader_first_unfinished(reader, f->run.run, any_failed, &ordinal, &f->err))
        fail_msg("%s", f->err.message);
    cf_reader_free(reader);
    return ordinal;
}

static void the_first_unfinished_item_has_a_place(void **state)
{
    struct fixture *f = *state;
    int64_t drawing = fixture_own(f);
    assert_int_equal(first_unfinished(f, false), 0);      /* of an empty plan */
    fixture_draw(f, "", CF_ITEM_NO_ORDINAL, drawing);     /* of calls outside: never finished */
    assert_int_equal(first_unfinished(f, false), 0);

    fixture_finish(f, fixture_draw(f, "a", 0, drawing).item, "generated", 8);
    fixture_fail(f, fixture_draw(f, "b", 1, drawing).item, "refusal", "no");
    assert_int_equal(first_unfinished(f, false), 2);
    assert_int_equal(first_unfinished(f, true), 1);
    int64_t item = fixture_draw(f, "c", 2, drawing).item;
    fixture_draw(f, "d", 3, drawing);
    fixture_fail(f, item, "api_error", "500");
    assert_int_equal(first_unfinished(f, false), 2);
    fixture_finish(f, item, "generated", 8);
    assert_int_equal(first_unfinished(f, false), 3);

    fixture_draw(f, "a", 0, fixture_own(f));              /* all others are orphans now */
    struct cf_write_item_orphans orphans = { .write.apply = cf_write_item_orphans,
                                             .run = f->run.run,
                                             .drawing = drawing + 1 };
    must(f, &orphans.write);
    assert_int_equal(orphans.orphans, 3);
    assert_int_equal(first_unfinished(f, true), 4);       /* the place after the last */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(a_new_item_is_pending_and_a_known_one_keeps_its_state),
        WITH_STORE(an_item_takes_its_new_place_and_parameters),
        WITH_STORE(keys_may_hold_any_bytes),
        WITH_STORE(an_item_outside_the_plan_is_not_counted),
        WITH_STORE(every_outcome_has_its_place_in_the_account),
        WITH_STORE(one_weak_part_keeps_an_item_from_being_accepted),
        WITH_STORE(a_conversation_is_stored_with_all_that_belongs_to_it),
        WITH_STORE(nothing_of_an_item_is_stored_when_a_part_of_it_cannot_be),
        WITH_STORE(a_new_conversation_takes_the_place_of_the_old_one),
        WITH_STORE(what_is_no_longer_drawn_becomes_an_orphan_and_may_come_back),
        WITH_STORE(recorded_times_are_kept),
        WITH_STORE(items_come_in_the_order_of_the_plan),
        WITH_STORE(the_first_unfinished_item_has_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
