/* What the limiter learns from replies, and keys that turn out to be one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "confab/error.h"
#include "confab/limiter.h"

struct fixture {
    struct cf_limiter *limiter;
    struct cf_waiter waiters[64];
};

static const struct cf_amounts one = { .requests = 1 };

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

static void configure(struct fixture *fixture, const char *key, int64_t max_requests)
{
    struct cf_limit_config config;
    cf_limit_config_default(&config);
    config.max_requests = max_requests;
    config.is_default = false;
    config.pacing = CF_PACING_BURST;
    config.pause_threshold = 1;
    assert_true(cf_limiter_set_config(fixture->limiter, key, &config, 0, NULL));
}

static int ask(struct fixture *fixture, const char *key, int i, int64_t now_ms)
{
    return cf_limiter_acquire(fixture->limiter, key, &fixture->waiters[i], &one, now_ms, NULL);
}

static int next(struct fixture *fixture, int64_t now_ms)
{
    struct cf_waiter *waiter;
    return cf_limiter_next(fixture->limiter, now_ms, &waiter) ? (int)(waiter - fixture->waiters)
                                                              : -1;
}

static void sent(struct fixture *fixture, int i, int64_t now_ms)
{
    cf_limiter_sent(fixture->limiter, &fixture->waiters[i], now_ms);
}

static void done(struct fixture *fixture, int i, int64_t now_ms)
{
    cf_limiter_release(fixture->limiter, &fixture->waiters[i], CF_RELEASE_DONE, now_ms);
}

/* Its reply says so about requests; -1: nothing about what remains. */
static void hear(struct fixture *fixture, int i, int64_t limit, int64_t remaining, int64_t now_ms)
{
    const struct cf_limit_feedback feedback = {
        .requests = { .has_limit = true, .limit = limit, .has_remaining = remaining >= 0,
                      .remaining = remaining },
    };
    cf_limiter_feedback(fixture->limiter, &fixture->waiters[i], &feedback, now_ms);
}

static struct cf_limit_status status(struct fixture *fixture, const char *key, int64_t now_ms)
{
    struct cf_limit_status out;
    assert_true(cf_limiter_status(fixture->limiter, key, now_ms, &out));
    return out;
}

static void the_default_gives_way_to_what_is_said(void **state)
{
    struct fixture *fixture = *state;
    assert_string_equal(status(fixture, "a", 0).source, "default");
    assert_int_equal(ask(fixture, "a", 0, 0), 1);
    sent(fixture, 0, 0);
    const struct cf_limit_feedback all = {
        .requests = { .has_limit = true, .limit = 1000 },
        .input = { .has_limit = true, .limit = 80000 },
        .output = { .has_limit = true, .limit = 16000 },
    };
    cf_limiter_feedback(fixture->limiter, &fixture->waiters[0], &all, 500);
    struct cf_limit_status said = status(fixture, "a", 500);
    assert_int_equal(said.limit, 1000);
    assert_int_equal(said.amounts_limit.input, 80000);
    assert_int_equal(said.amounts_limit.output, 16000);
    assert_string_equal(said.source, "header");
}

struct ceiling_row { const char *name; int64_t said, limit; const char *source; };

static struct ceiling_row ceiling_rows[] = {
    { "what is said lowers what is configured", 40, 40, "header" },
    { "what is said does not raise what is configured", 200, 100, "config" },
    { "a limit of nothing is not believed", 0, 100, "config" },
    { "a negative limit is not believed", -7, 100, "config" },
};

static void check_ceiling(void **state)
{
    const struct ceiling_row *row = *state;
    struct fixture *fixture;
    set_up((void **)&fixture);
    configure(fixture, NULL, 100);
    assert_int_equal(ask(fixture, "a", 0, 0), 1);
    hear(fixture, 0, row->said, -1, 100);
    struct cf_limit_status said = status(fixture, "a", 100);
    assert_int_equal(said.limit, row->limit);
    assert_string_equal(said.source, row->source);
    cf_limiter_free(fixture->limiter);
}

