#include "dataset.h"

/* Lines that must stand in the text as they are. */
static const char *const lines[] = {
    "# TYPE confab_runs gauge\n",
    "\nconfab_runs{state=\"running\"} 1\n",
    "\nconfab_items{state=\"accepted\"} 2\n",
    "\nconfab_items{state=\"needs_revision\"} 2\n",
    "\nconfab_items{state=\"failed\"} 1\n",
    "\nconfab_items{state=\"pending\"} 1\n",
    "\nconfab_calls_total 4\n",
    "\nconfab_requests_total{status=\"200\",outcome=\"success\"} 4\n",
    "\nconfab_retries_total 0\n",
    "\nconfab_rejected_replies_total 0\n",
    "\nconfab_replies_total 4\n",
    "\nconfab_tokens_total{kind=\"input\"} 40\n",
    "\nconfab_tokens_total{kind=\"output\"} 80\n",
    "\nconfab_cost_usd_total 0.008\n",
    "\n# TYPE confab_call_latency_seconds histogram\n",
    "\nconfab_call_latency_seconds_bucket{model=\"claude-x-1\",le=\"0.1\"} 4\n",
    "\nconfab_call_latency_seconds_bucket{model=\"claude-x-1\",le=\"+Inf\"} 4\n",
    "\nconfab_call_latency_seconds_sum{model=\"claude-x-1\"} 0.1\n",
    "\nconfab_call_latency_seconds_count{model=\"claude-x-1\"} 4\n",
    "\nconfab_http_replies_total{status=\"404\"} 1\n",
    "\nconfab_http_connections ",
};

static void figures_stand_in_the_text(void **state)
{
    struct dataset *d = *state;
    struct answer answer = get(d, "/nothing", 404);
    do {    /* an answer is counted when it has been sent */
        answer_done(&answer);
        answer = get(d, "/metrics", 200);
    } while (strstr(answer.body, "{status=\"404\"}") == NULL);
    assert_non_null(
        strstr(answer.head, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (strstr(answer.body, lines[i]) == NULL)
            fail_msg("no %s in %s", lines[i], answer.body);
    answer_done(&answer);
}

/* Each line is a comment, or a name, labels and a number. */
static void every_line_is_of_the_format(void **state)
{
    struct answer answer = get(*state, "/metrics", 200);
    char *rest = answer.body, *line;
    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
        char name[128];
        double value;
        const char *space = strrchr(line, ' ');
        if (strncmp(line, "# HELP confab_", 14) == 0 || strncmp(line, "# TYPE confab_", 14) == 0)
            continue;
        if (space == NULL || sscanf(line, "%127[a-z_]", name) != 1 ||
            sscanf(space, " %lf", &value) != 1)
            fail_msg("%s", line);
    }
    answer_done(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_stand_in_the_text),
        cmocka_unit_test(every_line_is_of_the_format),
    };
    return cmocka_run_group_tests(tests, dataset_open, dataset_close);
}
