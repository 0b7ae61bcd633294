/* Runs, templates, lanes and control rows. */
#include "store/write_run.h"

#include "fixture.h"
#include "store/owner.h"

static struct cf_write_run_begin begin_of(const char *name, bool simulated, bool fresh,
                                          const char *hash)
{
    return (struct cf_write_run_begin){ .write.apply = cf_write_run_begin,
                                        .name = name,
                                        .provider = "anthropic",
                                        .simulated = simulated,
                                        .fresh = fresh,
                                        .script_hash = hash,
                                        .seed = 99 };
}

static void a_run_is_found_again_by_its_identity(void **state)
{
    struct fixture *f = *state;
    assert_false(f->run.continued);
    assert_int_equal(f->run.generation, 1);

    struct cf_write_run_begin again = begin_of("demo", false, false, "aa");
    must(f, &again.write);
    assert_true(again.continued);
    assert_int_equal(again.run, f->run.run);
    assert_string_equal(again.uuid, f->run.uuid);
    assert_int_equal(again.run_seed, 7);
    assert_false(again.script_changed);

    struct cf_write_run_begin edited = begin_of("demo", false, false, "bb");
    must(f, &edited.write);
    assert_true(edited.continued && edited.script_changed);
    assert_string_equal(fixture_sql(f, "SELECT script_hash FROM runs"),
                        "aa"); /* not before it is owned */

    struct cf_write_run_begin simulated = begin_of("demo", true, false, "aa");
    must(f, &simulated.write);
    assert_false(simulated.continued);
    assert_int_not_equal(simulated.run, f->run.run);
}

static void fresh_starts_a_new_generation(void **state)
{
    struct fixture *f = *state;
    struct cf_write_run_begin fresh = begin_of("demo", false, true, "aa");
    must(f, &fresh.write);
    assert_false(fresh.continued);
    assert_int_equal(fresh.generation, 2);
    assert_int_equal(fresh.run_seed, 99);

    struct cf_write_run_begin again = begin_of("demo", false, false, "aa");
    must(f, &again.write);
    assert_int_equal(again.run, fresh.run);
    assert_string_equal(fixture_sql(f, "SELECT count(*) FROM runs"), "2");
}

static void owning_books_calls_that_a_dead_owner_left(void **state)
{
    struct fixture *f = *state;
    int64_t item = fixture_item(f, "a", 0);
    int64_t done = fixture_sent(f, item, 100);
    fixture_reply(f, item, done, 40);
    fixture_sent(f, item, 1000);
    fixture_sent(f, item, 200);
    fixture_sent(f, item, CF_COST_UNKNOWN);

    struct cf_write_run_begin other =
        begin_of("other", false, false, "aa"); /* whose calls stay as they are */
    must(f, &other.write);
    struct cf_item_draw draw = { .key = text("z"), .params = text("{}") };
    struct cf_write_item_draw batch = {
        .write.apply = cf_write_item_draw, .run = other.run, .items = &draw, .count = 1
    };
    must(f, &batch.write);
    struct cf_write_call_sent sent = { .write.apply = cf_write_call_sent,
                                       .run = other.run,
                                       .item = draw.item,
                                       .bound_pico = 7,
                                       .request = text("{}") };
    must(f, &sent.write);

    struct cf_write_run_own own = {
        .write.apply = cf_write_run_own, .begin = &f->run, .host = "here", .pid = 42
    };
    must(f, &own.write);
    assert_int_equal(own.unknown_calls, 3);
    assert_int_equal(own.unknown_pico, 1200);
    assert_int_equal(own.drawing, 1);

    struct cf_run_account account = fixture_account(f);
    assert_int_equal(account.at_risk_pico, 1200);
    assert_int_equal(account.spent_pico, 40);
    assert_int_equal(account.failures, 3);
    assert_string_equal(
        fixture_sql(f, "SELECT group_concat(state) FROM (SELECT state FROM calls ORDER BY id)"),
        "done,unknown,unknown,unknown,sent");
    assert_string_equal(fixture_sql(f, "SELECT count(*) || error_kind FROM generation_logs WHERE"
                                       " status = 'unknown' AND error_message LIKE '%in flight%'"),
                        "3api_error");

    must(f, &own.write);    /* once is enough */
    assert_int_equal(own.unknown_calls, 0);
    assert_int_equal(fixture_account(f).at_risk_pico, 1200);
    assert_int_equal(own.drawing, 2);
}

