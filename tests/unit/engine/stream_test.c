/* Streamed calls, between a real store and a real simulator. */
#include "engine/stream.h"

#include "sender_fixture.h"

#include "confab/buf.h"
#include "confab/retry.h"
#include "http/headers.h"

/* What the script thread sees of one call. */
struct listener {
    struct cf_stream *stream;
    struct cf_buf piece;
    struct cf_buf text; /* of the last attempt */
    int attempt;
    int pieces;   /* times that there was text */
    int restarts; /* times that it began again */
};

static void deliver_text(struct cf_completion *completion, void *context)
{
    (void)context;
    struct listener *listener = cf_stream_arrived(completion);
    int attempt = cf_stream_take_text(listener->stream, &listener->piece);
    if (attempt == 0)
        return;
    if (attempt != listener->attempt && listener->attempt != 0) {
        listener->restarts++;
        cf_buf_clear(&listener->text);
    }
    listener->attempt = attempt;
    listener->pieces++;
    cf_buf_add(&listener->text, listener->piece.data, listener->piece.len);
}

static void listen_init(struct listener *listener)
{
    memset(listener, 0, sizeof *listener);
    cf_buf_init(&listener->piece, CF_HTTP_REPLY_BYTES_MAX);
    cf_buf_init(&listener->text, CF_HTTP_REPLY_BYTES_MAX);
}

static void listen_done(struct listener *listener)
{
    cf_buf_done(&listener->piece);
    cf_buf_done(&listener->text);
}

/* A streamed call. listener NULL: nobody listens. */
static void submit(struct fixture *f, struct listener *listener)
{
    struct cf_call *call = cf_call_new();
    static const char body[] =
        "{\"model\":\"claude-sonnet-5-5\",\"max_tokens\":400,\"stream\":true,\"messages\":"
        "[{\"role\":\"user\",\"content\":\"Write a chat about tea\"}]}";
    call->completions = &f->completions;
    call->owner = f;
    call->account = &f->account;
    call->run = f->run;
    call->item = f->item;
    call->ordinal = ++f->submitted;
    call->model = f->model;
    call->body = strdup(body);
    call->body_len = strlen(body);
    cf_sha256(body, call->body_len, call->hash);
    call->max_tokens = call->output_bound = 400;
    call->bound_pico = f->bound_pico;
    call->amounts = (struct cf_amounts){ 1, 30, 400 };
    call->on_retry = count_retry;
    call->stream = cf_stream_new(&f->completions, listener != NULL ? deliver_text : NULL, listener);
    if (listener != NULL)
        listener->stream = call->stream;
    cf_sender_submit(f->sender, call);
}

/* The call that comes back; text that comes before it is delivered. */
static struct cf_call *next_call(struct fixture *f)
{
    for (;;) {
        struct cf_call *call = fixture_next(f);
        if (call->completion.deliver != deliver_text)
            return call;
        call->completion.deliver(&call->completion, NULL);
    }
}

struct row {
    const char *name, *faults;
    int attempts; /* 0: it fails */
    int restarts;
    const char *says; /* of its error */
    int64_t at_risk;  /* bounds that stay counted */
};

static struct row rows[] = {
    { "a streamed reply arrives whole", "", 1, 0, NULL, 0 },
    { "a trickle is one reply all the same", "faults=trickle,trickle=100ms", 1, 0, NULL, 0 },
    { "an error event is tried again", "faults=stream_error@1", 2, 1, NULL, 1 },
    { "a stream that is cut is tried again", "faults=cut@1", 2, 1, NULL, 1 },
    { "a stream that is reset is tried again", "faults=reset_body@1", 2, -1, NULL, 1 },
    { "an error reply is tried again", "faults=529@1", 2, 0, NULL, 0 },
    { "a 429 waits and shows nothing", "faults=429@1", 2, 0, NULL, 0 },
    { "an error event to the end fails the call", "faults=stream_error", 0, 2,
      "overloaded: Overloaded", 3 },
    { "cuts to the end fail the call", "faults=cut", 0, 2, "reply cut short", 3 },
    { "a refusal is a reply", "faults=refusal", 1, 0, NULL, 0 },
    { "an empty message is a reply", "faults=empty", 1, 0, NULL, 0 },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct fixture f;
    struct listener listener;
    listen_init(&listener);
    fixture_open(&f, row->faults, NULL);
    fixture_start(&f);
    submit(&f, &listener);
    struct cf_call *call = NULL;
    while (call == NULL) { /* a 429 waits for a second of the clock */
        if (f.popped == NULL && !cf_queue_wait(&f.completions, 2)) {
            fixture_pass(&f, 100);
            continue;
        }
        call = fixture_next(&f);
        if (call->completion.deliver != deliver_text)
            break;
        call->completion.deliver(&call->completion, NULL);
        call = NULL;
    }

