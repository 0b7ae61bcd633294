/* The options that `run` and `resume` share. */
#include "cli/script.h"

#include <stdlib.h>
#include <string.h>

#include "confab/error.h"
#include "confab/money.h"
#include "simulator/simulator.h"

const struct cf_option cf_script_options[] = {
    { "db", 0, "FILE", false, "the database (default: CONFAB_DB, else confab.db)" },
    { "simulate", 0, "SPEC", true,
      "talk to the built-in simulator; SPEC as in 'confab help mock'" },
    { "model", 0, "NAME", false, "the model to ask, whatever the script says" },
    { "base-url", 0, "URL", false, "where the service is" },
    { "concurrency", 'j', "N", false, "items in work at once" },
    { "limit", 'n', "N", false, "only the first N items of each run" },
    { "budget", 0, "DOLLARS", false,
      "the most that the script's runs may cost in all, with what they have cost" },
    { "offline", 0, NULL, false, "send nothing: a call that is not stored is an error" },
    { "max-new", 0, "N", false, "send nothing if more than N calls are to be sent" },
    { "min-acceptance", 0, "S", false,
      "fewer accepted than this share (0.9 or 90%) end with status 1" },
    { "drain", 0, "SECONDS", false,
      "how long Ctrl-C waits for replies (default: until they are there)" },
    { "progress", 0, "auto|bar|plain|json|none", false, "how progress is shown" },
    { "quiet", 'q', NULL, false, "print only results, warnings and errors" },
    { "verbose", 'v', NULL, false, "print each retry and other details" },
    { NULL, 0, NULL, false, NULL },
};

#define ITEMS_MAX \
    INT64_C(1000000000) /* more than anybody asks for; for the range that an error names */

static bool check_progress(const char *given, struct cf_error *err)
{
    static const char *const modes[] = { "auto", "bar", "plain", "json", "none" };
    if (given == NULL)
        return true;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(given, modes[i]) == 0)
            return true;
    return cf_fail(err, CF_ERR_CONFIG,
                   "--progress must be auto, bar, plain, json or none, not '%s'", given);
}

bool cf_script_flags_check_spec(const char *spec, struct cf_error *err)
{
    if (spec == NULL || cf_simulator_check_spec(spec, err))
        return true;
    return cf_fail_prefix(err, "--simulate: ");
}

/* A share, as "0.9" or "90%"; left alone if not given. */
static bool read_share(const struct cf_args *args, const char *name, double *out,
                       struct cf_error *err)
{
    const char *text = cf_args_get(args, name);
    if (text == NULL)
        return true;
    char *end;
    double share = strtod(text, &end);
    bool is_percent = end != text && strcmp(end, "%") == 0;
    if (end == text || (*end != '\0' && !is_percent) ||
        !(share >= 0 && share <= (is_percent ? 100 : 1)))
        return cf_fail(err, CF_ERR_CONFIG,
                       "--%s: '%s' is not a share from 0 to 1, or from 0%% to 100%%", name, text);
    *out = is_percent ? share / 100 : share;
    return true;
}

bool cf_script_flags_check_budget(const char *budget, struct cf_error *err)
{
    int64_t pico;
    if (budget == NULL || (cf_money_parse(budget, strlen(budget), &pico) && pico > 0))
        return true;
    return cf_fail(err, CF_ERR_CONFIG, "--budget must be dollars above 0, up to 1000000, not '%s'",
                   budget);
}

bool cf_script_flags_read(const struct cf_args *args, struct cf_script_flags *out,
                          struct cf_error *err)
{
    *out = (struct cf_script_flags){
        .db = cf_args_get(args, "db"),
        .simulate = cf_args_get(args, "simulate"),
        .model = cf_args_get(args, "model"),
        .base_url = cf_args_get(args, "base-url"),
        .progress = cf_args_get(args, "progress"), .budget = cf_args_get(args, "budget"),
        .concurrency = -1,
        .limit = -1,
        .max_new = -1,
        .drain_s = -1,
        .min_acceptance = -1,
        .offline = cf_args_has(args, "offline"),
    };
    if (!check_progress(out->progress, err))
        return false;
    if (cf_args_has(args, "quiet"))
        out->progress = "none";
    return cf_args_int(args, "concurrency", 1, 10000, &out->concurrency, err) &&
           cf_args_int(args, "limit", 1, ITEMS_MAX, &out->limit, err) &&
           cf_args_int(args, "max-new", 0, ITEMS_MAX, &out->max_new, err) &&
           read_share(args, "min-acceptance", &out->min_acceptance, err) &&
           cf_args_number(args, "drain", 0, 1e9, &out->drain_s, err) &&
           cf_script_flags_check_budget(out->budget, err) &&
           cf_script_flags_check_spec(out->simulate, err);
}
