#include "base/json.h"

#include <string.h>

#include "confab/buf.h"

#define HIGH_BITS UINT64_C(0x8080808080808080)

static uint64_t word_at(const char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

/* The length of the ASCII text that begins there, in whole words of eight bytes. */
static size_t ascii_prefix(const char *text, size_t len)
{
    size_t at = 0;
    while (len - at >= 32 && ((word_at(text + at) | word_at(text + at + 8) |
                               word_at(text + at + 16) | word_at(text + at + 24)) &
                              HIGH_BITS) == 0)
        at += 32;
    while (len - at >= 8 && (word_at(text + at) & HIGH_BITS) == 0)
        at += 8;
    return at;
}

static bool is_tail(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

size_t cf_utf8_sequence(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    if (len == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xC2 || p[0] > 0xF4)
        return 0;                           /* a stray tail, an overlong form, above U+10FFFF */
    if (len < 2 || !is_tail(p[1]))
        return 0;
    if (p[0] < 0xE0)
        return 2;

    /* The second byte tells overlong forms, surrogates and what is above U+10FFFF. */
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
        (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    if (len < 3 || !is_tail(p[2]))
        return 0;
    if (p[0] < 0xF0)
        return 3;
    return len >= 4 && is_tail(p[3]) ? 4 : 0;
}

size_t cf_utf8_valid_prefix(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len) {
        size_t size = ascii_prefix(text + at, len - at);
        if (size == 0)
            size = cf_utf8_sequence(text + at, len - at);
        if (size == 0)
            break;
        at += size;
    }
    return at;
}

size_t cf_utf8_length(const char *text, size_t len)
{
    size_t count = 0, at = 0;
    while (at < len) {
        size_t ascii = ascii_prefix(text + at, len - at);
        at += ascii;
        count += ascii;
        if (at == len)
            break;
        size_t size = cf_utf8_sequence(text + at, len - at);
        at += size > 0 ? size : 1;
        count++;
    }
    return count;
}

size_t cf_utf8_encode(uint32_t code_point, char out[4])
{
    if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF))
        code_point = 0xFFFD;

    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (char)(0xC0 | (code_point >> 6));
        out[1] = (char)(0x80 | (code_point & 0x3F));
        return 2;
    }
    if (code_point < 0x10000) {
        out[0] = (char)(0xE0 | (code_point >> 12));
        out[1] = (char)(0x80 | ((code_point >> 6) & 0x3F));
        out[2] = (char)(0x80 | (code_point & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | (code_point >> 18));
    out[1] = (char)(0x80 | ((code_point >> 12) & 0x3F));
    out[2] = (char)(0x80 | ((code_point >> 6) & 0x3F));
    out[3] = (char)(0x80 | (code_point & 0x3F));
    return 4;
}

void cf_utf8_add(struct cf_buf *buf, uint32_t code_point)
{
    char bytes[4];
    cf_buf_add(buf, bytes, cf_utf8_encode(code_point, bytes));
}
