#include "dataset.h"

#include "server/patch.h"

/* Bodies that are wrong, and the paths that the answer must name, between spaces. */
struct row {
    const char *body, *paths;
};

static struct row rows[] = {
    { "[]", "" },
    { "{}", "" },
    { "null", "" },
    { "{\"status\":\"nice\"}", "status" },
    { "{\"status\":5,\"note\":5,\"author\":[],\"frob\":1}", "status note author frob" },
    { "{\"tags\":[]}", "tags" },
    { "{\"tags\":{\"set\":[],\"remove\":{},\"add\":1}}", "tags.set tags.remove tags.add" },
    { "{\"tags\":{\"set\":{\"a\":[],\"b\":false,\"\":1}}}", "tags.set.a tags.set.b tags.set." },
    { "{\"tags\":{\"remove\":[1,\"\"]}}", "tags.remove[0] tags.remove[1]" },
    { "{\"turn\":1}", "turn" },
    { "{\"turn\":{}}", "turn.index turn.content" },
    { "{\"turn\":{\"index\":-1,\"content\":\"\",\"before\":1,\"role\":\"x\"}}",
      "turn.index turn.content turn.before turn.role" },
    { "{\"turn\":{\"index\":1.5,\"content\":\"x\"}}", "turn.index" },
    { "{\"turn\":{\"index\":2,\"content\":\"x\"}}", "turn.index" },
    { "{\"turn\":{\"index\":99999999999,\"content\":\"x\"}}", "turn.index" },
    { "{\"ids\":[\"a\"],\"status\":\"approved\"}", "ids" },
};

#define ROWS (sizeof rows / sizeof *rows)

static void path_of(char out[128], int i)
{
    snprintf(out, 128, "/api/conversations/%s", shared->ids[i]);
}

static bool has_path(const cJSON *details, const char *path, size_t len)
{
    const cJSON *detail;
    cJSON_ArrayForEach(detail, details) {
        const char *found = cJSON_GetStringValue(at(detail, "path"));
        if (strlen(found) == len && strncmp(found, path, len) == 0)
            return true;
    }
    return false;
}

static void all_that_is_wrong_is_named(void **state)
{
    const struct row *row = *state;
    char path[128];
    int count = 0;
    path_of(path, 0);
    struct answer answer = patch(shared, path, row->body, 400);
    const cJSON *details = at(answer.json, "details");
    const char *name = row->paths;
    do {
        size_t len = strcspn(name, " ");
        if (!has_path(details, name, len))
            fail_msg("%.*s is not named in %s", (int)len, name, answer.body);
        count++;
        name += len + (name[len] == ' ');
    } while (*name != '\0');
    assert_int_equal(cJSON_GetArraySize(details), count);
    answer_done(&answer);
}

static void a_review_is_stored_with_its_history(void **state)
{
    char path[128];
    (void)state;
    path_of(path, 2);
    struct answer answer =
        patch(shared, path,
              "{\"status\":\"approved\",\"note\":\"good <enough>\",\"author\":\"me\","
              "\"tags\":{\"set\":{\"checked\":true,\"by\":\"me\",\"weight\":2.5},"
              "\"remove\":[\"judge\"]}}",
              200);
    assert_str(&answer, "data.status", "approved");
    assert_str(&answer, "data.reviewNote", "good <enough>");
    assert_str(&answer, "data.tags.by", "me");
    assert_number(&answer, "data.tags.weight", 2.5);
    assert_true(cJSON_IsNull(at(answer.json, "data.tags.checked")));
    assert_null(at(answer.json, "data.tags.judge"));
    assert_str(&answer, "data.edits.0.field", "status");
    assert_str(&answer, "data.edits.0.before", "needs_revision");
    assert_str(&answer, "data.edits.0.after", "approved");
    assert_str(&answer, "data.edits.0.author", "me");
    answer_done(&answer);

    answer = get(shared, "/api/runs/demo", 200);    /* it counts as accepted now */
    assert_number(&answer, "data.progress.accepted", 3);
    assert_number(&answer, "data.progress.needsRevision", 1);
    answer_done(&answer);
}

static void a_note_alone_leaves_the_status(void **state)
{
    char path[128];
    (void)state;
    path_of(path, 1);
    struct answer answer = patch(shared, path, "{\"note\":\"look again\"}", 200);
    assert_str(&answer, "data.status", "generated");
    assert_str(&answer, "data.reviewNote", "look again");
    answer_done(&answer);
}

