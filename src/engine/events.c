#include "engine/events.h"

#include <errno.h>
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
#include "engine/event_form.h"
#include "engine/event_ring.h"

#define IDS_PER_MS  1000         /* more than any process publishes */
#define REST_MAX    (1u << 20)   /* bytes of an event */
#define TEXT_MAX    (REST_MAX + 1024)

struct run {
    int64_t row;
    char uuid[CF_UUID_TEXT_SIZE];
    struct cf_event_ring ring;
    bool is_closed;
    size_t watchers;
    UT_hash_handle hh;
};

struct cf_events {
    const struct cf_clock *clock;
    size_t kept;
    atomic_bool is_wanted;       /* set under the lock */
    pthread_mutex_t lock;
    pthread_cond_t news;         /* the bell has tolled, a watch ended, or all */
    bool has_ended;
    size_t watchers;
    struct {
        pthread_t thread;
        pthread_cond_t rung;     /* or is_over */
        bool has_thread, is_rung, is_over;
        uint64_t tolls;
        int64_t rest_ms;
    } bell;
    int64_t left_ms;             /* when the last watcher left */
    int64_t last_id;
    int64_t unwatched_id;        /* events up to here were not kept: nobody watched */
    struct run *runs;            /* a hash, in the order in which they came */
    struct cf_event_ring all;
    size_t memory;               /* of all rings */
    struct cf_buf text;          /* an event in its form */
};

struct cf_watcher {
    struct cf_events *events;    /* borrowed */
    struct run *run;             /* NULL: all */
    uint64_t next;               /* place */
    int64_t begin_id;
    bool has_missed;
    bool is_stopped;             /* under the lock */
    bool is_caught_up;           /* as of that toll */
    uint64_t toll;
    struct cf_event_page *page;  /* held: what was taken */
};

/* --- the bell ---
 *
 * Publishers ring; a thread tolls, once at once and then once in rest_ms. So watchers wake once for
 * all events of such a while, and publishers wake one thread instead of hundreds. */

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

static void *toll(void *self)
{
    struct cf_events *events = self;
    pthread_mutex_lock(&events->lock);
    for (;;) {
        while (!events->bell.is_rung && !events->bell.is_over)
            pthread_cond_wait(&events->bell.rung, &events->lock);
        if (events->bell.is_over)
            break;
        events->bell.is_rung = false;
        events->bell.tolls++;
        pthread_mutex_unlock(&events->lock);
        pthread_cond_broadcast(&events->news);    /* those who wake find the lock free */
        struct timespec until = in_ms(events->bell.rest_ms);
        pthread_mutex_lock(&events->lock);
        while (!events->bell.is_over &&
               pthread_cond_timedwait(&events->bell.rung, &events->lock, &until) != ETIMEDOUT) {
        }
    }
    pthread_mutex_unlock(&events->lock);
    return NULL;
}

/* Under the lock. */
static void ring_bell(struct cf_events *events)
{
    if (events->bell.is_rung)
        return;
    events->bell.is_rung = true;
    pthread_cond_signal(&events->bell.rung);
}

/* Under the lock. False: there is no thread to be had. */
static bool begin_bell(struct cf_events *events)
{
    if (!events->bell.has_thread)
        events->bell.has_thread = pthread_create(&events->bell.thread, NULL, toll, events) == 0;
    return events->bell.has_thread;
}

static void end_bell(struct cf_events *events)
{
    if (!events->bell.has_thread)
        return;
    pthread_mutex_lock(&events->lock);
    events->bell.is_over = true;
    pthread_cond_signal(&events->bell.rung);
    pthread_mutex_unlock(&events->lock);
    pthread_join(events->bell.thread, NULL);
}

/* --- the hub --- */

