#include "lua/export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/mem.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "engine/dataset.h"
#include "engine/where.h"
#include "lua/guard.h"
#include "lua/raise.h"
#include "lua/read.h"
#include "lua/store.h"

#define SUMMARY_MAX 1024
#define SPLIT_TEXT_MAX \
    512 /* CF_EXPORT_SPLIT_MAX names of CF_EXPORT_SPLIT_NAME_MAX and their shares */

struct share { const char *name; double share; };    /* the name lent by the table */

/* The largest first, as people write them; equal ones by name. */
static int by_share(const void *a, const void *b)
{
    const struct share *x = a, *y = b;
    if (x->share != y->share)
        return x->share > y->share ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void raise_config(lua_State *L, const char *message)
{
    struct cf_error err;
    cf_fail(&err, CF_ERR_CONFIG, "export: %s", message);
    cf_lua_raise(L, &err);
}

/* As short as it can be without being another number. */
static void format_share(double share, char out[32])
{
    snprintf(out, 32, "%.15g", share);
    if (strtod(out, NULL) != share)
        snprintf(out, 32, "%.17g", share);
}

/* { train = 0.9, val = 0.1 } as text. A table has no order, so by share: the same table is the same
 * split in every process, and the one that `confab export` makes of "train=0.9,val=0.1". */
static void format_split(lua_State *L, int idx, char out[SPLIT_TEXT_MAX])
{
    struct share shares[CF_EXPORT_SPLIT_MAX];
    size_t count = 0, len = 0;
    for (lua_pushnil(L); lua_next(L, idx) != 0; lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TNUMBER)
            raise_config(L, "split must give each name its share: { train = 0.9, val = 0.1 }");
        if (count == CF_EXPORT_SPLIT_MAX)
            raise_config(L, "split has too many names");
        shares[count++] = (struct share){ lua_tostring(L, -2), lua_tonumber(L, -1) };
    }
    qsort(shares, count, sizeof *shares, by_share);
    out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        char share[32];
        format_share(shares[i].share, share);
        int wrote = snprintf(out + len, SPLIT_TEXT_MAX - len, "%s%s=%s", i > 0 ? "," : "",
                             shares[i].name, share);
        if (wrote < 0 || (size_t)wrote >= SPLIT_TEXT_MAX - len)
            raise_config(L, "split has names that are too long");
        len += (size_t)wrote;
    }
}

static void read_options(lua_State *L, enum cf_export_format *out_format,
                         struct cf_export_options *out)
{
    struct cf_error err;
    const char *format = cf_lua_read_string(L, 1, "format");
    if (!cf_export_format_parse(format != NULL ? format : "messages", out_format, &err))
        cf_lua_raise(L, &err);

    const char *system = cf_lua_read_string(L, 1, "system");
    if (system != NULL && strcmp(system, "keep") == 0)
        out->system = CF_EXPORT_SYSTEM_KEEP;
    else if (system != NULL && strcmp(system, "fold") != 0)
        raise_config(L, "system must be \"fold\" or \"keep\"");

    int64_t seed = 0;
    cf_lua_read_int(L, 1, "seed", &seed);
    out->seed = (uint64_t)seed;

    char text[SPLIT_TEXT_MAX];
    const char *split = NULL;
    switch (lua_getfield(L, 1, "split")) { /* options split */
    case LUA_TSTRING: split = lua_tostring(L, -1); break;
    case LUA_TTABLE:
        format_split(L, lua_gettop(L), text);
        split = text;
        break;
    case LUA_TNIL: break;
    default: raise_config(L, "split must be text or a table");
    }
    if (split != NULL && !cf_export_splits_parse(split, &out->splits, &err))
        cf_lua_raise(L, &err);
    lua_pop(L, 1);
}

