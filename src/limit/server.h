/* server.h - what is known of the server behind a lane: its limits, what it has counted of ours,
 * what others have used, and whether it lets bursts pass.
 *
 * A server keeps a bucket for each resource, which drains at the limit: of a whole window or, if
 * it enforces by the second, of a sixtieth of one. Both show the same numbers until the smaller
 * one overflows, so only a request let through beyond that tells them apart. */
#ifndef CONFAB_LIMIT_SERVER_H
#define CONFAB_LIMIT_SERVER_H

#include "confab/limiter.h"
#include "limit/bucket.h"
#include "limit/window.h"

struct cf_server {
    int64_t limit[CF_RESOURCES];             /* as last said; 0: never */
    int64_t rate[CF_RESOURCES];              /* what it is taken to be till then; 0: none */
    int64_t window_ms;
    struct cf_bucket own[CF_RESOURCES];      /* ours: requests and input from the grant on, output
                                              * once it is there */
    struct cf_bucket written[CF_RESOURCES];  /* likewise, but from when a request was written */
    int64_t unwritten[CF_RESOURCES];         /* granted and not written: may arrive all at once */
    bool is_told_written;                    /* somebody says when requests are written */
    struct cf_bucket foreign[CF_RESOURCES];
    bool shows_burst[CF_RESOURCES];          /* by what was said last most of a window is there */
    uint64_t probe;                          /* the grant that only a whole window's bucket has room
                                              * for; 0: none yet */
    int64_t exact_ms;                        /* from when on `own` of output is no guess */
    double longest_reply;                    /* in output tokens, of late */
    uint64_t latest_order;                   /* of the replies heard of */
    bool has_burst, was_refused;
    bool probe_refused;                      /* before it was known whether it passes */
};

/* One reply, and what it must be read against. */
struct cf_server_reply {
    uint64_t order, grant;
    int64_t  now_ms;
    int64_t  in_flight[CF_RESOURCES];        /* this one included */
    const struct cf_limit_feedback *feedback;
};

/* Sets the rate at which a resource drains. What has been used stays; `used` if nothing drained
 * so far. */
void cf_server_set_rate(struct cf_server *server, enum cf_resource resource, int64_t rate,
                        int64_t window_ms, int64_t used, int64_t now_ms);

/* Counts an amount of ours; negative ones were counted in vain. */
void cf_server_count(struct cf_server *server, enum cf_resource resource, int64_t amount,
                     int64_t now_ms);

/* Counts an amount of ours that is granted and not written yet; negative: not any more. */
void cf_server_count_unwritten(struct cf_server *server, enum cf_resource resource, int64_t amount);

/* Counts an amount of a request that was written, or corrects it. */
void cf_server_count_written(struct cf_server *server, enum cf_resource resource, int64_t amount,
                             int64_t now_ms);

/* Takes a reply's headers in. Changes `limit` only: the caller sets the rates. False if it is
 * older than what is known. cf_server_compare comes after that. */
bool cf_server_hear(struct cf_server *server, const struct cf_server_reply *reply);
void cf_server_compare(struct cf_server *server, const struct cf_server_reply *reply);

/* The server refused a request of ours. */
void cf_server_refused(struct cf_server *server);

/* What the risked call has shown, in this session or an earlier one. */
enum cf_bursts cf_server_bursts(const struct cf_server *server);
void cf_server_restore_bursts(struct cf_server *server, enum cf_bursts bursts);

/* How much of a limit others hold, if we are to stay below `limit` ourselves. */
int64_t cf_server_foreign(const struct cf_server *server, enum cf_resource resource, int64_t limit,
                          int64_t now_ms);

/* How long until `amount` of what others hold has drained. */
int64_t cf_server_drain_ms(const struct cf_server *server, enum cf_resource resource,
                           int64_t amount);

/* When a server that enforces by the second has room for the amount; in the past: it has. */
int64_t cf_server_second_ms(const struct cf_server *server, enum cf_resource resource,
                            int64_t amount, int64_t now_ms);

/* When a whole window's bucket has room for the output that is in flight, as far as ours goes. */
int64_t cf_server_burst_ms(const struct cf_server *server, int64_t in_flight, int64_t now_ms);

/* By how much output is to be spread further apart (below 1: less), so that a server that enforces
 * by the second neither runs out nor overflows. Replies come when they like: what is in flight says
 * how late a change takes effect, and how much comes by chance. */
double cf_server_output_slowness(const struct cf_server *server,
                                 const int64_t in_flight[CF_RESOURCES], int64_t now_ms);

/* Whether one call should be risked to find out if the server lets bursts pass. */
bool cf_server_may_probe(const struct cf_server *server, const int64_t in_flight[CF_RESOURCES],
                         int64_t now_ms);

/* Whether to go a bit faster than the limit, until more than a second's worth of requests or
 * input is used: what is refused then, or passes, tells the same. */
bool cf_server_may_creep(const struct cf_server *server, enum cf_resource resource, int64_t now_ms);

/* Says that a request goes out now; of these amounts, if it may have gone faster than the limit. */
void cf_server_granted(struct cf_server *server, uint64_t grant, const int64_t creeps[CF_RESOURCES],
                       int64_t now_ms);

/* Two servers turn out to be one. */
void cf_server_merge(struct cf_server *into, const struct cf_server *from, int64_t now_ms);
#endif
