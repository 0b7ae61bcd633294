#include "engine/sender_impl.h"

#include <inttypes.h>
#include <stdint.h>
#include <string.h>
#include <sys/statvfs.h>

#include <utlist.h>

#include "base/log.h"
#include "store/store.h"

#define HEALTH_MS 5000
#define DISK_LOW_BYTES \
    (INT64_C(64) << 20)        /* replies in flight, the log and a commit fit many times */
#define HANGING_GRACE_MS 10000 /* after which a time-out should have come */

static int64_t free_bytes_of(const char *path)
{
    struct statvfs fs;
    return statvfs(path, &fs) == 0 ? (int64_t)fs.f_bavail * (int64_t)fs.f_frsize : INT64_MAX;
}

static void check_disk(struct cf_sender *sender)
{
    const char *path = cf_store_path(sender->store);
    int64_t bytes = sender->free_bytes != NULL ? sender->free_bytes(path) : free_bytes_of(path);
    bool is_low = bytes < DISK_LOW_BYTES;
    if (is_low == sender->is_disk_low)
        return;
    sender->is_disk_low = is_low;
    if (is_low) {
        cf_log(CF_LOG_WARN,
               "%s: the disk has only %" PRId64
               " MB left: nothing new is sent until it has %" PRId64 " MB again",
               path, bytes >> 20, DISK_LOW_BYTES >> 20);
        return;
    }
    cf_log(CF_LOG_WARN, "%s: the disk has room again, the run goes on", path);
    cf_attempt_begin_held(sender);
}

/* Requests that should be over: no time-out ended them. */
static void name_hanging(struct cf_sender *sender)
{
    int64_t now = cf_loop_now(sender->loop);
    struct cf_call *call;
    DL_FOREACH (sender->calls, call) {
        bool is_under_way = call->http.transfer != NULL;
        int64_t asked_ms = call->http.timeouts.total_ms;
        int64_t total_ms = asked_ms > 0 ? asked_ms : CF_HTTP_TOTAL_MS;
        if (!is_under_way || call->was_named || now - call->begun_ms < total_ms + HANGING_GRACE_MS)
            continue;
        call->was_named = true;
        cf_log(CF_LOG_WARN,
               "item %s, call %" PRId64 ": no end after %" PRId64
               " s, beyond its time-out of %" PRId64 " s",
               call->item_name, call->call_id, (now - call->begun_ms) / 1000, total_ms / 1000);
    }
}

static void on_health_due(void *self)
{
    struct cf_sender *sender = self;
    check_disk(sender);
    name_hanging(sender);
    cf_loop_set_timer(sender->loop, &sender->health_timer, cf_loop_now(sender->loop) + HEALTH_MS);
}

void cf_health_begin(struct cf_sender *sender)
{
    sender->health_timer.on_fire = on_health_due;
    sender->health_timer.self = sender;
    on_health_due(sender);
}
