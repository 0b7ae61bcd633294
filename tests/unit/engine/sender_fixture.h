/* sender_fixture.h - a sender between a real store and a real simulator, with a clock that only
 * moves when told to.
 *
 * Nothing sleeps: a test waits for completions, or turns the net thread until something is so. */
#ifndef TESTS_ENGINE_SENDER_FIXTURE_H
#define TESTS_ENGINE_SENDER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/hash.h"
#include "base/log.h"
#include "confab/clock.h"
#include "confab/error.h"
#include "confab/money.h"
#include "engine/account.h"
#include "engine/call.h"
#include "engine/models.h"
#include "engine/sender.h"
#include "simulator/simulator.h"
#include "store/store.h"
#include "store/write_item.h"
#include "store/write_run.h"

#define BOUND_PICO  INT64_C(5000000000)      /* above what any reply here costs */
#define WAIT_MS     20000                    /* what never comes fails the test after this long */
#define TURNS_MAX   2000000
#define CALLS_MAX   16

struct fixture {
    char folder[64], path[96];
    struct cf_simulator *simulator;
    struct cf_simulator_counters counters;   /* filled when it was stopped */
    struct cf_store *store;
    struct cf_sender *sender;
    struct cf_models *models;
    struct cf_model *model;
    struct cf_account account;
    struct cf_queue completions;
    struct cf_queue_link *popped;            /* taken, not yet looked at */
    sqlite3 *db;                             /* a second connection, for looking and for triggers */
    int64_t run, item;
    int64_t submitted, returned;
    int64_t bound_pico;                      /* of the calls submitted */
    atomic_int retries;                      /* on_retry was called */
    atomic_int last_attempt;                 /* the number that it was told */
    struct cf_error err;

    struct cf_key_options keys[2];
    struct cf_sender_options options;
};

static atomic_llong fixture_now_ms;
static atomic_llong fixture_wall_ms;         /* by which the wall clock was set forward */

static int64_t fixture_now(void *self)
{
    (void)self;
    return atomic_load(&fixture_now_ms);
}

static int64_t fixture_unix(void *self)
{
    (void)self;
    return INT64_C(1790000000123) + atomic_load(&fixture_wall_ms);
}

static const struct cf_clock fixture_clock = { fixture_now, fixture_unix, NULL };

static inline void must(struct fixture *f, bool ok)
{
    if (!ok)
        fail_msg("%s", f->err.message);
}

static inline void fixture_write(struct fixture *f, struct cf_write *write)
{
    must(f, cf_store_write(f->store, write, &f->err));
}

/* Everything but the sender, whose options a test may change before fixture_start. With
 * simulator_clock the simulator's faults go by that clock. */
static inline void fixture_open_by(struct fixture *f, const char *spec, const char *api_key,
                                   const struct cf_clock *simulator_clock)
{
    memset(f, 0, sizeof *f);
    atomic_store(&fixture_now_ms, 1000000);
    atomic_store(&fixture_wall_ms, 0);
    cf_log_set_level(CF_LOG_ERROR);
    snprintf(f->folder, sizeof f->folder, "/tmp/confab-sender-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/test.db", f->folder);

    struct cf_simulator_options simulator = {
        .spec = spec, .api_key = api_key, .clock = simulator_clock,
    };
    must(f, cf_simulator_start(&simulator, &f->simulator, &f->err));
    struct cf_store_options store = { .busy_ms = 5000, .clock = &fixture_clock };
    must(f, cf_store_open(f->path, &store, &f->store, &f->err));
    assert_int_equal(sqlite3_open(f->path, &f->db), SQLITE_OK);
    sqlite3_busy_timeout(f->db, 5000);

    struct cf_write_run_begin begin = {
        .write.apply = cf_write_run_begin, .name = "demo", .provider = "anthropic", .simulated = true,
        .source = "script",
    };
    fixture_write(f, &begin.write);
    struct cf_write_run_own own = { .write.apply = cf_write_run_own, .begin = &begin, .host = "here", .pid = 42 };
    fixture_write(f, &own.write);
    struct cf_item_draw draw = { .key = { "k", 1 }, .params = { "{}", 2 } };
    struct cf_write_item_draw drawn = {
        .write.apply = cf_write_item_draw, .run = begin.run, .drawing = own.drawing, .items = &draw, .count = 1,
    };
    fixture_write(f, &drawn.write);
    f->run = begin.run;
    f->bound_pico = BOUND_PICO;
    f->item = draw.item;

    f->models = cf_models_new();
    f->model = cf_models_add(f->models, "claude-sonnet-5-5");
    f->model->provider = strdup("anthropic");
    f->model->limit_class = strdup("sonnet");
    must(f, cf_price_set(&f->model->price, 0, CF_TOKENS_INPUT, false, "3", 1, &f->err));
    must(f, cf_price_set(&f->model->price, 0, CF_TOKENS_OUTPUT, false, "15", 2, &f->err));
    cf_account_init(&f->account, 0, 0);
    assert_true(cf_queue_init(&f->completions));

    f->keys[0] = (struct cf_key_options){ .name = "first", .value = "sk-first" };
    f->keys[1] = (struct cf_key_options){ .name = "second", .value = "sk-second" };
    f->options = (struct cf_sender_options){
        .base_url = cf_simulator_url(f->simulator), .keys = f->keys, .key_count = 1,
        .retry = { .max_attempts = 3, .base_delay_ms = 0, .max_delay_ms = 1000 },
        .clock = &fixture_clock, .models = f->models, .store = f->store,
    };
    cf_limit_config_default(&f->options.limits);
    f->options.limits.max_requests = 1000;
    f->options.limits.is_default = false;
    f->options.limits.pacing = CF_PACING_BURST;
}

