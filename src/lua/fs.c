#include "lua/fs.h"

#include <errno.h>
#include <glob.h>
#include <stdbool.h>
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

/* make_folder(path): with those above it, for their owner alone. true, or nil and why. */
static int fs_make_folder(lua_State *L)
{
    size_t len;
    const char *path = luaL_checklstring(L, 1, &len);
    char *part = lua_newuserdatauv(L, len + 1, 0);
    memcpy(part, path, len + 1);
    for (size_t at = 1; at <= len; at++) {
        if (part[at] != '/' && part[at] != '\0')
            continue;
        char end = part[at];
        part[at] = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST) {
            lua_pushnil(L);
            lua_pushfstring(L, "%s: %s", part, strerror(errno));
            return 2;
        }
        part[at] = end;
    }
    lua_pushboolean(L, true);
    return 1;
}

int cf_lua_open_fs(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "kind", fs_kind },
        { "glob", fs_glob },
        { "make_folder", fs_make_folder },
        { NULL, NULL },
    };
    luaL_newlib(L, functions);
    return 1;
}
