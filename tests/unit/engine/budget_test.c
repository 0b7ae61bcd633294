/* Budgets: what is promised is kept, whatever happens to the calls and however many go at once. */
#include "sender_fixture.h"

#include "confab/rng.h"

static struct fixture fixture;

/* A call's real bound, so that the simulator's replies are within it. */
static int64_t bound_of(struct fixture *f)
{
    struct cf_cost_limits limits = { .input_tokens = cf_input_bound(256, 1, false),
                                     .output_tokens = 256 };
    return cf_cost_bound(&f->model->price, &limits);
}

static struct fixture *open_priced(const char *spec)
{
    struct fixture *f = &fixture;
    fixture_open(f, spec, NULL);
    must(f, cf_price_set(&f->model->price, 0, CF_TOKENS_CACHE_WRITE_5M, false, "3.75", 4, &f->err));
    must(f, cf_price_set(&f->model->price, 0, CF_TOKENS_CACHE_WRITE_1H, false, "6", 1, &f->err));
    must(f, cf_price_set(&f->model->price, 0, CF_TOKENS_CACHE_READ, false, "0.3", 3, &f->err));
    return f;
}

static struct cf_account account_now(struct fixture *f)
{
    struct cf_account account;
    cf_account_read(&f->account, &account);
    return account;
}

static void check_stopped(struct cf_call *call, const char *words)
{
    assert_false(call->has_reply);
    assert_int_equal(call->error.kind, CF_ERR_BUDGET);
    assert_true(call->stops_run);
    if (strstr(call->error.message, words) == NULL)
        fail_msg("\"%s\" is not in: %s", words, call->error.message);
    cf_call_free(call);
}

static void what_does_not_fit_is_not_sent(void **state)
{
    (void)state;
    struct fixture *f = open_priced("");
    cf_account_set_budget(&f->account, BOUND_PICO - 1);
    fixture_start(f);
    fixture_submit(f);
    check_stopped(fixture_next(f), "the budget of $0.005 is used up: $0.00 spent");
    assert_rows(f, 0, "calls");
    fixture_submit(f); /* and whatever comes later */
    check_stopped(fixture_next(f), "is used up");
    fixture_check_rows(f);
    assert_int_equal(fixture_counters(f)->requests, 0);
    fixture_close(f);
}

static void a_call_waits_until_others_have_settled(void **state)
{
    (void)state;
    struct fixture *f = open_priced("latency=fixed:30");
    cf_account_set_budget(&f->account, 3 * BOUND_PICO - 1);
    fixture_start(f);
    for (int i = 0; i < 3; i++)
        fixture_submit(f);
    fixture_until(f, in_flight, 2);
    assert_int_equal(fixture_status(f).waiting_for_budget, 1);
    assert_int_equal(fixture_status(f).waiting, 0); /* it holds no slot */
    for (int i = 0; i < 3; i++) {
        struct cf_call *call = fixture_next(f);
        assert_true(call->has_reply);
        cf_call_free(call);
    }
    fixture_check_rows(f);
    fixture_close(f);
}

static void what_earlier_sessions_spent_and_risked_counts(void **state)
{
    (void)state;
    struct fixture *f = open_priced("");
    cf_account_add_earlier(&f->account, BOUND_PICO, BOUND_PICO);
    cf_account_set_budget(&f->account, 3 * BOUND_PICO - 1);
    fixture_start(f);
    fixture_submit(f);
    check_stopped(fixture_next(f), "$0.005 spent, $0.005 at risk");
    fixture_close(f);
}

static void a_lost_reply_counts_for_good(void **state)
{
    (void)state;
    struct fixture *f = open_priced("faults=reset");
    cf_account_set_budget(&f->account, 2 * BOUND_PICO + BOUND_PICO / 2);
    f->options.retry.max_attempts = 10;
    fixture_start(f);
    fixture_submit(f);
    struct cf_call *call = fixture_next(f);
    assert_int_equal(call->attempts, 2); /* each attempt reserves anew */
    check_stopped(call, "is used up");
    assert_int_equal(account_now(f).ledger.at_risk, 2 * BOUND_PICO);
    assert_rows(f, 1, "calls WHERE state = 'waiting' AND attempts = 2");
    fixture_check_rows(f);
    fixture_close(f);
}

static void a_429_gives_its_reservation_back(void **state)
{
    (void)state;
    struct fixture *f = open_priced("faults=429@1-3");
    cf_account_set_budget(&f->account, BOUND_PICO);
    fixture_start(f);
    fixture_submit(f);
    struct cf_call *call = fixture_next_in_time(f);
    assert_true(call->has_reply);
    assert_int_equal(call->attempts, 4);
    cf_call_free(call);
    fixture_check_rows(f);
    fixture_close(f);
}