static inline void fixture_open(struct fixture *f, const char *spec, const char *api_key)
{
    fixture_open_by(f, spec, api_key, NULL);
}

static inline void fixture_start(struct fixture *f)
{
    must(f, cf_sender_open(&f->options, &f->sender, &f->err));
}

static inline void count_retry(struct cf_call *call, const struct cf_retry_step *step,
                               const struct cf_error *err)
{
    struct fixture *f = call->owner;
    assert_true(step->attempt >= 1);
    assert_int_not_equal(err->kind, CF_OK);
    atomic_fetch_add(&f->retries, 1);
    atomic_store(&f->last_attempt, step->attempt);
}

/* A call whose prompt is its number. */
static inline struct cf_call *fixture_submit(struct fixture *f)
{
    struct cf_call *call = cf_call_new();
    char body[256];
    int64_t number = ++f->submitted;
    int len = snprintf(body, sizeof body,
                       "{\"model\":\"claude-sonnet-5-5\",\"max_tokens\":256,\"messages\":[{\"role\":\"user\","
                       "\"content\":\"Write a chat about number %lld\"}]}", (long long)number);
    call->completions = &f->completions;
    call->owner = f;
    call->account = &f->account;
    call->run = f->run;
    call->item = f->item;
    call->ordinal = number;
    call->model = f->model;
    call->body = strdup(body);
    call->body_len = (size_t)len;
    cf_sha256(body, (size_t)len, call->hash);
    call->max_tokens = 256;
    call->bound_pico = f->bound_pico;
    call->amounts = (struct cf_amounts){ 1, 30, 256 };
    call->on_retry = count_retry;
    cf_sender_submit(f->sender, call);
    return call;
}

/* The next call that came back; to be freed with cf_call_free. */
static inline struct cf_call *fixture_next(struct fixture *f)
{
    for (int waited_ms = 0; f->popped == NULL; waited_ms += 100) {
        if (waited_ms > WAIT_MS)
            fail_msg("no call came back");
        if (cf_queue_wait(&f->completions, 100))
            f->popped = cf_queue_take_all(&f->completions);
    }
    struct cf_call *call = (struct cf_call *)f->popped;
    f->popped = f->popped->next;
    f->returned++;
    return call;
}

/* Lets the net thread go once through its loop. */
static inline void fixture_turn(struct fixture *f)
{
    struct cf_limit_status unused;
    assert_true(cf_sender_limits(f->sender, NULL, "sonnet", &unused));
}

/* Moves the clock, and the net thread with it. */
static inline void fixture_pass(struct fixture *f, int64_t ms)
{
    atomic_fetch_add(&fixture_now_ms, ms);
    fixture_turn(f);
}

/* The next call that came back, where calls wait for moments that are far off. */
static inline struct cf_call *fixture_next_in_time(struct fixture *f)
{
    while (f->popped == NULL && !cf_queue_wait(&f->completions, 2))
        fixture_pass(f, 1000);
    return fixture_next(f);
}

