/* run.h - a run as the Lua side drives it: opened, items drawn, items finished, counted.
 *
 * What waits here waits for a commit: an item is in the database before its work begins, and
 * its conversations are before it counts as done. */
#ifndef CONFAB_LUA_RUN_H
#define CONFAB_LUA_RUN_H

#include <lua.h>

/* Pushes { open, template, control, controlled, record }.
 *  open(options)  name, fresh, script, script_text, script_hash, args, options, model, seed -> Run
 *      Run fields: id, uuid, name, generation, seed, continued, script_changed, previous_options (JSON: what it
 *      kept the last time), unknown_calls, unknown_cost
 *      run:draw(list)     list of { key, ordinal, params (JSON) }; -> list of items; false where the key
 *                         was drawn before in this pass; in a plan at once, and nothing is written
 *      run:load(item)     reads the journal of an item that was there before
 *      run:renew(item)    after an interrupt: what was asked for and not answered yet counts as not asked for
 *      run:find(key)      an item that was drawn before, as it is now, or nil
 *      run:params(key)    the JSON of an item's parameters, or nil
 *      run:recorded(key)  what record() kept with the item, or nil
 *      run:failure(key)   kind and message of an item's failure, or nil
 *      run:first_unfinished(any_failed)  its place in the plan; the one after the last if there is none
 *      run:set_aside()    sets aside the last replies of items that failed on content; -> how many
 *      run:take_back()    undoes that, and items never begun leave the database; -> how many of these
 *      run:finish(item, outcome)   state, error_kind, error_message, surplus, conversations: list of
 *                         { conversation, part, template, persona, emotion, topic, tier, document_id, chunk_id,
 *                         parameters, status, score, breakdown, cost_pico, model, truncated, calls, tags };
 *                         sets id and version in their fields
 *      run:accept(n, drops_rest)  the first n accepted of the plan count (nil: all), further ones are surplus; items
 *                         never begun leave the database if drops_rest; -> how many are surplus
 *      run:orphans()      what this pass did not draw leaves the plan; -> how many
 *      run:set_state(state, reason, planned, finished)
 *      run:keep(options)  JSON that stays with the run
 *      run:account()      spent, at_risk, reserved (pico-dollars), attempts, retries, refusals
 *  control()    the oldest thing that another process asks of a run of this one: { id, run (row), command,
 *               arguments (JSON) }; nil if there is none, or nothing was written since it was asked
 *  controlled(id)  it was done
 *  record(item, json)  keeps what its step was told of the time, without waiting
 *  template(t)  name, tier, system, prompt, settings (JSON) -> row id, version */
int cf_lua_open_run(lua_State *L);
#endif
