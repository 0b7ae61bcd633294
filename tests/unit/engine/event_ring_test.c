/* The ring of events: places, pages, and what those who read hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/event_ring.h"

#define MOST       100
#define MOST_BYTES 1000000

static void add(struct cf_event_ring *ring, int n)
{
    char text[32];
    int len = snprintf(text, sizeof text, "<%d>", n);
    cf_event_ring_add(ring, n, (struct cf_text){ text, (size_t)len }, MOST, MOST_BYTES);
}

/* Adds an event of 3,000 bytes, so that a page has few. */
static void add_long(struct cf_event_ring *ring, int n)
{
    char text[3000];
    memset(text, '.', sizeof text);
    cf_event_ring_add(ring, n, (struct cf_text){ text, sizeof text }, MOST, MOST_BYTES);
}

static void check_read(const struct cf_event_ring *ring, uint64_t place, const char *expected,
                       size_t count)
{
    struct cf_event_page *page;
    size_t got;
    struct cf_text text = cf_event_ring_read(ring, place, &page, &got);
    assert_int_equal(got, count);
    assert_int_equal(text.len, strlen(expected));
    assert_memory_equal(text.data, expected, text.len);
    cf_event_page_let_go(page);
}

static void events_lie_one_behind_the_other(void **state)
{
    (void)state;
    struct cf_event_ring ring = { 0 };
    for (int i = 1; i <= 3; i++)
        add(&ring, i);
    assert_int_equal(ring.begin, 0);
    assert_int_equal(ring.end, 3);
    check_read(&ring, 0, "<1><2><3>", 3);
    check_read(&ring, 1, "<2><3>", 2);
    check_read(&ring, 2, "<3>", 1);
    assert_int_equal(ring.bytes, 9);
    cf_event_ring_clear(&ring);
    assert_int_equal(ring.memory, 0);
    assert_int_equal(ring.bytes, 0);
}

static void the_oldest_go_when_there_are_too_many(void **state)
{
    (void)state;
    struct cf_event_ring ring = { 0 };
    for (int i = 0; i < MOST + 5; i++)
        add(&ring, i);
    assert_int_equal(ring.begin, 5);
    assert_int_equal(ring.end, MOST + 5);
    assert_int_equal(ring.dropped_id, 4);
    cf_event_ring_clear(&ring);
}

static void what_is_read_stays_though_the_ring_drops_it(void **state)
{
    (void)state;
    struct cf_event_ring ring = { 0 };
    struct cf_event_page *page;
    size_t count;
    add(&ring, 7);
    struct cf_text text = cf_event_ring_read(&ring, 0, &page, &count);
    for (int i = 0; i < 2 * MOST; i++)
        add_long(&ring, i);
    assert_int_equal(count, 1);
    assert_memory_equal(text.data, "<7>", 3);
    cf_event_ring_clear(&ring);
    assert_memory_equal(text.data, "<7>", 3);
    cf_event_page_let_go(page);
}

static void a_place_is_found_by_number(void **state)
{
    (void)state;
    struct cf_event_ring ring = { 0 };
    for (int i = 0; i < 60; i++)
        add_long(&ring, 10 * i);
    assert_int_equal(cf_event_ring_behind(&ring, -1), 0);
    assert_int_equal(cf_event_ring_behind(&ring, 0), 1);
    assert_int_equal(cf_event_ring_behind(&ring, 9), 1);
    assert_int_equal(cf_event_ring_behind(&ring, 10), 2);
    assert_int_equal(cf_event_ring_behind(&ring, 305), 31);
    assert_int_equal(cf_event_ring_behind(&ring, 590), 60);
    assert_int_equal(cf_event_ring_behind(&ring, 10000), 60);
    cf_event_ring_clear(&ring);
}

static void reading_from_page_to_page_leaves_nothing_out(void **state)
{
    (void)state;
    struct cf_event_ring ring = { 0 };
    uint64_t place = 0;
    size_t bytes = 0;
    for (int i = 0; i < 60; i++)
        add_long(&ring, i);
    while (place < ring.end) {
        struct cf_event_page *page;
        size_t count;
        bytes += cf_event_ring_read(&ring, place, &page, &count).len;
        place += count;
        cf_event_page_let_go(page);
    }
    assert_int_equal(place, 60);
    assert_int_equal(bytes, 60 * 3000);
    assert_true(ring.memory < 2 * bytes + 262144);
    cf_event_ring_clear(&ring);
}

static void a_page_is_dropped_but_not_the_newest(void **state)
{
    (void)state;
    struct cf_event_ring ring = { 0 };
    for (int i = 0; i < 60; i++)
        add_long(&ring, i);
    uint64_t before = ring.begin;
    cf_event_ring_drop_page(&ring);
    assert_true(ring.begin > before);
    assert_int_equal(ring.dropped_id, ring.begin - 1);
    for (int i = 0; i < 60; i++)
        cf_event_ring_drop_page(&ring);
    assert_true(ring.begin < ring.end);
    cf_event_ring_clear(&ring);
    cf_event_ring_drop_page(&ring);    /* of an empty one: nothing */
    assert_int_equal(ring.begin, ring.end);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_lie_one_behind_the_other),
        cmocka_unit_test(the_oldest_go_when_there_are_too_many),
        cmocka_unit_test(what_is_read_stays_though_the_ring_drops_it),
        cmocka_unit_test(a_place_is_found_by_number),
        cmocka_unit_test(reading_from_page_to_page_leaves_nothing_out),
        cmocka_unit_test(a_page_is_dropped_but_not_the_newest),
    };
    return cmocka_run_group_tests_name("event_ring", tests, NULL, NULL);
}
