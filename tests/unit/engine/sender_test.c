/* Calls through the whole of the net thread: limiter, store, HTTP against the simulator, retries,
 * keys, stops. After each test every counter must be back at rest and agree with the database. */
#include "sender_fixture.h"

#include <signal.h>
#include <sys/resource.h>

static struct fixture fixture;

static struct fixture *start(const char *spec)
{
    fixture_open(&fixture, spec, NULL);
    fixture_start(&fixture);
    return &fixture;
}

static void check_reply(struct cf_call *call, int attempts)
{
    if (!call->has_reply)
        fail_msg("%s", call->error.message);
    assert_int_equal(call->attempts, attempts);
    assert_true(call->call_id > 0);
    assert_true(call->cost_pico > 0);
    assert_true(call->raw_len > 0);
    assert_non_null(call->reply.text);
    cf_call_free(call);
}

static void check_error(struct cf_call *call, enum cf_error_kind kind, int http_status,
                        int attempts)
{
    assert_false(call->has_reply);
    assert_int_equal(call->error.kind, kind);
    assert_int_equal(call->error.http_status, http_status);
    assert_int_equal(call->attempts, attempts);
    cf_call_free(call);
}

static void call_returns_with_stored_reply(void **state)
{
    (void)state;
    struct fixture *f = start("");
    fixture_submit(f);
    struct cf_call *call = fixture_next(f);
    assert_rows(
        f, 1, "calls WHERE state = 'done' AND attempts = 1 AND cost_pico > 0 AND request_id <> ''");
    assert_rows(f, 1, "call_replies");
    assert_rows(f, 1, "call_requests WHERE body LIKE '%number 1\"%'");
    assert_rows(
        f, 1,
        "generation_logs WHERE status = 'success' AND http_status = 200 AND duration_ms >= 0");
    check_reply(call, 1);
    fixture_check_rows(f);
    assert_int_equal(fixture_counters(f)->replies, 1);
    fixture_close(f);
}

static void many_calls_all_return(void **state)
{
    (void)state;
    struct fixture *f = start("latency=uniform:0:5,faults=500:10%;reset:10%;cut:5%,seed=3");
    for (int i = 0; i < 200; i++)
        fixture_submit(f);
    int replies = 0;
    for (int i = 0; i < 200; i++) {
        struct cf_call *call = fixture_next_in_time(f);
        replies += call->has_reply;
        cf_call_free(call);
    }
    assert_true(replies > 150);
    assert_int_equal(fixture_count(f, "SELECT count(*) FROM calls WHERE state = 'done'"), replies);
    fixture_check_rows(f);
    struct cf_account account;
    cf_account_read(&f->account, &account);
    assert_int_equal(account.attempts, 200 + account.retries);
    assert_int_equal(account.retries, atomic_load(&f->retries));
    assert_int_equal(fixture_counters(f)->requests, account.attempts);
    fixture_close(f);
}

static void a_reply_whose_cost_is_unknown_puts_its_bound_at_risk(void **state)
{
    (void)state;
    /* The model has no price for cached tokens. */
    struct fixture *f = start("usage=varied,seed=2");
    for (int i = 0; i < 30; i++)
        fixture_submit(f);
    int unknown = 0;
    for (int i = 0; i < 30; i++) {
        struct cf_call *call = fixture_next(f);
        assert_true(call->has_reply);
        unknown += call->cost_pico == CF_COST_UNKNOWN;
        cf_call_free(call);
    }
    assert_in_range(unknown, 1, 29);
    assert_int_equal(fixture_count(f, "SELECT at_risk_pico FROM runs"), unknown * BOUND_PICO);
    assert_int_equal(fixture_count(f, "SELECT unknown_cost_replies FROM runs"), unknown);
    fixture_check_rows(f);
    fixture_close(f);
}

