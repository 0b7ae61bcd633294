/* A wall clock that jumps while a run is written: it dates the rows, and decides nothing else. */
#include "store/store.h"

#include <stdatomic.h>

#include "fixture.h"

#define DAY_MS  INT64_C(86400000)
#define YEAR_MS (365 * DAY_MS)

static atomic_llong wall_ms;

static int64_t now_ms(void *self)
{
    (void)self;
    return 1000;
}

static int64_t unix_ms(void *self)
{
    (void)self;
    return atomic_load(&wall_ms);
}

static const struct cf_clock jumping_clock = { now_ms, unix_ms, NULL };

struct jump {
    const char *name;
    int64_t by_ms;                   /* between any two writes, there and back */
};

static struct jump jumps[] = {
    { "an hour back, as a summer ends", -DAY_MS / 24 },
    { "a year back", -YEAR_MS },
    { "a year forward", YEAR_MS },
    { "to before 1970", -100 * YEAR_MS },
    { "beyond the year 9999", 9000 * YEAR_MS },
};

static struct jump *jump;            /* of the test that runs */

static void hop(bool away)
{
    atomic_store(&wall_ms, fixed_time(NULL) + (away ? jump->by_ms : 0));
}

static void a_run_is_written_and_read_in_order(void **state)
{
    jump = *state;
    void *made;
    fixture_make(&made);
    struct fixture *f = made;
    cf_store_free(f->store);
    struct cf_store_options options = { .busy_ms = 200, .clock = &jumping_clock };
    hop(false);
    assert_true(cf_store_open(f->path, &options, &f->store, &f->err));
    assert_int_equal(fixture_own(f), 1);

    for (int i = 0; i < 4; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%d", i);
        hop(i % 2 == 0);
        int64_t item = fixture_item(f, key, i);
        hop(i % 2 != 0);
        int64_t call = fixture_sent(f, item, 9);
        hop(i % 2 == 0);
        fixture_reply(f, item, call, 5);
        hop(i % 2 != 0);
        fixture_finish(f, item, "generated", 8);
    }

    struct cf_run_account account = fixture_account(f);
    assert_int_equal(account.accepted, 4);
    assert_string_equal(fixture_sql(f, "SELECT spent_pico FROM runs"), "20");
    assert_string_equal(fixture_sql(f, "SELECT count(DISTINCT uuid) FROM conversations"), "4");
    assert_string_equal(fixture_sql(f, "PRAGMA integrity_check"), "ok");
    assert_string_equal(fixture_sql(f,
                                    "SELECT count(*) FROM generation_logs WHERE created_at NOT LIKE"
                                    " '____-__-__T__:__:__.___Z'"),
                        "0");

    /* In the order of the input and of the attempts, whatever the dates say. */
    assert_string_equal(fixture_sql(f, "SELECT group_concat(key) FROM (SELECT key FROM items"
                                       " WHERE ordinal IS NOT NULL ORDER BY ordinal)"),
                        "k0,k1,k2,k3");
    assert_string_equal(
        fixture_sql(f, "SELECT group_concat(key) FROM (SELECT i.key FROM"
                       " generation_logs l JOIN items i ON i.id = l.item ORDER BY l.id)"),
        "k0,k1,k2,k3");

    /* And it is gone on with. */
    hop(true);
    struct cf_write_run_begin again = f->run;
    again.write.apply = cf_write_run_begin;
    must(f, &again.write);
    assert_true(again.continued);
    assert_int_equal(again.run, f->run.run);
    fixture_remove(&made);
}

int main(void)
{
    enum { COUNT = sizeof jumps / sizeof *jumps };
    struct CMUnitTest tests[COUNT];
    for (int i = 0; i < COUNT; i++)
        tests[i] = (struct CMUnitTest){ .name = jumps[i].name,
                                        .test_func = a_run_is_written_and_read_in_order,
                                        .initial_state = &jumps[i] };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
