/* commands.h - the commands that read the database, and those about the program itself. */
#ifndef CONFAB_CLI_COMMANDS_H
#define CONFAB_CLI_COMMANDS_H

#include <stdbool.h>

struct cf_buf;
struct cf_command;
struct cf_error;

extern const struct cf_command cf_command_runs;
extern const struct cf_command cf_command_show;
extern const struct cf_command cf_command_logs;
extern const struct cf_command cf_command_stats;
extern const struct cf_command cf_command_export;
extern const struct cf_command cf_command_report;
extern const struct cf_command cf_command_doctor;
extern const struct cf_command cf_command_version;
extern const struct cf_command cf_command_help;

/* The command of that name; config_error naming the nearest if there is none. */
bool cf_command_get(const char *word, const struct cf_command **out_command, struct cf_error *err);

/* Appends the help of the program as a whole. */
void cf_help_overview(struct cf_buf *out);

/* Prints the version on standard output. */
void cf_version_print(void);
#endif
