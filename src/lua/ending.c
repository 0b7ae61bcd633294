#include "lua/ending.h"

#include "confab/money.h"
#include "engine/call.h"
#include "engine/ending.h"
#include "engine/journal.h"
#include "lua/read.h"

void cf_lua_read_ending(lua_State *L, int idx, const struct cf_item *item, struct cf_call *call)
{
    if (lua_getfield(L, idx, "ending") == LUA_TTABLE) { /* ending */
        int ending = lua_gettop(L);
        struct cf_conversation_new row = {
            .parameters = cf_lua_read_text(L, ending, "parameters"),
        };
        cf_lua_read_int(L, ending, "template", &row.template);
        lua_getfield(L, ending, "columns"); /* ending columns */
        row.persona = cf_lua_read_text(L, ending + 1, "persona");
        row.emotion = cf_lua_read_text(L, ending + 1, "emotion");
        row.topic = cf_lua_read_text(L, ending + 1, "topic");
        row.tier = cf_lua_read_text(L, ending + 1, "tier");
        row.document_id = cf_lua_read_text(L, ending + 1, "document_id");
        row.chunk_id = cf_lua_read_text(L, ending + 1, "chunk_id");
        call->ending = cf_ending_new(item->id, &row);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

void cf_lua_push_ended(lua_State *L, const struct cf_call *call)
{
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, call->ending->score);
    lua_setfield(L, -2, "score");
    lua_pushinteger(L, call->cost_pico);
    lua_setfield(L, -2, "cost_pico");
    if (call->cost_pico != CF_COST_UNKNOWN) {
        lua_pushnumber(L, (double)call->cost_pico / (double)CF_PICO_PER_USD);
        lua_setfield(L, -2, "cost");
    }
}
