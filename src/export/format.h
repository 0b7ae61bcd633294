/* format.h - one record as one JSON object, in each format. */
#ifndef CONFAB_EXPORT_FORMAT_H
#define CONFAB_EXPORT_FORMAT_H

#include "export/shape.h"

struct cf_buf;

void cf_export_add_messages(struct cf_buf *buf, const struct cf_export_shape *shape);
void cf_export_add_sharegpt(struct cf_buf *buf, const char *id, const struct cf_export_shape *shape,
                            enum cf_export_system system);
void cf_export_add_alpaca(struct cf_buf *buf, const struct cf_export_shape *shape);

/* Everything, whatever the turns: the same keys with the same types in every record. */
void cf_export_add_everything(struct cf_buf *buf, const struct cf_export_record *record);
#endif
