/* embedded.h - the files of lua/ that are compiled into the program.
 *
 * The tables are made at build time (cmake/embed.cmake) from lua/confab/, the Lua modules, and from
 * the files that are given to users: the stub for editors and the project of `confab init`. They
 * hold the plain text, so that a traceback names lines of the file. Constant. */
#ifndef CONFAB_LUA_EMBEDDED_H
#define CONFAB_LUA_EMBEDDED_H

#include <stddef.h>

struct lua_State;

struct cf_embedded_module {
    const char *name;     /* as `require` takes it: "confab.inputs" */
    const char *source;   /* followed by a NUL that is not counted */
    size_t      size;     /* bytes */
};

/* Sorted by path; a row of NULLs ends it. */
extern const struct cf_embedded_module cf_embedded_modules[];
extern const size_t cf_embedded_modules_count;

#define CF_EMBEDDED_STUB    "meta/confab.lua"
#define CF_EMBEDDED_PROJECT "project/"        /* below it, hidden files as "dot-env.example" */

struct cf_embedded_file {
    const char *path;     /* within lua/ */
    const char *text;     /* followed by a NUL that is not counted */
    size_t      size;     /* bytes */
};

/* The stub, then the project's files sorted by path; a row of NULLs ends it. */
extern const struct cf_embedded_file cf_embedded_files[];

/* The file of that path; NULL if there is none. */
const struct cf_embedded_file *cf_embedded_find(const char *path);

/* Opens core.embedded, which gives such a file to Lua (lua/meta/embedded.lua). */
int cf_lua_open_embedded(struct lua_State *L);
#endif
