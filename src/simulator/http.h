/* http.h - one HTTP/1.1 request at the head of a buffer, read as it arrives.
 *
 * A parser: no sockets. Chunked bodies are joined in place, so a body is always one piece. */
#ifndef CONFAB_SIMULATOR_HTTP_H
#define CONFAB_SIMULATOR_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_buf;

#define CF_SIM_HEAD_MAX (64u << 10)    /* of the request line and all headers */
#define CF_SIM_BODY_MAX (32u << 20)    /* the provider's own limit */
#define CF_SIM_KEY_MAX  256

struct cf_sim_http {
    enum { CF_SIM_HTTP_HEAD, CF_SIM_HTTP_BODY, CF_SIM_HTTP_CHUNK, CF_SIM_HTTP_CHUNK_DATA,
           CF_SIM_HTTP_CHUNK_END, CF_SIM_HTTP_TRAILER } state;
    size_t  at;              /* first byte of the buffer that is not read yet */
    size_t  body_at, body_len;
    size_t  missing;         /* bytes of the body or chunk that are still to come */
    bool    keep_alive;
    bool    wants_continue;  /* the client waits for "100 Continue"; the reader clears it */
    bool    has_version, has_bearer;
    char    method[16];
    char    path[128];       /* without the query */
    char    key[CF_SIM_KEY_MAX];    /* x-api-key or the bearer's token; "" if there is none */
    int     status;          /* of the refusal after -1 */
};

/* Starts on the next request: *self is as if zeroed. */
void cf_sim_http_clear(struct cf_sim_http *self);

/* Goes on reading. 1: the request is whole, its body lies at in->data + body_at, and the next
 * one may begin at `at`; 0: more is needed; -1: it is refused with `status`, and the connection
 * must close. */
int cf_sim_http_read(struct cf_sim_http *self, struct cf_buf *in);
#endif
