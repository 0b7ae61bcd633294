/* readers.h - a few read-only database connections that the workers take turns with. */
#ifndef CONFAB_SERVER_READERS_H
#define CONFAB_SERVER_READERS_H

#include <stdbool.h>
#include <stddef.h>

struct cf_error;
struct cf_reader;
struct cf_readers;

#define CF_READERS_WAIT_MS 10000    /* for one to come free: longer, and the server is too busy */

/* A pool of up to `most` connections to the file, opened as they are needed. */
struct cf_readers *cf_readers_new(const char *path, size_t most);

/* All connections must be back. */
void cf_readers_free(struct cf_readers *readers);

/* Takes one, waiting for it. rate_limit_error: none came free; else why none could be opened. */
bool cf_readers_take(struct cf_readers *readers, struct cf_reader **out_reader,
                     struct cf_error *err);

/* Gives it back, with no cursor open. NULL is fine. */
void cf_readers_give(struct cf_readers *readers, struct cf_reader *reader);
#endif
