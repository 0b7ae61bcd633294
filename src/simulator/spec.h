/* spec.h - the spec string of simulator.h, read. */
#ifndef CONFAB_SIMULATOR_SPEC_H
#define CONFAB_SIMULATOR_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "simulator/fault.h"

struct cf_error;
struct cf_rng;

enum cf_sim_resource { CF_SIM_REQUESTS, CF_SIM_INPUT, CF_SIM_OUTPUT, CF_SIM_RESOURCES };

struct cf_sim_change {             /* a limit that changes while the server runs */
    int64_t at_ms;                 /* since the start */
    enum cf_sim_resource resource;
    int64_t limit;
};

#define CF_SIM_CHANGES_MAX 16

struct cf_sim_spec {
    int64_t limit[CF_SIM_RESOURCES];           /* a window; 0: not enforced */
    struct cf_sim_change change[CF_SIM_CHANGES_MAX];   /* in the order of the spec */
    size_t  changes;
    bool    by_second;
    int64_t window_ms;
    enum { CF_SIM_FIXED, CF_SIM_UNIFORM, CF_SIM_LOGNORMAL } latency;
    double  latency_a, latency_b;  /* ms; low and high; median and sigma */
    uint64_t seed;
    struct cf_sim_faults faults;
    bool    usage_varied;
    int64_t reply_bytes;           /* 0: by the number of turns */
    enum { CF_SIM_QUALITY_DEFAULT, CF_SIM_QUALITY_LOW, CF_SIM_QUALITY_MIXED } quality;
    bool    has_headers;
    bool    org_by_key;
    int64_t trickle_ms;
};

/* text may be NULL. CF_ERR_CONFIG names the field, and lists all if it is unknown. */
bool cf_sim_spec_parse(const char *text, struct cf_sim_spec *out, struct cf_error *err);

/* A latency drawn from the spec's distribution, ms. */
int64_t cf_sim_spec_latency(const struct cf_sim_spec *spec, struct cf_rng *rng);
#endif
