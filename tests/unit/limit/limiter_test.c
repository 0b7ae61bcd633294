#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "confab/error.h"
#include "confab/limiter.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct cf_amounts one = { .requests = 1 };

struct fixture {
    struct cf_limiter *limiter;
    struct cf_waiter waiters[64];
    struct cf_error err;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    memset(&fixture, 0, sizeof fixture);
    fixture.limiter = cf_limiter_new();
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    cf_limiter_free(fixture->limiter);
    return 0;
}

static struct cf_limit_config burst(int64_t max_requests)
{
    struct cf_limit_config config;
    cf_limit_config_default(&config);
    config.max_requests = max_requests;
    config.is_default = false;
    config.pacing = CF_PACING_BURST;
    config.pause_threshold = 1;
    return config;
}

static void use(struct fixture *fixture, const struct cf_limit_config *config)
{
    assert_true(cf_limiter_set_config(fixture->limiter, NULL, config, 0, &fixture->err));
}

static int ask(struct fixture *fixture, int i, int64_t now_ms)
{
    return cf_limiter_acquire(fixture->limiter, "a", &fixture->waiters[i], &one, now_ms,
                              &fixture->err);
}

/* Asks, has it written and answered at once. */
static void go(struct fixture *fixture, int i, int64_t now_ms)
{
    assert_int_equal(ask(fixture, i, now_ms), 1);
    cf_limiter_sent(fixture->limiter, &fixture->waiters[i], now_ms);
    cf_limiter_release(fixture->limiter, &fixture->waiters[i], CF_RELEASE_DONE, now_ms);
}

/* The number of the waiter that goes; -1: none. */
static int next(struct fixture *fixture, int64_t now_ms)
{
    struct cf_waiter *waiter;
    if (!cf_limiter_next(fixture->limiter, now_ms, &waiter))
        return -1;
    return (int)(waiter - fixture->waiters);
}

static struct cf_limit_status status(struct fixture *fixture, int64_t now_ms)
{
    struct cf_limit_status out;
    assert_true(cf_limiter_status(fixture->limiter, "a", now_ms, &out));
    return out;
}

/* --- configuration --- */

struct config_row {
    const char *name;
    struct cf_limit_config config;
    const char *message;          /* NULL: valid */
};

#define CONFIG(...) { .max_requests = 50, .window_ms = 60000, .pause_threshold = 0.9, __VA_ARGS__ }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static struct config_row config_rows[] = {
    { "a plain config is valid", CONFIG(.concurrency = 8), NULL },
    { "no request at all is refused", CONFIG(.max_requests = 0),
      "max_requests is 0, but must be from 1 to 1000000" },
    { "too many requests are refused", CONFIG(.max_requests = 1000001),
      "max_requests is 1000001, but must be from 1 to 1000000" },
    { "negative input tokens are refused", CONFIG(.max_input_tokens = -1),
      "max_input_tokens is -1, but must be from 0 to 1000000000000" },
    { "negative output tokens are refused", CONFIG(.max_output_tokens = -1),
      "max_output_tokens is -1, but must be from 0 to 1000000000000" },
    { "an empty window is refused", CONFIG(.window_ms = 0),
      "window_ms is 0, but must be from 1 to 86400000" },
    { "negative concurrency is refused", CONFIG(.concurrency = -1),
      "concurrency is -1, but must be from 0 to 1000000" },
    { "a threshold of zero is refused", CONFIG(.pause_threshold = 0),
      "pause_threshold is 0, but must be above 0 and at most 1" },
    { "a threshold above one is refused", CONFIG(.pause_threshold = 90),
      "pause_threshold is 90, but must be above 0 and at most 1" },
    { "a threshold that is no number is refused", CONFIG(.pause_threshold = 0.0 / 0.0), "" },
    { "an unknown pacing is refused", CONFIG(.pacing = (enum cf_pacing)3),
      "pacing must be \"auto\", \"smooth\" or \"burst\"" },
};
#pragma GCC diagnostic pop

static void check_config(void **state)
{
    const struct config_row *row = *state;
    struct cf_error err = { .kind = CF_OK };
    assert_int_equal(cf_limit_config_check(&row->config, &err), row->message == NULL);
    if (row->message == NULL)
        return;
    assert_int_equal(err.kind, CF_ERR_CONFIG);
    if (row->message[0] != '\0')
        assert_string_equal(err.message, row->message);
}

static void the_default_is_fifty_a_minute(void **state)
{
    (void)state;
    struct cf_limit_config config;
    cf_limit_config_default(&config);
    assert_int_equal(config.max_requests, 50);
    assert_int_equal(config.window_ms, 60000);
    assert_true(config.enable_queue);
    assert_float_equal(config.pause_threshold, 0.9, 0);
    assert_int_equal(config.pacing, CF_PACING_AUTO);
    assert_true(cf_limit_config_check(&config, NULL));
}