static void a_500_is_tried_again(void **state)
{
    (void)state;
    struct fixture *f = start("faults=500@1");
    fixture_submit(f);
    check_reply(fixture_next(f), 2);
    assert_int_equal(atomic_load(&f->retries), 1);
    assert_rows(f, 1, "calls WHERE state = 'done' AND attempts = 2 AND at_risk_pico = 0");
    assert_rows(f, 1,
                "generation_logs WHERE status = 'retry' AND http_status = 500 AND attempt = 1");
    assert_rows(f, 1, "generation_logs WHERE status = 'success' AND attempt = 2");
    fixture_check_rows(f);
    assert_int_equal(fixture_counters(f)->requests, 2);
    fixture_close(f);
}

static void a_call_fails_after_its_attempts(void **state)
{
    (void)state;
    struct fixture *f = start("faults=500");
    fixture_submit(f);
    /* for a moment others could tell of an outage */
    struct cf_call *call = fixture_next_in_time(f);
    assert_false(call->stops_run);
    check_error(call, CF_ERR_API, 500, 3);
    assert_rows(f, 1, "calls WHERE state = 'failed' AND attempts = 3");
    assert_rows(f, 2, "generation_logs WHERE status = 'retry'");
    assert_rows(f, 1, "generation_logs WHERE status = 'failure'");
    fixture_check_rows(f);
    assert_int_equal(fixture_counters(f)->requests, 3);
    fixture_close(f);
}

/* 429s with a wait of seconds, failures with a back-off: neither goes by the wall clock. */
static void a_wall_clock_that_is_set_neither_stalls_nor_hurries_a_call(void **state)
{
    (void)state;
    static const int64_t hours[] = { -1, 24, -48, 1 };
    enum { CALLS = sizeof hours / sizeof hours[0] };
    struct fixture *f = start("faults=500@1;429@3;500@5");
    for (int i = 0; i < CALLS; i++) {
        int64_t began_ms = atomic_load(&fixture_now_ms);
        fixture_submit(f);
        atomic_fetch_add(&fixture_wall_ms, hours[i] * 3600 * 1000);
        struct cf_call *call = fixture_next_in_time(f);
        if (!call->has_reply)
            fail_msg("%s", call->error.message);
        assert_true(atomic_load(&fixture_now_ms) - began_ms < 60000);
        cf_call_free(call);
    }
    fixture_check_rows(f);
    assert_int_equal(fixture_counters(f)->requests, CALLS + 3);
    fixture_close(f);
}

static void a_bad_request_is_not_tried_again(void **state)
{
    (void)state;
    struct fixture *f = start("faults=400@1");
    fixture_submit(f);
    struct cf_call *call = fixture_next(f);
    assert_false(call->stops_run);
    check_error(call, CF_ERR_API, 400, 1);
    fixture_submit(f);
    check_reply(fixture_next(f), 1);
    fixture_check_rows(f);
    fixture_close(f);
}

/* A fault after which nobody knows whether it was billed. */
static void check_unknown(const char *spec)
{
    struct fixture *f = start(spec);
    fixture_submit(f);
    check_reply(fixture_next(f), 2);
    struct cf_account account;
    cf_account_read(&f->account, &account);
    assert_int_equal(account.ledger.at_risk, BOUND_PICO);
    assert_int_equal(fixture_count(f, "SELECT at_risk_pico FROM calls WHERE state = 'done'"),
                     BOUND_PICO);
    fixture_check_rows(f);
    fixture_close(f);
}

static void a_reset_puts_the_bound_at_risk(void **state)
{
    (void)state;
    check_unknown("faults=reset@1");
}

static void a_body_cut_short_puts_the_bound_at_risk(void **state)
{
    (void)state;
    check_unknown("faults=cut@1");
}

static void a_200_that_is_no_message_puts_the_bound_at_risk(void **state)
{
    (void)state;
    check_unknown("faults=bad_envelope@1");
}

