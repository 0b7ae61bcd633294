#include "lua/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "base/json.h"
#include "confab/cost.h"
#include "confab/money.h"

/* The code point at text and its length in bytes; an invalid byte stands for itself. */
static uint32_t read_code(const char *text, size_t len, size_t *out_size)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t size = cf_utf8_sequence(text, len);

    *out_size = size > 0 ? size : 1;
    switch (size) {
    case 2: return (uint32_t)(p[0] & 0x1F) << 6 | (p[1] & 0x3F);
    case 3: return (uint32_t)(p[0] & 0x0F) << 12 | (uint32_t)(p[1] & 0x3F) << 6 | (p[2] & 0x3F);
    case 4:
        return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3F) << 12 |
               (uint32_t)(p[2] & 0x3F) << 6 | (p[3] & 0x3F);
    default: return p[0];
    }
}

static bool is_space(uint32_t code)
{
    return code == ' ' || (code >= '\t' && code <= '\r') || code == 0x85 || code == 0xA0 ||
           code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 ||
           code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

/* Scripts written without spaces between words, in which each character counts as one. */
static bool is_word_alone(uint32_t code)
{
    static const struct { uint32_t first, last; } ranges[] = {
        { 0x0E01, 0x0EDF },  { 0x1000, 0x109F },  { 0x1780, 0x17FF },  { 0x2E80, 0x2FDF },
        { 0x3005, 0x3007 },  { 0x3040, 0x312F },  { 0x31A0, 0x31FF },  { 0x3400, 0x4DBF },
        { 0x4E00, 0x9FFF },  { 0xF900, 0xFAFF },  { 0xFF66, 0xFF9F },  { 0x20000, 0x3FFFF },
    };
    if (code < ranges[0].first)
        return false;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    }
    return false;
}

/* Skips up to `most` words from `at`; returns where the last of them ends and counts them. */
static size_t skip_words(const char *text, size_t len, size_t at, size_t most, size_t *out_words)
{
    size_t words = 0, end = at, size;

    while (words < most) {
        uint32_t code = 0;
        while (at < len && is_space(code = read_code(text + at, len - at, &size)))
            at += size;
        if (at >= len)
            break;
        at += size;
        while (!is_word_alone(code) && at < len) {
            code = read_code(text + at, len - at, &size);
            if (is_space(code) || is_word_alone(code))
                break;
            at += size;
        }
        words++;
        end = at;
    }
    *out_words = words;
    return end;
}

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
    skip_words(text, len, 0, SIZE_MAX, &words);
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

    size_t end = skip_words(text, len, (size_t)from - 1, (size_t)most, &words);
    lua_pushinteger(L, (lua_Integer)end + 1);
    lua_pushinteger(L, (lua_Integer)words);
    return 2;
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
    bool ok = text != NULL ? cf_money_parse(text, len, &pico) : cf_money_from_usd(luaL_checknumber(L, 1), &pico);
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
        { "newlines", text_newlines },         { "tokens", text_tokens },
        { "money", text_money },               { "number", text_number },
        { "dollars", text_dollars },
        { NULL, NULL },
    };
    luaL_newlib(L, functions);
    return 1;
}
