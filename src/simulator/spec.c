#include "simulator/spec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "confab/error.h"
#include "confab/rng.h"

#define LIMIT_MAX      INT64_C(1000000000000)   /* times a window stays far from the end of int64 */
#define LATENCY_MAX_MS 86400000.0

struct text {
    const char *at;
    size_t len;
};

static bool is(struct text text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.at, word, text.len) == 0;
}

static bool parse_count(struct text text, int64_t max, int64_t *out)
{
    int64_t value = 0;
    if (text.len == 0 || text.len > 18)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        value = value * 10 + (text.at[i] - '0');
    }
    if (value > max)
        return false;
    *out = value;
    return true;
}

/* A plain decimal number, not negative, up to max. */
static bool parse_decimal(struct text text, double max, double *out)
{
    char copy[32];
    if (text.len == 0 || text.len >= sizeof copy
        || strspn(text.at, "0123456789.") < text.len)
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    char *end;
    double value = strtod(copy, &end);
    if (*end != '\0' || !(value <= max))
        return false;
    *out = value;
    return true;
}

/* Cuts the part before the next sep off text. */
static struct text cut(struct text *text, char sep)
{
    const char *at = memchr(text->at, sep, text->len);
    struct text part = { text->at, at == NULL ? text->len : (size_t)(at - text->at) };
    size_t taken = at == NULL ? part.len : part.len + 1;
    text->at += taken;
    text->len -= taken;
    return part;
}

/* One of two words; *out becomes whether it is the second. */
static bool parse_either(struct text value, const char *first, const char *second, bool *out)
{
    if (!is(value, first) && !is(value, second))
        return false;
    *out = is(value, second);
    return true;
}

static bool set_limit(struct cf_sim_spec *spec, enum cf_sim_resource resource, struct text time,
                      struct text value)
{
    int64_t limit;
    if (!parse_count(value, LIMIT_MAX, &limit))
        return false;
    if (time.len == 0) {
        spec->limit[resource] = limit;
        return true;
    }
    struct cf_sim_change change = { 0, resource, limit };
    if (spec->changes == CF_SIM_CHANGES_MAX || !cf_sim_time_parse(time.at, time.len, &change.at_ms))
        return false;
    spec->change[spec->changes++] = change;
    return true;
}

static bool set_rpm(struct cf_sim_spec *spec, struct text time, struct text value)
{
    return set_limit(spec, CF_SIM_REQUESTS, time, value);
}

static bool set_itpm(struct cf_sim_spec *spec, struct text time, struct text value)
{
    return set_limit(spec, CF_SIM_INPUT, time, value);
}

static bool set_otpm(struct cf_sim_spec *spec, struct text time, struct text value)
{
    return set_limit(spec, CF_SIM_OUTPUT, time, value);
}

static bool set_enforce(struct cf_sim_spec *spec, struct text time, struct text value)
{
    (void)time;
    return parse_either(value, "minute", "second", &spec->by_second);
}

static bool set_window(struct cf_sim_spec *spec, struct text time, struct text value)
{
    (void)time;
    return cf_sim_time_parse(value.at, value.len, &spec->window_ms) && spec->window_ms >= 100
           && spec->window_ms <= 3600000;
}

static bool set_latency(struct cf_sim_spec *spec, struct text time, struct text value)
{
    (void)time;
    struct text kind = cut(&value, ':');
    struct text first = cut(&value, ':');
    double a, b = 0;
    bool has_two = !is(kind, "fixed");

    if (!parse_decimal(first, LATENCY_MAX_MS, &a) ||
        (has_two && !parse_decimal(value, LATENCY_MAX_MS, &b)) || (!has_two && value.len > 0))
        return false;
    if (is(kind, "fixed"))
        spec->latency = CF_SIM_FIXED;
    else if (is(kind, "uniform") && b >= a)
        spec->latency = CF_SIM_UNIFORM;
    else if (is(kind, "lognormal") && b <= 10)
        spec->latency = CF_SIM_LOGNORMAL;
    else
        return false;
    spec->latency_a = a;
    spec->latency_b = b;
    return true;
}

static bool set_seed(struct cf_sim_spec *spec, struct text time, struct text value)
{
    (void)time;
    int64_t seed;
    if (!parse_count(value, INT64_MAX, &seed))
        return false;
    spec->seed = (uint64_t)seed;
    return true;
}

static bool set_usage(struct cf_sim_spec *spec, struct text time, struct text value)
{
    (void)time;
    return parse_either(value, "plain", "varied", &spec->usage_varied);
}

