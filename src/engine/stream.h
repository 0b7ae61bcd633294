/* stream.h - a reply that is read while it arrives, and its text on its way to the script.
 *
 * A stream belongs to its call. The net thread reads events into it; the text that has come waits
 * in one buffer until the script thread takes it, so that a slow script neither holds the net
 * thread back nor makes more wait than one reply. A completion tells the script that there is
 * text; it is part of the stream, and at most once in the queue, always before that of the call.
 *
 * What is shown is provisional: a reply counts once it is whole and stored. */
#ifndef CONFAB_ENGINE_STREAM_H
#define CONFAB_ENGINE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "engine/completion.h"
#include "http/http.h"

struct cf_buf;
struct cf_failure;
struct cf_stream;

/* A call that is to be streamed. deliver is called, on the script thread, with the completion and
 * when text is there; NULL: nobody wants to see it. owner is the listener's. */
struct cf_stream *cf_stream_new(struct cf_queue *completions,
                                void (*deliver)(struct cf_completion *completion, void *context),
                                void *owner);

/* Frees it; NULL is fine. Not before the call's own completion was delivered. */
void cf_stream_free(struct cf_stream *stream);

/* --- script thread --- */

/* To be called by deliver: the completion is out of the queue. Gives its owner. */
void *cf_stream_arrived(struct cf_completion *completion);

/* Moves the text that has come since the last time to *out, whose old content is dropped; returns
 * the number of the attempt that it is of, from 1; 0: there is none. A later attempt begins the
 * text again. */
int cf_stream_take_text(struct cf_stream *stream, struct cf_buf *out);

/* --- net thread --- */

/* How long an exchange may last whose output has at most so many tokens, where nobody said. A
 * stream that goes on is no hanging request; a standstill ends it much earlier. */
int64_t cf_stream_total_ms(int64_t output_tokens);

/* A new attempt: forgets what is there of an earlier one. */
void cf_stream_begin(struct cf_stream *stream, int attempt);

/* What cf_http_request's on_piece says of a piece. */
enum cf_http_piece cf_stream_read(struct cf_stream *stream, const struct cf_http_result *so_far,
                                  const char *bytes, size_t len);

/* The text of the piece that was read last; lent until the next one. */
struct cf_text cf_stream_piece(const struct cf_stream *stream);

/* What the attempt has told of its tokens so far; -1: nothing. */
void cf_stream_tokens(const struct cf_stream *stream, int64_t *out_input, int64_t *out_output);

enum cf_stream_end {
    CF_STREAM_ENDED_NOT,       /* nothing more is known than the result says */
    CF_STREAM_ENDED_WHOLE,     /* the result is now a 200 with the message as its body */
    CF_STREAM_ENDED_FAILED,    /* *out_failure says how, its texts lent until the next attempt */
};

/* The exchange is over. */
enum cf_stream_end cf_stream_conclude(struct cf_stream *stream, struct cf_http_result *result,
                                      struct cf_failure *out_failure);
#endif
