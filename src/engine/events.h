/* events.h - what happens in the runs of this process, told to whoever watches.
 *
 * Many threads publish, many watch. Each event is written once in the form in which it is sent,
 * into a ring of the last ones of its run and into one of all runs; a watcher is a place in one
 * of them and gets what lies there as it is. So publishing costs the same for one watcher and
 * for hundreds, and watching little more than the sending; a watcher that is too slow finds that
 * its place was written over and is dropped, and one that comes back goes on behind the last
 * event that it has seen. While nobody watches, an event costs one look at a flag.
 *
 * The number of an event rises over the life of the process, and from one process to the next,
 * for it begins with the time; it is safe in a double. Nothing here is stored: what counts
 * stands in the database. Every call may come from any thread; a watcher is used by one at a
 * time. */
#ifndef CONFAB_ENGINE_EVENTS_H
#define CONFAB_ENGINE_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "base/uuid.h"

struct cf_buf;
struct cf_clock;
struct cf_events;
struct cf_watcher;

#define CF_EVENTS_KEPT       8192         /* events of a ring: a second and more at full speed */
#define CF_EVENTS_KEPT_BYTES (4u << 20)   /* of them: texts that are streamed are longer */
#define CF_EVENTS_MEMORY_MAX (32u << 20)  /* of all rings: several long runs that are watched */
#define CF_EVENTS_REST_MS    100          /* live enough for people */
#define CF_EVENTS_RUNS_KEPT  16           /* runs that are over and can still be gone on with */
#define CF_EVENTS_LINGER_MS  60000        /* events are kept for one who may come back */
#define CF_EVENT_TYPE_MAX    24

/* kept: events of a ring, at least 1. rest_ms (real time): those who watch are woken once in so
 * long. clock: borrowed. */
struct cf_events *cf_events_new(const struct cf_clock *clock, size_t kept, int64_t rest_ms);

/* No watcher may be left. NULL is fine. */
void cf_events_free(struct cf_events *events);

/* Ends every watch, now and from now on. NULL is fine. */
void cf_events_end(struct cf_events *events);

/* --- publishing; events NULL: nobody watches --- */

/* A run begins, or goes on: events may come of the row with that id. */
void cf_events_open_run(struct cf_events *events, int64_t run, const char *uuid);

/* It is over: those who watch it come to an end once all was told. */
void cf_events_close_run(struct cf_events *events, int64_t run);

/* Whether somebody would get an event: to be asked before one is put together. */
bool cf_events_is_wanted(const struct cf_events *events);

/* Publishes the object in the buffer, complete JSON, as the data of an event; one that went over
 * its bound, or of a run that is not open, is left out. run 0: it concerns all runs. Secrets are
 * redacted in the buffer. */
void cf_events_publish(struct cf_events *events, int64_t run, const char *type,
                       struct cf_buf *data);

/* Bytes that are held for those who watch; about CF_EVENTS_MEMORY_MAX at most. */
size_t cf_events_memory(struct cf_events *events);

/* --- watching --- */

enum cf_watched {
    CF_WATCH_EVENTS,          /* there are some */
    CF_WATCH_QUIET,           /* there were none in that time */
    CF_WATCH_OVER,            /* the run is over, and all was told */
    CF_WATCH_DROPPED,         /* the watcher was too slow: events were lost to it */
    CF_WATCH_STOPPED,         /* cf_watcher_stop */
    CF_WATCH_ENDED,           /* cf_events_end */
};

/* Watches a run, or all of them (uuid NULL), from now on, or from behind the event with the number
 * `after` (-1: from now on). False: this process does not know the run, or watching has ended. */
bool cf_events_watch(struct cf_events *events, const char *uuid, int64_t after,
                     struct cf_watcher **out_watcher);

/* NULL is fine. */
void cf_watcher_free(struct cf_watcher *watcher);

/* Ends this watch: its take comes back at once. From any thread. */
void cf_watcher_stop(struct cf_watcher *watcher);

/* Whether events behind `after` are not kept any more; the watch is from now on then. */
bool cf_watcher_has_missed(const struct cf_watcher *watcher);

/* The number of the newest event before the watch. */
int64_t cf_watcher_begin(const struct cf_watcher *watcher);

/* Events in a row, as they are to be sent: server-sent events for a run, frames for all. */
struct cf_watched_events {
    struct cf_text text;      /* lent until the next take, or the end of the watcher */
    size_t count;
};

/* Waits for events for up to wait_ms (real time; 0: just looks). *out is set with CF_WATCH_EVENTS.
 * One who has seen all waits until the rest is over, so that many events come at once. */
enum cf_watched cf_watcher_take(struct cf_watcher *watcher, int64_t wait_ms,
                                struct cf_watched_events *out);
#endif
