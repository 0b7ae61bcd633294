#include "engine/events.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <uthash.h>

#include "base/log.h"
#include "base/mem.h"
#include "confab/buf.h"
#include "confab/clock.h"

#define SLOTS_MIN   16
#define IDS_PER_MS  1000         /* more than any process publishes */
#define REST_MAX    (1u << 20)   /* bytes of an event */

/* An event in memory, held by rings and by watchers that have taken it. */
struct held {
    struct cf_event event;       /* first: see held_of */
    atomic_int holders;
    char text[];
};

/* Places are numbers that only rise; a slot is a place modulo the capacity. */
struct ring {
    struct held **slots;         /* owned */
    size_t cap, bytes;
    uint64_t begin, end;         /* places: kept are [begin, end) */
    int64_t dropped_id;          /* the newest event that is not kept any more */
};

struct run {
    int64_t row;
    char uuid[CF_UUID_TEXT_SIZE];
    struct ring ring;
    bool is_closed;
    size_t watchers;
    UT_hash_handle hh;
};

struct cf_events {
    const struct cf_clock *clock;
    size_t kept;
    atomic_bool is_wanted;       /* set under the lock */
    pthread_mutex_t lock;
    pthread_cond_t news, ended;  /* ended: a watch, or all */
    bool has_ended;
    size_t watchers;
    size_t waiting;              /* for news */
    int64_t left_ms;             /* when the last watcher left */
    int64_t last_id;
    int64_t unwatched_id;        /* events up to here were not kept: nobody watched */
    struct run *runs;            /* a hash, in the order in which they came */
    struct ring all;
};

struct cf_watcher {
    struct cf_events *events;    /* borrowed */
    struct run *run;             /* NULL: all */
    uint64_t next;               /* place */
    int64_t begin_id;
    bool has_missed;
    bool is_stopped;             /* under the lock */
    size_t count;
    const struct cf_event *batch[CF_EVENTS_BATCH];
};

/* --- events and rings --- */

static struct held *held_of(const struct cf_event *event)
{
    return (struct held *)event;
}

static void let_go(const struct cf_event *event)
{
    if (atomic_fetch_sub(&held_of(event)->holders, 1) == 1)
        free(held_of(event));
}

static void drop_oldest(struct ring *ring)
{
    struct held *oldest = ring->slots[ring->begin++ % ring->cap];
    ring->bytes -= oldest->event.rest.len;
    ring->dropped_id = oldest->event.id;
    let_go(&oldest->event);
}

static void clear(struct ring *ring)
{
    while (ring->begin < ring->end)
        drop_oldest(ring);
    free(ring->slots);
    ring->slots = NULL;
    ring->cap = 0;
}

static void grow(struct ring *ring, size_t cap)
{
    struct held **slots = cf_calloc(cap, sizeof(struct held *));
    for (uint64_t at = ring->begin; at < ring->end; at++)
        slots[at % cap] = ring->slots[at % ring->cap];
    free(ring->slots);
    ring->slots = slots;
    ring->cap = cap;
}

static void add(struct ring *ring, struct held *held, size_t kept)
{
    if (ring->end - ring->begin == ring->cap && ring->cap < kept) {
        size_t cap = ring->cap == 0 ? SLOTS_MIN : 2 * ring->cap;
        grow(ring, cap < kept ? cap : kept);
    }
    while (ring->begin < ring->end && (ring->end - ring->begin == ring->cap ||
                                       ring->bytes + held->event.rest.len > CF_EVENTS_KEPT_BYTES))
        drop_oldest(ring);
    atomic_fetch_add(&held->holders, 1);
    ring->slots[ring->end++ % ring->cap] = held;
    ring->bytes += held->event.rest.len;
}