static void read_filter(lua_State *L, struct cf_reader *reader,
                        const char *statuses[CF_WHERE_STATUSES_MAX], struct cf_dataset_filter *out)
{
    out->status_count = cf_lua_store_statuses(L, 1, statuses);
    out->statuses = out->status_count > 0 ? statuses : NULL;
    cf_lua_read_number(L, 1, "min_score", &out->min_score);
    cf_lua_read_int(L, 1, "item", &out->item);
    out->tier = cf_lua_read_string(L, 1, "tier");
    out->tag = cf_lua_read_string(L, 1, "tag");
    out->persona = cf_lua_read_string(L, 1, "persona");
    cf_lua_read_bool(L, 1, "simulated", &out->with_simulated);
    cf_lua_read_bool(L, 1, "truncated", &out->with_truncated);
    if (lua_getfield(L, 1, "run") != LUA_TNIL)
        out->run = cf_lua_store_run(L, reader, lua_gettop(L));
    lua_pop(L, 1);
}

/* --- the result --- */

static void set_int(lua_State *L, const char *name, int64_t value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static void free_result(void *object)
{
    cf_dataset_result_done(object);
    free(object);
}

static void push_summary(lua_State *L, const struct cf_dataset_result *result)
{
    char summary[SUMMARY_MAX];
    struct cf_buf text;
    cf_buf_init(&text, SUMMARY_MAX - 1);
    cf_dataset_result_format(result, &text);
    snprintf(summary, sizeof summary, "%s", cf_buf_str(&text));
    cf_buf_done(&text); /* before Lua may raise */
    lua_pushstring(L, summary);
}

static void push_result(lua_State *L, const struct cf_dataset_result *result)
{
    const struct cf_export_result *file = &result->file;
    lua_createtable(L, 0, 8); /* result */
    set_int(L, "written", file->written);
    set_int(L, "skipped", file->skipped);
    set_int(L, "trimmed", file->trimmed);
    set_int(L, "folded", file->folded);

    lua_newtable(L);
    for (int skip = 0; skip < CF_EXPORT_SKIPS; skip++)
        if (file->skipped_by[skip] > 0)
            set_int(L, cf_export_skip_text((enum cf_export_skip)skip), file->skipped_by[skip]);
    lua_setfield(L, -2, "skipped_by");

    lua_createtable(L, 0, 3);
    set_int(L, "status", result->left_status);
    set_int(L, "truncated", result->left_truncated);
    set_int(L, "simulated", result->left_simulated);
    lua_setfield(L, -2, "held_back");

    lua_createtable(L, (int)result->path_count, 0);
    lua_createtable(L, (int)result->path_count, 0); /* result files written_to */
    for (size_t i = 0; i < result->path_count; i++) {
        lua_pushstring(L, result->paths[i]);
        lua_rawseti(L, -3, (lua_Integer)i + 1);
        lua_pushinteger(L, file->written_to[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -3, "written_to");
    lua_setfield(L, -2, "files");
    push_summary(L, result);
    lua_setfield(L, -2, "summary");
}

static int export_write(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    struct cf_reader *reader = cf_lua_store_reader(L);
    const char *path = cf_lua_read_string(L, 1, "path");
    const char *statuses[CF_WHERE_STATUSES_MAX];
    enum cf_export_format format;
    struct cf_export_options options = { .seed = 0 };
    struct cf_dataset_filter filter = { .run = 0 };
    struct cf_error err;
    if (path == NULL)
        raise_config(L, "path is missing");
    read_options(L, &format, &options);
    read_filter(L, reader, statuses, &filter);

    struct cf_lua_guard *guard = cf_lua_push_guard(L, free_result); /* options guard */
    struct cf_dataset_result *result = cf_calloc(1, sizeof *result);
    guard->object = result;
    if (!cf_dataset_export(reader, &filter, path, format, &options, result, &err))
        return cf_lua_raise(L, &err);
    push_result(L, result); /* options guard result */
    cf_lua_guard_free(guard);
    return 1;
}

int cf_lua_open_export(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "write", export_write },
        { NULL, NULL },
    };
    luaL_newlib(L, functions);
    return 1;
}
