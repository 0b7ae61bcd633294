/* buf.h - a growing byte buffer that knows its bound and remembers failing.
 *
 * Appends past the bound do nothing and set `failed`, so that a run of appends
 * is checked once. The bytes are always followed by a NUL that is not counted.
 * A zeroed struct with `max` set is a valid empty buffer. */
#ifndef CONFAB_BUF_H
#define CONFAB_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_buf {
    char  *data;      /* owned; NULL while nothing was added */
    size_t len;
    size_t cap;
    size_t max;       /* most bytes it may hold */
    bool   failed;
};

/* Makes an empty buffer that may hold up to max bytes. */
void cf_buf_init(struct cf_buf *buf, size_t max);

/* Frees the bytes; the buffer is empty and usable again with the same bound. */
void cf_buf_done(struct cf_buf *buf);

/* Empties it, clears `failed`, keeps the memory. */
void cf_buf_clear(struct cf_buf *buf);

void cf_buf_add(struct cf_buf *buf, const void *bytes, size_t len);
void cf_buf_adds(struct cf_buf *buf, const char *text);
void cf_buf_addc(struct cf_buf *buf, char byte);
void cf_buf_add_int(struct cf_buf *buf, int64_t value);    /* its decimal digits */
void cf_buf_addf(struct cf_buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cf_buf_addv(struct cf_buf *buf, const char *fmt, va_list args);

/* Makes room for `extra` more bytes. False, and `failed`, if over the bound. */
bool cf_buf_reserve(struct cf_buf *buf, size_t extra);

/* Whether every append so far succeeded. */
bool cf_buf_ok(const struct cf_buf *buf);

/* The bytes as a C string; "" when empty. Lent until the next change. */
const char *cf_buf_str(const struct cf_buf *buf);

/* Gives the bytes (NUL-terminated, free() them) and empties the buffer. Never NULL. */
char *cf_buf_take(struct cf_buf *buf, size_t *out_len);
#endif
