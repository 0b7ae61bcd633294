/* attempt.h - an attempt at a call, as `confab logs` and `confab explain` both show it. */
#ifndef CONFAB_CLI_ATTEMPT_H
#define CONFAB_CLI_ATTEMPT_H

struct cf_buf;
struct cf_log_row;

/* The end of its line: what it cost, what may be billed besides, the request's id, what went
 * wrong. */
void cf_attempt_print_end(const struct cf_log_row *row);

/* Its fields, put into the open object. */
void cf_attempt_add(struct cf_buf *json, const struct cf_log_row *row);
#endif
