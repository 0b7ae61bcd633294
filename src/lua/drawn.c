#include "lua/drawn.h"

#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "confab/error.h"
#include "engine/engine.h"
#include "engine/journal.h"
#include "lua/item.h"
#include "lua/raise.h"
#include "store/drawn.h"

#define DRAWN_MT   "confab.drawn"
#define DIGITS_MAX 18                  /* of a number after '#' */

struct lua_drawn {
    struct cf_drawn drawn;
    struct cf_run *run;                /* borrowed from the engine */
};

static struct lua_drawn *check_drawn(lua_State *L, int idx)
{
    return luaL_checkudata(L, idx, DRAWN_MT);
}

int cf_lua_drawn(lua_State *L, struct cf_run *run)
{
    lua_Integer first = luaL_checkinteger(L, 2), count = luaL_checkinteger(L, 3);
    luaL_argcheck(L, first >= 0, 2, "places count from 0");
    luaL_argcheck(L, count >= 1 && count <= CF_DRAWN_MAX, 3, "1 to 1024 places at a time");
    lua_settop(L, 4);
    struct lua_drawn *self;
    if (lua_isnil(L, 4)) {
        self = lua_newuserdatauv(L, sizeof *self, 0);
        memset(self, 0, sizeof *self);
        luaL_setmetatable(L, DRAWN_MT);
    } else {
        self = check_drawn(L, 4);
    }
    self->run = run;
    struct cf_error err;
    if (!cf_drawn_read(&self->drawn, cf_engine_reader(run->engine), run->id, run->drawing, first,
                       (size_t)count, &err))
        return cf_lua_raise(L, &err);
    return 1;
}

/* The item at the place given at 2; raises if there is none. */
static const struct cf_drawn_item *check_place(lua_State *L, const struct lua_drawn *self)
{
    const struct cf_drawn_item *item = cf_drawn_get(&self->drawn, luaL_checkinteger(L, 2));
    luaL_argcheck(L, item != NULL, 2, "there is no item, or more than one");
    return item;
}

/* 1 for base itself, n for "base#n" as numbers are written, 0 for any other key. */
static lua_Integer number_of(struct cf_text key, struct cf_text base)
{
    if (key.len < base.len || memcmp(key.data, base.data, base.len) != 0)
        return 0;
    if (key.len == base.len)
        return 1;
    size_t digits = key.len - base.len - 1;
    const char *digit = key.data + base.len;
    if (*digit++ != '#' || digits == 0 || digits > DIGITS_MAX || *digit == '0')
        return 0;
    lua_Integer number = 0;
    for (; digits > 0; digits--, digit++) {
        if (*digit < '0' || *digit > '9')
            return 0;
        number = 10 * number + (*digit - '0');
    }
    return number > 1 ? number : 0;
}

static int drawn_number(lua_State *L)
{
    const struct lua_drawn *self = check_drawn(L, 1);
    const struct cf_drawn_item *item = cf_drawn_get(&self->drawn, luaL_checkinteger(L, 2));
    struct cf_text key, params;
    key.data = luaL_checklstring(L, 3, &key.len);
    params.data = luaL_checklstring(L, 4, &params.len);
    if (item == NULL || item->params_len != params.len ||
        memcmp(cf_drawn_params(&self->drawn, item).data, params.data, params.len) != 0)
        return 0;
    lua_Integer number = number_of(cf_drawn_key(&self->drawn, item), key);
    if (number == 0 || (number > 1 && !lua_toboolean(L, 5)))
        return 0;
    lua_pushinteger(L, number);
    return 1;
}

static int drawn_state(lua_State *L)
{
    const struct cf_drawn_item *item = check_place(L, check_drawn(L, 1));
    lua_pushstring(L, cf_item_state_name(item->state));
    lua_pushstring(L, item->error_kind);
    return 2;
}

static int drawn_stands(lua_State *L)
{
    const struct lua_drawn *self = check_drawn(L, 1);
    const struct cf_drawn_item *found = check_place(L, self);
    const struct cf_item item = {
        .state = found->state, .calls = &self->drawn.calls[found->first_call],
        .call_count = found->call_count,
    };
    size_t len;
    const char *hash = luaL_checklstring(L, 3, &len);
    luaL_argcheck(L, len == CF_SHA256_SIZE, 3, "this is no hash of a request");
    lua_pushboolean(L, cf_item_stands(&item, (const uint8_t *)hash));
    lua_pushboolean(L, found->accepted);
    return 2;
}

static int drawn_item(lua_State *L)
{
    const struct lua_drawn *self = check_drawn(L, 1);
    const struct cf_drawn_item *found = check_place(L, self);
    struct cf_item *item = cf_lua_push_item(L);
    item->run = self->run;
    item->id = found->item;
    item->ordinal = lua_tointeger(L, 2);
    item->state = found->state;
    item->existed = true;
    item->accepted = found->accepted;
    memcpy(item->error_kind, found->error_kind, sizeof item->error_kind);
    cf_item_set_name(item, cf_drawn_key(&self->drawn, found));
    cf_item_set_journal(item, &self->drawn.calls[found->first_call], found->call_count);
    return 1;
}

static int drawn_gc(lua_State *L)
{
    cf_drawn_done(&check_drawn(L, 1)->drawn);
    return 0;
}

void cf_lua_open_drawn(lua_State *L)
{
    static const luaL_Reg methods[] = {
        { "number", drawn_number }, { "state", drawn_state },
        { "stands", drawn_stands }, { "item", drawn_item },
        { NULL, NULL },
    };
    luaL_newmetatable(L, DRAWN_MT);                          /* mt */
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, drawn_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}