static void pacing_has_names(void **state)
{
    (void)state;
    enum cf_pacing pacing = CF_PACING_AUTO;
    assert_true(cf_pacing_parse("burst", &pacing));
    assert_int_equal(pacing, CF_PACING_BURST);
    assert_false(cf_pacing_parse("Burst", &pacing));
    assert_int_equal(pacing, CF_PACING_BURST);
    assert_string_equal(cf_pacing_name(CF_PACING_SMOOTH), "smooth");
}

static void a_bad_config_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(0);
    assert_false(cf_limiter_set_config(fixture->limiter, NULL, &config, 0, &fixture->err));
    assert_false(cf_limiter_set_config(fixture->limiter, "a", &config, 0, &fixture->err));
    assert_int_equal(status(fixture, 0).limit, 50);
    assert_string_equal(status(fixture, 0).source, "default");
}

static void a_key_may_have_its_own_limits(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(7);
    assert_true(cf_limiter_set_config(fixture->limiter, "a", &config, 0, NULL));
    assert_int_equal(status(fixture, 0).limit, 7);
    assert_string_equal(status(fixture, 0).source, "config");

    struct cf_limit_status other;
    assert_true(cf_limiter_status(fixture->limiter, "b", 0, &other));
    assert_int_equal(other.limit, 50);
    assert_string_equal(other.source, "default");
    assert_false(cf_limiter_status(fixture->limiter, NULL, 0, &other));

    assert_true(cf_limiter_set_config(fixture->limiter, "a", NULL, 0, NULL));
    assert_int_equal(status(fixture, 0).limit, 50);
}

static void a_changed_config_holds_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(1);
    use(fixture, &config);
    go(fixture, 0, 0);
    assert_int_equal(ask(fixture, 1, 0), 0);
    assert_int_equal(next(fixture, 0), -1);
    config.max_requests = 2;
    use(fixture, &config);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 0);
    assert_int_equal(next(fixture, 0), 1);
    assert_int_equal(status(fixture, 0).used, 2);
}

/* --- the window --- */

static void a_slot_is_free_a_window_and_a_guard_after_it_was_sent(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(1);
    use(fixture, &config);
    assert_int_equal(ask(fixture, 0, 1000), 1);
    assert_int_equal(ask(fixture, 1, 1000), 0);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), -1);
    assert_int_equal(next(fixture, 100000), -1);

    cf_limiter_sent(fixture->limiter, &fixture->waiters[0], 100000);
    cf_limiter_sent(fixture->limiter, &fixture->waiters[0], 120000);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 160020);
    assert_int_equal(next(fixture, 160019), -1);
    assert_int_equal(next(fixture, 160020), 1);
    assert_int_equal(fixture->waiters[1].state, CF_WAITER_GRANTED);
}

static void the_guard_is_at_most_a_hundredth_of_the_window(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(1);
    config.window_ms = 1000;
    use(fixture, &config);
    go(fixture, 0, 0);
    assert_int_equal(ask(fixture, 1, 0), 0);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 1010);
}

static void the_spread_of_delays_widens_the_guard(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(1);
    use(fixture, &config);
    cf_limiter_note_delay(fixture->limiter, "a", 5);     /* no lane yet: no effect */
    go(fixture, 0, 0);
    assert_int_equal(ask(fixture, 1, 0), 0);
    cf_limiter_note_delay(fixture->limiter, "a", 100);
    cf_limiter_note_delay(fixture->limiter, "a", -3);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 60020);
    cf_limiter_note_delay(fixture->limiter, "a", 250);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 60150 - 150 / 64);
    cf_limiter_note_delay(fixture->limiter, "a", 9000);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 60600);
    for (int i = 0; i < 1000; i++)
        cf_limiter_note_delay(fixture->limiter, "a", 100);
    assert_in_range(cf_limiter_wake_ms(fixture->limiter), 60020, 60070);
}

struct release_row {
    const char *name;
    enum cf_release how;
    bool is_sent;
    struct cf_amounts left;
};

static struct release_row release_rows[] = {
    { "a reply keeps everything", CF_RELEASE_DONE, true, { 1, 100, 10 } },
    { "a reply before the request was written keeps all", CF_RELEASE_DONE, false, { 1, 100, 10 } },
    { "what was never sent counts nothing", CF_RELEASE_NEVER_SENT, false, { 0, 0, 0 } },
    { "a failure after sending drops the output", CF_RELEASE_FAILED, true, { 1, 100, 0 } },
    { "an unknown outcome keeps everything", CF_RELEASE_UNKNOWN, true, { 1, 100, 10 } },
};

