#include "base/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_clock.h"

#define TIMERS 100

struct fixture {
    struct fake_clock clock;
    struct cf_loop *loop;
    int fired[2 * TIMERS];
    int count;
    struct cf_timer timers[TIMERS];
    struct named { struct fixture *fixture; int name; } names[TIMERS];
};

static int open_loop(void **state)
{
    static struct fixture fixture;
    memset(&fixture, 0, sizeof fixture);
    fake_clock_init(&fixture.clock, 1000, 0);
    fixture.loop = cf_loop_new(&fixture.clock.clock);
    *state = &fixture;
    return fixture.loop == NULL;
}

static int close_loop(void **state)
{
    cf_loop_free(((struct fixture *)*state)->loop);
    return 0;
}

static void note(void *self)
{
    struct named *named = self;
    named->fixture->fired[named->fixture->count++] = named->name;
}

static struct cf_timer *timer(struct fixture *fixture, int name)
{
    fixture->names[name] = (struct named){ fixture, name };
    fixture->timers[name].on_fire = note;
    fixture->timers[name].self = &fixture->names[name];
    return &fixture->timers[name];
}

static void move(struct fixture *fixture, int64_t ms)
{
    fake_clock_move(&fixture->clock, ms);
    cf_loop_turn(fixture->loop, 0);
}

static void test_timers_fire_in_order_of_time_then_setting(void **state)
{
    struct fixture *fixture = *state;
    cf_loop_set_timer(fixture->loop, timer(fixture, 0), 1030);
    cf_loop_set_timer(fixture->loop, timer(fixture, 1), 1010);
    cf_loop_set_timer(fixture->loop, timer(fixture, 2), 1010);
    cf_loop_set_timer(fixture->loop, timer(fixture, 3), 1020);
    move(fixture, 9);
    assert_int_equal(fixture->count, 0);
    move(fixture, 100);
    const int expected[] = { 1, 2, 3, 0 };
    assert_int_equal(fixture->count, 4);
    assert_memory_equal(fixture->fired, expected, sizeof expected);
}

static void test_a_cleared_timer_does_not_fire_and_a_moved_one_fires_once(void **state)
{
    struct fixture *fixture = *state;
    cf_loop_set_timer(fixture->loop, timer(fixture, 0), 1010);
    cf_loop_set_timer(fixture->loop, timer(fixture, 1), 1010);
    cf_loop_set_timer(fixture->loop, &fixture->timers[1], 1050);
    cf_loop_clear_timer(fixture->loop, &fixture->timers[0]);
    cf_loop_clear_timer(fixture->loop, &fixture->timers[0]);
    move(fixture, 20);
    assert_int_equal(fixture->count, 0);
    move(fixture, 40);
    assert_int_equal(fixture->count, 1);
    assert_int_equal(fixture->fired[0], 1);
}

static void test_many_timers_keep_their_order_while_some_are_cleared(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < TIMERS; i++)
        cf_loop_set_timer(fixture->loop, timer(fixture, i), 1001 + (i * 37) % TIMERS);
    for (int i = 0; i < TIMERS; i += 3)
        cf_loop_clear_timer(fixture->loop, &fixture->timers[i]);
    move(fixture, TIMERS + 1);
    assert_int_equal(fixture->count, TIMERS - (TIMERS + 2) / 3);
    for (int i = 1; i < fixture->count; i++)
        assert_true(fixture->timers[fixture->fired[i - 1]].due_ms <
                    fixture->timers[fixture->fired[i]].due_ms);
}

static void set_again(void *self)
{
    struct fixture *fixture = self;
    fixture->count++;
    cf_loop_set_timer(fixture->loop, &fixture->timers[0], 0);
}

static void test_a_timer_that_sets_itself_waits_for_the_next_turn(void **state)
{
    struct fixture *fixture = *state;
    fixture->timers[0] = (struct cf_timer){ .on_fire = set_again, .self = fixture };
    cf_loop_set_timer(fixture->loop, &fixture->timers[0], 0);
    move(fixture, 0);
    assert_int_equal(fixture->count, 1);
    move(fixture, 0);
    assert_int_equal(fixture->count, 2);
}

struct pair { struct fixture *fixture; struct cf_watch *other; };

static void unwatch_other(uint32_t events, void *self)
{
    struct pair *pair = self;
    assert_true((events & EPOLLIN) != 0);
    pair->fixture->count++;
    cf_loop_unwatch(pair->fixture->loop, pair->other);
}

static void test_an_event_of_an_unwatched_descriptor_is_not_delivered(void **state)
{
    struct fixture *fixture = *state;
    int a[2], b[2];
    assert_int_equal(pipe(a), 0);
    assert_int_equal(pipe(b), 0);
    struct cf_watch first, second;
    struct pair to_second = { fixture, &second }, to_first = { fixture, &first };
    first = (struct cf_watch){ unwatch_other, &to_second, a[0] };
    second = (struct cf_watch){ unwatch_other, &to_first, b[0] };
    cf_loop_watch(fixture->loop, &first, EPOLLIN);
    cf_loop_watch(fixture->loop, &second, EPOLLIN);
    assert_int_equal(write(a[1], "x", 1), 1);
    assert_int_equal(write(b[1], "x", 1), 1);
    cf_loop_turn(fixture->loop, 0);
    assert_int_equal(fixture->count, 1);
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
}

static void test_stop_ends_run(void **state)
{
    struct fixture *fixture = *state;
    cf_loop_stop(fixture->loop);
    cf_loop_run(fixture->loop);
}

int main(void)
{
#define ROW(name, function) { name, function, open_loop, close_loop, NULL }
    const struct CMUnitTest tests[] = {
        ROW("timers fire in order of time, then of setting",
            test_timers_fire_in_order_of_time_then_setting),
        ROW("a cleared timer does not fire and a moved one fires once",
            test_a_cleared_timer_does_not_fire_and_a_moved_one_fires_once),
        ROW("many timers keep their order while some are cleared",
            test_many_timers_keep_their_order_while_some_are_cleared),
        ROW("a timer that sets itself waits for the next turn",
            test_a_timer_that_sets_itself_waits_for_the_next_turn),
        ROW("an event of an unwatched descriptor is not delivered",
            test_an_event_of_an_unwatched_descriptor_is_not_delivered),
        ROW("stop ends run", test_stop_ends_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
