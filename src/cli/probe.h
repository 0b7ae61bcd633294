/* probe.h - one question to the service: is it there, does it take the key, which models has it? */
#ifndef CONFAB_CLI_PROBE_H
#define CONFAB_CLI_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "confab/buf.h"

struct cf_error;

struct cf_probe {
    int status;        /* of HTTP; 0: no whole reply, see message */
    char message[512]; /* what the service or the network said against it; "" for a 200 */
    int64_t latency_ms;
    bool has_time;
    int64_t clock_ahead_ms; /* our clock minus the server's; only where has_time */
    struct cf_buf body;     /* of a 200 */
};

/* Asks GET /v1/models under the base URL and waits for the answer, 15 s at most. Whatever comes of
 * it stands in *out, which cf_probe_done frees; false only if the program cannot ask at all. */
bool cf_probe_models(const char *base_url, const char *key, struct cf_probe *out,
                     struct cf_error *err);
void cf_probe_done(struct cf_probe *probe);

/* Whether the list of models in the body has that id. */
bool cf_probe_has_model(const struct cf_probe *probe, const char *id);
#endif
