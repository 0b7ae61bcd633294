/* anthropic_stream.h - the events of a streamed reply, put together to the message that the same
 * call would have got unstreamed.
 *
 * That message, as JSON, is what is stored and decoded: one shape and one reader for both, a
 * fraction of the events' bytes, and a replay that costs what any other does. Texts are copied as
 * the server escaped them, what events say of the message overrules its beginning, usage is the
 * last that was said. Pings, unknown events and unknown deltas are skipped. Pure: bytes in, no
 * I/O, no clock. */
#ifndef CONFAB_PROVIDER_ANTHROPIC_STREAM_H
#define CONFAB_PROVIDER_ANTHROPIC_STREAM_H

#include <stddef.h>
#include <stdint.h>

struct cf_anthropic_stream;
struct cf_api_error;
struct cf_buf;

enum cf_stream_state {
    CF_STREAM_OPEN,      /* more is to come; if nothing does, the reply was cut */
    CF_STREAM_WHOLE,     /* message_stop was read: what follows it does not matter */
    CF_STREAM_ERROR,     /* an error event was read; nothing useful follows it */
    CF_STREAM_BROKEN,    /* what came makes no sense */
};

struct cf_anthropic_stream *cf_anthropic_stream_new(void);
void cf_anthropic_stream_free(struct cf_anthropic_stream *stream);

/* Ready for the stream of another attempt. */
void cf_anthropic_stream_clear(struct cf_anthropic_stream *stream);

/* Reads the next piece of the body, cut anywhere. What it holds of the reply's text (that of its
 * text blocks) is appended to *text. In every state but OPEN the piece is ignored. */
enum cf_stream_state cf_anthropic_stream_add(struct cf_anthropic_stream *stream, const char *bytes,
                                             size_t len, struct cf_buf *text);

/* Of a whole one: appends the message as JSON, for cf_anthropic_decode and the journal. */
void cf_anthropic_stream_message(const struct cf_anthropic_stream *stream, struct cf_buf *out);

/* What it has told of the tokens so far, in any state; -1: nothing. */
void cf_anthropic_stream_tokens(const struct cf_anthropic_stream *stream, int64_t *out_input,
                                int64_t *out_output);

/* Of one with an error event: what it says. Lent until the next clear. */
const struct cf_api_error *cf_anthropic_stream_error(const struct cf_anthropic_stream *stream);

/* Of a broken one: why, for people. Lent until the next clear. */
const char *cf_anthropic_stream_reason(const struct cf_anthropic_stream *stream);
#endif
