/* queue.h - a first-in-first-out queue between threads, of messages that carry their own link.
 *
 * Pushing never blocks, allocates or fails: the number of messages is bounded by
 * the tickets admitted, not here. One reader; any number of writers. The reader
 * either waits in cf_queue_wait or has cf_queue_fd in its epoll loop.
 *
 * A push wakes the reader at once. A thread that has many to push holds the wake-ups of its
 * pushes meanwhile, so that the reader finds them together, and not one after the other. */
#ifndef CONFAB_BASE_QUEUE_H
#define CONFAB_BASE_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct cf_queue_link { struct cf_queue_link *next; };

struct cf_queue {
    pthread_mutex_t lock;
    struct cf_queue_link *head, **tail;
    int  event_fd;             /* readable while messages may be there */
    bool signalled;            /* event_fd has been written since the last take */
};

bool cf_queue_init(struct cf_queue *queue);       /* false: no descriptor left */
void cf_queue_done(struct cf_queue *queue);       /* must be empty */

/* The message belongs to the reader from here on. Any thread. */
void cf_queue_push(struct cf_queue *queue, struct cf_queue_link *link);

/* All messages in order, as a list linked by next; NULL if none. Reader only. */
struct cf_queue_link *cf_queue_take_all(struct cf_queue *queue);

/* Waits until a message is there or timeout_ms passed (-1: for ever). Reader only.
 * True if there is one. */
bool cf_queue_wait(struct cf_queue *queue, int timeout_ms);

/* To poll for reading. cf_queue_take_all makes it unreadable again. */
int cf_queue_fd(const struct cf_queue *queue);

/* Wakes a reader that waits, without a message. Async-signal-safe. */
void cf_queue_poke(struct cf_queue *queue);

/* From now on pushes of the calling thread wake nobody, until it lets them go: readers that are
 * awake find the messages all the same. Not nested. To be let go before the thread waits for
 * anything, since it may be for an answer to what it pushed. */
void cf_queue_hold_wakes(void);

/* Wakes the readers of what was pushed since, and holds no more. Fine if nothing is held. */
void cf_queue_let_wakes_go(void);

/* Wakes the readers of what was pushed so far, and goes on as it was. */
void cf_queue_flush_wakes(void);
#endif
