/* uuid.h - UUID version 7 (RFC 9562): ids for people and the API, in order of time. */
#ifndef CONFAB_BASE_UUID_H
#define CONFAB_BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>

#define CF_UUID_TEXT_SIZE 37    /* 36 characters and the NUL */

/* A new id from the wall time and the kernel's random bytes. Any thread. */
void cf_uuid_new(int64_t unix_ms, char out[CF_UUID_TEXT_SIZE]);

/* Whether text has the form of a UUID, any version, either letter case. */
bool cf_uuid_is_valid(const char *text);
#endif
