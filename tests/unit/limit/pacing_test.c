/* The limiter against two kinds of server, in simulated time: one has a bucket of a whole window,
 * the other of a sixtieth of it. A run must come close to the time that its needs take at the
 * least, and be refused as good as never. With PACING_FIGURES set the figures are printed; the rows
 * that end in "as measured" have the windows, latencies and replies of those of scripts/bench. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "confab/limiter.h"
#include "confab/output_estimate.h"
#include "confab/rng.h"
#include "limit/heap.h"

#define MAX_TOKENS  4096
#define QUEUED      3        /* calls kept waiting */

enum { REQUESTS, INPUT, OUTPUT, RESOURCES };

/* How long things take, and how the amounts of calls vary. */
struct scale {
    int64_t window_ms;
    int64_t latency_ms, latency_spread_ms, token_us;    /* of replies: all, by chance, by length */
    int64_t writing_ms;            /* from a grant until its request is written, at the most */
    int64_t stall_ms;              /* at the most: now and then nothing is written for so long */
    bool    is_measured;           /* replies of three lengths in turn, input all alike */
};

static const struct scale minute = { 60000, 300, 600, 6000, 0, 0, false };
static const struct scale four_seconds = { 4000, 100, 0, 0, 5, 0, true };
static const struct scale half_a_minute = { 30000, 100, 0, 0, 5, 0, true };
static const struct scale stalling = { 30000, 100, 0, 0, 5, 600, true };

static const int64_t length_percents[] = { 41, 98, 161 };    /* of 4, 10 and 16 turns */

struct row {
    const char *name;
    const struct scale *scale;
    int64_t limit[RESOURCES];      /* of the server; 0: none */
    int64_t calls;
    int64_t mean_input, mean_output;
    bool    by_second;
    bool    is_told;               /* the client is configured with the limits */
    bool    is_halved;             /* once half the calls have been answered */
    double  foreign;               /* part of the limits that others use, evenly */
    double  most_ratio;            /* of the makespan to the bound */
    int64_t most_refused;
};

struct bucket { double limit, full, level; };

struct call {
    struct cf_heap_node node;
    enum { WRITE, ARRIVE, REPLY, REFUSAL } what;      /* happens when the node is due */
    struct cf_waiter waiter;
    struct cf_amounts actual;
    struct cf_limit_feedback headers;
    int64_t wait_ms;
};

struct world {
    const struct row *row;
    struct cf_rng rng;
    struct cf_limiter *limiter;
    struct cf_output_estimate estimate;
    struct cf_heap events;
    struct bucket bucket[RESOURCES];
    double  needs_ms[RESOURCES];   /* the time that what was used takes at the limit */
    int64_t bucket_ms, now_ms, made, queued, answered, refused;
    int64_t stall_ms, stalled_until_ms;    /* the next one's beginning, the last one's end */
    double  latency_ms;            /* their sum */
};

static void set_limit(struct world *world, int r, double limit)
{
    struct bucket *bucket = &world->bucket[r];
    double full = world->row->by_second ? fmax(limit / 60, 1) : limit;
    bucket->level = bucket->limit == 0 ? full : fmin(bucket->level, full);
    bucket->limit = limit;
    bucket->full = full;
}

static void refill(struct world *world)
{
    double elapsed = (double)(world->now_ms - world->bucket_ms);
    world->bucket_ms = world->now_ms;
    for (int r = 0; r < RESOURCES; r++) {
        struct bucket *bucket = &world->bucket[r];
        double rate = bucket->limit * (1 - world->row->foreign) / world->row->scale->window_ms;
        bucket->level = fmin(bucket->full, bucket->level + elapsed * rate);
    }
}

static void take(struct world *world, int r, double amount)
{
    struct bucket *bucket = &world->bucket[r];
    if (bucket->limit == 0)
        return;
    bucket->level -= amount;
    world->needs_ms[r] += amount / bucket->limit * world->row->scale->window_ms;
}