static inline struct cf_sender_status fixture_status(struct fixture *f)
{
    struct cf_sender_status status;
    fixture_turn(f);
    fixture_turn(f);         /* the first turn has published now */
    cf_sender_status(f->sender, &status);
    return status;
}

/* Turns the net thread until *at(status) is want. */
#define fixture_until(f, field, want)                                                      \
    do {                                                                                   \
        int turns_ = 0;                                                                    \
        while (fixture_status(f).field != (want))                                          \
            if (++turns_ > TURNS_MAX)                                                      \
                fail_msg("%s never became %lld", #field, (long long)(want));               \
    } while (0)

static inline void fixture_sql(struct fixture *f, const char *sql)
{
    if (sqlite3_exec(f->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(f->db));
}

static inline int64_t fixture_count(struct fixture *f, const char *sql)
{
    sqlite3_stmt *query;
    if (sqlite3_prepare_v2(f->db, sql, -1, &query, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(f->db));
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    int64_t count = sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    return count;
}

#define assert_rows(f, want, sql) assert_int_equal(fixture_count((f), "SELECT count(*) FROM " sql), (want))

/* Nothing is under way, and whoever counts has counted the same. */
static inline void fixture_check_rest(struct fixture *f)
{
    struct cf_sender_status status = fixture_status(f);
    assert_int_equal(status.waiting, 0);
    assert_int_equal(status.in_flight, 0);
    assert_int_equal(status.backing_off, 0);
    assert_int_equal(status.at_stake_pico, 0);
    assert_int_equal(status.waiting_for_budget, 0);
    assert_int_equal(status.waiting_for_service, 0);
    for (size_t i = 0; i < f->options.key_count; i++) {
        struct cf_limit_status limits;
        assert_true(cf_sender_limits(f->sender, f->keys[i].name, "sonnet", &limits));
        assert_int_equal(limits.in_flight, 0);
        assert_int_equal(limits.queued, 0);
    }
    struct cf_account account;
    cf_account_read(&f->account, &account);
    assert_int_equal(account.ledger.reserved, 0);
    assert_int_equal(account.ledger.spent, fixture_count(f, "SELECT spent_pico FROM runs"));
    assert_int_equal(account.ledger.at_risk, fixture_count(f, "SELECT at_risk_pico FROM runs"));
    assert_int_equal(account.attempts, fixture_count(f, "SELECT attempts FROM runs"));
    assert_int_equal(account.attempts, fixture_count(f, "SELECT coalesce(sum(attempts), 0) FROM calls"));
    assert_int_equal(account.ledger.spent, fixture_count(f, "SELECT coalesce(sum(cost_pico), 0) FROM calls"));
    assert_int_equal(account.ledger.at_risk,
                     fixture_count(f, "SELECT coalesce(sum(at_risk_pico), 0) FROM calls"));
}

/* As well: each attempt has its log row, and no call is taken for being in flight. */
static inline void fixture_check_rows(struct fixture *f)
{
    fixture_check_rest(f);
    assert_rows(f, 0, "calls WHERE state = 'sent'");
    assert_int_equal(fixture_count(f, "SELECT attempts FROM runs"),
                     fixture_count(f, "SELECT count(*) FROM generation_logs WHERE status <> 'rejected'"));
}

/* Stops the simulator, so that its counters can be read. */
static inline const struct cf_simulator_counters *fixture_counters(struct fixture *f)
{
    if (f->simulator != NULL)
        cf_simulator_stop(f->simulator, &f->counters);
    f->simulator = NULL;
    return &f->counters;
}

static inline void fixture_close(struct fixture *f)
{
    char command[sizeof f->folder + 16];
    cf_sender_end(f->sender);
    cf_store_free(f->store);
    cf_sender_free(f->sender);
    fixture_counters(f);
    assert_null(f->popped);
    assert_null(cf_queue_take_all(&f->completions));
    cf_queue_done(&f->completions);
    cf_account_done(&f->account);
    cf_models_free(f->models);
    sqlite3_close(f->db);
    snprintf(command, sizeof command, "rm -rf %.*s", (int)sizeof f->folder, f->folder);
    assert_int_equal(system(command), 0);
}
#endif