static void owning_stores_script_and_owner(void **state)
{
    struct fixture *f = *state;
    struct cf_write_run_begin begin = begin_of("demo", false, false, "bb");
    begin.script = "p.lua";
    begin.script_text = "print(1)";
    must(f, &begin.write);
    struct cf_write_run_own own = {
        .write.apply = cf_write_run_own, .begin = &begin, .host = "box", .pid = 42
    };
    must(f, &own.write);

    struct cf_reader *reader = fixture_reader(f);
    const struct cf_run_row *row;
    struct cf_owner *owner;
    assert_int_equal(cf_reader_run(reader, begin.run, &row, &f->err), 1);
    assert_string_equal(row->state, "died"); /* nobody holds its lock */
    assert_true(cf_owner_open(f->path, begin.run, &owner, &f->err));
    assert_int_equal(cf_reader_run(reader, begin.run, &row, &f->err), 1);
    cf_owner_free(owner);
    assert_string_equal(row->state, "running");
    assert_string_equal(row->script_hash, "bb");
    assert_string_equal(row->script_text, "print(1)");
    assert_string_equal(row->source, "script");    /* not given anew: kept */
    assert_string_equal(row->owner_host, "box");
    assert_int_equal(row->owner_pid, 42);
    assert_string_equal(row->owner_started_at, "2026-09-21T14:13:20.123Z");
    cf_reader_free(reader);

    begin.run = 4711;
    assert_false(cf_store_write(f->store, &own.write, &f->err));
    assert_string_equal(f->err.message, "there is no run 4711");
}

static void an_update_changes_only_what_it_names(void **state)
{
    struct fixture *f = *state;
    fixture_own(f);
    struct cf_write_run_update update = { .write.apply = cf_write_run_update,
                                          .run = f->run.run,
                                          .state = "budget",
                                          .state_reason = "low disk",
                                          .planned = 200,
                                          .budget_pico = 5 * CF_PICO_PER_USD };
    must(f, &update.write);
    update = (struct cf_write_run_update){ .write.apply = cf_write_run_update, .run = f->run.run,
                                           .options = "{\"a\":1}", .planned = CF_RUN_KEEP,
                                           .budget_pico = CF_RUN_KEEP };
    must(f, &update.write);

    struct cf_reader *reader = fixture_reader(f);
    const struct cf_run_row *row;
    assert_int_equal(cf_reader_run(reader, f->run.run, &row, &f->err), 1);
    assert_string_equal(row->state, "budget");
    assert_string_equal(row->state_reason, "low disk");
    assert_string_equal(row->options, "{\"a\":1}");
    assert_int_equal(row->account.planned, 200);
    assert_int_equal(row->account.pending, 200);
    assert_int_equal(row->budget_pico, 5 * CF_PICO_PER_USD);
    assert_non_null(row->owner_host);
    assert_null(row->finished_at);

    update = (struct cf_write_run_update){ .write.apply = cf_write_run_update, .run = f->run.run,
                                           .state = "done", .planned = CF_RUN_KEEP,
                                           .budget_pico = CF_RUN_KEEP, .finished = true };
    must(f, &update.write);
    assert_int_equal(cf_reader_run(reader, f->run.run, &row, &f->err), 1);
    assert_string_equal(row->state, "done");
    assert_null(row->state_reason);
    assert_null(row->owner_host);
    assert_non_null(row->finished_at);
    assert_int_equal(cf_reader_run(reader, 4711, &row, &f->err), 0);
    cf_reader_free(reader);
}