static void check_release(void **state)
{
    const struct release_row *row = *state;
    void *fixture_state;
    set_up(&fixture_state);
    struct fixture *fixture = fixture_state;
    struct cf_limit_config config = burst(50);
    use(fixture, &config);
    struct cf_waiter *waiter = &fixture->waiters[0];
    const struct cf_amounts amounts = { 1, 100, 10 };
    assert_int_equal(cf_limiter_acquire(fixture->limiter, "a", waiter, &amounts, 0, NULL), 1);
    if (row->is_sent)
        cf_limiter_sent(fixture->limiter, waiter, 500);
    assert_int_equal(status(fixture, 500).in_flight, 1);
    assert_int_equal(status(fixture, 500).reset_ms, 60020);

    cf_limiter_release(fixture->limiter, waiter, row->how, 1000);
    assert_int_equal(waiter->state, CF_WAITER_IDLE);
    struct cf_limit_status after = status(fixture, 1000);
    assert_memory_equal(&after.amounts_used, &row->left, sizeof row->left);
    assert_int_equal(after.in_flight, 0);
    int64_t free_ms = row->is_sent ? 60520 : 61020;
    if (row->left.requests > 0)
        assert_int_equal(after.reset_ms, free_ms - 1000);
    assert_int_equal(status(fixture, free_ms).used, 0);
    tear_down(&fixture_state);
}

static void settling_replaces_the_amounts_at_their_date(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(50);
    config.max_output_tokens = 100;
    use(fixture, &config);
    struct cf_amounts amounts = { 1, 0, 60 };
    struct cf_waiter *waiters = fixture->waiters;
    assert_int_equal(cf_limiter_acquire(fixture->limiter, "a", &waiters[0], &amounts, 0, NULL), 1);
    cf_limiter_sent(fixture->limiter, &waiters[0], 0);
    assert_int_equal(cf_limiter_acquire(fixture->limiter, "a", &waiters[1], &amounts, 0, NULL), 0);

    const struct cf_amounts less = { 1, -5, 40 };
    cf_limiter_settle(fixture->limiter, &waiters[0], &less, 5000);
    assert_int_equal(status(fixture, 5000).amounts_used.output, 40);
    assert_int_equal(status(fixture, 5000).amounts_used.input, 0);
    assert_int_equal(next(fixture, 5000), 1);

    /* More than reserved is a debt that even a call without output waits for. */
    const struct cf_amounts more = { 1, 0, 90 };
    cf_limiter_settle(fixture->limiter, &waiters[0], &more, 6000);
    assert_int_equal(ask(fixture, 2, 6000), 0);
    assert_int_equal(next(fixture, 60019), -1);
    assert_int_equal(next(fixture, 60020), 2);
}

static void settling_after_the_window_is_without_effect(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(1);
    use(fixture, &config);
    assert_int_equal(ask(fixture, 0, 0), 1);
    cf_limiter_sent(fixture->limiter, &fixture->waiters[0], 0);
    go(fixture, 1, 60020);                                  /* took over the slot */
    const struct cf_amounts more = { 5, 5, 5 };
    cf_limiter_settle(fixture->limiter, &fixture->waiters[0], &more, 61000);
    assert_int_equal(status(fixture, 61000).used, 1);
    cf_limiter_release(fixture->limiter, &fixture->waiters[0], CF_RELEASE_NEVER_SENT, 61000);
    assert_int_equal(status(fixture, 61000).used, 1);
}

static void an_amount_over_the_limit_goes_alone(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(50);
    config.max_input_tokens = 1000;
    use(fixture, &config);
    struct cf_waiter *waiters = fixture->waiters;
    const struct cf_amounts small = { 1, 10, 0 }, huge = { 1, 5000, 0 };
    assert_int_equal(cf_limiter_acquire(fixture->limiter, "a", &waiters[0], &small, 0, NULL), 1);
    cf_limiter_sent(fixture->limiter, &waiters[0], 0);
    assert_int_equal(cf_limiter_acquire(fixture->limiter, "a", &waiters[1], &huge, 0, NULL), 0);
    assert_int_equal(cf_limiter_acquire(fixture->limiter, "a", &waiters[2], &small, 0, NULL), 0);
    assert_int_equal(next(fixture, 60019), -1);
    assert_int_equal(next(fixture, 60020), 1);
    assert_int_equal(next(fixture, 60020), -1);
    cf_limiter_sent(fixture->limiter, &waiters[1], 60020);
    assert_int_equal(next(fixture, 120039), -1);
    assert_int_equal(next(fixture, 120040), 2);
}

static void amounts_that_make_no_sense_are_refused(void **state)
{
    struct fixture *fixture = *state;
    const struct cf_amounts wrong[] = {
        { 0, 0, 0 }, { 51, 0, 0 }, { 1, -1, 0 }, { 1, 0, -1 }, { 1, INT64_MAX, 0 },
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_int_equal(cf_limiter_acquire(fixture->limiter, "a", &fixture->waiters[0], &wrong[i],
                                            0, &fixture->err), -1);
        assert_int_equal(fixture->err.kind, CF_ERR_CONFIG);
        assert_int_equal(fixture->waiters[0].state, CF_WAITER_IDLE);
    }
}

static void time_that_runs_backwards_stands(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(2);
    use(fixture, &config);
    go(fixture, 0, 10000);
    assert_int_equal(ask(fixture, 1, 4000), 1);
    cf_limiter_sent(fixture->limiter, &fixture->waiters[1], -7);
    assert_int_equal(ask(fixture, 2, INT64_MIN), 0);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 70020);
    assert_int_equal(next(fixture, 70020), 2);
    assert_int_equal(ask(fixture, 3, 10), 1);
    assert_int_equal(ask(fixture, 4, INT64_MAX), 0);
}

