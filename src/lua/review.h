/* review.h - changes to stored conversations: a person's judgement, tags. */
#ifndef CONFAB_LUA_REVIEW_H
#define CONFAB_LUA_REVIEW_H

#include <lua.h>

/* Pushes { set_status, tag, rescore }. Each waits for its commit, in the engine's database if it is open, else in
 * the one at the path.
 *  set_status(path, row, status, note)
 *  tag(path, row, { name, text, number }, remove)
 *  rescore(path, list)  of { row, score, status, breakdown (JSON) }: one group; what a person has set stays */
int cf_lua_open_review(lua_State *L);
#endif