static struct cf_write_template template_of(const char *name, const char *system,
                                            const char *prompt)
{
    return (struct cf_write_template){ .write.apply = cf_write_template, .name = name,
                                       .system = text(system), .prompt = text(prompt) };
}

static void a_changed_template_is_a_new_version(void **state)
{
    struct fixture *f = *state;
    struct cf_write_template first = template_of("chat", "s", "p"), same = first, changed = first;
    must(f, &first.write);
    assert_true(first.is_new);
    assert_int_equal(first.version, 1);

    must(f, &same.write);
    assert_false(same.is_new);
    assert_int_equal(same.template, first.template);
    assert_string_equal(same.uuid, first.uuid);

    changed.prompt = text("p2");
    must(f, &changed.write);
    assert_true(changed.is_new);
    assert_int_equal(changed.version, 2);

    must(f, &same.write);    /* back to the first text: the first version */
    assert_int_equal(same.version, 1);

    struct cf_write_template shifted = template_of("chat", "sp", ""),
                             other = template_of("talk", "s", "p");
    must(f, &shifted.write);
    assert_true(shifted.is_new);
    must(f, &other.write);
    assert_int_equal(other.version, 1);
    assert_int_not_equal(other.template, first.template);

    struct cf_write_template none = template_of("chat", NULL, "x"),
                             empty = template_of("chat", "", "x");
    must(f, &none.write);
    must(f, &empty.write);
    assert_int_not_equal(none.template, empty.template);
}

static void templates_learn_from_replies_and_conversations(void **state)
{
    struct fixture *f = *state;
    struct cf_write_template template = template_of("chat", "s", "p");
    must(f, &template.write);
    int64_t item = fixture_item(f, "a", 0);
    for (int i = 0; i < 3; i++) {
        struct cf_write_call_sent sent = { .write.apply = cf_write_call_sent,
                                           .run = f->run.run,
                                           .item = item,
                                           .template = template.template,
                                           .request = text("{}") };
        must(f, &sent.write);
        struct cf_write_call_reply reply = { .write.apply = cf_write_call_reply,
                                             .run = f->run.run,
                                             .item = item,
                                             .call = sent.call,
                                             .reply = text("{}"),
                                             .usage = CF_TOKEN_USAGE_NONE };
        reply.usage.output = i == 2 ? -1 : 100 + i * 50;
        must(f, &reply.write);
    }
    struct cf_conversation_new parts[2] = { fixture_conversation(1, "generated", 8),
                                            fixture_conversation(2, "needs_revision", 3) };
    parts[0].template = parts[1].template = template.template;
    struct cf_write_item_finish finish = { .write.apply = cf_write_item_finish,
                                           .item = item,
                                           .state = CF_ITEM_DONE,
                                           .conversations = parts,
                                           .count = 2 };
    must(f, &finish.write);

    struct cf_reader *reader = fixture_reader(f);
    const struct cf_template_row *row;
    assert_int_equal(cf_reader_template(reader, template.template, &row, &f->err), 1);
    assert_string_equal(row->name, "chat");
    assert_int_equal(row->usage_count, 3);
    assert_int_equal(row->success_count, 1);
    assert_int_equal(row->output_calls, 2);
    assert_int_equal(row->output_tokens, 250);
    assert_int_equal(row->output_tokens_max, 150);
    assert_int_equal(cf_reader_template(reader, 4711, &row, &f->err), 0);
    cf_reader_free(reader);
}

static void a_lane_keeps_the_last_it_learnt(void **state)
{
    struct fixture *f = *state;
    struct cf_write_lane lane = { .write.apply = cf_write_lane,
                                  .base_url = "u",
                                  .limit_class = "sonnet",
                                  .max_requests = 50,
                                  .max_input_tokens = -1,
                                  .max_output_tokens = 800,
                                  .window_ms = 60000,
                                  .source = "header" };
    must(f, &lane.write);
    lane.max_requests = 40;
    must(f, &lane.write);
    assert_string_equal(fixture_sql(f, "SELECT count(*) || ':' || max_requests || ':' ||"
                                       " coalesce(max_input_tokens, 'none') FROM lanes"),
                        "1:40:none");
}

