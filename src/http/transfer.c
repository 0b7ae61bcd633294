#include "http/transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define HOST_MAX           256     /* of a host in messages, longer ones are cut */
#define SMALL_BUFFER_BYTES 1024L   /* libcurl's least; it takes 16 KB unless told */

/* --- progress --- */

static void enter_phase(struct cf_http_transfer *transfer, enum transfer_phase phase)
{
    if (phase <= transfer->phase)
        return;
    transfer->phase = phase;
    http_phase_changed(transfer);
}

static void note_activity(struct cf_http_transfer *transfer)
{
    transfer->active_ms = http_now_ms(transfer->http);
}

static void note_written(struct cf_http_transfer *transfer)
{
    if (transfer->result.all_written)
        return;
    transfer->result.all_written = true;
    transfer->sent_ms = http_now_ms(transfer->http);
    transfer->result.timings.sent_ms = transfer->sent_ms - transfer->started_ms;
    enter_phase(transfer, PHASE_WAITING);
    http_all_written(transfer);
}

/* Before the first attempt the handle still tells of the last request. */
static long request_size(const struct cf_http_transfer *transfer)
{
    long size = 0;
    if (transfer->attempts == 0)
        return 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &size);
    return size;
}

/* --- callbacks of libcurl --- */

/* Called when a connection is there and the request is about to be sent; a second time when
 * libcurl repeats it. It knows only whether a reply began: once a byte was sent, refuse. */
static int on_connected(void *self, char *remote_ip, char *local_ip, int remote_port,
                        int local_port)
{
    (void)remote_ip, (void)local_ip, (void)remote_port, (void)local_port;
    struct cf_http_transfer *transfer = self;
    const struct cf_http_request *request = transfer->request;

    transfer->attempts++;
    if (transfer->attempts > 1 && request->method == CF_HTTP_POST && request_size(transfer) > 0) {
        transfer->repeat_refused = true;
        return CURL_PREREQFUNC_ABORT;
    }
    note_activity(transfer);
    if (transfer->result.timings.connected_ms < 0)
        transfer->result.timings.connected_ms = transfer->active_ms - transfer->started_ms;
    enter_phase(transfer, PHASE_SENDING);
    return CURL_PREREQFUNC_OK;
}

static int on_progress(void *self, curl_off_t download_total, curl_off_t downloaded,
                       curl_off_t upload_total, curl_off_t uploaded)
{
    (void)download_total, (void)upload_total;
    struct cf_http_transfer *transfer = self;
    if (transfer->phase == PHASE_CONNECTING)
        return 0;

    if (uploaded > transfer->written || downloaded > transfer->received) {
        transfer->written = uploaded;
        transfer->received = downloaded;
        note_activity(transfer);
    }
    if (!transfer->result.all_written && (size_t)uploaded == transfer->request->body_len &&
        (uploaded > 0 || request_size(transfer) > 0))
        note_written(transfer);
    return 0;
}

static size_t on_header(char *line, size_t size, size_t count, void *self)
{
    struct cf_http_transfer *transfer = self;
    struct cf_http_result *result = &transfer->result;
    size_t len = size * count;

    note_activity(transfer);
    if (result->timings.first_byte_ms < 0)
        result->timings.first_byte_ms = transfer->active_ms - transfer->started_ms;
    enter_phase(transfer, PHASE_READING);

    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0)
        cf_http_headers_done(&result->headers);    /* what came before was an interim reply */
    else
        cf_http_headers_add_line(&result->headers, line, len);
    return len;
}

/* Shows a piece of the body to whoever wants to see it; true if that dealt with it. */
static bool give_piece(struct cf_http_transfer *transfer, const char *bytes, size_t len)
{
    struct cf_http_request *request = transfer->request;
    struct cf_http_result *result = &transfer->result;
    long status = 0;
    if (request->on_piece == NULL)
        return false;

    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    result->status = (int)status;
    enum cf_http_piece piece = request->on_piece(request, result, bytes, len, request->self);
    if (piece == CF_HTTP_COLLECT)
        return false;

    transfer->taken += len;
    if (transfer->taken > result->body.max)
        result->body.failed = true;    /* as if it had been collected */
    if (piece == CF_HTTP_ENOUGH && transfer->timeouts.idle_ms > CF_HTTP_REST_MS) {
        transfer->timeouts.idle_ms = CF_HTTP_REST_MS;
        http_phase_changed(transfer);
    }
    transfer->is_stopped = piece == CF_HTTP_STOP;
    return true;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *self)
{
    struct cf_http_transfer *transfer = self;
    size_t len = size * count;
    note_activity(transfer);
    if (!give_piece(transfer, bytes, len))
        cf_buf_add(&transfer->result.body, bytes, len);
    return cf_buf_ok(&transfer->result.body) && !transfer->is_stopped ? len : 0;
}

