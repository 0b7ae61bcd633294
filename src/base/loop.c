#include "base/loop.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "confab/clock.h"

#define EVENTS_PER_TURN 128

struct cf_loop {
    const struct cf_clock *clock;      /* borrowed */
    int      epoll_fd, stop_fd;
    int64_t  now_ms;
    uint64_t next_order;
    atomic_bool stopping;

    struct cf_timer **heap;            /* earliest first; heap[i]->slot == i + 1 */
    size_t   heap_len, heap_cap;

    /* Events of this turn, so that unwatching inside a callback takes later ones back. */
    struct epoll_event events[EVENTS_PER_TURN];
    int      event_count, event_at;

    void   (*on_turn)(void *self);
    void    *on_turn_self;
};

struct cf_loop *cf_loop_new(const struct cf_clock *clock)
{
    struct cf_loop *loop = cf_calloc(1, sizeof *loop);
    loop->clock = clock;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
    if (loop->epoll_fd < 0 || loop->stop_fd < 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->stop_fd, &event) != 0) {
        cf_loop_free(loop);
        return NULL;
    }
    loop->now_ms = cf_now_ms(clock);
    return loop;
}

void cf_loop_free(struct cf_loop *loop)
{
    if (loop == NULL)
        return;
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    if (loop->stop_fd >= 0)
        close(loop->stop_fd);
    free(loop->heap);
    free(loop);
}

int64_t cf_loop_now(const struct cf_loop *loop)
{
    return loop->now_ms;
}

bool cf_loop_watch(struct cf_loop *loop, struct cf_watch *watch, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = watch };
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) == 0)
        return true;
    return errno == ENOENT && epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) == 0;
}

void cf_loop_unwatch(struct cf_loop *loop, struct cf_watch *watch)
{
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    for (int i = loop->event_at; i < loop->event_count; i++)
        if (loop->events[i].data.ptr == watch)
            loop->events[i].data.ptr = loop;     /* a mark that no watch can have */
}

/* --- timers: a binary heap by (due_ms, order) --- */

static bool is_earlier(const struct cf_timer *a, const struct cf_timer *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void place(struct cf_loop *loop, struct cf_timer *timer, size_t at)
{
    loop->heap[at] = timer;
    timer->slot = at + 1;
}

static void sift_up(struct cf_loop *loop, struct cf_timer *timer, size_t at)
{
    while (at > 0 && is_earlier(timer, loop->heap[(at - 1) / 2])) {
        place(loop, loop->heap[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    place(loop, timer, at);
}

static void sift_down(struct cf_loop *loop, struct cf_timer *timer, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= loop->heap_len)
            break;
        if (child + 1 < loop->heap_len && is_earlier(loop->heap[child + 1], loop->heap[child]))
            child++;
        if (!is_earlier(loop->heap[child], timer))
            break;
        place(loop, loop->heap[child], at);
        at = child;
    }
    place(loop, timer, at);
}

void cf_loop_clear_timer(struct cf_loop *loop, struct cf_timer *timer)
{
    if (timer->slot == 0)
        return;
    size_t at = timer->slot - 1;
    timer->slot = 0;
    struct cf_timer *last = loop->heap[--loop->heap_len];
    if (last == timer)
        return;
    if (at > 0 && is_earlier(last, loop->heap[(at - 1) / 2]))
        sift_up(loop, last, at);
    else
        sift_down(loop, last, at);
}

void cf_loop_set_timer(struct cf_loop *loop, struct cf_timer *timer, int64_t due_ms)
{
    cf_loop_clear_timer(loop, timer);
    if (loop->heap_len == loop->heap_cap) {
        loop->heap_cap = loop->heap_cap > 0 ? 2 * loop->heap_cap : 16;
        loop->heap = cf_realloc(loop->heap, loop->heap_cap * sizeof(struct cf_timer *));
    }
    timer->due_ms = due_ms;
    timer->order = loop->next_order++;
    sift_up(loop, timer, loop->heap_len++);
}

static void fire_due(struct cf_loop *loop)
{
    /* A timer set by a callback waits for the next turn, or a zero delay would never end. */
    uint64_t before = loop->next_order;
    while (loop->heap_len > 0 && loop->heap[0]->due_ms <= loop->now_ms &&
           loop->heap[0]->order < before) {
        struct cf_timer *timer = loop->heap[0];
        cf_loop_clear_timer(loop, timer);
        timer->on_fire(timer->self);
    }
}

/* --- running --- */

void cf_loop_set_idle(struct cf_loop *loop, void (*on_turn)(void *self), void *self)
{
    loop->on_turn = on_turn;
    loop->on_turn_self = self;
}

void cf_loop_turn(struct cf_loop *loop, int64_t wait_ms)
{
    if (loop->heap_len > 0) {
        int64_t until_due = loop->heap[0]->due_ms - cf_now_ms(loop->clock);
        if (until_due < 0)
            until_due = 0;
        if (wait_ms < 0 || until_due < wait_ms)
            wait_ms = until_due;
    }
    int timeout = wait_ms < 0 ? -1 : wait_ms > INT32_MAX ? INT32_MAX : (int)wait_ms;
    loop->event_count = epoll_wait(loop->epoll_fd, loop->events, EVENTS_PER_TURN, timeout);
    loop->now_ms = cf_now_ms(loop->clock);

    for (loop->event_at = 0; loop->event_at < loop->event_count;) {
        struct epoll_event *event = &loop->events[loop->event_at++];
        if (event->data.ptr == NULL) {
            uint64_t count;
            ssize_t ignored = read(loop->stop_fd, &count, sizeof count);
            (void)ignored;
        } else if (event->data.ptr != loop) {
            struct cf_watch *watch = event->data.ptr;
            watch->on_ready(event->events, watch->self);
        }
    }
    loop->event_count = 0;
    fire_due(loop);
    if (loop->on_turn != NULL)
        loop->on_turn(loop->on_turn_self);
}

void cf_loop_run(struct cf_loop *loop)
{
    while (!atomic_load(&loop->stopping))
        cf_loop_turn(loop, -1);
    atomic_store(&loop->stopping, false);
}

void cf_loop_stop(struct cf_loop *loop)
{
    int saved = errno;
    atomic_store(&loop->stopping, true);
    uint64_t one = 1;
    ssize_t ignored = write(loop->stop_fd, &one, sizeof one);
    (void)ignored;
    errno = saved;
}
