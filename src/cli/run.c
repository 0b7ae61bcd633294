#include "cli/run.h"

#include "cli/script.h"

static const struct cf_option options[] = {
    { "fresh", 0, NULL, false, "begin anew; what an earlier run made stays in the database" },
    { "dry-run", 0, NULL, false, "only estimate, as 'confab estimate' does" },
    { NULL, 0, NULL, false, NULL },
};

static int run(const struct cf_args *args, struct cf_error *err)
{
    struct cf_script_flags flags;
    if (!cf_script_flags_read(args, &flags, err))
        return -1;
    flags.fresh = cf_args_has(args, "fresh");
    flags.plan = cf_args_has(args, "dry-run");
    return cf_script_run_file(args, &flags, err);
}

const struct cf_command cf_command_run = {
    .name = "run",
    .synopsis = "SCRIPT.lua [ARGS...]",
    .summary = "Run a pipeline script; run again, it goes on where it was",
    .example = "confab run support_chats.lua --simulate\n"
               "confab run support_chats.lua --simulate=rpm=600,latency=fixed:50 --limit 20",
    .details =
        "ARGS are the script's: arg[1], arg[2], ... Behind '--' they may begin with a dash.\n\n"
        "Exit status: 0 done, 1 done with failed items, 2 wrong use or configuration, 3 stopped by "
        "the\n"
        "budget, 4 stopped by something every item would meet, 5 script error, 130 interrupted.",
    .options = options,
    .common = cf_script_options,
    .min_positionals = 1,
    .max_positionals = -1,
    .run = run,
};
