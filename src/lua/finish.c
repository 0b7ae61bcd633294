#include "lua/finish.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "confab/conversation.h"
#include "confab/money.h"
#include "engine/journal.h"
#include "lua/conversation.h"
#include "lua/item.h"
#include "lua/read.h"
#include "lua/scheduler.h"
#include "lua/write.h"
#include "store/write_item.h"

struct finish {
    struct cf_lua_write waiting;
    struct cf_write_item_finish write;
    struct cf_conversation_new *conversations;    /* owned */
    struct cf_turn_row *turns;                    /* owned: of all conversations */
    struct cf_turn_call *calls;                   /* owned */
    struct cf_tag_row *tags;                      /* owned */
};

static void free_finish(struct finish *finish)
{
    free(finish->conversations);
    free(finish->turns);
    free(finish->calls);
    free(finish->tags);
    free(finish);
}

static void release_finish(struct cf_lua_write *waiting)
{
    free_finish((struct finish *)waiting);
}

/* Puts what the database gave into the fields of each conversation. */
static int push_finished(lua_State *L, void *data)
{
    struct finish *finish = data;
    lua_rawgeti(L, LUA_REGISTRYINDEX, finish->waiting.anchor);       /* outcome */
    if (lua_getfield(L, -1, "conversations") == LUA_TTABLE) {        /* outcome list */
        for (size_t i = 0; i < finish->write.count; i++) {
            lua_rawgeti(L, -1, (lua_Integer)i + 1);                  /* outcome list row */
            lua_getfield(L, -1, "conversation");
            /* outcome list row conv fields */
            cf_lua_push_conversation_fields(L, -1);
            lua_pushstring(L, finish->conversations[i].uuid);
            lua_setfield(L, -2, "id");
            lua_pushinteger(L, finish->conversations[i].conversation);
            lua_setfield(L, -2, "row");
            lua_pushinteger(L, finish->conversations[i].version);
            lua_setfield(L, -2, "version");
            lua_pop(L, 3);
        }
    }
    lua_pop(L, 2);
    lua_pushboolean(L, true);
    return 1;
}

struct finish_sizes { size_t conversations, turns, calls, tags; };

static size_t length_of(lua_State *L, int idx, const char *name)
{
    lua_getfield(L, idx, name);
    size_t len = lua_istable(L, -1) ? (size_t)luaL_len(L, -1) : 0;
    lua_pop(L, 1);
    return len;
}

/* Walks the list once to know how much room is needed, checking all that could raise later. */
static struct finish_sizes measure(lua_State *L, int outcome)
{
    struct finish_sizes sizes = { 0 };
    lua_getfield(L, outcome, "conversations");
    if (lua_istable(L, -1)) {
        sizes.conversations = (size_t)luaL_len(L, -1);
        for (size_t i = 1; i <= sizes.conversations; i++) {
            lua_rawgeti(L, -1, (lua_Integer)i);
            luaL_checktype(L, -1, LUA_TTABLE);
            int row = lua_gettop(L);
            lua_getfield(L, row, "conversation");
            sizes.turns += cf_lua_check_conversation(L, -1)->turn_count;
            sizes.calls += length_of(L, row, "calls");
            sizes.tags += length_of(L, row, "tags");
            lua_pop(L, 2);
        }
    }
    lua_pop(L, 1);
    return sizes;
}

static void fill_turns(struct finish *finish, struct cf_conversation_new *out,
                       const struct cf_conversation *conv, size_t *used)
{
    out->turns = &finish->turns[*used];
    out->turn_count = conv->turn_count;
    for (size_t i = 0; i < conv->turn_count; i++) {
        const char *role = cf_role_name(conv->turns[i].role);
        finish->turns[(*used)++] = (struct cf_turn_row){
            { role, strlen(role) }, { conv->turns[i].content, conv->turns[i].len },
        };
    }
}

