/* shape.h - what a trainer can read of a conversation: an optional system text, then pairs. */
#ifndef CONFAB_EXPORT_SHAPE_H
#define CONFAB_EXPORT_SHAPE_H

#include "export/export.h"

struct cf_export_shape {
    struct cf_export_text system;        /* data NULL: none */
    const struct cf_export_turn
        *turns; /* user, assistant, user, assistant ...; lent from the record */
    size_t count;                        /* even, at least 2 */
    bool trimmed;                        /* a last user turn without an answer was left out */
};

/* True, or false with the reason why no trainer's format can carry the record. */
bool cf_export_shape_of(const struct cf_export_record *record, struct cf_export_shape *out_shape,
                        enum cf_export_skip *out_skip);
#endif
