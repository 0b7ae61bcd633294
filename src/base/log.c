#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "confab/buf.h"

#define LINE_MAX_BYTES 8192
#define SECRET_MIN_LEN 4        /* shorter ones would blot out ordinary words */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int max_level = CF_LOG_INFO;

static struct {
    void (*hide)(void *self);
    void (*show)(void *self);
    void  *self;
} display;

/* Written before threads start or rarely; read on every line, so behind its own lock. */
static pthread_mutex_t secrets_lock = PTHREAD_MUTEX_INITIALIZER;
static char **secrets;
static size_t secret_count;

void cf_log_set_level(enum cf_log_level level)
{
    atomic_store(&max_level, (int)level);
}

bool cf_log_is_on(enum cf_log_level level)
{
    return (int)level <= atomic_load(&max_level);
}

void cf_log_set_display(void (*hide)(void *self), void (*show)(void *self), void *self)
{
    pthread_mutex_lock(&lock);
    display.hide = hide;
    display.show = show;
    display.self = self;
    pthread_mutex_unlock(&lock);
}

void cf_secret_add(const char *value)
{
    if (value == NULL || strlen(value) < SECRET_MIN_LEN)
        return;
    pthread_mutex_lock(&secrets_lock);
    bool known = false;
    for (size_t i = 0; i < secret_count && !known; i++)
        known = strcmp(secrets[i], value) == 0;
    if (!known) {
        secrets = cf_realloc(secrets, (secret_count + 1) * sizeof *secrets);
        secrets[secret_count++] = cf_strdup(value);
    }
    pthread_mutex_unlock(&secrets_lock);
}

/* At exit, or when a module that has us is unloaded: keys do not stay in memory. */
static void __attribute__((destructor)) wipe_secrets(void)
{
    pthread_mutex_lock(&secrets_lock);
    for (size_t i = 0; i < secret_count; i++) {
        explicit_bzero(secrets[i], strlen(secrets[i]));
        free(secrets[i]);
    }
    free(secrets);
    secrets = NULL;
    secret_count = 0;
    pthread_mutex_unlock(&secrets_lock);
}

static void redact_one(char *text, const char *secret)
{
    static const char mark[] = CF_REDACTED;
    size_t secret_len = strlen(secret);
    size_t mark_len = sizeof mark - 1 < secret_len ? sizeof mark - 1 : secret_len;

    for (char *found = strstr(text, secret); found != NULL; found = strstr(found, secret)) {
        memcpy(found, mark, mark_len);
        memmove(found + mark_len, found + secret_len, strlen(found + secret_len) + 1);
        found += mark_len;
    }
}

void cf_redact(char *text)
{
    pthread_mutex_lock(&secrets_lock);
    for (size_t i = 0; i < secret_count; i++)
        redact_one(text, secrets[i]);
    pthread_mutex_unlock(&secrets_lock);
}

static void write_all(const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t written = write(STDERR_FILENO, bytes, len);
        if (written <= 0)
            return;         /* nobody reads: a log line is not worth more */
        bytes += written;
        len -= (size_t)written;
    }
}

void cf_log(enum cf_log_level level, const char *fmt, ...)
{
    static const char *const prefixes[] = { "error: ", "warning: ", "", "debug: " };
    if (!cf_log_is_on(level))
        return;

    struct cf_buf line;
    cf_buf_init(&line, 16 * LINE_MAX_BYTES);
    cf_buf_adds(&line, prefixes[level]);
    va_list args;
    va_start(args, fmt);
    cf_buf_addv(&line, fmt, args);
    va_end(args);
    if (line.len > LINE_MAX_BYTES) {
        line.len = LINE_MAX_BYTES;
        line.data[line.len] = '\0';
    }
    cf_redact(line.data);
    line.len = strlen(line.data);
    for (size_t i = 0; i < line.len; i++)
        if ((unsigned char)line.data[i] < ' ' && line.data[i] != '\n' && line.data[i] != '\t')
            line.data[i] = '?';
    cf_buf_addc(&line, '\n');

    pthread_mutex_lock(&lock);
    if (display.hide != NULL)
        display.hide(display.self);
    write_all(line.data, line.len);
    if (display.show != NULL)
        display.show(display.self);
    pthread_mutex_unlock(&lock);
    cf_buf_done(&line);
}
