#include "cli/commands.h"

#include <string.h>

#include "cli/command.h"
#include "cli/completion.h"
#include "cli/control.h"
#include "cli/explain.h"
#include "cli/estimate.h"
#include "cli/init.h"
#include "cli/mock.h"
#include "cli/repl.h"
#include "cli/resume.h"
#include "cli/run.h"
#include "cli/score.h"
#include "cli/serve.h"
#include "confab/error.h"

const struct cf_command *const cf_commands[] = {
    &cf_command_init,
    &cf_command_run,
    &cf_command_repl,
    &cf_command_estimate,
    &cf_command_resume,
    &cf_command_pause,
    &cf_command_tune,
    &cf_command_stop,
    &cf_command_runs,
    &cf_command_show,
    &cf_command_explain,
    &cf_command_logs,
    &cf_command_stats,
    &cf_command_score,
    &cf_command_export,
    &cf_command_report,
    &cf_command_serve,
    &cf_command_mock,
    &cf_command_doctor,
    &cf_command_completion,
    &cf_command_version,
    &cf_command_help,
    NULL,
};

const struct cf_command *cf_command_find(const char *name)
{
    for (const struct cf_command *const *command = cf_commands; *command != NULL; command++)
        if (strcmp((*command)->name, name) == 0)
            return *command;
    return NULL;
}

bool cf_command_get(const char *word, const struct cf_command **out_command, struct cf_error *err)
{
    const char *names[32];
    size_t count = 0;
    const struct cf_command *command = cf_command_find(word);
    if (command != NULL) {
        *out_command = command;
        return true;
    }
    for (; count < sizeof names / sizeof *names && cf_commands[count] != NULL; count++)
        names[count] = cf_commands[count]->name;
    const char *nearest = cf_nearest_name(word, names, count);
    if (nearest != NULL)
        return cf_fail(err, CF_ERR_CONFIG, "there is no command '%s'; did you mean '%s'?", word,
                       nearest);
    return cf_fail(err, CF_ERR_CONFIG, "there is no command '%s'; 'confab help' lists them", word);
}
