/* The course of a run, made with a clock that the test moves. */
#include "fixture.h"

#include "store/series.h"

static int64_t now_ms;

static int64_t moved_time(void *self)
{
    (void)self;
    return INT64_C(1790000000000) + now_ms;
}

static const struct cf_clock moved_clock = { moved_time, moved_time, NULL };

struct world {
    struct fixture *f;
    int64_t items[300];
};

static int open_world(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    void *f;
    now_ms = 0;
    fixture_make(&f);
    w->f = f;
    cf_store_free(w->f->store);
    struct cf_store_options options = { .busy_ms = 200, .clock = &moved_clock };
    assert_true(cf_store_open(w->f->path, &options, &w->f->store, &w->f->err));
    w->f->run = (struct cf_write_run_begin){
        .write.apply = cf_write_run_begin, .name = "timed", .provider = "anthropic", .source = "script",
    };
    must(w->f, &w->f->run.write);
    int64_t drawing = fixture_own(w->f);
    for (size_t i = 0; i < sizeof w->items / sizeof *w->items; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%zu", i);
        struct cf_item_draw item = { .key = text(key), .ordinal = (int64_t)i, .params = text("{}") };
        struct cf_write_item_draw draw = { .write.apply = cf_write_item_draw, .run = w->f->run.run,
                                           .drawing = drawing, .items = &item, .count = 1 };
        must(w->f, &draw.write);
        w->items[i] = item.item;
    }
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;
    void *f = w->f;
    fixture_remove(&f);
    free(w);
    return 0;
}

static void fail_item(struct world *w, size_t i, int64_t at_ms)
{
    now_ms = at_ms;
    struct cf_write_item_finish finish = {
        .write.apply = cf_write_item_finish, .item = w->items[i], .state = CF_ITEM_FAILED,
        .error_kind = "parse_error", .error_message = "no",
    };
    must(w->f, &finish.write);
}

static void pay(struct world *w, size_t i, int64_t at_ms, int64_t pico)
{
    now_ms = at_ms;
    struct cf_write_call_sent sent = {
        .write.apply = cf_write_call_sent, .run = w->f->run.run, .item = w->items[i], .branch = "",
        .model = "m", .max_tokens = 9, .bound_pico = 50,
    };
    must(w->f, &sent.write);
    struct cf_write_call_reply reply = {
        .write.apply = cf_write_call_reply, .run = w->f->run.run, .item = w->items[i], .call = sent.call,
        .reply = text("{}"), .usage = CF_TOKEN_USAGE_NONE, .cost_pico = pico, .model_answered = "m",
        .latency_ms = 1,
    };
    must(w->f, &reply.write);
}

static size_t read_points(struct world *w, struct cf_series_point points[CF_SERIES_MAX])
{
    struct cf_reader *reader = fixture_reader(w->f);
    size_t count;
    if (!cf_series_read(reader, w->f->run.run, points, &count, &w->f->err))
        fail_msg("%s", w->f->err.message);
    cf_reader_free(reader);
    return count;
}

static void a_run_without_events_has_no_points(void **state)
{
    struct cf_series_point points[CF_SERIES_MAX];
    assert_int_equal(read_points(*state, points), 0);
}

static void an_event_in_the_moment_of_the_start_is_told(void **state)
{
    struct world *w = *state;
    struct cf_series_point points[CF_SERIES_MAX];
    pay(w, 0, 0, 7);
    assert_int_equal(read_points(w, points), 2);
    assert_int_equal(points[0].cost_pico, 0);
    assert_int_equal(points[1].cost_pico, 7);
    assert_int_equal(points[1].unix_ms, INT64_C(1790000000000));
}

static void sums_rise_to_those_of_the_run_in_order_of_time(void **state)
{
    struct world *w = *state;
    struct cf_series_point points[CF_SERIES_MAX];
    for (size_t i = 0; i < 300; i++) {
        int64_t at_ms = (int64_t)((i * 7919) % 300) * 1000;    /* not in the order of the plan */
        pay(w, i, at_ms, 1);
        fail_item(w, i, at_ms + 1);
    }
    size_t count = read_points(w, points);
    assert_in_range(count, CF_SERIES_MAX / 2, CF_SERIES_MAX);
    int64_t width = points[1].unix_ms - points[0].unix_ms;
    for (size_t i = 1; i < count; i++) {
        assert_true(points[i].unix_ms > points[i - 1].unix_ms);
        assert_true(points[i].unix_ms - points[i - 1].unix_ms == width || i == count - 1);
        assert_true(points[i].failed >= points[i - 1].failed);
        assert_true(points[i].cost_pico >= points[i - 1].cost_pico);
        /* an item a second: what came until then */
        int64_t until_ms = points[i].unix_ms - INT64_C(1790000000000);
        assert_int_equal(points[i].failed, (until_ms - 1) / 1000 + 1);
    }
    assert_int_equal(points[count - 1].failed, 300);
    assert_int_equal(points[count - 1].cost_pico, 300);
    assert_int_equal(points[count - 1].accepted, 0);
    assert_int_equal(points[count - 1].unix_ms, INT64_C(1790000000000) + 299001);
}

static void a_clock_that_was_set_back_loses_nothing(void **state)
{
    struct world *w = *state;
    struct cf_series_point points[CF_SERIES_MAX];
    pay(w, 0, 5000, 1);
    pay(w, 1, -5000, 2);
    size_t count = read_points(w, points);
    assert_int_equal(points[count - 1].cost_pico, 3);
    assert_int_equal(points[1].cost_pico, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_run_without_events_has_no_points, open_world, close_world),
        cmocka_unit_test_setup_teardown(an_event_in_the_moment_of_the_start_is_told, open_world, close_world),
        cmocka_unit_test_setup_teardown(sums_rise_to_those_of_the_run_in_order_of_time, open_world, close_world),
        cmocka_unit_test_setup_teardown(a_clock_that_was_set_back_loses_nothing, open_world, close_world),
    };
    return cmocka_run_group_tests_name("series", tests, NULL, NULL);
}