/* --- the line --- */

static void a_line_is_served_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(2);
    use(fixture, &config);
    go(fixture, 0, 0);
    go(fixture, 1, 10);
    for (int i = 2; i < 6; i++)
        assert_int_equal(ask(fixture, i, 20), 0);
    assert_int_equal(status(fixture, 20).queued, 4);
    cf_limiter_cancel(fixture->limiter, &fixture->waiters[3], 20);
    cf_limiter_cancel(fixture->limiter, &fixture->waiters[3], 20);
    assert_int_equal(status(fixture, 20).queued, 3);

    assert_int_equal(next(fixture, 60020), 2);
    assert_int_equal(next(fixture, 60020), -1);
    assert_int_equal(ask(fixture, 6, 60030), 0);      /* there is room, but 4 was here before */
    assert_int_equal(next(fixture, 60030), 4);
    assert_int_equal(next(fixture, 60030), -1);
}

static void without_a_queue_who_cannot_go_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(2);
    config.enable_queue = false;
    config.pacing = CF_PACING_SMOOTH;
    config.pause_threshold = 0.1;
    use(fixture, &config);
    go(fixture, 0, 0);
    assert_int_equal(ask(fixture, 1, 100), 1);        /* nothing is spread: nobody could wait */
    cf_limiter_sent(fixture->limiter, &fixture->waiters[1], 100);
    assert_int_equal(ask(fixture, 2, 200), -1);
    assert_int_equal(fixture->err.kind, CF_ERR_RATE_LIMIT);
    assert_true(fixture->err.retryable);
    assert_int_equal(fixture->err.retry_after_ms, 59820);
    assert_string_equal(fixture->err.message, "rate limit reached: try again in 59820 ms");
    assert_int_equal(fixture->waiters[2].state, CF_WAITER_IDLE);
    assert_int_equal(ask(fixture, 2, 60020), 1);
}

static void a_refusal_says_if_it_hangs_on_a_call_in_flight(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(2);
    config.enable_queue = false;
    config.concurrency = 1;
    use(fixture, &config);
    assert_int_equal(ask(fixture, 0, 0), 1);
    assert_int_equal(ask(fixture, 1, 0), -1);
    assert_int_equal(fixture->err.retry_after_ms, -1);
    assert_string_equal(fixture->err.message,
                        "rate limit reached: calls in flight must end first");
    assert_int_equal(cf_limiter_acquire(fixture->limiter, "a", &fixture->waiters[1], &one, 0, NULL),
                     -1);
}

static void concurrency_is_capped(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(50);
    config.concurrency = 2;
    use(fixture, &config);
    assert_int_equal(ask(fixture, 0, 0), 1);
    assert_int_equal(ask(fixture, 1, 0), 1);
    assert_int_equal(ask(fixture, 2, 0), 0);
    cf_limiter_sent(fixture->limiter, &fixture->waiters[0], 10);
    assert_int_equal(next(fixture, 100000), -1);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), -1);
    assert_int_equal(status(fixture, 100000).wait_ms, -1);
    cf_limiter_release(fixture->limiter, &fixture->waiters[0], CF_RELEASE_DONE, 100000);
    assert_int_equal(next(fixture, 100000), 2);
}

/* --- threshold and pacing --- */

static void burst_up_to_the_threshold_then_spread(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(50);
    config.pause_threshold = 0.9;
    use(fixture, &config);
    for (int i = 0; i < 45; i++)
        go(fixture, i, 0);
    for (int i = 45; i < 52; i++)
        assert_int_equal(ask(fixture, i, 0), 0);

    /* The last five at even distances before the first slot comes free at 60020. */
    for (int i = 45; i < 50; i++) {
        int64_t at_ms = cf_limiter_wake_ms(fixture->limiter);
        assert_in_range(at_ms, (i - 44) * 10003, (i - 44) * 10005);
        assert_int_equal(next(fixture, at_ms - 1), -1);
        assert_int_equal(next(fixture, at_ms), i);
        cf_limiter_sent(fixture->limiter, &fixture->waiters[i], at_ms);
        assert_int_equal(next(fixture, at_ms), -1);
    }
    assert_int_equal(status(fixture, 60000).remaining, 0);
    assert_int_equal(next(fixture, 60019), -1);
    assert_int_equal(next(fixture, 60020), 50);
    assert_int_equal(next(fixture, 60020), 51);
}

static void a_full_window_is_used_again_as_it_comes_free(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(2);
    config.pause_threshold = 0.5;
    use(fixture, &config);
    go(fixture, 0, 0);
    for (int i = 1; i < 5; i++)
        assert_int_equal(ask(fixture, i, 0), 0);
    int64_t at_ms[] = { 30010, 60020, 90030, 120040 };
    for (int i = 1; i < 5; i++) {
        assert_int_equal(next(fixture, at_ms[i - 1] - 1), -1);
        assert_int_equal(next(fixture, at_ms[i - 1]), i);
        cf_limiter_sent(fixture->limiter, &fixture->waiters[i], at_ms[i - 1]);
    }
}

