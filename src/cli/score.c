#include "cli/score.h"

#include "cli/database.h"
#include "cli/env.h"
#include "cli/script.h"

static const struct cf_option options[] = {
    { "rules", 0, "FILE.lua", false,
      "a Lua file that returns a scoring (default: the default rules)" },
    { "apply", 0, NULL, false, "store the new scores" },
    { "json", 0, NULL, false, "print one JSON object" },
    { NULL, 0, NULL, false, NULL },
};

/* The work is Lua's, lua/confab/rescore.lua: rules are. */
static int score(const struct cf_args *args, struct cf_error *err)
{
    const char *words[] = {
        args->positional_count > 0 ? args->positionals[0] : "",
        cf_args_has(args, "rules") ? cf_args_get(args, "rules") : "",
        cf_args_has(args, "apply") ? "apply" : "",
        cf_args_has(args, "json") ? "json" : "",
    };
    struct cf_env env;
    struct cf_script script;
    struct cf_script_flags flags = {
        .concurrency = -1, .limit = -1, .max_new = -1, .drain_s = -1, .min_acceptance = -1,
    };
    cf_env_load(&env, ".env");
    flags.db = cf_database_path(args, &env);
    /* one of ours: no frame in a traceback */
    cf_script_init(&script, "confab/score.lua");
    script.args = words;
    script.arg_count = sizeof words / sizeof *words;
    cf_buf_adds(&script.text, "require('confab.rescore').command(...)");
    int status = cf_script_run(&script, &flags, args, err);
    cf_script_done(&script);
    cf_env_done(&env);
    return status;
}

const struct cf_command cf_command_score = {
    .name = "score",
    .synopsis = "[RUN]",
    .summary = "Score stored conversations anew and show how the scores move; nothing is sent",
    .example = "confab score support-v1 --rules strict.lua\n"
               "confab score support-v1 --rules strict.lua --apply",
    .details = "RUN is a name or the start of an id; without it the newest run is meant. FILE.lua "
               "returns what\n"
               "confab.rule or confab.scoring gives:\n\n"
               "  local confab = require \"confab\"\n"
               "  return confab.scoring.default + confab.rule { name = \"asks\", points = 2,\n"
               "    check = function(conv) return conv:text():find \"?\" ~= nil end }\n\n"
               "Without --apply nothing is stored. What a person has approved or rejected keeps "
               "its status. The\n"
               "former scores stay in the table edits.",
    .options = options,
    .common = cf_database_options,
    .max_positionals = 1,
    .run = score,
};
