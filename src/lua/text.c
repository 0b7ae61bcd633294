#include "lua/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "base/json.h"
#include "base/words.h"
#include "confab/cost.h"
#include "confab/money.h"
#include "conversation/prose.h"

/* valid_prefix(text): bytes of the longest valid UTF-8 prefix. */
static int text_valid_prefix(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    lua_pushinteger(L, (lua_Integer)cf_utf8_valid_prefix(text, len));
    return 1;
}

/* invalid_at(text): the position of the first byte that is not UTF-8, or nil. */
static int text_invalid_at(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    size_t valid = cf_utf8_valid_prefix(text, len);
    if (valid == len)
        lua_pushnil(L);
    else
        lua_pushinteger(L, (lua_Integer)valid + 1);
    return 1;
}

/* from_latin1(bytes): the same text in UTF-8. */
static int text_from_latin1(lua_State *L)
{
    size_t len, used = 0;
    luaL_Buffer result;
    const unsigned char *bytes = (const unsigned char *)luaL_checklstring(L, 1, &len);
    luaL_argcheck(L, len <= SIZE_MAX / 2, 1, "the text is too long");

    char *to = luaL_buffinitsize(L, &result, 2 * len);
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] < 0x80) {
            to[used++] = (char)bytes[i];
        } else {
            to[used++] = (char)(0xC0 | bytes[i] >> 6);
            to[used++] = (char)(0x80 | (bytes[i] & 0x3F));
        }
    }
    luaL_pushresultsize(&result, used);
    return 1;
}

/* length(text): characters (code points); an invalid byte counts one. */
static int text_length(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    lua_pushinteger(L, (lua_Integer)cf_utf8_length(text, len));
    return 1;
}

/* words(text): what white space separates; in Chinese, Japanese and the like each character. */
static int text_words(lua_State *L)
{
    size_t len, words;
    const char *text = luaL_checklstring(L, 1, &len);
    cf_words_skip(text, len, 0, SIZE_MAX, &words);
    lua_pushinteger(L, (lua_Integer)words);
    return 1;
}

/* skip_words(text, from, n): the position behind the n-th word from `from` on (behind the last
 * one if there are fewer), and how many there were. */
static int text_skip_words(lua_State *L)
{
    size_t len, words;
    const char *text = luaL_checklstring(L, 1, &len);
    lua_Integer from = luaL_checkinteger(L, 2), most = luaL_checkinteger(L, 3);
    luaL_argcheck(L, from >= 1 && (lua_Unsigned)from - 1 <= len, 2, "position outside the text");
    luaL_argcheck(L, most >= 0, 3, "must not be negative");

    size_t end = cf_words_skip(text, len, (size_t)from - 1, (size_t)most, &words);
    lua_pushinteger(L, (lua_Integer)end + 1);
    lua_pushinteger(L, (lua_Integer)words);
    return 2;
}

/* sentences(text): a list of them, without the white space between. */
static int text_sentences(lua_State *L)
{
    size_t len, start, end = 0;
    const char *text = luaL_checklstring(L, 1, &len);
    lua_newtable(L);
    for (lua_Integer i = 1; cf_sentence_next(text, len, end, &start, &end); i++) {
        lua_pushlstring(L, text + start, end - start);
        lua_rawseti(L, -2, i);
    }
    return 1;
}

static size_t check_words(lua_State *L, int idx, lua_Integer otherwise)
{
    lua_Integer n = luaL_optinteger(L, idx, otherwise);
    luaL_argcheck(L, n >= 1 && n <= 1000000, idx, "must be from 1 to 1000000 words");
    return (size_t)n;
}

/* repeated(text, n): the share of runs of n words (3) that came before; and, if one did, the most
 * frequent one and how often it stands there. */
static int text_repeated(lua_State *L)
{
    size_t len;
    struct cf_repetition found;
    const char *text = luaL_checklstring(L, 1, &len);
    cf_prose_repetition(text, len, check_words(L, 2, 3), &found);
    lua_pushnumber(L, found.share);
    if (found.count == 0)
        return 1;
    lua_pushlstring(L, text + found.at, found.len);
    lua_pushinteger(L, (lua_Integer)found.count);
    return 3;
}

/* diversity(text, window): the share of different words among so many (50) neighbouring ones. */
static int text_diversity(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    lua_pushnumber(L, cf_prose_diversity(text, len, check_words(L, 2, CF_PROSE_WINDOW)));
    return 1;
}

/* similarity(a, b): 0 to 1. */
static int text_similarity(lua_State *L)
{
    size_t a_len, b_len;
    const char *a = luaL_checklstring(L, 1, &a_len), *b = luaL_checklstring(L, 2, &b_len);
    lua_pushnumber(L, cf_prose_similarity(a, a_len, b, b_len));
    return 1;
}

/* newlines(text): ends of lines: LF, CR LF, and CR alone. */
static int text_newlines(lua_State *L)
{
    size_t len;
    lua_Integer count = 0;
    const char *text = luaL_checklstring(L, 1, &len), *end = text + len;

    for (const char *at = text; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
        count++;
    for (const char *at = text; (at = memchr(at, '\r', (size_t)(end - at))) != NULL; at++)
        count += at + 1 == end || at[1] != '\n';
    lua_pushinteger(L, count);
    return 1;
}

/* tokens(text): the estimated number of tokens, uncalibrated. */
static int text_tokens(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    lua_pushinteger(L, (lua_Integer)cf_tokens_estimate(text, len));
    return 1;
}

/* money(pico-dollars) -> dollars for reading, "$0.0345" */
static int text_money(lua_State *L)
{
    char text[CF_MONEY_TEXT_MAX];
    cf_money_format(luaL_checkinteger(L, 1), text);
    lua_pushstring(L, text);
    return 1;
}

/* dollars(number or text) -> pico-dollars, exactly; nil if it is no amount up to $1,000,000 */
static int text_dollars(lua_State *L)
{
    size_t len;
    int64_t pico;
    const char *text = lua_type(L, 1) == LUA_TSTRING ? lua_tolstring(L, 1, &len) : NULL;
    bool ok = text != NULL ? cf_money_parse(text, len, &pico)
                           : cf_money_from_usd(luaL_checknumber(L, 1), &pico);
    if (!ok || pico > CF_BUDGET_MAX_USD * CF_PICO_PER_USD)
        return 0;
    lua_pushinteger(L, pico);
    return 1;
}

/* number(n) -> a count for reading, "1,234,567" */
static int text_number(lua_State *L)
{
    char plain[32], text[48];
    lua_Integer n = luaL_checkinteger(L, 1);
    int len = snprintf(plain, sizeof plain, "%lld", (long long)n);
    size_t used = 0;
    for (int i = 0; i < len; i++) {
        if (i > (n < 0) && (len - i) % 3 == 0)
            text[used++] = ',';
        text[used++] = plain[i];
    }
    lua_pushlstring(L, text, used);
    return 1;
}

int cf_lua_open_text(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "valid_prefix", text_valid_prefix }, { "invalid_at", text_invalid_at },
        { "from_latin1", text_from_latin1 },   { "length", text_length },
        { "words", text_words },               { "skip_words", text_skip_words },
        { "sentences", text_sentences },       { "repeated", text_repeated },
        { "diversity", text_diversity },       { "similarity", text_similarity },
        { "newlines", text_newlines },         { "tokens", text_tokens },
        { "money", text_money },               { "number", text_number },
        { "dollars", text_dollars },
        { NULL, NULL },
    };
    luaL_newlib(L, functions);
    return 1;
}
