#include "http/headers.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define FIRST_FIELDS 16    /* what room is made for at first; a power of two */

void cf_http_headers_done(struct cf_http_headers *headers)
{
    for (size_t i = 0; i < headers->count; i++)
        free(headers->fields[i].name);
    free(headers->fields);
    *headers = (struct cf_http_headers){ 0 };
}

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

void cf_http_headers_add_line(struct cf_http_headers *headers, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    if (colon == NULL || colon == line)
        return;

    size_t name_len = (size_t)(colon - line);
    const char *value = colon + 1, *end = line + len;
    while (value < end && is_space(*value))
        value++;
    while (end > value && is_space(end[-1]))
        end--;
    size_t value_len = (size_t)(end - value);

    if (headers->count == CF_HTTP_FIELDS_MAX ||
        name_len + value_len > CF_HTTP_FIELD_BYTES_MAX - headers->bytes) {
        headers->is_cut = true;
        return;
    }
    bool is_full = headers->count == 0 || (headers->count >= FIRST_FIELDS &&
                                           (headers->count & (headers->count - 1)) == 0);
    if (is_full) {             /* at 0, 16, 32, 64 ... */
        size_t cap = headers->count == 0 ? FIRST_FIELDS : headers->count * 2;
        headers->fields = cf_realloc(headers->fields, cap * sizeof *headers->fields);
    }

    char *name = cf_malloc(name_len + value_len + 2);
    memcpy(name, line, name_len);
    name[name_len] = '\0';
    char *copy = name + name_len + 1;
    for (size_t i = 0; i < value_len; i++)
        copy[i] = (unsigned char)value[i] < ' ' || value[i] == 0x7f ? ' ' : value[i];
    copy[value_len] = '\0';

    headers->fields[headers->count++] = (struct cf_http_header){ name, copy };
    headers->bytes += name_len + value_len;
}

const char *cf_http_headers_get(const struct cf_http_headers *headers, const char *name)
{
    for (size_t i = 0; i < headers->count; i++) {
        if (strcasecmp(headers->fields[i].name, name) == 0)
            return headers->fields[i].value;
    }
    return NULL;
}
