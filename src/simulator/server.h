/* server.h - the simulator's own state, and how its files divide the work.
 *
 * simulator.c starts and ends it; conn.c moves bytes; answer.c decides what is said. All of it
 * runs on the thread of the loop. */
#ifndef CONFAB_SIMULATOR_SERVER_H
#define CONFAB_SIMULATOR_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "confab/buf.h"
#include "simulator/arrivals.h"
#include "simulator/http.h"
#include "simulator/limits.h"
#include "simulator/reply.h"
#include "simulator/simulator.h"
#include "simulator/spec.h"

#define CF_SIM_ID_MAX     40
#define CF_SIM_READ_BYTES (64u << 10)

struct cf_sim_conn {
    struct cf_simulator *sim;
    struct cf_sim_conn *previous, *next;
    struct cf_watch watch;
    struct cf_timer timer;           /* the latency, or the next piece of a trickle */
    struct cf_buf in;                /* requests as they come */
    struct cf_buf out;               /* what the kernel would not take at once */
    size_t out_at;
    struct cf_sim_http http;
    enum { CF_SIM_READING, CF_SIM_WAITING, CF_SIM_WRITING, CF_SIM_TRICKLING, CF_SIM_SILENT,
           CF_SIM_DRAINING } state;
    bool is_paused;                  /* more came than is read ahead of an answer */

    /* The request in hand. */
    bool is_message;                 /* counted and logged */
    uint64_t number;                 /* of the arrival, from 1 */
    struct cf_sim_lane *lane;        /* NULL: none was charged */
    int64_t input_estimate;
    int64_t retry_after_s;           /* 0: no such header */
    const struct cf_sim_fault *fault;    /* NULL: none */
    char request_id[CF_SIM_ID_MAX];
    char org[CF_SIM_ID_MAX];
    struct cf_sim_reply reply;
};

struct cf_simulator {
    struct cf_sim_spec spec;
    const struct cf_clock *clock;    /* borrowed */
    char *api_key;                   /* owned; NULL: any */
    char url[64];
    uint16_t port;

    struct cf_loop *loop;
    struct cf_watch listener;
    struct cf_timer accept_again;    /* after the process ran out of descriptors */
    struct cf_timer change;          /* of a limit */
    struct cf_sim_conn *conns;       /* all, linked */
    int64_t start_ms;
    pthread_t thread;
    bool has_thread;

    struct cf_sim_lane **lanes;      /* owned, each on its own so that a conn can point to it */
    size_t lane_count;
    struct cf_simulator_counters counters;
    struct cf_sim_window window;
    struct cf_sim_repeats repeats;
    struct cf_sim_log log;
    struct cf_buf head;              /* scratch for the head of a reply */
    int64_t date_s;                  /* the second that `date` is the text of */
    char date[32];
    char read_buffer[CF_SIM_READ_BYTES];
};

/* --- conn.c --- */

/* The listener's callback: takes new connections. */
void cf_sim_conn_accept(uint32_t events, void *sim);

/* Closes and frees. What was in hand is logged as not delivered. */
void cf_sim_conn_free(struct cf_sim_conn *conn);

/* Sends conn->reply, as its fault has it, after latency_ms. False: the connection is gone. */
bool cf_sim_conn_send(struct cf_sim_conn *conn, int64_t latency_ms);

/* --- answer.c --- */

/* Answers the request that conn->http has read whole, or refuses what it could not read
 * (status != 0). False: the connection is gone. */
bool cf_sim_answer(struct cf_sim_conn *conn, int refusal_status);

/* Appends status line and headers of conn->reply, settling its use of the limits first. */
void cf_sim_answer_add_head(struct cf_sim_conn *conn, struct cf_buf *out);

/* Counts and logs the end of the request in hand. */
void cf_sim_answer_end(struct cf_sim_conn *conn, bool delivered_whole);

/* Puts the changes of limits into force that are due. Callback of sim->change. */
void cf_sim_answer_change_limits(void *sim);
#endif