static int64_t ask_owner(struct fixture *f, const char *command, const char *arguments)
{
    struct cf_write_control control = { .write.apply = cf_write_control,
                                        .run = f->run.run,
                                        .command = command,
                                        .arguments = arguments };
    must(f, &control.write);
    return control.control;
}

static void what_is_asked_of_an_owner_is_read_oldest_first(void **state)
{
    struct fixture *f = *state;
    struct cf_reader *reader = fixture_reader(f);
    const struct cf_control_row *row;
    assert_int_equal(cf_reader_control(reader, f->run.run, &row, &f->err), 0);

    int64_t first = ask_owner(f, "tune", "{\"concurrency\":2}");
    int64_t second = ask_owner(f, "stop", NULL);
    assert_int_equal(cf_reader_control(reader, f->run.run, &row, &f->err), 1);
    assert_int_equal(row->control, first);
    assert_string_equal(row->command, "tune");
    assert_string_equal(row->arguments, "{\"concurrency\":2}");
    assert_int_equal(cf_reader_control_is_handled(reader, first, &f->err), 0);

    struct cf_write_control handled = { .write.apply = cf_write_control, .handled = first };
    must(f, &handled.write);
    assert_int_equal(cf_reader_control_is_handled(reader, first, &f->err), 1);
    assert_int_equal(cf_reader_control(reader, f->run.run, &row, &f->err), 1);
    assert_int_equal(row->control, second);
    assert_null(row->arguments);
    assert_int_equal(cf_reader_control(reader, f->run.run + 1, &row, &f->err), 0);
    cf_reader_free(reader);
}

static void what_was_asked_of_a_dead_owner_is_not_for_the_next(void **state)
{
    struct fixture *f = *state;
    struct cf_reader *reader = fixture_reader(f);
    const struct cf_control_row *row;
    int64_t control = ask_owner(f, "stop", NULL);
    fixture_own(f);
    assert_int_equal(cf_reader_control(reader, f->run.run, &row, &f->err), 0);
    assert_int_equal(cf_reader_control_is_handled(reader, control, &f->err), 1);
    cf_reader_free(reader);
}

static void a_control_row_is_open_until_it_is_handled(void **state)
{
    struct fixture *f = *state;
    struct cf_write_control control = { .write.apply = cf_write_control,
                                        .run = f->run.run,
                                        .command = "pause" };
    must(f, &control.write);
    assert_string_equal(fixture_sql(f, "SELECT command FROM run_control WHERE handled_at IS NULL"),
                        "pause");
    control.handled = control.control;
    must(f, &control.write);
    assert_string_equal(fixture_sql(f, "SELECT count(*) FROM run_control WHERE handled_at IS NULL"),
                        "0");

    control = (struct cf_write_control){ .write.apply = cf_write_control,
                                         .run = 4711,
                                         .command = "stop" };
    assert_false(cf_store_write(f->store, &control.write, &f->err));    /* foreign keys are on */
    assert_int_equal(f->err.kind, CF_ERR_STORAGE);
}

/* --- finding --- */

