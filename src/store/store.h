/* store.h - the database of a project: one file, one thread that writes it.
 *
 * Everything that is written is a message (struct cf_write) that travels to the
 * store thread; that thread applies all that is queued in one transaction, syncs
 * it, then calls each message's on_done. There is no timer: the next group is what
 * gathered while the last one was synced. Reading is in store/reader.h, the typed
 * messages are in store/write_*.h.
 *
 * One cf_store per file and process. Submitting is for any thread; open and free
 * belong to the thread that made it. */
#ifndef CONFAB_STORE_STORE_H
#define CONFAB_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/queue.h"
#include "base/text.h"

struct cf_clock;
struct cf_error;
struct cf_store;
struct cf_store_tx;

#define CF_STORE_GROUP_MAX   256     /* messages a transaction */
#define CF_STORE_PATIENCE_MS 60000   /* how long a full disk is waited for */
#define CF_STORE_RUN_BUSY_MS 60000   /* a run outlives somebody's backup */
#define CF_STORE_CMD_BUSY_MS 10000   /* a person waits for a command */

/* A cf_text with data NULL is SQL's NULL. */

/* The text up to the NUL; NULL stays NULL. */
struct cf_text cf_text_of(const char *text);

/* A message to the store thread, embedded as the first member of a typed write.
 *
 * What a typed write points to is borrowed and must stay as it is until on_done:
 * apply may run twice, since a group that fails as a whole is applied again message
 * by message. Results stand in the message and count only once on_done was called
 * without an error. */
struct cf_write {
    struct cf_queue_link link;

    /* Makes the changes. Called on the store thread within a transaction; false
     * (with *err) undoes this message alone. */
    bool (*apply)(struct cf_write *write, struct cf_store_tx *tx, struct cf_error *err);

    /* Called on the store thread, no lock held, in the order of submission: err is
     * NULL when the changes are synced to disk, else nothing of this message is
     * stored. The message belongs to the callee from here on (it may free it or push
     * it on to another thread's queue). Must not block. */
    void (*on_done)(struct cf_write *write, const struct cf_error *err);

    void *owner;           /* the submitter's, untouched here */
};

struct cf_store_options {
    int busy_ms; /* how long a lock of another process is waited for; 0: CF_STORE_CMD_BUSY_MS */
    const struct cf_clock *clock;    /* borrowed; NULL: the system's. Dates the rows. */
};

/* Opens the file for writing, creates it if it is missing (its folder must exist), and
 * migrates an older schema; starts the store thread. config_error: a folder, a file
 * of another program, a missing parent, a newer schema. storage_error: read-only, locked,
 * damaged, full, each naming the path and what to do. */
bool cf_store_open(const char *path, const struct cf_store_options *options,
                   struct cf_store **out_store, struct cf_error *err);

/* Writes all that was submitted, calls the on_done's, stops the thread, closes the file. */
void cf_store_free(struct cf_store *store);

/* The path as it was opened. Lent. */
const char *cf_store_path(const struct cf_store *store);

/* Hands the message to the store thread. Never blocks and never fails; the number in
 * flight is bounded by who submits. */
void cf_store_submit(struct cf_store *store, struct cf_write *write);

/* Submits and waits until it is committed or failed; sets on_done itself. Not for the
 * net thread, nor from an on_done. */
bool cf_store_write(struct cf_store *store, struct cf_write *write, struct cf_error *err);

/* Whether writes wait for room on the disk. They are tried again for CF_STORE_PATIENCE_MS in
 * all, then they fail, and so does at once what comes after them, until a write succeeds. Any
 * thread. */
bool cf_store_is_in_trouble(const struct cf_store *store);

/* From now on nothing waits for room: each write is tried once. Any thread. */
void cf_store_hurry(struct cf_store *store);

/* Commits made so far; any thread. */
uint64_t cf_store_commits(const struct cf_store *store);
#endif
