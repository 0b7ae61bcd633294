/* estimate.h - `confab estimate`: what a script is going to take, before anything is paid for. */
#ifndef CONFAB_CLI_ESTIMATE_H
#define CONFAB_CLI_ESTIMATE_H

struct cf_command;

extern const struct cf_command cf_command_estimate;
#endif
