#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "confab/clock.h"
#include "confab/error.h"
#include "confab/rng.h"
#include "simulator/request.h"
#include "simulator/server.h"

#define LANES_MAX     1024    /* more classes of models than there are; the last one is shared */
#define FAULT_RETRY_S 1       /* what a made-up 429 asks for */

static const char *reason_of(int status)
{
    switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 413: return "Payload Too Large";
    case 429: return "Too Many Requests";
    case 500: return "Internal Server Error";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default:  return "Error";
    }
}

static int64_t now_of(const struct cf_simulator *sim)
{
    return cf_loop_now(sim->loop);
}

/* --- lanes --- */

static uint64_t mix(uint64_t hash, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* Models share limits as the provider groups them: Opus 4.x, Sonnet 4.x, each other by its name
 * without the date. */
static size_t class_len(const char *model)
{
    size_t len = strlen(model);
    if (strncmp(model, "claude-opus-4", 13) == 0)
        return 13;
    if (strncmp(model, "claude-sonnet-4", 15) == 0)
        return 15;
    if (len > 9 && model[len - 9] == '-' && strspn(model + len - 8, "0123456789") == 8)
        return len - 9;
    return len;
}

static struct cf_sim_lane *find_lane(struct cf_simulator *sim, const char *model, const char *key)
{
    uint64_t id = mix(UINT64_C(0xcbf29ce484222325), model, class_len(model));
    if (sim->spec.org_by_key)
        id = mix(id, key, strlen(key));
    for (size_t i = 0; i < sim->lane_count; i++)
        if (sim->lanes[i]->id == id)
            return sim->lanes[i];
    if (sim->lane_count == LANES_MAX)
        return sim->lanes[LANES_MAX - 1];

    struct cf_sim_lane *lane = cf_calloc(1, sizeof *lane);
    lane->id = id;
    cf_sim_lane_init(lane, &sim->spec, now_of(sim));
    sim->lanes = cf_realloc(sim->lanes, (sim->lane_count + 1) * sizeof *sim->lanes);
    sim->lanes[sim->lane_count++] = lane;
    return lane;
}

void cf_sim_answer_change_limits(void *self)
{
    struct cf_simulator *sim = self;
    int64_t elapsed = now_of(sim) - sim->start_ms, next = INT64_MAX;

    for (size_t i = 0; i < sim->spec.changes; i++) {
        struct cf_sim_change *change = &sim->spec.change[i];
        if (change->at_ms < 0)
            continue;                    /* in force already */
        if (change->at_ms > elapsed) {
            next = change->at_ms < next ? change->at_ms : next;
            continue;
        }
        change->at_ms = -1;
        sim->spec.limit[change->resource] = change->limit;
        for (size_t lane = 0; lane < sim->lane_count; lane++)
            cf_sim_lane_set(sim->lanes[lane], &sim->spec, change->resource, change->limit,
                            now_of(sim));
    }
    if (next < INT64_MAX)
        cf_loop_set_timer(sim->loop, &sim->change, sim->start_ms + next);
}

/* --- the log --- */

static void log_arrival(struct cf_sim_conn *conn, const uint8_t digest[CF_SHA256_SIZE],
                        unsigned attempt, const char *model)
{
    struct cf_simulator *sim = conn->sim;
    char sha[2 * CF_SHA256_SIZE + 1], key[17];
    uint8_t key_digest[CF_SHA256_SIZE];
    if (!sim->log.is_open)
        return;
    cf_hex(digest, CF_SHA256_SIZE, sha);
    cf_sha256(conn->http.key, strlen(conn->http.key), key_digest);
    cf_hex(key_digest, 8, key);          /* tells keys apart, gives none away */
    cf_buf_addf(&sim->log.lines,
                "{\"event\":\"arrival\",\"n\":%llu,\"t_ms\":%lld,\"sha256\":\"%s\","
                "\"attempt\":%u,\"key\":\"%s\",\"model\":",
                (unsigned long long)conn->number, (long long)(now_of(sim) - sim->start_ms), sha,
                attempt, conn->http.key[0] == '\0' ? "" : key);
    cf_json_add_string(&sim->log.lines, model, strlen(model));
    cf_buf_adds(&sim->log.lines, "}\n");
}

void cf_sim_answer_end(struct cf_sim_conn *conn, bool delivered_whole)
{
    struct cf_simulator *sim = conn->sim;
    const struct cf_sim_reply *reply = &conn->reply;
    if (!conn->is_message)
        return;
    conn->is_message = false;
    sim->counters.in_flight--;

    if (delivered_whole && reply->status == 200)
        sim->counters.replies++;
    if (delivered_whole && reply->usage[0] != '\0') {
        sim->counters.input_tokens += (uint64_t)reply->input_tokens;
        sim->counters.output_tokens += (uint64_t)reply->output_tokens;
        sim->counters.cache_read_tokens += (uint64_t)reply->cache_read_tokens;
        sim->counters.cache_write_tokens += (uint64_t)reply->cache_write_tokens;
    }
    if (!sim->log.is_open)
        return;
    bool has_status = conn->fault == NULL || (conn->fault->kind != CF_SIM_FAULT_SILENT
                                              && conn->fault->kind != CF_SIM_FAULT_RESET);
    cf_buf_addf(&sim->log.lines,
                "{\"event\":\"end\",\"n\":%llu,\"t_ms\":%lld,\"status\":%d,\"fault\":",
                (unsigned long long)conn->number, (long long)(now_of(sim) - sim->start_ms),
                has_status ? reply->status : 0);
    if (conn->fault == NULL)
        cf_buf_adds(&sim->log.lines, "null");
    else
        cf_buf_addf(&sim->log.lines, "\"%s\"", cf_sim_fault_name(conn->fault->kind));
    cf_buf_addf(&sim->log.lines, ",\"delivered_whole\":%s,\"request_id\":\"%s\",\"usage\":%s}\n",
                delivered_whole ? "true" : "false", conn->request_id,
                reply->usage[0] == '\0' ? "null" : reply->usage);
}

/* --- the head of a reply --- */

static const char *date_of(struct cf_simulator *sim, int64_t unix_ms)
{
    if (sim->date_s != unix_ms / 1000) {
        time_t second = (time_t)(unix_ms / 1000);
        struct tm tm;
        gmtime_r(&second, &tm);
        sim->date_s = unix_ms / 1000;
        strftime(sim->date, sizeof sim->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    }
    return sim->date;
}

void cf_sim_answer_add_head(struct cf_sim_conn *conn, struct cf_buf *out)
{
    struct cf_simulator *sim = conn->sim;
    struct cf_sim_reply *reply = &conn->reply;
    int64_t unix_ms = cf_unix_ms(sim->clock);

    cf_buf_addf(out, "HTTP/1.1 %d %s\r\ndate: %s\r\ncontent-type: %s\r\nrequest-id: %s\r\n",
                reply->status, reason_of(reply->status), date_of(sim, unix_ms), reply->type,
                conn->request_id);
    if (reply->is_chunked)
        cf_buf_adds(out, "transfer-encoding: chunked\r\n");
    else
        cf_buf_addf(out, "content-length: %zu\r\n", reply->body.len);
    if (conn->org[0] != '\0')
        cf_buf_addf(out, "anthropic-organization-id: %s\r\n", conn->org);
    if (conn->retry_after_s > 0)
        cf_buf_addf(out, "retry-after: %lld\r\n", (long long)conn->retry_after_s);
    if (conn->lane != NULL) {
        if (conn->input_estimate > 0)
            cf_sim_lane_settle(conn->lane, now_of(sim), conn->input_estimate,
                               reply->input_tokens + reply->cache_write_tokens,
                               reply->output_tokens);
        if (sim->spec.has_headers)
            cf_sim_lane_add_headers(conn->lane, now_of(sim), unix_ms, out);
    }
    if (!conn->http.keep_alive)
        cf_buf_adds(out, "connection: close\r\n");
    cf_buf_adds(out, "\r\n");
}

/* --- answering --- */

static bool send_error(struct cf_sim_conn *conn, int status, const char *message)
{
    if (conn->is_message)
        conn->sim->counters.rejected++;
    cf_sim_reply_error(status, message, conn->request_id, &conn->reply);
    return cf_sim_conn_send(conn, 0);
}

static struct cf_buf *start_json(struct cf_sim_conn *conn)
{
    conn->reply = (struct cf_sim_reply){ .status = 200, .type = "application/json" };
    cf_buf_init(&conn->reply.body, CF_SIM_REPLY_MAX);
    return &conn->reply.body;
}

/* NULL, or what is wrong with the credentials. */
static const char *check_key(const struct cf_sim_conn *conn)
{
    if (conn->http.key[0] == '\0')
        return conn->http.has_bearer ? "both x-api-key and authorization were sent"
                                     : "x-api-key header is required";
    if (conn->sim->api_key != NULL && strcmp(conn->http.key, conn->sim->api_key) != 0)
        return "invalid x-api-key";
    return NULL;
}

static void name_org(struct cf_sim_conn *conn)
{
    unsigned long long id = conn->sim->spec.org_by_key
                                ? (unsigned long long)mix(UINT64_C(0xcbf29ce484222325),
                                                          conn->http.key, strlen(conn->http.key))
                                : 0;
    snprintf(conn->org, sizeof conn->org, "00000000-0000-4000-8000-%012llx",
             id & 0xffffffffffffULL);
}

/* "1,000,000" */
static void format_thousands(int64_t value, char out[32])
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%lld", (long long)value), at = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
}

static bool send_refusal(struct cf_sim_conn *conn, enum cf_sim_resource resource, int64_t wait_ms)
{
    static const char *const names[] = { "requests", "input tokens", "output tokens" };
    char limit[32], message[200];
    format_thousands(conn->lane->bucket[resource].limit, limit);
    snprintf(message, sizeof message,
             "This request would exceed the rate limit of %s %s per minute "
             "for your organization",
             limit, names[resource]);
    conn->sim->counters.refused++;
    conn->retry_after_s = (wait_ms + 999) / 1000;
    cf_sim_reply_error(429, message, conn->request_id, &conn->reply);
    return cf_sim_conn_send(conn, 0);
}

/* A good request: limits, then faults, then the reply. */
static bool answer_request(struct cf_sim_conn *conn, const struct cf_sim_request *request,
                           uint64_t hash, unsigned attempt)
{
    struct cf_simulator *sim = conn->sim;
    enum cf_sim_resource resource = CF_SIM_REQUESTS;
    int64_t wait_ms = 0;
    struct cf_rng rng;

    name_org(conn);
    conn->lane = find_lane(sim, request->model, conn->http.key);
    if (!cf_sim_lane_admit(conn->lane, now_of(sim), request->input_tokens, &resource, &wait_ms))
        return send_refusal(conn, resource, wait_ms);
    conn->input_estimate = request->input_tokens;

    /* Drawn by body and attempt, so that the order of arrival does not matter. */
    cf_rng_seed(&rng, hash + sim->spec.seed * UINT64_C(0x9e3779b97f4a7c15)
                      + attempt * UINT64_C(0xd1342543de82ef95));
    int64_t latency_ms = cf_sim_spec_latency(&sim->spec, &rng);
    conn->fault = cf_sim_faults_pick(&sim->spec.faults, (int64_t)conn->number,
                                     now_of(sim) - sim->start_ms, &rng);
    if (conn->fault != NULL)
        sim->counters.faults[conn->fault->kind]++;
    if (conn->fault != NULL && cf_sim_fault_status(conn->fault->kind) != 0) {
        cf_sim_reply_fault(conn->fault->kind, conn->request_id, &conn->reply);
        if (conn->fault->kind == CF_SIM_FAULT_429)
            conn->retry_after_s = FAULT_RETRY_S;
    } else {
        cf_sim_reply_make(&sim->spec, request, hash, conn->fault, &conn->reply);
    }
    return cf_sim_conn_send(conn, latency_ms);
}

static bool answer_message(struct cf_sim_conn *conn)
{
    struct cf_simulator *sim = conn->sim;
    const char *body = conn->in.data + conn->http.body_at;
    size_t len = conn->http.body_len;
    struct cf_sim_request request;
    struct cf_error err;
    uint8_t digest[CF_SHA256_SIZE];
    uint64_t hash = 0;

    cf_sha256(body, len, digest);
    for (int i = 0; i < 8; i++)
        hash = hash << 8 | digest[i];
    conn->is_message = true;
    conn->number = ++sim->counters.requests;
    if (++sim->counters.in_flight > sim->counters.peak_in_flight)
        sim->counters.peak_in_flight = sim->counters.in_flight;
    cf_sim_window_add(&sim->window, now_of(sim));
    unsigned attempt = sim->spec.faults.has_chance || sim->log.is_open
                           ? cf_sim_repeats_add(&sim->repeats, hash) : 1;

    bool is_good = cf_sim_request_read(body, len, &request, &err);
    log_arrival(conn, digest, attempt, request.model != NULL ? request.model : "");
    const char *wrong_key = check_key(conn);
    bool alive;
    if (wrong_key != NULL)
        alive = send_error(conn, 401, wrong_key);
    else if (!conn->http.has_version)
        alive = send_error(conn, 400, "anthropic-version: header is required");
    else if (!is_good)
        alive = send_error(conn, err.http_status, err.message);
    else
        alive = answer_request(conn, &request, hash, attempt);
    cf_sim_request_done(&request);
    return alive;
}

static bool answer_count(struct cf_sim_conn *conn)
{
    cf_buf_addf(start_json(conn), "{\"input_tokens\":%lld}",
                (long long)cf_sim_tokens(conn->http.body_len));
    return cf_sim_conn_send(conn, 0);
}

static bool answer_models(struct cf_sim_conn *conn)
{
    name_org(conn);
    cf_sim_reply_add_models(start_json(conn));
    return cf_sim_conn_send(conn, 0);
}

static bool answer_stats(struct cf_sim_conn *conn)
{
    struct cf_simulator_counters counters;
    cf_simulator_counters(conn->sim, &counters);
    cf_sim_log_flush(&conn->sim->log);
    cf_simulator_format_json(&counters, start_json(conn));
    return cf_sim_conn_send(conn, 0);
}

bool cf_sim_answer(struct cf_sim_conn *conn, int refusal_status)
{
    static const struct {
        const char *method, *path;
        bool needs_key;
        bool (*answer)(struct cf_sim_conn *conn);
    } routes[] = {
        { "POST", "/messages", false, answer_message },      /* has a log of its own for bad keys */
        { "POST", "/messages/count_tokens", true, answer_count },
        { "GET", "/models", true, answer_models },
        { "GET", "/__stats", false, answer_stats },
    };
    const char *path = conn->http.path;
    bool is_path = false;

    conn->is_message = false;
    conn->lane = NULL;
    conn->fault = NULL;
    conn->input_estimate = conn->retry_after_s = 0;
    conn->org[0] = '\0';
    snprintf(conn->request_id, sizeof conn->request_id, "req_011Sim%04llx%012llu",
             (unsigned long long)(conn->sim->spec.seed & 0xffff),
             (unsigned long long)conn->sim->counters.requests + 1);
    if (refusal_status != 0)
        return send_error(conn, refusal_status, NULL);

    if (strncmp(path, "/v1/", 4) == 0)
        path += 3;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (strcmp(path, routes[i].path) != 0)
            continue;
        is_path = true;
        if (strcmp(conn->http.method, routes[i].method) != 0)
            continue;
        const char *wrong_key = routes[i].needs_key ? check_key(conn) : NULL;
        return wrong_key != NULL ? send_error(conn, 401, wrong_key) : routes[i].answer(conn);
    }
    return send_error(conn, is_path ? 405 : 404, NULL);
}
