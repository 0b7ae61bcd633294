/* find.h - what ids and names in requests mean. */
#ifndef CONFAB_SERVER_FIND_H
#define CONFAB_SERVER_FIND_H

#include <stddef.h>
#include <stdint.h>

#include "store/reader.h"

/* The row of that kind whose uuid this is, or the only one of any kind that starts so. 1, 0, -1
 * (config_error: several start so). */
int cf_find_id(struct cf_reader *reader, const char *text, enum cf_id_kind kind, int64_t *out_id,
               struct cf_error *err);

/* The template of that name, in its newest version; or the version whose uuid this is, or begins
 * so. Results as above. */
int cf_find_template(struct cf_reader *reader, const char *text, int64_t *out_id,
                     struct cf_error *err);

/* The status of a conversation that is called so; NULL: none is. Static. */
const char *cf_find_status(const char *text, size_t len);
#endif
