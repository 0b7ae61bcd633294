/* Random calls over simulated hours, looked at from the server: whatever happens to them, no
 * window of any placement holds more than the limit, the line keeps its order, and none of the
 * window stays unused while somebody waits. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "confab/error.h"
#include "confab/limiter.h"
#include "confab/rng.h"
#include "limit/heap.h"

#define LANES 12

struct row {
    const char *name;
    uint64_t seed;
    int64_t  hours;
    struct cf_limit_config config;
    int64_t  parts;             /* a call takes up to such a part of a token limit */
    int64_t  think_ms;          /* mean pause between two calls of a lane; 0: some always wait */
    int      trouble_percent;   /* of calls: 429, not sent, failed, unknown, cancelled */
    int64_t  write_ms;          /* a request takes up to this to be written */
    double   least_use;         /* of the scarcest limit, while there is demand */
    int      news_percent;      /* of replies: the limits change, or others have used some */
};

enum what { ARRIVE, SENT, END };

struct call {
    struct cf_heap_node node;
    enum what what;             /* happens when the node is due */
    struct cf_waiter waiter;
    int lane;
    int64_t granted_ms, seen_ms;
    struct cf_amounts limits;   /* in force at the grant */
};

struct seen { int64_t at_ms; uint64_t grant; struct cf_amounts amounts, limits; };

struct lane {
    char name[16];
    struct seen *seen;          /* what the server counts */
    size_t len, cap;
    size_t queued;
};

struct world {
    const struct row *row;
    struct cf_rng rng;
    struct cf_limiter *limiter;
    struct cf_heap events;
    struct lane lanes[LANES];
    int64_t now_ms;
};

static bool chance(struct world *world, int percent)
{
    return cf_rng_range(&world->rng, 0, 99) < percent;
}

static void plan(struct world *world, struct call *call, enum what what, int64_t after_ms)
{
    call->what = what;
    cf_heap_set(&world->events, &call->node, world->now_ms + after_ms);
}

static struct cf_amounts some_amounts(struct world *world)
{
    const struct cf_limit_config *config = &world->row->config;
    int64_t parts = world->row->parts;
    struct cf_amounts amounts = { .requests = 1 };
    if (config->max_input_tokens)
        amounts.input = cf_rng_range(&world->rng, 1, config->max_input_tokens / parts);
    if (config->max_output_tokens)
        amounts.output = cf_rng_range(&world->rng, 1, config->max_output_tokens / parts);
    return amounts;
}

static void check_order(struct cf_waiter *waiter, void *self)
{
    const struct cf_waiter *granted = self;
    assert_true(waiter->order > granted->order);
}

static void granted(struct world *world, struct call *call)
{
    /* Every hundredth: it walks the whole line. */
    if (call->waiter.grant % 100 == 1)
        cf_limiter_each_queued(world->limiter, world->lanes[call->lane].name, check_order,
                               &call->waiter);
    struct cf_limit_status status;
    cf_limiter_status(world->limiter, world->lanes[call->lane].name, world->now_ms, &status);
    call->limits = status.amounts_limit;
    call->granted_ms = world->now_ms;
    plan(world, call, SENT, cf_rng_range(&world->rng, 0, world->row->write_ms));
}

static void arrive(struct world *world, int lane)
{
    struct call *call = cf_calloc(1, sizeof *call);
    call->lane = lane;
    struct cf_amounts amounts = some_amounts(world);
    int result = cf_limiter_acquire(world->limiter, world->lanes[lane].name, &call->waiter,
                                    &amounts, world->now_ms, NULL);
    assert_true(result >= 0);
    if (result == 1) {
        granted(world, call);
    } else if (chance(world, world->row->trouble_percent / 4)) {
        cf_limiter_cancel(world->limiter, &call->waiter, world->now_ms);
        free(call);
    } else {
        world->lanes[lane].queued++;
    }
}

static void see(struct lane *lane, const struct call *call, struct cf_amounts amounts)
{
    if (lane->len == lane->cap) {
        lane->cap = lane->cap ? lane->cap * 2 : 1024;
        lane->seen = cf_realloc(lane->seen, lane->cap * sizeof *lane->seen);
    }
    lane->seen[lane->len++] =
        (struct seen){ call->seen_ms, call->waiter.grant, amounts, call->limits };
}

/* A limit from a quarter of the configured one to twice as much, and what may be left of it. */
static struct cf_limit_news some_news(struct world *world, int64_t configured)
{
    struct cf_limit_news news = { .has_limit = configured > 0 && chance(world, 50) };
    news.limit = cf_rng_range(&world->rng, configured / 4 + 1, configured * 2);
    news.has_remaining = configured > 0 && chance(world, 50);
    news.remaining = cf_rng_range(&world->rng, configured / 4, configured * 2);
    return news;
}

