#include "simulator/arrivals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "confab/error.h"

#define LINES_MAX (16u << 20)    /* far more than arrives in one turn of the loop */

void cf_sim_window_init(struct cf_sim_window *window, int64_t window_ms, int64_t now_ms)
{
    *window = (struct cf_sim_window){ .window_ms = window_ms, .last_ms = now_ms };
    window->count = cf_calloc((size_t)window_ms, sizeof *window->count);
}

void cf_sim_window_done(struct cf_sim_window *window)
{
    free(window->count);
    window->count = NULL;
}

void cf_sim_window_add(struct cf_sim_window *window, int64_t now_ms)
{
    int64_t steps = now_ms - window->last_ms;
    if (steps > window->window_ms)
        steps = window->window_ms;
    for (int64_t i = 1; i <= steps; i++) {
        uint32_t *count = &window->count[(window->last_ms + i) % window->window_ms];
        window->sum -= *count;
        *count = 0;
    }
    if (now_ms > window->last_ms)
        window->last_ms = now_ms;
    window->count[window->last_ms % window->window_ms]++;
    if (++window->sum > window->most)
        window->most = window->sum;
}

static struct cf_sim_repeat *find(struct cf_sim_repeat *slot, size_t cap, uint64_t hash)
{
    size_t at = hash & (cap - 1);
    while (slot[at].count > 0 && slot[at].hash != hash)
        at = (at + 1) & (cap - 1);
    return &slot[at];
}

static void grow(struct cf_sim_repeats *repeats)
{
    size_t cap = repeats->cap == 0 ? 64 : repeats->cap * 2;
    struct cf_sim_repeat *slot = cf_calloc(cap, sizeof *slot);
    for (size_t i = 0; i < repeats->cap; i++)
        if (repeats->slot[i].count > 0)
            *find(slot, cap, repeats->slot[i].hash) = repeats->slot[i];
    free(repeats->slot);
    repeats->slot = slot;
    repeats->cap = cap;
}

uint32_t cf_sim_repeats_add(struct cf_sim_repeats *repeats, uint64_t hash)
{
    if (repeats->used * 2 >= repeats->cap)
        grow(repeats);
    struct cf_sim_repeat *slot = find(repeats->slot, repeats->cap, hash);
    if (slot->count == 0) {
        slot->hash = hash;
        repeats->used++;
    }
    return ++slot->count;
}

void cf_sim_repeats_done(struct cf_sim_repeats *repeats)
{
    free(repeats->slot);
    *repeats = (struct cf_sim_repeats){ .cap = 0 };
}

bool cf_sim_log_open(struct cf_sim_log *log, const char *path, struct cf_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        return cf_fail(err, CF_ERR_CONFIG, "%s: %s", path, strerror(errno));
    log->fd = fd;
    log->is_open = true;
    cf_buf_init(&log->lines, LINES_MAX);
    return true;
}

void cf_sim_log_flush(struct cf_sim_log *log)
{
    size_t at = 0;
    while (log->is_open && at < log->lines.len) {
        ssize_t written = write(log->fd, log->lines.data + at, log->lines.len - at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            cf_log(CF_LOG_ERROR, "arrival log: %s; no more is written to it", strerror(errno));
            close(log->fd);
            log->is_open = false;
        } else {
            at += (size_t)written;
        }
    }
    cf_buf_clear(&log->lines);
}

void cf_sim_log_done(struct cf_sim_log *log)
{
    cf_sim_log_flush(log);
    if (log->is_open)
        close(log->fd);
    log->is_open = false;
    cf_buf_done(&log->lines);
}