static void a_turn_is_edited_once(void **state)
{
    static const char body[] = "{\"turn\":{\"index\":1,\"content\":\"Better.\",\"before\":\"The "
                               "alpha answer.\"},\"author\":\"me\"}";
    char path[128];
    (void)state;
    path_of(path, 0);
    struct answer answer = patch(shared, path, body, 200);
    assert_str(&answer, "data.turns.1.content", "Better.");
    assert_str(&answer, "data.edits.0.field", "turn");
    assert_number(&answer, "data.edits.0.turnIndex", 1);
    assert_str(&answer, "data.edits.0.before", "The alpha answer.");
    answer_done(&answer);

    answer = patch(shared, path, body, 409);        /* somebody was quicker */
    assert_str(&answer, "error", "conflict");
    answer_done(&answer);
}

static void a_conflict_stores_nothing_of_the_request(void **state)
{
    char path[128];
    (void)state;
    path_of(path, 3);
    struct answer answer = patch(shared, path,
                                 "{\"status\":\"rejected\",\"turn\":{\"index\":0,\"content\":\"x\","
                                 "\"before\":\"not so\"}}",
                                 409);
    answer_done(&answer);
    answer = get(shared, path, 200);
    assert_str(&answer, "data.status", "needs_revision");
    assert_int_equal(cJSON_GetArraySize(at(answer.json, "data.edits")), 0);
    answer_done(&answer);
}

static void many_are_reviewed_at_once_or_none(void **state)
{
    char body[512];
    (void)state;
    snprintf(body, sizeof body, "{\"ids\":[\"%s\",\"nothing\",\"%s\"],\"status\":\"rejected\"}",
             shared->ids[0], shared->ids[3]);
    struct answer answer = patch(shared, "/api/conversations", body, 404);
    assert_str(&answer, "details.0.path", "ids[1]");
    answer_done(&answer);
    answer = get(shared, "/api/conversations?status=rejected", 200);
    assert_number(&answer, "total", 0);
    answer_done(&answer);

    snprintf(body, sizeof body,
             "{\"ids\":[\"%s\",\"%s\"],\"status\":\"rejected\",\"tags\":{\"set\":{\"bulk\":1}}}",
             shared->ids[0], shared->ids[3]);
    answer = patch(shared, "/api/conversations", body, 200);
    assert_number(&answer, "data.updated", 2);
    answer_done(&answer);
    answer = get(shared, "/api/conversations?status=rejected&tag=bulk", 200);
    assert_number(&answer, "total", 2);
    answer_done(&answer);

    answer = patch(shared, "/api/conversations", "{\"ids\":[],\"turn\":{}}", 400);
    assert_int_equal(cJSON_GetArraySize(at(answer.json, "details")), 2);
    answer_done(&answer);
}

static void an_older_version_is_not_reviewed(void **state)
{
    char path[128], old[CF_UUID_TEXT_SIZE];
    (void)state;
    memcpy(old, shared->ids[3], sizeof old);
    dataset_finish(shared, 3, "generated", 8, "Delta, again.");
    snprintf(path, sizeof path, "/api/conversations/%s", old);
    struct answer answer = patch(shared, path, "{\"status\":\"approved\"}", 409);
    answer_done(&answer);
    answer = get(shared, path, 200);
    assert_true(cJSON_IsTrue(at(answer.json, "data.superseded")));
    assert_int_equal(cJSON_GetArraySize(at(answer.json, "data.versions")), 2);
    assert_str(&answer, "data.versions.1.id", shared->ids[3]);
    answer_done(&answer);
    path_of(path, 3);
    answer = patch(shared, path, "{\"status\":\"approved\"}", 200);
    answer_done(&answer);
}

static void nothing_is_changed_that_is_not_there(void **state)
{
    (void)state;
    struct answer answer =
        patch(shared, "/api/conversations/nothing", "{\"status\":\"approved\"}", 404);
    answer_done(&answer);
}

int main(void)
{
    static struct CMUnitTest tests[ROWS + 8] = { { 0 } };
    const struct CMUnitTest others[] = {
        cmocka_unit_test(a_review_is_stored_with_its_history),
        cmocka_unit_test(a_note_alone_leaves_the_status),
        cmocka_unit_test(a_turn_is_edited_once),
        cmocka_unit_test(a_conflict_stores_nothing_of_the_request),
        cmocka_unit_test(many_are_reviewed_at_once_or_none),
        cmocka_unit_test(an_older_version_is_not_reviewed),
        cmocka_unit_test(nothing_is_changed_that_is_not_there),
    };
    size_t count = 0;
    for (size_t i = 0; i < ROWS; i++)
        tests[count++] =
            (struct CMUnitTest){ rows[i].body, all_that_is_wrong_is_named, NULL, NULL, &rows[i] };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        tests[count++] = others[i];
    return _cmocka_run_group_tests("patch", tests, count, dataset_share, dataset_unshare);
}
