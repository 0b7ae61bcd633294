#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/journal.h"

static const uint8_t hash_a[CF_SHA256_SIZE] = { 'a' }, hash_b[CF_SHA256_SIZE] = { 'b' };

struct stored { const uint8_t *hash; const char *branch; int64_t ordinal; const char *state, *stop;
                int64_t max_tokens; bool set_aside; };

static struct cf_item item_with(const struct stored *stored, size_t count)
{
    struct cf_item item = { .existed = true, .call_count = count };
    item.calls = calloc(count + 1, sizeof *item.calls);
    item.used = calloc(count + 1, sizeof *item.used);
    for (size_t i = 0; i < count; i++) {
        struct cf_journal_call *call = &item.calls[i];
        call->call = (int64_t)i + 1;
        memcpy(call->request_hash, stored[i].hash, CF_SHA256_SIZE);
        strcpy(call->branch, stored[i].branch);
        call->ordinal = stored[i].ordinal;
        strcpy(call->state, stored[i].state);
        strcpy(call->stop_reason, stored[i].stop);
        call->max_tokens = stored[i].max_tokens;
        call->set_aside = stored[i].set_aside;
    }
    return item;
}

/* row 0: none in the journal. */
static void expect(struct cf_item *item, const char *branch, const uint8_t *hash,
                   int64_t max_tokens, int64_t row, int64_t ordinal, bool serves)
{
    int64_t got_ordinal = -7;
    bool got_serves = !serves;
    const struct cf_journal_call *call =
        cf_item_ask(item, branch, hash, max_tokens, &got_ordinal, &got_serves);
    assert_int_equal(call != NULL ? call->call : 0, row);
    assert_int_equal(got_ordinal, ordinal);
    assert_int_equal(got_serves, serves);
}

static void a_new_item_has_no_answers(void **state)
{
    (void)state;
    struct cf_item item = { 0 };
    struct cf_error *unused = NULL;
    assert_true(cf_item_load(&item, NULL, unused));
    expect(&item, "", hash_a, 100, 0, 0, false);
    expect(&item, "", hash_a, 100, 0, 1, false);
    expect(&item, "", hash_b, 100, 0, 0, false);
    assert_int_equal(item.new_calls, 3);
    cf_item_done(&item);
}

static void equal_requests_are_told_apart_by_their_order(void **state)
{
    (void)state;
    static const struct stored stored[] = {
        { hash_a, "", 0, "done", "end_turn", 100, false },
        { hash_b, "", 0, "done", "end_turn", 100, false },
        { hash_a, "", 1, "done", "end_turn", 100, false },
    };
    struct cf_item item = item_with(stored, 3);
    expect(&item, "", hash_a, 100, 1, 0, true);
    expect(&item, "", hash_a, 100, 3, 1, true);
    expect(&item, "", hash_b, 100, 2, 0, true);
    expect(&item, "", hash_a, 100, 0, 2, false);
    assert_int_equal(item.new_calls, 1);
    cf_item_done(&item);
}

static void branches_count_for_themselves(void **state)
{
    (void)state;
    static const struct stored stored[] = {
        { hash_a, "1", 0, "done", "end_turn", 100, false },
        { hash_a, "2", 0, "done", "end_turn", 100, false },
    };
    struct cf_item item = item_with(stored, 2);
    expect(&item, "2", hash_a, 100, 2, 0, true);
    expect(&item, "1", hash_a, 100, 1, 0, true);
    expect(&item, "", hash_a, 100, 0, 0, false);
    cf_item_done(&item);
}

static void what_failed_is_sent_again_under_its_row(void **state)
{
    (void)state;
    static const char *const states[] = { "failed", "unknown", "waiting", "sent" };
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        const struct stored stored = { hash_a, "", 0, states[i], "", 100, false };
        struct cf_item item = item_with(&stored, 1);
        expect(&item, "", hash_a, 100, 1, 0, false);
        assert_int_equal(item.new_calls, 1);
        cf_item_done(&item);
    }
}

static void a_reply_that_was_cut_off_serves_who_asks_for_no_more(void **state)
{
    (void)state;
    static const struct stored stored[] = {
        { hash_a, "", 0, "done", "max_tokens", 100, false },
        { hash_a, "", 1, "done", "end_turn", 500, false },
    };
    struct cf_item item = item_with(stored, 2);
    expect(&item, "", hash_a, 100, 1, 0, true);
    cf_item_done(&item);

    item = item_with(stored, 2);
    expect(&item, "", hash_a, 500, 2, 1, true);      /* the one that is stored behind it */
    cf_item_done(&item);

    item = item_with(stored, 1);
    expect(&item, "", hash_a, 500, 0, 1, false);     /* a new row; the old reply stays */
    assert_int_equal(item.new_calls, 1);
    cf_item_done(&item);

    const struct stored whole = { hash_a, "", 0, "done", "end_turn", 100, false };
    item = item_with(&whole, 1);
    expect(&item, "", hash_a, 9000, 1, 0, true);     /* a whole reply serves anyone */
    cf_item_done(&item);
}

static void a_reply_that_was_set_aside_does_not_serve(void **state)
{
    (void)state;
    static const struct stored stored[] = {
        { hash_a, "", 0, "done", "end_turn", 100, true },
        { hash_a, "", 1, "failed", "", 100, false },
    };
    struct cf_item item = item_with(stored, 2);
    expect(&item, "", hash_a, 100, 2, 1, false);
    cf_item_done(&item);
}

