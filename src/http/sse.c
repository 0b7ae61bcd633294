#include "http/sse.h"

#include <string.h>

#include "confab/error.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"
#define BYTE_ORDER_MARK_LEN 3

void cf_sse_init(struct cf_sse *sse)
{
    *sse = (struct cf_sse){ .has_begun = false };
    cf_buf_init(&sse->line, CF_SSE_EVENT_BYTES_MAX);
    cf_buf_init(&sse->name, CF_SSE_EVENT_BYTES_MAX);
    cf_buf_init(&sse->data, CF_SSE_EVENT_BYTES_MAX);
}

void cf_sse_done(struct cf_sse *sse)
{
    cf_buf_done(&sse->line);
    cf_buf_done(&sse->name);
    cf_buf_done(&sse->data);
}

static void forget_event(struct cf_sse *sse)
{
    cf_buf_clear(&sse->name);
    cf_buf_clear(&sse->data);
    sse->has_data = sse->was_given = false;
}

void cf_sse_clear(struct cf_sse *sse)
{
    forget_event(sse);
    cf_buf_clear(&sse->line);
    sse->has_begun = sse->after_cr = false;
}

static const char *line_end(const char *at, const char *end)
{
    while (at < end && *at != '\n' && *at != '\r')
        at++;
    return at;
}

/* A whole line that is not empty. */
static void take_field(struct cf_sse *sse, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    size_t name_len = colon != NULL ? (size_t)(colon - line) : len;
    const char *value = colon != NULL ? colon + 1 : line + len;
    const char *end = line + len;
    if (value < end && *value == ' ')
        value++;

    if (name_len == 4 && memcmp(line, "data", 4) == 0) {
        if (sse->has_data)
            cf_buf_addc(&sse->data, '\n');
        cf_buf_add(&sse->data, value, (size_t)(end - value));
        sse->has_data = true;
    } else if (name_len == 5 && memcmp(line, "event", 5) == 0) {
        cf_buf_clear(&sse->name);
        cf_buf_add(&sse->name, value, (size_t)(end - value));
    }
}

static int fail_size(struct cf_error *err)
{
    cf_fail(err, CF_ERR_PARSE, "an event of the stream is over %u bytes", CF_SSE_EVENT_BYTES_MAX);
    return -1;
}

int cf_sse_next(struct cf_sse *sse, const char **at, const char *end,
                struct cf_sse_event *out_event, struct cf_error *err)
{
    if (sse->was_given)
        forget_event(sse);

    while (*at < end) {
        bool is_second_half = sse->after_cr && **at == '\n';
        sse->after_cr = false;
        if (is_second_half) {
            ++*at;
            continue;
        }
        const char *line = *at, *stop = line_end(line, end);
        size_t len = (size_t)(stop - line);
        if (stop == end || sse->line.len > 0) {
            cf_buf_add(&sse->line, line, len);
            line = cf_buf_str(&sse->line);
            len = sse->line.len;
        }
        *at = stop;
        if (!cf_buf_ok(&sse->line) || len > CF_SSE_EVENT_BYTES_MAX)
            return fail_size(err);
        if (stop == end)
            break;

        sse->after_cr = *stop == '\r';
        ++*at;
        if (!sse->has_begun && len >= BYTE_ORDER_MARK_LEN &&
            memcmp(line, BYTE_ORDER_MARK, BYTE_ORDER_MARK_LEN) == 0) {
            line += BYTE_ORDER_MARK_LEN;
            len -= BYTE_ORDER_MARK_LEN;
        }
        sse->has_begun = true;
        if (len > 0)
            take_field(sse, line, len);
        cf_buf_clear(&sse->line);
        if (!cf_buf_ok(&sse->data) || !cf_buf_ok(&sse->name))
            return fail_size(err);
        if (len > 0)
            continue;
        if (!sse->has_data) {       /* the name of an event without data goes with it */
            forget_event(sse);
            continue;
        }
        sse->was_given = true;
        *out_event = (struct cf_sse_event){
            .name = sse->name.len > 0 ? cf_buf_str(&sse->name) : "message",
            .data = cf_buf_str(&sse->data),
            .data_len = sse->data.len,
        };
        return 1;
    }
    return 0;
}
