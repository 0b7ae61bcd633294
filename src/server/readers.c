#include "server/readers.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "confab/error.h"
#include "store/reader.h"

struct cf_readers {
    pthread_mutex_t lock;
    pthread_cond_t given;              /* one came back */
    char *path;
    struct cf_reader **idle;           /* a stack: the warmest is taken first */
    size_t idle_count, open_count, most;
};

struct cf_readers *cf_readers_new(const char *path, size_t most)
{
    struct cf_readers *readers = cf_calloc(1, sizeof *readers);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&readers->given, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&readers->lock, NULL);
    readers->path = cf_strdup(path);
    readers->most = most;
    readers->idle = cf_calloc(most, sizeof *readers->idle);
    return readers;
}

void cf_readers_free(struct cf_readers *readers)
{
    if (readers == NULL)
        return;
    while (readers->idle_count > 0)
        cf_reader_free(readers->idle[--readers->idle_count]);
    pthread_cond_destroy(&readers->given);
    pthread_mutex_destroy(&readers->lock);
    free(readers->idle);
    free(readers->path);
    free(readers);
}

/* Waits for one to be idle, or for the right to open one. Under the lock. */
static bool wait_for_turn(struct cf_readers *readers)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += CF_READERS_WAIT_MS / 1000;
    while (readers->idle_count == 0 && readers->open_count == readers->most)
        if (pthread_cond_timedwait(&readers->given, &readers->lock, &until) == ETIMEDOUT)
            return readers->idle_count > 0 || readers->open_count < readers->most;
    return true;
}

bool cf_readers_take(struct cf_readers *readers, struct cf_reader **out_reader,
                     struct cf_error *err)
{
    struct cf_reader *reader = NULL;

    pthread_mutex_lock(&readers->lock);
    bool is_mine = wait_for_turn(readers);
    if (is_mine && readers->idle_count > 0)
        reader = readers->idle[--readers->idle_count];
    else if (is_mine)
        readers->open_count++;
    pthread_mutex_unlock(&readers->lock);

    if (!is_mine) {
        cf_fail(err, CF_ERR_RATE_LIMIT, "all %zu database connections are busy", readers->most);
        err->retry_after_ms = CF_READERS_WAIT_MS;
        return false;
    }
    if (reader == NULL && !cf_reader_open(readers->path, 0, &reader, err)) {
        pthread_mutex_lock(&readers->lock);
        readers->open_count--;
        pthread_cond_signal(&readers->given);
        pthread_mutex_unlock(&readers->lock);
        return false;
    }
    *out_reader = reader;
    return true;
}

void cf_readers_give(struct cf_readers *readers, struct cf_reader *reader)
{
    if (reader == NULL)
        return;
    pthread_mutex_lock(&readers->lock);
    readers->idle[readers->idle_count++] = reader;
    pthread_cond_signal(&readers->given);
    pthread_mutex_unlock(&readers->lock);
}
