/* clean.h - foreign bytes made fit for a one-line message. Internal to src/provider. */
#ifndef CONFAB_PROVIDER_CLEAN_H
#define CONFAB_PROVIDER_CLEAN_H

#include <stddef.h>

/* Copies text as one line of valid UTF-8: white space becomes single spaces, control characters
 * and invalid bytes '?'; what does not fit ends in "...". Registered secrets are redacted.
 * size is 8 or more. */
void clean_text(const char *text, size_t len, char *out, size_t size);

/* Says what a body that should have been something else is: "the reply is empty", "the reply is an
 * HTML page: ...", or what is said of any other, "<otherwise>, it begins with: ...". */
void describe_body(const char *body, size_t len, const char *otherwise, char *out, size_t size);
#endif
