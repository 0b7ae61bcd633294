#include "simulator/fault.h"

#include <string.h>

#include "confab/buf.h"
#include "confab/error.h"
#include "confab/rng.h"
#include "simulator/malformed.h"

static const struct {
    const char *name;
    int status;
} kinds[CF_SIM_FAULT_NONE] = {
    [CF_SIM_FAULT_400] = { "400", 400 },
    [CF_SIM_FAULT_401] = { "401", 401 },
    [CF_SIM_FAULT_402] = { "402", 402 },
    [CF_SIM_FAULT_403] = { "403", 403 },
    [CF_SIM_FAULT_404] = { "404", 404 },
    [CF_SIM_FAULT_408] = { "408", 408 },
    [CF_SIM_FAULT_413] = { "413", 413 },
    [CF_SIM_FAULT_429] = { "429", 429 },
    [CF_SIM_FAULT_500] = { "500", 500 },
    [CF_SIM_FAULT_502] = { "502", 502 },
    [CF_SIM_FAULT_503] = { "503", 503 },
    [CF_SIM_FAULT_504] = { "504", 504 },
    [CF_SIM_FAULT_529] = { "529", 529 },
    [CF_SIM_FAULT_SPEND_CAP] = { "spend_cap", 429 },
    [CF_SIM_FAULT_RESET] = { "reset", 0 },
    [CF_SIM_FAULT_RESET_BODY] = { "reset_body", 0 },
    [CF_SIM_FAULT_CUT] = { "cut", 0 },
    [CF_SIM_FAULT_TRICKLE] = { "trickle", 0 },
    [CF_SIM_FAULT_STALL] = { "stall", 0 },
    [CF_SIM_FAULT_SILENT] = { "silent", 0 },
    [CF_SIM_FAULT_BAD_ENVELOPE] = { "bad_envelope", 0 },
    [CF_SIM_FAULT_STREAM_ERROR] = { "stream_error", 0 },
    [CF_SIM_FAULT_EMPTY] = { "empty", 0 },
    [CF_SIM_FAULT_REFUSAL] = { "refusal", 0 },
    [CF_SIM_FAULT_MAX_TOKENS] = { "max_tokens", 0 },
    [CF_SIM_FAULT_MALFORMED] = { "malformed", 0 },
};

const char *cf_sim_fault_name(enum cf_sim_fault_kind kind)
{
    return (unsigned)kind < CF_SIM_FAULT_NONE ? kinds[kind].name : NULL;
}

int cf_sim_fault_status(enum cf_sim_fault_kind kind)
{
    return (unsigned)kind < CF_SIM_FAULT_NONE ? kinds[kind].status : 0;
}

static bool parse_whole(const char *text, size_t len, int64_t *out)
{
    int64_t value = 0;
    if (len == 0 || len > 15)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (text[i] - '0');
    }
    *out = value;
    return true;
}

bool cf_sim_time_parse(const char *text, size_t len, int64_t *out_ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };

    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t unit_len = strlen(units[i].unit);
        int64_t number;
        if (len > unit_len && memcmp(text + len - unit_len, units[i].unit, unit_len) == 0
            && parse_whole(text, len - unit_len, &number) && number <= INT64_C(1000000000)) {
            *out_ms = number * units[i].ms;
            return true;
        }
    }
    return false;
}

/* "5%" or "0.5%". */
static bool parse_share(const char *text, size_t len, double *out)
{
    if (len < 2 || text[len - 1] != '%')
        return false;

    double value = 0, unit = 0;
    size_t digits = 0;
    for (size_t i = 0; i + 1 < len; i++) {
        if (text[i] == '.' && unit == 0) {
            unit = 1;
        } else if (text[i] >= '0' && text[i] <= '9' && ++digits <= 12) {
            if (unit == 0) {
                value = value * 10 + (text[i] - '0');
            } else {
                unit /= 10;
                value += unit * (text[i] - '0');
            }
        } else {
            return false;
        }
    }
    if (digits == 0 || value > 100)
        return false;
    *out = value / 100;
    return true;
}

/* "3", "3-9" or "10s-40s". */
static bool parse_when(const char *text, size_t len, struct cf_sim_fault *fault)
{
    const char *dash = memchr(text, '-', len);
    size_t first = dash == NULL ? len : (size_t)(dash - text);
    const char *second = dash == NULL ? text : dash + 1;
    size_t second_len = dash == NULL ? len : len - first - 1;

    if (parse_whole(text, first, &fault->from) && parse_whole(second, second_len, &fault->to)) {
        fault->by = CF_SIM_BY_NUMBER;
        return fault->from >= 1 && fault->to >= fault->from;
    }
    if (dash != NULL && cf_sim_time_parse(text, first, &fault->from)
        && cf_sim_time_parse(second, second_len, &fault->to)) {
        fault->by = CF_SIM_BY_TIME;
        return fault->to > fault->from;
    }
    return false;
}