void cf_event_format(const struct cf_event *event, struct cf_buf *out)
{
    cf_buf_addf(out, "{\"id\":%" PRId64 ",\"run\":", event->id);
    if (event->run[0] != '\0')
        cf_buf_addf(out, "\"%s\"", event->run);
    else
        cf_buf_adds(out, "null");
    cf_buf_add(out, event->rest.data, event->rest.len);
}

/* --- the hub --- */

struct cf_events *cf_events_new(const struct cf_clock *clock, size_t kept)
{
    struct cf_events *events = cf_calloc(1, sizeof *events);
    pthread_condattr_t monotonic;
    events->clock = clock;
    events->kept = kept;
    events->last_id = cf_unix_ms(clock) * IDS_PER_MS;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&events->lock, NULL);
    pthread_cond_init(&events->news, &monotonic);
    pthread_cond_init(&events->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return events;
}

static void free_run(struct cf_events *events, struct run *run)
{
    HASH_DEL(events->runs, run);
    clear(&run->ring);
    free(run);
}

void cf_events_free(struct cf_events *events)
{
    struct run *run, *next;
    if (events == NULL)
        return;
    HASH_ITER (hh, events->runs, run, next)
        free_run(events, run);
    clear(&events->all);
    pthread_cond_destroy(&events->news);
    pthread_cond_destroy(&events->ended);
    pthread_mutex_destroy(&events->lock);
    free(events);
}

void cf_events_end(struct cf_events *events)
{
    if (events == NULL)
        return;
    pthread_mutex_lock(&events->lock);
    events->has_ended = true;
    pthread_cond_broadcast(&events->news);
    pthread_cond_broadcast(&events->ended);
    pthread_mutex_unlock(&events->lock);
}

/* --- runs --- */

/* Forgets runs that are over, the oldest first, but for a few. */
static void forget_closed(struct cf_events *events)
{
    struct run *run, *next;
    size_t closed = 0;
    HASH_ITER (hh, events->runs, run, next)
        closed += run->is_closed && run->watchers == 0;
    HASH_ITER (hh, events->runs, run, next) {
        if (closed <= CF_EVENTS_RUNS_KEPT)
            return;
        if (!run->is_closed || run->watchers > 0)
            continue;
        free_run(events, run);
        closed--;
    }
}

void cf_events_open_run(struct cf_events *events, int64_t row, const char *uuid)
{
    struct run *run;
    if (events == NULL)
        return;
    pthread_mutex_lock(&events->lock);
    HASH_FIND(hh, events->runs, &row, sizeof row, run);
    if (run == NULL) {
        run = cf_calloc(1, sizeof *run);
        run->row = row;
        run->ring.dropped_id = events->last_id;
        snprintf(run->uuid, sizeof run->uuid, "%s", uuid);
        HASH_ADD(hh, events->runs, row, sizeof run->row, run);
    }
    run->is_closed = false;
    forget_closed(events);
    pthread_mutex_unlock(&events->lock);
}

void cf_events_close_run(struct cf_events *events, int64_t row)
{
    struct run *run;
    if (events == NULL)
        return;
    pthread_mutex_lock(&events->lock);
    HASH_FIND(hh, events->runs, &row, sizeof row, run);
    if (run != NULL)
        run->is_closed = true;
    forget_closed(events);
    if (events->waiting > 0)
        pthread_cond_broadcast(&events->news);
    pthread_mutex_unlock(&events->lock);
}

/* --- publishing --- */

bool cf_events_is_wanted(const struct cf_events *events)
{
    return events != NULL && atomic_load_explicit(&events->is_wanted, memory_order_relaxed);
}

/* Whether nobody has watched for long, and nobody is to be waited for any more. */
static bool has_lapsed(struct cf_events *events)
{
    struct run *run, *next;
    if (events->watchers > 0 || cf_now_ms(events->clock) < events->left_ms + CF_EVENTS_LINGER_MS)
        return false;
    atomic_store(&events->is_wanted, false);
    clear(&events->all);
    HASH_ITER (hh, events->runs, run, next)
        clear(&run->ring);
    return true;
}

