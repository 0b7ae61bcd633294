/* lua_server.h - the server as lua/confab/serve.lua sees it. */
#ifndef CONFAB_SERVER_LUA_SERVER_H
#define CONFAB_SERVER_LUA_SERVER_H

struct lua_State;
struct cf_server_options;

/* Makes `require "confab.server"` give
 *  start(on_job, offered)
 *                  listens with these options, over the database of the engine, which must be
 *                  open; offered: uuids of the templates that the script made. A server:
 *    server.url      the address to be opened
 *    server:drain()  takes nothing new
 *    server:stop()   gives those who wait up, waits until all is written, closes; also at
 *                    __close. Twice is fine
 * on_job(job) is called on the script thread and cannot wait: it spawns a fiber. The job has the
 * fields task, id, key, body, last_event_id (nil: none), and job:reply(status, json,
 * retry_after_s or nil), once.
 *
 * options: address, port, token, TLS files, hosts; borrowed for as long as the Lua state lives. */
void cf_lua_server_open(struct lua_State *L, const struct cf_server_options *options);
#endif
