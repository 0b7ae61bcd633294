#include "server/request.h"

#include <stdlib.h>
#include <string.h>

#include <civetweb.h>
#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/mem.h"
#include "confab/error.h"
#include "server/batch_body.h"
#include "server/connection.h"
#include "server/deadlines.h"
#include "server/respond.h"
#include "server/router.h"
#include "server/server.h"

#define PIECE_BYTES 16384

const char *cf_request_header(const struct cf_http_exchange *exchange, const char *name)
{
    return mg_get_header(exchange->connection, name);
}

/* If-None-Match lists tags; ours are long enough to stand in no other. */
bool cf_request_has(const struct cf_http_exchange *exchange, const char *etag)
{
    const char *known = cf_request_header(exchange, "If-None-Match");
    return known != NULL && (strcmp(known, "*") == 0 || strstr(known, etag) != NULL);
}

const char *cf_request_query(const struct cf_http_exchange *exchange, const char *name)
{
    for (size_t i = exchange->query_count; i-- > 0;)
        if (strcmp(exchange->query[i].name, name) == 0)
            return exchange->query[i].value;
    return NULL;
}

static bool refuse(struct cf_http_exchange *exchange, int status, const char *message)
{
    exchange->has_unread_body = true;    /* whatever follows is not to be read as a request */
    cf_respond_fail(exchange, status, "%s", message);
    return false;
}

/* --- headers --- */

static size_t count_header(const struct cf_http_exchange *exchange, const char *name)
{
    size_t count = 0;
    for (int i = 0; i < exchange->info->num_headers; i++)
        count += mg_strcasecmp(exchange->info->http_headers[i].name, name) == 0;
    return count;
}

/* The library stops reading headers at a line without a name, such as a folded one, and goes on
 * as if there were no more. It cuts lines by NULs in place, so what comes after the last one
 * that it found can be looked at: it must be the empty line. */
static bool is_all_read(const struct mg_request_info *info)
{
    if (info->num_headers == 0)
        return true;
    const char *at = info->http_headers[info->num_headers - 1].value;
    at += strlen(at);
    for (int cut = 0; cut < 2 && *at == '\0'; cut++)
        at++;
    return *at == '\r' || *at == '\n';
}

static bool check_framing(struct cf_http_exchange *exchange)
{
    const char *length = cf_request_header(exchange, "Content-Length");
    const char *coding = cf_request_header(exchange, "Transfer-Encoding");
    exchange->has_unread_body = coding != NULL || (length != NULL && strcmp(length, "0") != 0);

    if (exchange->info->num_headers >= MG_MAX_HEADERS)
        return refuse(exchange, 431, "too many headers");
    if (!is_all_read(exchange->info))
        return refuse(exchange, 400, "a header line has no name");
    if (count_header(exchange, "Content-Length") > 1 ||
        count_header(exchange, "Transfer-Encoding") > 1)
        return refuse(exchange, 400, "the length of the body is given twice");
    if (length != NULL && coding != NULL)
        return refuse(exchange, 400, "Content-Length and Transfer-Encoding exclude each other");
    if (length != NULL && (*length == '\0' || length[strspn(length, "0123456789")] != '\0'))
        return refuse(exchange, 400, "Content-Length is not a number");
    if (coding != NULL && mg_strcasecmp(coding, "chunked") != 0)
        return refuse(exchange, 501, "Transfer-Encoding must be chunked");
    if (coding != NULL && strcmp(exchange->info->http_version, "1.1") != 0)
        return refuse(exchange, 400, "Transfer-Encoding needs HTTP/1.1");
    const char *expect = cf_request_header(exchange, "Expect");
    if (expect != NULL && mg_strcasecmp(expect, "100-continue") != 0)
        return refuse(exchange, 417, "Expect must be 100-continue");
    return true;
}

/* --- who asks --- */

/* Whether "host:port" or "host" names this host. */
static bool is_host(const char *authority, const char *name)
{
    size_t len = strlen(name);
    return mg_strncasecmp(authority, name, len) == 0 &&
           (authority[len] == '\0' || authority[len] == ':');
}

static bool is_authority(const char *text)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~[]:%";
    return *text != '\0' && text[strspn(text, letters)] == '\0';
}

/* A page whose name its owner has pointed at this machine (DNS rebinding) is told by Host. On
 * another address than loopback the token, which such a page does not have, stands against it. */
