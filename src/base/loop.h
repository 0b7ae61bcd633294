/* loop.h - an epoll loop with timers, for one thread.
 *
 * Callbacks run on the loop's thread, one at a time. Equal deadlines fire in the
 * order they were set. The loop reads its clock once a turn: cf_loop_now. */
#ifndef CONFAB_BASE_LOOP_H
#define CONFAB_BASE_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_clock;
struct cf_loop;

/* Lives in its owner's struct; zero is valid and unset. */
struct cf_timer {
    void   (*on_fire)(void *self);
    void    *self;
    int64_t  due_ms;
    uint64_t order;
    size_t   slot;            /* place in the heap + 1; 0 while unset */
};

/* Lives in its owner's struct; registered with cf_loop_watch. */
struct cf_watch {
    void (*on_ready)(uint32_t events, void *self);    /* EPOLL* bits */
    void  *self;
    int    fd;
};

/* clock borrowed; NULL if no descriptor is left */
struct cf_loop *cf_loop_new(const struct cf_clock *clock);
void cf_loop_free(struct cf_loop *loop);

int64_t cf_loop_now(const struct cf_loop *loop);             /* ms, as of the start of this turn */

/* Adds or changes the interest in watch->fd (EPOLLIN, EPOLLOUT, EPOLLET, ...). */
bool cf_loop_watch(struct cf_loop *loop, struct cf_watch *watch, uint32_t events);
/* before the descriptor is closed */
void cf_loop_unwatch(struct cf_loop *loop, struct cf_watch *watch);

/* (Re)sets the timer to fire once at due_ms or as soon as possible after it. */
void cf_loop_set_timer(struct cf_loop *loop, struct cf_timer *timer, int64_t due_ms);
void cf_loop_clear_timer(struct cf_loop *loop, struct cf_timer *timer);   /* no effect if unset */

/* Called once at the end of every turn, before the loop waits again; NULL to remove. */
void cf_loop_set_idle(struct cf_loop *loop, void (*on_turn)(void *self), void *self);

void cf_loop_run(struct cf_loop *loop);      /* until cf_loop_stop */
/* one turn, waiting at most wait_ms (-1: no bound) */
void cf_loop_turn(struct cf_loop *loop, int64_t wait_ms);
void cf_loop_stop(struct cf_loop *loop);     /* any thread, async-signal-safe */
#endif
