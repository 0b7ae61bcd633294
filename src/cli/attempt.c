#include "cli/attempt.h"

#include "base/object.h"
#include "cli/print.h"
#include "confab/money.h"
#include "store/reader.h"

void cf_attempt_print_end(const struct cf_log_row *row)
{
    char cost[CF_MONEY_TEXT_MAX];
    if (row->cost_pico >= 0) {
        cf_money_format(row->cost_pico, cost);
        cf_printf("  %s", cost);
    }
    if (row->at_risk_pico > 0) {
        cf_money_format(row->at_risk_pico, cost);
        cf_printf("  %s at risk", cost);
    }
    if (row->request_id != NULL) {
        cf_printf("  ");
        cf_print_line(cf_text_of(row->request_id), 0);
    }
    if (row->error_kind != NULL) {
        cf_printf("  %s: ", row->error_kind);
        cf_print_line(cf_text_of(row->error_message), 0);
    }
    cf_printf("\n");
}

void cf_attempt_add(struct cf_buf *json, const struct cf_log_row *row)
{
    cf_object_int(json, "attempt", row->attempt);
    cf_object_str(json, "created_at", row->created_at);
    cf_object_str(json, "status", row->status);
    cf_object_count(json, "http_status", row->http_status > 0 ? row->http_status : -1);
    cf_object_str(json, "error_kind", row->error_kind);
    cf_object_str(json, "error_message", row->error_message);
    cf_object_str(json, "model", row->model);
    cf_object_count(json, "input_tokens", row->input_tokens);
    cf_object_count(json, "output_tokens", row->output_tokens);
    cf_object_usd(json, "cost_usd", row->cost_pico);
    cf_object_usd(json, "at_risk_usd", row->at_risk_pico);
    cf_object_count(json, "duration_ms", row->duration_ms);
    cf_object_str(json, "request_id", row->request_id);
}
