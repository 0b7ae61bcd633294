#include "lua/state.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "base/mem.h"
#include "confab/clock.h"
#include "lua/core.h"
#include "lua/embedded.h"
#include "lua/engine.h"
#include "lua/limits.h"
#include "lua/scheduler.h"

/* package.searchers entry: the compiled-in modules. */
static int search_embedded(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    const char *wanted = strcmp(name, "confab") == 0 ? "confab.init" : name;
    for (size_t i = 0; i < cf_embedded_modules_count; i++) {
        const struct cf_embedded_module *module = &cf_embedded_modules[i];
        if (strcmp(module->name, wanted) != 0)
            continue;
        /* Named like files of one folder: lua/confab/errors.lua tells our frames by it. */
        lua_pushfstring(L, "@%s.lua", luaL_gsub(L, wanted, ".", "/"));
        if (luaL_loadbufferx(L, module->source, module->size, lua_tostring(L, -1), "t") != LUA_OK)
            return lua_error(L);
        lua_pushstring(L, lua_tostring(L, -2) + 1);
        return 2;
    }
    lua_pushfstring(L, "no compiled-in module '%s'", name);
    return 1;
}

void cf_lua_add_modules(lua_State *L)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE); /* preload */
    lua_pushcfunction(L, luaopen_confab_core);
    lua_setfield(L, -2, "confab.core");
    lua_pop(L, 1);

    lua_getglobal(L, "package"); /* package */
    const char *folder = getenv("CONFAB_LUA_PATH");
    if (folder != NULL && folder[0] != '\0') {
        lua_getfield(L, -1, "path");
        lua_pushfstring(L, "%s/?.lua;%s/?/init.lua;%s", folder, folder, lua_tostring(L, -1));
        lua_setfield(L, -3, "path");
        lua_pop(L, 1);
    }
    /* Second, behind preload; first in line after package.path only if the user asked for the
     * source tree. */
    lua_getfield(L, -1, "searchers"); /* package searchers */
    lua_Integer count = luaL_len(L, -1);
    lua_Integer place = folder != NULL && folder[0] != '\0' ? count + 1 : 2;
    for (lua_Integer i = count; i >= place; i--) {
        lua_geti(L, -1, i);
        lua_seti(L, -2, i + 1);
    }
    lua_pushcfunction(L, search_embedded);
    lua_seti(L, -2, place);
    lua_pop(L, 2);
}

static int open_state(lua_State *L)
{
    luaL_openlibs(L);
    cf_scheduler_open(L, cf_clock_system(), true);
    cf_lua_add_modules(L);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "confab.program");
    lua_call(L, 1, 0);
    return 0;
}

static void close_state(lua_State *L)
{
    struct cf_lua_memory *memory = cf_limits_memory(L);
    lua_close(L);
    free(memory);
}

lua_State *cf_lua_new_state(void)
{
    lua_State *L = luaL_newstate();
    if (L == NULL)
        return NULL;
    cf_limits_count(L, cf_calloc(1, sizeof(struct cf_lua_memory)));
    lua_pushcfunction(L, open_state);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
        lua_writestringerror("confab: %s\n", lua_tostring(L, -1));
        close_state(L);
        return NULL;
    }
    return L;
}

void cf_lua_free_state(lua_State *L)
{
    if (L == NULL)
        return;
    cf_lua_close_engine(L);
    cf_scheduler_settle(L);
    close_state(L);
}

int luaopen_confab(lua_State *L)
{
    cf_lua_add_modules(L);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "confab.init");
    lua_call(L, 1, 1);
    return 1;
}