static void smooth_grants_are_evenly_apart(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(50);
    config.pacing = CF_PACING_SMOOTH;
    use(fixture, &config);
    go(fixture, 0, 5000);
    for (int i = 1; i < 50; i++)
        assert_int_equal(ask(fixture, i, 5000), 0);
    for (int i = 1; i < 50; i++) {
        int64_t at_ms = cf_limiter_wake_ms(fixture->limiter);
        /* 1200.4 ms, and a little later, for a server that lets one go each 1200 ms. */
        assert_in_range(at_ms, 5000 + i * 1205, 5000 + i * 1205);
        assert_int_equal(next(fixture, at_ms - 1), -1);
        assert_int_equal(next(fixture, at_ms), i);
        assert_int_equal(next(fixture, at_ms), -1);
    }
    assert_int_equal(status(fixture, 65000).used, 50);
}

static void auto_is_smooth(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(ask(fixture, 0, 0), 1);
    assert_int_equal(ask(fixture, 1, 0), 0);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 1205);
}

static void smooth_catches_up_with_a_little_lateness_only(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(6000);       /* every 10.0033 ms */
    config.pacing = CF_PACING_SMOOTH;
    use(fixture, &config);
    assert_int_equal(ask(fixture, 0, 100), 1);
    for (int i = 1; i < 40; i++)
        assert_int_equal(ask(fixture, i, 100), 0);
    for (int i = 1; i <= 5; i++)
        assert_int_equal(next(fixture, 155), i);       /* 55 ms later: five */
    assert_int_equal(next(fixture, 155), -1);
    for (int i = 6; i <= 15; i++)
        assert_int_equal(next(fixture, 10000), i);     /* ten seconds later: 100 ms' worth */
    assert_int_equal(next(fixture, 10000), -1);
}

static void idle_time_is_no_credit(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(50);
    config.pacing = CF_PACING_SMOOTH;
    use(fixture, &config);
    go(fixture, 0, 0);
    go(fixture, 1, 30000);
    assert_int_equal(ask(fixture, 2, 30000), 0);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 31205);
}

static void a_call_that_never_left_gives_its_turn_back(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(ask(fixture, 0, 0), 1);
    assert_int_equal(ask(fixture, 1, 0), 0);
    cf_limiter_release(fixture->limiter, &fixture->waiters[0], CF_RELEASE_NEVER_SENT, 5);
    assert_int_equal(next(fixture, 5), 1);
}

static void a_full_window_comes_free_at_once_above_the_threshold_too(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(10);
    config.pause_threshold = 0.5;
    use(fixture, &config);
    for (int i = 0; i < 5; i++)
        go(fixture, i, 0);
    for (int i = 5; i < 16; i++)
        assert_int_equal(ask(fixture, i, 0), 0);
    for (int i = 5; i < 10; i++) {
        int64_t at_ms = cf_limiter_wake_ms(fixture->limiter);
        assert_int_equal(next(fixture, at_ms), i);
        cf_limiter_sent(fixture->limiter, &fixture->waiters[i], at_ms);
        assert_int_equal(next(fixture, at_ms), -1);
    }
    for (int i = 10; i < 15; i++)
        assert_int_equal(next(fixture, 60020), i);
    assert_int_equal(next(fixture, 60020), -1);
}

/* --- refusals by the server --- */

static void a_refusal_pauses_the_lane_and_goes_first(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(50);
    use(fixture, &config);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ask(fixture, i, 0), 1);
        cf_limiter_sent(fixture->limiter, &fixture->waiters[i], 0);
    }
    cf_limiter_refused(fixture->limiter, &fixture->waiters[2], 9000, 500, 1000);
    assert_int_equal(ask(fixture, 4, 1000), 0);
    cf_limiter_refused(fixture->limiter, &fixture->waiters[0], 2000, 0, 1000);
    cf_limiter_refused(fixture->limiter, &fixture->waiters[3], -1, -1, 1000);
    cf_limiter_refused(fixture->limiter, &fixture->waiters[1], 0, 0, 1000);

    struct cf_limit_status paused = status(fixture, 1000);
    assert_int_equal(paused.paused_until_ms, 10500);
    assert_int_equal(paused.used, 0);
    assert_int_equal(paused.in_flight, 0);
    assert_int_equal(paused.queued, 5);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 10500);
    assert_int_equal(next(fixture, 10499), -1);
    assert_int_equal(next(fixture, 10500), 0);
    assert_int_equal(status(fixture, 10500).paused_until_ms, 0);

    /* Slowly at first, although it is a burst. */
    int64_t last_ms = 10500;
    for (int i = 1; i < 4; i++) {
        int64_t at_ms = cf_limiter_wake_ms(fixture->limiter);
        assert_in_range(at_ms - last_ms, 1201, 1201 + 1250);
        assert_int_equal(next(fixture, at_ms - 1), -1);
        assert_int_equal(next(fixture, at_ms), i);
        last_ms = at_ms;
    }
    assert_int_equal(next(fixture, 15500), 4);
}

