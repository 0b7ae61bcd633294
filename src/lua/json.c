#include "lua/json.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/json.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "lua/raise.h"

#define ARRAY_MT  "confab.json.array"
#define NULL_MT   "confab.null"
#define READER_MT "confab.json.reader"
#define WRITER_MT "confab.json.writer"
#define KEPT_MAX  65536    /* bytes that a writer keeps from one value to the next */

#define FEW_KEYS   32    /* objects up to this size are sorted on the C stack */
#define INDENT_MAX 16

static const char null_key;    /* its address is the registry key of confab.null */
static const char writer_key = 0;    /* registry: the writer that is used again and again */

/* --- null and arrays --- */

static int null_tostring(lua_State *L)
{
    lua_pushliteral(L, "null");
    return 1;
}

void cf_lua_push_null(lua_State *L)
{
    luaL_checkstack(L, 3, "too deep");
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &null_key) == LUA_TUSERDATA)
        return;

    lua_pop(L, 1);
    lua_newuserdatauv(L, 0, 0);                       /* null */
    luaL_newmetatable(L, NULL_MT);                    /* null mt */
    lua_pushcfunction(L, null_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_setmetatable(L, -2);                          /* null */
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &null_key);
}

bool cf_lua_is_null(lua_State *L, int idx)
{
    if (lua_type(L, idx) != LUA_TUSERDATA)
        return false;
    const void *value = lua_touserdata(L, idx);
    luaL_checkstack(L, 1, "too deep");
    lua_rawgetp(L, LUA_REGISTRYINDEX, &null_key);
    bool is_null = lua_touserdata(L, -1) == value;
    lua_pop(L, 1);
    return is_null;
}

void cf_lua_json_mark_array(lua_State *L, int idx)
{
    idx = lua_absindex(L, idx);
    luaL_newmetatable(L, ARRAY_MT);
    lua_setmetatable(L, idx);
}

bool cf_lua_json_is_array(lua_State *L, int idx)
{
    if (!lua_getmetatable(L, idx))
        return false;
    luaL_getmetatable(L, ARRAY_MT);
    bool is_array = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is_array;
}

/* --- decoding --- */

struct reader_box { struct cf_json_reader *reader; };    /* owned; NULL when done */

static int reader_gc(lua_State *L)
{
    struct reader_box *box = lua_touserdata(L, 1);
    cf_json_free(box->reader);
    box->reader = NULL;
    return 0;
}

struct decoder {
    struct cf_json_reader *reader;    /* borrowed from its box */
    const char *text;                 /* borrowed */
    struct cf_error *err;
};

static bool fail_number(const struct decoder *d, size_t offset)
{
    size_t line = 1, start = 0;
    for (size_t i = 0; i < offset; i++) {
        if (d->text[i] == '\n') {
            line++;
            start = i + 1;
        }
    }
    return cf_fail(d->err, CF_ERR_PARSE, "line %zu, column %zu: the number is out of range", line,
                   cf_utf8_length(d->text + start, offset - start) + 1);
}

static bool decode_value(lua_State *L, const struct decoder *d, const struct cf_json_token *token);

/* Pushes the table of what follows '['. */
static bool decode_array(lua_State *L, const struct decoder *d)
{
    struct cf_json_token token;
    lua_newtable(L);                                  /* array */
    cf_lua_json_mark_array(L, -1);

    for (lua_Integer i = 1;; i++) {
        if (cf_json_next(d->reader, &token, d->err) != 1)
            return false;
        if (token.type == CF_JSON_ARRAY_END)
            return true;
        if (!decode_value(L, d, &token))              /* array value */
            return false;
        lua_rawseti(L, -2, i);                        /* array */
    }
}

/* Pushes the table of what follows '{'. Of equal keys the last one counts. */
static bool decode_object(lua_State *L, const struct decoder *d)
{
    struct cf_json_token token;
    lua_newtable(L);                                  /* object */

    for (;;) {
        if (cf_json_next(d->reader, &token, d->err) != 1)
            return false;
        if (token.type == CF_JSON_OBJECT_END)
            return true;
        lua_pushlstring(L, token.text, token.len);    /* object key */
        if (cf_json_next(d->reader, &token, d->err) != 1)
            return false;
        if (!decode_value(L, d, &token))              /* object key value */
            return false;
        lua_rawset(L, -3);                            /* object */
    }
}

