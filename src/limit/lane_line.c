/* Who is in a lane: its line of waiters, and those between grant and release. */
#include "limit/lane.h"

void cf_lane_amounts(const struct cf_amounts *amounts, int64_t out[CF_RESOURCES])
{
    out[CF_REQUESTS] = amounts->requests;
    out[CF_INPUT] = amounts->input;
    out[CF_OUTPUT] = amounts->output;
}

static void count_queued(struct cf_lane *lane, const struct cf_waiter *waiter, int sign)
{
    int64_t amounts[CF_RESOURCES];
    cf_lane_amounts(&waiter->amounts, amounts);
    for (int r = 0; r < CF_RESOURCES; r++)
        lane->queued_amounts[r] += sign * amounts[r];
    lane->queued += (size_t)sign;
}

void cf_lane_link(struct cf_lane *lane, struct cf_waiter *behind, struct cf_waiter *waiter)
{
    waiter->prev = behind;
    waiter->next = behind ? behind->next : lane->first;
    *(waiter->prev ? &waiter->prev->next : &lane->first) = waiter;
    *(waiter->next ? &waiter->next->prev : &lane->last) = waiter;
    waiter->state = CF_WAITER_QUEUED;
    count_queued(lane, waiter, 1);
}

void cf_lane_push(struct cf_lane *lane, struct cf_waiter *waiter)
{
    cf_lane_link(lane, lane->last, waiter);
}

void cf_lane_push_refused(struct cf_lane *lane, struct cf_waiter *waiter)
{
    /* Refusals come about in the order of the calls, so the place is near the end. */
    struct cf_waiter *behind = lane->last_refused;
    while (behind != NULL && behind->order > waiter->order)
        behind = behind->prev;
    cf_lane_link(lane, behind, waiter);
    if (behind == lane->last_refused)
        lane->last_refused = waiter;
}

void cf_lane_take(struct cf_lane *lane, struct cf_waiter *waiter)
{
    if (lane->last_refused == waiter)
        lane->last_refused = waiter->prev;
    *(waiter->prev ? &waiter->prev->next : &lane->first) = waiter->next;
    *(waiter->next ? &waiter->next->prev : &lane->last) = waiter->prev;
    waiter->prev = waiter->next = NULL;
    waiter->state = CF_WAITER_IDLE;
    count_queued(lane, waiter, -1);
}

void cf_lane_ask_again(struct cf_lane *lane, struct cf_waiter *waiter,
                       const struct cf_amounts *amounts)
{
    count_queued(lane, waiter, -1);
    waiter->amounts = *amounts;
    count_queued(lane, waiter, 1);
}

static void count_flying(struct cf_lane *lane, const struct cf_amounts *amounts, int sign)
{
    int64_t change[CF_RESOURCES];
    cf_lane_amounts(amounts, change);
    for (int r = 0; r < CF_RESOURCES; r++)
        lane->flying_amounts[r] += sign * change[r];
}

void cf_lane_count_flying(struct cf_lane *lane, const struct cf_amounts *before,
                          const struct cf_amounts *now)
{
    count_flying(lane, before, -1);
    count_flying(lane, now, 1);
}

void cf_lane_fly(struct cf_lane *lane, struct cf_waiter *waiter)
{
    waiter->prev = NULL;
    waiter->next = lane->flying;
    if (waiter->next != NULL)
        waiter->next->prev = waiter;
    lane->flying = waiter;
    lane->in_flight++;
    count_flying(lane, &waiter->amounts, 1);
}

void cf_lane_land(struct cf_lane *lane, struct cf_waiter *waiter)
{
    *(waiter->prev ? &waiter->prev->next : &lane->flying) = waiter->next;
    if (waiter->next != NULL)
        waiter->next->prev = waiter->prev;
    waiter->prev = waiter->next = NULL;
    lane->in_flight--;
    count_flying(lane, &waiter->amounts, -1);
}
