#include "cli/run_object.h"

#include "cli/loose.h"
#include "confab/buf.h"
#include "store/account_fields.h"
#include "store/reader.h"

void cf_run_object(struct cf_buf *out, const char *name, const struct cf_run_row *row,
                   const struct cf_loose *loose)
{
    cf_object_open(out, name);
    cf_object_str(out, "id", row->uuid);
    cf_object_str(out, "name", row->name);
    cf_object_int(out, "generation", row->generation);
    cf_object_str(out, "provider", row->provider);
    cf_object_bool(out, "simulated", row->simulated);
    cf_object_str(out, "state", row->state);
    cf_object_str(out, "state_reason", row->state_reason);
    cf_object_str(out, "script", row->script);
    cf_object_str(out, "model", row->model);
    cf_object_str(out, "base_url", row->base_url);
    cf_object_json(out, "args", cf_text_of(row->args));
    cf_object_int(out, "seed", (int64_t)row->seed);
    cf_object_usd(out, "budget_usd", row->budget_pico);
    cf_account_add(out, &row->account);
    if (loose->is_all) {
        cf_object_open(out, "outside_plan");
        cf_object_int(out, "accepted", loose->accepted);
        cf_object_int(out, "needs_revision", loose->needs_revision);
        cf_object_int(out, "failed", loose->failed);
        cf_object_close(out);
    }
    cf_object_str(out, "created_at", row->created_at);
    cf_object_str(out, "started_at", row->started_at);
    cf_object_str(out, "finished_at", row->finished_at);
    cf_object_str(out, "owner_host", row->owner_host);
    if (row->owner_host != NULL)
        cf_object_int(out, "owner_pid", row->owner_pid);
    cf_object_close(out);
}
