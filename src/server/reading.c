#include "server/reading.h"

#include <stdlib.h>
#include <time.h>

#include <civetweb.h>

#include "base/mem.h"
#include "base/object.h"
#include "confab/clock.h"
#include "server/answers.h"
#include "server/readers.h"
#include "server/request.h"
#include "server/respond.h"
#include "server/server.h"
#include "store/reader.h"

/* Takes a connection and calls make; its json is complete then, if it is to be answered with. */
static int read_all(struct cf_reading *reading, int (*make)(struct cf_reading *reading))
{
    struct cf_readers *readers = cf_server_readers(reading->server);
    reading->params = (struct cf_params){ reading->exchange, &reading->problems };
    cf_problems_init(&reading->problems);
    cf_buf_init(&reading->json, CF_OBJECT_MAX);
    cf_respond_open(&reading->json);
    int made =
        cf_readers_take(readers, &reading->reader, &reading->err) ? make(reading) : -1;
    cf_readers_give(readers, reading->reader);
    cf_object_close(&reading->json);
    return made;
}

static void respond(struct cf_reading *reading, const char *what, int made)
{
    struct cf_http_exchange *exchange = reading->exchange;
    if (made < 0)
        cf_respond_error(exchange, &reading->err);
    else if (made == 0)
        cf_respond_fail(exchange, 404, "there is no such %s", what);
    else if (reading->problems.count > 0)
        cf_respond_problems(exchange, &reading->problems);
    else
        cf_respond_json(exchange, 200, &reading->json);
}

static void done(struct cf_reading *reading)
{
    cf_buf_done(&reading->json);
    cf_problems_done(&reading->problems);
}

static struct cf_reading reading_of(struct cf_http_exchange *exchange, struct cf_server *server)
{
    return (struct cf_reading){
        .exchange = exchange,
        .server = server,
        .unix_ms = cf_unix_ms(cf_server_clock(server)),
    };
}

void cf_reading_answer(struct cf_http_exchange *exchange, struct cf_server *server,
                       const char *what, int (*make)(struct cf_reading *reading))
{
    struct cf_reading reading = reading_of(exchange, server);
    int made = read_all(&reading, make);
    respond(&reading, what, made);
    done(&reading);
}

/* --- answers that are kept --- */

static int64_t cpu_us(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

/* Path and query as they were sent. */
static char *request_of(const struct mg_request_info *info)
{
    struct cf_buf text;
    size_t len;
    cf_buf_init(&text, 2 * CF_HTTP_URI_MAX);
    cf_buf_addf(&text, "%s?%s", info->local_uri_raw,
                info->query_string != NULL ? info->query_string : "");
    return cf_buf_take(&text, &len);
}

/* Reads the answer and keeps it; gives what make gave. */
static int read_and_keep(struct cf_reading *reading, const char *request,
                         const struct cf_answer_base *base,
                         int (*make)(struct cf_reading *reading))
{
    int64_t begun_us = cpu_us();
    int made = read_all(reading, make);
    bool is_answer = made > 0 && reading->problems.count == 0;
    cf_answers_made(cf_server_answers(reading->server), request, base, cpu_us() - begun_us,
                    is_answer ? &reading->json : NULL);
    return made;
}

/* What is left of a request that was answered, for its answer to be made anew. */
struct later {
    struct cf_http_exchange exchange;    /* its id and query only, owned */
    struct cf_server *server;
    char *request;                       /* owned */
    struct cf_answer_base base;
    int (*make)(struct cf_reading *reading);
};

static void make_later(void *self, bool is_wanted)
{
    struct later *later = self;
    if (is_wanted) {
        struct cf_reading reading = reading_of(&later->exchange, later->server);
        read_and_keep(&reading, later->request, &later->base, later->make);
        done(&reading);
    }
    for (size_t i = 0; i < later->exchange.query_count; i++) {
        free((char *)later->exchange.query[i].name);
        free((char *)later->exchange.query[i].value);
    }
    free((char *)later->exchange.id);
    free(later->request);
    free(later);
}

static void have_made_later(const struct cf_http_exchange *exchange, struct cf_server *server,
                            const char *request, const struct cf_answer_base *base,
                            int (*make)(struct cf_reading *reading))
{
    struct later *later = cf_calloc(1, sizeof *later);
    later->server = server;
    later->request = cf_strdup(request);
    later->base = *base;
    later->make = make;
    later->exchange.id = exchange->id != NULL ? cf_strdup(exchange->id) : NULL;
    later->exchange.query_count = exchange->query_count;
    for (size_t i = 0; i < exchange->query_count; i++)
        later->exchange.query[i] = (struct cf_http_parameter){
            cf_strdup(exchange->query[i].name), cf_strdup(exchange->query[i].value)
        };
    cf_answers_make_later(cf_server_answers(server), make_later, later);
}

void cf_reading_answer_kept(struct cf_http_exchange *exchange, struct cf_server *server,
                            const char *what, int (*make)(struct cf_reading *reading))
{
    char *request = request_of(exchange->info);
    struct cf_answer_base base;
    struct cf_buf old;
    cf_buf_init(&old, CF_OBJECT_MAX);
    enum cf_answer_found found =
        cf_answers_find(cf_server_answers(server), request, &old, &base);
    if (found == CF_ANSWER_NONE) {
        struct cf_reading reading = reading_of(exchange, server);
        respond(&reading, what, read_and_keep(&reading, request, &base, make));
        done(&reading);
    } else {
        if (found == CF_ANSWER_OLD)
            have_made_later(exchange, server, request, &base, make);
        cf_respond_json(exchange, 200, &old);
    }
    cf_buf_done(&old);
    free(request);
}

int cf_reading_run(struct cf_reading *reading, const char *text, const struct cf_run_row **out_row)
{
    int64_t run;
    int found = cf_reader_find_run(reading->reader, text, &run, &reading->err);
    return found > 0 ? cf_reader_run(reading->reader, run, out_row, &reading->err) : found;
}
