#include "base/uuid.h"

#include <ctype.h>
#include <string.h>
#include <sys/random.h>

#define POOL_BYTES 256    /* what the kernel gives in one go, whatever happens */

/* Fetched for many at a time: a system call for each would cost ten times the rest. */
static void fill_random(uint8_t *bytes, size_t len)
{
    static _Thread_local uint8_t pool[POOL_BYTES];
    static _Thread_local size_t left;

    if (left < len) {
        while (getrandom(pool, sizeof pool, 0) != (ssize_t)sizeof pool)
            ;
        left = sizeof pool;
    }
    left -= len;
    memcpy(bytes, pool + left, len);
}

void cf_uuid_new(int64_t unix_ms, char out[CF_UUID_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[16];
    fill_random(bytes, sizeof bytes);
    for (int i = 0; i < 6; i++)
        bytes[i] = (uint8_t)((uint64_t)unix_ms >> (40 - 8 * i));
    bytes[6] = (uint8_t)(0x70 | (bytes[6] & 0x0F));
    bytes[8] = (uint8_t)(0x80 | (bytes[8] & 0x3F));

    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 0x0F];
    }
    *out = '\0';
}

bool cf_uuid_is_valid(const char *text)
{
    for (int i = 0; i < 36; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
    }
    return text[36] == '\0';
}