static void a_lowered_limit_holds_at_once(void **state)
{
    struct fixture *fixture = *state;
    configure(fixture, NULL, 10);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(ask(fixture, "a", i, 0), 1);
        sent(fixture, i, 0);
    }
    hear(fixture, 5, 5, -1, 1000);
    assert_int_equal(ask(fixture, "a", 6, 1000), 0);
    assert_int_equal(next(fixture, 60019), -1);
    assert_int_equal(next(fixture, 60020), 6);
}

/* 60 a minute from 0 on, half of it from 30 s on: the next goes 2 s later, not when 30 of them
 * are over. */
static void a_halved_limit_goes_on_at_half_the_rate(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_config config;
    cf_limit_config_default(&config);
    config.pacing = CF_PACING_SMOOTH;
    assert_true(cf_limiter_set_config(fixture->limiter, NULL, &config, 0, NULL));
    assert_int_equal(ask(fixture, "a", 0, 0), 1);
    hear(fixture, 0, 60, -1, 0);
    done(fixture, 0, 0);
    int64_t now_ms = 0;
    int granted = 1;
    for (int i = 1; i < 60; i++) {
        assert_int_equal(ask(fixture, "a", 1, now_ms), 0);
        while (next(fixture, now_ms) < 0)
            now_ms += 10;
        granted++;
        if (granted == 31)
            hear(fixture, 1, 30, -1, now_ms);
        done(fixture, 1, now_ms);
        assert_in_range(now_ms, granted <= 31 ? i * 1000 : 30000 + (i - 30) * 2000,
                        granted <= 31 ? i * 1010 : 31000 + (i - 30) * 2020);
        assert_in_range(status(fixture, "a", now_ms).used, 1, granted <= 30 ? 60 : 30);
    }
    cf_limiter_clear_all(fixture->limiter, now_ms);
}

static void a_raised_limit_holds_at_once(void **state)
{
    struct fixture *fixture = *state;
    configure(fixture, NULL, 10);
    assert_int_equal(ask(fixture, "a", 0, 0), 1);
    hear(fixture, 0, 1, -1, 10);
    sent(fixture, 0, 10);
    assert_int_equal(ask(fixture, "a", 1, 20), 0);
    assert_int_equal(next(fixture, 20), -1);
    hear(fixture, 0, 8, -1, 30);
    assert_int_equal(next(fixture, 30), 1);
}

static void an_older_request_s_reply_is_passed_over(void **state)
{
    struct fixture *fixture = *state;
    configure(fixture, NULL, 50);
    assert_int_equal(ask(fixture, "a", 0, 0), 1);
    assert_int_equal(ask(fixture, "a", 1, 0), 1);
    sent(fixture, 1, 0);
    sent(fixture, 0, 1);
    hear(fixture, 0, 40, -1, 100);
    hear(fixture, 1, 30, 2, 200);
    assert_int_equal(status(fixture, "a", 200).limit, 40);
    assert_int_equal(status(fixture, "a", 200).remaining, 38);
}

static void what_others_use_is_left_to_them_and_drains(void **state)
{
    struct fixture *fixture = *state;
    configure(fixture, NULL, 60);
    assert_int_equal(ask(fixture, "a", 0, 0), 1);
    sent(fixture, 0, 0);
    hear(fixture, 0, 60, 19, 0);       /* 41 used, one is ours, one and a half uncertain */
    assert_int_equal(status(fixture, "a", 0).remaining, 60 - 1 - 39);
    assert_int_equal(status(fixture, "a", 10000).remaining, 60 - 1 - 29);
    assert_int_equal(status(fixture, "a", 40000).remaining, 59);

    /* Nobody goes before there is room. */
    for (int i = 1; i <= 20; i++)
        assert_int_equal(ask(fixture, "a", i, 40000), 1);
    hear(fixture, 20, 60, 0, 40000);
    assert_int_equal(ask(fixture, "a", 21, 40000), 0);
    int64_t at_ms = cf_limiter_wake_ms(fixture->limiter);
    assert_in_range(at_ms, 40001, 42000);
    assert_int_equal(next(fixture, at_ms - 1), -1);
    while (next(fixture, at_ms) != 21)
        at_ms = cf_limiter_wake_ms(fixture->limiter);
    assert_in_range(at_ms, 40001, 43000);
}