static void a_429_waits_with_the_lane_and_counts_no_attempt(void **state)
{
    (void)state;
    fixture_open(&fixture, "faults=429@1-4", NULL);
    struct fixture *f = &fixture;
    f->options.retry.base_delay_ms = 1000;       /* where the server does not say how long */
    f->options.retry.max_delay_ms = 100000;
    fixture_start(f);
    fixture_submit(f);
    for (int i = 1; i <= 4; i++) {
        fixture_until(f, waiting, 1);
        assert_true(fixture_status(f).paused_until_ms > 0);
        assert_int_equal(fixture_status(f).in_flight, 0);
        while (fixture_status(f).waiting == 1)
            fixture_pass(f, 1000);
    }
    check_reply(fixture_next(f), 5);
    assert_rows(f, 4, "generation_logs WHERE status = 'retry' AND http_status = 429");
    fixture_check_rows(f);
    struct cf_account account;
    cf_account_read(&f->account, &account);
    assert_int_equal(account.refusals, 4);
    assert_int_equal(account.retries, 0);
    assert_int_equal(fixture_counters(f)->requests, 5);
    fixture_close(f);
}

static void a_429_without_a_wait_is_granted_while_its_row_is_written(void **state)
{
    (void)state;
    fixture_open(&fixture, "faults=429@1-20", NULL);
    struct fixture *f = &fixture;
    fixture_start(f);
    for (int i = 0; i < 8; i++)
        fixture_submit(f);
    for (int back = 0; back < 8;) {
        if (fixture_status(f).in_flight == 0)     /* or its time-outs would pass, too */
            fixture_pass(f, 1000);
        while (f->popped != NULL || cf_queue_wait(&f->completions, 0)) {
            struct cf_call *call = fixture_next(f);
            assert_true(call->has_reply);
            cf_call_free(call);
            back++;
        }
    }
    fixture_check_rows(f);
    assert_int_equal(fixture_counters(f)->requests, 28);
    fixture_close(f);
}

static void a_refused_key_stops_everything_once_no_other_is_left(void **state)
{
    (void)state;
    fixture_open(&fixture, "", "sk-right");
    struct fixture *f = &fixture;
    f->options.limits.concurrency = 1;
    fixture_start(f);
    for (int i = 0; i < 4; i++)
        fixture_submit(f);
    int sent = 0;
    for (int i = 0; i < 4; i++) {
        struct cf_call *call = fixture_next(f);
        assert_true(call->stops_run);
        assert_string_equal(cf_error_kind_name(call->error.kind), "api_error");
        assert_int_equal(call->error.http_status, 401);
        assert_non_null(strstr(call->error.message, "key \"first\""));
        assert_null(strstr(call->error.message, "sk-first"));
        sent += call->attempts;
        cf_call_free(call);
    }
    assert_int_equal(sent, 1);
    fixture_check_rows(f);
    assert_int_equal(fixture_counters(f)->requests, 1);
    fixture_close(f);
}

static void calls_go_on_with_the_other_key(void **state)
{
    (void)state;
    fixture_open(&fixture, "", "sk-second");
    struct fixture *f = &fixture;
    f->options.key_count = 2;
    /* a lane: most wait in the line of the key that goes */
    f->options.limits.concurrency = 1;
    fixture_start(f);
    for (int i = 0; i < 10; i++)
        fixture_submit(f);
    for (int i = 0; i < 10; i++) {
        struct cf_call *call = fixture_next(f);
        assert_true(call->has_reply);
        cf_call_free(call);
    }
    fixture_check_rows(f);
    /* Those that still stood in the lane of the first key were not sent with it. */
    assert_int_equal(fixture_counters(f)->requests, 11);
    assert_rows(f, 1, "generation_logs WHERE http_status = 401 AND status = 'retry'");
    fixture_close(f);
}

static void an_unknown_model_stops_the_run_while_others_are_in_flight(void **state)
{
    (void)state;
    struct fixture *f = start("latency=fixed:100,faults=404@3");
    fixture_submit(f);
    fixture_submit(f);
    fixture_until(f, in_flight, 2);
    while (fixture_count(f, "SELECT count(*) FROM calls WHERE state = 'sent'") < 2)
        fixture_turn(f);
    fixture_submit(f);
    int replies = 0, stops = 0;
    for (int i = 0; i < 3; i++) {
        struct cf_call *call = fixture_next(f);
        replies += call->has_reply;
        stops += call->stops_run;
        cf_call_free(call);
    }
    assert_int_equal(replies, 2);            /* what was in flight is stored and used */
    assert_int_equal(stops, 1);
    fixture_submit(f);
    struct cf_call *late = fixture_next(f);
    assert_true(late->stops_run);
    assert_int_equal(late->call_id, 0);
    check_error(late, CF_ERR_API, 404, 0);
    fixture_check_rows(f);
    fixture_close(f);
}

