#include "engine/stream.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/mem.h"
#include "confab/buf.h"
#include "confab/retry.h"
#include "provider/anthropic.h"
#include "provider/anthropic_stream.h"

#define TOKEN_MS 60    /* half the slowest speed that models are known for */

struct cf_stream {
    struct cf_completion completion;   /* there is text; first, see cf_stream_arrived */
    struct cf_queue *completions;      /* borrowed */
    void *owner;

    /* The net thread's. */
    struct cf_anthropic_stream *reader;
    enum cf_stream_state state;
    bool has_begun;                    /* a piece of a stream came in this attempt */
    struct cf_buf piece;               /* the text of one */

    /* Between the two. */
    pthread_mutex_t lock;
    struct cf_buf text;                /* not taken yet */
    int  attempt;                      /* of which it is */
    bool is_queued;                    /* the completion */
};

struct cf_stream *cf_stream_new(struct cf_queue *completions,
                                void (*deliver)(struct cf_completion *completion, void *context),
                                void *owner)
{
    struct cf_stream *stream = cf_calloc(1, sizeof *stream);
    stream->completion.deliver = deliver;
    stream->completions = completions;
    stream->owner = owner;
    stream->reader = cf_anthropic_stream_new();
    pthread_mutex_init(&stream->lock, NULL);
    cf_buf_init(&stream->piece, CF_HTTP_REPLY_BYTES_MAX);
    cf_buf_init(&stream->text, CF_HTTP_REPLY_BYTES_MAX);
    return stream;
}

void cf_stream_free(struct cf_stream *stream)
{
    if (stream == NULL)
        return;
    cf_anthropic_stream_free(stream->reader);
    cf_buf_done(&stream->piece);
    cf_buf_done(&stream->text);
    pthread_mutex_destroy(&stream->lock);
    free(stream);
}

/* --- script thread --- */

void *cf_stream_arrived(struct cf_completion *completion)
{
    struct cf_stream *stream = (struct cf_stream *)completion;
    pthread_mutex_lock(&stream->lock);
    stream->is_queued = false;
    pthread_mutex_unlock(&stream->lock);
    return stream->owner;
}

int cf_stream_take_text(struct cf_stream *stream, struct cf_buf *out)
{
    cf_buf_clear(out);
    pthread_mutex_lock(&stream->lock);
    int attempt = stream->text.len > 0 ? stream->attempt : 0;
    struct cf_buf taken = stream->text;
    stream->text = *out;
    pthread_mutex_unlock(&stream->lock);
    *out = taken;
    return attempt;
}

/* --- net thread --- */

int64_t cf_stream_total_ms(int64_t output_tokens)
{
    int64_t needed_ms = output_tokens * TOKEN_MS;
    return needed_ms > CF_HTTP_TOTAL_MS ? needed_ms : CF_HTTP_TOTAL_MS;
}

void cf_stream_begin(struct cf_stream *stream, int attempt)
{
    cf_anthropic_stream_clear(stream->reader);
    stream->state = CF_STREAM_OPEN;
    stream->has_begun = false;
    pthread_mutex_lock(&stream->lock);
    cf_buf_clear(&stream->text);    /* nobody saw it, and nobody needs to */
    stream->attempt = attempt;
    pthread_mutex_unlock(&stream->lock);
}

/* Passes the text of a piece on. */
static void give_text(struct cf_stream *stream)
{
    if (stream->piece.len == 0 || stream->completion.deliver == NULL)
        return;
    pthread_mutex_lock(&stream->lock);
    cf_buf_add(&stream->text, stream->piece.data, stream->piece.len);
    bool is_news = !stream->is_queued;
    stream->is_queued = true;
    pthread_mutex_unlock(&stream->lock);
    if (is_news)
        cf_queue_push(stream->completions, &stream->completion.link);
}

static bool is_event_stream(const struct cf_http_result *so_far)
{
    static const char type[] = "text/event-stream";
    const char *found = cf_http_headers_get(&so_far->headers, "content-type");
    return so_far->status == 200 && found != NULL && strncasecmp(found, type, strlen(type)) == 0;
}

enum cf_http_piece cf_stream_read(struct cf_stream *stream, const struct cf_http_result *so_far,
                                  const char *bytes, size_t len)
{
    if (!stream->has_begun && !is_event_stream(so_far))
        return CF_HTTP_COLLECT;    /* an error, or a service that does not stream */
    stream->has_begun = true;
    cf_buf_clear(&stream->piece);
    stream->state = cf_anthropic_stream_add(stream->reader, bytes, len, &stream->piece);
    give_text(stream);
    switch (stream->state) {
    case CF_STREAM_OPEN:  return CF_HTTP_TAKEN;
    case CF_STREAM_WHOLE: return CF_HTTP_ENOUGH;
    default:              return CF_HTTP_STOP;
    }
}

struct cf_text cf_stream_piece(const struct cf_stream *stream)
{
    return (struct cf_text){ stream->piece.data, stream->piece.len };
}

static enum cf_stream_end fail(struct cf_failure *out, enum cf_transport transport, int status,
                               const char *message)
{
    *out = (struct cf_failure){
        .transport = transport, .http_status = status, .error_message = message,
        .request_written = true, .retry_after_ms = -1,
    };
    return CF_STREAM_ENDED_FAILED;
}

void cf_stream_tokens(const struct cf_stream *stream, int64_t *out_input, int64_t *out_output)
{
    cf_anthropic_stream_tokens(stream->reader, out_input, out_output);
}

enum cf_stream_end cf_stream_conclude(struct cf_stream *stream, struct cf_http_result *result,
                                      struct cf_failure *out_failure)
{
    if (!stream->has_begun)
        return CF_STREAM_ENDED_NOT;

    if (stream->state == CF_STREAM_ERROR) {
        const struct cf_api_error *error = cf_anthropic_stream_error(stream->reader);
        fail(out_failure, CF_TRANSPORT_STREAM_ERROR, result->status, error->message);
        out_failure->error_type = error->type[0] != '\0' ? error->type : NULL;
        out_failure->error_code = error->code[0] != '\0' ? error->code : NULL;
        return CF_STREAM_ENDED_FAILED;
    }
    if (stream->state == CF_STREAM_BROKEN)
        return fail(out_failure, CF_TRANSPORT_BAD_REPLY, result->status,
                    cf_anthropic_stream_reason(stream->reader));
    if (stream->state == CF_STREAM_OPEN && result->failure == CF_HTTP_OK)
        return fail(out_failure, CF_TRANSPORT_CUT_SHORT, result->status,
                    "the stream ended before its message did");
    if (stream->state == CF_STREAM_OPEN)
        return CF_STREAM_ENDED_NOT;

    cf_buf_done(&result->body);
    cf_buf_init(&result->body, CF_JSON_SIZE_MAX);
    cf_anthropic_stream_message(stream->reader, &result->body);
    cf_anthropic_stream_clear(stream->reader);    /* it held as much again */
    if (!cf_buf_ok(&result->body))
        return fail(out_failure, CF_TRANSPORT_TOO_LARGE, result->status,
                    "the message is too large");
    result->failure = CF_HTTP_OK;
    result->message = "";
    return CF_STREAM_ENDED_WHOLE;
}