struct cf_events *cf_events_new(const struct cf_clock *clock, size_t kept, int64_t rest_ms)
{
    struct cf_events *events = cf_calloc(1, sizeof *events);
    pthread_condattr_t monotonic;
    events->clock = clock;
    events->kept = kept;
    events->last_id = cf_unix_ms(clock) * IDS_PER_MS;
    cf_buf_init(&events->text, TEXT_MAX);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&events->lock, NULL);
    pthread_cond_init(&events->news, &monotonic);
    pthread_cond_init(&events->bell.rung, &monotonic);
    events->bell.rest_ms = rest_ms;
    pthread_condattr_destroy(&monotonic);
    return events;
}

static void clear(struct cf_events *events, struct cf_event_ring *ring)
{
    events->memory -= ring->memory;
    cf_event_ring_clear(ring);
}

static void free_run(struct cf_events *events, struct run *run)
{
    HASH_DEL(events->runs, run);
    clear(events, &run->ring);
    free(run);
}

void cf_events_free(struct cf_events *events)
{
    struct run *run, *next;
    if (events == NULL)
        return;
    end_bell(events);
    HASH_ITER (hh, events->runs, run, next)
        free_run(events, run);
    clear(events, &events->all);
    cf_buf_done(&events->text);
    pthread_cond_destroy(&events->news);
    pthread_cond_destroy(&events->bell.rung);
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
    pthread_mutex_unlock(&events->lock);
}

/* --- runs --- */

