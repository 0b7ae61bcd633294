/* mem.h - allocation that does not fail.
 *
 * Out of memory ends the process with a message and status 4: every reply is in
 * the journal before it is used, so that is no worse than a kill -9, and a
 * half-handled failure would be. Sizes from outside are capped before they come here. */
#ifndef CONFAB_BASE_MEM_H
#define CONFAB_BASE_MEM_H

#include <stddef.h>

void *cf_malloc(size_t size) __attribute__((malloc, returns_nonnull));
void *cf_calloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *cf_realloc(void *old, size_t size) __attribute__((returns_nonnull));
char *cf_strdup(const char *text) __attribute__((malloc, returns_nonnull));

/* A copy of len bytes with a NUL behind it. */
char *cf_memdup(const void *bytes, size_t len) __attribute__((malloc, returns_nonnull));
#endif
