/* embedded.h - the Lua modules that are compiled into the program.
 *
 * The table is made at build time from lua/confab/ (cmake/embed.cmake): the
 * plain source text, so that a traceback names lines of the file. Constant. */
#ifndef CONFAB_LUA_EMBEDDED_H
#define CONFAB_LUA_EMBEDDED_H

#include <stddef.h>

struct cf_embedded_module {
    const char *name;     /* as `require` takes it: "confab.inputs" */
    const char *source;   /* followed by a NUL that is not counted */
    size_t      size;     /* bytes */
};

/* Sorted by path; a row of NULLs ends it. */
extern const struct cf_embedded_module cf_embedded_modules[];
extern const size_t cf_embedded_modules_count;
#endif