static bool is_our_host(const struct cf_server_options *options, const char *host)
{
    static const char *const loopback[] = { "127.0.0.1", "localhost", "[::1]" };
    for (size_t i = 0; i < sizeof loopback / sizeof *loopback; i++)
        if (is_host(host, loopback[i]))
            return true;
    if (is_host(host, options->address))
        return true;
    for (size_t i = 0; options->hosts != NULL && options->hosts[i] != NULL; i++)
        if (is_host(host, options->hosts[i]))
            return true;
    return options->hosts == NULL && strncmp(options->address, "127.", 4) != 0;
}

static bool check_host(struct cf_http_exchange *exchange)
{
    const char *host = cf_request_header(exchange, "Host");
    if (count_header(exchange, "Host") > 1)
        return refuse(exchange, 400, "Host is given twice");
    if (host == NULL && strcmp(exchange->info->http_version, "1.1") == 0)
        return refuse(exchange, 400, "Host is missing");
    if (host == NULL)
        return true;
    if (!is_authority(host))
        return refuse(exchange, 400, "Host is not the name of a host");
    if (!is_our_host(cf_server_options(exchange->server), host))
        return refuse(exchange, 403, "this server does not answer under the name in Host");
    return true;
}

/* Whether the origin is the host that was asked, whichever scheme a proxy before us speaks. */
static bool is_same_origin(const char *origin, const char *host)
{
    const char *authority = strstr(origin, "://");
    return authority != NULL && host != NULL && mg_strcasecmp(authority + 3, host) == 0 &&
           (mg_strncasecmp(origin, "http:", 5) == 0 || mg_strncasecmp(origin, "https:", 6) == 0);
}

/* A browser says where a request comes from. Following a link to the page is fine from anywhere. */
static bool check_origin(struct cf_http_exchange *exchange)
{
    const char *origin = cf_request_header(exchange, "Origin");
    const char *site = cf_request_header(exchange, "Sec-Fetch-Site");
    const char *mode = cf_request_header(exchange, "Sec-Fetch-Mode");
    bool is_api = exchange->segment_count > 0 && strcmp(exchange->segments[0], "api") == 0;

    if (origin != NULL && !is_same_origin(origin, cf_request_header(exchange, "Host")))
        return refuse(exchange, 403, "requests from other origins are refused");
    bool is_ours = site == NULL || strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0;
    bool is_link = mode != NULL && strcmp(mode, "navigate") == 0 && !is_api &&
                   strcmp(exchange->method, "GET") == 0;
    if (!is_ours && !is_link)
        return refuse(exchange, 403, "requests from other sites are refused");
    return true;
}

/* --- the path and the query --- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes %XX (and '+' if it is a query) in place. False: not well formed, NUL, or no UTF-8. */
static bool decode(char *text, bool is_query)
{
    char *out = text;
    for (const char *in = text; *in != '\0'; in++) {
        char c = *in;
        if (c == '%') {
            int high = hex_digit(in[1]), low = high < 0 ? -1 : hex_digit(in[2]);
            if (low < 0 || (high == 0 && low == 0))
                return false;
            c = (char)(high << 4 | low);
            in += 2;
        } else if (c == '+' && is_query) {
            c = ' ';
        }
        *out++ = c;
    }
    *out = '\0';
    size_t len = (size_t)(out - text);
    return cf_utf8_valid_prefix(text, len) == len;
}

/* Takes the text before the next separator (or the end) off *at; NULL at the end. */
static char *cut(char **at, char separator)
{
    char *begin = *at;
    if (begin == NULL)
        return NULL;
    *at = strchr(begin, separator);
    if (*at != NULL)
        *(*at)++ = '\0';
    return begin;
}

static bool cut_path(struct cf_http_exchange *exchange, char *path)
{
    if (*path != '/')
        return refuse(exchange, 400, "the path must begin with a slash");
    char *rest = path + 1, *segment;
    if (*rest == '\0')
        return true;
    while ((segment = cut(&rest, '/')) != NULL) {
        if (!decode(segment, false))
            return refuse(exchange, 400, "the path is not percent-encoded UTF-8");
        if (*segment == '\0' || strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0)
            return refuse(exchange, 400, "the path has an empty segment, \".\" or \"..\"");
        if (exchange->segment_count == CF_HTTP_SEGMENTS_MAX)
            return refuse(exchange, 404, "there is nothing at this path");
        exchange->segments[exchange->segment_count++] = segment;
    }
    return true;
}

