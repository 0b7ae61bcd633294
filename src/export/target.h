/* target.h - one file that appears under its name only when it is whole.
 *
 * Bytes go to a new file beside the target; commit syncs it and renames it. Standard output, pipes
 * and devices are written as they are. */
#ifndef CONFAB_EXPORT_TARGET_H
#define CONFAB_EXPORT_TARGET_H

#include <stdbool.h>

#include "confab/buf.h"

struct cf_error;

struct cf_export_target {
    char *name;            /* as the user gave it, for messages; owned */
    char *path;            /* where it ends up, links resolved; owned, NULL when written directly */
    char *temp;            /* owned; NULL when there is none (any more) */
    int   fd;              /* -1 when closed */
    bool  closes;          /* the descriptor is ours */
    struct cf_buf buf;     /* not yet written */
};

/* "-" is standard output. config_error: a folder, a missing folder; storage_error: cannot be
 * made. */
bool cf_export_target_open(struct cf_export_target *target, const char *path, struct cf_error *err);

/* Writes the buffer out if it is large, or at any size with `all`. */
bool cf_export_target_flush(struct cf_export_target *target, bool all, struct cf_error *err);

/* Everything is on disk afterwards, still under the temporary name. */
bool cf_export_target_sync(struct cf_export_target *target, struct cf_error *err);

/* Takes the name. Only after sync. */
bool cf_export_target_rename(struct cf_export_target *target, struct cf_error *err);

/* Removes what was not renamed. Zero and half-opened ones are fine. */
void cf_export_target_done(struct cf_export_target *target);
#endif
