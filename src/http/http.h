/* http.h - many HTTP requests at a time over one libcurl multi handle on a cf_loop.
 *
 * All calls and callbacks happen on the loop's thread; none blocks. A request goes
 * out at most once: where libcurl would repeat it by itself (a reused connection died
 * before the first byte of the reply), it fails as CF_HTTP_RESET instead, and retrying
 * is left to those who count attempts. (A GET, which has no body, may be repeated.)
 * No redirect is followed, TLS is verified, proxies come from the environment except
 * for loopback addresses. No request header or body ever gets into a message. */
#ifndef CONFAB_HTTP_HTTP_H
#define CONFAB_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "confab/buf.h"
#include "http/headers.h"

struct cf_error;
struct cf_http;
struct cf_http_transfer;
struct cf_loop;

#define CF_HTTP_MESSAGE_MAX       640
#define CF_HTTP_REPLY_BYTES_MAX   (64u << 20)   /* twice the largest request the provider takes */
#define CF_HTTP_CONNECT_MS        10000
#define CF_HTTP_FIRST_BYTE_MS     600000        /* without streaming it comes with the last one */
#define CF_HTTP_IDLE_MS           60000
#define CF_HTTP_TOTAL_MS          900000
#define CF_HTTP_REST_MS           1000          /* for what may follow a reply that is whole */

/* Why there is no whole reply. */
enum cf_http_failure {
    CF_HTTP_OK = 0,                /* a whole reply, whatever its status */
    CF_HTTP_REFUSED,               /* connection refused, or host unreachable */
    CF_HTTP_DNS,                   /* the host's (or proxy's) name has no address */
    CF_HTTP_TLS,                   /* handshake or certificate */
    CF_HTTP_CONNECT_TIMEOUT,       /* no connection in time, name lookup and TLS included */
    CF_HTTP_FIRST_BYTE_TIMEOUT,    /* written, but no reply began */
    CF_HTTP_IDLE_TIMEOUT,          /* stopped in mid-request or mid-reply */
    CF_HTTP_TOTAL_TIMEOUT,
    CF_HTTP_RESET,                 /* the connection ended before a reply began */
    CF_HTTP_CUT,                   /* the connection ended in mid-reply */
    CF_HTTP_TOO_LARGE,             /* reply over max_reply_bytes */
    CF_HTTP_GARBAGE,               /* what came is not HTTP, or its encoding is broken */
    CF_HTTP_PROXY,                 /* the proxy refused to connect us */
    CF_HTTP_BAD_URL,               /* malformed, or neither http nor https */
    CF_HTTP_CANCELLED,             /* by cf_http_cancel or cf_http_free */
    CF_HTTP_STOPPED,               /* on_piece said so */
    CF_HTTP_OTHER,
    CF_HTTP_FAILURES
};

/* A stable word for logs, such as "connect_timeout"; "ok" for CF_HTTP_OK. Static. */
const char *cf_http_failure_name(enum cf_http_failure failure);

struct cf_http_options {
    bool        http2;             /* over TLS where offered; at most 8 streams a connection */
    const char *user_agent;        /* NULL: "confab/VERSION"; copied */
    const char *ca_file;           /* NULL: the system's certificates; copied */
};

/* 0 in a field means the default above. */
struct cf_http_timeouts { int64_t connect_ms, first_byte_ms, idle_ms, total_ms; };

/* Since cf_http_send, by the loop's clock; -1 where it was not reached. */
struct cf_http_timings { int64_t connected_ms, sent_ms, first_byte_ms, total_ms; };

/* Lent to on_done. Body and headers may be moved out (cf_buf_take, or copying the struct
 * and zeroing it here); what is left is freed when on_done returns. */
struct cf_http_result {
    enum cf_http_failure failure;
    int    status;                          /* 0 if no status line came */
    struct cf_http_headers headers;         /* of the last reply head; on failure too */
    struct cf_buf body;                     /* decoded; what came of it on failure */
    bool   any_written;                     /* some byte of the request may have left */
    bool   all_written;                     /* the whole request was given to the kernel */
    struct cf_http_timings timings;
    const char *message;                    /* one line naming the host; "" if all went well; lent */
};

/* What on_piece says to a piece of the body. */
enum cf_http_piece {
    CF_HTTP_COLLECT,               /* it goes to the result's body, as if nobody had looked */
    CF_HTTP_TAKEN,                 /* it is dealt with */
    /* and the reply is whole: the end is awaited for CF_HTTP_REST_MS */
    CF_HTTP_ENOUGH,
    CF_HTTP_STOP,                  /* and nothing of use can follow: the exchange ends here */
};

enum cf_http_method { CF_HTTP_GET, CF_HTTP_POST };

struct cf_http_field { const char *name, *value; };    /* of a request; borrowed */

/* Lives in its owner's struct, zeroed and filled before cf_http_send. It and all that
 * it points to must stay until on_done; afterwards it may be sent again. */
struct cf_http_request {
    enum cf_http_method method;
    const char *url;
    const struct cf_http_field *fields;
    size_t      field_count;
    const char *body;                       /* POST only */
    size_t      body_len;
    struct cf_http_timeouts timeouts;
    size_t      max_reply_bytes;            /* 0: CF_HTTP_REPLY_BYTES_MAX; counted after decoding */

    /* The whole request has been written: read the clock here to date its rate-limit slot.
     * At most once, always before on_done; not called if the request failed before or the
     * server answered without waiting for all of it. May be NULL. */
    void (*on_sent)(struct cf_http_request *request, void *self);

    /* For each piece of the body as it comes, before on_done; so_far has status and headers. Called
     * inside libcurl: it must not send, cancel or free. May be NULL: all is collected. */
    enum cf_http_piece (*on_piece)(struct cf_http_request *request,
                                   const struct cf_http_result *so_far, const char *bytes,
                                   size_t len, void *self);

    /* Exactly once per cf_http_send, never from inside it. The request is free again:
     * sending it (or others) anew from here is fine, and so is freeing it. */
    void (*on_done)(struct cf_http_request *request, struct cf_http_result *result, void *self);
    void *self;

    struct cf_http_transfer *transfer;      /* ours; NULL while not under way */
};

/* Makes a client on the loop (borrowed, must outlive it); options may be NULL.
 * Returns NULL and CF_ERR_API if libcurl cannot start. */
struct cf_http *cf_http_new(struct cf_loop *loop, const struct cf_http_options *options,
                            struct cf_error *err);

/* Cancels what is under way (on_done is called for each), closes the connections. */
void cf_http_free(struct cf_http *http);

/* Starts a request; every outcome, a malformed URL too, arrives through on_done. */
void cf_http_send(struct cf_http *http, struct cf_http_request *request);

/* Ends a request that is under way: on_done (CF_HTTP_CANCELLED) is called before this
 * returns. No effect on one that is not under way. */
void cf_http_cancel(struct cf_http *http, struct cf_http_request *request);

size_t cf_http_in_flight(const struct cf_http *http);
#endif