static void a_drain_awaits_what_is_in_flight(void **state)
{
    (void)state;
    fixture_open(&fixture, "latency=fixed:50", NULL);
    struct fixture *f = &fixture;
    f->options.limits.concurrency = 1;
    fixture_start(f);
    for (int i = 0; i < 3; i++)
        fixture_submit(f);
    while (fixture_count(f, "SELECT count(*) FROM calls WHERE state = 'sent'") < 1)
        fixture_turn(f);
    fixture_turn(f);                         /* the commit is known to the net thread, too */
    fixture_turn(f);
    cf_sender_drain(f->sender);
    int replies = 0;
    for (int i = 0; i < 3; i++) {
        struct cf_call *call = fixture_next(f);
        replies += call->has_reply;
        if (!call->has_reply) {
            assert_int_equal(call->error.kind, CF_ERR_CANCELLED);
            assert_false(call->stops_run);
            assert_int_equal(call->attempts, 0);
        }
        cf_call_free(call);
    }
    assert_in_range(replies, 0, 1);
    fixture_submit(f);
    check_error(fixture_next(f), CF_ERR_CANCELLED, 0, 0);
    fixture_check_rows(f);
    assert_int_equal(fixture_counters(f)->requests, replies);
    fixture_close(f);
}

static void a_drain_ends_the_wait_before_a_retry(void **state)
{
    (void)state;
    fixture_open(&fixture, "faults=500", NULL);
    struct fixture *f = &fixture;
    f->options.retry.base_delay_ms = 500;
    fixture_start(f);
    fixture_submit(f);
    fixture_until(f, backing_off, 1);
    cf_sender_drain(f->sender);
    check_error(fixture_next(f), CF_ERR_CANCELLED, 0, 1);
    assert_rows(f, 1, "calls WHERE state = 'waiting'");
    fixture_check_rows(f);
    fixture_close(f);
}

static void a_drain_ends_the_wait_after_a_429(void **state)
{
    (void)state;
    fixture_open(&fixture, "faults=429", NULL);
    struct fixture *f = &fixture;
    f->options.retry.base_delay_ms = 500;
    fixture_start(f);
    fixture_submit(f);
    while (fixture_status(f).paused_until_ms == 0)
        continue;
    cf_sender_drain(f->sender);
    check_error(fixture_next(f), CF_ERR_CANCELLED, 0, 1);
    assert_rows(f, 1, "calls WHERE state = 'waiting' AND attempts = 1");
    fixture_check_rows(f);
    fixture_close(f);
}

static void what_is_held_goes_when_it_is_let_go(void **state)
{
    (void)state;
    struct fixture *f = start("");
    cf_sender_hold(f->sender, true);
    assert_true(fixture_status(f).is_held);
    for (int i = 0; i < 3; i++)
        fixture_submit(f);
    fixture_turn(f);
    fixture_turn(f);
    assert_rows(f, 0, "calls");
    cf_sender_hold(f->sender, false);
    for (int i = 0; i < 3; i++)
        check_reply(fixture_next(f), 1);
    assert_false(fixture_status(f).is_held);
    fixture_check_rows(f);
    fixture_close(f);
}

