/* fs.h - what plain Lua cannot ask the file system: kinds of files, and globs. */
#ifndef CONFAB_LUA_FS_H
#define CONFAB_LUA_FS_H

#include <lua.h>

/* Pushes { kind, glob }. */
int cf_lua_open_fs(lua_State *L);
#endif
