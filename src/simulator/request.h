/* request.h - the body of a POST /v1/messages, read and validated as the real API does. */
#ifndef CONFAB_SIMULATOR_REQUEST_H
#define CONFAB_SIMULATOR_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "confab/buf.h"

struct cJSON;
struct cf_error;

struct cf_sim_request {
    struct cJSON *tree;              /* owned; the lent fields below point into it */
    const char   *model;             /* lent */
    int64_t       max_tokens;
    bool          is_stream;
    bool          may_think;         /* thinking is not switched off */
    struct cf_buf system;            /* text of all system blocks */
    struct cf_buf first;             /* text of the first message */
    struct cf_buf prompt;            /* text of the last message of the user */
    /* of the last message of the assistant: prefilled or cut off */
    struct cf_buf partial;
    unsigned      messages;
    bool          is_prefilled;      /* the last message is the assistant's */
    /* lent; of output_config.format, the forced tool, the system prompt; NULL */
    const struct cJSON *schema;
    struct cJSON *told;              /* owned; the schema in the system prompt; NULL */
    const char   *tool;              /* lent; name of the forced tool; NULL */
    const struct cJSON *stops;       /* lent; NULL */
    int64_t       input_tokens;      /* of everything sent, about one for four bytes */
};

/* *out is filled (and needs done) either way. On failure err has the status and the message
 * that the API would give. */
bool cf_sim_request_read(const char *body, size_t len, struct cf_sim_request *out,
                         struct cf_error *err);
void cf_sim_request_done(struct cf_sim_request *request);

/* About one token for four bytes, at least one for any text. */
int64_t cf_sim_tokens(size_t bytes);
#endif
