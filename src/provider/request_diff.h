/* request_diff.h - in what two calls differ, for people: from their bodies as they were sent.
 *
 * What the model does not take was not sent, so a change of that alone cannot be seen here. */
#ifndef CONFAB_PROVIDER_REQUEST_DIFF_H
#define CONFAB_PROVIDER_REQUEST_DIFF_H

#include <stdbool.h>

#include "base/text.h"

#define CF_REQUEST_DIFF_MAX 160

/* The fields that differ, as a script names them: "prompt", "model, temperature"; "" if none does.
 * Cache marks, streaming and metadata are no difference. A body that is no JSON differs as
 * "request". */
void cf_request_diff(struct cf_text before, struct cf_text after, char out[CF_REQUEST_DIFF_MAX]);

/* Whether `after` sends a reply to `before` back: its last two messages are the reply's text and
 * what is said of it, and it begins with the same message. False for what is no JSON. */
bool cf_request_sends_back(struct cf_text before, struct cf_text reply, struct cf_text after);
#endif