static void plan(struct world *world, struct call *call, int what, int64_t after_ms)
{
    call->what = what;
    cf_heap_set(&world->events, &call->node, world->now_ms + after_ms);
}

static struct cf_limit_news news_of(const struct bucket *bucket, bool is_rounded)
{
    struct cf_limit_news news = { .has_limit = bucket->limit > 0, .limit = (int64_t)bucket->limit };
    double left = fmax(0, bucket->limit - ceil(bucket->full - bucket->level));
    news.has_remaining = news.has_limit;
    news.remaining = is_rounded && bucket->limit >= 10000 ? llround(left / 1000) * 1000
                                                          : (int64_t)left;
    return news;
}

static struct cf_limit_feedback headers_of(const struct world *world)
{
    return (struct cf_limit_feedback){
        .requests = news_of(&world->bucket[REQUESTS], false),
        .input = news_of(&world->bucket[INPUT], true),
        .output = news_of(&world->bucket[OUTPUT], true),
    };
}

/* The server gets a request. */
static void arrive(struct world *world, struct call *call)
{
    const double needs[RESOURCES] = { 1, (double)call->actual.input, 1 };
    double window_ms = (double)world->row->scale->window_ms, wait_ms = 0;
    for (int r = 0; r < RESOURCES; r++) {
        struct bucket *bucket = &world->bucket[r];
        double need = fmin(needs[r], bucket->full);
        if (bucket->limit > 0 && bucket->level < need)
            wait_ms = fmax(wait_ms, (need - bucket->level) / bucket->limit * window_ms);
    }
    if (wait_ms > 0) {
        call->wait_ms = (int64_t)ceil(wait_ms / 1000) * 1000;
        call->headers = headers_of(world);
        call->headers.is_refusal = true;
        plan(world, call, REFUSAL, 2);
        return;
    }
    take(world, REQUESTS, 1);
    take(world, INPUT, (double)call->actual.input);
    const struct scale *scale = world->row->scale;
    int64_t latency_ms = scale->latency_ms + call->actual.output * scale->token_us / 1000 +
                         cf_rng_range(&world->rng, 0, scale->latency_spread_ms);
    world->latency_ms += (double)latency_ms;
    plan(world, call, REPLY, latency_ms);
}

static void granted(struct world *world, struct call *call)
{
    const struct scale *scale = world->row->scale;
    int64_t after_ms = cf_rng_range(&world->rng, 0, scale->writing_ms);
    if (scale->stall_ms > 0 && world->now_ms > world->stall_ms) {
        world->stalled_until_ms = world->now_ms + cf_rng_range(&world->rng, 20, scale->stall_ms);
        world->stall_ms = world->now_ms + cf_rng_range(&world->rng, 1000, 10000);
    }
    if (world->now_ms + after_ms < world->stalled_until_ms)
        after_ms = world->stalled_until_ms - world->now_ms;
    plan(world, call, WRITE, after_ms);
}

/* What a call really needs. */
static struct cf_amounts needs_of(struct world *world)
{
    const struct row *row = world->row;
    if (row->scale->is_measured) {
        int64_t percent = length_percents[world->made % 3];
        return (struct cf_amounts){ 1, row->mean_input,
                                    row->mean_output * percent / 100 +
                                        cf_rng_range(&world->rng, -60, 60) };
    }
    int64_t spread = row->mean_output * 3 / 4;
    return (struct cf_amounts){
        1, cf_rng_range(&world->rng, row->mean_input / 2, row->mean_input * 3 / 2),
        cf_rng_range(&world->rng, row->mean_output - spread, row->mean_output + spread),
    };
}