static bool cut_query(struct cf_http_exchange *exchange, char *query)
{
    char *rest = query, *pair;
    while ((pair = cut(&rest, '&')) != NULL) {
        char *value = pair, *name = cut(&value, '=');
        if (*pair == '\0' && value == NULL)
            continue;
        if (exchange->query_count == CF_HTTP_QUERY_MAX)
            return refuse(exchange, 400, "too many parameters in the query");
        if (value == NULL)
            value = name + strlen(name);
        if (!decode(name, true) || !decode(value, true))
            return refuse(exchange, 400, "the query is not percent-encoded UTF-8");
        exchange->query[exchange->query_count++] = (struct cf_http_parameter){ name, value };
    }
    return true;
}

static bool check_uri(struct cf_http_exchange *exchange)
{
    const char *path = exchange->info->local_uri_raw;
    const char *query = exchange->info->query_string != NULL ? exchange->info->query_string : "";
    if (path == NULL)
        return refuse(exchange, 400, "the request must name a path");
    size_t path_len = strlen(path), query_len = strlen(query);
    if (path_len + query_len > CF_HTTP_URI_MAX)
        return refuse(exchange, 414, "path and query are too long");

    exchange->text = cf_malloc(path_len + query_len + 2);
    char *own_query = exchange->text + path_len + 1;
    memcpy(exchange->text, path, path_len + 1);
    memcpy(own_query, query, query_len + 1);
    return cut_path(exchange, exchange->text) && cut_query(exchange, own_query);
}

bool cf_request_begin(struct cf_http_exchange *exchange, struct cf_server *server,
                      struct mg_connection *connection)
{
    *exchange = (struct cf_http_exchange){
        .connection = connection,
        .server = server,
        .info = mg_get_request_info(connection),
    };
    cf_buf_init(&exchange->headers, 4096);
    exchange->is_head = strcmp(exchange->info->request_method, "HEAD") == 0;
    exchange->method = exchange->is_head ? "GET" : exchange->info->request_method;
    return check_framing(exchange) && check_uri(exchange) && check_host(exchange) &&
           check_origin(exchange);
}

void cf_request_done(struct cf_http_exchange *exchange)
{
    cJSON_Delete(exchange->json);
    cf_batch_body_free(exchange->batch);
    cf_buf_done(&exchange->body);
    cf_buf_done(&exchange->headers);
    free(exchange->text);
}

/* --- the body --- */

/* "application/json", with charset=utf-8 or nothing behind it. A form's types, which other sites
 * may send without asking first, are none of these. */
static bool is_json_type(const char *type)
{
    static const char json[] = "application/json";
    if (type == NULL || mg_strncasecmp(type, json, sizeof json - 1) != 0)
        return false;
    const char *rest = type + sizeof json - 1;
    rest += strspn(rest, " \t");
    if (*rest == '\0')
        return true;
    if (*rest++ != ';')
        return false;
    rest += strspn(rest, " \t");
    return mg_strcasecmp(rest, "charset=utf-8") == 0 ||
           mg_strcasecmp(rest, "charset=\"utf-8\"") == 0;
}

static bool check_body_headers(struct cf_http_exchange *exchange, size_t max)
{
    const char *length = cf_request_header(exchange, "Content-Length");
    const char *encoding = cf_request_header(exchange, "Content-Encoding");
    if (length == NULL && cf_request_header(exchange, "Transfer-Encoding") == NULL)
        return refuse(exchange, 411, "the length of the body is missing");
    if (!is_json_type(cf_request_header(exchange, "Content-Type")))
        return refuse(exchange, 415, "the body must be application/json");
    if (encoding != NULL && mg_strcasecmp(encoding, "identity") != 0)
        return refuse(exchange, 415, "the body must not be compressed");
    if (length != NULL && (strlen(length) > 15 || strtoull(length, NULL, 10) > max))
        return refuse(exchange, 413, "the body is too large");
    return true;
}

/* What comes of the body, and how it ended. */
struct arrival {
    size_t expected, len;                  /* SIZE_MAX: chunked */
    int got;                               /* of the last read */
    bool is_taken;
    struct cf_error err;                   /* why not */
};

static bool take(struct cf_http_exchange *exchange, const char *bytes, size_t len,
                 struct cf_error *err)
{
    if (exchange->batch != NULL)
        return cf_batch_body_push(exchange->batch, bytes, len, err);
    cf_buf_add(&exchange->body, bytes, len);
    return true;
}

