/* explain.h - `confab explain`: where a conversation, an item or a call came from. */
#ifndef CONFAB_CLI_EXPLAIN_H
#define CONFAB_CLI_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>

struct cf_buf;
struct cf_command;
struct cf_error;
struct cf_reader;

extern const struct cf_command cf_command_explain;

/* Shows what belongs to a call: why it was made, and every attempt; see cf_rows.show_more. */
bool cf_explain_call_more(struct cf_reader *reader, int64_t call, struct cf_buf *json,
                          struct cf_error *err);
#endif