static void a_pause_holds_without_a_queue_too(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(50);
    config.enable_queue = false;
    use(fixture, &config);
    assert_int_equal(ask(fixture, 0, 0), 1);
    cf_limiter_refused(fixture->limiter, &fixture->waiters[0], 3000, 0, 0);
    assert_int_equal(ask(fixture, 1, 1000), -1);
    assert_int_equal(fixture->err.retry_after_ms, 2000);
    assert_int_equal(next(fixture, 3000), 0);
}

/* As after a virtual machine was moved: a day has gone by in which nothing was sent. */
static void a_clock_that_jumps_lets_no_storm_go(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config;
    cf_limit_config_default(&config);
    config.max_requests = 60;
    config.is_default = false;
    assert_true(cf_limiter_set_config(fixture->limiter, NULL, &config, 0, NULL));
    assert_int_equal(ask(fixture, 0, 0), 1);
    for (int i = 1; i < 30; i++)
        assert_int_equal(ask(fixture, i, 0), 0);
    int64_t now_ms = INT64_C(24) * 3600 * 1000;
    int at_once = 0, i;
    while ((i = next(fixture, now_ms)) >= 0) {
        at_once++;
        cf_limiter_sent(fixture->limiter, &fixture->waiters[i], now_ms);
    }
    assert_in_range(at_once, 1, 2);
    assert_in_range(cf_limiter_wake_ms(fixture->limiter), now_ms + 1, now_ms + 1100);

    /* And back again: it stands, and the line goes on from where it was. */
    assert_int_equal(next(fixture, 1000), -1);
    assert_int_equal(next(fixture, now_ms + 1100), at_once + 1);
    for (i = 0; i < 30; i++) {
        if (fixture->waiters[i].state == CF_WAITER_QUEUED)
            cf_limiter_cancel(fixture->limiter, &fixture->waiters[i], now_ms);
        else
            cf_limiter_release(fixture->limiter, &fixture->waiters[i], CF_RELEASE_DONE, now_ms);
    }
}

static void who_waits_may_ask_for_less(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config;
    cf_limit_config_default(&config);
    config.max_output_tokens = 100;
    config.pacing = CF_PACING_BURST;
    config.pause_threshold = 1;
    assert_true(cf_limiter_set_config(fixture->limiter, NULL, &config, 0, NULL));
    const struct cf_amounts much = { 1, 0, 60 }, less = { 1, 0, 30 };
    struct cf_waiter *first = &fixture->waiters[0], *second = &fixture->waiters[1];
    assert_int_equal(cf_limiter_acquire(fixture->limiter, "a", first, &much, 0, NULL), 1);
    assert_int_equal(cf_limiter_acquire(fixture->limiter, "a", second, &much, 0, NULL), 0);
    assert_int_equal(next(fixture, 0), -1);
    cf_limiter_ask_again(fixture->limiter, second, &less, 0);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 0);
    assert_int_equal(next(fixture, 0), 1);
    assert_int_equal(status(fixture, 0).amounts_used.output, 90);

    cf_limiter_ask_again(fixture->limiter, second, &much, 0);     /* too late */
    assert_int_equal(second->amounts.output, 30);
    cf_limiter_release(fixture->limiter, first, CF_RELEASE_DONE, 0);
    cf_limiter_release(fixture->limiter, second, CF_RELEASE_DONE, 0);
}

static void a_refused_call_can_be_cancelled(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(50);
    use(fixture, &config);
    assert_int_equal(ask(fixture, 0, 0), 1);
    assert_int_equal(ask(fixture, 1, 0), 1);
    cf_limiter_refused(fixture->limiter, &fixture->waiters[1], 1000, 0, 0);
    cf_limiter_cancel(fixture->limiter, &fixture->waiters[1], 0);
    cf_limiter_refused(fixture->limiter, &fixture->waiters[0], 1000, 0, 0);
    assert_int_equal(ask(fixture, 2, 0), 0);
    assert_int_equal(next(fixture, 1000), 0);
    assert_int_equal(next(fixture, cf_limiter_wake_ms(fixture->limiter)), 2);
}

static void no_pause_overflows(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(ask(fixture, 0, INT64_MAX), 1);
    cf_limiter_refused(fixture->limiter, &fixture->waiters[0], INT64_MAX, INT64_MAX, INT64_MAX);
    assert_int_equal(next(fixture, INT64_MAX), -1);
}

/* --- many lanes --- */