static void what_waits_in_its_lane_is_held_too(void **state)
{
    (void)state;
    fixture_open(&fixture, "latency=fixed:50", NULL);
    struct fixture *f = &fixture;
    f->options.limits.concurrency = 1;
    fixture_start(f);
    fixture_submit(f);
    fixture_submit(f);
    fixture_until(f, waiting, 1);
    cf_sender_hold(f->sender, true);
    check_reply(fixture_next(f), 1);          /* what is in flight comes back */
    fixture_until(f, in_flight, 0);
    assert_int_equal(fixture_status(f).waiting, 1);
    assert_rows(f, 1, "calls");
    cf_sender_hold(f->sender, false);
    check_reply(fixture_next(f), 1);
    fixture_check_rows(f);
    fixture_close(f);
}

static void a_retry_is_held_and_given_back_by_a_drain(void **state)
{
    (void)state;
    fixture_open(&fixture, "faults=500", NULL);
    struct fixture *f = &fixture;
    f->options.retry.base_delay_ms = 500;
    fixture_start(f);
    fixture_submit(f);
    fixture_until(f, backing_off, 1);
    cf_sender_hold(f->sender, true);
    fixture_pass(f, 600);
    fixture_until(f, backing_off, 0);
    assert_int_equal(fixture_count(f, "SELECT attempts FROM calls"), 1);
    cf_sender_drain(f->sender);
    check_error(fixture_next(f), CF_ERR_CANCELLED, 0, 1);
    fixture_check_rows(f);
    fixture_close(f);
}

static void limits_can_be_changed_while_calls_wait(void **state)
{
    (void)state;
    fixture_open(&fixture, "", NULL);
    struct fixture *f = &fixture;
    f->options.limits.max_requests = 1;
    fixture_start(f);
    fixture_submit(f);
    fixture_submit(f);
    check_reply(fixture_next(f), 1);
    fixture_until(f, waiting, 1);

    struct cf_limit_config change = { .max_requests = 50 };
    assert_true(cf_sender_tune(f->sender, &change, &f->err));
    check_reply(fixture_next(f), 1);
    assert_int_equal(fixture_status(f).limit_requests, 50);

    change = (struct cf_limit_config){ .max_requests = INT64_MAX };
    assert_false(cf_sender_tune(f->sender, &change, &f->err));
    assert_int_equal(f->err.kind, CF_ERR_CONFIG);
    assert_int_equal(fixture_status(f).limit_requests, 50);
    fixture_check_rows(f);
    fixture_close(f);
}

/* Turns until the request of the only call was written; the lane has room for no other. */
static void await_sent(struct fixture *f)
{
    struct cf_limit_status limits;
    do {
        assert_true(cf_sender_limits(f->sender, NULL, "sonnet", &limits));
    } while (limits.in_flight == 0 || limits.wait_ms < 0);
}

static void what_is_abandoned_is_booked_as_unknown(void **state)
{
    (void)state;
    fixture_open(&fixture, "faults=silent", NULL);
    struct fixture *f = &fixture;
    f->options.limits.max_requests = 1;
    fixture_start(f);
    fixture_submit(f);
    await_sent(f);
    assert_int_equal(fixture_status(f).at_stake_pico, BOUND_PICO);
    cf_sender_drain(f->sender);
    fixture_turn(f);
    assert_false(cf_queue_wait(&f->completions, 0));
    cf_sender_abandon(f->sender);
    check_error(fixture_next(f), CF_ERR_CANCELLED, 0, 1);
    assert_rows(f, 1, "calls WHERE state = 'unknown'");
    assert_rows(f, 1, "generation_logs WHERE status = 'unknown'");
    assert_int_equal(fixture_count(f, "SELECT at_risk_pico FROM runs"), BOUND_PICO);
    fixture_check_rows(f);
    fixture_close(f);
}

static void the_end_brings_every_call_back(void **state)
{
    (void)state;
    struct fixture *f = start("faults=silent:50%,latency=uniform:0:3,seed=5");
    for (int i = 0; i < 40; i++)
        fixture_submit(f);
    cf_call_free(fixture_next(f));
    cf_sender_end(f->sender);
    cf_store_free(f->store);
    f->store = NULL;
    cf_sender_free(f->sender);
    f->sender = NULL;
    for (int i = 1; i < 40; i++)
        cf_call_free(fixture_next(f));
    assert_rows(f, 0, "calls WHERE state = 'sent'");
    struct cf_account account;
    cf_account_read(&f->account, &account);
    assert_int_equal(account.ledger.reserved, 0);
    assert_int_equal(account.ledger.at_risk, fixture_count(f, "SELECT at_risk_pico FROM runs"));
    fixture_close(f);
}

