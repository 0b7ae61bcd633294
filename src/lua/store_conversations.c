/* Stored conversations as Lua sees them, one at a time, for the generic `for`.
 *
 * The cursor holds a snapshot of the database, so it has a connection of its own, which the
 * closing value frees at the end of the loop or on break. */
#include "lua/store.h"

#include <math.h>
#include <stdlib.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "confab/conversation.h"
#include "confab/error.h"
#include "confab/money.h"
#include "engine/where.h"
#include "lua/conversation.h"
#include "lua/guard.h"
#include "lua/json.h"
#include "lua/raise.h"
#include "lua/read.h"
#include "store/reader.h"
#include "store/store.h"

struct stream {
    struct cf_reader *reader;
    struct cf_conversation_cursor *cursor;
};

static void free_stream(void *object)
{
    struct stream *stream = object;
    cf_conversations_free(stream->cursor);
    cf_reader_free(stream->reader);
    free(stream);
}

/* --- one conversation --- */

static void set_str(lua_State *L, const char *name, const char *value)
{
    lua_pushstring(L, value); /* NULL pushes nil */
    lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, struct cf_text text)
{
    if (text.data == NULL)
        return;
    lua_pushlstring(L, text.data, text.len);
    lua_setfield(L, -2, name);
}

static void set_int(lua_State *L, const char *name, int64_t value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static void set_json(lua_State *L, const char *name, struct cf_text text)
{
    struct cf_error err;
    if (text.data == NULL)
        return;
    if (!cf_lua_json_decode(L, text.data, text.len, &err))
        lua_pushlstring(L, text.data, text.len);
    lua_setfield(L, -2, name);
}

static void set_bool(lua_State *L, const char *name, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

/* tags[name] = value; a bare tag is true. */
static void set_tags(lua_State *L, const struct cf_conversation_row *row)
{
    lua_createtable(L, 0, (int)row->tag_count);
    for (size_t i = 0; i < row->tag_count; i++) {
        const struct cf_tag_row *tag = &row->tags[i];
        if (tag->is_number)
            lua_pushnumber(L, tag->number);
        else if (tag->text.data != NULL)
            lua_pushlstring(L, tag->text.data, tag->text.len);
        else
            lua_pushboolean(L, true);
        lua_setfield(L, -2, tag->name);
    }
    lua_setfield(L, -2, "tags");
}

static void set_fields(lua_State *L, const struct cf_conversation_row *row)
{
    set_str(L, "id", row->uuid);
    set_int(L, "row", row->conversation);
    set_str(L, "run", row->run_name);
    set_str(L, "run_id", row->run_uuid);
    set_text(L, "key", row->key);
    if (row->ordinal >= 0)
        set_int(L, "ordinal", row->ordinal);
    set_int(L, "part", row->part);
    set_int(L, "version", row->version);
    set_str(L, "template", row->template_name);
    set_str(L, "template_id", row->template_uuid);
    set_text(L, "persona", row->persona);
    set_text(L, "emotion", row->emotion);
    set_text(L, "topic", row->topic);
    set_text(L, "tier", row->tier);
    set_text(L, "document_id", row->document_id);
    set_text(L, "chunk_id", row->chunk_id);
    set_json(L, "parameters", row->parameters);
    set_str(L, "status", row->status);
    if (!isnan(row->quality_score)) {
        lua_pushnumber(L, row->quality_score);
        lua_setfield(L, -2, "score");
    }
    set_json(L, "breakdown", row->quality_breakdown);
    if (row->cost_pico >= 0) {
        lua_pushnumber(L, (lua_Number)row->cost_pico / CF_PICO_PER_USD);
        lua_setfield(L, -2, "cost");
    }
    set_str(L, "model", row->model);
    set_bool(L, "truncated", row->truncated);
    set_bool(L, "simulated", row->simulated);
    set_str(L, "review_note", row->review_note);
    set_str(L, "created_at", row->created_at);
    set_tags(L, row);
}

static void push_conversation(lua_State *L, const struct cf_conversation_row *row)
{
    struct cf_conversation *conv = cf_lua_push_conversation(L); /* conv */
    for (size_t i = 0; i < row->turn_count; i++) {
        const struct cf_turn_row *turn = &row->turns[i];
        enum cf_role role;
        if (!cf_role_parse(turn->role.data, turn->role.len, &role)) {
            struct cf_error err;
            cf_fail(&err, CF_ERR_STORAGE, "conversation %s: turn %zu has the role \"%.*s\"",
                    row->uuid, i + 1, (int)turn->role.len, turn->role.data);
            cf_lua_raise(L, &err);
        }
        cf_conversation_add(conv, role, turn->content.data, turn->content.len);
    }
    cf_lua_push_conversation_fields(L, -1); /* conv fields */
    set_fields(L, row);
    lua_pop(L, 1);
}

/* --- the iterator --- */

/* Upvalue 1 is the guard of the stream. */
static int next_conversation(lua_State *L)
{
    struct cf_lua_guard *guard = lua_touserdata(L, lua_upvalueindex(1));
    struct stream *stream = guard->object;
    const struct cf_conversation_row *row;
    struct cf_error err;
    if (stream == NULL)
        return 0;
    int next = cf_conversations_next(stream->cursor, &row, &err);
    if (next > 0) {
        push_conversation(L, row);
        return 1;
    }
    cf_lua_guard_free(guard);
    return next < 0 ? cf_lua_raise(L, &err) : 0;
}

size_t cf_lua_store_statuses(lua_State *L, int idx, const char *out[CF_WHERE_STATUSES_MAX])
{
    struct cf_error err;
    size_t count = 0;
    lua_Integer len =
        lua_getfield(L, idx, "statuses") == LUA_TNIL ? 0 : luaL_len(L, -1); /* ... list */
    for (lua_Integer i = 1; i <= len && count < CF_WHERE_STATUSES_MAX; i++) {
        lua_geti(L, -1, i);
        out[count++] = luaL_checkstring(L, -1); /* kept by the list */
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    for (size_t i = 0; i < count; i++)
        if (!cf_where_check_status(out[i], &err))
            cf_lua_raise(L, &err);
    return count;
}

static void read_filter(lua_State *L, struct cf_reader *reader,
                        const char *statuses[CF_WHERE_STATUSES_MAX],
                        struct cf_conversation_filter *out)
{
    *out = (struct cf_conversation_filter){ .run = 0 };
    out->status_count = cf_lua_store_statuses(L, 1, statuses);
    out->statuses = out->status_count > 0 ? statuses : NULL;
    cf_lua_read_int(L, 1, "item", &out->item);
    cf_lua_read_int(L, 1, "conversation", &out->conversation);
    cf_lua_read_number(L, 1, "min_score", &out->min_score);
    out->tier = cf_lua_read_string(L, 1, "tier");
    out->tag = cf_lua_read_string(L, 1, "tag");
    out->persona = cf_lua_read_string(L, 1, "persona");
    cf_lua_read_bool(L, 1, "superseded", &out->with_superseded);
    if (lua_getfield(L, 1, "simulated") != LUA_TNIL)
        out->simulated = lua_toboolean(L, -1) ? 1 : -1;
    lua_pop(L, 1);
    if (lua_getfield(L, 1, "run") != LUA_TNIL)
        out->run = cf_lua_store_run(L, reader, lua_gettop(L));
    lua_pop(L, 1);
}

/* conversations(filter) -> iterator, nil, nil, closing value.
 * filter: run (row, id or name), item, conversation (rows), statuses (list), min_score, tier, tag,
 * persona, simulated (true or false; nil: both), superseded (true: also what no longer counts). */
int cf_lua_store_conversations(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    struct cf_reader *shared = cf_lua_store_reader(L);
    const char *path = cf_lua_store_path(L);
    const char *statuses[CF_WHERE_STATUSES_MAX];
    struct cf_conversation_filter filter;
    read_filter(L, shared, statuses, &filter);

    struct cf_lua_guard *guard = cf_lua_push_guard(L, free_stream); /* filter guard */
    struct stream *stream = cf_calloc(1, sizeof *stream);
    struct cf_error err;
    guard->object = stream;
    if (!cf_reader_open(path, CF_STORE_CMD_BUSY_MS, &stream->reader, &err) ||
        !cf_conversations_open(stream->reader, &filter, &stream->cursor, &err))
        return cf_lua_raise(L, &err);

    lua_pushvalue(L, -1);
    lua_pushcclosure(L, next_conversation, 1); /* filter guard next */
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushvalue(L, 2); /* filter guard next nil nil guard */
    return 4;
}
