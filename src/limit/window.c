#include "limit/window.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define FIRST_CAP 16

static uint32_t index_of(const struct cf_window *window, const struct cf_slot *slot)
{
    return (uint32_t)(slot - window->slots);
}

static void grow(struct cf_window *window)
{
    uint32_t cap = window->cap ? window->cap * 2 : FIRST_CAP;
    window->slots = cf_realloc(window->slots, (size_t)cap * sizeof *window->slots);

    for (uint32_t i = cap; i-- > window->cap;) {
        window->slots[i] = (struct cf_slot){ .prev = CF_SLOT_NONE, .next = window->free };
        window->free = i;
    }
    window->cap = cap;
}

static void unlink_dated(struct cf_window *window, struct cf_slot *slot)
{
    if (slot->prev == CF_SLOT_NONE)
        window->first = slot->next;
    else
        window->slots[slot->prev].next = slot->next;
    if (slot->next == CF_SLOT_NONE)
        window->last = slot->prev;
    else
        window->slots[slot->next].prev = slot->prev;
}

void cf_window_init(struct cf_window *window)
{
    *window = (struct cf_window){
        .free = CF_SLOT_NONE,
        .first = CF_SLOT_NONE,
        .last = CF_SLOT_NONE,
    };
}

void cf_window_done(struct cf_window *window)
{
    free(window->slots);
    cf_window_init(window);
}

uint32_t cf_window_add(struct cf_window *window, const int64_t amounts[CF_RESOURCES],
                       uint64_t grant)
{
    if (window->free == CF_SLOT_NONE)
        grow(window);
    uint32_t index = window->free;
    struct cf_slot *slot = &window->slots[index];
    window->free = slot->next;

    *slot = (struct cf_slot){ .grant = grant, .prev = CF_SLOT_NONE, .next = CF_SLOT_NONE };
    cf_window_change(window, slot, amounts);
    window->open++;
    if (grant > window->last_grant)
        window->last_grant = grant;
    return index;
}

struct cf_slot *cf_window_get(struct cf_window *window, uint32_t slot, uint64_t grant)
{
    if (slot >= window->cap || window->slots[slot].grant != grant)
        return NULL;
    return &window->slots[slot];
}

void cf_window_date(struct cf_window *window, struct cf_slot *slot, int64_t sent_ms)
{
    uint32_t index = index_of(window, slot);
    slot->sent_ms = sent_ms;
    slot->is_sent = true;
    window->open--;
    window->dated++;
    slot->prev = window->last;
    slot->next = CF_SLOT_NONE;

    if (window->last == CF_SLOT_NONE)
        window->first = index;
    else
        window->slots[window->last].next = index;
    window->last = index;
}

void cf_window_change(struct cf_window *window, struct cf_slot *slot,
                      const int64_t amounts[CF_RESOURCES])
{
    for (int r = 0; r < CF_RESOURCES; r++) {
        window->used[r] += amounts[r] - slot->amounts[r];
        if (slot->grant <= window->old_grant)
            window->old[r] += amounts[r] - slot->amounts[r];
        slot->amounts[r] = amounts[r];
    }
}

void cf_window_drop(struct cf_window *window, struct cf_slot *slot)
{
    static const int64_t nothing[CF_RESOURCES];
    cf_window_change(window, slot, nothing);
    if (slot->is_sent) {
        unlink_dated(window, slot);
        window->dated--;
    } else {
        window->open--;
    }
    *slot = (struct cf_slot){ .prev = CF_SLOT_NONE, .next = window->free };
    window->free = index_of(window, slot);
}

/* Makes two settled slots one, dated as the newer of them, if both lie in one part of the
 * window. */
static void join(struct cf_window *window, uint32_t older, uint32_t newer, int64_t part_ms)
{
    if (older == CF_SLOT_NONE || newer == CF_SLOT_NONE)
        return;
    struct cf_slot *from = &window->slots[older], *into = &window->slots[newer];
    if (!from->is_settled || !into->is_settled ||
        from->sent_ms / part_ms != into->sent_ms / part_ms)
        return;

    int64_t sums[CF_RESOURCES];
    for (int r = 0; r < CF_RESOURCES; r++)
        sums[r] = from->amounts[r] + into->amounts[r];
    cf_window_drop(window, from);
    cf_window_change(window, into, sums);
}

