/* reply.h - a model's reply as scripts see it: text, json, usage, cost, and how it came. */
#ifndef CONFAB_LUA_REPLY_H
#define CONFAB_LUA_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

struct cf_reply;

struct cf_lua_reply_facts {
    int64_t call_id;
    int64_t cost_pico;      /* CF_COST_UNKNOWN */
    int64_t latency_ms;     /* -1: not known */
    int     attempts;
    bool    is_replayed;    /* from the journal */
};

/* Pushes a Reply userdata that takes over what *reply owns. */
void cf_lua_push_reply(lua_State *L, struct cf_reply *reply,
                       const struct cf_lua_reply_facts *facts);

/* The text of the Reply at idx, NULL if that is something else. Lent by the reply. */
const char *cf_lua_reply_text(lua_State *L, int idx, size_t *out_len);

/* add_earlier(reply, earlier): its cost and attempts are those of an earlier reply too, which
 * did not serve. */
int cf_lua_reply_add_earlier(lua_State *L);

/* Makes the metatable. Fields: text, json (decoded once; nil if it is not JSON), usage, cost
 * (dollars; nil if unknown), cost_pico, stop_reason, is_cut, refusal, model, id, call,
 * latency_ms, attempts, replayed. */
void cf_lua_open_reply(lua_State *L);
#endif