/* What is wrong is read to its end as well: who is still sending would not see the answer. */
static void read_pieces(struct cf_http_exchange *exchange, size_t max, struct arrival *arrival)
{
    char piece[PIECE_BYTES];
    while (arrival->len < arrival->expected && arrival->len <= max) {
        size_t rest = arrival->expected - arrival->len;
        arrival->got =
            mg_read(exchange->connection, piece, rest < sizeof piece ? rest : sizeof piece);
        if (arrival->got <= 0)
            break;
        arrival->len += (size_t)arrival->got;
        arrival->is_taken = arrival->is_taken &&
                            take(exchange, piece, (size_t)arrival->got, &arrival->err);
    }
}

static bool refuse_json(struct cf_http_exchange *exchange, const struct cf_error *err)
{
    exchange->has_unread_body = true;
    if (err->kind == CF_ERR_PARSE)
        cf_respond_fail(exchange, 400, "the body is not JSON: %s", err->message);
    else if (err->kind == CF_ERR_VALIDATION)
        cf_respond_fail(exchange, 413, "%s", err->message);
    else
        cf_respond_error(exchange, err);
    return false;
}

static bool read_all(struct cf_http_exchange *exchange, size_t max)
{
    struct cf_deadlines *deadlines = cf_server_deadlines(exchange->server);
    struct cf_deadline deadline;
    const char *length = cf_request_header(exchange, "Content-Length");
    struct arrival arrival = {
        .expected = length != NULL ? strtoull(length, NULL, 10) : SIZE_MAX, .is_taken = true,
    };

    cf_buf_init(&exchange->body, max);
    cf_deadline_set(deadlines, &deadline, cf_connection_fd(exchange->connection),
                    cf_server_options(exchange->server)->body_ms);
    read_pieces(exchange, max, &arrival);
    bool is_late = cf_deadline_lift(deadlines, &deadline);

    if (!arrival.is_taken)
        return refuse_json(exchange, &arrival.err);
    if (arrival.len > max)
        return refuse(exchange, 413, "the body is too large");
    bool is_whole = arrival.got >= 0 && (length == NULL || arrival.len == arrival.expected);
    if (is_late && (length == NULL || !is_whole))
        return refuse(exchange, 408, "the body took too long");
    return is_whole || refuse(exchange, 400, "the body ended early");
}

/* The file of a batch lies beside the database: /tmp may be memory. */
static bool open_batch(struct cf_http_exchange *exchange)
{
    struct cf_error err;
    const char *path = cf_server_options(exchange->server)->db_path, *end = strrchr(path, '/');
    char *folder = end == NULL ? cf_strdup(".") : cf_memdup(path, (size_t)(end - path) + 1);
    if (end != NULL)
        folder[end - path] = '\0';
    bool ok = cf_batch_body_open(end == path ? "/" : folder, &exchange->batch, &err);
    free(folder);
    if (!ok)
        refuse_json(exchange, &err);
    return ok;
}

/* All has come; the envelope is what is looked at like any other body. */
static bool end_batch(struct cf_http_exchange *exchange)
{
    struct cf_error err;
    if (!cf_batch_body_end(exchange->batch, &err))
        return refuse_json(exchange, &err);
    struct cf_text envelope = cf_batch_body_envelope(exchange->batch);
    cf_buf_add(&exchange->body, envelope.data, envelope.len);
    return true;
}

bool cf_request_read_body(struct cf_http_exchange *exchange)
{
    struct cf_error err;
    size_t max = exchange->route->body_max;
    if (max == 0)
        return !exchange->has_unread_body || refuse(exchange, 400, "this path takes no body");
    if (!check_body_headers(exchange, max))
        return false;
    if (cf_request_header(exchange, "Expect") != NULL) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        mg_write(exchange->connection, go_on, sizeof go_on - 1);
    }
    if ((exchange->route->is_batch && !open_batch(exchange)) || !read_all(exchange, max))
        return false;
    exchange->has_unread_body = false;
    if (exchange->batch != NULL && !end_batch(exchange))
        return false;

    if (exchange->body.len == 0) {
        cf_respond_fail(exchange, 400, "the body must be JSON");
        return false;
    }
    if (!cf_json_parse(exchange->body.data, exchange->body.len, NULL, &exchange->json, &err)) {
        cf_respond_fail(exchange, 400, "the body is not JSON: %s", err.message);
        return false;
    }
    return true;
}
