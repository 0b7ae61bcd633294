/* The hub of events: order, what is kept, who is dropped, who is woken. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../support/fake_clock.h"
#include "base/log.h"
#include "confab/buf.h"
#include "engine/events.h"

#define RUN   7
#define UUID  "01a20d08-1605-70c4-8a43-03c7eece9d63"
#define OTHER "01a20d08-1605-70c4-8a43-03c7eece9d64"
#define KEPT  8

struct fixture {
    struct fake_clock clock;
    struct cf_events *events;
    struct cf_watched_events got;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    fake_clock_init(&f->clock, 1000, 1800000000000);
    f->events = cf_events_new(&f->clock.clock, KEPT, 1);
    cf_events_open_run(f->events, RUN, UUID);
    cf_events_open_run(f->events, RUN + 1, OTHER);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    cf_events_free(f->events);
    free(f);
    return 0;
}

static void publish(struct fixture *f, int64_t run, int n)
{
    struct cf_buf data;
    cf_buf_init(&data, 64);
    cf_buf_addf(&data, "{\"n\":%d}", n);
    cf_events_publish(f->events, run, "item", &data);
    cf_buf_done(&data);
}

static struct cf_watcher *watch(struct fixture *f, const char *uuid, int64_t after)
{
    struct cf_watcher *watcher;
    assert_true(cf_events_watch(f->events, uuid, after, &watcher));
    return watcher;
}

static enum cf_watched take(struct fixture *f, struct cf_watcher *watcher)
{
    return cf_watcher_take(watcher, 0, &f->got);
}

/* The JSON of the event with that index among those that were taken, in either form, as a NUL-ended
 * text. Lent until the next call. */
static const char *json_at(const struct fixture *f, size_t index)
{
    static char json[4096];
    const char *at = f->got.text.data, *end = at + f->got.text.len;
    assert_true(index < f->got.count);
    for (size_t i = 0;; i++) {
        at = memchr(at, '{', (size_t)(end - at));
        assert_non_null(at);
        size_t len = 0;
        for (size_t depth = 1; depth > 0; depth += at[len] == '{', depth -= at[len] == '}')
            len++;
        if (i == index) {
            assert_true(len + 2 < sizeof json);
            memcpy(json, at, len + 1);
            json[len + 1] = '\0';
            return json;
        }
        at += len;
    }
}

static int64_t number_at(const struct fixture *f, size_t index, const char *name)
{
    const char *found = strstr(json_at(f, index), name);
    assert_non_null(found);
    return strtoll(found + strlen(name), NULL, 10);
}

static int64_t n_at(const struct fixture *f, size_t index)
{
    return number_at(f, index, "\"n\":");
}

static int64_t id_at(const struct fixture *f, size_t index)
{
    return number_at(f, index, "\"id\":");
}

