/* report_text.h - the words and numbers of a report, as they can stand in HTML and SVG.
 *
 * What comes from outside goes through cf_report_text or cf_report_str, nothing else: markup in it
 * is escaped, what is no UTF-8 becomes U+FFFD, control characters and marks that turn the direction
 * of text are spelt out as [U+001B], so that nobody reads what is not there. */
#ifndef CONFAB_ENGINE_REPORT_TEXT_H
#define CONFAB_ENGINE_REPORT_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

struct cf_buf;

/* Up to max_chars characters of the text; how many more there are is told behind them. */
void cf_report_text(struct cf_buf *out, struct cf_text text, size_t max_chars);

#define CF_REPORT_NAME_MAX 120 /* characters of a name, key or label */

/* The same of a name; NULL is "". */
void cf_report_str(struct cf_buf *out, const char *text);

void cf_report_count(struct cf_buf *out, int64_t number); /* "1,234" */
void cf_report_money(struct cf_buf *out, int64_t pico);   /* "$1.23" */
void cf_report_duration(struct cf_buf *out, int64_t ms);  /* "1.2 s" */
void cf_report_time(struct cf_buf *out, const char *iso); /* "2026-11-24 06:02:11" */
void cf_report_number(struct cf_buf *out, double value);  /* "7.45"; an en dash for NaN */

/* "45%"; never 0% or 100% of what is not, an en dash of nothing. */
void cf_report_share(struct cf_buf *out, int64_t part, int64_t whole);
#endif
