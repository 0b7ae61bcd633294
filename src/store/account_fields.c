#include "store/account_fields.h"

#include <stdio.h>
#include <string.h>

#include "base/object.h"
#include "store/reader.h"

#define FIELD(name, api_name, kind, member) \
    { name, api_name, CF_ACCOUNT_##kind, offsetof(struct cf_run_account, member) }

const struct cf_account_field cf_account_fields[] = {
    FIELD("planned", "planned", NUMBER, planned),
    FIELD("accepted", "accepted", NUMBER, accepted),
    FIELD("needs_revision", "needsRevision", NUMBER, needs_revision),
    FIELD("failed", "failed", NUMBER, failed),
    FIELD("pending", "pending", NUMBER, pending),
    FIELD("skipped", "skipped", NUMBER, skipped),
    FIELD("surplus", "surplus", NUMBER, surplus),
    FIELD("orphans", "orphans", NUMBER, orphans),
    FIELD("calls", "calls", NUMBER, calls),
    FIELD("attempts", "attempts", NUMBER, attempts),
    FIELD("replies", "replies", NUMBER, replies),
    FIELD("failures", "failures", NUMBER, failures),
    FIELD("spent", "spent", PICO, spent_pico),
    FIELD("at_risk", "atRisk", PICO, at_risk_pico),
    FIELD("unknown_cost_replies", "unknownCostReplies", NUMBER, unknown_cost_replies),
    FIELD("input_tokens", "inputTokens", COUNT, tokens.input),
    FIELD("output_tokens", "outputTokens", COUNT, tokens.output),
    FIELD("cache_write_5m_tokens", NULL, COUNT, tokens.cache_write_5m),
    FIELD("cache_write_1h_tokens", NULL, COUNT, tokens.cache_write_1h),
    FIELD("cache_read_tokens", "cacheReadTokens", COUNT, tokens.cache_read),
    FIELD("thinking_tokens", "thinkingTokens", COUNT, tokens.thinking),
    { NULL, NULL, CF_ACCOUNT_NUMBER, 0 },
};

int64_t cf_account_value(const struct cf_run_account *account, const struct cf_account_field *field)
{
    int64_t value;
    memcpy(&value, (const char *)account + field->offset, sizeof value);
    return value;
}

static void add(struct cf_buf *out, const char *name, enum cf_account_kind kind, int64_t value)
{
    switch (kind) {
    case CF_ACCOUNT_NUMBER: cf_object_int(out, name, value); break;
    case CF_ACCOUNT_COUNT: cf_object_count(out, name, value); break;
    case CF_ACCOUNT_PICO: cf_object_usd(out, name, value); break;
    }
}

void cf_account_add(struct cf_buf *out, const struct cf_run_account *account)
{
    for (const struct cf_account_field *field = cf_account_fields; field->name != NULL; field++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s", field->name,
                 field->kind == CF_ACCOUNT_PICO ? "_usd" : "");
        add(out, name, field->kind, cf_account_value(account, field));
    }
}

void cf_account_add_api(struct cf_buf *out, const struct cf_run_account *account)
{
    for (const struct cf_account_field *field = cf_account_fields; field->name != NULL; field++)
        if (field->api_name != NULL)
            add(out, field->api_name, field->kind, cf_account_value(account, field));
}
