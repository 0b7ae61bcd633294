#include <stdio.h>

#include "cli/command.h"
#include "cli/commands.h"
#include "confab/buf.h"

#define HELP_MAX 65536

static const char environment[] =
    "environment (what a flag or the script says comes first; a .env file here comes last):\n"
    "  ANTHROPIC_API_KEY        the key; needed unless simulating\n"
    "  ANTHROPIC_API_BASE_URL   the service (default https://api.anthropic.com/v1); also\n"
    "                           ANTHROPIC_BASE_URL, without /v1\n"
    "  ANTHROPIC_MODEL          the model, where neither flag nor script names one\n"
    "  CONFAB_DB                the database (default confab.db)\n"
    "  CONFAB_LUA_PATH          load confab's own Lua modules from this folder\n"
    "  NO_COLOR                 if set, no colours\n";

static const char statuses[] =
    "exit status:\n"
    "  0    done\n"
    "  1    done, but some items failed (or too few were accepted: --min-acceptance)\n"
    "  2    wrong use or configuration\n"
    "  3    stopped by the budget\n"
    "  4    stopped by something every item would meet (keys, disk, outage); can be gone on with\n"
    "  5    an error in the script\n"
    "  130  interrupted; everything is saved\n";

void cf_help_overview(struct cf_buf *out)
{
    cf_buf_adds(out, "Turn a Lua script into a finished dataset of multi-turn conversations.\n\n"
                     "  confab run support_chats.lua --simulate\n\n"
                     "usage: confab COMMAND [OPTIONS] [ARGUMENTS]\n\ncommands:\n");
    for (const struct cf_command *const *command = cf_commands; *command != NULL; command++)
        cf_buf_addf(out, "  %-10s %s\n", (*command)->name, (*command)->summary);
    cf_buf_addf(out,
                "\n'confab help COMMAND' tells the rest. Results go to standard output, everything "
                "else to\n"
                "standard error.\n\n%s\n%s",
                environment, statuses);
}

static int help(const struct cf_args *args, struct cf_error *err)
{
    struct cf_buf text;
    cf_buf_init(&text, HELP_MAX);
    if (args->positional_count == 0) {
        cf_help_overview(&text);
    } else {
        const struct cf_command *command;
        if (!cf_command_get(args->positionals[0], &command, err))
            return -1;
        cf_command_format_help(command, &text);
    }
    fputs(cf_buf_str(&text), stdout);
    cf_buf_done(&text);
    return CF_EXIT_OK;
}

const struct cf_command cf_command_help = {
    .name = "help",
    .synopsis = "[COMMAND]",
    .summary = "Explain the program or one command, with an example",
    .example = "confab help export",
    .max_positionals = 1,
    .run = help,
};
