/* The journal: calls, attempts, replies, and the log of each. */
#include "store/write_call.h"

#include "fixture.h"

static void a_sent_call_can_be_read_from_the_journal(void **state)
{
    struct fixture *f = *state;
    int64_t item = fixture_item(f, "a", 0), call = fixture_sent(f, item, 500);
    struct cf_reader *reader = fixture_reader(f);
    struct cf_journal_call *calls;
    size_t count;
    struct cf_buf body = { .max = 100 };

    assert_true(cf_reader_journal(reader, item, &calls, &count, &f->err));
    assert_int_equal(count, 1);
    assert_int_equal(calls[0].call, call);
    assert_string_equal(calls[0].state, "sent");
    assert_string_equal(calls[0].branch, "");
    assert_int_equal(calls[0].request_hash[31], 0xab);
    assert_int_equal(calls[0].max_tokens, 100);
    assert_int_equal(calls[0].bound_pico, 500);
    assert_int_equal(calls[0].cost_pico, CF_COST_UNKNOWN);
    assert_int_equal(calls[0].usage.input, -1);
    assert_string_equal(calls[0].stop_reason, "");
    free(calls);

    assert_int_equal(cf_reader_reply(reader, call, &body, &f->err), 0);
    assert_int_equal(cf_reader_request(reader, call, &body, &f->err), 1);
    assert_string_equal(cf_buf_str(&body), "{\"q\":1}");
    cf_buf_done(&body);

    assert_true(cf_reader_journal(reader, 4711, &calls, &count, &f->err));
    assert_int_equal(count, 0);
    free(calls);
    cf_reader_free(reader);
}

static void a_reply_is_kept_whole_with_usage_and_cost(void **state)
{
    struct fixture *f = *state;
    int64_t item = fixture_item(f, "a", 0), call = fixture_sent(f, item, 500);
    static const char raw[] = "{\"x\":\"\xff\0\"}";    /* stored byte for byte, whatever it is */
    struct cf_write_call_reply reply = {
        .write.apply = cf_write_call_reply,
        .run = f->run.run,
        .item = item,
        .call = call,
        .reply = { raw, sizeof raw - 1 },
        .usage = { 10, 20, 30, 40, 50, 6, "standard" },
        .cost_pico = 123,
        .model_answered = "claude-x-1",
        .stop_reason = "max_tokens",
        .latency_ms = 77,
        .request_id = "req_9",
    };
    must(f, &reply.write);

    struct cf_reader *reader = fixture_reader(f);
    struct cf_journal_call *calls;
    size_t count;
    struct cf_buf body = { .max = 100 };
    assert_true(cf_reader_journal(reader, item, &calls, &count, &f->err));
    assert_string_equal(calls[0].state, "done");
    assert_string_equal(calls[0].stop_reason, "max_tokens");
    assert_string_equal(calls[0].model_answered, "claude-x-1");
    assert_string_equal(calls[0].request_id, "req_9");
    assert_int_equal(calls[0].cost_pico, 123);
    assert_int_equal(calls[0].latency_ms, 77);
    assert_int_equal(calls[0].usage.cache_write_1h, 40);
    assert_int_equal(calls[0].usage.thinking, 6);
    free(calls);
    assert_int_equal(cf_reader_reply(reader, call, &body, &f->err), 1);
    assert_int_equal(body.len, sizeof raw - 1);
    assert_memory_equal(body.data, raw, sizeof raw - 1);
    cf_buf_done(&body);

    struct cf_buf small = { .max = 3 };
    assert_int_equal(cf_reader_reply(reader, call, &small, &f->err), -1);
    assert_int_equal(f->err.kind, CF_ERR_STORAGE);
    cf_buf_done(&small);
    cf_reader_free(reader);

    struct cf_run_account account = fixture_account(f);
    assert_int_equal(account.spent_pico, 123);
    assert_int_equal(account.replies, 1);
    assert_int_equal(account.tokens.input, 10);
    assert_int_equal(account.tokens.cache_write_5m, 30);
    assert_int_equal(account.tokens.cache_read, 50);
    assert_int_equal(account.tokens.thinking, 6);
}

