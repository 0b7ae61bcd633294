/* script_end.h - what is told of a script that did not come to its end: where it was, how to go
 * on. */
#ifndef CONFAB_CLI_SCRIPT_END_H
#define CONFAB_CLI_SCRIPT_END_H

struct cf_args;
struct cf_buf;

/* Adds the frames of the script itself from a traceback (NULL: none); ours in between would only
 * hide them. A single one that the message names already says nothing, and is left out. */
void cf_script_trace(const char *traceback, const char *message, struct cf_buf *out);

/* Adds the command that goes on with what these words began, as a shell takes it. budget: a
 * larger one to go on with; NULL: that which was given. */
void cf_script_command(const struct cf_args *args, const char *budget, struct cf_buf *out);
#endif
