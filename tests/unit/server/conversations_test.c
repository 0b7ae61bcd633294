#include "dataset.h"

/* --- the list: which conversations, by the number of their item, newest first --- */

struct row {
    const char *query;
    const char *items;         /* "310" are those of items 3, 1 and 0 */
    int total;                 /* -1: null */
};

static struct row rows[] = {
    { "", "3210", 4 },
    { "?run=demo", "3210", 4 },
    { "?status=generated", "10", 2 },
    { "?status=generated,needs_revision", "3210", 4 },
    { "?status=approved", "", 0 },
    { "?minScore=7", "10", 2 },
    { "?maxScore=5", "32", 2 },
    { "?minScore=4&maxScore=8", "21", 2 },
    { "?tier=edge_case", "0", 1 },
    { "?persona=Bob", "31", 2 },
    { "?emotion=calm&topic=loans&persona=Ann", "20", 2 },
    { "?emotion=angry", "", 0 },
    { "?tag=judge", "3210", 4 },
    { "?tag=other", "", 0 },
    { "?q=ALPHA", "0", 1 },
    { "?q=beta_1", "1", 1 },
    { "?q=bet%251", "", 0 },
    { "?q=100%25", "3210", 4 },
    { "?q=ann", "20", 2 },
    { "?q=%27%20OR%201=1", "", 0 },
    { "?simulated=false", "3210", 4 },
    { "?simulated=true", "", 0 },
    { "?limit=2", "32", 4 },
    { "?limit=2&offset=2", "10", 4 },
    { "?limit=2&offset=3&total=false", "0", -1 },
    { "?run=demo&limit=1&minScore=6", "1", 2 },
};

#define ROWS (sizeof rows / sizeof *rows)

static void lists(void **state)
{
    const struct row *row = *state;
    char path[256];
    snprintf(path, sizeof path, "/api/conversations%s", row->query);
    struct answer answer = get(shared, path, 200);
    const cJSON *data = at(answer.json, "data");
    assert_int_equal(cJSON_GetArraySize(data), strlen(row->items));
    for (size_t i = 0; row->items[i] != '\0'; i++)
        assert_string_equal(cJSON_GetStringValue(at(cJSON_GetArrayItem(data, (int)i), "id")),
                            shared->ids[row->items[i] - '0']);
    assert_true(cJSON_IsTrue(at(answer.json, "totalIsExact")));
    if (row->total >= 0)
        assert_number(&answer, "total", row->total);
    else
        assert_true(cJSON_IsNull(at(answer.json, "total")));
    answer_done(&answer);
}

static void pages_follow_the_cursor(void **state)
{
    char path[128] = "/api/conversations?limit=3";
    (void)state;
    struct answer answer = get(shared, path, 200);
    assert_int_equal(cJSON_GetArraySize(at(answer.json, "data")), 3);
    snprintf(path, sizeof path, "/api/conversations?limit=3&cursor=%s",
             cJSON_GetStringValue(at(answer.json, "nextCursor")));
    answer_done(&answer);
    answer = get(shared, path, 200);
    assert_int_equal(cJSON_GetArraySize(at(answer.json, "data")), 1);
    assert_str(&answer, "data.0.id", shared->ids[0]);
    assert_true(cJSON_IsNull(at(answer.json, "nextCursor")));
    answer_done(&answer);
}

static void the_template_is_asked_for_by_id(void **state)
{
    char path[128];
    (void)state;
    snprintf(path, sizeof path, "/api/conversations?templateId=%s", shared->template.uuid);
    struct answer answer = get(shared, path, 200);
    assert_number(&answer, "total", 4);
    answer_done(&answer);
}

