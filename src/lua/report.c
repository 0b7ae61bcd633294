#include "lua/report.h"

#include <lauxlib.h>

#include "confab/error.h"
#include "engine/report.h"
#include "lua/raise.h"
#include "lua/store.h"

static int report_write(lua_State *L)
{
    lua_Integer run = luaL_checkinteger(L, 1);
    const char *path = luaL_checkstring(L, 2);
    struct cf_reader *reader = cf_lua_store_reader(L);
    struct cf_error err;
    int64_t bytes;
    if (!cf_report_write(reader, run, path, &bytes, &err))
        return cf_lua_raise(L, &err);
    lua_pushinteger(L, bytes);
    return 1;
}

int cf_lua_open_report(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "write", report_write },
        { NULL, NULL },
    };
    luaL_newlib(L, functions);
    return 1;
}
