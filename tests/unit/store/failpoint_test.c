/* Killed at every commit boundary: what was committed is there, what was not left no trace. */
#include "store/failpoint.h"

#include <signal.h>
#include <sys/wait.h>

#include "fixture.h"

struct row {
    const char *name, *failpoint;
    const char *sql, *expected;      /* afterwards */
};

#define STATES "SELECT (SELECT count(*) FROM items) || (SELECT count(*) FROM calls) ||" \
               " (SELECT count(*) FROM call_replies) || (SELECT count(*) FROM conversations) ||" \
               " (SELECT calls || replies || items_accepted FROM runs)"

static struct row rows[] = {
    { "killed before a draw is committed", "item_draw.before", STATES, "0000000" },
    { "killed after a draw", "item_draw.after", STATES, "1000000" },
    { "killed before a call is committed", "call_sent.before", STATES, "1000000" },
    { "killed after a call", "call_sent.after", STATES, "1100100" },
    { "killed before a reply is committed", "call_reply.before", STATES, "1100100" },
    { "killed after a reply", "call_reply.after", STATES, "1110110" },
    { "killed before an item is committed", "item_finish.before", STATES, "1110110" },
    { "killed after an item", "item_finish.after", STATES, "1111111" },
    { "killed at the second passage only", "item_draw.after:2", STATES, "2111111" },
};

static void killed_at(void **state)
{
    const struct row *row = *state;
#ifndef CONFAB_FAILPOINTS
    (void)row;
    skip();
#else
    void *made;
    fixture_make(&made);
    struct fixture *f = made;
    cf_store_free(f->store);
    f->store = NULL;

    pid_t child = fork();
    if (child == 0) {
        setenv("CONFAB_FAILPOINT", row->failpoint, 1);
        fixture_open(f);
        int64_t item = fixture_item(f, "a", 0);
        int64_t call = fixture_sent(f, item, 10);
        fixture_reply(f, item, call, 5);
        fixture_finish(f, item, "generated", 8);
        fixture_item(f, "b", 1);
        _exit(1);
    }
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    fixture_open(f);
    assert_string_equal(fixture_sql(f, row->sql), row->expected);
    assert_string_equal(fixture_sql(f, "PRAGMA integrity_check"), "ok");
    fixture_remove(&made);
#endif
}

int main(void)
{
    struct CMUnitTest tests[sizeof rows / sizeof rows[0]];
    size_t count = 0;
    for (; count < sizeof rows / sizeof rows[0]; count++)
        tests[count] = (struct CMUnitTest){ .name = rows[count].name, .test_func = killed_at,
                                            .initial_state = &rows[count] };
    return _cmocka_run_group_tests("failpoint", tests, count, NULL, NULL);
}