static void ask(struct world *world)
{
    const struct row *row = world->row;
    struct call *call = cf_calloc(1, sizeof *call);
    call->actual = needs_of(world);
    int64_t guessed = row->scale->is_measured ? 100 : cf_rng_range(&world->rng, 92, 112);
    struct cf_amounts guess = {
        1, call->actual.input * guessed / 100,
        cf_output_estimate_get(&world->estimate, MAX_TOKENS),
    };
    world->made++;
    int result = cf_limiter_acquire(world->limiter, "lane", &call->waiter, &guess, world->now_ms,
                                    NULL);
    assert_true(result >= 0);
    if (result == 1)
        granted(world, call);
    else
        world->queued++;
}

static void happen(struct world *world, struct call *call)
{
    refill(world);
    switch (call->what) {
    case WRITE:
        cf_limiter_sent(world->limiter, &call->waiter, world->now_ms);
        plan(world, call, ARRIVE, cf_rng_range(&world->rng, 0, 2));
        break;
    case ARRIVE:
        arrive(world, call);
        break;
    case REFUSAL:
        world->refused++;
        world->queued++;
        cf_limiter_feedback(world->limiter, &call->waiter, &call->headers, world->now_ms);
        cf_limiter_refused(world->limiter, &call->waiter, call->wait_ms,
                           cf_rng_range(&world->rng, 0, 200), world->now_ms);
        break;
    case REPLY:
        take(world, OUTPUT, (double)call->actual.output);
        call->headers = headers_of(world);
        cf_output_estimate_add(&world->estimate, call->actual.output);
        cf_limiter_settle(world->limiter, &call->waiter, &call->actual, world->now_ms);
        cf_limiter_feedback(world->limiter, &call->waiter, &call->headers, world->now_ms);
        cf_limiter_release(world->limiter, &call->waiter, CF_RELEASE_DONE, world->now_ms);
        free(call);
        if (++world->answered == world->row->calls / 2 && world->row->is_halved)
            for (int r = 0; r < RESOURCES; r++)
                set_limit(world, r, world->bucket[r].limit / 2);
    }
}

static struct call *call_of_node(struct cf_heap_node *node)
{
    return (struct call *)((char *)node - offsetof(struct call, node));
}

static void run(struct world *world)
{
    while (world->answered < world->row->calls) {
        struct cf_waiter *waiter;
        do {
            while (cf_limiter_next(world->limiter, world->now_ms, &waiter)) {
                world->queued--;
                granted(world, (struct call *)((char *)waiter - offsetof(struct call, waiter)));
            }
            while (world->queued < QUEUED && world->made < world->row->calls)
                ask(world);
        } while (cf_limiter_wake_ms(world->limiter) == world->now_ms);

        struct cf_heap_node *node = cf_heap_top(&world->events);
        int64_t wake_ms = cf_limiter_wake_ms(world->limiter);
        assert_true(node != NULL || wake_ms >= 0);
        world->now_ms = node != NULL && (wake_ms < 0 || node->at_ms < wake_ms) ? node->at_ms
                                                                               : wake_ms;
        while ((node = cf_heap_top(&world->events)) != NULL && node->at_ms <= world->now_ms) {
            cf_heap_remove(&world->events, node);
            happen(world, call_of_node(node));
        }
    }
}

