/* conversation.h - a Conversation as scripts see it: turns, and what is known about them.
 *
 * A userdata that owns the parsed turns; its user value is a table of fields (score, status,
 * cost, persona, ...) that the Lua side fills. `turns` becomes a Lua table when first asked for. */
#ifndef CONFAB_LUA_CONVERSATION_H
#define CONFAB_LUA_CONVERSATION_H

#include <lua.h>

struct cf_conversation;

/* Pushes a new empty Conversation and lends the C one to be filled. */
struct cf_conversation *cf_lua_push_conversation(lua_State *L);

/* The C conversation of the userdata at idx; raises if it is none. Lent. */
struct cf_conversation *cf_lua_check_conversation(lua_State *L, int idx);

/* Pushes the table of fields of the conversation at idx. */
void cf_lua_push_conversation_fields(lua_State *L, int idx);

/* Pushes { parse, new, fields, methods, measure, validate }.
 *  parse(text, stopped_early) -> Conversation, or nil and an error table; the second may have the
 *      field `refusal_like`, the first the fields outcome, repairs, warnings, truncated
 *  new(turns)     from a list of { role, content }; any turns
 *  fields(conv)   the table that holds what is known of it; the Lua side's own
 *  methods        a table: functions put there become methods
 *  validate(conv, salvaged)  -> true, or nil and an error table: the rules for a reply
 *  measure(conv)  -> turn count, mean length in characters, whether the turns alternate */
int cf_lua_open_conversation(lua_State *L);
#endif