static void a_reply_without_a_price_is_counted_as_unknown(void **state)
{
    struct fixture *f = *state;
    int64_t item = fixture_item(f, "a", 0), call = fixture_sent(f, item, CF_COST_UNKNOWN);
    fixture_reply(f, item, call, CF_COST_UNKNOWN);
    assert_int_equal(fixture_account(f).unknown_cost_replies, 1);
    assert_int_equal(fixture_account(f).spent_pico, 0);
    assert_string_equal(fixture_sql(f, "SELECT coalesce(cost_pico, 'null') FROM calls"), "null");
}

static void a_reply_whose_cost_is_unknown_puts_its_bound_at_risk(void **state)
{
    struct fixture *f = *state;
    int64_t item = fixture_item(f, "a", 0), call = fixture_sent(f, item, 500);
    fixture_reply(f, item, call, CF_COST_UNKNOWN);
    assert_int_equal(fixture_account(f).at_risk_pico, 500);
    assert_string_equal(fixture_sql(f, "SELECT at_risk_pico FROM calls"), "500");
    assert_string_equal(fixture_sql(f, "SELECT at_risk_pico FROM generation_logs"), "500");
}

static struct cf_write_call_failed failure(struct fixture *f, int64_t item, int64_t call,
                                           bool retry, bool billed)
{
    return (struct cf_write_call_failed){
        .write.apply = cf_write_call_failed, .run = f->run.run, .item = item, .call = call,
        .will_retry = retry, .may_be_billed = billed, .http_status = 529, .error_kind = "api_error",
        .error_message = "overloaded", .usage = CF_TOKEN_USAGE_NONE, .duration_ms = 5,
    };
}

static void what_may_have_been_billed_stays_at_risk_for_good(void **state)
{
    struct fixture *f = *state;
    int64_t item = fixture_item(f, "a", 0), call = fixture_sent(f, item, 500);
    struct cf_write_call_failed failed = failure(f, item, call, true, true);
    must(f, &failed.write);
    assert_string_equal(fixture_sql(f, "SELECT state FROM calls"), "waiting");
    assert_int_equal(fixture_account(f).at_risk_pico, 500);

    struct cf_write_call_sent again = { .write.apply = cf_write_call_sent,
                                        .run = f->run.run,
                                        .item = item,
                                        .call = call,
                                        .model = "claude-x",
                                        .max_tokens = 200,
                                        .bound_pico = 700 };
    must(f, &again.write);
    assert_int_equal(again.call, call);
    assert_string_equal(fixture_sql(f, "SELECT state || attempts || ':' || max_tokens FROM calls"),
                        "sent2:200");
    assert_string_equal(fixture_sql(f, "SELECT body FROM call_requests"), "{\"q\":1}");

    failed = failure(f, item, call, true, false);
    must(f, &failed.write);
    assert_int_equal(fixture_account(f).at_risk_pico, 500);

    must(f, &again.write);
    fixture_reply(f, item, call, 90);
    struct cf_run_account account = fixture_account(f);
    assert_int_equal(account.at_risk_pico, 500);
    assert_int_equal(account.spent_pico, 90);
    assert_int_equal(account.calls, 1);
    assert_int_equal(account.attempts, 3);
    assert_int_equal(account.failures, 2);
    assert_int_equal(account.replies, 1);
    assert_string_equal(fixture_sql(f, "SELECT group_concat(attempt || status) FROM"
                                       " (SELECT * FROM generation_logs ORDER BY id)"),
                        "1retry,2retry,3success");
}

struct end_row {
    const char *name;
    bool billed;
    const char *state, *log;
};

static struct end_row end_rows[] = {
    { "a call that gives up without a bill has failed", false, "failed", "failure" },
    { "a call that gives up and may be billed is unknown", true, "unknown", "unknown" },
};

static void last_failure_is_told_apart(void **state)
{
    const struct end_row *row = *state;
    void *made;
    fixture_make(&made);
    struct fixture *f = made;
    int64_t item = fixture_item(f, "a", 0), call = fixture_sent(f, item, 500);
    struct cf_write_call_failed failed = failure(f, item, call, false, row->billed);
    must(f, &failed.write);
    assert_string_equal(fixture_sql(f, "SELECT state FROM calls"), row->state);
    assert_string_equal(fixture_sql(f, "SELECT status FROM generation_logs"), row->log);
    assert_int_equal(fixture_account(f).at_risk_pico, row->billed ? 500 : 0);
    fixture_remove(&made);
}