static struct held *make(const struct cf_events *events, const char *type,
                         const struct cf_buf *data)
{
    char time[CF_TIME_TEXT_MAX], head[128];
    cf_time_format(cf_unix_ms(events->clock), time);
    int head_len =
        snprintf(head, sizeof head, ",\"type\":\"%s\",\"time\":\"%s\",\"data\":", type, time);
    size_t len = (size_t)head_len + data->len + 1;
    struct held *held = cf_calloc(1, sizeof *held + len);
    memcpy(held->text, head, (size_t)head_len);
    memcpy(held->text + head_len, cf_buf_str(data), data->len);
    held->text[len - 1] = '}';
    held->event.rest = (struct cf_text){ held->text, len };
    snprintf(held->event.type, sizeof held->event.type, "%s", type);
    atomic_init(&held->holders, 1);
    return held;
}

/* Under the lock. */
static void place(struct cf_events *events, int64_t row, struct held *held)
{
    struct run *run = NULL, *next;
    if (events->has_ended || has_lapsed(events))
        return;
    if (row != 0) {
        HASH_FIND(hh, events->runs, &row, sizeof row, run);
        if (run == NULL)
            return;
        memcpy(held->event.run, run->uuid, sizeof run->uuid);
    }
    held->event.id = ++events->last_id;
    add(&events->all, held, events->kept);
    if (run != NULL) {
        add(&run->ring, held, events->kept);
    } else {
        HASH_ITER (hh, events->runs, run, next)
            if (!run->is_closed)
                add(&run->ring, held, events->kept);
    }
    if (events->waiting > 0)
        pthread_cond_broadcast(&events->news);
}

void cf_events_publish(struct cf_events *events, int64_t row, const char *type, struct cf_buf *data)
{
    if (!cf_events_is_wanted(events) || !cf_buf_ok(data) || data->len == 0 || data->len > REST_MAX)
        return;
    cf_redact(data->data);
    data->len = strlen(data->data);
    struct held *held = make(events, type, data);
    pthread_mutex_lock(&events->lock);
    place(events, row, held);
    pthread_mutex_unlock(&events->lock);
    let_go(&held->event);
}

/* --- watching --- */

static struct run *find_run(struct cf_events *events, const char *uuid)
{
    struct run *run, *next;
    HASH_ITER (hh, events->runs, run, next)
        if (strcasecmp(run->uuid, uuid) == 0)
            return run;
    return NULL;
}

static struct ring *ring_of(const struct cf_watcher *watcher)
{
    return watcher->run != NULL ? &watcher->run->ring : &watcher->events->all;
}

/* Puts the watcher behind the event `after`, if all that came later is kept. */
static void find_place(struct cf_watcher *watcher, int64_t after)
{
    const struct cf_events *events = watcher->events;
    const struct ring *ring = ring_of(watcher);
    watcher->next = ring->end;
    watcher->begin_id = events->last_id;
    if (after < 0)
        return;
    watcher->has_missed =
        after < ring->dropped_id || after < events->unwatched_id || after > events->last_id;
    if (watcher->has_missed)
        return;
    watcher->begin_id = after;
    while (watcher->next > ring->begin &&
           ring->slots[(watcher->next - 1) % ring->cap]->event.id > after)
        watcher->next--;
}

bool cf_events_watch(struct cf_events *events, const char *uuid, int64_t after,
                     struct cf_watcher **out_watcher)
{
    struct run *run = NULL;
    if (events == NULL)
        return false;
    pthread_mutex_lock(&events->lock);
    if (uuid != NULL)
        run = find_run(events, uuid);
    if (events->has_ended || (uuid != NULL && run == NULL)) {
        pthread_mutex_unlock(&events->lock);
        return false;
    }
    if (!atomic_load(&events->is_wanted)) {
        events->unwatched_id = ++events->last_id;
        atomic_store(&events->is_wanted, true);
    }
    struct cf_watcher *watcher = cf_calloc(1, sizeof *watcher);
    watcher->events = events;
    watcher->run = run;
    find_place(watcher, after);
    events->watchers++;
    if (run != NULL)
        run->watchers++;
    pthread_mutex_unlock(&events->lock);
    *out_watcher = watcher;
    return true;
}

