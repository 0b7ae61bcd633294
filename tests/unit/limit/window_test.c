#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "limit/window.h"

#define SPAN_MS 60020
#define PART_MS (SPAN_MS / CF_WINDOW_PARTS)

static uint64_t grants;

/* A grant that is sent and over at that time. */
static void send_one(struct cf_window *window, int64_t sent_ms)
{
    const int64_t amounts[CF_RESOURCES] = { 1, 10, 100 };
    uint64_t grant = ++grants;
    uint32_t index = cf_window_add(window, amounts, grant);
    struct cf_slot *slot = cf_window_get(window, index, grant);
    cf_window_date(window, slot, sent_ms);
    cf_window_settle(window, slot, SPAN_MS);
}

static void fill(struct cf_window *window, int64_t sent_ms)
{
    for (int i = 0; i <= CF_WINDOW_EXACT; i++)
        send_one(window, sent_ms);
}

static void a_few_thousand_keep_their_own_dates(void **state)
{
    (void)state;
    struct cf_window window;
    cf_window_init(&window);
    for (int i = 0; i < CF_WINDOW_EXACT; i++)
        send_one(&window, 1000 + i / 8);
    assert_int_equal(window.dated, CF_WINDOW_EXACT);
    cf_window_expire(&window, 1000);
    assert_int_equal(window.used[CF_REQUESTS], CF_WINDOW_EXACT - 8);
    cf_window_done(&window);
}

static void a_million_take_the_memory_of_thousands_and_count_no_shorter(void **state)
{
    (void)state;
    struct cf_window window;
    cf_window_init(&window);
    const int64_t count = 1000000;
    for (int64_t i = 0; i < count; i++)
        send_one(&window, i * 60000 / count);
    assert_int_equal(window.used[CF_REQUESTS], count);
    assert_int_equal(window.used[CF_OUTPUT], 100 * count);
    assert_true(window.cap <= 8192);

    for (int64_t now_ms = 0; now_ms < 60000; now_ms += 7) {
        cf_window_expire(&window, now_ms);
        int64_t due = (now_ms + 1) * count / 60000, gone = count - window.used[CF_REQUESTS];
        assert_true(gone <= due + 1);
        assert_true(gone >= due - (PART_MS + 1) * count / 60000);
    }
    cf_window_expire(&window, 60000);
    assert_int_equal(window.used[CF_REQUESTS], 0);
    assert_int_equal(window.dated, 0);
    cf_window_done(&window);
}

static void what_is_not_over_keeps_its_slot(void **state)
{
    (void)state;
    struct cf_window window;
    cf_window_init(&window);
    fill(&window, 0);

    const int64_t amounts[CF_RESOURCES] = { 1, 10, 4096 }, actual[CF_RESOURCES] = { 1, 10, 300 };
    uint64_t grant = ++grants;
    uint32_t index = cf_window_add(&window, amounts, grant);
    cf_window_date(&window, cf_window_get(&window, index, grant), 10 * PART_MS);
    send_one(&window, 10 * PART_MS);
    send_one(&window, 10 * PART_MS + 1);

    struct cf_slot *slot = cf_window_get(&window, index, grant);
    assert_non_null(slot);
    cf_window_change(&window, slot, actual);
    cf_window_settle(&window, slot, SPAN_MS);
    cf_window_expire(&window, 10 * PART_MS);
    assert_int_equal(window.dated, 1);                     /* dated as the newest of the three */
    assert_int_equal(window.used[CF_REQUESTS], 3);
    assert_int_equal(window.used[CF_OUTPUT], 300 + 2 * 100);
    cf_window_expire(&window, 10 * PART_MS + 1);
    assert_int_equal(window.used[CF_OUTPUT], 0);
    cf_window_done(&window);
}

static void parts_are_not_chained(void **state)
{
    (void)state;
    struct cf_window window;
    cf_window_init(&window);
    fill(&window, 0);
    uint32_t before = window.dated;
    for (int64_t ms = 0; ms < 4 * PART_MS; ms++)
        send_one(&window, 100 * PART_MS + ms);
    assert_int_equal(window.dated - before, 4);
    cf_window_done(&window);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_few_thousand_keep_their_own_dates),
        cmocka_unit_test(a_million_take_the_memory_of_thousands_and_count_no_shorter),
        cmocka_unit_test(what_is_not_over_keeps_its_slot),
        cmocka_unit_test(parts_are_not_chained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