static void tell_news(struct world *world, struct call *call)
{
    if (!chance(world, world->row->news_percent))
        return;
    const struct cf_limit_config *config = &world->row->config;
    struct cf_limit_feedback feedback = {
        .requests = some_news(world, config->max_requests),
        .input = some_news(world, config->max_input_tokens),
        .output = some_news(world, config->max_output_tokens),
    };
    cf_limiter_feedback(world->limiter, &call->waiter, &feedback, world->now_ms);

    struct lane *lane = &world->lanes[call->lane];
    struct cf_limit_status status;
    cf_limiter_status(world->limiter, lane->name, world->now_ms, &status);
    struct call in_force = { .limits = status.amounts_limit, .seen_ms = world->now_ms };
    see(lane, &in_force, (struct cf_amounts){ 0 });
}

static void end(struct world *world, struct call *call)
{
    struct lane *lane = &world->lanes[call->lane];
    struct cf_amounts amounts = call->waiter.amounts;
    bool is_trouble = chance(world, world->row->trouble_percent);
    tell_news(world, call);
    switch (is_trouble ? cf_rng_range(&world->rng, 0, 3) : -1) {
    case 0:
        cf_limiter_refused(world->limiter, &call->waiter, cf_rng_range(&world->rng, 0, 5000),
                           cf_rng_range(&world->rng, 0, 1000), world->now_ms);
        lane->queued++;
        return;
    case 1:
        amounts.output = 0;
        cf_limiter_release(world->limiter, &call->waiter, CF_RELEASE_FAILED, world->now_ms);
        break;
    case 2:
        cf_limiter_release(world->limiter, &call->waiter, CF_RELEASE_UNKNOWN, world->now_ms);
        break;
    case 3:
        amounts.output /= 2;
        cf_limiter_settle(world->limiter, &call->waiter, &amounts, world->now_ms);
        cf_limiter_release(world->limiter, &call->waiter, CF_RELEASE_DONE, world->now_ms);
        break;
    default:
        cf_limiter_release(world->limiter, &call->waiter, CF_RELEASE_DONE, world->now_ms);
    }
    see(lane, call, amounts);
    free(call);
}

static void happen(struct world *world, struct call *call)
{
    const struct row *row = world->row;
    switch (call->what) {
    case ARRIVE:
        arrive(world, call->lane);
        plan(world, call, ARRIVE, cf_rng_range(&world->rng, 1, 2 * row->think_ms));
        break;
    case SENT:
        if (chance(world, row->trouble_percent / 4)) {
            cf_limiter_release(world->limiter, &call->waiter, CF_RELEASE_NEVER_SENT, world->now_ms);
            free(call);
            break;
        }
        cf_limiter_sent(world->limiter, &call->waiter, world->now_ms);
        call->seen_ms = cf_rng_range(&world->rng, call->granted_ms, world->now_ms);
        plan(world, call, END, cf_rng_range(&world->rng, 0, chance(world, 2) ? 90000 : 4000));
        break;
    case END:
        end(world, call);
        break;
    }
}

static struct call *call_of_node(struct cf_heap_node *node)
{
    return (struct call *)((char *)node - offsetof(struct call, node));
}

static struct call *call_of_waiter(struct cf_waiter *waiter)
{
    return (struct call *)((char *)waiter - offsetof(struct call, waiter));
}

static void top_up(struct world *world)
{
    for (int i = 0; i < LANES; i++)
        while (world->row->think_ms == 0 && world->lanes[i].queued < 3)
            arrive(world, i);
}

static void run(struct world *world)
{
    int64_t end_ms = world->now_ms + world->row->hours * 3600 * 1000;
    for (;;) {
        struct cf_waiter *waiter;
        while (cf_limiter_next(world->limiter, world->now_ms, &waiter)) {
            world->lanes[call_of_waiter(waiter)->lane].queued--;
            granted(world, call_of_waiter(waiter));
        }
        top_up(world);

        struct cf_heap_node *node = cf_heap_top(&world->events);
        int64_t wake_ms = cf_limiter_wake_ms(world->limiter);
        assert_true(wake_ms < 0 || wake_ms >= world->now_ms);
        int64_t next_ms = node ? node->at_ms : wake_ms;
        if (wake_ms >= 0 && wake_ms < next_ms)
            next_ms = wake_ms;
        if (next_ms > end_ms)
            break;
        world->now_ms = next_ms;
        while ((node = cf_heap_top(&world->events)) != NULL && node->at_ms <= world->now_ms) {
            cf_heap_remove(&world->events, node);
            happen(world, call_of_node(node));
        }
    }
}

static int by_time(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;
    return x->at_ms < y->at_ms ? -1 : x->at_ms > y->at_ms;
}

static int64_t amount_of(const struct seen *seen, int resource)
{
    const int64_t amounts[] = { seen->amounts.requests, seen->amounts.input, seen->amounts.output };
    return amounts[resource];
}

