/* init.h - `confab init DIR`: a project that runs as it stands. */
#ifndef CONFAB_CLI_INIT_H
#define CONFAB_CLI_INIT_H

struct cf_command;

extern const struct cf_command cf_command_init;
#endif
