#include "http/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "confab/error.h"
#include "splits.h"
#include "test_file.h"

/* Feeds one piece; what it gives is appended as "name|data\n" lines, a LF in data as "\". */
static int feed(struct cf_sse *sse, const char *bytes, size_t len, struct cf_buf *out)
{
    /* A copy of just that size, so that a sanitizer sees a read behind its end. */
    char *copy = malloc(len > 0 ? len : 1);
    if (len > 0)
        memcpy(copy, bytes, len);
    const char *at = copy;
    struct cf_sse_event event;
    struct cf_error err = { 0 };
    int next;
    while ((next = cf_sse_next(sse, &at, copy + len, &event, &err)) > 0) {
        assert_int_equal(strlen(event.data) <= event.data_len, 1);
        cf_buf_addf(out, "%s|", event.name);
        for (size_t i = 0; i < event.data_len; i++)
            cf_buf_addc(out, event.data[i] == '\n' ? '\\' : event.data[i]);
        cf_buf_addc(out, '\n');
    }
    if (next < 0)
        assert_int_equal(err.kind, CF_ERR_PARSE);
    else
        assert_ptr_equal(at, copy + len);
    free(copy);
    return next;
}

static void check_splits(const char *bytes, size_t len, const size_t *cuts, size_t cut_count,
                         void *self)
{
    struct cf_sse sse;
    struct cf_buf out;
    size_t from = 0;
    cf_sse_init(&sse);
    cf_buf_init(&out, 1u << 20);
    for (size_t i = 0; i <= cut_count; i++) {
        size_t to = i < cut_count ? cuts[i] : len;
        assert_int_equal(feed(&sse, bytes + from, to - from, &out), 0);
        from = to;
    }
    if (strcmp(cf_buf_str(&out), self) != 0)
        fail_msg("cut at %zu places, first %zu: %.300s", cut_count, cut_count > 0 ? cuts[0] : 0,
                 cf_buf_str(&out));
    cf_buf_done(&out);
    cf_sse_done(&sse);
}

/* --- small streams --- */

struct row {
    const char *name, *stream, *events;
    size_t len; /* 0: up to the NUL */
};

static struct row rows[] = {
    { "nothing gives nothing", "", "", 0 },
    { "an event is given at its empty line", "event: a\ndata: 1\n\n", "a|1\n", 0 },
    { "an event without its empty line is not given", "data: 1\n\ndata: 2\n", "message|1\n", 0 },
    { "the end of the last line is awaited", "data: 1\n\ndata: 2", "message|1\n", 0 },
    { "lines may end in CR alone", "event: a\rdata: 1\r\rdata: 2\r\r", "a|1\nmessage|2\n", 0 },
    { "lines may end in CRLF", "event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n", "a|1\nmessage|2\n",
      0 },
    { "line ends may be mixed", "data: 1\r\n\rdata: 2\n\r\ndata: 3\r\r\n",
      "message|1\nmessage|2\nmessage|3\n", 0 },
    { "LF CR is two line ends", "data: 1\n\rdata: 2\n\n", "message|1\nmessage|2\n", 0 },
    { "one space after the colon goes", "data:1\n\ndata: 2\n\ndata:  3\n\n",
      "message|1\nmessage|2\nmessage| 3\n", 0 },
    { "data lines are joined with LF", "data: 1\ndata: 2\ndata:\ndata: 4\n\n",
      "message|1\\2\\\\4\n", 0 },
    { "data without a colon is an empty line of data", "data\n\ndata\ndata\n\n",
      "message|\nmessage|\\\n", 0 },
    { "an event without data is none, and its name is forgotten", "event: a\n\ndata: 1\n\n",
      "message|1\n", 0 },
    { "the last name counts", "event: a\nevent: b\ndata: 1\n\n", "b|1\n", 0 },
    { "an empty name means message", "event: a\nevent:\ndata: 1\n\n", "message|1\n", 0 },
    { "comments are skipped", ": hello\ndata: 1\n:\n: there\n\n:\n\n", "message|1\n", 0 },
    { "other fields are skipped",
      "id: 7\nretry: 10\nfoo: bar\nDATA: x\ndata : x\n data: x\ndata: 1\n\n", "message|1\n", 0 },
    { "a byte order mark at the start is skipped",
      "\xef\xbb\xbf"
      "data: 1\n\n",
      "message|1\n", 0 },
    { "a byte order mark alone on the first line is an empty line", "\xef\xbb\xbf\ndata: 1\n\n",
      "message|1\n", 0 },
    { "a second byte order mark belongs to the name",
      "\xef\xbb\xbf\xef\xbb\xbf"
      "data: 0\ndata: 1\n\n",
      "message|1\n", 0 },
    { "a byte order mark later on belongs to the name",
      "\n\xef\xbb\xbf"
      "data: 0\ndata: 1\n\n",
      "message|1\n", 0 },
    { "half a byte order mark is none",
      "\xef\xbb"
      "data: 0\ndata: 1\n\n",
      "message|1\n", 0 },
    { "U+2028 and U+0085 end no line",
      "data: a\xe2\x80\xa8"
      "b\xc2\x85"
      "c\n\n",
      "message|a\xe2\x80\xa8"
      "b\xc2\x85"
      "c\n",
      0 },
    { "a NUL ends no line", "id: a\0b\ndata: 1\n\n", "message|1\n", 17 },
    { "many empty lines are nothing", "\n\n\r\r\n\n\r\ndata: 1\n\n\n\n\r\n", "message|1\n", 0 },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    size_t len = row->len > 0 ? row->len : strlen(row->stream);
    splits_try_all(row->stream, len > 0 ? len : 0, check_splits, (void *)row->events);
}

