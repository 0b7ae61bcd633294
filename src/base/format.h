/* format.h - numbers, durations and times as people read them. */
#ifndef CONFAB_BASE_FORMAT_H
#define CONFAB_BASE_FORMAT_H

#include <stdint.h>

#define CF_NUMBER_TEXT_MAX 32

/* "1,234,567"; "-" for a negative number, which stands for "not told". */
const char *cf_format_count(int64_t number, char out[CF_NUMBER_TEXT_MAX]);

/* "850 ms", "1.2 s", "3 min 20 s"; "-" for a negative one. */
const char *cf_format_duration(int64_t ms, char out[CF_NUMBER_TEXT_MAX]);

/* "2026-11-24 06:02:11" of an ISO 8601 time; "-" for NULL. */
const char *cf_format_time(const char *iso, char out[CF_NUMBER_TEXT_MAX]);
#endif
