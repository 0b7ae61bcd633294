/* control.h - `confab pause`, `tune`, `stop`: what another terminal asks of a run in work. */
#ifndef CONFAB_CLI_CONTROL_H
#define CONFAB_CLI_CONTROL_H

struct cf_command;

extern const struct cf_command cf_command_pause;
extern const struct cf_command cf_command_tune;
extern const struct cf_command cf_command_stop;
#endif
