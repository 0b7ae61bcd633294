/* window.h - what was granted and still counts.
 *
 * Slots live in one array. Those whose request is not yet written are only counted; the dated
 * ones form a list by date, so the oldest leaves in O(1), and so does any one in the middle.
 *
 *     first -> [sent 100] <-> [sent 130] <-> [sent 200] <- last      [open] [open]      free -> ...
 *
 * Of more than CF_WINDOW_EXACT slots, those that are over and lie in one part of the window (a
 * CF_WINDOW_PARTS-th) become one, dated as the last of them: a limit of a million a minute takes no
 * more memory than one of thousands, and counts each grant by up to such a part longer. */
#ifndef CONFAB_LIMIT_WINDOW_H
#define CONFAB_LIMIT_WINDOW_H

#include "confab/limiter.h"

enum cf_resource { CF_REQUESTS, CF_INPUT, CF_OUTPUT, CF_RESOURCES };

#define CF_SLOT_NONE UINT32_MAX

#define CF_WINDOW_EXACT 2048   /* dated slots that each have their own date */
#define CF_WINDOW_PARTS 4096   /* 15 ms of a minute: less than the guard that is added to it */

struct cf_slot {
    int64_t  amounts[CF_RESOURCES];
    int64_t  sent_ms;
    uint64_t grant;              /* the number of the grant in it; 0: free */
    uint32_t prev, next;         /* by date; next also links the free ones */
    bool     is_sent;
    bool     is_settled;         /* it will not be asked for by its grant any more */
};

/* Zero is not a valid window: see cf_window_init. */
struct cf_window {
    struct cf_slot *slots;       /* owned */
    uint32_t cap, free;
    uint32_t first, last;        /* the dated ones; CF_SLOT_NONE if there are none */
    uint32_t open, dated;        /* how many */
    int64_t  used[CF_RESOURCES]; /* their sum */
    uint64_t last_grant, old_grant;
    int64_t  old[CF_RESOURCES];  /* the sum of grants up to old_grant, of which each unit counts */
    double   part[CF_RESOURCES]; /* so much: see cf_window_rescale */
};

void cf_window_init(struct cf_window *window);
void cf_window_done(struct cf_window *window);      /* empties it, frees the memory; usable again */

/* Takes an open slot. grant is never 0 and never used twice. */
uint32_t cf_window_add(struct cf_window *window, const int64_t amounts[CF_RESOURCES],
                       uint64_t grant);

/* The slot if it still holds that grant, else NULL: it may have run out or been cleared. */
struct cf_slot *cf_window_get(struct cf_window *window, uint32_t slot, uint64_t grant);

/* Dates an open slot; sent_ms is never before the last one's. */
void cf_window_date(struct cf_window *window, struct cf_slot *slot, int64_t sent_ms);

void cf_window_change(struct cf_window *window, struct cf_slot *slot,
                      const int64_t amounts[CF_RESOURCES]);
void cf_window_drop(struct cf_window *window, struct cf_slot *slot);

/* The grant of a dated slot is over: its amounts are what they are, and cf_window_get is not asked
 * for it again. span_ms: how long a slot counts. The slot may be gone afterwards. */
void cf_window_settle(struct cf_window *window, struct cf_slot *slot, int64_t span_ms);

/* Moves all of `from` in, which is empty then. map[i] becomes the number here of the slot that was
 * i there; it has room for from->cap. Linear in both. */
void cf_window_take(struct cf_window *window, struct cf_window *from, uint32_t *map);

/* What all that was granted counts for. */
int64_t cf_window_used(const struct cf_window *window, enum cf_resource resource);

/* From now on all that was granted so far counts `factors` times as much, but never more than it
 * is: the limits have become so many times what they were, and it goes on taking its part of a
 * window. */
void cf_window_rescale(struct cf_window *window, const double factors[CF_RESOURCES]);

/* Drops every slot dated at or before sent_ms. */
void cf_window_expire(struct cf_window *window, int64_t sent_ms);

/* The date at which `amount` of the resource, counted from the oldest, has been reached: *out_ms.
 * False if the dated slots do not hold that much. Linear in the slots it passes. */
bool cf_window_date_of(const struct cf_window *window, enum cf_resource resource, int64_t amount,
                       int64_t *out_ms);
#endif