static void every_wrong_parameter_is_named(void **state)
{
    static const char *const paths[] = { "frob",  "status", "minScore", "q",        "simulated",
                                         "limit", "offset", "cursor",   "run", "templateId" };
    (void)state;
    struct answer answer =
        get(shared,
            "/api/conversations?frob=1&status=nice&minScore=11&q=&simulated=maybe&limit=0"
            "&offset=-1&cursor=x&run=nothing&templateId=nothing",
            400);
    assert_str(&answer, "error", "invalid_request");
    assert_int_equal(cJSON_GetArraySize(at(answer.json, "details")), 10);
    for (int i = 0; i < 10; i++) {
        bool is_named = false;
        const cJSON *detail;
        cJSON_ArrayForEach(detail, at(answer.json, "details"))
            is_named |= strcmp(cJSON_GetStringValue(at(detail, "path")), paths[i]) == 0 &&
                        strlen(cJSON_GetStringValue(at(detail, "reason"))) > 5;
        if (!is_named)
            fail_msg("%s is not named in %s", paths[i], answer.body);
    }
    answer_done(&answer);
}

static void a_conversation_is_shown_whole(void **state)
{
    char path[128];
    (void)state;
    snprintf(path, sizeof path, "/api/conversations/%s", shared->ids[0]);
    struct answer answer = get(shared, path, 200);
    assert_str(&answer, "data.id", shared->ids[0]);
    assert_str(&answer, "data.templateId", shared->template.uuid);
    assert_str(&answer, "data.template", "support");
    assert_str(&answer, "data.persona", "Ann");
    assert_str(&answer, "data.emotion", "calm");
    assert_str(&answer, "data.topic", "loans");
    assert_str(&answer, "data.tier", "edge_case");
    assert_number(&answer, "data.parameters.n", 1);
    assert_str(&answer, "data.status", "generated");
    assert_number(&answer, "data.qualityScore", 9);
    assert_true(cJSON_IsArray(at(answer.json, "data.qualityBreakdown")));
    assert_number(&answer, "data.turnCount", 2);
    assert_str(&answer, "data.turns.0.role", "user");
    assert_str(&answer, "data.turns.0.content", "Is <b>100%</b> \"real\"?");
    assert_str(&answer, "data.turns.1.role", "assistant");
    assert_number(&answer, "data.cost", 0.002);
    assert_str(&answer, "data.model", "claude-x-1");
    assert_str(&answer, "data.runId", shared->run.uuid);
    assert_str(&answer, "data.item", "key0");
    assert_true(cJSON_IsFalse(at(answer.json, "data.truncated")));
    assert_true(cJSON_IsFalse(at(answer.json, "data.simulated")));
    assert_number(&answer, "data.tags.judge", 0);
    assert_str(&answer, "data.calls.0.requestId", "req_1");
    assert_number(&answer, "data.calls.0.lastTurn", 1);
    assert_number(&answer, "data.calls.0.cost", 0.002);
    assert_int_equal(cJSON_GetArraySize(at(answer.json, "data.edits")), 0);
    assert_int_equal(cJSON_GetArraySize(at(answer.json, "data.versions")), 1);
    answer_done(&answer);
}

static void what_is_not_there_is_a_404(void **state)
{
    static const char *const paths[] = {
        "/api/conversations/nothing", "/api/conversations/00000000-0000-7000-8000-000000000000",
        "/api/conversations/%22%3E%3Cscript%3E", "/api/conversations/item:1", "/api/runs/nothing",
        "/api/runs/nothing/results", "/api/runs/nothing/failures", "/api/stats?run=nothing",
    };
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct answer answer = get(shared, paths[i], 404);
        assert_str(&answer, "error", "not_found");
        answer_done(&answer);
    }
    char path[128];
    /* of something else */
    snprintf(path, sizeof path, "/api/conversations/%s", shared->run.uuid);
    struct answer answer = get(shared, path, 404);
    answer_done(&answer);
}

int main(void)
{
    static struct CMUnitTest tests[ROWS + 8] = {
        cmocka_unit_test(pages_follow_the_cursor),
        cmocka_unit_test(the_template_is_asked_for_by_id),
        cmocka_unit_test(every_wrong_parameter_is_named),
        cmocka_unit_test(a_conversation_is_shown_whole),
        cmocka_unit_test(what_is_not_there_is_a_404),
    };
    size_t count = 5;
    for (size_t i = 0; i < ROWS; i++)
        tests[count++] = (struct CMUnitTest){ rows[i].query, lists, NULL, NULL, &rows[i] };
    return _cmocka_run_group_tests("conversations", tests, count, dataset_share, dataset_unshare);
}