/* Forgets runs that are over, the oldest first, but for a few whose events find room. */
static void forget_closed(struct cf_events *events)
{
    struct run *run, *next;
    size_t closed = 0;
    HASH_ITER (hh, events->runs, run, next)
        closed += run->is_closed && run->watchers == 0;
    HASH_ITER (hh, events->runs, run, next) {
        if (closed <= CF_EVENTS_RUNS_KEPT && events->memory <= CF_EVENTS_MEMORY_MAX)
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
    ring_bell(events);
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
    clear(events, &events->all);
    HASH_ITER (hh, events->runs, run, next)
        clear(events, &run->ring);
    return true;
}

/* Under the lock. */
static void add(struct cf_events *events, struct cf_event_ring *ring, enum cf_event_form form,
                const struct cf_event *event)
{
    cf_buf_clear(&events->text);
    cf_event_add(&events->text, form, event);
    size_t before = ring->memory;
    cf_event_ring_add(ring, event->id, (struct cf_text){ events->text.data, events->text.len },
                      events->kept, CF_EVENTS_KEPT_BYTES);
    events->memory += ring->memory - before;
}

/* Under the lock. Runs that are over make room first, then whoever has the most. */
static void keep_within_memory(struct cf_events *events)
{
    struct run *run, *next;
    if (events->memory > CF_EVENTS_MEMORY_MAX)
        forget_closed(events);
    while (events->memory > CF_EVENTS_MEMORY_MAX) {
        struct cf_event_ring *largest = &events->all;
        HASH_ITER (hh, events->runs, run, next)
            if (run->ring.memory > largest->memory)
                largest = &run->ring;
        size_t before = largest->memory;
        cf_event_ring_drop_page(largest);
        if (largest->memory == before)
            return;
        events->memory -= before - largest->memory;
    }
}

/* Under the lock. Gives the event its number. */
static void place(struct cf_events *events, int64_t row, struct cf_event *event)
{
    struct run *run = NULL, *next;
    if (events->has_ended || has_lapsed(events))
        return;
    if (row != 0) {
        HASH_FIND(hh, events->runs, &row, sizeof row, run);
        if (run == NULL)
            return;
        event->run = run->uuid;
    }
    event->id = ++events->last_id;
    add(events, &events->all, CF_EVENT_FRAME, event);
    if (run != NULL) {
        add(events, &run->ring, CF_EVENT_STREAM, event);
    } else {
        HASH_ITER (hh, events->runs, run, next)
            if (!run->is_closed)
                add(events, &run->ring, CF_EVENT_STREAM, event);
    }
    keep_within_memory(events);
    ring_bell(events);
}

void cf_events_publish(struct cf_events *events, int64_t row, const char *type, struct cf_buf *data)
{
    struct cf_buf rest;
    if (!cf_events_is_wanted(events) || !cf_buf_ok(data) || data->len == 0)
        return;
    cf_redact(data->data);
    data->len = strlen(data->data);
    cf_buf_init(&rest, REST_MAX);
    cf_event_rest(&rest, type, cf_unix_ms(events->clock), (struct cf_text){ data->data, data->len });
    if (cf_buf_ok(&rest)) {
        struct cf_event event = { .run = "", .type = type, .rest = { rest.data, rest.len } };
        pthread_mutex_lock(&events->lock);
        place(events, row, &event);
        pthread_mutex_unlock(&events->lock);
    }
    cf_buf_done(&rest);
}

size_t cf_events_memory(struct cf_events *events)
{
    pthread_mutex_lock(&events->lock);
    size_t memory = events->memory;
    pthread_mutex_unlock(&events->lock);
    return memory;
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

static struct cf_event_ring *ring_of(const struct cf_watcher *watcher)
{
    return watcher->run != NULL ? &watcher->run->ring : &watcher->events->all;
}

/* Puts the watcher behind the event `after`, if all that came later is kept. */
static void find_place(struct cf_watcher *watcher, int64_t after)
{
    const struct cf_events *events = watcher->events;
    const struct cf_event_ring *ring = ring_of(watcher);
    watcher->next = ring->end;
    watcher->begin_id = events->last_id;
    if (after < 0)
        return;
    watcher->has_missed =
        after < ring->dropped_id || after < events->unwatched_id || after > events->last_id;
    if (watcher->has_missed)
        return;
    watcher->begin_id = after;
    watcher->next = cf_event_ring_behind(ring, after);
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
    if (events->has_ended || (uuid != NULL && run == NULL) || !begin_bell(events)) {
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

void cf_watcher_free(struct cf_watcher *watcher)
{
    if (watcher == NULL)
        return;
    struct cf_events *events = watcher->events;
    cf_event_page_let_go(watcher->page);
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

/* Under the lock: what there is; QUIET: nothing yet. */
static enum cf_watched look(struct cf_watcher *watcher, struct cf_watched_events *out)
{
    const struct cf_event_ring *ring = ring_of(watcher);
    if (watcher->is_stopped)
        return CF_WATCH_STOPPED;
    if (watcher->next < ring->begin)
        return CF_WATCH_DROPPED;
    if (watcher->next < ring->end) {
        out->text = cf_event_ring_read(ring, watcher->next, &watcher->page, &out->count);
        watcher->next += out->count;
        watcher->is_caught_up = watcher->next == ring->end;
        watcher->toll = watcher->events->bell.tolls;
        return CF_WATCH_EVENTS;
    }
    if (watcher->run != NULL && watcher->run->is_closed)
        return CF_WATCH_OVER;
    return watcher->events->has_ended ? CF_WATCH_ENDED : CF_WATCH_QUIET;
}

/* Under the lock. Whether it is to wait for the bell before it looks: it has seen all, and what
 * has come since that toll comes with the next. The end of something is no event, and not waited
 * for. */
static bool is_to_wait(const struct cf_watcher *watcher)
{
    const struct cf_events *events = watcher->events;
    bool is_over = watcher->is_stopped || events->has_ended ||
                   (watcher->run != NULL && watcher->run->is_closed);
    return !is_over && watcher->is_caught_up && watcher->toll == events->bell.tolls;
}

enum cf_watched cf_watcher_take(struct cf_watcher *watcher, int64_t wait_ms,
                                struct cf_watched_events *out)
{
    struct cf_events *events = watcher->events;
    struct timespec until = in_ms(wait_ms);
    bool is_late = wait_ms <= 0;
    cf_event_page_let_go(watcher->page);
    watcher->page = NULL;

    pthread_mutex_lock(&events->lock);
    enum cf_watched found = CF_WATCH_QUIET;
    for (;;) {
        if (is_late || !is_to_wait(watcher))
            found = look(watcher, out);
        if (found != CF_WATCH_QUIET || is_late)
            break;
        is_late = pthread_cond_timedwait(&events->news, &events->lock, &until) == ETIMEDOUT;
    }
    pthread_mutex_unlock(&events->lock);
    return found;
}