static void lanes_do_not_hold_each_other_up(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(1);
    use(fixture, &config);
    char key[16];
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "lane %d", i);
        struct cf_waiter *first = &fixture->waiters[i], *second = &fixture->waiters[20 + i];
        int64_t now_ms = i * 10;
        assert_int_equal(cf_limiter_acquire(fixture->limiter, key, first, &one, now_ms, NULL), 1);
        cf_limiter_sent(fixture->limiter, first, now_ms);
        assert_int_equal(cf_limiter_acquire(fixture->limiter, key, second, &one, now_ms, NULL), 0);
    }
    assert_int_equal(cf_limiter_lanes(fixture->limiter), 20);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 60020 + i * 10);
        assert_int_equal(next(fixture, 60020 + i * 10), 20 + i);
    }
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), -1);
}

static void lanes_that_may_go_take_turns(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(3);
    use(fixture, &config);
    const char *const keys[] = { "x", "y" };
    for (int i = 0; i < 6; i++)
        assert_int_equal(cf_limiter_acquire(fixture->limiter, keys[i % 2], &fixture->waiters[i],
                                            &one, 0, NULL), 1);
    for (int i = 6; i < 12; i++)
        assert_int_equal(cf_limiter_acquire(fixture->limiter, keys[i / 9], &fixture->waiters[i],
                                            &one, 0, NULL), 0);
    for (int i = 0; i < 6; i++)
        cf_limiter_sent(fixture->limiter, &fixture->waiters[i], 0);
    const int order[] = { 6, 9, 7, 10, 8, 11 };
    for (int i = 0; i < 6; i++)
        assert_int_equal(next(fixture, 60020), order[i]);
}

static void an_idle_lane_is_forgotten(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(50);
    use(fixture, &config);
    go(fixture, 0, 0);
    assert_int_equal(next(fixture, 60019), -1);
    assert_int_equal(cf_limiter_lanes(fixture->limiter), 1);
    assert_int_equal(next(fixture, 60020), -1);
    assert_int_equal(cf_limiter_lanes(fixture->limiter), 0);

    /* One in flight stays, however long it takes, and so does a pause. */
    assert_int_equal(ask(fixture, 0, 70000), 1);
    cf_limiter_sent(fixture->limiter, &fixture->waiters[0], 70000);
    assert_int_equal(next(fixture, 1000000), -1);
    assert_int_equal(cf_limiter_lanes(fixture->limiter), 1);
    cf_limiter_refused(fixture->limiter, &fixture->waiters[0], 5000, 0, 1000000);
    cf_limiter_cancel(fixture->limiter, &fixture->waiters[0], 1000000);
    assert_int_equal(next(fixture, 1004999), -1);
    assert_int_equal(cf_limiter_lanes(fixture->limiter), 1);
    assert_int_equal(next(fixture, 1005000), -1);
    assert_int_equal(cf_limiter_lanes(fixture->limiter), 0);
}

static void asking_about_a_lane_does_not_make_one(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_status nothing = status(fixture, 100);
    assert_int_equal(nothing.used, 0);
    assert_int_equal(nothing.remaining, 50);
    assert_int_equal(nothing.wait_ms, 0);
    assert_int_equal(nothing.reset_ms, 0);
    assert_int_equal(cf_limiter_wait_ms(fixture->limiter, "b", &one, 100), 0);
    assert_int_equal(cf_limiter_lanes(fixture->limiter), 0);
}

/* --- status, reset --- */

static void status_tells_the_wait(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(2);
    use(fixture, &config);
    go(fixture, 0, 0);
    assert_int_equal(status(fixture, 0).wait_ms, 0);
    go(fixture, 1, 1000);
    struct cf_limit_status full = status(fixture, 2000);
    assert_int_equal(full.used, 2);
    assert_int_equal(full.remaining, 0);
    assert_int_equal(full.wait_ms, 58020);
    assert_int_equal(full.reset_ms, 59020);

    /* Behind two others the next window's first slot is the earliest. */
    assert_int_equal(ask(fixture, 2, 2000), 0);
    assert_int_equal(status(fixture, 2000).wait_ms, 59020);
    assert_int_equal(ask(fixture, 3, 2000), 0);
    assert_int_equal(status(fixture, 2000).wait_ms, 58020 + 60020);
    assert_int_equal(next(fixture, 60020), 2);
}

static void asking_for_the_status_starts_no_spread(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(2);
    config.pause_threshold = 0.5;
    use(fixture, &config);
    go(fixture, 0, 0);
    assert_int_equal(status(fixture, 0).wait_ms, 30010);
    assert_int_equal(status(fixture, 10000).wait_ms, 25010);
    assert_int_equal(ask(fixture, 1, 20000), 0);
    assert_int_equal(cf_limiter_wake_ms(fixture->limiter), 40010);
}

static void count_waiter(struct cf_waiter *waiter, void *self)
{
    assert_int_equal(waiter->state, CF_WAITER_QUEUED);
    ++*(int *)self;
}

