/* sse.h - server-sent events: the bytes of a stream, cut anywhere, to events.
 *
 * Lines end in LF, CR or CRLF; a byte order mark at the start, comments and unknown fields are
 * skipped, as the HTML standard has it. `id` and `retry` are skipped too: nobody reconnects to a
 * reply that was paid for. No I/O. */
#ifndef CONFAB_HTTP_SSE_H
#define CONFAB_HTTP_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "confab/buf.h"

struct cf_error;

#define CF_SSE_EVENT_BYTES_MAX (16u << 20)    /* the largest carry the whole result of a tool */

struct cf_sse_event {
    const char *name;       /* "message" where the stream gives none; NUL-terminated */
    const char *data;       /* its data lines, joined with LF; NUL-terminated */
    size_t      data_len;
};

/* Zeroed and filled by cf_sse_init; its fields are its own. */
struct cf_sse {
    struct cf_buf line;     /* of which the end has not come */
    struct cf_buf name, data;
    bool has_begun;         /* the first line is over */
    bool after_cr;          /* a LF that follows belongs to it */
    bool has_data;          /* a data line came, perhaps an empty one */
    bool was_given;         /* name and data are of the event that was lent */
};

void cf_sse_init(struct cf_sse *sse);
void cf_sse_done(struct cf_sse *sse);

/* Ready for another stream; keeps the memory. */
void cf_sse_clear(struct cf_sse *sse);

/* Reads on from *at, which it moves. 1: *out_event is whole, lent until the next call; 0: all is
 * read and more is needed (an event that the stream ends in is never given); -1: a line or an event
 * is over CF_SSE_EVENT_BYTES_MAX (CF_ERR_PARSE), only clear it then. */
int cf_sse_next(struct cf_sse *sse, const char **at, const char *end,
                struct cf_sse_event *out_event, struct cf_error *err);
#endif
