#include "base/queue.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

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

void cf_queue_push(struct cf_queue *queue, struct cf_queue_link *link)
{
    link->next = NULL;
    pthread_mutex_lock(&queue->lock);
    *queue->tail = link;
    queue->tail = &link->next;
    bool wake = !queue->signalled;
    queue->signalled = true;
    pthread_mutex_unlock(&queue->lock);
    if (wake)
        cf_queue_poke(queue);
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