static void a_call_that_is_not_there_is_an_error(void **state)
{
    struct fixture *f = *state;
    int64_t item = fixture_item(f, "a", 0);
    struct cf_write_call_failed failed = failure(f, item, 4711, true, false);
    assert_false(cf_store_write(f->store, &failed.write, &f->err));
    assert_string_equal(f->err.message, "there is no call 4711");
    struct cf_write_call_sent again = {
        .write.apply = cf_write_call_sent, .run = f->run.run, .item = item, .call = 4711
    };
    assert_false(cf_store_write(f->store, &again.write, &f->err));
    struct cf_write_call_reply reply = { .write.apply = cf_write_call_reply,
                                         .run = f->run.run,
                                         .item = item,
                                         .call = 4711,
                                         .reply = text("{}"),
                                         .usage = CF_TOKEN_USAGE_NONE };
    assert_false(cf_store_write(f->store, &reply.write, &f->err));
    assert_int_equal(fixture_account(f).attempts, 0);
}

static void money_beyond_counting_is_an_error_not_a_wrong_sum(void **state)
{
    struct fixture *f = *state;
    int64_t item = fixture_item(f, "a", 0);
    int64_t first = fixture_sent(f, item, 1), second = fixture_sent(f, item, 1);
    fixture_reply(f, item, first, INT64_MAX - 5);
    struct cf_write_call_reply reply = { .write.apply = cf_write_call_reply,
                                         .run = f->run.run,
                                         .item = item,
                                         .call = second,
                                         .reply = text("{}"),
                                         .usage = CF_TOKEN_USAGE_NONE,
                                         .cost_pico = 10 };
    assert_false(cf_store_write(f->store, &reply.write, &f->err));
    assert_int_equal(f->err.kind, CF_ERR_STORAGE);
    assert_int_equal(fixture_account(f).spent_pico, INT64_MAX - 5);
    assert_string_equal(fixture_sql(f, "SELECT count(*) FROM call_replies"), "1");
}

/* --- the log --- */

static char *log_text(struct fixture *f, struct cf_log_filter filter)
{
    struct cf_buf out = { .max = 4096 };
    struct cf_reader *reader = fixture_reader(f);
    struct cf_log_cursor *cursor;
    const struct cf_log_row *row;
    int next;
    assert_true(cf_logs_open(reader, &filter, &cursor, &f->err));
    while ((next = cf_logs_next(cursor, &row, &f->err)) > 0)
        cf_buf_addf(&out, "%s:%s:%d ", row->key.data, row->status, row->http_status);
    assert_int_equal(next, 0);
    cf_logs_free(cursor);
    cf_reader_free(reader);
    return cf_buf_take(&out, &(size_t){ 0 });
}

static void check_log(struct fixture *f, struct cf_log_filter filter, const char *expected)
{
    char *log = log_text(f, filter);
    assert_string_equal(log, expected);
    free(log);
}

static void the_log_has_a_row_for_every_attempt(void **state)
{
    struct fixture *f = *state;
    int64_t a = fixture_item(f, "a", 0), b = fixture_item(f, "b", 1);
    int64_t call = fixture_sent(f, a, 5);
    struct cf_write_call_failed failed = failure(f, a, call, true, false);
    must(f, &failed.write);
    fixture_reply(f, a, call, 1);
    int64_t other = fixture_sent(f, b, 5);
    fixture_reply(f, b, other, 1);
    struct cf_write_call_rejected rejected = { .write.apply = cf_write_call_rejected,
                                               .run = f->run.run,
                                               .item = b,
                                               .call = other,
                                               .error_kind = "parse_error",
                                               .error_message = "no JSON" };
    must(f, &rejected.write);
    must(f, &rejected.write);                              /* a replay says it again */

    check_log(f, (struct cf_log_filter){ .run = f->run.run },
              "a:retry:529 a:success:200 b:success:200 b:rejected:0 ");
    check_log(f, (struct cf_log_filter){ .item = a }, "a:retry:529 a:success:200 ");
    check_log(f, (struct cf_log_filter){ .call = other }, "b:success:200 b:rejected:0 ");
    check_log(f, (struct cf_log_filter){ .run = f->run.run, .failures_only = true },
              "a:retry:529 b:rejected:0 ");
    check_log(f, (struct cf_log_filter){ .last = 2 }, "b:success:200 b:rejected:0 ");
    check_log(f, (struct cf_log_filter){ .run = 4711 }, "");
    assert_int_equal(fixture_account(f).spent_pico, 2);    /* a rejection costs nothing more */
}