static void check_row(void **state)
{
    const struct row *row = *state;
    struct world *world = cf_calloc(1, sizeof *world);
    world->row = row;
    world->now_ms = world->bucket_ms = 1000000;
    world->limiter = cf_limiter_new();
    cf_rng_seed(&world->rng, 1);

    struct cf_limit_config config;
    cf_limit_config_default(&config);
    config.window_ms = row->scale->window_ms;
    if (row->is_told) {
        config.is_default = false;
        config.max_requests = row->limit[REQUESTS];
        config.max_input_tokens = row->limit[INPUT];
        config.max_output_tokens = row->limit[OUTPUT];
    }
    assert_true(cf_limiter_set_config(world->limiter, NULL, &config, world->now_ms, NULL));
    for (int r = 0; r < RESOURCES; r++)
        set_limit(world, r, (double)row->limit[r]);

    run(world);

    double bound_ms = 0;
    for (int r = 0; r < RESOURCES; r++)
        bound_ms = fmax(bound_ms, world->needs_ms[r] / (1 - row->foreign));
    bound_ms -= row->by_second ? world->row->scale->window_ms / 60 : world->row->scale->window_ms;
    bound_ms += world->latency_ms / (double)row->calls;
    double ratio = (double)(world->now_ms - 1000000) / bound_ms;
    if (getenv("PACING_FIGURES") != NULL)
        printf("%-44s bound %7.0f s, makespan / bound %.4f, refused %d\n", row->name,
               bound_ms / 1000, ratio, (int)world->refused);

    struct cf_limit_learnt learnt = { 0 };
    cf_limiter_learnt(world->limiter, "lane", &learnt);
    int64_t refused = world->refused;
    cf_heap_done(&world->events);
    cf_limiter_free(world->limiter);
    free(world);
    if (ratio > row->most_ratio)
        fail_msg("it took %.4f of the bound, not %.2f", ratio, row->most_ratio);
    assert_in_range(refused, 0, row->most_refused);
    assert_int_not_equal(learnt.bursts, row->by_second ? CF_BURSTS_PASS : CF_BURSTS_REFUSED);
}

#define RPM    &minute, { 1000, 10000000, 10000000 }, 40000, 500, 200
#define INPUT_BOUND  &minute, { 4000, 400000, 10000000 }, 40000, 400, 200
#define OUTPUT_BOUND &minute, { 4000, 10000000, 160000 }, 64000, 500, 200
#define ALL    &minute, { 1000, 500000, 200000 }, 100000, 500, 200
#define LONG   &minute, { 4000, 10000000, 800000 }, 32000, 500, 1000
#define TWO_WINDOWS  &minute, { 1000, 10000000, 10000000 }, 1800, 500, 200
#define FEW_TOLD  &minute, { 50, 0, 0 }, 2500, 500, 200
#define FEW  &minute, { 50, 0, 0 }, 100, 500, 200
#define MEASURED(requests, input, output, calls) { requests, input, output }, calls, 452, 658
#define MEASURED_RPM   MEASURED(500, 0, 0, 37500)
#define TOLD   true, false, 0
#define FOUND  false, false, 0
#define HALVED true, true, 0

