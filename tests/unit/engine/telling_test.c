/* What the net thread tells those who watch, by a fake clock against the simulator. */
#include "sender_fixture.h"

#include "engine/events.h"

#define UUID "01a20d08-1605-70c4-8a43-03c7eece9d63"

static struct fixture fixture;
static struct cf_events *events;
static struct cf_watcher *watcher;

static struct fixture *open_watched(const char *spec, const struct cf_clock *simulator_clock)
{
    struct fixture *f = &fixture;
    fixture_open_by(f, spec, NULL, simulator_clock);
    events = cf_events_new(&fixture_clock, 4096, 1);
    cf_events_open_run(events, f->run, UUID);
    assert_true(cf_events_watch(events, UUID, -1, &watcher));
    f->options.events = events;
    return f;
}

static void close_watched(struct fixture *f)
{
    fixture_close(f);
    cf_watcher_free(watcher);
    cf_events_free(events);
}

/* How many events of that type came, and the data of the first of them, to be freed. */
static int count_told(const char *type, char **out_first)
{
    struct cf_watched_events got;
    struct cf_watcher *again;
    char mark[64];
    int found = 0;
    snprintf(mark, sizeof mark, "\nevent: %s\ndata: ", type);
    *out_first = NULL;
    assert_true(cf_events_watch(events, UUID, cf_watcher_begin(watcher), &again));
    assert_false(cf_watcher_has_missed(again));
    while (cf_watcher_take(again, 0, &got) == CF_WATCH_EVENTS) {
        const char *end = got.text.data + got.text.len, *at = got.text.data;
        while ((at = memmem(at, (size_t)(end - at), mark, strlen(mark))) != NULL) {
            at += strlen(mark);
            const char *line_end = memchr(at, '\n', (size_t)(end - at));
            assert_non_null(line_end);
            if (found++ == 0)
                *out_first = strndup(at, (size_t)(line_end - at));
        }
    }
    cf_watcher_free(again);
    return found;
}

static void check_told(const char *type, int least, int most, const char *first_has)
{
    char *first;
    int found = count_told(type, &first);
    assert_in_range(found, least, most);
    if (first_has != NULL && strstr(first, first_has) == NULL)
        fail_msg("no %s in %s", first_has, first);
    free(first);
}

/* Lets time go on until so many calls have come back. */
static void take_replies(struct fixture *f, int count)
{
    while (count > 0) {
        if (f->popped == NULL && !cf_queue_wait(&f->completions, 2)) {
            fixture_pass(f, 500);
            continue;
        }
        struct cf_call *call = fixture_next(f);
        if (!call->has_reply)
            fail_msg("%s", call->error.message);
        cf_call_free(call);
        count--;
    }
}

static void an_outage_is_told_when_it_begins_and_when_it_ends(void **state)
{
    (void)state;
    struct fixture *f = open_watched("faults=529@60s-360s", &fixture_clock);
    f->options.retry.base_delay_ms = 1000;
    fixture_start(f);
    fixture_pass(f, 61000);
    for (int i = 0; i < 10; i++)
        fixture_submit(f);
    take_replies(f, 10);
    check_told("outage", 2, 2, "\"state\":\"began\"");
    check_told("outage", 2, 2, "529");
    check_told("retry", 10, 4000, "\"status\":529");
    close_watched(f);
}

static void a_retry_is_told_with_its_reason(void **state)
{
    (void)state;
    struct fixture *f = open_watched("faults=500@1", NULL);
    fixture_start(f);
    fixture_submit(f);
    take_replies(f, 1);
    check_told("retry", 1, 1, "\"attempt\":1,\"errorKind\":\"api_error\"");
    check_told("outage", 0, 0, NULL);
    close_watched(f);
}

static void a_pause_is_told_once_for_all_that_were_refused(void **state)
{
    (void)state;
    struct fixture *f = open_watched("faults=429@1-4", NULL);
    fixture_start(f);
    for (int i = 0; i < 4; i++)
        fixture_submit(f);
    take_replies(f, 4);
    check_told("rate_limit", 1, 1, "\"limitClass\":\"sonnet\",\"waitMs\":");
    check_told("retry", 4, 4, "\"status\":429");
    close_watched(f);
}

static void without_watchers_a_run_is_as_before(void **state)
{
    (void)state;
    struct fixture *f = &fixture;
    fixture_open(f, "faults=500@1", NULL);    /* no hub at all */
    fixture_start(f);
    fixture_submit(f);
    take_replies(f, 1);
    fixture_close(f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_outage_is_told_when_it_begins_and_when_it_ends),
        cmocka_unit_test(a_retry_is_told_with_its_reason),
        cmocka_unit_test(a_pause_is_told_once_for_all_that_were_refused),
        cmocka_unit_test(without_watchers_a_run_is_as_before),
    };
    return cmocka_run_group_tests_name("telling", tests, NULL, NULL);
}
