/* arrivals.h - what came when: the log, the sliding window, and how often a body came before. */
#ifndef CONFAB_SIMULATOR_ARRIVALS_H
#define CONFAB_SIMULATOR_ARRIVALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "confab/buf.h"

struct cf_error;

/* Arrivals in the last window_ms, exact to the clock's millisecond. */
struct cf_sim_window {
    uint32_t *count;       /* owned; of each millisecond of the window, by ms modulo window_ms */
    int64_t   window_ms, last_ms;
    uint64_t  sum, most;
};

void cf_sim_window_init(struct cf_sim_window *window, int64_t window_ms, int64_t now_ms);
void cf_sim_window_done(struct cf_sim_window *window);
void cf_sim_window_add(struct cf_sim_window *window, int64_t now_ms);

/* A table of counters by hash, open addressing, at most half full. */
struct cf_sim_repeats {
    struct cf_sim_repeat { uint64_t hash; uint32_t count; } *slot;    /* owned; count 0: free */
    size_t cap, used;
};

/* Counts one more; returns how many it makes, from 1. */
uint32_t cf_sim_repeats_add(struct cf_sim_repeats *repeats, uint64_t hash);
void cf_sim_repeats_done(struct cf_sim_repeats *repeats);

/* Lines of JSON, kept together until flushed once a turn. A zeroed log swallows them. */
struct cf_sim_log {
    int fd;                /* owned */
    bool is_open;
    struct cf_buf lines;
};

/* Appends to the file, which is made if need be. CF_ERR_CONFIG if it cannot be opened. */
bool cf_sim_log_open(struct cf_sim_log *log, const char *path, struct cf_error *err);
void cf_sim_log_done(struct cf_sim_log *log);

/* Writes all lines out. A full disk is told once on the log for people, and the rest is dropped. */
void cf_sim_log_flush(struct cf_sim_log *log);
#endif