static struct row rows[] = {
    /* name, scale, limits, calls, mean input and output, by_second, is_told, is_halved, foreign,
     * most of the bound, most 429s */
    { "requests bind, minute bucket", RPM, false, TOLD, 1.03, 0 },
    { "requests bind, by the second", RPM, true, TOLD, 1.03, 0 },
    { "few requests bind, minute bucket", FEW_TOLD, false, TOLD, 1.03, 0 },
    { "few requests bind, by the second", FEW_TOLD, true, TOLD, 1.03, 0 },
    { "input binds, minute bucket", INPUT_BOUND, false, TOLD, 1.03, 0 },
    { "input binds, by the second", INPUT_BOUND, true, TOLD, 1.03, 0 },
    { "output binds, minute bucket", OUTPUT_BOUND, false, TOLD, 1.05, 0 },
    { "output binds, by the second", OUTPUT_BOUND, true, TOLD, 1.05, 0 },
    { "all three bind, minute bucket", ALL, false, TOLD, 1.03, 0 },
    { "all three bind, by the second", ALL, true, TOLD, 1.03, 0 },
    { "output binds, long replies, minute bucket", LONG, false, TOLD, 1.05, 0 },
    { "output binds, long replies, by the second", LONG, true, TOLD, 1.12, 1 },
    { "found out, requests bind, minute bucket", RPM, false, FOUND, 1.05, 2 },
    { "found out, two windows of requests, minute bucket", TWO_WINDOWS, false, FOUND, 1.55, 2 },
    { "found out, two windows of requests, by the second", TWO_WINDOWS, true, FOUND, 1.06, 2 },
    { "found out, few requests bind, minute bucket", FEW, false, FOUND, 1.25, 2 },
    { "found out, few requests bind, by the second", FEW, true, FOUND, 1.05, 2 },
    { "found out, requests bind, by the second", RPM, true, FOUND, 1.05, 2 },
    { "found out, input binds, minute bucket", INPUT_BOUND, false, FOUND, 1.05, 2 },
    { "found out, input binds, by the second", INPUT_BOUND, true, FOUND, 1.05, 2 },
    { "found out, output binds, minute bucket", OUTPUT_BOUND, false, FOUND, 1.05, 2 },
    { "found out, output binds, by the second", OUTPUT_BOUND, true, FOUND, 1.05, 2 },
    { "found out, all three bind, minute bucket", ALL, false, FOUND, 1.05, 2 },
    { "found out, all three bind, by the second", ALL, true, FOUND, 1.05, 2 },
    { "halved, requests bind, minute bucket", RPM, false, HALVED, 1.05, 2 },
    { "halved, requests bind, by the second", RPM, true, HALVED, 1.05, 2 },
    { "halved, input binds, minute bucket", INPUT_BOUND, false, HALVED, 1.05, 2 },
    { "halved, input binds, by the second", INPUT_BOUND, true, HALVED, 1.05, 2 },
    { "halved, output binds, minute bucket", OUTPUT_BOUND, false, HALVED, 1.05, 2 },
    { "halved, output binds, by the second", OUTPUT_BOUND, true, HALVED, 1.05, 2 },
    { "halved, all three bind, minute bucket", ALL, false, HALVED, 1.05, 2 },
    { "halved, all three bind, by the second", ALL, true, HALVED, 1.05, 2 },
    { "requests, minute bucket, as measured", &four_seconds, MEASURED_RPM, false, TOLD, 1.03, 0 },
    { "output, minute bucket, as measured", &four_seconds, MEASURED(50000, 0, 329000, 37500), false,
      TOLD, 1.03, 0 },
    { "all three, minute bucket, as measured", &four_seconds, MEASURED(500, 226000, 329000, 37500),
      false, TOLD, 1.03, 0 },
    { "found out, minute bucket, as measured", &four_seconds, MEASURED_RPM, false, FOUND, 1.05, 2 },
    { "found out and halved, minute bucket, as measured", &four_seconds, MEASURED_RPM, false, false,
      true, 0, 1.05, 2 },
    { "requests, by the second, as measured", &half_a_minute, MEASURED(500, 0, 0, 500), true, TOLD,
      1.02, 0 },
    { "output, by the second, as measured", &half_a_minute, MEASURED(50000, 0, 329000, 500), true,
      TOLD, 1.03, 0 },
    { "all three, by the second, as measured", &half_a_minute, MEASURED(500, 226000, 329000, 500),
      true, TOLD, 1.03, 0 },
    { "found out, by the second, as measured", &half_a_minute, MEASURED(500, 0, 0, 2000), true,
      FOUND, 1.05, 2 },
    { "halved, all three, by the second, as measured", &half_a_minute,
      MEASURED(500, 226000, 329000, 500), true, HALVED, 1.05, 2 },
    { "requests, by the second, on a machine that stalls", &stalling, MEASURED(500, 0, 0, 2000),
      true, TOLD, 1.05, 0 },
    { "all three, by the second, on a machine that stalls", &stalling,
      MEASURED(500, 226000, 329000, 2000), true, TOLD, 1.06, 0 },
    { "others use a third, minute bucket", RPM, false, true, false, 0.333, 1.05, 2 },
};

int main(void)
{
    enum { ROWS = sizeof rows / sizeof *rows };
    struct CMUnitTest tests[ROWS];
    for (int i = 0; i < ROWS; i++)
        tests[i] = (struct CMUnitTest){ rows[i].name, check_row, NULL, NULL, &rows[i] };
    return cmocka_run_group_tests_name("pacing", tests, NULL, NULL);
}
