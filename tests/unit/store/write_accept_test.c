/* A run that asks for a number of accepted items: which count, which are surplus, which are
 * dropped. */
#include "store/write_accept.h"

#include "fixture.h"

struct row {
    const char *name;
    int64_t accept;
    const char *surplus;       /* keys in order */
    int64_t accepted, surplus_count;
};

static struct row rows[] = {
    { "the first in the order of the plan count", 2, "d,e", 2, 2 },
    { "none may count", 0, "a,c,d,e", 0, 4 },
    { "as many as there are, no surplus", 4, "", 4, 0 },
    { "a number that is not reached leaves all", INT64_MAX, "", 4, 0 },
};

/* a, c, d, e are accepted, finished from the last to the first; b needs revision, f was not
 * begun. */
static void fill(struct fixture *f)
{
    static const char *const keys[] = { "a", "b", "c", "d", "e", "f" };
    int64_t items[6];
    for (int i = 0; i < 6; i++)
        items[i] = fixture_item(f, keys[i], i);
    for (int i = 4; i >= 0; i--)
        fixture_finish(f, items[i], i == 1 ? "needs_revision" : "generated", 8);
}

static void settle(struct fixture *f, int64_t n, bool drops_rest, struct cf_write_accept *out)
{
    *out = (struct cf_write_accept){
        .write.apply = cf_write_accept, .run = f->run.run, .accept = n, .drops_rest = drops_rest,
    };
    must(f, &out->write);
}

static void check_row(void **state)
{
    const struct row *row = *state;
    void *made = NULL;
    fixture_make(&made);
    struct fixture *f = made;
    struct cf_write_accept accept;
    fill(f);
    settle(f, 1, false, &accept);               /* whatever was before */
    for (int again = 0; again < 2; again++) {
        settle(f, row->accept, false, &accept);
        struct cf_run_account account = fixture_account(f);
        assert_string_equal(
            fixture_sql(f, "SELECT coalesce(group_concat(key), '') FROM (SELECT key FROM items"
                           " WHERE surplus ORDER BY ordinal)"),
            row->surplus);
        assert_int_equal(accept.surplus, row->surplus_count);
        assert_int_equal(account.accepted, row->accepted);
        assert_int_equal(account.surplus, row->surplus_count);
        assert_int_equal(account.needs_revision, 1);
        assert_int_equal(account.pending, 1);
        assert_int_equal(account.planned, 6 - row->surplus_count);
    }
    fixture_remove(&made);
}

static void what_was_never_begun_is_dropped_and_what_was_asked_for_is_not(void **state)
{
    struct fixture *f = *state;
    struct cf_write_accept accept;
    fill(f);
    fixture_sent(f, fixture_item(f, "g", 6), 50);
    settle(f, 2, true, &accept);
    assert_int_equal(accept.dropped, 1);
    assert_string_equal(
        fixture_sql(f, "SELECT group_concat(key) FROM items WHERE state = 'pending'"), "g");
    assert_int_equal(fixture_account(f).pending, 1);
    assert_int_equal(fixture_account(f).planned, 4);      /* a, b, c and g; d and e are surplus */
}

static void what_is_no_longer_accepted_is_no_surplus_either(void **state)
{
    struct fixture *f = *state;
    struct cf_write_accept accept;
    fill(f);
    settle(f, 3, false, &accept);
    assert_string_equal(fixture_sql(f, "SELECT group_concat(key) FROM items WHERE surplus"), "e");
    struct cf_write_review review = { .write.apply = cf_write_review, .status = "rejected" };
    review.conversation =
        atoll(fixture_sql(f, "SELECT c.id FROM conversations c JOIN items i ON i.id = c.item"
                             " WHERE i.key = 'a'"));
    must(f, &review.write);
    settle(f, 3, false, &accept);
    assert_int_equal(accept.surplus, 0);
    assert_int_equal(fixture_account(f).accepted, 3);
    assert_int_equal(fixture_account(f).needs_revision, 2);
}

int main(void)
{
    enum { ROWS = sizeof rows / sizeof *rows };
    struct CMUnitTest tests[ROWS + 2] = {
        [ROWS] = cmocka_unit_test_setup_teardown(
            what_was_never_begun_is_dropped_and_what_was_asked_for_is_not, fixture_make,
            fixture_remove),
        [ROWS + 1] = cmocka_unit_test_setup_teardown(
            what_is_no_longer_accepted_is_no_surplus_either, fixture_make, fixture_remove),
    };
    for (size_t i = 0; i < ROWS; i++)
        tests[i] = (struct CMUnitTest){ .name = rows[i].name,
                                        .test_func = check_row,
                                        .initial_state = &rows[i] };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