static void without_a_queue_who_cannot_go_is_refused(void **state)
{
    (void)state;
    fixture_open(&fixture, "", NULL);
    struct fixture *f = &fixture;
    f->options.limits.max_requests = 1;
    f->options.limits.enable_queue = false;
    fixture_start(f);
    fixture_submit(f);
    check_reply(fixture_next(f), 1);
    fixture_submit(f);
    struct cf_call *call = fixture_next(f);
    assert_true(call->error.retry_after_ms > 0);
    check_error(call, CF_ERR_RATE_LIMIT, 0, 0);
    fixture_check_rows(f);
    assert_true(cf_sender_reset_limits(f->sender, "first", "haiku"));      /* another lane */
    fixture_submit(f);
    check_error(fixture_next(f), CF_ERR_RATE_LIMIT, 0, 0);
    assert_true(cf_sender_reset_limits(f->sender, "first", "sonnet"));
    assert_false(cf_sender_reset_limits(f->sender, "nobody", "sonnet"));
    fixture_submit(f);
    check_reply(fixture_next(f), 1);
    fixture_close(f);
}

/* --- storage errors --- */

#define REFUSE(when) \
    "CREATE TRIGGER refuse BEFORE " when " BEGIN SELECT RAISE(FAIL, 'no room'); END"

static void nothing_is_sent_if_its_row_cannot_be_written(void **state)
{
    (void)state;
    struct fixture *f = start("");
    fixture_sql(f, REFUSE("INSERT ON calls"));
    fixture_submit(f);
    struct cf_call *call = fixture_next(f);
    assert_true(call->stops_run);
    assert_int_equal(call->call_id, 0);
    check_error(call, CF_ERR_STORAGE, 0, 0);
    assert_rows(f, 0, "calls");
    struct cf_account account;
    cf_account_read(&f->account, &account);
    assert_int_equal(account.ledger.reserved, 0);
    assert_int_equal(fixture_status(f).in_flight, 0);
    assert_int_equal(fixture_counters(f)->requests, 0);
    fixture_close(f);
}

static void a_failure_that_cannot_be_written_stops_the_run(void **state)
{
    (void)state;
    fixture_open(&fixture, "faults=500", NULL);
    struct fixture *f = &fixture;
    f->options.limits.concurrency = 1;
    fixture_start(f);
    fixture_sql(f, REFUSE("UPDATE OF state ON calls WHEN NEW.state = 'waiting'"));
    fixture_submit(f);
    fixture_submit(f);
    for (int i = 0; i < 2; i++) {
        struct cf_call *call = fixture_next(f);
        assert_true(call->stops_run);
        assert_int_equal(call->error.kind, CF_ERR_STORAGE);
        cf_call_free(call);
    }
    fixture_check_rest(f);
    /* The next owner books it as unknown; so it does with the other one if its turn had come. */
    assert_in_range(fixture_count(f, "SELECT count(*) FROM calls WHERE state = 'sent'"), 1, 2);
    fixture_close(f);
}

static void a_429_that_cannot_be_written_stops_the_run(void **state)
{
    (void)state;
    struct fixture *f = start("faults=429");
    fixture_sql(f, REFUSE("UPDATE OF state ON calls WHEN NEW.state = 'waiting'"));
    for (int i = 0; i < 5; i++)
        fixture_submit(f);
    for (int i = 0; i < 5; i++) {
        struct cf_call *call = fixture_next(f);
        assert_true(call->stops_run);
        assert_int_equal(call->error.kind, CF_ERR_STORAGE);
        cf_call_free(call);
    }
    fixture_check_rest(f);
    fixture_close(f);
}