/* --- setting up --- */

static int64_t or_default(int64_t given, int64_t otherwise)
{
    return given > 0 ? given : otherwise;
}

/* Writes host[:port] of a URL for messages, nothing secret; returns whether it is this machine. */
static bool read_host(const char *text, char out_host[HOST_MAX])
{
    bool is_loopback = false;
    char *host = NULL, *port = NULL;
    CURLU *url = curl_url();

    snprintf(out_host, HOST_MAX, "the given URL");
    if (curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
        goto done;

    curl_url_get(url, CURLUPART_PORT, &port, 0);
    snprintf(out_host, HOST_MAX, "%s%s%s", host, port != NULL ? ":" : "",
             port != NULL ? port : "");
    is_loopback = strncmp(host, "127.", 4) == 0 || strcmp(host, "localhost") == 0 ||
                  strcmp(host, "[::1]") == 0;
done:
    curl_free(port);
    curl_free(host);
    curl_url_cleanup(url);
    return is_loopback;
}

static void set_url(struct cf_http_transfer *transfer, const char *url)
{
    char host[HOST_MAX];
    if (transfer->url != NULL && strcmp(transfer->url, url) == 0)
        return;
    free(transfer->url);
    transfer->url = cf_strdup(url);
    curl_easy_setopt(transfer->easy, CURLOPT_URL, url);
    curl_easy_setopt(transfer->easy, CURLOPT_PROXY, read_host(url, host) ? "" : NULL);
}

/* What stands behind the prefix of a text; NULL: it begins otherwise, or there is no text. */
static const char *behind(const char *text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text != NULL && strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

/* Whether the list has just the request's fields, and the one that is added to them. */
static bool has_fields(const struct curl_slist *list, const struct cf_http_request *request)
{
    for (size_t i = 0; i < request->field_count; i++, list = list->next) {
        const struct cf_http_field *field = &request->fields[i];
        if (list == NULL)
            return false;
        const char *value = behind(behind(list->data, field->name), ": ");
        if (value == NULL || strcmp(value, field->value) != 0)
            return false;
    }
    return list != NULL && list->next == NULL;
}

/* Most often they are those of the request before. */
static void set_fields(struct cf_http_transfer *transfer)
{
    const struct cf_http_request *request = transfer->request;
    struct cf_buf line;
    if (has_fields(transfer->fields, request))
        return;

    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(transfer->fields);
    transfer->fields = NULL;
    cf_buf_init(&line, CF_HTTP_FIELD_BYTES_MAX);
    for (size_t i = 0; i < request->field_count; i++) {
        const struct cf_http_field *field = &request->fields[i];
        cf_buf_clear(&line);
        cf_buf_adds(&line, field->name);
        cf_buf_adds(&line, ": ");
        cf_buf_adds(&line, field->value);
        transfer->fields = curl_slist_append(transfer->fields, cf_buf_str(&line));
    }
    /* A round trip before each body would buy nothing: the body is small. */
    transfer->fields = curl_slist_append(transfer->fields, "Expect:");
    cf_buf_done(&line);
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->fields);
}

struct cf_http_transfer *transfer_new(struct cf_http *http, const struct cf_http_options *options,
                                      CURLSH *share, bool is_small)
{
    struct cf_http_transfer *transfer = cf_calloc(1, sizeof *transfer);
    transfer->http = http;
    transfer->is_small = is_small;
    CURL *easy = transfer->easy = curl_easy_init();
    if (easy == NULL)
        abort();    /* out of memory, as in base/mem.h */

    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_message);
    curl_easy_setopt(easy, CURLOPT_SHARE, share);
    if (is_small)
        curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, SMALL_BUFFER_BYTES);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);    /* never wait for a resolver thread */

    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, options->user_agent);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (options->ca_file != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     options->http2 ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, options->http2 ? 1L : 0L);

    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, 30L);  /* s; older idle ones tend to be dead */

    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    return transfer;
}

void transfer_free(struct cf_http_transfer *transfer)
{
    if (transfer == NULL)
        return;
    transfer_clear(transfer);
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->fields);
    free(transfer->url);
    free(transfer);
}