    assert_int_equal(call->has_reply, row->attempts > 0);
    assert_int_equal(call->attempts, row->attempts > 0 ? row->attempts : 3);
    if (call->has_reply) {
        assert_string_equal(cf_buf_str(&listener.text), call->reply.text);
        assert_true(call->reply.usage.is_known && call->cost_pico > 0);
        assert_int_equal(call->raw[0], '{');
        if (listener.pieces > 0)
            assert_int_equal(listener.attempt, row->attempts);
    } else if (strstr(call->error.message, row->says) == NULL) {
        fail_msg("%s", call->error.message);
    }
    if (row->restarts >= 0)
        assert_true(listener.restarts <= row->restarts);
    cf_call_free(call);
    assert_int_equal(fixture_count(&f, "SELECT at_risk_pico FROM runs"), row->at_risk * BOUND_PICO);
    fixture_check_rest(&f);
    fixture_close(&f);
    listen_done(&listener);
}

static void a_streamed_reply_is_stored_as_an_unstreamed_one(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f, "usage=varied", NULL);
    f.bound_pico = 4 * BOUND_PICO;
    fixture_start(&f);
    submit(&f, NULL);
    struct cf_call *streamed = fixture_next(&f);
    struct cf_call *plain = cf_call_new();
    char *body = strdup(streamed->body), *mark = strstr(body, ",\"stream\":true");
    memmove(mark, mark + 14, strlen(mark + 14) + 1);
    plain->completions = &f.completions;
    plain->owner = &f;
    plain->account = &f.account;
    plain->run = f.run;
    plain->item = f.item;
    plain->ordinal = 7;
    plain->model = f.model;
    plain->body = body;
    plain->body_len = strlen(body);
    memset(plain->hash, 7, sizeof plain->hash);
    plain->max_tokens = 400;
    plain->bound_pico = f.bound_pico;
    plain->amounts = (struct cf_amounts){ 1, 30, 400 };
    cf_sender_submit(f.sender, plain);
    assert_ptr_equal(fixture_next(&f), plain);

    if (!streamed->has_reply || !plain->has_reply)
        fail_msg("%s %s", streamed->error.message, plain->error.message);
    assert_int_equal(streamed->reply.stop, plain->reply.stop);
    assert_string_equal(streamed->reply.model, plain->reply.model);
    assert_int_equal(streamed->reply.text_blocks, plain->reply.text_blocks);
    assert_true(streamed->reply.usage.is_known);
    assert_rows(&f, 2,
                "calls WHERE state = 'done' AND json_valid((SELECT cast(body AS TEXT) FROM"
                " call_replies r WHERE r.call = calls.id))");
    cf_call_free(streamed);
    cf_call_free(plain);
    fixture_check_rows(&f);
    fixture_close(&f);
}

static void text_that_nobody_takes_waits_in_one_piece(void **state)
{
    (void)state;
    struct fixture f;
    struct listener listener;
    listen_init(&listener);
    fixture_open(&f, "faults=trickle,trickle=100ms", NULL);
    fixture_start(&f);
    submit(&f, &listener);

    /* The script does nothing until the reply is stored. */
    while (fixture_count(&f, "SELECT count(*) FROM calls WHERE state = 'done'") == 0)
        fixture_turn(&f);
    struct cf_call *call = next_call(&f);
    assert_true(call->has_reply);
    assert_int_equal(listener.pieces, 1);
    assert_string_equal(cf_buf_str(&listener.text), call->reply.text);
    cf_call_free(call);
    fixture_close(&f);
    listen_done(&listener);
}