static void a_parents_budget_holds_for_all_runs(void **state)
{
    (void)state;
    struct fixture *f = open_priced("");
    struct cf_account all;
    cf_account_init(&all, 0, 0);
    cf_account_set_budget(&all, BOUND_PICO);
    cf_account_set_parent(&f->account, &all);
    fixture_start(f);
    int replies = 0;
    for (int i = 0; i < 5; i++)
        fixture_submit(f);
    for (int i = 0; i < 5; i++) {
        struct cf_call *call = fixture_next(f);
        replies += call->has_reply;
        if (!call->has_reply)
            assert_int_equal(call->error.kind, CF_ERR_BUDGET);
        cf_call_free(call);
    }
    assert_int_equal(replies, 1);
    struct cf_account seen;
    cf_account_read(&all, &seen);
    assert_int_equal(seen.ledger.spent, account_now(f).ledger.spent);
    assert_int_equal(seen.ledger.reserved, 0);
    fixture_check_rows(f);
    fixture_close(f);
    cf_account_done(&all);
}

static void a_reply_above_its_bound_is_booked_and_stops_the_run(void **state)
{
    (void)state;
    struct fixture *f = open_priced("latency=fixed:20");
    f->options.limits.concurrency = 1;
    fixture_start(f);
    f->bound_pico = 1;
    for (int i = 0; i < 3; i++)
        fixture_submit(f);
    struct cf_call *call = fixture_next(f);
    while (!call->has_reply) { /* the others come back before it is stored */
        check_stopped(call, "than the $0.000000000001 it can cost");
        call = fixture_next(f);
    }
    int64_t cost = call->cost_pico;
    cf_call_free(call);
    while (f->popped != NULL || cf_queue_wait(&f->completions, 0))
        check_stopped(fixture_next(f), "more than");
    fixture_until(f, in_flight, 0);
    assert_true(cost > 1);
    assert_int_equal(account_now(f).ledger.spent, cost);
    fixture_check_rows(f);
    assert_int_equal(fixture_counters(f)->requests, 1);
    fixture_close(f);
}

static void without_a_price_a_call_without_budget_goes(void **state)
{
    (void)state;
    struct fixture *f = open_priced("");
    fixture_start(f);
    f->bound_pico = CF_COST_UNKNOWN;
    fixture_submit(f);
    struct cf_call *call = fixture_next(f);
    assert_true(call->has_reply);
    cf_call_free(call);
    fixture_check_rows(f);
    fixture_close(f);
}

/* --- the promise --- */

#define CALLS 120

static void no_budget_is_ever_passed_and_each_is_used(void **state)
{
    (void)state;
    struct cf_rng rng;
    cf_rng_seed(&rng, 7);
    for (int round = 0; round < 12; round++) {
        char spec[256];
        snprintf(spec, sizeof spec,
                 "usage=varied,latency=uniform:0:3,seed=%d,faults=500:8%%;529:4%%;reset:6%%;"
                 "reset_body:3%%;cut:4%%;bad_envelope:3%%;429:5%%;max_tokens:10%%",
                 round);
        struct fixture *f = open_priced(spec);
        int64_t bound = bound_of(f), budget = cf_rng_range(&rng, bound / 2, 60 * bound);
        cf_account_set_budget(&f->account, budget);
        f->options.limits.concurrency = cf_rng_range(&rng, 0, 40);
        f->bound_pico = bound;
        fixture_start(f);
        for (int i = 0; i < CALLS; i++)
            fixture_submit(f);
        int unsent = 0;
        for (int i = 0; i < CALLS; i++) {
            struct cf_call *call = fixture_next_in_time(f);
            unsent += call->error.kind == CF_ERR_BUDGET && !call->has_reply;
            cf_call_free(call);
            struct cf_account now = account_now(f);
            assert_true(now.ledger.spent + now.ledger.at_risk + now.ledger.reserved <= budget);
        }
        fixture_check_rows(f);
        struct cf_account now = account_now(f);
        int64_t left = budget - now.ledger.spent - now.ledger.at_risk;
        assert_true(left >= 0);
        assert_true(unsent == 0 || left < bound);
        fixture_close(f);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_fit_is_not_sent),
        cmocka_unit_test(a_call_waits_until_others_have_settled),
        cmocka_unit_test(what_earlier_sessions_spent_and_risked_counts),
        cmocka_unit_test(a_lost_reply_counts_for_good),
        cmocka_unit_test(a_429_gives_its_reservation_back),
        cmocka_unit_test(a_parents_budget_holds_for_all_runs),
        cmocka_unit_test(a_reply_above_its_bound_is_booked_and_stops_the_run),
        cmocka_unit_test(without_a_price_a_call_without_budget_goes),
        cmocka_unit_test(no_budget_is_ever_passed_and_each_is_used),
    };
    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