static bool set_reply_bytes(struct cf_sim_spec *spec, struct text time, struct text value)
{
    (void)time;
    return parse_count(value, 4 << 20, &spec->reply_bytes);
}

static bool set_quality(struct cf_sim_spec *spec, struct text time, struct text value)
{
    (void)time;
    static const char *const names[] = { "default", "low", "mixed" };
    for (unsigned i = 0; i < 3; i++) {
        if (is(value, names[i])) {
            spec->quality = i;
            return true;
        }
    }
    return false;
}

static bool set_headers(struct cf_sim_spec *spec, struct text time, struct text value)
{
    (void)time;
    return parse_either(value, "off", "on", &spec->has_headers);
}

static bool set_orgs(struct cf_sim_spec *spec, struct text time, struct text value)
{
    (void)time;
    return parse_either(value, "one", "key", &spec->org_by_key);
}

static bool set_trickle(struct cf_sim_spec *spec, struct text time, struct text value)
{
    (void)time;
    return cf_sim_time_parse(value.at, value.len, &spec->trickle_ms);
}

static const struct {
    const char *name;
    bool (*set)(struct cf_sim_spec *spec, struct text time, struct text value);
    bool takes_time;
    const char *form;
} fields[] = {
    { "rpm", set_rpm, true, "a whole number; rpm@TIME=N changes it" },
    { "itpm", set_itpm, true, "a whole number; itpm@TIME=N changes it" },
    { "otpm", set_otpm, true, "a whole number; otpm@TIME=N changes it" },
    { "enforce", set_enforce, false, "minute or second" },
    { "window", set_window, false, "a time such as 60s, from 100ms to 1h" },
    { "latency", set_latency, false, "fixed:MS, uniform:LOW:HIGH or lognormal:MEDIAN:SIGMA" },
    { "seed", set_seed, false, "a whole number" },
    { "faults", NULL, false, "" },     /* has errors of its own */
    { "usage", set_usage, false, "plain or varied" },
    { "reply_bytes", set_reply_bytes, false, "a number of bytes up to 4194304" },
    { "quality", set_quality, false, "default, low or mixed" },
    { "headers", set_headers, false, "on or off" },
    { "orgs", set_orgs, false, "one or key" },
    { "trickle", set_trickle, false, "a time such as 5s" },
};

static bool parse_field(struct cf_sim_spec *spec, struct text item, struct cf_error *err)
{
    struct text value = item;
    struct text name = cut(&value, '=');
    struct text time = name;
    name = cut(&time, '@');

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (!is(name, fields[i].name) || (time.len > 0 && !fields[i].takes_time))
            continue;
        if (fields[i].set == NULL)
            return cf_sim_faults_parse(value.at, value.len, &spec->faults, err);
        if (fields[i].set(spec, time, value))
            return true;
        return cf_fail(err, CF_ERR_CONFIG, "%s: \"%.*s\" is not %s", fields[i].name,
                       (int)item.len, item.at, fields[i].form);
    }
    return cf_fail(err, CF_ERR_CONFIG, "no field \"%.*s\"; there are rpm itpm otpm enforce window "
                   "latency seed faults usage reply_bytes quality headers orgs trickle",
                   (int)(item.len > 100 ? 100 : item.len), item.at);
}

bool cf_sim_spec_parse(const char *text, struct cf_sim_spec *out, struct cf_error *err)
{
    struct cf_sim_spec spec = {
        .window_ms = 60000, .seed = 1, .has_headers = true, .trickle_ms = 5000,
    };
    struct text rest = { text == NULL ? "" : text, text == NULL ? 0 : strlen(text) };

    while (rest.len > 0) {
        struct text item = cut(&rest, ',');
        while (item.len > 0 && item.at[0] == ' ')
            item.at++, item.len--;
        while (item.len > 0 && item.at[item.len - 1] == ' ')
            item.len--;
        if (item.len > 0 && !parse_field(&spec, item, err))
            return cf_fail_prefix(err, "simulator: ");
    }
    *out = spec;
    return true;
}

int64_t cf_sim_spec_latency(const struct cf_sim_spec *spec, struct cf_rng *rng)
{
    double ms = spec->latency_a;
    if (spec->latency == CF_SIM_UNIFORM)
        ms += cf_rng_unit(rng) * (spec->latency_b - spec->latency_a);
    else if (spec->latency == CF_SIM_LOGNORMAL)
        ms *= exp(spec->latency_b * cf_rng_normal(rng));
    return ms > LATENCY_MAX_MS ? (int64_t)LATENCY_MAX_MS : llround(ms);
}
