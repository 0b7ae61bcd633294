/* headers.h - the header fields of a reply, kept as they came.
 *
 * Everything is capped: a server can send what it likes. Names are compared
 * without regard to case. Zero is a valid empty set. */
#ifndef CONFAB_HTTP_HEADERS_H
#define CONFAB_HTTP_HEADERS_H

#include <stdbool.h>
#include <stddef.h>

#define CF_HTTP_FIELDS_MAX       256           /* the provider sends about 30 */
#define CF_HTTP_FIELD_BYTES_MAX  (64u << 10)   /* all names and values together */

struct cf_http_header { char *name, *value; }; /* one allocation, at name */

struct cf_http_headers {
    struct cf_http_header *fields;             /* owned, in order of arrival */
    size_t count, bytes;
    bool   is_cut;                             /* more came than the caps allow */
};

void cf_http_headers_done(struct cf_http_headers *headers);   /* empty and usable again */

/* Adds "Name: value" with or without its line end; anything else is ignored, and so is
 * what goes over the caps (is_cut is set). Control characters in the value become spaces. */
void cf_http_headers_add_line(struct cf_http_headers *headers, const char *line, size_t len);

/* The value of the first field of that name, NULL if there is none. Lent. */
const char *cf_http_headers_get(const struct cf_http_headers *headers, const char *name);
#endif
