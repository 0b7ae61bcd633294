#include "lua/fs.h"

#include <errno.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>

#include <lauxlib.h>

#define GLOB_MT "confab.fs.glob"

/* kind(path): "file", "directory" or "other"; or nil and why the system will not say. */
static int fs_kind(lua_State *L)
{
    struct stat info;
    const char *path = luaL_checkstring(L, 1);

    if (stat(path, &info) != 0) {
        lua_pushnil(L);
        lua_pushstring(L, strerror(errno));
        return 2;
    }
    lua_pushstring(L, S_ISREG(info.st_mode)   ? "file"
                      : S_ISDIR(info.st_mode) ? "directory"
                                              : "other");
    return 1;
}

/* A folder that is not there holds no match; one that cannot be read is an error. */
static int glob_stops(const char *path, int error)
{
    (void)path;
    return error != ENOENT && error != ENOTDIR;
}

static int glob_gc(lua_State *L)
{
    glob_t *matches = lua_touserdata(L, 1);
    globfree(matches);
    memset(matches, 0, sizeof *matches);
    return 0;
}

/* glob(pattern): the paths that match *, ? and [] as the shell has it, unsorted; {} if there
 * are none; or nil and the reason where a folder cannot be read. */
static int fs_glob(lua_State *L)
{
    const char *pattern = luaL_checkstring(L, 1);

    glob_t *matches = lua_newuserdatauv(L, sizeof *matches, 0);       /* ... matches */
    memset(matches, 0, sizeof *matches);
    if (luaL_newmetatable(L, GLOB_MT)) {
        lua_pushcfunction(L, glob_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);

    int status = glob(pattern, GLOB_NOSORT, glob_stops, matches);
    if (status != 0 && status != GLOB_NOMATCH) {
        lua_pushnil(L);
        lua_pushstring(L, status == GLOB_NOSPACE ? "out of memory" : "a folder cannot be read");
        return 2;
    }
    lua_newtable(L);                                                  /* ... matches paths */
    for (size_t i = 0; i < matches->gl_pathc; i++) {
        lua_pushstring(L, matches->gl_pathv[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

int cf_lua_open_fs(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "kind", fs_kind },
        { "glob", fs_glob },
        { NULL, NULL },
    };
    luaL_newlib(L, functions);
    return 1;
}
