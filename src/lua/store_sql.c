/* Any query over the database, for confab.store:sql: bound parameters, rows by column name. */
#include "lua/store.h"

#include <lauxlib.h>
#include <sqlite3.h>

#include "base/json.h"
#include "confab/error.h"
#include "lua/guard.h"
#include "lua/json.h"
#include "lua/raise.h"
#include "store/reader.h"

#define ROWS_MAX 100000 /* they stand in memory as tables; a list of more is a mistake */

static void free_statement(void *stmt)
{
    sqlite3_finalize(stmt);
}

static void bind_one(lua_State *L, int idx, sqlite3_stmt *stmt, int place)
{
    size_t len;
    switch (lua_type(L, idx)) {
    case LUA_TNIL: sqlite3_bind_null(stmt, place); return;
    case LUA_TBOOLEAN: sqlite3_bind_int(stmt, place, lua_toboolean(L, idx)); return;
    case LUA_TNUMBER:
        if (lua_isinteger(L, idx))
            sqlite3_bind_int64(stmt, place, lua_tointeger(L, idx));
        else
            sqlite3_bind_double(stmt, place, lua_tonumber(L, idx));
        return;
    case LUA_TSTRING: {
        const char *text = lua_tolstring(L, idx, &len);
        if (cf_utf8_valid_prefix(text, len) == len)
            sqlite3_bind_text64(stmt, place, text, len, SQLITE_TRANSIENT, SQLITE_UTF8);
        else
            sqlite3_bind_blob64(stmt, place, text, len, SQLITE_TRANSIENT);
        return;
    }
    default:
        if (cf_lua_is_null(L, idx)) {
            sqlite3_bind_null(stmt, place);
            return;
        }
        struct cf_error err;
        cf_fail(&err, CF_ERR_CONFIG,
                "sql: parameter %d is a %s; it must be text, a number, true, false or nil", place,
                luaL_typename(L, idx));
        cf_lua_raise(L, &err);
    }
}

/* Pushes the row; NULL columns are absent. */
static void push_row(lua_State *L, sqlite3_stmt *stmt)
{
    int count = sqlite3_column_count(stmt);
    lua_createtable(L, 0, count);
    for (int i = 0; i < count; i++) {
        switch (sqlite3_column_type(stmt, i)) {
        case SQLITE_INTEGER: lua_pushinteger(L, sqlite3_column_int64(stmt, i)); break;
        case SQLITE_FLOAT: lua_pushnumber(L, sqlite3_column_double(stmt, i)); break;
        case SQLITE_NULL: lua_pushnil(L); break;
        default: {
            const void *bytes = sqlite3_column_blob(stmt, i);
            lua_pushlstring(L, bytes != NULL ? bytes : "", (size_t)sqlite3_column_bytes(stmt, i));
        }
        }
        lua_setfield(L, -2, sqlite3_column_name(stmt, i));
    }
}

/* sql(query, ...) -> list of rows. */
int cf_lua_store_sql(lua_State *L)
{
    const char *sql = luaL_checkstring(L, 1);
    int given = lua_gettop(L) - 1;
    struct cf_reader *reader = cf_lua_store_reader(L);
    struct cf_lua_guard *guard = cf_lua_push_guard(L, free_statement); /* sql ... guard */
    lua_newtable(L);                                                   /* sql ... guard rows */
    struct cf_error err;
    sqlite3_stmt *stmt;

    if (!cf_reader_sql(reader, sql, &stmt, &err))
        return cf_lua_raise(L, &err);
    guard->object = stmt;
    int wanted = sqlite3_bind_parameter_count(stmt);
    if (wanted != given) {
        cf_fail(&err, CF_ERR_CONFIG, "sql: the query has %d parameter%s, %d given", wanted,
                wanted == 1 ? "" : "s", given);
        return cf_lua_raise(L, &err);
    }
    for (int i = 1; i <= given; i++)
        bind_one(L, i + 1, stmt, i);

    int rc;
    for (lua_Integer i = 1; (rc = sqlite3_step(stmt)) == SQLITE_ROW; i++) {
        if (i > ROWS_MAX) {
            cf_fail(&err, CF_ERR_CONFIG, "sql: more than %d rows; add LIMIT to the query",
                    ROWS_MAX);
            return cf_lua_raise(L, &err);
        }
        push_row(L, stmt);
        lua_rawseti(L, -2, i);
    }
    if (rc != SQLITE_DONE) {
        cf_fail(&err, (rc & 0xff) == SQLITE_ERROR ? CF_ERR_CONFIG : CF_ERR_STORAGE, "sql: %s",
                sqlite3_errmsg(sqlite3_db_handle(stmt)));
        return cf_lua_raise(L, &err);
    }
    cf_lua_guard_free(guard);
    return 1;
}
