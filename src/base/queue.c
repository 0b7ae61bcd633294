#include "base/queue.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define HELD_MAX 4    /* a thread pushes to two or three */

/* The queues that this thread pushed to while it holds the wake-ups. */
static _Thread_local struct {
    bool is_on;
    size_t count;
    struct cf_queue *queues[HELD_MAX];
} held;

bool cf_queue_init(struct cf_queue *queue)
{
    queue->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (queue->event_fd < 0)
        return false;
    pthread_mutex_init(&queue->lock, NULL);
    queue->head = NULL;
    queue->tail = &queue->head;
    queue->signalled = false;
    return true;
}

void cf_queue_done(struct cf_queue *queue)
{
    for (size_t i = 0; i < held.count; i++)
        if (held.queues[i] == queue)
            held.queues[i--] = held.queues[--held.count];
    close(queue->event_fd);
    pthread_mutex_destroy(&queue->lock);
}

void cf_queue_poke(struct cf_queue *queue)
{
    int saved = errno;
    uint64_t one = 1;
    ssize_t ignored = write(queue->event_fd, &one, sizeof one);    /* full means readable already */
    (void)ignored;
    errno = saved;
}

/* Whether the wake-up of a push waits until it is let go. */
static bool is_held(struct cf_queue *queue)
{
    if (!held.is_on)
        return false;
    for (size_t i = 0; i < held.count; i++)
        if (held.queues[i] == queue)
            return true;
    if (held.count == HELD_MAX)
        return false;
    held.queues[held.count++] = queue;
    return true;
}

void cf_queue_push(struct cf_queue *queue, struct cf_queue_link *link)
{
    bool wake = !is_held(queue);
    link->next = NULL;
    pthread_mutex_lock(&queue->lock);
    *queue->tail = link;
    queue->tail = &link->next;
    if (wake) {
        wake = !queue->signalled;
        queue->signalled = true;
    }
    pthread_mutex_unlock(&queue->lock);
    if (wake)
        cf_queue_poke(queue);
}

void cf_queue_hold_wakes(void)
{
    held.is_on = true;
}

void cf_queue_flush_wakes(void)
{
    while (held.count > 0) {
        struct cf_queue *queue = held.queues[--held.count];
        pthread_mutex_lock(&queue->lock);
        bool wake = queue->head != NULL && !queue->signalled;
        queue->signalled = queue->signalled || wake;
        pthread_mutex_unlock(&queue->lock);
        if (wake)
            cf_queue_poke(queue);
    }
}

void cf_queue_let_wakes_go(void)
{
    cf_queue_flush_wakes();
    held.is_on = false;
}

struct cf_queue_link *cf_queue_take_all(struct cf_queue *queue)
{
    /* Drained before the list is taken: a push in between signals again. */
    uint64_t count;
    ssize_t ignored = read(queue->event_fd, &count, sizeof count);
    (void)ignored;

    pthread_mutex_lock(&queue->lock);
    struct cf_queue_link *list = queue->head;
    queue->head = NULL;
    queue->tail = &queue->head;
    queue->signalled = false;
    pthread_mutex_unlock(&queue->lock);
    return list;
}

bool cf_queue_wait(struct cf_queue *queue, int timeout_ms)
{
    struct pollfd ready = { .fd = queue->event_fd, .events = POLLIN };
    poll(&ready, 1, timeout_ms);

    pthread_mutex_lock(&queue->lock);
    bool any = queue->head != NULL;
    pthread_mutex_unlock(&queue->lock);
    return any;
}

int cf_queue_fd(const struct cf_queue *queue)
{
    return queue->event_fd;
}
