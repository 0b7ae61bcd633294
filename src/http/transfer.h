/* transfer.h - one request on its way: an easy handle and where it stands.
 *
 * Internal to src/http. The callbacks of libcurl only note what happened; callbacks of
 * the user run from http.c, outside libcurl, so that they may send and cancel. */
#ifndef CONFAB_HTTP_TRANSFER_H
#define CONFAB_HTTP_TRANSFER_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "http/http.h"

/* Each phase has a deadline of its own; phases only go forward. */
enum transfer_phase { PHASE_CONNECTING, PHASE_SENDING, PHASE_WAITING, PHASE_READING };

struct cf_http_transfer {
    /* Kept from one request to the next: making a handle costs as much as sending with it. */
    struct cf_http         *http;
    CURL                   *easy;         /* owned */
    char                   *url;          /* owned; that easy is set to; NULL at first */
    struct curl_slist      *fields;       /* owned; that easy is set to */
    bool                    is_small;     /* reads in small pieces: one of very many */
    char                    curl_message[CURL_ERROR_SIZE];

    /* Of one request; zero in between. */
    struct cf_http_request *request;      /* borrowed */
    struct cf_timer         timer;        /* the phase's deadline, or an earlier one (see due_ms) */
    struct cf_http_timeouts timeouts;     /* as given, defaults filled in */
    enum transfer_phase     phase;
    int64_t  started_ms, active_ms;       /* loop time of cf_http_send, of the last byte */
    int64_t  sent_ms;                     /* loop time; -1 until all is written */
    curl_off_t written, received;         /* as last reported */
    unsigned attempts;                    /* requests that libcurl began to send */
    bool     repeat_refused;
    size_t   taken;                       /* bytes of the body that on_piece dealt with */
    bool     is_stopped;                  /* by on_piece */
    struct cf_http_transfer *next, *prev; /* all transfers of the client; next also of the idle */
    struct cf_http_transfer *next_sent;   /* those whose on_sent is due */
    bool     sent_is_due;
    char                    *message;     /* owned; that result lends; NULL: it lends "" */
    struct cf_http_result    result;
};

/* An idle transfer; share and options come from the client. A small one does with less memory. */
struct cf_http_transfer *transfer_new(struct cf_http *http, const struct cf_http_options *options,
                                      CURLSH *share, bool is_small);
void transfer_free(struct cf_http_transfer *transfer);

/* Makes the handle ready for curl_multi_add_handle. */
void transfer_begin(struct cf_http_transfer *transfer, struct cf_http_request *request,
                    int64_t now_ms);

/* Frees what belongs to the request; the transfer is idle again. */
void transfer_clear(struct cf_http_transfer *transfer);

/* The time by which something has to happen, and what it means if it does not. */
int64_t transfer_due_ms(const struct cf_http_transfer *transfer, enum cf_http_failure *out_failure);

/* Fills result.failure, status, timings and message; code is libcurl's verdict. */
void transfer_conclude(struct cf_http_transfer *transfer, CURLcode code, int64_t now_ms);

/* The same for an end that libcurl did not bring about. */
void transfer_give_up(struct cf_http_transfer *transfer, enum cf_http_failure failure,
                      int64_t now_ms);

/* --- what transfer.c asks of http.c --- */

int64_t http_now_ms(const struct cf_http *http);
void http_phase_changed(struct cf_http_transfer *transfer);    /* its deadline may be earlier */
void http_all_written(struct cf_http_transfer *transfer);      /* on_sent is due */
#endif
