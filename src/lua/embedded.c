#include "lua/embedded.h"

#include <string.h>

#include <lauxlib.h>
#include <lua.h>

const struct cf_embedded_file *cf_embedded_find(const char *path)
{
    for (const struct cf_embedded_file *file = cf_embedded_files; file->path != NULL; file++)
        if (strcmp(file->path, path) == 0)
            return file;
    return NULL;
}

static int embedded_read(lua_State *L)
{
    const struct cf_embedded_file *file = cf_embedded_find(luaL_checkstring(L, 1));
    luaL_argcheck(L, file != NULL, 1, "no such file is compiled in");
    lua_pushlstring(L, file->text, file->size);
    return 1;
}

int cf_lua_open_embedded(lua_State *L)
{
    static const luaL_Reg functions[] = { { "read", embedded_read }, { NULL, NULL } };
    luaL_newlib(L, functions);
    return 1;
}
