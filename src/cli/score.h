/* score.h - confab score: stored conversations scored anew. */
#ifndef CONFAB_CLI_SCORE_H
#define CONFAB_CLI_SCORE_H

struct cf_command;

extern const struct cf_command cf_command_score;
#endif
