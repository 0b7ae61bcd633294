#include "confab/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define FIRST_CAP 64

void cf_buf_init(struct cf_buf *buf, size_t max)
{
    *buf = (struct cf_buf){ .max = max };
}

void cf_buf_done(struct cf_buf *buf)
{
    free(buf->data);
    cf_buf_init(buf, buf->max);
}

void cf_buf_clear(struct cf_buf *buf)
{
    buf->len = 0;
    buf->failed = false;
    if (buf->data != NULL)
        buf->data[0] = '\0';
}

bool cf_buf_reserve(struct cf_buf *buf, size_t extra)
{
    if (buf->failed || buf->len > buf->max || extra > buf->max - buf->len) {
        buf->failed = true;
        return false;
    }
    size_t need = buf->len + extra + 1;
    if (need > buf->cap) {
        size_t cap = buf->cap > 0 ? buf->cap : FIRST_CAP;
        while (cap < need)
            cap += cap / 2 + 1;
        buf->data = cf_realloc(buf->data, cap);
        buf->cap = cap;
    }
    return true;
}

void cf_buf_add(struct cf_buf *buf, const void *bytes, size_t len)
{
    if (!cf_buf_reserve(buf, len))
        return;
    if (len > 0)
        memcpy(buf->data + buf->len, bytes, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void cf_buf_adds(struct cf_buf *buf, const char *text)
{
    cf_buf_add(buf, text, strlen(text));
}

void cf_buf_addc(struct cf_buf *buf, char byte)
{
    cf_buf_add(buf, &byte, 1);
}

void cf_buf_add_int(struct cf_buf *buf, int64_t value)
{
    char digits[20];    /* of 2^63, and the sign */
    char *at = digits + sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        *--at = '-';
    cf_buf_add(buf, at, (size_t)(digits + sizeof digits - at));
}

/* Most often the room there is will do, and the text need be formatted only once. */
void cf_buf_addv(struct cf_buf *buf, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    size_t room = buf->cap - buf->len;
    int len = vsnprintf(room > 0 ? buf->data + buf->len : NULL, room, fmt, args);
    if (len >= 0 && cf_buf_reserve(buf, (size_t)len)) {
        if ((size_t)len >= room)
            vsnprintf(buf->data + buf->len, (size_t)len + 1, fmt, again);
        buf->len += (size_t)len;
    } else if (room > 0) {
        buf->data[buf->len] = '\0';
    }
    va_end(again);
}

void cf_buf_addf(struct cf_buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    cf_buf_addv(buf, fmt, args);
    va_end(args);
}

bool cf_buf_ok(const struct cf_buf *buf)
{
    return !buf->failed;
}

const char *cf_buf_str(const struct cf_buf *buf)
{
    return buf->data != NULL ? buf->data : "";
}

char *cf_buf_take(struct cf_buf *buf, size_t *out_len)
{
    char *data = buf->data != NULL ? buf->data : cf_memdup("", 0);
    if (out_len != NULL)
        *out_len = buf->len;
    cf_buf_init(buf, buf->max);
    return data;
}
