/* run.h - `confab run`: a script, from its file to an exit status. */
#ifndef CONFAB_CLI_RUN_H
#define CONFAB_CLI_RUN_H

struct cf_command;

extern const struct cf_command cf_command_run;
#endif