/* Files of this process cannot grow any more, or can again. */
static void fill_disk(bool is_full)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = is_full ? 1 : limit.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A call that was sent, and whose reply finds the disk full. */
static struct fixture *start_full(void)
{
    struct fixture *f = start("latency=fixed:50");
    fixture_submit(f);
    while (fixture_count(f, "SELECT count(*) FROM calls WHERE state = 'sent'") == 0)
        continue;
    fill_disk(true);
    fixture_until(f, is_storage_full, true);
    return f;
}

static void a_reply_is_kept_until_there_is_room(void **state)
{
    (void)state;
    struct fixture *f = start_full();
    fixture_pass(f, 30000);
    assert_true(fixture_status(f).is_storage_full);
    assert_null(f->popped);
    assert_rows(f, 1, "calls WHERE state = 'sent'");
    fill_disk(false);
    check_reply(fixture_next(f), 1);
    fixture_until(f, is_storage_full, false);
    assert_rows(f, 1, "calls WHERE state = 'done'");
    fixture_check_rows(f);
    assert_int_equal(fixture_counters(f)->requests, 1);
    fixture_close(f);
}

static void what_finds_no_room_for_a_minute_stops_the_run(void **state)
{
    (void)state;
    struct fixture *f = start_full();
    fixture_submit(f);                       /* its row finds no room either */
    fixture_pass(f, 59000);
    assert_null(f->popped);
    fixture_pass(f, 1000);
    for (int i = 0; i < 2; i++) {
        struct cf_call *call = fixture_next(f);
        assert_true(call->stops_run);
        assert_int_equal(call->error.kind, CF_ERR_STORAGE);
        cf_call_free(call);
    }
    fill_disk(false);
    assert_int_equal(fixture_counters(f)->requests, 1);
    fixture_close(f);
}

static void nothing_waits_for_room_once_all_is_given_up(void **state)
{
    (void)state;
    struct fixture *f = start_full();
    cf_sender_abandon(f->sender);            /* without the clock moving */
    check_error(fixture_next(f), CF_ERR_STORAGE, 0, 1);
    fill_disk(false);
    fixture_close(f);
}

static void the_end_brings_back_a_reply_that_cannot_be_stored(void **state)
{
    (void)state;
    struct fixture *f = start_full();
    cf_sender_end(f->sender);
    cf_store_free(f->store);
    f->store = NULL;
    cf_sender_free(f->sender);
    f->sender = NULL;
    fill_disk(false);
    check_error(fixture_next(f), CF_ERR_STORAGE, 0, 1);
    fixture_close(f);
}

static atomic_llong free_bytes;

static int64_t free_bytes_of(const char *path)
{
    assert_string_equal(path, fixture.path);
    return atomic_load(&free_bytes);
}

static void a_low_disk_holds_new_calls(void **state)
{
    (void)state;
    fixture_open(&fixture, "", NULL);
    struct fixture *f = &fixture;
    f->options.free_bytes = free_bytes_of;
    atomic_store(&free_bytes, (INT64_C(64) << 20) - 1);
    fixture_start(f);
    for (int i = 0; i < 3; i++)
        fixture_submit(f);
    fixture_until(f, is_disk_low, true);
    assert_rows(f, 0, "calls");
    atomic_store(&free_bytes, INT64_C(64) << 20);
    fixture_pass(f, 5000);
    for (int i = 0; i < 3; i++)
        check_reply(fixture_next(f), 1);
    assert_false(fixture_status(f).is_disk_low);

    atomic_store(&free_bytes, 0);
    fixture_pass(f, 5000);
    fixture_submit(f);
    assert_true(fixture_status(f).is_disk_low);
    cf_sender_drain(f->sender);
    check_error(fixture_next(f), CF_ERR_CANCELLED, 0, 0);
    fixture_check_rows(f);
    fixture_close(f);
}

/* --- a later session --- */

