#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_RESUMABLE 4    /* DESIGN.md, section 12 */

static void *or_die(void *memory)
{
    if (memory == NULL) {
        static const char message[] =
            "confab: out of memory; run the same command again to go on\n";
        ssize_t ignored = write(STDERR_FILENO, message, sizeof message - 1);
        (void)ignored;
        _exit(EXIT_RESUMABLE);
    }
    return memory;
}

void *cf_malloc(size_t size)
{
    return or_die(malloc(size > 0 ? size : 1));
}

void *cf_calloc(size_t count, size_t size)
{
    return or_die(calloc(count > 0 ? count : 1, size > 0 ? size : 1));
}

void *cf_realloc(void *old, size_t size)
{
    return or_die(realloc(old, size > 0 ? size : 1));
}

char *cf_strdup(const char *text)
{
    return cf_memdup(text, strlen(text));
}

char *cf_memdup(const void *bytes, size_t len)
{
    char *copy = or_die(len < SIZE_MAX ? malloc(len + 1) : NULL);
    if (len > 0)
        memcpy(copy, bytes, len);
    copy[len] = '\0';
    return copy;
}