static bool fail_kind(const char *text, size_t len, struct cf_error *err)
{
    struct cf_buf names;
    cf_buf_init(&names, 1024);
    for (unsigned i = 0; i < CF_SIM_FAULT_NONE; i++)
        cf_buf_addf(&names, " %s", kinds[i].name);
    cf_fail(err, CF_ERR_CONFIG, "faults: no kind \"%.*s\"; there are%s", (int)len, text,
            cf_buf_str(&names));
    cf_buf_done(&names);
    return false;
}

static bool parse_fault(const char *text, size_t len, struct cf_sim_fault *fault,
                        struct cf_error *err)
{
    size_t name_len = 0;
    while (name_len < len && text[name_len] != ':' && text[name_len] != '@')
        name_len++;

    *fault = (struct cf_sim_fault){ .kind = CF_SIM_FAULT_NONE, .way = -1, .share = 1 };
    for (unsigned i = 0; i < CF_SIM_FAULT_NONE; i++)
        if (strlen(kinds[i].name) == name_len && memcmp(kinds[i].name, text, name_len) == 0)
            fault->kind = i;
    if (fault->kind == CF_SIM_FAULT_NONE)
        return fail_kind(text, name_len, err);

    size_t at = name_len;
    if (fault->kind == CF_SIM_FAULT_MALFORMED && at < len && text[at] == ':'
        && (text[at + 1] < '0' || text[at + 1] > '9')) {
        size_t end = ++at;
        while (end < len && text[end] != ':' && text[end] != '@')
            end++;
        fault->way = cf_sim_malformed_find(text + at, end - at);
        if (fault->way < 0)
            return cf_fail(err, CF_ERR_CONFIG, "faults: no way \"%.*s\" of malformed; they are "
                           "the names of tests/data/model_replies", (int)(end - at), text + at);
        at = end;
    }
    if (at == len)
        return true;

    bool ok = text[at] == ':' ? parse_share(text + at + 1, len - at - 1, &fault->share)
                              : parse_when(text + at + 1, len - at - 1, fault);
    if (!ok)
        return cf_fail(err, CF_ERR_CONFIG, "faults: \"%.*s\" is not KIND, KIND:SHARE%%, KIND@N, "
                       "KIND@N-M or KIND@10s-40s", (int)len, text);
    return true;
}

bool cf_sim_faults_parse(const char *text, size_t len, struct cf_sim_faults *out,
                         struct cf_error *err)
{
    struct cf_sim_faults faults = { .count = 0 };
    double shares = 0;

    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, ';', len - at);
        size_t part = end == NULL ? len - at : (size_t)(end - (text + at));
        if (part > 0) {
            if (faults.count == CF_SIM_FAULTS_MAX)
                return cf_fail(err, CF_ERR_CONFIG, "faults: more than %d", CF_SIM_FAULTS_MAX);
            struct cf_sim_fault *fault = &faults.fault[faults.count];
            if (!parse_fault(text + at, part, fault, err))
                return false;
            if (fault->by == CF_SIM_BY_CHANCE) {
                faults.has_chance = true;
                shares += fault->share;
            }
            faults.count++;
        }
        at += part + 1;
    }
    if (shares > 1.0000001)
        return cf_fail(err, CF_ERR_CONFIG, "faults: the shares add up to more than 100%%");
    *out = faults;
    return true;
}

const struct cf_sim_fault *cf_sim_faults_pick(const struct cf_sim_faults *faults, int64_t number,
                                              int64_t elapsed_ms, struct cf_rng *rng)
{
    for (size_t i = 0; i < faults->count; i++) {
        const struct cf_sim_fault *fault = &faults->fault[i];
        if (fault->by == CF_SIM_BY_NUMBER && number >= fault->from && number <= fault->to)
            return fault;
        if (fault->by == CF_SIM_BY_TIME && elapsed_ms >= fault->from && elapsed_ms < fault->to)
            return fault;
    }
    if (!faults->has_chance)
        return NULL;

    double draw = cf_rng_unit(rng);
    for (size_t i = 0; i < faults->count; i++) {
        const struct cf_sim_fault *fault = &faults->fault[i];
        if (fault->by != CF_SIM_BY_CHANCE)
            continue;
        draw -= fault->share;
        if (draw < 0)
            return fault;
    }
    return NULL;
}
