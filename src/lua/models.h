/* models.h - the model table of Lua (lua/confab/models.lua) as the engine's. */
#ifndef CONFAB_LUA_MODELS_H
#define CONFAB_LUA_MODELS_H

#include <lua.h>

struct cf_models;

/* Makes the engine's table from the one at idx, as lua/confab/models.lua has it: { models = {
 * [id] = entry } }. Raises config_error that names model and field. The caller owns the result. */
struct cf_models *cf_lua_read_models(lua_State *L, int idx);
#endif
