#include "lua/record.h"

#include <stdlib.h>

#include <lauxlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "confab/error.h"
#include "engine/completion.h"
#include "engine/engine.h"
#include "engine/journal.h"
#include "lua/engine.h"
#include "lua/item.h"
#include "lua/raise.h"
#include "lua/scheduler.h"
#include "store/write_item.h"

struct record {
    struct cf_completion completion;
    struct cf_write_item_record write;
    struct cf_queue *completions;
    char *json; /* owned */
};

static void deliver_record(struct cf_completion *completion, void *context)
{
    (void)context;
    struct record *record = (struct record *)completion;
    free(record->json);
    free(record);
}

/* Store thread. What follows meets the same trouble, and tells. */
static void on_record_stored(struct cf_write *write, const struct cf_error *err)
{
    struct record *record = write->owner;
    if (err != NULL)
        cf_log(CF_LOG_WARN, "the times of a step could not be written: %s", err->message);
    cf_queue_push(record->completions, &record->completion.link);
}

int cf_lua_record(lua_State *L)
{
    struct cf_engine *engine = cf_lua_check_engine(L);
    struct cf_item *item = cf_lua_check_item(L, 1);
    size_t len;
    const char *json = luaL_checklstring(L, 2, &len);
    luaL_argcheck(L, !cf_engine_is_plan(engine), 1, "nothing is written in an estimate");

    struct record *record = cf_calloc(1, sizeof *record);
    record->completion.deliver = deliver_record;
    record->completions = cf_scheduler_completions(L);
    record->json = (char *)cf_memdup(json, len);
    record->write = (struct cf_write_item_record){
        .write = { .apply = cf_write_item_record, .on_done = on_record_stored, .owner = record },
        .item = item->id,
        .recorded = { record->json, len },
    };
    cf_store_submit(cf_engine_store(engine), &record->write.write);
    return 0;
}

int cf_lua_push_recorded(lua_State *L, struct cf_run *run, const char *key, size_t key_len)
{
    const struct cf_item_row *row;
    struct cf_error err;
    int found = cf_reader_item(cf_engine_reader(run->engine), run->id,
                               (struct cf_text){ key, key_len }, &row, &err);
    if (found < 0)
        return cf_lua_raise(L, &err);
    if (found == 0 || row->recorded.data == NULL)
        return 0;
    lua_pushlstring(L, row->recorded.data, row->recorded.len);
    return 1;
}
