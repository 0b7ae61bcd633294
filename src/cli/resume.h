/* resume.h - `confab resume`: a run gone on with, from what the database has of it. */
#ifndef CONFAB_CLI_RESUME_H
#define CONFAB_CLI_RESUME_H

struct cf_command;

extern const struct cf_command cf_command_resume;
#endif