static void what_is_ours_is_not_taken_for_foreign(void **state)
{
    struct fixture *fixture = *state;
    configure(fixture, NULL, 50);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(ask(fixture, "a", i, 0), 1);
        sent(fixture, i, 0);
    }
    hear(fixture, 29, 50, 20, 100);
    assert_int_equal(status(fixture, "a", 100).remaining, 20);
    done(fixture, 29, 100);
}

static void a_ceiling_below_the_limit_leaves_room_for_others(void **state)
{
    struct fixture *fixture = *state;
    configure(fixture, NULL, 50);
    assert_int_equal(ask(fixture, "a", 0, 0), 1);
    hear(fixture, 0, 1000, 400, 0);
    assert_int_equal(status(fixture, "a", 0).remaining, 49);
}

static void what_was_learnt_outlives_the_lane(void **state)
{
    struct fixture *fixture = *state;
    struct cf_limit_learnt learnt = { .limits = { .requests = -1 } };
    assert_false(cf_limiter_learnt(fixture->limiter, "a", &learnt));
    assert_int_equal(learnt.limits.requests, -1);

    assert_int_equal(ask(fixture, "a", 0, 0), 1);
    sent(fixture, 0, 0);
    hear(fixture, 0, 700, -1, 0);
    done(fixture, 0, 0);
    assert_int_equal(next(fixture, 10000000), -1);
    assert_int_equal(cf_limiter_lanes(fixture->limiter), 0);
    assert_true(cf_limiter_learnt(fixture->limiter, "a", &learnt));
    assert_int_equal(learnt.limits.requests, 700);
    assert_int_equal(status(fixture, "a", 10000000).limit, 700);
    assert_int_equal(cf_limiter_lanes(fixture->limiter), 0);
    assert_true(cf_limiter_learnt(fixture->limiter, "a", &learnt));
}

static void what_was_kept_starts_a_lane(void **state)
{
    struct fixture *fixture = *state;
    const struct cf_limit_learnt learnt = { .limits = { 2000, 90000, 0 } };
    cf_limiter_restore(fixture->limiter, "a", &learnt, 0);
    assert_int_equal(cf_limiter_lanes(fixture->limiter), 0);
    assert_int_equal(status(fixture, "a", 0).limit, 2000);
    assert_int_equal(status(fixture, "a", 0).amounts_limit.input, 90000);
    assert_string_equal(status(fixture, "a", 0).source, "header");

    assert_int_equal(ask(fixture, "b", 0, 0), 1);
    cf_limiter_restore(fixture->limiter, "b", &learnt, 0);
    assert_int_equal(status(fixture, "b", 0).limit, 2000);
}

