#include "lua/models.h"

#include <string.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "confab/error.h"
#include "engine/models.h"
#include "lua/price.h"
#include "lua/raise.h"
#include "lua/read.h"

/* The table under construction; on a userdata, so that a raise frees it. */
struct holder { struct cf_models *models; };

static int holder_gc(lua_State *L)
{
    struct holder *holder = lua_touserdata(L, 1);
    cf_models_free(holder->models);
    holder->models = NULL;
    return 0;
}

static char *copy_or_null(const char *text)
{
    return text != NULL ? cf_strdup(text) : NULL;
}

static void read_features(lua_State *L, int idx, struct cf_features *out)
{
    const char *sampling = cf_lua_read_string(L, idx, "sampling");
    if (sampling != NULL)
        out->sampling = strcmp(sampling, "both") == 0 ? CF_SAMPLING_BOTH :
                        strcmp(sampling, "one") == 0 ? CF_SAMPLING_ONE : CF_SAMPLING_NONE;
    cf_lua_read_bool(L, idx, "prefill", &out->prefill);
    cf_lua_read_bool(L, idx, "forced_tools", &out->forced_tools);
    cf_lua_read_bool(L, idx, "structured_output", &out->structured_outputs);
    cf_lua_read_bool(L, idx, "effort", &out->effort);
    cf_lua_read_bool(L, idx, "thinks_by_default", &out->thinks_by_default);
    cf_lua_read_int(L, idx, "thinking_room", &out->thinking_room);

    if (lua_getfield(L, idx, "thinking") == LUA_TTABLE) {
        for (lua_Integer i = 1; lua_geti(L, -1, i) == LUA_TSTRING; i++) {
            enum cf_thinking thinking;
            if (cf_thinking_parse(lua_tostring(L, -1), &thinking))
                out->thinking |= thinking;
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* Fills the model from the entry at idx. */
static void read_model(lua_State *L, int idx, struct cf_models *models, struct cf_model *model)
{
    const char *provider = cf_lua_read_string(L, idx, "provider");
    const char *limit_class = cf_lua_read_string(L, idx, "limit_class");
    const char *status = cf_lua_read_string(L, idx, "status");
    model->provider = cf_strdup(provider != NULL ? provider : "anthropic");
    model->limit_class = cf_strdup(limit_class != NULL ? limit_class : model->name);
    model->is_retired = status != NULL && strcmp(status, "retired") == 0;
    model->successor = copy_or_null(cf_lua_read_string(L, idx, "successor"));
    cf_lua_read_int(L, idx, "max_output", &model->features.max_output);
    cf_lua_read_int(L, idx, "context_window", &model->features.context_window);
    cf_lua_read_int(L, idx, "min_cacheable_tokens", &model->features.min_cacheable);

    if (lua_getfield(L, idx, "features") == LUA_TTABLE)
        read_features(L, lua_gettop(L), &model->features);
    lua_pop(L, 1);

    struct cf_error err;
    lua_getfield(L, idx, "price");
    if (!lua_isnil(L, -1) && !cf_lua_read_price(L, -1, &model->price, &err)) {
        cf_fail_prefix(&err, "model \"%s\": price: ", model->name);
        cf_lua_raise(L, &err);
    }
    lua_pop(L, 1);

    if (lua_getfield(L, idx, "aliases") == LUA_TTABLE) {
        for (lua_Integer i = 1; lua_geti(L, -1, i) == LUA_TSTRING; i++) {
            cf_models_add_alias(models, lua_tostring(L, -1), model);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

struct cf_models *cf_lua_read_models(lua_State *L, int idx)
{
    int top = lua_gettop(L);
    idx = lua_absindex(L, idx);
    struct holder *holder = lua_newuserdatauv(L, sizeof *holder, 0);     /* holder */
    holder->models = NULL;
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, holder_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    holder->models = cf_models_new();

    lua_getfield(L, idx, "models");                          /* holder entries */
    /* holder entries id entry */
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        if (lua_type(L, -2) == LUA_TSTRING && lua_istable(L, -1)) {
            struct cf_model *model = cf_models_add(holder->models, lua_tostring(L, -2));
            read_model(L, lua_gettop(L), holder->models, model);
        }
    }
    struct cf_models *models = holder->models;
    holder->models = NULL;                                   /* moved to the caller */
    lua_settop(L, top);
    return models;
}
