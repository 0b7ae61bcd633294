#include "server/reading.h"

#include "base/object.h"
#include "confab/clock.h"
#include "server/readers.h"
#include "server/request.h"
#include "server/respond.h"
#include "server/server.h"
#include "store/reader.h"

void cf_reading_answer(struct cf_http_exchange *exchange, struct cf_server *server,
                       const char *what, int (*make)(struct cf_reading *reading))
{
    struct cf_reading reading = {
        .exchange = exchange,
        .server = server,
        .unix_ms = cf_unix_ms(cf_server_clock(server)),
    };
    reading.params = (struct cf_params){ exchange, &reading.problems };
    cf_problems_init(&reading.problems);
    cf_buf_init(&reading.json, CF_OBJECT_MAX);
    cf_respond_open(&reading.json);
    int made = cf_readers_take(cf_server_readers(server), &reading.reader, &reading.err)
                   ? make(&reading)
                   : -1;
    cf_readers_give(cf_server_readers(server), reading.reader);
    cf_object_close(&reading.json);

    if (made < 0)
        cf_respond_error(exchange, &reading.err);
    else if (made == 0)
        cf_respond_fail(exchange, 404, "there is no such %s", what);
    else if (reading.problems.count > 0)
        cf_respond_problems(exchange, &reading.problems);
    else
        cf_respond_json(exchange, 200, &reading.json);
    cf_buf_done(&reading.json);
    cf_problems_done(&reading.problems);
}

int cf_reading_run(struct cf_reading *reading, const char *text, const struct cf_run_row **out_row)
{
    int64_t run;
    int found = cf_reader_find_run(reading->reader, text, &run, &reading->err);
    return found > 0 ? cf_reader_run(reading->reader, run, out_row, &reading->err) : found;
}
