/* Live progress of a run as server-sent events, over a real socket. */
#include "dataset.h"

#include "confab/clock.h"
#include "engine/events.h"

#define KEPT 64

struct live {
    struct dataset d;
    struct cf_events *events;
};

static int open_with(void **state, struct cf_server_options options)
{
    struct live *live = calloc(1, sizeof *live);
    fixture_open_store(&live->d.f);
    dataset_fill(&live->d);
    live->events = cf_events_new(cf_clock_system(), KEPT, 1);
    cf_events_open_run(live->events, live->d.run.run, live->d.run.uuid);
    options.events = live->events;
    if (options.heartbeat_ms == 0)
        options.heartbeat_ms = 20;
    fixture_start(&live->d.f, options);
    *state = live;
    return 0;
}

static int setup_all(void **state)
{
    return open_with(state, (struct cf_server_options){ 0 });
}

static int setup_with_token(void **state)
{
    return open_with(state, (struct cf_server_options){ .token = "the right token" });
}

static int teardown(void **state)
{
    struct live *live = *state;
    fixture_close(&live->d.f);
    cf_events_free(live->events);
    free(live);
    return 0;
}

/* Each test finds the run open. */
static int setup(void **state)
{
    struct live *live = *state;
    cf_events_open_run(live->events, live->d.run.run, live->d.run.uuid);
    return 0;
}

static void publish(struct live *live, int n)
{
    struct cf_buf data;
    cf_buf_init(&data, 8192);
    cf_buf_addf(&data, "{\"n\":%d}", n);
    cf_events_publish(live->events, live->d.run.run, "item", &data);
    cf_buf_done(&data);
}

static int ask(struct live *live, const char *path, const char *more)
{
    struct cf_buf request = { .max = 4096 };
    int fd = fixture_connect(&live->d.f);
    cf_buf_addf(&request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n", path,
                cf_server_port(live->d.f.server), more);
    fixture_send(fd, request.data, request.len);
    cf_buf_done(&request);
    return fd;
}

/* Adds what comes until the text is there (NULL: until the end) to got. */
static void read_until(int fd, struct cf_buf *got, const char *text)
{
    char piece[65536];
    ssize_t n;
    got->max = 64u << 20;
    while ((text == NULL || strstr(cf_buf_str(got), text) == NULL) &&
           (n = recv(fd, piece, sizeof piece, 0)) > 0)
        cf_buf_add(got, piece, (size_t)n);
    if (text != NULL && strstr(cf_buf_str(got), text) == NULL)
        fail_msg("no %s in %s", text, cf_buf_str(got));
}

static size_t count(const char *text, const char *what)
{
    size_t found = 0;
    for (; (text = strstr(text, what)) != NULL; text += strlen(what))
        found++;
    return found;
}

/* The id of the event whose data has this text. */
static int64_t id_of(const char *stream, const char *text)
{
    const char *found = strstr(stream, text), *id = stream;
    assert_non_null(found);
    for (const char *next = stream; (next = strstr(next, "\nid: ")) != NULL && next < found; next++)
        id = next;
    return strtoll(id + 5, NULL, 10);
}

