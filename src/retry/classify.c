#include "confab/retry.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define KEY_OUT  CF_VERDICT_KEY_OUT
#define STOP_RUN CF_VERDICT_STOP_RUN
#define FAIL     CF_VERDICT_FAIL_ITEM
#define AGAIN    CF_VERDICT_RETRY
#define WAIT     CF_VERDICT_RETRY_NOT_COUNTED

struct transport_rule {
    const char *name;
    enum cf_verdict verdict;
    enum cf_billing billing;    /* if a byte of the request was written it is UNKNOWN in any case */
};

static const struct transport_rule transports[CF_TRANSPORTS] = {
    [CF_TRANSPORT_OK] = { "no failure", FAIL, CF_BILLING_REFUSED },
    [CF_TRANSPORT_CONNECT_REFUSED] = { "connection refused", AGAIN, CF_BILLING_NEVER_SENT },
    [CF_TRANSPORT_DNS] = { "host name not found", AGAIN, CF_BILLING_NEVER_SENT },
    [CF_TRANSPORT_TLS] = { "TLS failure", AGAIN, CF_BILLING_NEVER_SENT },
    [CF_TRANSPORT_RESET_BEFORE_SEND] = { "connection closed before the request", AGAIN,
                                         CF_BILLING_NEVER_SENT },
    [CF_TRANSPORT_RESET_AFTER_SEND] = { "connection reset", AGAIN, CF_BILLING_UNKNOWN },
    [CF_TRANSPORT_TIMEOUT_CONNECT] = { "connect time-out", AGAIN, CF_BILLING_NEVER_SENT },
    [CF_TRANSPORT_TIMEOUT_FIRST_BYTE] = { "no answer in time", AGAIN, CF_BILLING_UNKNOWN },
    [CF_TRANSPORT_TIMEOUT_IDLE] = { "reply stalled", AGAIN, CF_BILLING_UNKNOWN },
    [CF_TRANSPORT_TIMEOUT_TOTAL] = { "call took too long", AGAIN, CF_BILLING_UNKNOWN },
    [CF_TRANSPORT_CUT_SHORT] = { "reply cut short", AGAIN, CF_BILLING_UNKNOWN },
    [CF_TRANSPORT_BAD_REPLY] = { "reply not understood", AGAIN, CF_BILLING_UNKNOWN },
    [CF_TRANSPORT_STREAM_ERROR] = { "error inside the stream", AGAIN, CF_BILLING_UNKNOWN },
    [CF_TRANSPORT_TOO_LARGE] = { "reply too large", FAIL, CF_BILLING_UNKNOWN },
    [CF_TRANSPORT_BAD_URL] = { "address not usable", STOP_RUN, CF_BILLING_NEVER_SENT },
    [CF_TRANSPORT_CANCELLED] = { "cancelled", CF_VERDICT_CANCELLED, CF_BILLING_NEVER_SENT },
    [CF_TRANSPORT_OTHER] = { "network failure", AGAIN, CF_BILLING_UNKNOWN },
};

struct status_rule {
    int status;
    const char *type;           /* the error.type that says the same; NULL: none */
    const char *name;
    enum cf_verdict verdict;
};

static const struct status_rule statuses[] = {
    { 400, "invalid_request_error", "bad request", FAIL },
    { 401, "authentication_error", "key not accepted", KEY_OUT },
    { 402, "billing_error", "payment needed", KEY_OUT },
    { 403, "permission_error", "key not allowed", KEY_OUT },
    { 404, "not_found_error", "model or address not found", STOP_RUN },
    { 408, NULL, "request time-out", AGAIN },
    { 409, "conflict_error", "conflict", AGAIN },
    { 413, "request_too_large", "request too large", FAIL },
    { 422, NULL, "request not processable", FAIL },
    { 429, "rate_limit_error", "rate limit", WAIT },
    { 500, "api_error", "server error", AGAIN },
    { 502, NULL, "bad gateway", AGAIN },
    { 503, "service_unavailable_error", "service unavailable", AGAIN },
    { 504, "timeout_error", "server time-out", AGAIN },
    { 529, "overloaded_error", "overloaded", AGAIN },
};

