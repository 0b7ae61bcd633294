#include "lua/core.h"

#include <lauxlib.h>

#include "lua/call.h"
#include "lua/conversation.h"
#include "lua/coroutine.h"
#include "lua/cost.h"
#include "lua/embedded.h"
#include "lua/engine.h"
#include "lua/events.h"
#include "lua/export.h"
#include "lua/fs.h"
#include "lua/hash.h"
#include "lua/json.h"
#include "lua/limiter.h"
#include "lua/live.h"
#include "lua/pairs.h"
#include "lua/progress.h"
#include "lua/raise.h"
#include "lua/random.h"
#include "lua/regex.h"
#include "lua/report.h"
#include "lua/retry.h"
#include "lua/review.h"
#include "lua/run.h"
#include "lua/scheduler.h"
#include "lua/store.h"
#include "lua/template.h"
#include "lua/text.h"

int luaopen_confab_core(lua_State *L)
{
    static const luaL_Reg parts[] = {
        { "call", cf_lua_open_call },
        { "conversation", cf_lua_open_conversation },
        { "coroutine", cf_lua_open_coroutine },
        { "cost", cf_lua_open_cost },
        { "embedded", cf_lua_open_embedded },
        { "engine", cf_lua_open_engine },
        { "events", cf_lua_open_events },
        { "export", cf_lua_open_export },
        { "fs", cf_lua_open_fs },
        { "hash", cf_lua_open_hash },
        { "json", cf_lua_open_json },
        { "limiter", cf_lua_open_limiter },
        { "live", cf_lua_open_live },
        { "pairs", cf_lua_open_pairs },
        { "progress", cf_lua_open_progress },
        { "raise", cf_lua_open_raise },
        { "random", cf_lua_open_random },
        { "regex", cf_lua_open_regex },
        { "report", cf_lua_open_report },
        { "retry", cf_lua_open_retry },
        { "review", cf_lua_open_review },
        { "run", cf_lua_open_run },
        { "scheduler", cf_lua_open_scheduler },
        { "store", cf_lua_open_store },
        { "template", cf_lua_open_template },
        { "text", cf_lua_open_text },
        { NULL, NULL },
    };

    lua_newtable(L);                                  /* core */
    lua_pushliteral(L, CONFAB_VERSION);
    lua_setfield(L, -2, "version");
    for (const luaL_Reg *part = parts; part->name != NULL; part++) {
        part->func(L);                                /* core part */
        lua_setfield(L, -2, part->name);              /* core */
    }
    return 1;
}