static void the_state_comes_first_then_events_in_order_then_the_end(void **state)
{
    struct live *live = *state;
    struct cf_buf got = { 0 };
    int fd = ask(live, "/api/runs/demo/events", "");
    read_until(fd, &got, "event: state");
    for (int i = 0; i < 10; i++)
        publish(live, i);
    cf_events_close_run(live->events, live->d.run.run);
    read_until(fd, &got, NULL);
    close(fd);

    assert_non_null(strstr(got.data, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream"));
    assert_non_null(strstr(got.data, "\"isLive\":true,\"missed\":false"));
    assert_non_null(strstr(got.data, live->d.run.uuid));
    const char *at = strstr(got.data, "event: state");
    for (int i = 0; i < 10; i++) {
        char text[32];
        snprintf(text, sizeof text, "\"data\":{\"n\":%d}", i);
        at = strstr(at, text);
        assert_non_null(at);
    }
    assert_int_equal(count(got.data, "event: item\n"), 10);
    assert_non_null(strstr(at, "event: end\ndata: {"));
    assert_non_null(strstr(at, "\"reason\":\"over\""));
    for (const char *data = got.data; (data = strstr(data, "\ndata: ")) != NULL; data++) {
        const char *end = strchr(data + 1, '\n');
        cJSON *json = cJSON_ParseWithLength(data + 7, (size_t)(end - data - 7));
        assert_non_null(json);
        cJSON_Delete(json);
    }
    cf_buf_done(&got);
}

static void who_comes_back_goes_on_behind_the_last_event(void **state)
{
    struct live *live = *state;
    char more[64], path[128];
    struct cf_buf got = { 0 };
    int fd = ask(live, "/api/runs/demo/events", "");
    read_until(fd, &got, "event: state");
    publish(live, 1);
    publish(live, 2);
    read_until(fd, &got, "\"n\":2}");
    close(fd);
    publish(live, 3);
    int64_t first = id_of(got.data, "\"n\":1}"), last;

    snprintf(more, sizeof more, "Last-Event-ID: %lld\r\n", (long long)first);
    for (int by_query = 0; by_query < 2; by_query++) {
        cf_buf_clear(&got);
        snprintf(path, sizeof path, "/api/runs/demo/events?lastEventId=%lld", (long long)first);
        fd = by_query ? ask(live, path, "") : ask(live, "/api/runs/demo/events", more);
        read_until(fd, &got, "\"n\":3}");
        close(fd);
        assert_null(strstr(got.data, "event: state"));
        assert_null(strstr(got.data, "\"n\":1}"));
        assert_non_null(strstr(got.data, "\"n\":2}"));
    }
    last = id_of(got.data, "\"n\":3}");

    cf_events_close_run(live->events, live->d.run.run);
    snprintf(more, sizeof more, "Last-Event-ID: %lld\r\n", (long long)last);
    cf_buf_clear(&got);
    fd = ask(live, "/api/runs/demo/events", more);
    read_until(fd, &got, "\r\n\r\n");
    close(fd);
    assert_int_equal(strncmp(got.data, "HTTP/1.1 204 ", 13), 0);
    cf_buf_done(&got);
}

static void who_has_missed_events_gets_the_state_again(void **state)
{
    struct live *live = *state;
    struct cf_buf got = { 0 };
    int fd = ask(live, "/api/runs/demo/events", "Last-Event-ID: 17\r\n");
    read_until(fd, &got, "event: state");
    read_until(fd, &got, "\"missed\":true");
    close(fd);
    cf_buf_done(&got);
}

static void a_quiet_stream_has_heartbeats(void **state)
{
    struct live *live = *state;
    struct cf_buf got = { 0 };
    int fd = ask(live, "/api/runs/demo/events", "");
    while (count(cf_buf_str(&got), "\n\n:\n\n") < 1 || count(got.data, ":\n\n") < 4) {
        char piece[4096];
        ssize_t n = recv(fd, piece, sizeof piece, 0);
        assert_true(n > 0);
        got.max = 1u << 20;
        cf_buf_add(&got, piece, (size_t)n);
    }
    close(fd);
    cf_buf_done(&got);
}

/* More than any socket's buffers hold, published while the client reads nothing. */
static void a_reader_that_does_not_read_is_dropped_and_holds_nobody_up(void **state)
{
    struct live *live = *state;
    struct cf_buf got = { 0 }, data;
    int fd = ask(live, "/api/runs/demo/events", "");
    read_until(fd, &got, "event: state");
    cf_buf_init(&data, 8192);
    cf_buf_adds(&data, "{\"text\":\"");
    for (int i = 0; i < 4000; i++)
        cf_buf_addc(&data, 'x');
    cf_buf_adds(&data, "\"}");
    for (int i = 0; i < 20000; i++)
        cf_events_publish(live->events, live->d.run.run, "text", &data);
    read_until(fd, &got, NULL);
    close(fd);
    assert_non_null(strstr(got.data, "\"reason\":\"too_slow\""));
    assert_true(count(got.data, "event: text\n") < 20000);
    cf_buf_done(&data);
    cf_buf_done(&got);
}

static void a_run_of_another_process_is_told_as_it_stands(void **state)
{
    struct live *live = *state;
    struct cf_write_run_begin other = {
        .write.apply = cf_write_run_begin, .name = "other", .provider = "anthropic",
        .source = "script", .model = "claude-x", .script_hash = "aa",
    };
    must(&live->d.f, &other.write);
    struct cf_write_run_own own = {
        .write.apply = cf_write_run_own, .begin = &other, .host = "elsewhere", .pid = 43,
    };
    must(&live->d.f, &own.write);
    struct cf_buf got = { 0 };
    int fd = ask(live, "/api/runs/other/events", "");
    read_until(fd, &got, NULL);
    close(fd);
    assert_non_null(strstr(got.data, "\"isLive\":false"));
    assert_non_null(strstr(got.data, "\"reason\":\"not_here\""));
    cf_buf_done(&got);
}

static void what_cannot_be_watched_is_refused(void **state)
{
    static const struct { const char *path, *more; int status; } rows[] = {
        { "/api/runs/nothing/events", "", 404 },
        { "/api/runs/demo/events", "Last-Event-ID: x\r\n", 400 },
        { "/api/runs/demo/events?lastEventId=-1", "", 400 },
        { "/api/runs/demo/events?lastEventId=99999999999999999999", "", 400 },
        { "/api/runs/demo/events", "Origin: http://evil.example\r\n", 403 },
        { "/api/runs/demo/events", "Sec-Fetch-Site: cross-site\r\n", 403 },
        { "/api/events", "", 426 },
        { "/api/events", "Upgrade: websocket\r\nConnection: Upgrade\r\n", 426 },
        { "/api/events", "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Version: 12\r\n"
                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 426 },
        { "/api/events?lastEventId=x", "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                       "Sec-WebSocket-Version: 13\r\n"
                                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 400 },
        { "/api/events", "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Version: 13\r\n"
                         "Origin: http://evil.example\r\n"
                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 403 },
    };
    struct live *live = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct answer answer = fixture_ask(&live->d.f, "GET", rows[i].path, rows[i].more, NULL);
        if (answer.status != rows[i].status)
            fail_msg("%s %s: %d", rows[i].path, rows[i].more, answer.status);
        assert_non_null(answer_str(&answer, "message"));
        answer_done(&answer);
    }
    struct answer answer = fixture_ask(&live->d.f, "POST", "/api/events", NULL, "{}");
    assert_int_equal(answer.status, 405);
    answer_done(&answer);
}

static void without_the_token_nothing_is_told(void **state)
{
    static const char upgrade[] = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    struct live *live = *state;
    struct answer answer = fixture_ask(&live->d.f, "GET", "/api/runs/demo/events", NULL, NULL);
    assert_int_equal(answer.status, 401);
    answer_done(&answer);
    answer = fixture_ask(&live->d.f, "GET", "/api/events", upgrade, NULL);
    assert_int_equal(answer.status, 401);
    answer_done(&answer);

    struct cf_buf got = { 0 };
    int fd = ask(live, "/api/runs/demo/events", "Authorization: Bearer the right token\r\n");
    read_until(fd, &got, "event: state");
    close(fd);
    cf_buf_done(&got);
}

static void head_gets_the_head_alone(void **state)
{
    struct live *live = *state;
    struct answer answer = fixture_ask(&live->d.f, "HEAD", "/api/runs/demo/events", NULL, NULL);
    assert_int_equal(answer.status, 200);
    answer_done(&answer);
}

static void the_end_of_the_server_ends_the_stream(void **state)
{
    struct live *live = *state;
    struct cf_buf got = { 0 };
    int fd = ask(live, "/api/runs/demo/events", "");
    read_until(fd, &got, "event: state");
    cf_server_stop(live->d.f.server);
    live->d.f.server = NULL;
    read_until(fd, &got, "\"reason\":\"server_stops\"");
    close(fd);
    cf_buf_done(&got);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_state_comes_first_then_events_in_order_then_the_end, setup),
        cmocka_unit_test_setup(who_comes_back_goes_on_behind_the_last_event, setup),
        cmocka_unit_test_setup(who_has_missed_events_gets_the_state_again, setup),
        cmocka_unit_test_setup(a_quiet_stream_has_heartbeats, setup),
        cmocka_unit_test_setup(a_reader_that_does_not_read_is_dropped_and_holds_nobody_up, setup),
        cmocka_unit_test_setup(a_run_of_another_process_is_told_as_it_stands, setup),
        cmocka_unit_test_setup(what_cannot_be_watched_is_refused, setup),
        cmocka_unit_test_setup(head_gets_the_head_alone, setup),
        cmocka_unit_test_setup(the_end_of_the_server_ends_the_stream, setup),    /* the last one */
    };
    static const struct CMUnitTest guarded[] = {
        cmocka_unit_test(without_the_token_nothing_is_told),
    };
    int failed = cmocka_run_group_tests_name("watch", tests, setup_all, teardown);
    failed +=
        cmocka_run_group_tests_name("watch with a token", guarded, setup_with_token, teardown);
    return failed;
}