static void reset_forgets_the_window_and_keeps_the_line(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(1);
    use(fixture, &config);
    assert_int_equal(cf_limiter_reset(fixture->limiter, "a", 0), 0);
    assert_int_equal(ask(fixture, 0, 0), 1);
    assert_int_equal(ask(fixture, 1, 0), 0);
    assert_int_equal(ask(fixture, 2, 0), 0);
    assert_int_equal(cf_limiter_reset(fixture->limiter, "b", 0), 0);
    assert_int_equal(cf_limiter_reset(fixture->limiter, "a", 0), 2);

    int queued = 0;
    cf_limiter_each_queued(fixture->limiter, "a", count_waiter, &queued);
    assert_int_equal(queued, 2);
    assert_int_equal(next(fixture, 0), 1);
    assert_int_equal(status(fixture, 0).in_flight, 2);

    /* The old call's slot is gone: its end touches nobody else's. */
    cf_limiter_sent(fixture->limiter, &fixture->waiters[0], 10);
    cf_limiter_release(fixture->limiter, &fixture->waiters[0], CF_RELEASE_NEVER_SENT, 10);
    assert_int_equal(status(fixture, 10).used, 1);
    assert_int_equal(status(fixture, 10).in_flight, 1);
}

static void clear_all_forgets_every_lane(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config = burst(1);
    use(fixture, &config);
    struct cf_waiter *waiters = fixture->waiters;
    for (int i = 0; i < 3; i++) {
        const char *key = (const char *const[]){ "x", "y", "z" }[i];
        assert_int_equal(cf_limiter_acquire(fixture->limiter, key, &waiters[i], &one, 0, NULL), 1);
        cf_limiter_sent(fixture->limiter, &waiters[i], 0);
        if (i > 0)
            assert_int_equal(cf_limiter_acquire(fixture->limiter, key, &waiters[10 + i], &one, 0,
                                                NULL), 0);
    }
    cf_limiter_refused(fixture->limiter, &waiters[0], 50000, 0, 0);
    int queued = 0;
    cf_limiter_each_queued(fixture->limiter, NULL, count_waiter, &queued);
    assert_int_equal(queued, 3);
    assert_int_equal(cf_limiter_clear_all(fixture->limiter, 1), 3);
    for (int i = 0; i < 3; i++)
        assert_true(next(fixture, 1) >= 0);
    assert_int_equal(next(fixture, 1), -1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest plain[] = {
        TEST(the_default_is_fifty_a_minute),
        TEST(pacing_has_names),
        TEST(a_bad_config_changes_nothing),
        TEST(a_key_may_have_its_own_limits),
        TEST(a_changed_config_holds_at_once),
        TEST(a_slot_is_free_a_window_and_a_guard_after_it_was_sent),
        TEST(the_guard_is_at_most_a_hundredth_of_the_window),
        TEST(the_spread_of_delays_widens_the_guard),
        TEST(settling_replaces_the_amounts_at_their_date),
        TEST(settling_after_the_window_is_without_effect),
        TEST(an_amount_over_the_limit_goes_alone),
        TEST(amounts_that_make_no_sense_are_refused),
        TEST(time_that_runs_backwards_stands),
        TEST(a_line_is_served_in_order),
        TEST(without_a_queue_who_cannot_go_is_refused),
        TEST(a_refusal_says_if_it_hangs_on_a_call_in_flight),
        TEST(concurrency_is_capped),
        TEST(burst_up_to_the_threshold_then_spread),
        TEST(a_full_window_is_used_again_as_it_comes_free),
        TEST(a_full_window_comes_free_at_once_above_the_threshold_too),
        TEST(smooth_grants_are_evenly_apart),
        TEST(auto_is_smooth),
        TEST(smooth_catches_up_with_a_little_lateness_only),
        TEST(idle_time_is_no_credit),
        TEST(a_call_that_never_left_gives_its_turn_back),
        TEST(a_refusal_pauses_the_lane_and_goes_first),
        TEST(a_pause_holds_without_a_queue_too),
        TEST(a_clock_that_jumps_lets_no_storm_go),
        TEST(who_waits_may_ask_for_less),
        TEST(a_refused_call_can_be_cancelled),
        TEST(no_pause_overflows),
        TEST(lanes_do_not_hold_each_other_up),
        TEST(lanes_that_may_go_take_turns),
        TEST(an_idle_lane_is_forgotten),
        TEST(asking_about_a_lane_does_not_make_one),
        TEST(status_tells_the_wait),
        TEST(asking_for_the_status_starts_no_spread),
        TEST(reset_forgets_the_window_and_keeps_the_line),
        TEST(clear_all_forgets_every_lane),
    };
    struct CMUnitTest tests[COUNT(plain) + COUNT(config_rows) + COUNT(release_rows)];
    size_t n = 0;
    for (size_t i = 0; i < COUNT(plain); i++)
        tests[n++] = plain[i];
    for (size_t i = 0; i < COUNT(config_rows); i++)
        tests[n++] = (struct CMUnitTest){ config_rows[i].name, check_config, NULL, NULL,
                                          &config_rows[i] };
    for (size_t i = 0; i < COUNT(release_rows); i++)
        tests[n++] = (struct CMUnitTest){ release_rows[i].name, check_release, NULL, NULL,
                                          &release_rows[i] };
    return cmocka_run_group_tests_name("limiter", tests, NULL, NULL);
}