static void a_server_that_lets_bursts_pass_gets_them(void **state)
{
    struct fixture *fixture = *state;
    const struct cf_limit_learnt learnt = { .limits = { .requests = 20 },
                                            .bursts = CF_BURSTS_PASS };
    cf_limiter_restore(fixture->limiter, "a", &learnt, 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(ask(fixture, "a", i, 0), 1);

    /* Until it refuses one. */
    sent(fixture, 9, 0);
    cf_limiter_refused(fixture->limiter, &fixture->waiters[9], 1000, 0, 10);
    struct cf_limit_learnt after;
    assert_true(cf_limiter_learnt(fixture->limiter, "a", &after));
    assert_int_equal(after.bursts, CF_BURSTS_UNKNOWN);
    assert_int_equal(ask(fixture, "a", 10, 200000), 0);
    assert_int_equal(next(fixture, 200000), 9);
    assert_int_equal(next(fixture, 200000), -1);
}

static void where_bursts_were_refused_none_is_risked_again(void **state)
{
    struct fixture *fixture = *state;
    const struct cf_limit_learnt learnt = { .limits = { .requests = 20 },
                                            .bursts = CF_BURSTS_REFUSED };
    struct cf_limit_learnt after;
    cf_limiter_restore(fixture->limiter, "a", &learnt, 0);
    assert_int_equal(ask(fixture, "a", 0, 0), 1);
    assert_int_equal(ask(fixture, "a", 1, 0), 0);
    assert_true(cf_limiter_learnt(fixture->limiter, "a", &after));
    assert_int_equal(after.bursts, CF_BURSTS_REFUSED);
    cf_limiter_cancel(fixture->limiter, &fixture->waiters[1], 0);
}

/* --- merging --- */

static void merging_joins_counts_and_lines(void **state)
{
    struct fixture *fixture = *state;
    configure(fixture, NULL, 4);
    configure(fixture, "org", 6);
    const char *const keys[] = { "x", "org" };
    for (int i = 0; i < 8; i++) {
        assert_int_equal(ask(fixture, keys[i % 2], i, 0), 1);
        if (i < 6)
            sent(fixture, i, i * 100);
    }
    assert_int_equal(ask(fixture, "org", 10, 1000), 1);
    assert_int_equal(ask(fixture, "org", 11, 1000), 1);
    assert_int_equal(ask(fixture, "x", 12, 1000), 0);
    assert_int_equal(ask(fixture, "org", 13, 1000), 0);
    assert_int_equal(ask(fixture, "x", 14, 1000), 0);

    cf_limiter_merge(fixture->limiter, "x", "org", 1000);
    assert_int_equal(cf_limiter_lanes(fixture->limiter), 1);
    struct cf_limit_status both = status(fixture, "x", 1000);
    assert_int_equal(both.used, 10);
    assert_int_equal(both.limit, 6);
    assert_int_equal(both.in_flight, 10);
    assert_int_equal(both.queued, 3);

    /* Those in flight end where they are now, and the line keeps its order. */
    for (int i = 6; i < 12; i++)
        if (i < 8 || i > 9)
            cf_limiter_release(fixture->limiter, &fixture->waiters[i], CF_RELEASE_NEVER_SENT, 1000);
    for (int i = 0; i < 6; i++)
        done(fixture, i, 1000);
    assert_int_equal(status(fixture, "org", 1000).in_flight, 0);
    assert_int_equal(status(fixture, "org", 1000).used, 6);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(next(fixture, 60020 + i * 100 - 1), -1);
        assert_int_equal(next(fixture, 60020 + i * 100), 12 + i);
    }
    assert_int_equal(ask(fixture, "x", 20, 60220), 0);
    assert_int_equal(status(fixture, "org", 60220).queued, 1);
}

static void merging_keeps_those_refused_in_front(void **state)
{
    struct fixture *fixture = *state;
    configure(fixture, NULL, 50);
    const char *const keys[] = { "x", "org" };
    for (int i = 0; i < 6; i++)
        assert_int_equal(ask(fixture, keys[i % 2], i, 0), 1);
    for (int i = 5; i >= 2; i--)
        cf_limiter_refused(fixture->limiter, &fixture->waiters[i], 4000 + 500 * (i % 2), 0, 0);
    assert_int_equal(ask(fixture, "x", 6, 0), 0);
    assert_int_equal(ask(fixture, "org", 7, 0), 0);
    cf_limiter_merge(fixture->limiter, "x", "org", 0);
    assert_int_equal(status(fixture, "x", 0).paused_until_ms, 4500);
    cf_limiter_refused(fixture->limiter, &fixture->waiters[1], 0, 0, 0);
    cf_limiter_refused(fixture->limiter, &fixture->waiters[0], 0, 0, 0);
    for (int i = 0; i < 8; i++) {
        int64_t at_ms = cf_limiter_wake_ms(fixture->limiter);
        assert_int_equal(next(fixture, at_ms), i);
    }
}

