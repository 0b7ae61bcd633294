#include "engine/event_form.h"

#include <stddef.h>
#include <string.h>

#include "confab/buf.h"
#include "confab/clock.h"

#define JSON_HEAD_MAX 96        /* bytes of the JSON before its rest: a number and a uuid */
#define TEXT_FRAME    0x81      /* whole, unmasked: RFC 6455, 5.2 */

void cf_event_rest(struct cf_buf *out, const char *type, int64_t unix_ms, struct cf_text data)
{
    char time[CF_TIME_TEXT_MAX];
    cf_time_format(unix_ms, time);
    cf_buf_adds(out, ",\"type\":\"");
    cf_buf_adds(out, type);
    cf_buf_adds(out, "\",\"time\":\"");
    cf_buf_adds(out, time);
    cf_buf_adds(out, "\",\"data\":");
    cf_buf_add(out, data.data, data.len);
    cf_buf_addc(out, '}');
}

static void add_json_head(struct cf_buf *out, const struct cf_event *event)
{
    cf_buf_adds(out, "{\"id\":");
    if (event->id >= 0)
        cf_buf_add_int(out, event->id);
    else
        cf_buf_adds(out, "null");
    cf_buf_adds(out, ",\"run\":");
    if (*event->run != '\0') {
        cf_buf_addc(out, '"');
        cf_buf_adds(out, event->run);
        cf_buf_addc(out, '"');
    } else {
        cf_buf_adds(out, "null");
    }
}

static void add_stream(struct cf_buf *out, const struct cf_event *event)
{
    if (event->id >= 0) {
        cf_buf_adds(out, "id: ");
        cf_buf_add_int(out, event->id);
        cf_buf_addc(out, '\n');
    }
    cf_buf_adds(out, "event: ");
    cf_buf_adds(out, event->type);
    cf_buf_adds(out, "\ndata: ");
    add_json_head(out, event);
    cf_buf_add(out, event->rest.data, event->rest.len);
    cf_buf_adds(out, "\n\n");
}

static void add_frame(struct cf_buf *out, const struct cf_event *event)
{
    struct cf_buf head;
    cf_buf_init(&head, JSON_HEAD_MAX);
    add_json_head(&head, event);
    size_t len = head.len + event->rest.len;
    int bytes = len < 126 ? 0 : len <= 0xffff ? 2 : 8;
    cf_buf_addc(out, (char)TEXT_FRAME);
    cf_buf_addc(out, (char)(bytes == 0 ? len : bytes == 2 ? 126 : 127));
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
        cf_buf_addc(out, (char)(((uint64_t)len >> shift) & 0xff));
    cf_buf_add(out, head.data, head.len);
    cf_buf_add(out, event->rest.data, event->rest.len);
    cf_buf_done(&head);
}

void cf_event_add(struct cf_buf *out, enum cf_event_form form, const struct cf_event *event)
{
    (form == CF_EVENT_STREAM ? add_stream : add_frame)(out, event);
}
