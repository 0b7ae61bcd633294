/* text.h - a piece of text that belongs to somebody else. */
#ifndef CONFAB_BASE_TEXT_H
#define CONFAB_BASE_TEXT_H

#include <stddef.h>

/* Bytes with their length, borrowed wherever it appears; need not end in a NUL. data NULL: not
 * given. */
struct cf_text {
    const char *data;
    size_t len;
};
#endif
