/* owner.h - one process at a time works on a run.
 *
 * An OFD write lock on byte <run id> of the side file "<database>-lock": the kernel frees
 * it when the process dies, and closing the database does not touch it. */
#ifndef CONFAB_STORE_OWNER_H
#define CONFAB_STORE_OWNER_H

#include <stdbool.h>
#include <stdint.h>

struct cf_error;
struct cf_owner;

/* Takes the lock of a run. config_error if another process (or an earlier open of this one)
 * holds it; the caller adds who that is (cf_reader_run has host, pid and start).
 * storage_error if the side file cannot be made. */
bool cf_owner_open(const char *db_path, int64_t run, struct cf_owner **out_owner,
                   struct cf_error *err);

/* Frees the lock. NULL is fine. */
void cf_owner_free(struct cf_owner *owner);

/* Whether somebody holds the lock just now. */
bool cf_owner_is_held(const char *db_path, int64_t run);
#endif
