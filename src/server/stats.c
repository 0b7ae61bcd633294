#include "server/stats.h"

#include "base/object.h"
#include "server/reading.h"
#include "server/run_object.h"
#include "server/server.h"
#include "store/reader.h"
#include "store/stats.h"
#include "store/stats_object.h"
#include "store/tally.h"

static void add_status(const struct cf_stats_status *row, void *self)
{
    struct cf_buf *out = self;
    cf_object_open(out, NULL);
    cf_object_str(out, "status", row->status);
    cf_object_int(out, "conversations", row->conversations);
    cf_object_number(out, "meanScore", row->mean_score);
    cf_object_number(out, "meanTurns", row->mean_turns);
    cf_object_close(out);
}

static void add_group(const struct cf_tally_group *row, struct cf_buf *out)
{
    cf_object_open(out, NULL);
    cf_object_str(out, "name", row->name);
    cf_object_int(out, "replies", row->replies);
    cf_object_count(out, "inputTokens", row->input_tokens);
    cf_object_count(out, "outputTokens", row->output_tokens);
    cf_object_usd(out, "cost", row->cost_pico);
    cf_object_number(out, "meanOutputTokens", row->mean_output_tokens);
    cf_object_open(out, "latencyMs");
    cf_object_count(out, "p50", row->p50_ms);
    cf_object_count(out, "p95", row->p95_ms);
    cf_object_count(out, "p99", row->p99_ms);
    cf_object_close(out);
    cf_object_close(out);
}

static const struct cf_stats_spelling spelling = { add_status, add_group };

static int make(struct cf_reading *reading)
{
    static const char *const names[] = { "run", NULL };
    const struct cf_run_row *row = NULL;
    const char *run = NULL;
    cf_params_only(&reading->params, names);
    cf_params_text(&reading->params, "run", &run);
    if (reading->problems.count > 0)
        return 1;
    int found = run != NULL ? cf_reading_run(reading, run, &row) : 1;
    if (found <= 0)
        return found;
    cf_object_open(&reading->json, "data");
    if (row != NULL)
        cf_run_api_object(&reading->json, "run", row, reading->unix_ms);
    bool ok = cf_stats_add_lists(&reading->json, reading->reader, cf_server_tally(reading->server),
                                 row != NULL ? row->run : 0, &spelling, &reading->err);
    cf_object_close(&reading->json);
    return ok ? 1 : -1;
}

void cf_stats_show(struct cf_http_exchange *exchange, struct cf_server *server)
{
    cf_reading_answer_kept(exchange, server, "run", make);
}