static void failures_that_are_alike_are_counted_together_with_the_first_as_example(void **state)
{
    static const struct {
        const char *key;
        int64_t ordinal;
        const char *kind, *message;
    } failed[] = {
        { "late", 5, "parse_error", "turn 12: no \"role\" in \"a\"" },
        { "early", 1, "parse_error", "turn 3: no \"content\" in \"b c\"" },
        { "open", 4, "parse_error", "turn 3: no \"content" },
        { "x", 2, "refusal", "declined" },
        { "y", 3, "refusal", "declined" },
        { "z", 6, "refusal", "declined" },
        { "other", 7, "refusal", "declined 2" },
        { "kind", 8, "api_error", "declined" },
        { "line", 10, "script_error", "a.lua:12: no x in 3" },
        { "its own", 11, "script_error", "a.lua:13: no x in 4" },
        { "again", 12, "script_error", "a.lua:12: no x in 55" },
    };
    static const struct {
        const char *key, *kind;
        int64_t count;
    } told[] = {
        { "x", "refusal", 3 },
        { "early", "parse_error", 2 },
        { "line", "script_error", 2 },
        { "kind", "api_error", 1 },
        { "open", "parse_error", 1 },
        { "other", "refusal", 1 },
        { "its own", "script_error", 1 },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof failed / sizeof *failed; i++)
        fixture_fail(f, fixture_item(f, failed[i].key, failed[i].ordinal), failed[i].kind,
                     failed[i].message);
    fixture_finish(f, fixture_item(f, "fine", 9), "generated", 8);

    struct cf_reader *reader = fixture_reader(f);
    struct cf_failure_cursor *cursor, *inner;
    const struct cf_failure_row *row;
    assert_true(cf_failures_open(reader, f->run.run, &cursor, &f->err));
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        assert_int_equal(cf_failures_next(cursor, &row, &f->err), 1);
        assert_string_equal(row->key.data, told[i].key);
        assert_string_equal(row->error_kind, told[i].kind);
        assert_int_equal(row->count, told[i].count);
        assert_true(cf_failures_open(reader, f->run.run, &inner, &f->err));
        cf_failures_free(inner);
    }
    assert_int_equal(cf_failures_next(cursor, &row, &f->err), 0);
    cf_failures_free(cursor);

    int64_t item = 0;
    assert_int_equal(cf_reader_find_item(reader, "open", &item, &f->err), 1);
    assert_true(item > 0);
    assert_int_equal(cf_reader_find_item(reader, "nowhere", &item, &f->err), 0);
    cf_reader_free(reader);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_remove)

/* An item with two whole replies that ended so. */
static int64_t failed_item(struct fixture *f, const char *key, int64_t ordinal, const char *kind)
{
    int64_t item = fixture_item(f, key, ordinal);
    for (int i = 0; i < 2; i++)
        fixture_reply(f, item, fixture_sent(f, item, 500), 40);
    if (kind != NULL)
        fixture_fail(f, item, kind, "no");
    else
        fixture_finish(f, item, "generated", 8);
    return item;
}

static void the_last_reply_of_what_failed_on_content_is_set_aside(void **state)
{
    struct fixture *f = *state;
    const char *kinds[] = { "parse_error",  "validation_error", "refusal",     "script_error",
                            "api_error",    "rate_limit_error", "budget_error", "config_error",
                            "storage_error", NULL };
    const size_t on_content = 4, count = sizeof kinds / sizeof *kinds;
    int64_t items[sizeof kinds / sizeof *kinds];
    char key[] = "a";
    for (size_t i = 0; i < count; i++, key[0]++)
        items[i] = failed_item(f, key, (int64_t)i, kinds[i]);
    fixture_fail(f, fixture_item(f, "no reply", 20), "script_error", "before the first call");

    struct cf_write_call_set_aside aside = { .write.apply = cf_write_call_set_aside,
                                             .run = f->run.run, .drawing = 1 };
    must(f, &aside.write);
    assert_int_equal(aside.calls, on_content);

    struct cf_reader *reader = fixture_reader(f);
    for (size_t i = 0; i < count; i++) {
        struct cf_journal_call *calls;
        size_t n;
        assert_true(cf_reader_journal(reader, items[i], &calls, &n, &f->err));
        assert_int_equal(n, 2);
        assert_false(calls[0].set_aside);
        assert_int_equal(calls[1].set_aside, i < on_content);
        free(calls);
    }
    cf_reader_free(reader);

    must(f, &aside.write);    /* said again, without a pass in between: the replies before */
    assert_int_equal(aside.calls, on_content);
    aside.run++;
    must(f, &aside.write);
    assert_int_equal(aside.calls, 0);
}