static void a_run_is_found_by_name_uuid_and_prefix(void **state)
{
    struct fixture *f = *state;
    struct cf_reader *reader = fixture_reader(f);
    char prefix[16], upper[CF_UUID_TEXT_SIZE];
    int64_t run = 0;

    assert_int_equal(cf_reader_find_run(reader, "demo", &run, &f->err), 1);
    assert_int_equal(run, f->run.run);
    assert_int_equal(cf_reader_find_run(reader, f->run.uuid, &run, &f->err), 1);
    assert_int_equal(cf_reader_find_run(reader, NULL, &run, &f->err), 1);
    snprintf(prefix, sizeof prefix, "%.9s", f->run.uuid);
    assert_int_equal(cf_reader_find_run(reader, prefix, &run, &f->err), 1);
    snprintf(upper, sizeof upper, "%s", f->run.uuid);
    for (char *c = upper; *c != '\0'; c++)
        *c = (char)(*c >= 'a' && *c <= 'f' ? *c - 32 : *c);
    assert_int_equal(cf_reader_find_run(reader, upper, &run, &f->err), 1);

    assert_int_equal(cf_reader_find_run(reader, "nothing", &run, &f->err), 0);
    assert_int_equal(cf_reader_find_run(reader, "01", &run, &f->err),
                     0); /* too short to mean anything */

    struct cf_write_run_begin second = begin_of("second", false, false, "aa");
    must(f, &second.write);    /* same clock: the first characters are the same */
    assert_int_equal(cf_reader_find_run(reader, prefix, &run, &f->err), -1);
    assert_int_equal(f->err.kind, CF_ERR_CONFIG);
    assert_non_null(strstr(f->err.message, "several runs"));
    cf_reader_free(reader);
}

static void ids_tell_their_kind(void **state)
{
    struct fixture *f = *state;
    int64_t item = fixture_item(f, "a", 0), call = fixture_sent(f, item, 5);
    int64_t conversation = fixture_finish(f, item, "generated", 8), id;
    enum cf_id_kind kind = CF_ID_NONE;
    char typed[64];
    struct cf_reader *reader = fixture_reader(f);

    snprintf(typed, sizeof typed, "%s", fixture_sql(f, "SELECT uuid FROM conversations"));
    assert_int_equal(cf_reader_find(reader, typed, &kind, &id, &f->err), 1);
    assert_int_equal(kind, CF_ID_CONVERSATION);
    assert_int_equal(id, conversation);
    assert_int_equal(cf_reader_find(reader, f->run.uuid, &kind, &id, &f->err), 1);
    assert_int_equal(kind, CF_ID_RUN);
    snprintf(typed, sizeof typed, "call:%d", (int)call);
    assert_int_equal(cf_reader_find(reader, typed, &kind, &id, &f->err), 1);
    assert_int_equal(kind, CF_ID_CALL);
    snprintf(typed, sizeof typed, "item:%d", (int)item);
    assert_int_equal(cf_reader_find(reader, typed, &kind, &id, &f->err), 1);
    assert_int_equal(kind, CF_ID_ITEM);

    assert_int_equal(cf_reader_find(reader, "item:4711", &kind, &id, &f->err), 0);
    assert_int_equal(cf_reader_find(reader, "item:4x", &kind, &id, &f->err), 0);
    assert_int_equal(cf_reader_find(reader, "what's this", &kind, &id, &f->err), 0);
    snprintf(typed, sizeof typed, "%.8s", f->run.uuid);
    assert_int_equal(cf_reader_find(reader, typed, &kind, &id, &f->err), -1);
    cf_reader_free(reader);
}

static void runs_are_listed_newest_first(void **state)
{
    struct fixture *f = *state;
    struct cf_write_run_begin second = begin_of("second", true, false, "aa");
    must(f, &second.write);
    struct cf_reader *reader = fixture_reader(f);
    struct cf_run_cursor *cursor;
    const struct cf_run_row *row;

    assert_true(cf_runs_open(reader, NULL, &cursor, &f->err));
    assert_int_equal(cf_runs_next(cursor, &row, &f->err), 1);
    assert_string_equal(row->name, "second");
    assert_true(row->simulated);
    assert_int_equal(cf_runs_next(cursor, &row, &f->err), 1);
    assert_string_equal(row->name, "demo");
    assert_int_equal(row->budget_pico, CF_RUN_KEEP);
    assert_int_equal(cf_runs_next(cursor, &row, &f->err), 0);
    assert_int_equal(cf_runs_next(cursor, &row, &f->err), 0);    /* the end stays the end */
    cf_runs_free(cursor);

    assert_true(cf_runs_open(reader, "demo", &cursor, &f->err));
    assert_int_equal(cf_runs_next(cursor, &row, &f->err), 1);
    assert_int_equal(cf_runs_next(cursor, &row, &f->err), 0);
    cf_runs_free(cursor);
    cf_reader_free(reader);
}