static void give_batch_back(struct cf_watcher *watcher)
{
    for (size_t i = 0; i < watcher->count; i++)
        let_go(watcher->batch[i]);
    watcher->count = 0;
}

void cf_watcher_free(struct cf_watcher *watcher)
{
    if (watcher == NULL)
        return;
    struct cf_events *events = watcher->events;
    give_batch_back(watcher);
    pthread_mutex_lock(&events->lock);
    events->watchers--;
    events->left_ms = cf_now_ms(events->clock);
    if (watcher->run != NULL)
        watcher->run->watchers--;
    pthread_mutex_unlock(&events->lock);
    free(watcher);
}

void cf_watcher_stop(struct cf_watcher *watcher)
{
    struct cf_events *events = watcher->events;
    pthread_mutex_lock(&events->lock);
    watcher->is_stopped = true;
    pthread_cond_broadcast(&events->news);
    pthread_cond_broadcast(&events->ended);
    pthread_mutex_unlock(&events->lock);
}

bool cf_watcher_has_missed(const struct cf_watcher *watcher)
{
    return watcher->has_missed;
}

int64_t cf_watcher_begin(const struct cf_watcher *watcher)
{
    return watcher->begin_id;
}

static void take_batch(struct cf_watcher *watcher, const struct ring *ring)
{
    while (watcher->next < ring->end && watcher->count < CF_EVENTS_BATCH) {
        struct held *held = ring->slots[watcher->next++ % ring->cap];
        atomic_fetch_add(&held->holders, 1);
        watcher->batch[watcher->count++] = &held->event;
    }
}

static struct timespec in_ms(int64_t ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += (long)(ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* Under the lock: what there is; QUIET: nothing yet. */
static enum cf_watched look(struct cf_watcher *watcher)
{
    const struct ring *ring = ring_of(watcher);
    if (watcher->is_stopped)
        return CF_WATCH_STOPPED;
    if (watcher->next < ring->begin)
        return CF_WATCH_DROPPED;
    take_batch(watcher, ring);
    if (watcher->count > 0)
        return CF_WATCH_EVENTS;
    if (watcher->run != NULL && watcher->run->is_closed)
        return CF_WATCH_OVER;
    return watcher->events->has_ended ? CF_WATCH_ENDED : CF_WATCH_QUIET;
}

enum cf_watched cf_watcher_take(struct cf_watcher *watcher, int64_t wait_ms,
                              const struct cf_event *const **out_events, size_t *out_count)
{
    struct cf_events *events = watcher->events;
    struct timespec until = in_ms(wait_ms);
    bool is_late = wait_ms <= 0;
    give_batch_back(watcher);

    pthread_mutex_lock(&events->lock);
    enum cf_watched found;
    while ((found = look(watcher)) == CF_WATCH_QUIET && !is_late) {
        events->waiting++;
        is_late = pthread_cond_timedwait(&events->news, &events->lock, &until) == ETIMEDOUT;
        events->waiting--;
    }
    pthread_mutex_unlock(&events->lock);
    *out_events = watcher->batch;
    *out_count = watcher->count;
    return found;
}

void cf_watcher_rest(struct cf_watcher *watcher, int64_t rest_ms)
{
    struct cf_events *events = watcher->events;
    struct timespec until = in_ms(rest_ms);
    pthread_mutex_lock(&events->lock);
    while (!events->has_ended && !watcher->is_stopped &&
           pthread_cond_timedwait(&events->ended, &events->lock, &until) != ETIMEDOUT) {
    }
    pthread_mutex_unlock(&events->lock);
}