/* Error codes and types (OpenAI's and compatible servers') that say the money is used up. */
static const char *const spent_codes[] = {
    "enforced_spend_limit_reached", "insufficient_quota", "credit_balance_exhausted",
    "organization_spend_limit_exceeded", "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded", "billing_hard_limit_reached",
};

/* Where there is no code, the words that Anthropic's and older OpenAI replies use. */
static const char *const spent_phrases[] = {
    "reached your specified API usage limits", "reached your API usage limits",
    "exceeded your current quota", "credit balance is too low",
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool is_one_of(const char *text, const char *const *list, size_t count)
{
    for (size_t i = 0; text != NULL && i < count; i++)
        if (strcmp(text, list[i]) == 0)
            return true;
    return false;
}

static bool says(const char *text, const char *phrase)
{
    return text != NULL && strcasestr(text, phrase) != NULL;
}

/* A 429 or a 400 (402 is it anyway) that no waiting will cure. */
static bool is_spent(const struct cf_failure *failure, int status)
{
    if (status != 429 && status != 400)
        return false;
    if (is_one_of(failure->error_code, spent_codes, COUNT(spent_codes)) ||
        is_one_of(failure->error_type, spent_codes, COUNT(spent_codes)))
        return true;
    for (size_t i = 0; i < COUNT(spent_phrases); i++)
        if (says(failure->error_message, spent_phrases[i]))
            return true;
    return false;
}

static bool is_model_unknown(const struct cf_failure *failure)
{
    return (failure->error_code != NULL && strcmp(failure->error_code, "model_not_found") == 0) ||
           says(failure->error_message, "is not a valid model ID");
}

static const struct status_rule *rule_of_status(int status)
{
    for (size_t i = 0; i < COUNT(statuses); i++)
        if (statuses[i].status == status)
            return &statuses[i];
    return NULL;
}

/* The status that says what the failure is. An error inside a stream, or in a reply with 200 as
 * gateways send it, is known by its type or a number in its code. */
static int telling_status(const struct cf_failure *failure)
{
    if (failure->http_status >= 300)
        return failure->http_status;
    for (size_t i = 0; failure->error_type != NULL && i < COUNT(statuses); i++)
        if (statuses[i].type != NULL && strcmp(failure->error_type, statuses[i].type) == 0)
            return statuses[i].status;
    long code = failure->error_code ? strtol(failure->error_code, NULL, 10) : 0;
    return code >= 400 && code <= 599 ? (int)code : failure->http_status;
}

static void judge_status(const struct cf_failure *failure, int status, struct cf_judgement *out)
{
    const struct status_rule *rule = rule_of_status(status);
    if (rule != NULL) {
        out->verdict = rule->verdict;
        out->reason = rule->name;
    } else if (status >= 500) {
        out->verdict = AGAIN;
        out->reason = "server error";
    } else if (status >= 400) {
        out->verdict = FAIL;
        out->reason = "request not accepted";
    } else if (status >= 300) {
        /* A redirect is not followed with a key: every call would meet the same. */
        out->verdict = STOP_RUN;
        out->reason = "redirected elsewhere";
    } else {
        out->verdict = AGAIN;
        out->reason = "reply not understood";
    }

    if (is_spent(failure, status)) {
        out->verdict = KEY_OUT;
        out->reason = "spend limit reached";
    } else if (status == 403 && says(failure->error_message, "moderation")) {
        out->verdict = FAIL;
        out->reason = "refused by moderation";
    } else if (status >= 400 && status < 500 && is_model_unknown(failure)) {
        out->verdict = STOP_RUN;
        out->reason = "model not found";
    } else if (status == 429 && says(failure->error_message, "request too large")) {
        out->verdict = FAIL;
        out->reason = "request above the rate limit itself";
    }
}

/* Whether an error status can hide a call that was carried out: a gateway gave up on the way, and
 * behind it the model may still have answered. An error in the API's own words is none. */
static bool may_be_carried_out(const struct cf_failure *failure)
{
    int status = failure->http_status;
    if (failure->error_type != NULL)
        return false;
    return status < 400 || (status >= 500 && status != 503 && status != 529);
}

static void obey_should_retry(const struct cf_failure *failure, int status,
                              struct cf_judgement *out)
{
    if (failure->should_retry == CF_SHOULD_RETRY_NO && out->verdict <= WAIT)
        out->verdict = out->last;
    /* A spent limit stays spent for weeks, whatever the header says. */
    if (failure->should_retry == CF_SHOULD_RETRY_YES && out->verdict > WAIT &&
        !is_spent(failure, status))
        out->verdict = AGAIN;
}

void cf_retry_classify(const struct cf_failure *failure, struct cf_judgement *out_judgement)
{
    enum cf_transport transport = failure->transport;
    if ((unsigned)transport >= CF_TRANSPORTS)
        transport = CF_TRANSPORT_OTHER;
    const struct transport_rule *rule = &transports[transport];
    struct cf_judgement out = { rule->verdict, FAIL, rule->billing, rule->name };
    int status = telling_status(failure);

    if (transport == CF_TRANSPORT_OK) {
        judge_status(failure, status, &out);
        out.billing = may_be_carried_out(failure) ? CF_BILLING_UNKNOWN : CF_BILLING_REFUSED;
    } else {
        if (transport == CF_TRANSPORT_STREAM_ERROR && status >= 300)
            judge_status(failure, status, &out);
        if (failure->request_written)
            out.billing = CF_BILLING_UNKNOWN;
    }

    if (out.verdict > WAIT)
        out.last = out.verdict;
    if (transport == CF_TRANSPORT_OK || transport == CF_TRANSPORT_STREAM_ERROR)
        obey_should_retry(failure, status, &out);
    *out_judgement = out;
}

static enum cf_error_kind kind_of(const struct cf_failure *failure)
{
    return failure->transport == CF_TRANSPORT_CANCELLED ? CF_ERR_CANCELLED : CF_ERR_API;
}

void cf_retry_error(const struct cf_failure *failure, struct cf_error *err)
{
    struct cf_judgement judgement;
    cf_retry_classify(failure, &judgement);

    const char *said = failure->error_message;
    bool has_said = said != NULL && said[0] != '\0';
    if (failure->transport == CF_TRANSPORT_OK)
        cf_fail(err, kind_of(failure), "HTTP %d, %s%s%s", failure->http_status, judgement.reason,
                has_said ? ": " : "", has_said ? said : "");
    else
        cf_fail(err, kind_of(failure), "%s%s%s", judgement.reason, has_said ? ": " : "",
                has_said ? said : "");
    /* One line, whatever the server sent. */
    for (char *c = err->message; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
    err->http_status = failure->http_status;
    err->retryable = judgement.verdict <= WAIT;
    err->retry_after_ms = failure->retry_after_ms;
}

const char *cf_transport_name(enum cf_transport transport)
{
    return (unsigned)transport < CF_TRANSPORTS ? transports[transport].name : "network failure";
}

const char *cf_verdict_name(enum cf_verdict verdict)
{
    static const char *const names[] = {
        [CF_VERDICT_RETRY] = "retry",         [CF_VERDICT_RETRY_NOT_COUNTED] = "wait",
        [CF_VERDICT_FAIL_ITEM] = "fail_item", [CF_VERDICT_KEY_OUT] = "key_out",
        [CF_VERDICT_STOP_RUN] = "stop_run",   [CF_VERDICT_CANCELLED] = "cancelled",
    };
    return names[verdict];
}
