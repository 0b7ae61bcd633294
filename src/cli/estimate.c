#include "cli/estimate.h"

#include "cli/script.h"

static const struct cf_option options[] = {
    { "fresh", 0, NULL, false, "as if the runs were begun anew" },
    { "json", 0, NULL, false, "print one JSON object: runs, total" },
    { NULL, 0, NULL, false, NULL },
};

static int estimate(const struct cf_args *args, struct cf_error *err)
{
    struct cf_script_flags flags;
    if (!cf_script_flags_read(args, &flags, err))
        return -1;
    flags.plan = true;
    flags.plan_json = cf_args_has(args, "json");
    flags.fresh = cf_args_has(args, "fresh");
    return cf_script_run_file(args, &flags, err);
}

const struct cf_command cf_command_estimate = {
    .name = "estimate",
    .synopsis = "SCRIPT.lua [ARGS...]",
    .summary = "Tell what a script is going to take: calls, tokens, cost, time, disk",
    .example = "confab estimate support_chats.lua\n"
               "confab estimate support_chats.lua --json --model claude-haiku-5-5",
    .details =
        "The script runs as it stands, but nothing is sent and nothing is stored; no key is "
        "needed. Each\n"
        "number is a low, an expected and a high one, from the prompts as they would be sent (of "
        "more than\n"
        "1,000 items a sample) and from what earlier replies used. Beside the cost stands the most "
        "that these\n"
        "calls may cost. The output says what the numbers come from and what they leave out.\n\n"
        "What the script itself prints goes to standard error. A call outside a run that is not "
        "stored ends\n"
        "the estimate.",
    .options = options,
    .common = cf_script_options,
    .min_positionals = 1,
    .max_positionals = -1,
    .run = estimate,
};
