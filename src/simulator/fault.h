/* fault.h - what can go wrong with a reply, and when it does. */
#ifndef CONFAB_SIMULATOR_FAULT_H
#define CONFAB_SIMULATOR_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_error;
struct cf_rng;

enum cf_sim_fault_kind {
    /* Error replies, in the order of their statuses. */
    CF_SIM_FAULT_400, CF_SIM_FAULT_401, CF_SIM_FAULT_402, CF_SIM_FAULT_403, CF_SIM_FAULT_404,
    CF_SIM_FAULT_408, CF_SIM_FAULT_413, CF_SIM_FAULT_429, CF_SIM_FAULT_500, CF_SIM_FAULT_502,
    CF_SIM_FAULT_503, CF_SIM_FAULT_504, CF_SIM_FAULT_529, CF_SIM_FAULT_SPEND_CAP,
    /* Trouble with the connection. */
    CF_SIM_FAULT_RESET, CF_SIM_FAULT_RESET_BODY, CF_SIM_FAULT_CUT, CF_SIM_FAULT_TRICKLE,
    CF_SIM_FAULT_STALL, CF_SIM_FAULT_SILENT,
    /* Whole replies with a 200 that are not what was asked for. */
    CF_SIM_FAULT_BAD_ENVELOPE, CF_SIM_FAULT_STREAM_ERROR, CF_SIM_FAULT_EMPTY,
    CF_SIM_FAULT_REFUSAL, CF_SIM_FAULT_MAX_TOKENS, CF_SIM_FAULT_MALFORMED,
    CF_SIM_FAULT_NONE,
};

struct cf_sim_fault {
    enum cf_sim_fault_kind kind;
    int way;                       /* of malformed replies: cf_sim_malformed_name; -1: any */
    enum { CF_SIM_BY_CHANCE, CF_SIM_BY_NUMBER, CF_SIM_BY_TIME } by;
    double  share;                 /* by chance: 0..1 */
    /* arrival numbers, both included, or ms since the start, to excluded */
    int64_t from, to;
};

#define CF_SIM_FAULTS_MAX 32       /* in one spec */

struct cf_sim_faults {
    struct cf_sim_fault fault[CF_SIM_FAULTS_MAX];
    size_t count;
    bool   has_chance;             /* one of them draws */
};

/* The name in specs, counters and logs; NULL for CF_SIM_FAULT_NONE and beyond. Static. */
const char *cf_sim_fault_name(enum cf_sim_fault_kind kind);

/* The status of an error reply; 0 for the other kinds. */
int cf_sim_fault_status(enum cf_sim_fault_kind kind);

/* Reads "500:5%;reset@3;malformed:smart_quotes". CF_ERR_CONFIG says what is wrong. */
bool cf_sim_faults_parse(const char *text, size_t len, struct cf_sim_faults *out,
                         struct cf_error *err);

/* The fault of an arrival; NULL if it has none. Those by number and time come first; of those
 * by chance at most one is drawn, each with its share. Lent. */
const struct cf_sim_fault *cf_sim_faults_pick(const struct cf_sim_faults *faults, int64_t number,
                                              int64_t elapsed_ms, struct cf_rng *rng);

/* Reads "250ms", "30s", "2m", "1h" whole. */
bool cf_sim_time_parse(const char *text, size_t len, int64_t *out_ms);
#endif
