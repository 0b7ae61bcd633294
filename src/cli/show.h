/* show.h - the parts of `confab show`: one function for each kind of thing that has an id. */
#ifndef CONFAB_CLI_SHOW_H
#define CONFAB_CLI_SHOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

struct cf_error;
struct cf_reader;

/* Each prints the row of that id, for people or as one JSON object. */
bool cf_show_run(struct cf_reader *reader, int64_t id, bool as_json, struct cf_error *err);
bool cf_show_template(struct cf_reader *reader, int64_t id, bool as_json, struct cf_error *err);
bool cf_show_conversation(struct cf_reader *reader, int64_t id, bool as_json, struct cf_error *err);
bool cf_show_item(struct cf_reader *reader, int64_t id, bool as_json, struct cf_error *err);
bool cf_show_call(struct cf_reader *reader, int64_t id, bool as_json, struct cf_error *err);

/* "label       value" on one line; nothing if the value is NULL or empty. */
void cf_show_field(const char *label, struct cf_text value);
void cf_show_str(const char *label, const char *value);
void cf_show_count(const char *label, int64_t value);
void cf_show_usd(const char *label, int64_t pico);

/* Whether a reader found its row (1); 0, it went between two looks, is a storage_error. */
bool cf_show_found(int found, struct cf_error *err);

/* A heading and a text with its lines, such as a prompt; nothing if it is NULL or empty. */
void cf_show_block(const char *heading, struct cf_text text);
#endif