/* --- the fixture --- */

static void the_edge_cases_give_the_same_events_however_they_are_cut(void **state)
{
    (void)state;
    size_t len;
    char *stream = test_file_read(TEST_DATA "/streams/stream_edge_cases.sse", &len);
    char *text = test_file_read(TEST_DATA "/streams/stream_edge_cases.expect.json", NULL);
    cJSON *expect = cJSON_Parse(text);
    assert_non_null(expect);

    /* What is expected, as feed() writes it; long data are described by their ends. */
    struct cf_sse sse;
    struct cf_buf whole;
    cf_sse_init(&sse);
    cf_buf_init(&whole, 1u << 20);
    assert_int_equal(feed(&sse, stream, len, &whole), 0);
    const char *at = cf_buf_str(&whole);
    const cJSON *event;
    cJSON_ArrayForEach (event, cJSON_GetObjectItem(expect, "events")) {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(event, "event"));
        const char *data = cJSON_GetStringValue(cJSON_GetObjectItem(event, "data"));
        const char *end = strchr(at, '\n');
        assert_non_null(end);
        assert_memory_equal(at, name, strlen(name));
        at += strlen(name);
        assert_int_equal(*at++, '|');
        if (data == NULL) {
            const char *prefix = cJSON_GetStringValue(cJSON_GetObjectItem(event, "data_prefix"));
            assert_memory_equal(at, prefix, strlen(prefix));
            assert_int_equal(end - at, cJSON_GetObjectItem(event, "data_length")->valueint);
        } else {
            assert_int_equal(end - at, strlen(data));
            for (size_t i = 0; data[i] != '\0'; i++)
                assert_int_equal(at[i], data[i] == '\n' ? '\\' : data[i]);
        }
        at = end + 1;
    }
    assert_int_equal(*at, '\0');

    splits_try_all(stream, len, check_splits, (void *)cf_buf_str(&whole));
    size_t cuts[16], count = 0;
    const cJSON *offset;
    cJSON_ArrayForEach (offset, cJSON_GetObjectItem(expect, "split_offsets"))
        cuts[count++] = (size_t)offset->valueint;
    check_splits(stream, len, cuts, count, (void *)cf_buf_str(&whole));

    cf_buf_done(&whole);
    cf_sse_done(&sse);
    cJSON_Delete(expect);
    free(text);
    free(stream);
}

