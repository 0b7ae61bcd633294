/* event_ring.h - the last events of a run, or of all runs, as bytes that many read at once.
 *
 *   places   40        41        42       43                 45 = end
 *            begin
 *   oldest   [ event 40 | event 41 ] -> [ event 42 | event 43 | event 44 |      ]   newest
 *
 * Events lie one behind the other in pages; what is written in a page does not change any more, so
 * a reader who holds the page reads it without a lock while more is added behind. What events a
 * ring has is for one thread at a time (the hub's lock). Places only rise, by one an event. */
#ifndef CONFAB_ENGINE_EVENT_RING_H
#define CONFAB_ENGINE_EVENT_RING_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

struct cf_event_page;

/* A zeroed one is empty. */
struct cf_event_ring {
    struct cf_event_page *oldest, *newest;
    uint64_t begin, end;         /* places: kept are [begin, end) */
    size_t bytes;                /* of the events that are kept */
    size_t memory;               /* of the pages */
    int64_t dropped_id;          /* the newest event that is not kept any more */
};

/* Adds an event; the oldest go if there are more than `most`, or more than `most_bytes` of them. */
void cf_event_ring_add(struct cf_event_ring *ring, int64_t id, struct cf_text text, size_t most,
                       size_t most_bytes);

/* Drops the events of the oldest page, unless it is the newest one, too; then nothing. */
void cf_event_ring_drop_page(struct cf_event_ring *ring);

/* Drops all events. */
void cf_event_ring_clear(struct cf_event_ring *ring);

/* The place behind the event with that number, or behind the newest one before it. */
uint64_t cf_event_ring_behind(const struct cf_event_ring *ring, int64_t id);

/* The events from a place in [begin, end) to the end of its page; out_page is to be let go of. */
struct cf_text cf_event_ring_read(const struct cf_event_ring *ring, uint64_t place,
                                  struct cf_event_page **out_page, size_t *out_count);

/* Any thread. NULL is fine. */
void cf_event_page_let_go(struct cf_event_page *page);
#endif
