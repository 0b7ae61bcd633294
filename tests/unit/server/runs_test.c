#include "dataset.h"

static struct dataset *shared;

static void a_run_is_found_by_id_start_or_name(void **state)
{
    char path[128];
    (void)state;
    const int lengths[] = { 36, 13 };
    for (int i = 0; i < 3; i++) {
        if (i < 2)
            snprintf(path, sizeof path, "/api/runs/%.*s", lengths[i], shared->run.uuid);
        else
            snprintf(path, sizeof path, "/api/runs/demo");
        struct answer answer = get(shared, path, 200);
        assert_str(&answer, "data.id", shared->run.uuid);
        assert_str(&answer, "data.name", "demo");
        assert_number(&answer, "data.summary.total", 6);
        assert_number(&answer, "data.summary.successful", 4);
        assert_number(&answer, "data.summary.failed", 1);
        assert_number(&answer, "data.summary.totalCost", 0.008);
        assert_number(&answer, "data.summary.avgCostPerConversation", 0.002);
        assert_true(cJSON_IsNumber(at(answer.json, "data.summary.totalDuration")));
        assert_true(cJSON_IsNumber(at(answer.json, "data.summary.avgDurationPerConversation")));
        assert_number(&answer, "data.progress.accepted", 2);
        assert_number(&answer, "data.progress.pending", 1);
        assert_number(&answer, "data.progress.inputTokens", 40);
        answer_done(&answer);
    }
}

static void runs_are_listed(void **state)
{
    (void)state;
    struct answer answer = get(shared, "/api/runs", 200);
    assert_number(&answer, "total", 1);
    assert_str(&answer, "data.0.name", "demo");
    answer_done(&answer);
    answer = get(shared, "/api/runs?name=other", 200);
    assert_number(&answer, "total", 0);
    answer_done(&answer);
    answer = get(shared, "/api/runs?limit=0&frob=1", 400);
    assert_int_equal(cJSON_GetArraySize(at(answer.json, "details")), 2);
    answer_done(&answer);
}

static void results_come_in_order_of_the_plan_a_page_at_a_time(void **state)
{
    char path[128] = "/api/runs/demo/results?limit=4";
    (void)state;
    for (int i = 0; i < ITEMS; i += 4) {
        struct answer answer = get(shared, path, 200);
        assert_number(&answer, "total", 6);
        for (int n = 0; n < cJSON_GetArraySize(at(answer.json, "data")); n++) {
            char where[64], key[8];
            snprintf(where, sizeof where, "data.%d.item", n);
            snprintf(key, sizeof key, "key%d", i + n);
            assert_str(&answer, where, key);
        }
        const char *cursor = cJSON_GetStringValue(at(answer.json, "nextCursor"));
        if (i == 0) {
            assert_str(&answer, "data.1.conversations.0.id", shared->ids[1]);
            assert_non_null(cursor);
            snprintf(path, sizeof path, "/api/runs/demo/results?limit=4&cursor=%s", cursor);
        } else {
            assert_null(cursor);
            assert_str(&answer, "data.0.state", "failed");
            assert_str(&answer, "data.0.errorKind", "parse_error");
            assert_str(&answer, "data.1.state", "pending");
        }
        answer_done(&answer);
    }
    struct answer answer = get(shared, "/api/runs/demo/results?state=failed&turns=false", 200);
    assert_int_equal(cJSON_GetArraySize(at(answer.json, "data")), 1);
    answer_done(&answer);
    answer = get(shared, "/api/runs/demo/results?state=lost&cursor=x&limit=501&frob=", 400);
    assert_int_equal(cJSON_GetArraySize(at(answer.json, "details")), 4);
    answer_done(&answer);
}

static void failures_are_counted_by_kind(void **state)
{
    (void)state;
    struct answer answer = get(shared, "/api/runs/demo/failures", 200);
    assert_str(&answer, "data.0.kind", "parse_error");
    assert_number(&answer, "data.0.count", 1);
    assert_str(&answer, "data.0.item", "key4");
    assert_str(&answer, "data.0.message", "no <JSON> here");
    answer_done(&answer);
}

static void templates_are_listed_with_what_became_of_them(void **state)
{
    (void)state;
    struct answer answer = get(shared, "/api/templates", 200);
    assert_str(&answer, "data.0.id", shared->template.uuid);
    assert_str(&answer, "data.0.name", "support");
    assert_number(&answer, "data.0.version", 1);
    assert_number(&answer, "data.0.usageCount", 4);
    assert_number(&answer, "data.0.successCount", 2);
    assert_number(&answer, "data.0.successRate", 0.5);
    assert_number(&answer, "data.0.meanScore", 6);
    assert_number(&answer, "data.0.meanCost", 0.002);
    assert_number(&answer, "data.0.settings.max_tokens", 100);
    answer_done(&answer);
}

static void stats_are_told_by_run_and_over_all(void **state)
{
    static const char *const paths[] = { "/api/stats", "/api/stats?run=demo" };
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct answer answer = get(shared, paths[i], 200);
        assert_str(&answer, "data.statuses.0.status", "generated");
        assert_number(&answer, "data.statuses.0.conversations", 2);
        assert_number(&answer, "data.scores.0.score", 3);
        assert_str(&answer, "data.models.0.name", "claude-x-1");
        assert_number(&answer, "data.models.0.replies", 4);
        assert_number(&answer, "data.models.0.cost", 0.008);
        assert_number(&answer, "data.models.0.latencyMs.p50", 20);
        assert_number(&answer, "data.models.0.latencyMs.p95", 40);
        assert_number(&answer, "data.models.0.latencyMs.p99", 40);
        assert_str(&answer, "data.templates.0.name", "support v1");
        assert_true((at(answer.json, "data.run") != NULL) == (i == 1));
        answer_done(&answer);
    }
}

static int open_all(void **state)
{
    int rc = dataset_open(state);
    shared = *state;
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_found_by_id_start_or_name),
        cmocka_unit_test(runs_are_listed),
        cmocka_unit_test(results_come_in_order_of_the_plan_a_page_at_a_time),
        cmocka_unit_test(failures_are_counted_by_kind),
        cmocka_unit_test(templates_are_listed_with_what_became_of_them),
        cmocka_unit_test(stats_are_told_by_run_and_over_all),
    };
    return cmocka_run_group_tests(tests, open_all, dataset_close);
}