/* The most in any closed window. */
static int64_t most_seen(const struct lane *lane, int resource, int64_t window_ms)
{
    int64_t most = 0, sum = 0;
    size_t first = 0;
    for (size_t i = 0; i < lane->len; i++) {
        sum += amount_of(&lane->seen[i], resource);
        while (lane->seen[first].at_ms < lane->seen[i].at_ms - window_ms)
            sum -= amount_of(&lane->seen[first++], resource);
        most = sum > most ? sum : most;
    }
    return most;
}

static int64_t limit_of(const struct seen *seen, int resource)
{
    const int64_t limits[] = { seen->limits.requests, seen->limits.input, seen->limits.output };
    return limits[resource];
}

/* With limits that change no window holds more than the largest that was in force in it: each grant
 * takes its part of the limit of its time. */
static void check_changes(const struct lane *lane, int resource, int64_t window_ms)
{
    for (size_t i = 0; i < lane->len; i++) {
        int64_t sum = 0, most = 0;
        for (size_t k = i + 1; k-- > 0 && lane->seen[k].at_ms >= lane->seen[i].at_ms - window_ms;) {
            sum += amount_of(&lane->seen[k], resource);
            most = limit_of(&lane->seen[k], resource) > most ? limit_of(&lane->seen[k], resource)
                                                             : most;
        }
        if (most > 0)
            assert_in_range(sum, 0, most);
    }
}

static void check_lane(const struct row *row, struct lane *lane)
{
    const struct cf_limit_config *config = &row->config;
    const int64_t limits[] = { config->max_requests, config->max_input_tokens,
                               config->max_output_tokens };
    qsort(lane->seen, lane->len, sizeof *lane->seen, by_time);

    double best_use = 0;
    for (int r = 0; r < 3; r++) {
        if (limits[r] == 0)
            continue;
        if (row->news_percent > 0) {
            check_changes(lane, r, config->window_ms);
            assert_true(lane->len > (size_t)row->hours * 60);    /* never stuck */
            continue;
        }
        assert_in_range(most_seen(lane, r, config->window_ms), 0, limits[r]);

        double sum = 0;
        for (size_t i = 0; i < lane->len; i++)
            sum += (double)amount_of(&lane->seen[i], r);
        double windows = (double)(row->hours * 3600 * 1000) / (double)config->window_ms;
        double use = sum / windows / (double)limits[r];
        best_use = use > best_use ? use : best_use;
    }
    if (best_use < row->least_use)
        fail_msg("only %.4f of the limit was used, not %.4f", best_use, row->least_use);
}

static void drop_waiter(struct cf_waiter *waiter, void *self)
{
    struct call ***tail = self;
    *(*tail)++ = call_of_waiter(waiter);
}

static void check_row(void **state)
{
    const struct row *row = *state;
    struct world *world = cf_calloc(1, sizeof *world);
    world->row = row;
    world->now_ms = 1000000;
    world->limiter = cf_limiter_new();
    cf_rng_seed(&world->rng, row->seed);
    assert_true(cf_limiter_set_config(world->limiter, NULL, &row->config, world->now_ms, NULL));
    for (int i = 0; i < LANES; i++) {
        snprintf(world->lanes[i].name, sizeof world->lanes[i].name, "lane %d", i);
        if (row->think_ms == 0)
            continue;
        struct call *source = cf_calloc(1, sizeof *source);
        source->lane = i;
        plan(world, source, ARRIVE, cf_rng_range(&world->rng, 0, row->think_ms));
    }

    run(world);

    size_t queued = 0;
    for (int i = 0; i < LANES; i++) {
        check_lane(row, &world->lanes[i]);
        queued += world->lanes[i].queued;
        free(world->lanes[i].seen);
    }
    struct call **left = cf_calloc(queued + 1, sizeof *left), **tail = left;
    cf_limiter_each_queued(world->limiter, NULL, drop_waiter, &tail);
    assert_int_equal(tail - left, queued);
    while (tail-- > left)
        free(*tail);
    free(left);
    for (struct cf_heap_node *node; (node = cf_heap_top(&world->events)) != NULL;) {
        cf_heap_remove(&world->events, node);
        free(call_of_node(node));
    }
    cf_heap_done(&world->events);
    cf_limiter_free(world->limiter);
    free(world);
}

#define PACED(requests, input, output, how, threshold) \
    { .max_requests = (requests), .max_input_tokens = (input), .max_output_tokens = (output), \
      .window_ms = 60000, .enable_queue = true, .pause_threshold = (threshold), \
      .pacing = (how) }
#define SMOOTH(requests, input, output) PACED(requests, input, output, CF_PACING_SMOOTH, 0.9)
#define BURST(requests, input, output) PACED(requests, input, output, CF_PACING_BURST, 0.9)

