#include "engine/telling.h"

#include "base/object.h"
#include "confab/buf.h"
#include "confab/clock.h"
#include "confab/error.h"
#include "confab/retry.h"
#include "engine/events.h"
#include "engine/sender_impl.h"
#include "engine/stream.h"

#define DATA_MAX (256u << 10)    /* a piece of text, each byte of it escaped */

static void publish(struct cf_sender *sender, int64_t run, const char *type, struct cf_buf *data)
{
    cf_object_close(data);
    cf_events_publish(sender->events, run, type, data);
    cf_buf_done(data);
}

static void open_data(struct cf_buf *data)
{
    cf_buf_init(data, DATA_MAX);
    cf_object_open(data, NULL);
}

void cf_telling_retry(struct cf_sender *sender, const struct cf_call *call)
{
    struct cf_buf data;
    if (!cf_events_is_wanted(sender->events))
        return;
    open_data(&data);
    cf_object_str(&data, "item", call->item_name);
    cf_object_int(&data, "call", call->call_id);
    cf_object_int(&data, "attempt", call->attempts);
    cf_object_str(&data, "errorKind", cf_error_kind_name(call->error.kind));
    cf_object_str(&data, "message", call->error.message);
    cf_object_count(&data, "status", call->error.http_status > 0 ? call->error.http_status : -1);
    cf_object_int(&data, "delayMs", call->due_ms - cf_loop_now(sender->loop));
    publish(sender, call->run, "retry", &data);
}

void cf_telling_rate_limit(struct cf_sender *sender, struct cf_sender_lane *lane, int64_t wait_ms)
{
    struct cf_buf data;
    int64_t now_ms = cf_loop_now(sender->loop);
    if (!cf_events_is_wanted(sender->events) || wait_ms <= 0 || now_ms < lane->pause_told_until_ms)
        return;
    lane->pause_told_until_ms = now_ms + wait_ms;
    open_data(&data);
    cf_object_str(&data, "limitClass", lane->limit_class);
    cf_object_int(&data, "waitMs", wait_ms);
    publish(sender, 0, "rate_limit", &data);
}

void cf_telling_outage_begins(const struct cf_sender_lane *lane)
{
    struct cf_sender *sender = lane->sender;
    struct cf_buf data;
    if (!cf_events_is_wanted(sender->events))
        return;
    open_data(&data);
    cf_object_str(&data, "state", "began");
    cf_object_str(&data, "limitClass", lane->limit_class);
    cf_object_str(&data, "message", lane->last_failure);
    publish(sender, 0, "outage", &data);
}

void cf_telling_outage_ends(const struct cf_sender_lane *lane, int64_t away_ms)
{
    struct cf_sender *sender = lane->sender;
    struct cf_buf data;
    if (!cf_events_is_wanted(sender->events))
        return;
    open_data(&data);
    cf_object_str(&data, "state", "ended");
    cf_object_str(&data, "limitClass", lane->limit_class);
    cf_object_int(&data, "awayMs", away_ms);
    publish(sender, 0, "outage", &data);
}

/* --- text --- */

void cf_telling_text_end(struct cf_sender *sender, struct cf_call *call)
{
    struct cf_buf data;
    if (call->telling.len == 0)
        return;
    open_data(&data);
    cf_object_str(&data, "item", call->item_name);
    cf_object_int(&data, "call", call->call_id);
    cf_object_int(&data, "attempt", call->attempts);
    cf_object_text(&data, "text", (struct cf_text){ call->telling.data, call->telling.len });
    publish(sender, call->run, "text", &data);
    cf_buf_done(&call->telling);
    call->told_ms = cf_loop_now(sender->loop);
}

void cf_telling_text(struct cf_sender *sender, struct cf_call *call)
{
    struct cf_text piece = cf_stream_piece(call->stream);
    if (piece.len == 0 || !cf_events_is_wanted(sender->events))
        return;
    call->telling.max = CF_HTTP_REPLY_BYTES_MAX;
    cf_buf_add(&call->telling, piece.data, piece.len);
    if (call->telling.len >= CF_TELLING_TEXT_BYTES ||
        cf_loop_now(sender->loop) >= call->told_ms + CF_TELLING_TEXT_MS)
        cf_telling_text_end(sender, call);
}