static void merged_keys_stay_merged(void **state)
{
    struct fixture *fixture = *state;
    cf_limiter_merge(fixture->limiter, "x", "y", 0);
    cf_limiter_merge(fixture->limiter, "y", "z", 0);
    cf_limiter_merge(fixture->limiter, "z", "x", 0);      /* one already */
    cf_limiter_merge(fixture->limiter, "x", "x", 0);
    assert_int_equal(ask(fixture, "x", 0, 0), 1);
    assert_int_equal(status(fixture, "z", 0).used, 1);
    assert_int_equal(status(fixture, "y", 0).used, 1);
    assert_int_equal(cf_limiter_lanes(fixture->limiter), 1);
    hear(fixture, 0, 300, -1, 0);
    struct cf_limit_learnt learnt;
    assert_true(cf_limiter_learnt(fixture->limiter, "y", &learnt));
    assert_int_equal(learnt.limits.requests, 300);
}

static void merging_keeps_what_was_learnt_and_the_lower_config(void **state)
{
    struct fixture *fixture = *state;
    const struct cf_limit_learnt learnt = { .limits = { 2000, 90000, 8000 } };
    cf_limiter_restore(fixture->limiter, "x", &learnt, 0);
    cf_limiter_merge(fixture->limiter, "x", "org", 0);
    assert_int_equal(status(fixture, "org", 0).limit, 2000);

    configure(fixture, "k1", 70);
    configure(fixture, "k2", 30);
    cf_limiter_merge(fixture->limiter, "k1", "org", 0);
    assert_int_equal(status(fixture, "org", 0).limit, 70);
    cf_limiter_merge(fixture->limiter, "k2", "org", 0);
    assert_int_equal(status(fixture, "org", 0).limit, 30);
    configure(fixture, "k1", 900);
    assert_int_equal(status(fixture, "k1", 0).limit, 30);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
#define COUNT(array) (sizeof(array) / sizeof *(array))

int main(void)
{
    static const struct CMUnitTest plain[] = {
        TEST(the_default_gives_way_to_what_is_said),
        TEST(a_lowered_limit_holds_at_once),
        TEST(a_halved_limit_goes_on_at_half_the_rate),
        TEST(a_raised_limit_holds_at_once),
        TEST(an_older_request_s_reply_is_passed_over),
        TEST(what_others_use_is_left_to_them_and_drains),
        TEST(what_is_ours_is_not_taken_for_foreign),
        TEST(a_ceiling_below_the_limit_leaves_room_for_others),
        TEST(what_was_learnt_outlives_the_lane),
        TEST(what_was_kept_starts_a_lane),
        TEST(a_server_that_lets_bursts_pass_gets_them),
        TEST(where_bursts_were_refused_none_is_risked_again),
        TEST(merging_joins_counts_and_lines),
        TEST(merging_keeps_those_refused_in_front),
        TEST(merged_keys_stay_merged),
        TEST(merging_keeps_what_was_learnt_and_the_lower_config),
    };
    struct CMUnitTest tests[COUNT(plain) + COUNT(ceiling_rows)];
    size_t n = 0;
    for (size_t i = 0; i < COUNT(plain); i++)
        tests[n++] = plain[i];
    for (size_t i = 0; i < COUNT(ceiling_rows); i++)
        tests[n++] = (struct CMUnitTest){ ceiling_rows[i].name, check_ceiling, NULL, NULL,
                                          &ceiling_rows[i] };
    return cmocka_run_group_tests_name("learn", tests, NULL, NULL);
}
