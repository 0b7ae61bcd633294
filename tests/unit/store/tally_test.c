/* Sums and percentiles over the log, against a recomputation in SQL; what is read again, and
 * what not. */
#include "fixture.h"

#include "store/tally.h"
#include "store/write_run.h"

#define REPLIES 500

struct world {
    struct fixture *f;
    struct cf_reader *reader;
    struct cf_tally *tally;
    int64_t item, other_run, other_item;
    int64_t templates[2];
    uint32_t random;
};

static uint32_t next_random(struct world *w)
{
    w->random = w->random * 1664525u + 1013904223u;
    return w->random >> 8;
}

static int64_t draw(struct fixture *f, int64_t run)
{
    struct cf_item_draw item = { .key = text("k"), .params = text("{}") };
    struct cf_write_item_draw draw = { .write.apply = cf_write_item_draw, .run = run, .items = &item, .count = 1 };
    must(f, &draw.write);
    return item.item;
}

static int64_t send(struct world *w, int64_t run, int64_t item, int64_t template, const char *model)
{
    struct cf_write_call_sent sent = {
        .write.apply = cf_write_call_sent, .run = run, .item = item, .branch = "", .model = model,
        .max_tokens = 100, .bound_pico = 50, .template = template,
    };
    must(w->f, &sent.write);
    return sent.call;
}

static void answer(struct world *w, int64_t run, int64_t item, int64_t template, const char *model,
                   int64_t latency_ms)
{
    struct cf_write_call_reply reply = {
        .write.apply = cf_write_call_reply, .run = run, .item = item,
        .call = send(w, run, item, template, "asked"), .reply = text("{}"), .usage = CF_TOKEN_USAGE_NONE,
        .cost_pico = 1000 + latency_ms, .model_answered = model, .latency_ms = latency_ms,
    };
    reply.usage.input = 10;
    reply.usage.output = latency_ms % 7 == 0 ? -1 : latency_ms;
    must(w->f, &reply.write);
}

static void fail_call(struct world *w, int http_status, bool will_retry)
{
    struct cf_write_call_failed failed = {
        .write.apply = cf_write_call_failed, .run = w->f->run.run, .item = w->item,
        .call = send(w, w->f->run.run, w->item, 0, "asked"), .http_status = http_status, .will_retry = will_retry,
        .error_kind = "api_error", .error_message = "no", .usage = CF_TOKEN_USAGE_NONE, .duration_ms = 5,
    };
    must(w->f, &failed.write);
}

static int64_t add_template(struct fixture *f, const char *prompt)
{
    struct cf_write_template template = {
        .write.apply = cf_write_template, .name = "chat", .prompt = text(prompt), .settings = "{}",
    };
    must(f, &template.write);
    return template.template;
}

static int open_world(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    void *f;
    fixture_make(&f);
    w->f = f;
    w->random = 7;
    w->item = draw(w->f, w->f->run.run);
    struct cf_write_run_begin other = w->f->run;
    other.name = "other";
    other.write = (struct cf_write){ .apply = cf_write_run_begin };
    must(w->f, &other.write);
    w->other_run = other.run;
    w->other_item = draw(w->f, other.run);
    w->templates[0] = add_template(w->f, "one");
    w->templates[1] = add_template(w->f, "two");
    if (!cf_reader_open(w->f->path, 0, &w->reader, &w->f->err))
        fail_msg("%s", w->f->err.message);
    w->tally = cf_tally_new();
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;
    cf_tally_free(w->tally);
    cf_reader_free(w->reader);
    void *f = w->f;
    fixture_remove(&f);
    free(w);
    return 0;
}

static void update(struct world *w)
{
    if (!cf_tally_update(w->tally, w->reader, &w->f->err))
        fail_msg("%s", w->f->err.message);
}