static void fill_calls(lua_State *L, int row, struct finish *finish,
                       struct cf_conversation_new *out, size_t *used)
{
    out->calls = &finish->calls[*used];
    lua_getfield(L, row, "calls");
    out->call_count = lua_istable(L, -1) ? (size_t)luaL_len(L, -1) : 0;
    for (size_t i = 1; i <= out->call_count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i);
        struct cf_turn_call *call = &finish->calls[(*used)++];
        cf_lua_read_int(L, lua_gettop(L), "first", &call->first_turn);
        cf_lua_read_int(L, lua_gettop(L), "last", &call->last_turn);
        cf_lua_read_int(L, lua_gettop(L), "call", &call->call);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void fill_tags(lua_State *L, int row, struct finish *finish, struct cf_conversation_new *out,
                      size_t *used)
{
    out->tags = &finish->tags[*used];
    lua_getfield(L, row, "tags");
    out->tag_count = lua_istable(L, -1) ? (size_t)luaL_len(L, -1) : 0;
    for (size_t i = 1; i <= out->tag_count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i);
        struct cf_tag_row *tag = &finish->tags[(*used)++];
        tag->name = cf_lua_read_string(L, lua_gettop(L), "name");
        tag->text = cf_lua_read_text(L, lua_gettop(L), "text");
        tag->is_number = cf_lua_read_number(L, lua_gettop(L), "number", &tag->number);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void fill_conversation(lua_State *L, int row, struct finish *finish,
                              struct cf_conversation_new *out, struct finish_sizes *used)
{
    *out = (struct cf_conversation_new){
        .persona = cf_lua_read_text(L, row, "persona"),
        .emotion = cf_lua_read_text(L, row, "emotion"),
        .topic = cf_lua_read_text(L, row, "topic"),
        .tier = cf_lua_read_text(L, row, "tier"),
        .document_id = cf_lua_read_text(L, row, "document_id"),
        .chunk_id = cf_lua_read_text(L, row, "chunk_id"),
        .parameters = cf_lua_read_text(L, row, "parameters"),
        .status = cf_lua_read_string(L, row, "status"),
        .quality_score = NAN,
        .quality_breakdown = cf_lua_read_text(L, row, "breakdown"),
        .cost_pico = CF_COST_UNKNOWN,
        .model = cf_lua_read_string(L, row, "model"),
        .part = 1,
    };
    cf_lua_read_int(L, row, "part", &out->part);
    cf_lua_read_int(L, row, "template", &out->template);
    cf_lua_read_int(L, row, "branch_of", &out->branch_of);
    cf_lua_read_int(L, row, "branch_part", &out->branch_part);
    cf_lua_read_int(L, row, "branch_turn", &out->branch_turn);
    cf_lua_read_number(L, row, "score", &out->quality_score);
    cf_lua_read_int(L, row, "cost_pico", &out->cost_pico);
    cf_lua_read_bool(L, row, "truncated", &out->truncated);

    lua_getfield(L, row, "conversation");
    fill_turns(finish, out, cf_lua_check_conversation(L, -1), &used->turns);
    lua_pop(L, 1);
    fill_calls(L, row, finish, out, &used->calls);
    fill_tags(L, row, finish, out, &used->tags);
}

static const enum cf_item_state finish_states[] = { CF_ITEM_DONE, CF_ITEM_FAILED, CF_ITEM_SKIPPED };

int cf_lua_finish_item(lua_State *L)
{
    struct cf_item *item = cf_lua_check_item(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 3);
    cf_lua_check_wait(L, "finishing an item");
    static const char *const state_names[] = { "done", "failed", "skipped", NULL };
    lua_getfield(L, 3, "state");
    enum cf_item_state state = finish_states[luaL_checkoption(L, -1, NULL, state_names)];
    lua_settop(L, 3);
    struct finish_sizes sizes = measure(L, 3), used = { 0 };

    struct finish *finish = cf_calloc(1, sizeof *finish);
    finish->conversations = cf_calloc(sizes.conversations, sizeof *finish->conversations);
    finish->turns = cf_calloc(sizes.turns, sizeof *finish->turns);
    finish->calls = cf_calloc(sizes.calls, sizeof *finish->calls);
    finish->tags = cf_calloc(sizes.tags, sizeof *finish->tags);
    finish->write.item = item->id;
    finish->write.state = state;
    finish->write.error_kind = cf_lua_read_string(L, 3, "error_kind");
    finish->write.error_message = cf_lua_read_string(L, 3, "error_message");
    finish->write.conversations = finish->conversations;
    finish->write.count = sizes.conversations;
    lua_getfield(L, 3, "conversations");
    for (size_t i = 1; i <= sizes.conversations; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i);
        fill_conversation(L, lua_gettop(L), finish, &finish->conversations[i - 1], &used);
        lua_pop(L, 1);
    }
    lua_settop(L, 3);
    finish->waiting.push = push_finished;
    finish->waiting.release = release_finish;
    return cf_lua_write_and_wait(L, &finish->waiting, &finish->write.write, cf_write_item_finish,
                                 3);
}
