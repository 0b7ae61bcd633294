/* call.h - asking a model from Lua: the request, its identity, the journal, the wait. */
#ifndef CONFAB_LUA_CALL_H
#define CONFAB_LUA_CALL_H

#include <lua.h>

/* Pushes { ask, reject, model, measure, calibration, set_on_retry }.
 *  ask(item, request)  -> Reply. From the journal at once if it is there; else it is sent, and the
 *      coroutine waits. Raises the error that it ended with; `stops_run` is set in it where every
 *      other call would meet the same. request: model, system, prompt or messages, max_tokens,
 *      temperature, top_p, top_k, stop, schema, tools, tool_choice (JSON texts), thinking, thinking_budget,
 *      effort, cache, template (row id), branch, on_retry,
 *      live: once it is sent, gives a Live (live.h) and true at once,
 *      hold: nothing is sent, a new call gives { held = true, why, changed } and its measure instead of a Reply
 *  measure(request)  -> { model, bytes, input_tokens (expected), output_room (tokens), bound (pico-dollars; -1 unknown) }
 *  calibration(model) -> replies that the input estimate was learnt from, their mean ratio to it, the standard
 *      error of one estimate as a share
 *  reject(item, call, kind, message)  a reply that does not serve: logs why, without waiting
 *  set_on_retry(f)  f(attempt, error, delay_ms) is called for each retry of calls with on_retry = true; nil: none
 *  model(name)  -> { name, provider, limit_class, max_output, is_retired, successor }, or nil */
int cf_lua_open_call(lua_State *L);
#endif
