/* request.h - the table of a call's settings, read for the provider's builder. */
#ifndef CONFAB_LUA_REQUEST_H
#define CONFAB_LUA_REQUEST_H

#include <lua.h>

#include "confab/buf.h"
#include "provider/request.h"

#define CF_LUA_STOPS_MAX 16 /* stop sequences; the providers take 4 to 8 */

/* What is needed to build and send one request; its texts belong to the request table. The arrays
 * hang on a userdata, so that an error leaves nothing behind. */
struct cf_lua_request {
    struct cf_chat_request chat;
    struct cf_chat_message *messages;
    struct cf_text stops[CF_LUA_STOPS_MAX];
    struct cf_buf body;
};

/* Pushes an empty one. */
struct cf_lua_request *cf_lua_push_request(lua_State *L);

/* Fills it from the table at idx, whose texts it borrows. */
void cf_lua_read_request(lua_State *L, int idx, struct cf_lua_request *request);
#endif