static void a_commit_of_another_connection_changes_the_data_version(void **state)
{
    struct fixture *f = *state;
    struct cf_reader *reader = fixture_reader(f);
    int64_t before = cf_reader_data_version(reader);
    assert_int_equal(cf_reader_data_version(reader), before);
    fixture_own(f);
    assert_int_not_equal(cf_reader_data_version(reader), before);
    cf_reader_free(reader);
}

struct sql_row {
    const char *name, *sql, *words;    /* words NULL: accepted */
};

static struct sql_row sql_rows[] = {
    { "a select is run", "SELECT name FROM runs", NULL },
    { "a comment behind it is fine", "SELECT 1; -- one", NULL },
    { "columns may be listed", "PRAGMA table_info(runs)", NULL },
    { "a write is refused", "DELETE FROM runs", "reads only" },
    { "a setting is refused", "PRAGMA journal_mode = DELETE", "reads only" },
    { "another file is refused", "ATTACH '/tmp/x.db' AS x", "reads only" },
    { "a transaction is refused", "BEGIN", "reads only" },
    { "two statements are refused", "SELECT 1; SELECT 2", "one statement" },
    { "nothing is refused", " -- hm", "no statement" },
    { "bad SQL says why", "SELEKT", "syntax error" },
};

static void sql_is_for_reading(void **state)
{
    const struct sql_row *row = *state;
    void *made;
    fixture_make(&made);
    struct fixture *f = made;
    struct cf_reader *reader = fixture_reader(f);
    sqlite3_stmt *stmt = NULL;
    bool ok = cf_reader_sql(reader, row->sql, &stmt, &f->err);
    assert_int_equal(ok, row->words == NULL);
    if (ok) {
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    } else {
        assert_int_equal(f->err.kind, CF_ERR_CONFIG);
        assert_non_null(strstr(f->err.message, row->words));
    }
    sqlite3_finalize(stmt);
    cf_reader_free(reader);
    fixture_remove(&made);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_remove)

int main(void)
{
    struct CMUnitTest tests[32] = {
        WITH_STORE(a_run_is_found_again_by_its_identity),
        WITH_STORE(fresh_starts_a_new_generation),
        WITH_STORE(owning_books_calls_that_a_dead_owner_left),
        WITH_STORE(owning_stores_script_and_owner),
        WITH_STORE(an_update_changes_only_what_it_names),
        WITH_STORE(a_changed_template_is_a_new_version),
        WITH_STORE(templates_learn_from_replies_and_conversations),
        WITH_STORE(a_lane_keeps_the_last_it_learnt),
        WITH_STORE(a_control_row_is_open_until_it_is_handled),
        WITH_STORE(what_is_asked_of_an_owner_is_read_oldest_first),
        WITH_STORE(what_was_asked_of_a_dead_owner_is_not_for_the_next),
        WITH_STORE(a_run_is_found_by_name_uuid_and_prefix),
        WITH_STORE(ids_tell_their_kind),
        WITH_STORE(runs_are_listed_newest_first),
        WITH_STORE(a_commit_of_another_connection_changes_the_data_version),
    };
    size_t count = 13;
    for (size_t i = 0; i < sizeof sql_rows / sizeof sql_rows[0]; i++)
        tests[count++] = (struct CMUnitTest){ .name = sql_rows[i].name,
                                              .test_func = sql_is_for_reading,
                                              .initial_state = &sql_rows[i] };
    return _cmocka_run_group_tests("write_run", tests, count, NULL, NULL);
}
