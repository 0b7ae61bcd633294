/* What plots are drawn from, one template in full, the lanes. The figures are those of
 * dataset.h: four replies of 10 to 40 ms, scores 9, 7, 5, 3, one failed item. */
#include "dataset.h"

#define UNKNOWN "01a20d08-1605-70c4-8a43-03c7eece9d63"

static const char *path_of(char *path, const char *fmt, const char *id)
{
    snprintf(path, 256, fmt, id);
    return path;
}

/* Compares the list at that place with "1,2,3". */
static void assert_list(const struct answer *answer, const char *where, const char *expected)
{
    const cJSON *list = at(answer->json, where), *element;
    struct cf_buf text = { .max = 4096 };
    if (!cJSON_IsArray(list))
        fail_msg("no list at %s of %s", where, answer->body);
    cJSON_ArrayForEach(element, list)
        cf_buf_addf(&text, "%s%.15g", text.len > 0 ? "," : "", element->valuedouble);
    assert_string_equal(cf_buf_str(&text), expected);
    cf_buf_done(&text);
}

static void a_run_has_its_scores_its_latencies_and_its_course(void **state)
{
    (void)state;
    struct answer answer = get(shared, "/api/runs/demo/plots", 200);
    assert_list(&answer, "data.scores.edges", "0,1,2,3,4,5,6,7,8,9,10");
    assert_list(&answer, "data.scores.counts", "0,0,0,1,0,1,0,1,0,1,0");
    assert_number(&answer, "data.scores.unscored", 0);
    assert_list(&answer, "data.latency.edges", "10,20,50");
    assert_list(&answer, "data.latency.counts", "1,3");
    const cJSON *time = at(answer.json, "data.time");
    int points = cJSON_GetArraySize(time);
    assert_in_range(points, 2, 120);
    char last[64];
    assert_number(&answer, "data.time.0.cost", 0);
    assert_number(&answer, "data.time.0.accepted", 0);
    snprintf(last, sizeof last, "data.time.%d.cost", points - 1);
    assert_number(&answer, last, 0.008);
    snprintf(last, sizeof last, "data.time.%d.accepted", points - 1);
    assert_number(&answer, last, 2);
    snprintf(last, sizeof last, "data.time.%d.needsRevision", points - 1);
    assert_number(&answer, last, 2);
    snprintf(last, sizeof last, "data.time.%d.failed", points - 1);
    assert_number(&answer, last, 1);
    answer_done(&answer);
}

static void what_a_review_changes_is_in_the_next_plots(void **state)
{
    struct dataset *d = shared;
    (void)state;
    char path[256];
    struct answer answer = patch(d, path_of(path, "/api/conversations/%s", d->ids[0]),
                                 "{\"status\":\"rejected\"}", 200);
    answer_done(&answer);
    answer = get(d, "/api/stats", 200);
    assert_non_null(strstr(answer.body, "\"rejected\""));
    answer_done(&answer);
    answer = patch(d, path, "{\"status\":\"generated\"}", 200);
    answer_done(&answer);
}

static void a_template_has_its_texts_variables_and_versions(void **state)
{
    struct dataset *d = shared;
    (void)state;
    char path[256];
    struct answer answer = get(d, path_of(path, "/api/templates/%s", d->template.uuid), 200);
    assert_str(&answer, "data.id", d->template.uuid);
    assert_str(&answer, "data.name", "support");
    assert_number(&answer, "data.version", 1);
    assert_str(&answer, "data.system", "Be kind.");
    assert_str(&answer, "data.prompt", "A chat about {{topic}}.");
    assert_str(&answer, "data.tier", "template");
    assert_number(&answer, "data.maxTokens", 100);
    assert_true(cJSON_IsNull(at(answer.json, "data.model")));
    assert_true(cJSON_IsTrue(at(answer.json, "data.isOffered")));
    assert_true(cJSON_IsTrue(at(answer.json, "data.isNewest")));
    assert_int_equal(cJSON_GetArraySize(at(answer.json, "data.variables")), 1);
    assert_str(&answer, "data.variables.0", "topic");
    assert_number(&answer, "data.usageCount", 4);
    assert_number(&answer, "data.conversations", 4);
    assert_number(&answer, "data.meanScore", 6);
    assert_number(&answer, "data.meanCost", 0.002);
    assert_int_equal(cJSON_GetArraySize(at(answer.json, "data.versions")), 1);
    assert_str(&answer, "data.versions.0.id", d->template.uuid);
    assert_number(&answer, "data.versions.0.usageCount", 4);
    answer_done(&answer);
}