/* On failure what was pushed stays for the caller to drop. */
static bool decode_value(lua_State *L, const struct decoder *d, const struct cf_json_token *token)
{
    luaL_checkstack(L, 6, "JSON is nested too deep");
    switch (token->type) {
    case CF_JSON_NULL:  cf_lua_push_null(L); return true;
    case CF_JSON_TRUE:  lua_pushboolean(L, 1); return true;
    case CF_JSON_FALSE: lua_pushboolean(L, 0); return true;
    case CF_JSON_STRING: lua_pushlstring(L, token->text, token->len); return true;
    case CF_JSON_NUMBER:
        if (lua_stringtonumber(L, token->text) == 0 || !isfinite(lua_tonumber(L, -1)))
            return fail_number(d, token->offset);
        return true;
    case CF_JSON_ARRAY:  return decode_array(L, d);
    case CF_JSON_OBJECT: return decode_object(L, d);
    default: return cf_fail(d->err, CF_ERR_PARSE, "a value was expected");
    }
}

bool cf_lua_json_decode(lua_State *L, const char *text, size_t len, struct cf_error *err)
{
    int top = lua_gettop(L);
    struct cf_json_token token;

    struct reader_box *box = lua_newuserdatauv(L, sizeof *box, 0);    /* box */
    box->reader = NULL;
    if (luaL_newmetatable(L, READER_MT)) {
        lua_pushcfunction(L, reader_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    box->reader = cf_json_open(text, len, NULL);

    struct decoder d = { .reader = box->reader, .text = text, .err = err };
    bool ok = cf_json_next(box->reader, &token, err) == 1 && decode_value(L, &d, &token) &&
              cf_json_next(box->reader, &token, err) == 0;            /* box value, if ok */

    cf_json_free(box->reader);
    box->reader = NULL;
    if (ok)
        lua_replace(L, top + 1);                      /* value */
    lua_settop(L, ok ? top + 1 : top);
    return ok;
}

/* --- encoding --- */

struct step { const void *table; const char *key; lua_Integer index; };    /* key NULL: index */

struct writer {
    struct cf_buf buf;                         /* owned */
    int indent;                                /* spaces a level; 0: one line */
    bool is_busy;                              /* a value is being written */
    unsigned depth;
    struct step path[CF_JSON_DEPTH_MAX];       /* from the outermost table to the value at hand */
};

static int writer_gc(lua_State *L)
{
    struct writer *w = lua_touserdata(L, 1);
    cf_buf_done(&w->buf);
    return 0;
}

/* Raises "cannot be written as JSON: what, at turns[3].content". */
static void refuse(lua_State *L, struct writer *w, const char *what)
{
    struct cf_error err;
    luaL_Buffer place;

    luaL_buffinit(L, &place);
    for (unsigned i = 0; i < w->depth; i++) {
        char index[32];
        if (w->path[i].key != NULL) {
            luaL_addstring(&place, i == 0 ? "" : ".");
            luaL_addstring(&place, w->path[i].key);
        } else if (w->path[i].index != 0) {
            lua_Integer n = w->path[i].index;
            snprintf(index, sizeof index, "[%lld]", (long long)n);
            luaL_addstring(&place, index);
        }
    }
    luaL_pushresult(&place);
    w->is_busy = false;
    const char *where = lua_tostring(L, -1);
    cf_fail(&err, CF_ERR_CONFIG, "cannot be written as JSON: %s%s%s", what,
            *where ? ", at " : "", where);
    cf_lua_raise(L, &err);
}

struct key { const char *text; size_t len; };    /* lent by the table */

static int compare_keys(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    size_t len = x->len < y->len ? x->len : y->len;
    int order = memcmp(x->text, y->text, len);
    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static void new_line(struct writer *w)
{
    static const char spaces[INDENT_MAX + 1] = "                ";
    if (w->indent == 0)
        return;
    cf_buf_addc(&w->buf, '\n');
    for (unsigned i = 0; i < w->depth; i++)
        cf_buf_add(&w->buf, spaces, (size_t)w->indent);
}

static void encode_value(lua_State *L, struct writer *w, int idx);

static void encode_string(lua_State *L, struct writer *w, const char *text, size_t len)
{
    if (memchr(text, '\0', len) != NULL)
        refuse(L, w, "the text holds a NUL byte");
    if (cf_utf8_valid_prefix(text, len) != len)
        refuse(L, w, "the text is not valid UTF-8");
    cf_json_add_string(&w->buf, text, len);
}

static void encode_number(lua_State *L, struct writer *w, int idx)
{
    int is_integer;
    lua_Integer integer = lua_tointegerx(L, idx, &is_integer);
    if (is_integer) {
        cf_buf_add_int(&w->buf, integer);
        return;
    }
    lua_Number number = lua_tonumber(L, idx);
    if (!isfinite(number))
        refuse(L, w, isnan(number) ? "the number is NaN" : "the number is infinite");
    cf_json_add_number(&w->buf, number);
}

enum shape { EMPTY, LIST, OBJECT };

/* What the table at idx is, with the number of its entries; refuses what is neither. */
static enum shape shape_of(lua_State *L, struct writer *w, int idx, size_t *out_count)
{
    size_t strings = 0, indexes = 0, len = lua_rawlen(L, idx);

    lua_pushnil(L);
    while (lua_next(L, idx) != 0) {                   /* key value */
        lua_pop(L, 1);                                /* key */
        if (lua_type(L, -1) == LUA_TSTRING) {
            strings++;
        } else if (lua_isinteger(L, -1) && (lua_Unsigned)lua_tointeger(L, -1) - 1 < len) {
            indexes++;
        } else if (lua_isinteger(L, -1)) {
            refuse(L, w, "a list with holes");
        } else {
            refuse(L, w, "a table with a key that is neither a string nor an index");
        }
    }
    if (strings > 0 && indexes > 0)
        refuse(L, w, "a table with both names and list entries");
    if (indexes != len)
        refuse(L, w, "a list with holes");
    *out_count = strings + indexes;
    return strings > 0 ? OBJECT : indexes > 0 ? LIST : EMPTY;
}

static void encode_list(lua_State *L, struct writer *w, int idx, size_t count)
{
    struct step *step = &w->path[w->depth - 1];
    cf_buf_addc(&w->buf, '[');
    for (size_t i = 1; i <= count; i++) {
        if (i > 1)
            cf_buf_addc(&w->buf, ',');
        new_line(w);
        step->index = (lua_Integer)i;
        lua_rawgeti(L, idx, (lua_Integer)i);          /* value */
        encode_value(L, w, lua_gettop(L));
        lua_pop(L, 1);
    }
}

static void encode_object(lua_State *L, struct writer *w, int idx, size_t count)
{
    struct step *step = &w->path[w->depth - 1];
    struct key few[FEW_KEYS], *keys = few;
    int top = lua_gettop(L);

    if (count > FEW_KEYS)
        keys = lua_newuserdatauv(L, count * sizeof *keys, 0);
    size_t n = 0;
    lua_pushnil(L);
    while (lua_next(L, idx) != 0) {                   /* key value */
        lua_pop(L, 1);                                /* key */
        keys[n].text = lua_tolstring(L, -1, &keys[n].len);
        n++;
    }
    qsort(keys, n, sizeof *keys, compare_keys);

    cf_buf_addc(&w->buf, '{');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            cf_buf_addc(&w->buf, ',');
        new_line(w);
        step->key = keys[i].text;
        encode_string(L, w, keys[i].text, keys[i].len);
        cf_buf_adds(&w->buf, w->indent > 0 ? ": " : ":");
        lua_pushlstring(L, keys[i].text, keys[i].len);
        lua_rawget(L, idx);                           /* value */
        encode_value(L, w, lua_gettop(L));
        lua_pop(L, 1);
    }
    lua_settop(L, top);
}

static void encode_table(lua_State *L, struct writer *w, int idx)
{
    const void *table = lua_topointer(L, idx);
    for (unsigned i = 0; i < w->depth; i++) {
        if (w->path[i].table == table)
            refuse(L, w, "a table that contains itself");
    }
    if (w->depth == CF_JSON_DEPTH_MAX)
        refuse(L, w, "nested too deep");

    size_t count;
    enum shape shape = shape_of(L, w, idx, &count);
    bool is_list = cf_lua_json_is_array(L, idx);
    if (is_list && shape == OBJECT)
        refuse(L, w, "an array with names in it");
    is_list = is_list || shape == LIST;

    w->path[w->depth++] = (struct step){ .table = table };
    if (is_list)
        encode_list(L, w, idx, count);
    else
        encode_object(L, w, idx, count);
    w->depth--;
    if (count > 0)
        new_line(w);
    cf_buf_addc(&w->buf, is_list ? ']' : '}');
}

static void encode_value(lua_State *L, struct writer *w, int idx)
{
    size_t len;
    luaL_checkstack(L, 8, "value is nested too deep");
    switch (lua_type(L, idx)) {
    case LUA_TBOOLEAN: cf_buf_adds(&w->buf, lua_toboolean(L, idx) ? "true" : "false"); return;
    case LUA_TNUMBER:  encode_number(L, w, idx); return;
    case LUA_TTABLE:   encode_table(L, w, idx); return;
    case LUA_TSTRING: {
        const char *text = lua_tolstring(L, idx, &len);
        encode_string(L, w, text, len);
        return;
    }
    default:
        if (!cf_lua_is_null(L, idx))
            refuse(L, w, lua_pushfstring(L, "a value of type %s", luaL_typename(L, idx)));
        cf_buf_adds(&w->buf, "null");
    }
}

static struct writer *push_new_writer(lua_State *L)
{
    struct writer *w = lua_newuserdatauv(L, sizeof *w, 0);            /* writer */
    memset(w, 0, sizeof *w);
    cf_buf_init(&w->buf, CF_JSON_SIZE_MAX);
    if (luaL_newmetatable(L, WRITER_MT)) {
        lua_pushcfunction(L, writer_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return w;
}

/* The writer of the Lua state, empty; another one while that is at work: a finalizer of the script
 * may run in the middle of a value, and write one itself. */
static struct writer *push_writer(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &writer_key) != LUA_TNIL) {
        struct writer *w = lua_touserdata(L, -1);
        if (!w->is_busy) {
            cf_buf_clear(&w->buf);
            w->depth = 0;
            return w;
        }
    }
    lua_pop(L, 1);
    struct writer *w = push_new_writer(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &writer_key);
    return w;
}

void cf_lua_json_encode(lua_State *L, int idx, int indent)
{
    struct cf_error err;
    idx = lua_absindex(L, idx);

    struct writer *w = push_writer(L);                                /* writer */
    w->indent = indent;
    w->is_busy = true;
    encode_value(L, w, idx);
    w->is_busy = false;
    if (!cf_buf_ok(&w->buf)) {
        cf_fail(&err, CF_ERR_CONFIG, "cannot be written as JSON: it is over %u MB",
                CF_JSON_SIZE_MAX >> 20);
        cf_lua_raise(L, &err);
    }
    lua_pushlstring(L, cf_buf_str(&w->buf), w->buf.len);              /* writer json */
    if (w->buf.cap > KEPT_MAX)
        cf_buf_done(&w->buf);
    lua_remove(L, -2);                                                /* json */
}

void cf_lua_json_canonical(lua_State *L, int idx)
{
    /* Encoding already sorts keys by bytes and writes equal numbers alike. */
    cf_lua_json_encode(L, idx, 0);
}

/* --- the module --- */

static int json_decode(lua_State *L)
{
    size_t len;
    struct cf_error err;
    const char *text = luaL_checklstring(L, 1, &len);
    if (!cf_lua_json_decode(L, text, len, &err))
        return cf_lua_raise(L, &err);
    return 1;
}

static int json_encode(lua_State *L)
{
    lua_Integer indent = 0;
    luaL_checkany(L, 1);
    if (!lua_isnoneornil(L, 2)) {
        luaL_checktype(L, 2, LUA_TTABLE);
        if (lua_getfield(L, 2, "indent") != LUA_TNIL) {
            int is_integer;
            indent = lua_tointegerx(L, -1, &is_integer);
            luaL_argcheck(L, is_integer && indent >= 0 && indent <= INDENT_MAX, 2,
                          "indent must be a whole number from 0 to 16");
        }
    }
    cf_lua_json_encode(L, 1, (int)indent);
    return 1;
}

static int json_canonical(lua_State *L)
{
    luaL_checkany(L, 1);
    cf_lua_json_canonical(L, 1);
    return 1;
}

static int json_array(lua_State *L)
{
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    cf_lua_json_mark_array(L, 1);
    return 1;
}

static int json_is_array(lua_State *L)
{
    lua_pushboolean(L, lua_istable(L, 1) && cf_lua_json_is_array(L, 1));
    return 1;
}

int cf_lua_open_json(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "decode", json_decode },       { "encode", json_encode }, { "canonical", json_canonical },
        { "array", json_array },         { "is_array", json_is_array },
        { NULL, NULL },
    };
    luaL_newlib(L, functions);                        /* json */
    cf_lua_push_null(L);
    lua_setfield(L, -2, "null");
    return 1;
}
