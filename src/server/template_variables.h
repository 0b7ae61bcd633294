/* template_variables.h - what a stored template is to be filled in with. */
#ifndef CONFAB_SERVER_TEMPLATE_VARIABLES_H
#define CONFAB_SERVER_TEMPLATE_VARIABLES_H

#include <stdbool.h>

struct cf_buf;
struct cf_template_row;
struct cJSON;

/* "variables": the names in its texts, in order, in the open object. settings: its row's,
 * parsed; or NULL. What is a function in the script cannot be looked into. */
void cf_template_add_variables(struct cf_buf *out, const struct cf_template_row *row,
                               const struct cJSON *settings);

/* Whether the row says all of the template: nothing of it is a function of the script. */
bool cf_template_is_whole(const struct cf_template_row *row, const struct cJSON *settings);
#endif