void cf_window_settle(struct cf_window *window, struct cf_slot *slot, int64_t span_ms)
{
    int64_t part_ms = span_ms / CF_WINDOW_PARTS > 0 ? span_ms / CF_WINDOW_PARTS : 1;
    slot->is_settled = true;
    if (window->dated <= CF_WINDOW_EXACT)
        return;
    join(window, slot->prev, index_of(window, slot), part_ms);
    join(window, index_of(window, slot), slot->next, part_ms);
}

/* Links a dated slot in behind another, CF_SLOT_NONE: as the first. */
static void link_dated(struct cf_window *window, uint32_t behind, uint32_t index)
{
    struct cf_slot *slot = &window->slots[index];
    slot->prev = behind;
    slot->next = behind == CF_SLOT_NONE ? window->first : window->slots[behind].next;
    *(slot->prev == CF_SLOT_NONE ? &window->first : &window->slots[slot->prev].next) = index;
    *(slot->next == CF_SLOT_NONE ? &window->last : &window->slots[slot->next].prev) = index;
}

static uint32_t following(const struct cf_window *window, uint32_t index)
{
    return index == CF_SLOT_NONE ? window->first : window->slots[index].next;
}

void cf_window_take(struct cf_window *window, struct cf_window *from, uint32_t *map)
{
    static const int64_t nothing[CF_RESOURCES];
    window->old_grant = 0; /* of two lanes: all counts in full */
    memcpy(window->old, nothing, sizeof window->old);
    uint32_t behind = CF_SLOT_NONE;
    for (uint32_t i = from->first; i != CF_SLOT_NONE; i = from->slots[i].next) {
        const struct cf_slot *slot = &from->slots[i];
        uint32_t next;
        while ((next = following(window, behind)) != CF_SLOT_NONE &&
               window->slots[next].sent_ms <= slot->sent_ms)
            behind = next;
        map[i] = cf_window_add(window, slot->amounts, slot->grant);
        window->open--;
        window->dated++;
        window->slots[map[i]].sent_ms = slot->sent_ms;
        window->slots[map[i]].is_sent = true;
        window->slots[map[i]].is_settled = slot->is_settled;
        link_dated(window, behind, map[i]);
        behind = map[i];
    }
    for (uint32_t i = 0; i < from->cap; i++) {
        const struct cf_slot *slot = &from->slots[i];
        if (slot->grant != 0 && !slot->is_sent)
            map[i] = cf_window_add(window, slot->amounts, slot->grant);
    }
    cf_window_done(from);
}

int64_t cf_window_used(const struct cf_window *window, enum cf_resource resource)
{
    if (window->old[resource] == 0)
        return window->used[resource];
    double change = (double)window->old[resource] * (window->part[resource] - 1);
    return window->used[resource] + (int64_t)ceil(change - 1e-6);
}

void cf_window_rescale(struct cf_window *window, const double factors[CF_RESOURCES])
{
    for (enum cf_resource r = 0; r < CF_RESOURCES; r++) {
        /* What was granted since the last time counts in full, and that before not more than
         * that. */
        bool has_newer = window->used[r] > window->old[r];
        double part = window->old[r] > 0 && !has_newer ? window->part[r] : 1;
        window->part[r] = fmin(part * factors[r], 1);
        window->old[r] = window->used[r];
    }
    window->old_grant = window->last_grant;
}

void cf_window_expire(struct cf_window *window, int64_t sent_ms)
{
    while (window->first != CF_SLOT_NONE && window->slots[window->first].sent_ms <= sent_ms)
        cf_window_drop(window, &window->slots[window->first]);
}

bool cf_window_date_of(const struct cf_window *window, enum cf_resource resource, int64_t amount,
                       int64_t *out_ms)
{
    for (uint32_t i = window->first; i != CF_SLOT_NONE; i = window->slots[i].next) {
        amount -= window->slots[i].amounts[resource];
        if (amount <= 0) {
            *out_ms = window->slots[i].sent_ms;
            return true;
        }
    }
    return false;
}