#define FOUND_OUT(requests) \
    { .max_requests = (requests), .window_ms = 60000, .enable_queue = true, \
      .pause_threshold = 0.9, .pacing = CF_PACING_AUTO, .is_default = true }

/* Where two token limits bind at once, calls that are dear in the one and cheap in the other
 * leave some of both unused, more so the fewer there are in a window. Smooth pacing also keeps
 * within a second's worth at a server that holds no more: what a large call, or replies that come
 * together, leave unused is lost. */
static struct row rows[] = {
    /* name, seed, hours, config, parts, think_ms, trouble_percent, write_ms, least_use */
    { "50 a minute, smooth", 1, 3, SMOOTH(50, 0, 0), 20, 0, 0, 40, 0.995, 0 },
    { "50 a minute, burst", 2, 3, BURST(50, 0, 0), 20, 0, 0, 40, 0.995, 0 },
    { "1000 a minute, smooth", 3, 1, SMOOTH(1000, 0, 0), 20, 0, 0, 40, 0.995, 0 },
    { "1000 a minute, burst", 4, 1, BURST(1000, 0, 0), 20, 0, 0, 40, 0.995, 0 },
    { "1 a minute, smooth", 5, 50, SMOOTH(1, 0, 0), 20, 0, 0, 40, 0.995, 0 },
    { "50 a minute, burst up to a half", 24, 5, PACED(50, 0, 0, CF_PACING_BURST, 0.5), 20, 0, 0, 40,
      0.99, 0 },
    { "2 a minute, burst", 6, 50, BURST(2, 0, 0), 20, 0, 0, 40, 0.995, 0 },
    { "few large calls, smooth", 7, 3, SMOOTH(100000, 40000, 8000), 20, 0, 0, 40, 0.60, 0 },
    { "few large calls, burst", 8, 3, BURST(100000, 40000, 8000), 20, 0, 0, 40, 0.925, 0 },
    { "many small calls, smooth", 9, 1, SMOOTH(100000, 400000, 80000), 400, 0, 0, 40, 0.945, 0 },
    { "many small calls, burst", 10, 1, BURST(100000, 400000, 80000), 400, 0, 0, 40, 0.98, 0 },
    { "output binds alone, smooth", 11, 1, SMOOTH(100000, 0, 80000), 400, 0, 0, 40, 0.965, 0 },
    { "output binds alone, burst", 12, 1, BURST(100000, 0, 80000), 400, 0, 0, 40, 0.99, 0 },
    { "all three bind, smooth", 13, 1, SMOOTH(800, 400000, 80000), 400, 0, 0, 40, 0.94, 0 },
    { "all three bind, burst", 14, 1, BURST(800, 400000, 80000), 400, 0, 0, 40, 0.98, 0 },
    { "trouble of every kind, smooth", 15, 3, SMOOTH(50, 100000, 50000), 20, 0, 20, 500, 0, 0 },
    { "trouble of every kind, burst", 16, 3, BURST(50, 100000, 50000), 20, 0, 20, 500, 0, 0 },
    { "arrivals under the limit", 17, 3, BURST(50, 0, 0), 20, 2000, 8, 5000, 0, 0 },
    { "arrivals over the limit, smooth", 18, 2, SMOOTH(50, 0, 0), 20, 1100, 8, 5000, 0, 0 },
    { "arrivals over the limit, burst", 19, 2, BURST(50, 0, 0), 20, 1100, 8, 5000, 0, 0 },
    { "input over its limit, smooth", 20, 3, SMOOTH(200, 20000, 0), 20, 600, 12, 1000, 0, 0 },
    { "output over its limit, burst", 21, 3, BURST(200, 0, 20000), 20, 600, 12, 1000, 0, 0 },
    { "slow writing, smooth", 22, 3, SMOOTH(50, 50000, 20000), 20, 0, 8, 90000, 0, 0 },
    { "slow writing, burst", 23, 3, BURST(50, 50000, 20000), 20, 0, 8, 90000, 0, 0 },
    { "limits change and others use some, smooth", 24, 3, SMOOTH(50, 50000, 20000), 20, 0, 10, 200,
      0, 10 },
    { "limits change and others use some, burst", 25, 3, BURST(50, 50000, 20000), 20, 0, 10, 200,
      0, 10 },
    { "found out limits change, auto", 26, 3, FOUND_OUT(50), 20, 0, 10, 200, 0, 10 },
};

int main(void)
{
    enum { ROWS = sizeof rows / sizeof *rows };
    struct CMUnitTest tests[ROWS];
    for (int i = 0; i < ROWS; i++)
        tests[i] = (struct CMUnitTest){ rows[i].name, check_row, NULL, NULL, &rows[i] };
    return cmocka_run_group_tests_name("limiter_property", tests, NULL, NULL);
}