void transfer_begin(struct cf_http_transfer *transfer, struct cf_http_request *request,
                    int64_t now_ms)
{
    CURL *easy = transfer->easy;
    transfer->request = request;
    transfer->started_ms = transfer->active_ms = now_ms;
    transfer->sent_ms = -1;
    transfer->timeouts = (struct cf_http_timeouts){
        .connect_ms = or_default(request->timeouts.connect_ms, CF_HTTP_CONNECT_MS),
        .first_byte_ms = or_default(request->timeouts.first_byte_ms, CF_HTTP_FIRST_BYTE_MS),
        .idle_ms = or_default(request->timeouts.idle_ms, CF_HTTP_IDLE_MS),
        .total_ms = or_default(request->timeouts.total_ms, CF_HTTP_TOTAL_MS),
    };
    transfer->result.timings = (struct cf_http_timings){ -1, -1, -1, -1 };
    transfer->result.message = "";
    cf_buf_init(&transfer->result.body,
                request->max_reply_bytes > 0 ? request->max_reply_bytes : CF_HTTP_REPLY_BYTES_MAX);

    set_url(transfer, request->url);
    set_fields(transfer);
    /* Ours is exact and tells phases apart; libcurl's spreads the time over the addresses. */
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)transfer->timeouts.connect_ms);
    if (request->method == CF_HTTP_POST) {
        /* As a whole, not through a read callback: it then leaves with its headers, in one
         * piece. */
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body_len > 0 ? request->body : "");
    } else {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
}

void transfer_clear(struct cf_http_transfer *transfer)
{
    curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS, "");    /* the request's was borrowed */
    cf_http_headers_done(&transfer->result.headers);
    cf_buf_done(&transfer->result.body);
    free(transfer->message);
    transfer->curl_message[0] = '\0';
    memset(&transfer->request, 0, sizeof *transfer - offsetof(struct cf_http_transfer, request));
}

/* --- ending --- */

int64_t transfer_due_ms(const struct cf_http_transfer *transfer, enum cf_http_failure *out_failure)
{
    const struct cf_http_timeouts *timeouts = &transfer->timeouts;
    int64_t due_ms = 0;

    switch (transfer->phase) {
    case PHASE_CONNECTING:
        due_ms = transfer->started_ms + timeouts->connect_ms;
        *out_failure = CF_HTTP_CONNECT_TIMEOUT;
        break;
    case PHASE_WAITING:
        due_ms = transfer->sent_ms + timeouts->first_byte_ms;
        *out_failure = CF_HTTP_FIRST_BYTE_TIMEOUT;
        break;
    case PHASE_SENDING:
    case PHASE_READING:
        due_ms = transfer->active_ms + timeouts->idle_ms;
        *out_failure = CF_HTTP_IDLE_TIMEOUT;
        break;
    }
    if (transfer->started_ms + timeouts->total_ms <= due_ms) {
        due_ms = transfer->started_ms + timeouts->total_ms;
        *out_failure = CF_HTTP_TOTAL_TIMEOUT;
    }
    return due_ms;
}

static enum cf_http_failure classify(const struct cf_http_transfer *transfer, CURLcode code)
{
    const struct cf_http_result *result = &transfer->result;
    bool reply_began = transfer->phase == PHASE_READING;

    if (transfer->repeat_refused)
        return CF_HTTP_RESET;

    switch (code) {
    case CURLE_OK:
        return result->status > 0 ? CF_HTTP_OK : CF_HTTP_RESET;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return CF_HTTP_DNS;
    case CURLE_COULDNT_CONNECT:
        return CF_HTTP_REFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        return transfer->phase == PHASE_CONNECTING ? CF_HTTP_CONNECT_TIMEOUT
                                                   : CF_HTTP_TOTAL_TIMEOUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_USE_SSL_FAILED:
        return CF_HTTP_TLS;
    case CURLE_WRITE_ERROR:
        if (transfer->is_stopped)
            return CF_HTTP_STOPPED;
        return cf_buf_ok(&result->body) ? CF_HTTP_GARBAGE : CF_HTTP_TOO_LARGE;
    case CURLE_URL_MALFORMAT:
        return CF_HTTP_BAD_URL;
    case CURLE_UNSUPPORTED_PROTOCOL:    /* also what a reply in HTTP/0.9 is called */
        return transfer->attempts > 0 ? CF_HTTP_GARBAGE : CF_HTTP_BAD_URL;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return CF_HTTP_GARBAGE;
    case CURLE_PARTIAL_FILE:
        return CF_HTTP_CUT;
    case CURLE_PROXY:
        return CF_HTTP_PROXY;
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM: {
        long proxy_status = 0;
        curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
        if (transfer->attempts == 0 && proxy_status >= 300)
            return CF_HTTP_PROXY;
        return reply_began ? CF_HTTP_CUT : CF_HTTP_RESET;
    }
    default:
        return CF_HTTP_OTHER;
    }
}