static struct cf_write_call_reply ending_reply(struct fixture *f, int64_t item, int64_t call,
                                               struct cf_write_item_finish *finish)
{
    return (struct cf_write_call_reply){
        .write.apply = cf_write_call_reply, .run = f->run.run, .item = item, .call = call,
        .reply = text("{}"), .usage = CF_TOKEN_USAGE_NONE, .cost_pico = 9, .finish = finish,
    };
}

static void a_reply_can_end_its_item(void **state)
{
    struct fixture *f = *state;
    int64_t item = fixture_item(f, "a", 0), call = fixture_sent(f, item, 500);
    struct cf_turn_call turn_call = { 0, 1, call };
    struct cf_conversation_new conversation = fixture_conversation(1, "generated", 8);
    conversation.calls = &turn_call;
    conversation.call_count = 1;
    struct cf_write_item_finish finish = { .item = item, .state = CF_ITEM_DONE,
                                           .conversations = &conversation, .count = 1 };
    struct cf_write_call_reply reply = ending_reply(f, item, call, &finish);
    uint64_t commits = cf_store_commits(f->store);
    must(f, &reply.write);
    assert_int_equal(cf_store_commits(f->store), commits + 1);
    assert_string_equal(fixture_sql(f, "SELECT state || accepted || attempts FROM items"), "done11");
    assert_string_equal(fixture_sql(f, "SELECT count(*) FROM call_replies"), "1");
    assert_string_equal(fixture_sql(f, "SELECT count(*) FROM conversation_turns"), "2");
    assert_string_equal(fixture_sql(f, "SELECT call = (SELECT id FROM calls) FROM turn_calls"), "1");
    assert_int_equal(fixture_account(f).accepted, 1);
    assert_int_equal(fixture_account(f).spent_pico, 9);
}

static void a_reply_whose_item_cannot_end_is_not_half_stored(void **state)
{
    struct fixture *f = *state;
    int64_t item = fixture_item(f, "a", 0), call = fixture_sent(f, item, 500);
    struct cf_write_item_finish finish = { .item = 4711, .state = CF_ITEM_DONE };
    struct cf_write_call_reply reply = ending_reply(f, item, call, &finish);
    assert_false(cf_store_write(f->store, &reply.write, &f->err));
    assert_string_equal(f->err.message, "there is no item 4711");
    assert_string_equal(fixture_sql(f, "SELECT state FROM calls"), "sent");
    assert_string_equal(fixture_sql(f, "SELECT count(*) FROM call_replies"), "0");
    assert_int_equal(fixture_account(f).spent_pico, 0);
}

int main(void)
{
    struct CMUnitTest tests[20] = {
        WITH_STORE(a_sent_call_can_be_read_from_the_journal),
        WITH_STORE(a_reply_is_kept_whole_with_usage_and_cost),
        WITH_STORE(a_reply_without_a_price_is_counted_as_unknown),
        WITH_STORE(a_reply_whose_cost_is_unknown_puts_its_bound_at_risk),
        WITH_STORE(what_may_have_been_billed_stays_at_risk_for_good),
        WITH_STORE(a_call_that_is_not_there_is_an_error),
        WITH_STORE(money_beyond_counting_is_an_error_not_a_wrong_sum),
        WITH_STORE(the_log_has_a_row_for_every_attempt),
        WITH_STORE(failures_that_are_alike_are_counted_together_with_the_first_as_example),
        WITH_STORE(the_last_reply_of_what_failed_on_content_is_set_aside),
        WITH_STORE(a_reply_can_end_its_item),
        WITH_STORE(a_reply_whose_item_cannot_end_is_not_half_stored),
    };
    size_t count = 12;
    for (size_t i = 0; i < sizeof end_rows / sizeof end_rows[0]; i++)
        tests[count++] = (struct CMUnitTest){ .name = end_rows[i].name,
                                              .test_func = last_failure_is_told_apart,
                                              .initial_state = &end_rows[i] };
    return _cmocka_run_group_tests("write_call", tests, count, NULL, NULL);
}
