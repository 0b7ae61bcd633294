#include "lua/request.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "confab/error.h"
#include "lua/raise.h"
#include "lua/read.h"

static int request_gc(lua_State *L)
{
    struct cf_lua_request *request = lua_touserdata(L, 1);
    free(request->messages);
    request->messages = NULL;
    cf_buf_done(&request->body);
    return 0;
}

struct cf_lua_request *cf_lua_push_request(lua_State *L)
{
    struct cf_lua_request *request = lua_newuserdatauv(L, sizeof *request, 0);
    memset(request, 0, sizeof *request);
    cf_buf_init(&request->body, CF_REQUEST_BYTES_MAX);
    if (luaL_newmetatable(L, "confab.request")) {
        lua_pushcfunction(L, request_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return request;
}

static int refuse(lua_State *L, const char *fmt, const char *value)
{
    struct cf_error err;
    cf_fail(&err, CF_ERR_CONFIG, fmt, value);
    return cf_lua_raise(L, &err);
}

static void read_messages(lua_State *L, int idx, struct cf_lua_request *request)
{
    struct cf_text prompt = cf_lua_read_text(L, idx, "prompt");
    if (prompt.data != NULL) {
        request->messages = cf_calloc(1, sizeof *request->messages);
        request->messages[0] = (struct cf_chat_message){ "user", prompt };
        request->chat.message_count = 1;
    } else {
        lua_getfield(L, idx, "messages"); /* ... messages */
        lua_Integer count = lua_istable(L, -1) ? luaL_len(L, -1) : 0;
        if (count < 1 || count > CF_MESSAGES_MAX)
            refuse(L, "a call needs a prompt or messages%s", "");
        request->messages = cf_calloc((size_t)count, sizeof *request->messages);
        request->chat.message_count = (size_t)count;
        for (lua_Integer i = 1; i <= count; i++) {
            if (lua_geti(L, -1, i) != LUA_TTABLE)
                refuse(L, "each message must be a table with role and content%s", "");
            int at = lua_gettop(L);
            struct cf_text content = cf_lua_read_text(L, at, "content");
            request->messages[i - 1] =
                (struct cf_chat_message){ cf_lua_read_string(L, at, "role"), content };
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    request->chat.messages = request->messages;
}

static void read_stops(lua_State *L, int idx, struct cf_lua_request *request)
{
    if (lua_getfield(L, idx, "stop") == LUA_TTABLE) {
        lua_Integer count = luaL_len(L, -1);
        if (count > CF_LUA_STOPS_MAX)
            refuse(L, "there may be at most 16 stop sequences%s", "");
        for (lua_Integer i = 1; i <= count; i++) {
            lua_geti(L, -1, i);
            request->stops[i - 1].data = luaL_checklstring(L, -1, &request->stops[i - 1].len);
            lua_pop(L, 1);
        }
        request->chat.stop = request->stops;
        request->chat.stop_count = (size_t)count;
    }
    lua_pop(L, 1);
}

void cf_lua_read_request(lua_State *L, int idx, struct cf_lua_request *request)
{
    struct cf_chat_request *chat = &request->chat;
    chat->model = cf_lua_read_string(L, idx, "model");
    chat->system = cf_lua_read_text(L, idx, "system");
    cf_lua_read_int(L, idx, "max_tokens", &chat->max_tokens);
    chat->has_temperature = cf_lua_read_number(L, idx, "temperature", &chat->temperature);
    chat->has_top_p = cf_lua_read_number(L, idx, "top_p", &chat->top_p);
    chat->top_k = -1;
    cf_lua_read_int(L, idx, "top_k", &chat->top_k);
    chat->has_top_k = chat->top_k >= 0;
    chat->schema = cf_lua_read_text(L, idx, "schema");
    chat->tools = cf_lua_read_text(L, idx, "tools");
    chat->tool_choice = cf_lua_read_text(L, idx, "tool_choice");
    chat->effort = cf_lua_read_string(L, idx, "effort");
    cf_lua_read_int(L, idx, "thinking_budget", &chat->thinking_budget);

    const char *thinking = cf_lua_read_string(L, idx, "thinking");
    if (thinking != NULL && !cf_thinking_parse(thinking, &chat->thinking))
        refuse(L,
               "thinking must be \"disabled\", \"between_tools\", \"adaptive\" or "
               "\"enabled\", not \"%s\"",
               thinking);
    const char *cache = cf_lua_read_string(L, idx, "cache");
    if (cache != NULL)
        chat->cache = strcmp(cache, "1h") == 0 ? CF_CACHE_1H : CF_CACHE_5M;
    read_messages(L, idx, request);
    read_stops(L, idx, request);
}
