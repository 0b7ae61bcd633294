/* The events of a streamed reply: the same comes of them however they are cut, and a whole one is
 * a message. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "confab/buf.h"
#include "confab/error.h"
#include "provider/anthropic.h"
#include "provider/anthropic_stream.h"

static void require(bool truth)
{
    if (!truth)
        abort();
}

static bool is_same(const struct cf_buf *a, const struct cf_buf *b)
{
    return a->len == b->len && memcmp(cf_buf_str(a), cf_buf_str(b), a->len) == 0;
}

static enum cf_stream_state feed(const char *bytes, size_t len, size_t step, struct cf_buf *text,
                                 struct cf_buf *message)
{
    struct cf_anthropic_stream *stream = cf_anthropic_stream_new();
    enum cf_stream_state state = CF_STREAM_OPEN;
    cf_buf_init(text, 1u << 26);
    cf_buf_init(message, 1u << 26);
    for (size_t at = 0; at < len; at += step)
        state =
            cf_anthropic_stream_add(stream, bytes + at, step < len - at ? step : len - at, text);
    if (state == CF_STREAM_WHOLE)
        cf_anthropic_stream_message(stream, message);
    if (state == CF_STREAM_ERROR)
        require(cf_anthropic_stream_error(stream)->message[0] != '\0');
    if (state == CF_STREAM_BROKEN)
        require(cf_anthropic_stream_reason(stream)[0] != '\0' &&
                strchr(cf_anthropic_stream_reason(stream), '\n') == NULL);
    cf_anthropic_stream_free(stream);
    return state;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    struct cf_buf text, message, cut_text, cut_message;
    enum cf_stream_state whole = feed(bytes, size, size > 0 ? size : 1, &text, &message);
    enum cf_stream_state cut =
        feed(bytes, size, 1 + (size > 0 ? data[size / 2] % 13 : 0), &cut_text, &cut_message);
    require(whole == cut && is_same(&text, &cut_text) && is_same(&message, &cut_message));

    if (whole == CF_STREAM_WHOLE) {
        struct cf_reply reply = { 0 };
        struct cf_error err = { 0 };
        if (cf_anthropic_decode(cf_buf_str(&message), message.len, &reply, &err))
            cf_reply_done(&reply);
        else
            require(err.kind != CF_OK); /* nested too deep, or of type "error" */
    }
    cf_buf_done(&text);
    cf_buf_done(&message);
    cf_buf_done(&cut_text);
    cf_buf_done(&cut_message);
    return 0;
}