/* What stands in a message for each failure; "%s" is the host. */
static const char *const phrases[CF_HTTP_FAILURES] = {
    [CF_HTTP_REFUSED]            = "cannot connect to %s",
    [CF_HTTP_DNS]                = "no address is known for %s",
    [CF_HTTP_TLS]                = "no secure connection to %s",
    [CF_HTTP_CONNECT_TIMEOUT]    = "no connection to %s in time",
    [CF_HTTP_FIRST_BYTE_TIMEOUT] = "%s took the request but did not begin to answer in time",
    [CF_HTTP_IDLE_TIMEOUT]       = "the exchange with %s came to a standstill",
    [CF_HTTP_TOTAL_TIMEOUT]      = "the exchange with %s took too long",
    [CF_HTTP_RESET]              = "%s closed the connection without a reply",
    [CF_HTTP_CUT]                = "%s closed the connection in the middle of its reply",
    [CF_HTTP_TOO_LARGE]          = "the reply of %s is too large",
    [CF_HTTP_GARBAGE]            = "%s answered something that is not HTTP",
    [CF_HTTP_PROXY]              = "the proxy refused to connect to %s",
    [CF_HTTP_BAD_URL]            = "%s is not a valid http or https URL",
    [CF_HTTP_CANCELLED]          = "the request to %s was cancelled",
    [CF_HTTP_STOPPED]            = "the reply of %s was read no further",
    [CF_HTTP_OTHER]              = "the request to %s failed",
};

/* The URL itself is not shown: it can carry a password. */
static void describe(struct cf_http_transfer *transfer, const char *detail)
{
    char host[HOST_MAX];
    read_host(transfer->url, host);
    const char *phrase = phrases[transfer->result.failure];
    const char *mark = strstr(phrase, "%s");

    struct cf_buf line;
    cf_buf_init(&line, CF_HTTP_MESSAGE_MAX);
    cf_buf_addf(&line, "%.*s%s%s", (int)(mark - phrase), phrase, host, mark + 2);
    if (detail[0] != '\0')
        cf_buf_addf(&line, ": %s", detail);

    free(transfer->message);
    transfer->message = cf_strdup(cf_buf_str(&line));
    transfer->result.message = transfer->message;
    cf_buf_done(&line);
    for (char *p = transfer->message; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
    }
}

static void finish_result(struct cf_http_transfer *transfer, int64_t now_ms)
{
    struct cf_http_result *result = &transfer->result;
    long status = 0;
    if (transfer->attempts > 0)    /* else it is the last request's, as above */
        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    result->status = (int)status;
    result->any_written = transfer->written > 0 || request_size(transfer) > 0;
    result->timings.total_ms = now_ms - transfer->started_ms;
}

void transfer_conclude(struct cf_http_transfer *transfer, CURLcode code, int64_t now_ms)
{
    struct cf_http_result *result = &transfer->result;
    finish_result(transfer, now_ms);
    result->failure = classify(transfer, code);
    if (result->failure == CF_HTTP_OK)
        return;

    char detail[CURL_ERROR_SIZE] = "";
    if (result->failure == CF_HTTP_TOO_LARGE)
        snprintf(detail, sizeof detail, "over %zu bytes", result->body.max);
    else if (code != CURLE_OK && result->failure != CF_HTTP_BAD_URL && !transfer->repeat_refused)
        snprintf(detail, sizeof detail, "%s", transfer->curl_message[0] != '\0'
                                                  ? transfer->curl_message
                                                  : curl_easy_strerror(code));
    describe(transfer, detail);
}

void transfer_give_up(struct cf_http_transfer *transfer, enum cf_http_failure failure,
                      int64_t now_ms)
{
    finish_result(transfer, now_ms);
    transfer->result.failure = failure;
    int64_t limit_ms = failure == CF_HTTP_CONNECT_TIMEOUT    ? transfer->timeouts.connect_ms
                     : failure == CF_HTTP_FIRST_BYTE_TIMEOUT ? transfer->timeouts.first_byte_ms
                     : failure == CF_HTTP_IDLE_TIMEOUT       ? transfer->timeouts.idle_ms
                     : failure == CF_HTTP_TOTAL_TIMEOUT      ? transfer->timeouts.total_ms
                                                             : -1;
    char detail[48] = "";
    if (limit_ms >= 0)
        snprintf(detail, sizeof detail, "the limit is %" PRId64 " ms", limit_ms);
    describe(transfer, detail);
}