/* --- sizes --- */

static void feed_many(struct cf_sse *sse, const char *piece, size_t count, int *out_next)
{
    struct cf_buf out;
    cf_buf_init(&out, 1u << 20);
    *out_next = 0;
    for (size_t i = 0; i < count && *out_next == 0; i++)
        *out_next = feed(sse, piece, strlen(piece), &out);
    cf_buf_done(&out);
}

static void a_line_or_an_event_without_end_fails(void **state)
{
    (void)state;
    static char line[(1u << 16) + 1];
    struct cf_sse sse;
    int next;
    cf_sse_init(&sse);

    memset(line, 'x', sizeof line - 1);
    feed_many(&sse, line, CF_SSE_EVENT_BYTES_MAX / (sizeof line - 1), &next);
    assert_int_equal(next, 0);
    feed_many(&sse, line, 1, &next);
    assert_int_equal(next, -1);

    cf_sse_clear(&sse);
    memcpy(line, "data:", 5);
    line[sizeof line - 2] = '\n';
    feed_many(&sse, line, CF_SSE_EVENT_BYTES_MAX / (sizeof line - 1) + 2, &next);
    assert_int_equal(next, -1);

    cf_sse_clear(&sse);
    feed_many(&sse, "data: 1\n\n", 3, &next);
    assert_int_equal(next, 0);
    cf_sse_done(&sse);
}

static void a_long_line_in_one_piece_fails_as_well(void **state)
{
    (void)state;
    size_t len = CF_SSE_EVENT_BYTES_MAX + 2;
    char *line = malloc(len);
    memset(line, 'x', len);
    line[0] = ':';
    line[len - 1] = '\n';
    struct cf_sse sse;
    struct cf_buf out;
    cf_sse_init(&sse);
    cf_buf_init(&out, 100);
    assert_int_equal(feed(&sse, line, len, &out), -1);
    cf_sse_clear(&sse);
    assert_int_equal(feed(&sse, line + 1, len - 1, &out), 0); /* just as long as allowed */
    cf_buf_done(&out);
    cf_sse_done(&sse);
    free(line);
}

static void a_cleared_reader_knows_nothing_of_the_last_stream(void **state)
{
    (void)state;
    struct cf_sse sse;
    struct cf_buf out;
    cf_sse_init(&sse);
    cf_buf_init(&out, 1000);
    static const char half[] = "event: a\ndata: 1\n\nevent: b\ndata: 2\nda\r";
    assert_int_equal(feed(&sse, half, strlen(half), &out), 0);
    cf_sse_clear(&sse);
    assert_int_equal(feed(&sse, "\n\xef\xbb\xbf", 4, &out), 0);
    cf_sse_clear(&sse);
    assert_int_equal(feed(&sse,
                          "\xef\xbb\xbf"
                          "data: 3\n\n",
                          12, &out),
                     0);
    assert_string_equal(cf_buf_str(&out), "a|1\nmessage|3\n");
    cf_buf_done(&out);
    cf_sse_done(&sse);
}

int main(void)
{
    enum { ROWS = sizeof rows / sizeof *rows };
    struct CMUnitTest tests[ROWS + 4];
    for (size_t i = 0; i < ROWS; i++)
        tests[i] = (struct CMUnitTest){ rows[i].name, check_row, NULL, NULL, &rows[i] };
    tests[ROWS] = (struct CMUnitTest)cmocka_unit_test(
        the_edge_cases_give_the_same_events_however_they_are_cut);
    tests[ROWS + 1] = (struct CMUnitTest)cmocka_unit_test(a_line_or_an_event_without_end_fails);
    tests[ROWS + 2] = (struct CMUnitTest)cmocka_unit_test(a_long_line_in_one_piece_fails_as_well);
    tests[ROWS + 3] =
        (struct CMUnitTest)cmocka_unit_test(a_cleared_reader_knows_nothing_of_the_last_stream);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