static void many_different_requests_are_counted(void **state)
{
    (void)state;
    struct cf_item item = { 0 };
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 300; i++) {
            uint8_t hash[CF_SHA256_SIZE] = { (uint8_t)i, (uint8_t)(i >> 8) };
            expect(&item, "", hash, 1, 0, round, false);
        }
    }
    assert_int_equal(item.asked_count, 300);
    cf_item_done(&item);
}

/* Asks, finds that nothing serves, and says why; *out_row is the row whose place it takes. */
static const char *why(struct cf_item *item, const char *branch, const uint8_t *hash,
                       int64_t max_tokens, int64_t *out_row)
{
    int64_t ordinal;
    bool serves;
    const struct cf_journal_call *instead = NULL;
    cf_item_ask(item, branch, hash, max_tokens, &ordinal, &serves);
    assert_false(serves);
    enum cf_new_call reason = cf_item_why_new(item, branch, hash, max_tokens, ordinal, &instead);
    *out_row = instead != NULL ? instead->call : 0;
    return cf_new_call_name(reason);
}

static void a_call_that_is_sent_has_a_reason(void **state)
{
    (void)state;
    static const uint8_t hash_c[CF_SHA256_SIZE] = { 'c' }, hash_d[CF_SHA256_SIZE] = { 'd' };
    static const struct stored stored[] = {
        { hash_a, "", 0, "failed", "", 100, false },
        { hash_b, "", 0, "done", "end_turn", 100, true },
        { hash_c, "", 0, "done", "max_tokens", 100, false },
        { hash_d, "", 0, "done", "end_turn", 100, false },
        { hash_d, "1", 0, "done", "end_turn", 100, false },
    };
    static const uint8_t other[CF_SHA256_SIZE] = { 'x' }, more[CF_SHA256_SIZE] = { 'y' };
    struct cf_item item = item_with(stored, 5);
    int64_t row;
    assert_string_equal(why(&item, "", hash_a, 100, &row), "unfinished");
    assert_string_equal(why(&item, "", hash_b, 100, &row), "set aside");
    assert_string_equal(why(&item, "", hash_c, 200, &row), "cut off");
    assert_int_equal(row, 0);
    assert_string_equal(why(&item, "", other, 100, &row), "changed");
    assert_int_equal(row, 4);                     /* the first that was not asked for */
    expect(&item, "", hash_d, 100, 4, 0, true);
    assert_string_equal(why(&item, "", more, 100, &row), "new");
    assert_string_equal(why(&item, "", hash_d, 100, &row), "new");     /* once more: another try */
    assert_string_equal(why(&item, "1", more, 100, &row), "changed");
    assert_int_equal(row, 5);
    cf_item_done(&item);
}

static void an_item_stands_if_its_only_call_is_asked_again(void **state)
{
    (void)state;
    static const struct { struct stored call; enum cf_item_state item; bool stands; } rows[] = {
        { { hash_a, "", 0, "done", "end_turn", 100, false },   CF_ITEM_DONE,    true },
        { { hash_b, "", 0, "done", "end_turn", 100, false },   CF_ITEM_DONE,    false },
        { { hash_a, "1", 0, "done", "end_turn", 100, false },  CF_ITEM_DONE,    false },
        { { hash_a, "", 1, "done", "end_turn", 100, false },   CF_ITEM_DONE,    false },
        { { hash_a, "", 0, "failed", "", 100, false },         CF_ITEM_DONE,    false },
        { { hash_a, "", 0, "done", "max_tokens", 100, false }, CF_ITEM_DONE,    false },
        { { hash_a, "", 0, "done", "end_turn", 100, true },    CF_ITEM_DONE,    false },
        { { hash_a, "", 0, "done", "end_turn", 100, false },   CF_ITEM_FAILED,  false },
        { { hash_a, "", 0, "done", "end_turn", 100, false },   CF_ITEM_PENDING, false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cf_item item = item_with(&rows[i].call, 1);
        item.state = rows[i].item;
        assert_int_equal(cf_item_stands(&item, hash_a), rows[i].stands);
        assert_int_equal(item.asked_count, 0);
        cf_item_done(&item);
    }
}

static void an_item_of_several_calls_takes_a_closer_look(void **state)
{
    (void)state;
    static const struct stored stored[] = {
        { hash_a, "", 0, "done", "end_turn", 100, false },
        { hash_a, "", 1, "done", "end_turn", 100, false },
    };
    struct cf_item item = item_with(stored, 2);
    item.state = CF_ITEM_DONE;
    assert_false(cf_item_stands(&item, hash_a));
    cf_item_done(&item);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_item_has_no_answers),
        cmocka_unit_test(equal_requests_are_told_apart_by_their_order),
        cmocka_unit_test(branches_count_for_themselves),
        cmocka_unit_test(an_item_stands_if_its_only_call_is_asked_again),
        cmocka_unit_test(an_item_of_several_calls_takes_a_closer_look),
        cmocka_unit_test(what_failed_is_sent_again_under_its_row),
        cmocka_unit_test(a_reply_that_was_cut_off_serves_who_asks_for_no_more),
        cmocka_unit_test(a_reply_that_was_set_aside_does_not_serve),
        cmocka_unit_test(many_different_requests_are_counted),
        cmocka_unit_test(a_call_that_is_sent_has_a_reason),
    };
    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