static void a_stream_that_stands_still_times_out(void **state)
{
    (void)state;
    struct fixture f;
    struct listener listener;
    listen_init(&listener);
    fixture_open(&f, "faults=stall@1", NULL);
    f.options.timeouts.idle_ms = 5000;
    fixture_start(&f);
    submit(&f, &listener);
    struct cf_call *text = fixture_next(&f); /* half of it is there; nothing more comes */
    assert_ptr_equal(text->completion.deliver, deliver_text);
    text->completion.deliver(&text->completion, NULL);
    assert_int_equal(listener.attempt, 1);
    fixture_pass(&f, 4000);
    assert_int_equal(atomic_load(&f.retries), 0);
    fixture_pass(&f, 2000);

    struct cf_call *call = next_call(&f);
    assert_true(call->has_reply);
    assert_int_equal(call->attempts, 2);
    assert_int_equal(listener.restarts, 1);
    assert_string_equal(cf_buf_str(&listener.text), call->reply.text);
    assert_rows(&f, 1, "generation_logs WHERE error_message LIKE 'reply stalled%'");
    cf_call_free(call);
    fixture_check_rest(&f);
    fixture_close(&f);
    listen_done(&listener);
}

static void a_stream_that_is_given_up_is_booked_as_unknown(void **state)
{
    (void)state;
    struct fixture f;
    struct listener listener;
    listen_init(&listener);
    fixture_open(&f, "faults=stall@1", NULL);
    fixture_start(&f);
    submit(&f, &listener);
    struct cf_call *text = fixture_next(&f);
    text->completion.deliver(&text->completion, NULL);
    cf_sender_abandon(f.sender);
    struct cf_call *call = next_call(&f);
    assert_false(call->has_reply);
    assert_int_equal(call->error.kind, CF_ERR_CANCELLED);
    cf_call_free(call);
    assert_int_equal(fixture_count(&f, "SELECT at_risk_pico FROM runs"), BOUND_PICO);
    fixture_close(&f);
    listen_done(&listener);
}

/* --- by hand, without a network --- */

static void read_piece(struct cf_stream *stream, const char *type, int status, const char *bytes,
                       enum cf_http_piece want)
{
    struct cf_http_result so_far = { .status = status };
    char line[100];
    snprintf(line, sizeof line, "Content-Type: %s\r\n", type);
    cf_http_headers_add_line(&so_far.headers, line, strlen(line));
    assert_int_equal(cf_stream_read(stream, &so_far, bytes, strlen(bytes)), want);
    cf_http_headers_done(&so_far.headers);
}

static void what_is_no_stream_is_left_to_the_body(void **state)
{
    (void)state;
    struct cf_stream *stream = cf_stream_new(NULL, NULL, NULL);
    struct cf_http_result result = { .status = 200 };
    struct cf_failure failure;
    cf_stream_begin(stream, 1);
    read_piece(stream, "application/json", 200, "{\"type\":\"message\"}", CF_HTTP_COLLECT);
    read_piece(stream, "text/event-stream", 529, "data: {}\n\n", CF_HTTP_COLLECT);
    assert_int_equal(cf_stream_conclude(stream, &result, &failure), CF_STREAM_ENDED_NOT);
    cf_stream_free(stream);
}

#define MESSAGE                                                                                    \
    "data: "                                                                                       \
    "{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}" \
    "}\n\n"
#define STOP "data: {\"type\":\"message_stop\"}\n\n"