/* Replies of two runs, two models, two versions and none, in any order of latency. */
static void add_replies(struct world *w, int count)
{
    static const char *const models[] = { "opus", "haiku" };
    for (int i = 0; i < count; i++) {
        bool is_other = next_random(w) % 5 == 0;
        uint32_t template = next_random(w) % 3;
        answer(w, is_other ? w->other_run : w->f->run.run, is_other ? w->other_item : w->item,
               template < 2 ? w->templates[template] : 0, models[next_random(w) % 4 == 0],
               next_random(w) % 3000);
    }
}

/* One number that the database gives for a run and a name. */
static double look_up(struct world *w, const char *sql, int64_t run, const char *name, int percent)
{
    sqlite3_stmt *row;
    if (!cf_reader_sql(w->reader, sql, &row, &w->f->err))
        fail_msg("%s", w->f->err.message);
    sqlite3_bind_int64(row, 1, run);
    sqlite3_bind_text(row, 2, name, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int(row, 3, percent);
    assert_int_equal(sqlite3_step(row), SQLITE_ROW);
    double value = sqlite3_column_double(row, 0);
    sqlite3_finalize(row);
    return value;
}

#define REPLIES_OF                                                                              \
    " FROM calls c JOIN items i ON i.id = c.item LEFT JOIN templates t ON t.id = c.template"    \
    " WHERE c.state = 'done' AND (?1 = 0 OR i.run = ?1)"                                        \
    " AND ?2 IN (c.model_answered, coalesce(t.name || ' v' || t.version, '(none)'))"

/* By the definition, word for word: of the latencies that at least so many percent do not
 * exceed, the least. */
#define PERCENTILE                                                                              \
    "WITH mine AS (SELECT c.latency_ms AS ms" REPLIES_OF ")"                                    \
    " SELECT min(ms) FROM mine m WHERE (SELECT count(*) FROM mine o WHERE o.ms <= m.ms) * 100"  \
    " >= ?3 * (SELECT count(*) FROM mine)"

static void check_group(struct world *w, int64_t run, const struct cf_tally_group *group)
{
    const struct { int percent; int64_t told; } percentiles[] = {
        { 50, group->p50_ms }, { 95, group->p95_ms }, { 99, group->p99_ms },
    };
    for (int i = 0; i < 3; i++) {
        double expected = look_up(w, PERCENTILE, run, group->name, percentiles[i].percent);
        if ((double)percentiles[i].told != expected)
            fail_msg("run %lld, %s: P%d is %lld, not %g", (long long)run, group->name,
                     percentiles[i].percent, (long long)percentiles[i].told, expected);
    }
    assert_true((double)group->replies == look_up(w, "SELECT count(*)" REPLIES_OF, run, group->name, 0));
    assert_true((double)group->input_tokens ==
                look_up(w, "SELECT sum(c.input_tokens)" REPLIES_OF, run, group->name, 0));
    assert_true((double)group->output_tokens ==
                look_up(w, "SELECT sum(c.output_tokens)" REPLIES_OF, run, group->name, 0));
    assert_true((double)group->cost_pico == look_up(w, "SELECT sum(c.cost_pico)" REPLIES_OF, run, group->name, 0));
    double mean = look_up(w, "SELECT avg(c.output_tokens)" REPLIES_OF, run, group->name, 0);
    assert_true(fabs(group->mean_output_tokens - mean) < 1e-9);
}

static void check_all(struct world *w, int64_t run)
{
    static const size_t expected[] = { [CF_TALLY_BY_MODEL] = 2, [CF_TALLY_BY_TEMPLATE] = 3 };
    for (int by = 0; by <= CF_TALLY_BY_TEMPLATE; by++) {
        struct cf_tally_group *groups;
        size_t count = cf_tally_groups(w->tally, run, (enum cf_tally_by)by, &groups);
        assert_int_equal(count, expected[by]);
        for (size_t i = 0; i < count; i++) {
            check_group(w, run, &groups[i]);
            if (i > 0)
                assert_true(groups[i - 1].replies >= groups[i].replies);
        }
        free(groups);
    }
}

static void sums_and_percentiles_are_those_of_a_recomputation(void **state)
{
    struct world *w = *state;
    for (int round = 0; round < 3; round++) {    /* also after each update that adds to the last */
        add_replies(w, round == 1 ? 7 : REPLIES / 2);
        update(w);
        check_all(w, 0);
        check_all(w, w->f->run.run);
        check_all(w, w->other_run);
    }
}

static void an_update_without_news_changes_nothing(void **state)
{
    struct world *w = *state;
    struct cf_tally_group *before, *after;
    update(w);
    size_t count = cf_tally_groups(w->tally, 0, CF_TALLY_BY_MODEL, &before);
    update(w);
    assert_int_equal(cf_tally_groups(w->tally, 0, CF_TALLY_BY_MODEL, &after), count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(before[i].replies, after[i].replies);
    free(before);
    free(after);
}

static void latencies_come_in_order(void **state)
{
    struct world *w = *state;
    uint32_t *all, *of_run, *of_template, *of_model;
    size_t count = cf_tally_latencies(w->tally, 0, 0, NULL, &all);
    assert_int_equal(count, 2 * (REPLIES / 2) + 7);
    for (size_t i = 1; i < count; i++)
        assert_true(all[i - 1] <= all[i]);
    size_t of_runs = 0;
    const int64_t runs[] = { w->f->run.run, w->other_run };
    for (int i = 0; i < 2; i++) {
        of_runs += cf_tally_latencies(w->tally, runs[i], 0, NULL, &of_run);
        free(of_run);
    }
    assert_int_equal(of_runs, count);
    size_t some = cf_tally_latencies(w->tally, 0, w->templates[0], NULL, &of_template);
    assert_in_range(some, 1, count - 1);
    some = cf_tally_latencies(w->tally, 0, 0, "haiku", &of_model);
    assert_in_range(some, 1, count - 1);
    free(all);
    free(of_template);
    free(of_model);
    assert_int_equal(cf_tally_latencies(w->tally, 0, 0, "nobody", &all), 0);
    free(all);
}

static void attempts_are_counted_by_how_they_ended(void **state)
{
    struct world *w = *state;
    struct cf_tally_outcome *outcomes;
    fail_call(w, 500, true);
    fail_call(w, 500, true);
    fail_call(w, 429, true);
    fail_call(w, 0, false);
    update(w);
    size_t count = cf_tally_outcomes(w->tally, &outcomes);
    assert_int_equal(count, 4);
    static const struct { const char *status; int http_status; int64_t count; } expected[] = {
        { "failure", 0, 1 }, { "retry", 429, 1 }, { "retry", 500, 2 }, { "success", 200, 507 },
    };
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(outcomes[i].status, expected[i].status);
        assert_int_equal(outcomes[i].http_status, expected[i].http_status);
        assert_int_equal(outcomes[i].count, expected[i].count);
    }
    free(outcomes);
}

static void a_reader_that_fails_leaves_what_was_counted(void **state)
{
    struct world *w = *state;
    struct cf_reader *empty;
    struct cf_tally_group *groups;
    add_replies(w, 1);
    assert_true(cf_reader_open_empty(&empty, &w->f->err));
    assert_true(cf_tally_update(w->tally, empty, &w->f->err));    /* no newer rows there */
    cf_reader_free(empty);
    size_t count = cf_tally_groups(w->tally, 0, CF_TALLY_BY_MODEL, &groups);
    assert_int_equal(count, 2);
    assert_int_equal(groups[0].replies + groups[1].replies, 507);
    free(groups);
    update(w);
    count = cf_tally_groups(w->tally, 0, CF_TALLY_BY_MODEL, &groups);
    assert_int_equal(groups[0].replies + groups[1].replies, 508);
    free(groups);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_and_percentiles_are_those_of_a_recomputation),
        cmocka_unit_test(an_update_without_news_changes_nothing),
        cmocka_unit_test(latencies_come_in_order),
        cmocka_unit_test(attempts_are_counted_by_how_they_ended),
        cmocka_unit_test(a_reader_that_fails_leaves_what_was_counted),
    };
    return cmocka_run_group_tests_name("tally", tests, open_world, close_world);
}
