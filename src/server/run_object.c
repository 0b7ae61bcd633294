#include "server/run_object.h"

#include <math.h>
#include <string.h>

#include "base/object.h"
#include "confab/clock.h"
#include "store/account_fields.h"
#include "store/reader.h"

/* -1: it has not started. */
static int64_t duration_ms(const struct cf_run_row *row, int64_t unix_ms)
{
    int64_t begun, ended = unix_ms;
    if (row->started_at == NULL || !cf_time_parse(row->started_at, strlen(row->started_at), &begun))
        return -1;
    if (row->finished_at != NULL)
        cf_time_parse(row->finished_at, strlen(row->finished_at), &ended);
    return ended > begun ? ended - begun : 0;
}

/* In milliseconds and dollars. */
static void add_summary(struct cf_buf *out, const struct cf_run_row *row, int64_t unix_ms)
{
    const struct cf_run_account *account = &row->account;
    int64_t successful = account->accepted + account->needs_revision + account->surplus;
    int64_t took_ms = duration_ms(row, unix_ms);
    cf_object_open(out, "summary");
    cf_object_int(out, "total", account->planned);
    cf_object_int(out, "successful", successful);
    cf_object_int(out, "failed", account->failed);
    cf_object_usd(out, "totalCost", account->spent_pico);
    cf_object_count(out, "totalDuration", took_ms);
    cf_object_number(out, "avgCostPerConversation",
                     successful > 0 ? (double)account->spent_pico / 1e12 / (double)successful : 0);
    cf_object_number(
        out, "avgDurationPerConversation",
        account->planned > 0 && took_ms >= 0 ? (double)took_ms / (double)account->planned : 0);
    cf_object_close(out);
}

void cf_run_api_object(struct cf_buf *out, const char *name, const struct cf_run_row *row,
                       int64_t unix_ms)
{
    cf_object_open(out, name);
    cf_object_str(out, "id", row->uuid);
    cf_object_str(out, "name", row->name);
    cf_object_int(out, "generation", row->generation);
    cf_object_str(out, "state", row->state);
    cf_object_str(out, "stateReason", row->state_reason);
    cf_object_str(out, "source", row->source);
    cf_object_str(out, "script", row->script);
    cf_object_str(out, "provider", row->provider);
    cf_object_str(out, "model", row->model);
    cf_object_bool(out, "simulated", row->simulated);
    cf_object_usd(out, "budget", row->budget_pico);
    add_summary(out, row, unix_ms);
    cf_object_open(out, "progress");
    cf_account_add_api(out, &row->account);
    cf_object_close(out);
    cf_object_str(out, "createdAt", row->created_at);
    cf_object_str(out, "startedAt", row->started_at);
    cf_object_str(out, "finishedAt", row->finished_at);
    cf_object_close(out);
}