static void a_name_means_the_newest_version(void **state)
{
    struct dataset *d = shared;
    (void)state;
    struct cf_write_template again = {
        .write.apply = cf_write_template, .name = "support", .system = cf_text_of("(a function)"),
        .prompt = cf_text_of("Say {{#loud}}{{word}}{{/loud}} to {{persona.name}}. {{>rest}}"),
        .settings = "{\"model\":\"m\",\"lambdas\":[\"loud\"],\"partials\":{\"rest\":\"{{word}} {{end}}\"}}",
    };
    must(&d->f, &again.write);
    struct answer answer = get(d, "/api/templates/support", 200);
    assert_str(&answer, "data.id", again.uuid);
    assert_str(&answer, "data.model", "m");
    assert_true(cJSON_IsNull(at(answer.json, "data.maxTokens")));
    assert_true(cJSON_IsFalse(at(answer.json, "data.isOffered")));    /* a part of it is a function */
    assert_int_equal(cJSON_GetArraySize(at(answer.json, "data.variables")), 3);
    assert_str(&answer, "data.variables.0", "word");
    assert_str(&answer, "data.variables.1", "persona.name");
    assert_str(&answer, "data.variables.2", "end");
    assert_int_equal(cJSON_GetArraySize(at(answer.json, "data.versions")), 2);
    assert_str(&answer, "data.versions.0.id", again.uuid);
    assert_true(cJSON_IsTrue(at(answer.json, "data.versions.0.isNewest")));
    assert_str(&answer, "data.versions.1.id", d->template.uuid);
    answer_done(&answer);

    answer = get(d, "/api/templates/support/plots", 200);
    assert_list(&answer, "data.latency.edges", "");
    assert_list(&answer, "data.latency.counts", "");
    assert_list(&answer, "data.scores.counts", "0,0,0,0,0,0,0,0,0,0,0");
    answer_done(&answer);
}

static void a_version_has_its_scores_and_latencies(void **state)
{
    struct dataset *d = shared;
    (void)state;
    char path[256];
    struct answer answer = get(d, path_of(path, "/api/templates/%s/plots", d->template.uuid), 200);
    assert_list(&answer, "data.scores.counts", "0,0,0,1,0,1,0,1,0,1,0");
    assert_list(&answer, "data.latency.edges", "10,20,50");
    assert_list(&answer, "data.latency.counts", "1,3");
    assert_null(at(answer.json, "data.time"));
    answer_done(&answer);
}

static void without_a_sender_there_are_no_lanes(void **state)
{
    (void)state;
    struct answer answer = get(shared, "/api/limits", 200);
    assert_int_equal(cJSON_GetArraySize(at(answer.json, "data.lanes")), 0);
    assert_number(&answer, "data.calls.inFlight", 0);
    assert_number(&answer, "data.calls.waiting", 0);
    answer_done(&answer);
}

struct row {
    const char *name, *path;
    int status;
    const char *message;
};

static struct row rows[] = {
    { "plots of an unknown run", "/api/runs/nobody/plots", 404, "there is no such run" },
    { "an unknown template", "/api/templates/" UNKNOWN, 404, "there is no such template" },
    { "a run is no template", "/api/templates/demo", 404, "there is no such template" },
    { "plots of an unknown template", "/api/templates/" UNKNOWN "/plots", 404,
      "there is no such template" },
    { "a template with parameters", "/api/templates/support?x=1", 400, NULL },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct answer answer = get(shared, row->path, row->status);
    if (row->message != NULL)
        assert_string_equal(answer_str(&answer, "message"), row->message);
    answer_done(&answer);
}

int main(void)
{
    struct CMUnitTest tests[16] = {
        cmocka_unit_test(a_run_has_its_scores_its_latencies_and_its_course),
        cmocka_unit_test(what_a_review_changes_is_in_the_next_plots),
        cmocka_unit_test(a_template_has_its_texts_variables_and_versions),
        cmocka_unit_test(a_version_has_its_scores_and_latencies),
        cmocka_unit_test(a_name_means_the_newest_version),
        cmocka_unit_test(without_a_sender_there_are_no_lanes),
    };
    size_t count = 6;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        tests[count++] = (struct CMUnitTest){ .name = rows[i].name, .test_func = check_row,
                                              .initial_state = &rows[i] };
    return _cmocka_run_group_tests("plots", tests, count, dataset_share, dataset_unshare);
}
