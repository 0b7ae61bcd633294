#include "lua/draw.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "confab/error.h"
#include "engine/engine.h"
#include "engine/journal.h"
#include "lua/item.h"
#include "lua/raise.h"
#include "lua/read.h"
#include "lua/scheduler.h"
#include "lua/write.h"
#include "store/write_item.h"

#define DRAW_MAX 256

/* Pushes the item of a row; a new one if row is NULL. */
static struct cf_item *push_item(lua_State *L, struct cf_run *run, const struct cf_item_row *row)
{
    struct cf_item *item = cf_lua_push_item(L);
    item->run = run;
    if (row == NULL)
        return item;
    item->id = row->item;
    item->ordinal = row->ordinal;
    item->state = cf_item_state_parse(row->state);
    item->existed = true;
    item->accepted = row->accepted;
    if (row->error_kind != NULL)
        snprintf(item->error_kind, sizeof item->error_kind, "%s", row->error_kind);
    return item;
}

struct draw {
    struct cf_lua_write waiting;
    struct cf_run *run;
    struct cf_write_item_draw write;
    struct cf_item_draw items[];             /* write.count of them */
};

static void release_draw(struct cf_lua_write *waiting)
{
    free(waiting);
}

static void name_item(struct cf_item *item, const struct cf_item_draw *drawn)
{
    cf_item_set_name(item, drawn->key);
    size_t len = strlen(item->name);
    if (drawn->number > 1)
        snprintf(item->name + len, sizeof item->name - len, "#%" PRId64, drawn->number);
}

/* The items, false for a key that this drawing has taken already; and the numbers of equal ones, 1
 * for the first of each. */
static int push_drawn(lua_State *L, void *data)
{
    struct draw *draw = data;
    lua_createtable(L, (int)draw->write.count, 0);
    lua_createtable(L, (int)draw->write.count, 0);                       /* items numbers */
    for (size_t i = 0; i < draw->write.count; i++) {
        const struct cf_item_draw *drawn = &draw->items[i];
        if (drawn->drawn_before) {
            lua_pushboolean(L, false);
        } else {
            struct cf_item *item = cf_lua_push_item(L);
            item->run = draw->run;
            item->id = drawn->item;
            item->ordinal = drawn->ordinal;
            item->state = drawn->state;
            item->existed = drawn->existed;
            item->accepted = drawn->accepted;
            memcpy(item->error_kind, drawn->error_kind, sizeof item->error_kind);
            name_item(item, drawn);
        }
        lua_rawseti(L, -3, (lua_Integer)i + 1);
        lua_pushinteger(L, drawn->number);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 2;
}

/* The item as the database has it, or a new one: nothing is written in a plan. */
static void push_planned(lua_State *L, struct cf_run *run, int idx)
{
    struct cf_text key = cf_lua_read_text(L, idx, "key");
    int64_t ordinal = 0;
    cf_lua_read_int(L, idx, "ordinal", &ordinal);
    const struct cf_item_row *row = NULL;
    struct cf_error err;
    if (run->id != 0 && cf_reader_item(cf_engine_reader(run->engine), run->id, key, &row, &err) < 0)
        cf_lua_raise(L, &err);
    push_item(L, run, row)->ordinal = ordinal;
}

static int draw_planned(lua_State *L, struct cf_run *run)
{
    lua_Integer count = luaL_len(L, 2);
    lua_createtable(L, (int)count, 0);                                   /* run list items */
    for (lua_Integer i = 1; i <= count; i++) {
        lua_geti(L, 2, i);                                               /* run list items entry */
        push_planned(L, run, lua_gettop(L));
        lua_rawseti(L, 3, i);
        lua_pop(L, 1);
    }
    return 1;
}

int cf_lua_draw(lua_State *L, struct cf_run *run)
{
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    if (cf_engine_is_plan(run->engine))
        return draw_planned(L, run);
    cf_lua_check_wait(L, "drawing items");
    if (cf_scheduler_stop_level(L) > CF_STOP_LEVEL_NONE)
        return cf_lua_wait_for_ever(L);
    lua_Integer count = luaL_len(L, 2);
    luaL_argcheck(L, count >= 1 && count <= DRAW_MAX, 2, "1 to 256 items at a time");

    /* On a userdata until the last thing that may raise is done. */
    size_t size = offsetof(struct draw, items) + (size_t)count * sizeof(struct cf_item_draw);
    struct draw *scratch = lua_newuserdatauv(L, size, 0);
    memset(scratch, 0, size);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_geti(L, 2, i);
        int at = lua_gettop(L);
        struct cf_item_draw *item = &scratch->items[i - 1];
        item->key = cf_lua_read_text(L, at, "key");
        item->params = cf_lua_read_text(L, at, "params");
        cf_lua_read_int(L, at, "ordinal", &item->ordinal);
        cf_lua_read_bool(L, at, "numbered", &item->is_numbered);
        lua_pop(L, 1);
    }
    struct draw *draw = (struct draw *)(void *)cf_memdup(scratch, size);
    draw->run = run;
    draw->write.run = run->id;
    draw->write.drawing = run->drawing;
    draw->write.items = draw->items;
    draw->write.count = (size_t)count;
    draw->waiting.push = push_drawn;
    draw->waiting.release = release_draw;
    return cf_lua_write_and_wait(L, &draw->waiting, &draw->write.write, cf_write_item_draw, 2);
}

struct stay {
    struct cf_lua_write waiting;
    struct cf_write_item_stay write;
};

static int push_stayed(lua_State *L, void *data)
{
    (void)data;
    lua_pushboolean(L, true);
    return 1;
}

static void release_stay(struct cf_lua_write *waiting)
{
    free(waiting);
}

int cf_lua_stay(lua_State *L, struct cf_run *run)
{
    lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3);
    cf_lua_check_wait(L, "drawing items");
    struct stay *stay = cf_calloc(1, sizeof *stay);
    stay->write = (struct cf_write_item_stay){
        .run = run->id, .drawing = run->drawing, .first = first, .last = last,
    };
    stay->waiting.push = push_stayed;
    stay->waiting.release = release_stay;
    return cf_lua_write_and_wait(L, &stay->waiting, &stay->write.write, cf_write_item_stay, 1);
}