static void a_call_that_is_sent_again_has_the_request_as_it_is_now(void **state)
{
    (void)state;
    struct fixture *f = start("faults=400@1");
    fixture_submit(f);
    struct cf_call *failed = fixture_next(f);
    int64_t row = failed->call_id;
    check_error(failed, CF_ERR_API, 400, 1);

    /* As the journal gives it to the next session. */
    struct cf_call *call = cf_call_new();
    static const char body[] =
        "{\"model\":\"claude-sonnet-5-5\",\"max_tokens\":512,\"messages\":[{\"role\":"
        "\"user\",\"content\":\"again\"}]}";
    call->completions = &f->completions;
    call->owner = f;
    call->account = &f->account;
    call->run = f->run;
    call->item = f->item;
    call->call_id = row;
    call->model = f->model;
    call->body = strdup(body);
    call->body_len = strlen(body);
    call->max_tokens = 512;
    call->bound_pico = BOUND_PICO;
    call->amounts = (struct cf_amounts){ 1, 10, 512 };
    cf_sender_submit(f->sender, call);
    call = fixture_next(f);
    assert_int_equal(call->call_id, row);
    check_reply(call, 1);
    assert_rows(f, 1, "calls");
    assert_rows(f, 1, "calls WHERE state = 'done' AND attempts = 2 AND max_tokens = 512");
    assert_rows(f, 1, "call_requests WHERE body LIKE '%again%'");
    fixture_check_rows(f);
    fixture_close(f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(call_returns_with_stored_reply),
        cmocka_unit_test(many_calls_all_return),
        cmocka_unit_test(a_reply_whose_cost_is_unknown_puts_its_bound_at_risk),
        cmocka_unit_test(a_500_is_tried_again),
        cmocka_unit_test(a_call_fails_after_its_attempts),
        cmocka_unit_test(a_wall_clock_that_is_set_neither_stalls_nor_hurries_a_call),
        cmocka_unit_test(a_bad_request_is_not_tried_again),
        cmocka_unit_test(a_reset_puts_the_bound_at_risk),
        cmocka_unit_test(a_body_cut_short_puts_the_bound_at_risk),
        cmocka_unit_test(a_200_that_is_no_message_puts_the_bound_at_risk),
        cmocka_unit_test(a_429_waits_with_the_lane_and_counts_no_attempt),
        cmocka_unit_test(a_429_without_a_wait_is_granted_while_its_row_is_written),
        cmocka_unit_test(a_refused_key_stops_everything_once_no_other_is_left),
        cmocka_unit_test(calls_go_on_with_the_other_key),
        cmocka_unit_test(an_unknown_model_stops_the_run_while_others_are_in_flight),
        cmocka_unit_test(a_drain_awaits_what_is_in_flight),
        cmocka_unit_test(a_drain_ends_the_wait_before_a_retry),
        cmocka_unit_test(a_drain_ends_the_wait_after_a_429),
        cmocka_unit_test(what_is_held_goes_when_it_is_let_go),
        cmocka_unit_test(what_waits_in_its_lane_is_held_too),
        cmocka_unit_test(a_retry_is_held_and_given_back_by_a_drain),
        cmocka_unit_test(limits_can_be_changed_while_calls_wait),
        cmocka_unit_test(what_is_abandoned_is_booked_as_unknown),
        cmocka_unit_test(the_end_brings_every_call_back),
        cmocka_unit_test(without_a_queue_who_cannot_go_is_refused),
        cmocka_unit_test(nothing_is_sent_if_its_row_cannot_be_written),
        cmocka_unit_test(a_failure_that_cannot_be_written_stops_the_run),
        cmocka_unit_test(a_429_that_cannot_be_written_stops_the_run),
        cmocka_unit_test(a_reply_is_kept_until_there_is_room),
        cmocka_unit_test(what_finds_no_room_for_a_minute_stops_the_run),
        cmocka_unit_test(nothing_waits_for_room_once_all_is_given_up),
        cmocka_unit_test(a_low_disk_holds_new_calls),
        cmocka_unit_test(the_end_brings_back_a_reply_that_cannot_be_stored),
        cmocka_unit_test(a_call_that_is_sent_again_has_the_request_as_it_is_now),
    };
    return cmocka_run_group_tests_name("sender", tests, NULL, NULL);
}
