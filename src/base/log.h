/* log.h - lines for people on standard error.
 *
 * Any thread may log; lines do not interleave. Text is cleaned first: control
 * characters become '?', and every registered secret becomes "[redacted]". */
#ifndef CONFAB_BASE_LOG_H
#define CONFAB_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum cf_log_level { CF_LOG_ERROR, CF_LOG_WARN, CF_LOG_INFO, CF_LOG_DEBUG };

/* Lines above this level are dropped. CF_LOG_INFO at start. */
void cf_log_set_level(enum cf_log_level level);
bool cf_log_is_on(enum cf_log_level level);

/* Prints one line, without prefix for INFO, else "error: ", "warning: ", "debug: ". */
void cf_log(enum cf_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A progress display registers how to take itself off the screen before a line
 * is printed and how to come back after it; NULL to remove. Called under the log's own lock,
 * so they must only write to standard error. */
void cf_log_set_display(void (*hide)(void *self), void (*show)(void *self), void *self);

/* From now on this value never appears in a log line or through cf_redact. Copied. */
void cf_secret_add(const char *value);

#define CF_REDACTED "[redacted]"

/* Replaces every registered secret in text, in place (the text never grows). */
void cf_redact(char *text);
#endif
