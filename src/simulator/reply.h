/* reply.h - the bytes of an answer: messages, streams, error envelopes.
 *
 * No I/O and no time: what comes out depends on the spec, the request and the seed alone. */
#ifndef CONFAB_SIMULATOR_REPLY_H
#define CONFAB_SIMULATOR_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "confab/buf.h"
#include "simulator/fault.h"

struct cf_sim_request;
struct cf_sim_spec;

#define CF_SIM_USAGE_MAX  512
#define CF_SIM_REPLY_MAX  (32u << 20)    /* bytes of a body; a stream of the longest reply fits */

struct cf_sim_reply {
    int  status;
    const char *type;                    /* of the content; static */
    struct cf_buf body;
    bool is_chunked;                     /* the body is chunks already */
    int64_t input_tokens, output_tokens; /* input: without cache reads and writes */
    int64_t cache_write_tokens, cache_read_tokens;
    char usage[CF_SIM_USAGE_MAX];        /* the usage object as sent; "" if none is */
};

/* Makes the 200 for a request. hash stands for its body; fault may be NULL. */
void cf_sim_reply_make(const struct cf_sim_spec *spec, const struct cf_sim_request *request,
                       uint64_t hash, const struct cf_sim_fault *fault, struct cf_sim_reply *out);

/* Makes an error reply in the API's envelope. */
void cf_sim_reply_error(int status, const char *message, const char *request_id,
                        struct cf_sim_reply *out);

/* Makes the error reply of a fault that has a status. */
void cf_sim_reply_fault(enum cf_sim_fault_kind kind, const char *request_id,
                        struct cf_sim_reply *out);

void cf_sim_reply_done(struct cf_sim_reply *reply);

/* Appends the answer of GET /v1/models. */
void cf_sim_reply_add_models(struct cf_buf *out);
#endif