static void a_whole_message_counts_however_the_connection_ended(void **state)
{
    (void)state;
    struct cf_stream *stream = cf_stream_new(NULL, NULL, NULL);
    struct cf_http_result result = { .status = 200, .failure = CF_HTTP_CUT, .message = "cut" };
    struct cf_failure failure;
    cf_stream_begin(stream, 1);
    read_piece(stream, "text/event-stream; charset=utf-8", 200, MESSAGE, CF_HTTP_TAKEN);
    read_piece(stream, "text/event-stream", 200, STOP, CF_HTTP_ENOUGH);
    assert_int_equal(cf_stream_conclude(stream, &result, &failure), CF_STREAM_ENDED_WHOLE);
    assert_int_equal(result.failure, CF_HTTP_OK);
    assert_string_equal(result.message, "");
    assert_non_null(strstr(cf_buf_str(&result.body), "\"content\":[]"));
    cf_buf_done(&result.body);
    cf_stream_free(stream);
}

static void failures_are_told_apart(void **state)
{
    (void)state;
    struct cf_stream *stream = cf_stream_new(NULL, NULL, NULL);
    struct cf_http_result result = { .status = 200 };
    struct cf_failure failure;

    cf_stream_begin(stream, 1);
    read_piece(stream, "text/event-stream", 200, MESSAGE, CF_HTTP_TAKEN);
    assert_int_equal(cf_stream_conclude(stream, &result, &failure), CF_STREAM_ENDED_FAILED);
    assert_int_equal(failure.transport, CF_TRANSPORT_CUT_SHORT);
    result.failure = CF_HTTP_IDLE_TIMEOUT;
    assert_int_equal(cf_stream_conclude(stream, &result, &failure), CF_STREAM_ENDED_NOT);

    cf_stream_begin(stream, 2);
    result.failure = CF_HTTP_STOPPED;
    read_piece(stream, "text/event-stream", 200, "data: no\n\n", CF_HTTP_STOP);
    assert_int_equal(cf_stream_conclude(stream, &result, &failure), CF_STREAM_ENDED_FAILED);
    assert_int_equal(failure.transport, CF_TRANSPORT_BAD_REPLY);

    cf_stream_begin(stream, 3);
    read_piece(stream, "text/event-stream", 200,
               "data: "
               "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":"
               "\"no\"}}\n\n",
               CF_HTTP_STOP);
    assert_int_equal(cf_stream_conclude(stream, &result, &failure), CF_STREAM_ENDED_FAILED);
    assert_int_equal(failure.transport, CF_TRANSPORT_STREAM_ERROR);
    struct cf_judgement judgement;
    cf_retry_classify(&failure, &judgement);
    assert_int_equal(judgement.verdict, CF_VERDICT_FAIL_ITEM);
    assert_int_equal(judgement.billing, CF_BILLING_UNKNOWN);
    cf_stream_free(stream);
}

static void long_replies_get_the_time_that_they_need(void **state)
{
    (void)state;
    assert_int_equal(cf_stream_total_ms(1000), CF_HTTP_TOTAL_MS);
    assert_int_equal(cf_stream_total_ms(128000), INT64_C(7680000));
}

int main(void)
{
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(a_streamed_reply_is_stored_as_an_unstreamed_one),
        cmocka_unit_test(text_that_nobody_takes_waits_in_one_piece),
        cmocka_unit_test(a_stream_that_stands_still_times_out),
        cmocka_unit_test(a_stream_that_is_given_up_is_booked_as_unknown),
        cmocka_unit_test(what_is_no_stream_is_left_to_the_body),
        cmocka_unit_test(a_whole_message_counts_however_the_connection_ended),
        cmocka_unit_test(failures_are_told_apart),
        cmocka_unit_test(long_replies_get_the_time_that_they_need),
    };
    enum { ROWS = sizeof rows / sizeof *rows, OTHERS = sizeof others / sizeof *others };
    struct CMUnitTest tests[ROWS + OTHERS];
    for (size_t i = 0; i < ROWS; i++)
        tests[i] = (struct CMUnitTest){ rows[i].name, check_row, NULL, NULL, &rows[i] };
    memcpy(tests + ROWS, others, sizeof others);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