static void events_come_in_order_to_each_who_watches(void **state)
{
    struct fixture *f = *state;
    struct cf_watcher *one = watch(f, UUID, -1), *all = watch(f, NULL, -1);
    publish(f, RUN, 1);
    publish(f, RUN + 1, 2);
    publish(f, RUN, 3);
    assert_int_equal(take(f, one), CF_WATCH_EVENTS);
    assert_int_equal(f->got.count, 2);
    assert_int_equal(n_at(f, 0), 1);
    assert_int_equal(n_at(f, 1), 3);
    assert_true(id_at(f, 0) < id_at(f, 1));
    assert_int_equal(take(f, one), CF_WATCH_QUIET);

    assert_int_equal(take(f, all), CF_WATCH_EVENTS);
    assert_int_equal(f->got.count, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(n_at(f, i), i + 1);
    assert_non_null(strstr(json_at(f, 1), "\"run\":\"" OTHER "\""));
    cf_watcher_free(one);
    cf_watcher_free(all);
}

static void what_concerns_all_reaches_every_run(void **state)
{
    struct fixture *f = *state;
    struct cf_watcher *one = watch(f, UUID, -1), *other = watch(f, OTHER, -1);
    publish(f, 0, 9);
    assert_int_equal(take(f, one), CF_WATCH_EVENTS);
    assert_non_null(strstr(json_at(f, 0), "\"run\":null"));
    assert_int_equal(take(f, other), CF_WATCH_EVENTS);
    assert_int_equal(n_at(f, 0), 9);
    cf_watcher_free(one);
    cf_watcher_free(other);
}

static void without_watchers_nothing_is_kept(void **state)
{
    struct fixture *f = *state;
    assert_false(cf_events_is_wanted(f->events));
    assert_false(cf_events_is_wanted(NULL));
    publish(f, RUN, 1);
    struct cf_watcher *watcher = watch(f, UUID, -1);
    assert_true(cf_events_is_wanted(f->events));
    assert_false(cf_watcher_has_missed(watcher));
    assert_int_equal(take(f, watcher), CF_WATCH_QUIET);
    cf_watcher_free(watcher);
}

static void a_watcher_goes_on_behind_the_event_it_has_seen(void **state)
{
    struct fixture *f = *state;
    struct cf_watcher *watcher = watch(f, UUID, -1);
    for (int i = 1; i <= 3; i++)
        publish(f, RUN, i);
    take(f, watcher);
    int64_t second = id_at(f, 1);
    cf_watcher_free(watcher);
    publish(f, RUN, 4);

    watcher = watch(f, UUID, second);
    assert_false(cf_watcher_has_missed(watcher));
    assert_int_equal(cf_watcher_begin(watcher), second);
    assert_int_equal(take(f, watcher), CF_WATCH_EVENTS);
    assert_int_equal(f->got.count, 2);
    assert_int_equal(n_at(f, 0), 3);
    assert_int_equal(n_at(f, 1), 4);
    cf_watcher_free(watcher);
}

static void who_comes_back_too_late_is_told_so(void **state)
{
    struct fixture *f = *state;
    struct cf_watcher *watcher = watch(f, UUID, -1);
    publish(f, RUN, 0);
    take(f, watcher);
    int64_t first = id_at(f, 0);
    cf_watcher_free(watcher);
    for (int i = 1; i <= KEPT; i++)
        publish(f, RUN, i);
    watcher = watch(f, UUID, first);    /* the first is not kept any more, what came after it is */
    assert_false(cf_watcher_has_missed(watcher));
    cf_watcher_free(watcher);
    publish(f, RUN, KEPT + 1);
    watcher = watch(f, UUID, first);
    assert_true(cf_watcher_has_missed(watcher));
    assert_true(cf_watcher_begin(watcher) > first);
    assert_int_equal(take(f, watcher), CF_WATCH_QUIET);
    cf_watcher_free(watcher);
}

static void numbers_of_another_process_are_missed(void **state)
{
    struct fixture *f = *state;
    struct cf_watcher *before = watch(f, UUID, (1800000000000 - 1) * 1000 + 17);
    struct cf_watcher *later = watch(f, UUID, INT64_C(1900000000000) * 1000);
    assert_true(cf_watcher_has_missed(before));
    assert_true(cf_watcher_has_missed(later));
    cf_watcher_free(before);
    cf_watcher_free(later);
}

static void a_slow_watcher_is_dropped_alone(void **state)
{
    struct fixture *f = *state;
    struct cf_watcher *slow = watch(f, UUID, -1), *fast = watch(f, UUID, -1);
    for (int i = 0; i <= KEPT; i++) {
        publish(f, RUN, i);
        assert_int_equal(take(f, fast), CF_WATCH_EVENTS);
        assert_int_equal(n_at(f, 0), i);
    }
    assert_int_equal(take(f, slow), CF_WATCH_DROPPED);
    assert_int_equal(take(f, fast), CF_WATCH_QUIET);
    cf_watcher_free(slow);
    cf_watcher_free(fast);
}

static void long_events_are_bounded_in_bytes(void **state)
{
    struct fixture *f = *state;
    struct cf_watcher *watcher = watch(f, NULL, -1);
    struct cf_buf data;
    cf_buf_init(&data, CF_EVENTS_KEPT_BYTES);
    cf_buf_addc(&data, '"');
    for (size_t i = 0; i < 1000000; i++)
        cf_buf_addc(&data, 'x');
    cf_buf_addc(&data, '"');
    for (int i = 0; i < KEPT - 1; i++)
        cf_events_publish(f->events, RUN, "text", &data);
    assert_int_equal(take(f, watcher), CF_WATCH_DROPPED);
    cf_buf_done(&data);
    cf_watcher_free(watcher);
}

/* Of all rings together; who watches a run that is in work goes on. */
static void long_events_of_many_runs_are_bounded_in_bytes(void **state)
{
    enum { RUNS = 2 * CF_EVENTS_MEMORY_MAX / CF_EVENTS_KEPT_BYTES, EACH_BYTES = 500000 };
    struct fixture *f = *state;
    struct cf_watcher *slow = watch(f, UUID, -1), *none;
    struct cf_buf data;
    publish(f, RUN, 1);
    cf_buf_init(&data, CF_EVENTS_KEPT_BYTES);
    cf_buf_addc(&data, '"');
    for (size_t i = 0; i < EACH_BYTES; i++)
        cf_buf_addc(&data, 'x');
    cf_buf_addc(&data, '"');
    for (int run = 0; run < RUNS; run++) {
        char uuid[CF_UUID_TEXT_SIZE];
        snprintf(uuid, sizeof uuid, "run %d", run);
        cf_events_open_run(f->events, 100 + run, uuid);
        for (int i = 0; i < KEPT; i++)
            cf_events_publish(f->events, 100 + run, "text", &data);
        if (run < CF_EVENTS_RUNS_KEPT / 2)
            cf_events_close_run(f->events, 100 + run);
        assert_true(cf_events_memory(f->events) <= CF_EVENTS_MEMORY_MAX + CF_EVENTS_KEPT_BYTES);
    }
    assert_false(cf_events_watch(f->events, "run 0", -1, &none));    /* it was over */
    assert_int_equal(take(f, slow), CF_WATCH_EVENTS);                /* it has little */
    assert_int_equal(n_at(f, 0), 1);
    cf_buf_done(&data);
    cf_watcher_free(slow);
}

static void a_run_that_is_over_ends_its_watch_when_all_was_told(void **state)
{
    struct fixture *f = *state;
    struct cf_watcher *watcher = watch(f, UUID, -1), *all = watch(f, NULL, -1);
    publish(f, RUN, 1);
    cf_events_close_run(f->events, RUN);
    publish(f, 0, 2);    /* does not concern it any more */
    assert_int_equal(take(f, watcher), CF_WATCH_EVENTS);
    assert_int_equal(f->got.count, 1);
    assert_int_equal(take(f, watcher), CF_WATCH_OVER);
    assert_int_equal(take(f, all), CF_WATCH_EVENTS);
    assert_int_equal(take(f, all), CF_WATCH_QUIET);

    cf_events_open_run(f->events, RUN, UUID);
    publish(f, RUN, 3);
    assert_int_equal(take(f, watcher), CF_WATCH_EVENTS);
    cf_watcher_free(watcher);
    cf_watcher_free(all);
}

static void few_runs_that_are_over_are_remembered(void **state)
{
    struct fixture *f = *state;
    struct cf_watcher *watcher = watch(f, UUID, -1), *none;
    cf_events_close_run(f->events, RUN);
    for (int i = 0; i <= CF_EVENTS_RUNS_KEPT; i++) {
        char uuid[CF_UUID_TEXT_SIZE];
        snprintf(uuid, sizeof uuid, "run %d", i);
        cf_events_open_run(f->events, 100 + i, uuid);
        cf_events_close_run(f->events, 100 + i);
    }
    assert_false(cf_events_watch(f->events, "run 0", -1, &none));
    assert_int_equal(take(f, watcher), CF_WATCH_OVER);    /* it is watched, so it stays */
    cf_watcher_free(watcher);
    cf_watcher_free(watch(f, "run 1", -1));
    assert_false(cf_events_watch(f->events, "unknown", -1, &none));
}

static void events_are_kept_a_while_for_one_who_may_come_back(void **state)
{
    struct fixture *f = *state;
    struct cf_watcher *watcher = watch(f, UUID, -1);
    int64_t begin = cf_watcher_begin(watcher);
    cf_watcher_free(watcher);
    fake_clock_move(&f->clock, CF_EVENTS_LINGER_MS - 1);
    publish(f, RUN, 1);
    assert_true(cf_events_is_wanted(f->events));
    fake_clock_move(&f->clock, 1);
    publish(f, RUN, 2);
    assert_false(cf_events_is_wanted(f->events));
    watcher = watch(f, UUID, begin);
    assert_true(cf_watcher_has_missed(watcher));
    cf_watcher_free(watcher);
}

static void no_secret_is_told(void **state)
{
    struct fixture *f = *state;
    struct cf_watcher *watcher = watch(f, UUID, -1);
    struct cf_buf data;
    cf_secret_add("sk-ant-very-secret");
    cf_buf_init(&data, 256);
    cf_buf_adds(&data, "{\"message\":\"key sk-ant-very-secret\"}");
    cf_events_publish(f->events, RUN, "retry", &data);
    cf_buf_done(&data);
    take(f, watcher);
    assert_null(strstr(json_at(f, 0), "very-secret"));
    assert_non_null(strstr(json_at(f, 0), CF_REDACTED));
    cf_watcher_free(watcher);
}

static void what_cannot_be_told_whole_is_left_out(void **state)
{
    struct fixture *f = *state;
    struct cf_watcher *watcher = watch(f, UUID, -1);
    struct cf_buf data;
    cf_buf_init(&data, 8);
    cf_buf_adds(&data, "{\"n\":123456789}");
    cf_events_publish(f->events, RUN, "item", &data);
    publish(f, 12345, 1);    /* no such run */
    cf_buf_done(&data);
    assert_int_equal(take(f, watcher), CF_WATCH_QUIET);
    cf_watcher_free(watcher);
}

static void the_end_ends_every_watch(void **state)
{
    struct fixture *f = *state;
    struct cf_watcher *watcher = watch(f, UUID, -1), *late;
    publish(f, RUN, 1);
    cf_events_end(f->events);
    publish(f, RUN, 2);
    assert_int_equal(take(f, watcher), CF_WATCH_EVENTS);
    assert_int_equal(f->got.count, 1);
    assert_int_equal(cf_watcher_take(watcher, 60000, &f->got), CF_WATCH_ENDED);
    assert_false(cf_events_watch(f->events, UUID, -1, &late));
    cf_watcher_free(watcher);
}

/* --- threads --- */

#define PUBLISHERS 3
#define WATCHERS   6
#define EACH       2000

struct reader {
    pthread_t thread;
    struct cf_watcher *watcher;
    size_t count, seen;          /* as told, and as they stand in the text */
    bool is_in_order;
    enum cf_watched end;
};

static void *read_all(void *self)
{
    struct reader *reader = self;
    struct cf_watched_events got;
    int64_t last = 0;
    reader->is_in_order = true;
    while ((reader->end = cf_watcher_take(reader->watcher, 60000, &got)) == CF_WATCH_EVENTS) {
        static const char name[] = "{\"id\":";
        const char *at = got.text.data, *end = at + got.text.len;
        for (; (at = memmem(at, (size_t)(end - at), name, sizeof name - 1)) != NULL; at++) {
            int64_t id = strtoll(at + sizeof name - 1, NULL, 10);
            reader->is_in_order &= id > last;
            last = id;
            reader->seen++;
        }
        reader->count += got.count;
    }
    return NULL;
}

static void *publish_many(void *self)
{
    struct fixture *f = self;
    for (int i = 0; i < EACH; i++)
        publish(f, i % 2 == 0 ? RUN : RUN + 1, i);
    return NULL;
}

static void many_publish_and_many_watch(void **state)
{
    struct fixture *f = *state;
    struct reader readers[WATCHERS] = { 0 };
    pthread_t publishers[PUBLISHERS];
    cf_events_free(f->events);
    f->events = cf_events_new(&f->clock.clock, 2 * PUBLISHERS * EACH, 1);
    cf_events_open_run(f->events, RUN, UUID);
    cf_events_open_run(f->events, RUN + 1, OTHER);
    for (int i = 0; i < WATCHERS; i++) {
        readers[i].watcher = watch(f, i % 2 == 0 ? NULL : UUID, -1);
        pthread_create(&readers[i].thread, NULL, read_all, &readers[i]);
    }
    for (int i = 0; i < PUBLISHERS; i++)
        pthread_create(&publishers[i], NULL, publish_many, f);
    for (int i = 0; i < PUBLISHERS; i++)
        pthread_join(publishers[i], NULL);
    cf_events_close_run(f->events, RUN);    /* wakes those of the run */
    for (int i = 1; i < WATCHERS; i += 2)
        pthread_join(readers[i].thread, NULL);
    cf_events_end(f->events);               /* and this the others */
    for (int i = 0; i < WATCHERS; i += 2)
        pthread_join(readers[i].thread, NULL);
    for (int i = 0; i < WATCHERS; i++) {
        assert_true(readers[i].is_in_order);
        assert_int_equal(readers[i].seen, readers[i].count);
        assert_int_equal(readers[i].count, i % 2 == 0 ? PUBLISHERS * EACH : PUBLISHERS * EACH / 2);
        assert_int_equal(readers[i].end, i % 2 == 0 ? CF_WATCH_ENDED : CF_WATCH_OVER);
        cf_watcher_free(readers[i].watcher);
    }
}

static void the_end_wakes_who_waits(void **state)
{
    struct fixture *f = *state;
    struct reader reader = { .watcher = watch(f, NULL, -1) };
    pthread_create(&reader.thread, NULL, read_all, &reader);
    cf_events_end(f->events);
    pthread_join(reader.thread, NULL);
    assert_int_equal(reader.end, CF_WATCH_ENDED);
    cf_watcher_free(reader.watcher);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    static const struct CMUnitTest tests[] = {
        ROW(events_come_in_order_to_each_who_watches),
        ROW(what_concerns_all_reaches_every_run),
        ROW(without_watchers_nothing_is_kept),
        ROW(a_watcher_goes_on_behind_the_event_it_has_seen),
        ROW(who_comes_back_too_late_is_told_so),
        ROW(numbers_of_another_process_are_missed),
        ROW(a_slow_watcher_is_dropped_alone),
        ROW(long_events_are_bounded_in_bytes),
        ROW(long_events_of_many_runs_are_bounded_in_bytes),
        ROW(a_run_that_is_over_ends_its_watch_when_all_was_told),
        ROW(few_runs_that_are_over_are_remembered),
        ROW(events_are_kept_a_while_for_one_who_may_come_back),
        ROW(no_secret_is_told),
        ROW(what_cannot_be_told_whole_is_left_out),
        ROW(the_end_ends_every_watch),
        ROW(many_publish_and_many_watch),
        ROW(the_end_wakes_who_waits),
    };
    return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
