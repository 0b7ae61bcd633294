#include "server/deadlines.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include <utlist.h>

#include "base/mem.h"
#include "confab/clock.h"

struct cf_deadlines {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool has_thread, has_ended;
    struct cf_deadline *list;
};

/* Under the lock. The next one's time; -1: there is none. */
static int64_t cut(struct cf_deadlines *deadlines, int64_t now_ms)
{
    struct cf_deadline *deadline;
    int64_t next_ms = -1;
    DL_FOREACH (deadlines->list, deadline) {
        if (deadline->is_over)
            continue;
        if (deadline->until_ms <= now_ms) {
            deadline->is_over = true;
            shutdown(deadline->fd, SHUT_RD);
        } else if (next_ms < 0 || deadline->until_ms < next_ms) {
            next_ms = deadline->until_ms;
        }
    }
    return next_ms;
}

static void *keep(void *self)
{
    struct cf_deadlines *deadlines = self;
    pthread_mutex_lock(&deadlines->lock);
    while (!deadlines->has_ended) {
        int64_t next_ms = cut(deadlines, cf_now_ms(cf_clock_system()));
        struct timespec until = { .tv_sec = next_ms / 1000, .tv_nsec = next_ms % 1000 * 1000000 };
        if (next_ms < 0)
            pthread_cond_wait(&deadlines->changed, &deadlines->lock);
        else
            pthread_cond_timedwait(&deadlines->changed, &deadlines->lock, &until);
    }
    pthread_mutex_unlock(&deadlines->lock);
    return NULL;
}

struct cf_deadlines *cf_deadlines_new(void)
{
    struct cf_deadlines *deadlines = cf_calloc(1, sizeof *deadlines);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&deadlines->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&deadlines->lock, NULL);
    return deadlines;
}

void cf_deadlines_free(struct cf_deadlines *deadlines)
{
    if (deadlines == NULL)
        return;
    pthread_mutex_lock(&deadlines->lock);
    deadlines->has_ended = true;
    pthread_cond_signal(&deadlines->changed);
    pthread_mutex_unlock(&deadlines->lock);
    if (deadlines->has_thread)
        pthread_join(deadlines->thread, NULL);
    pthread_cond_destroy(&deadlines->changed);
    pthread_mutex_destroy(&deadlines->lock);
    free(deadlines);
}

void cf_deadline_set(struct cf_deadlines *deadlines, struct cf_deadline *deadline, int fd,
                     int64_t in_ms)
{
    *deadline = (struct cf_deadline){ .fd = fd,
                                      .until_ms = cf_now_ms(cf_clock_system()) + in_ms };
    if (fd < 0)
        return;
    pthread_mutex_lock(&deadlines->lock);
    if (!deadlines->has_thread)
        deadlines->has_thread = pthread_create(&deadlines->thread, NULL, keep, deadlines) == 0;
    DL_APPEND(deadlines->list, deadline);
    pthread_cond_signal(&deadlines->changed);
    pthread_mutex_unlock(&deadlines->lock);
}

bool cf_deadline_lift(struct cf_deadlines *deadlines, struct cf_deadline *deadline)
{
    if (deadline->fd < 0)
        return false;
    pthread_mutex_lock(&deadlines->lock);
    DL_DELETE(deadlines->list, deadline);
    pthread_mutex_unlock(&deadlines->lock);
    return deadline->is_over;
}
