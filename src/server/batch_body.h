/* batch_body.h - the body of a batch, taken apart while it comes: memory is bounded by one request.
 *
 *   {"requests": [ {…}, {…}, … ], "options": {…}}
 *                  |     |
 *                  one line each of a file without a name, beside the database
 *   {"requests": [ ], "options": {…}}    what is left: the envelope, in memory
 *
 * Each request is checked strictly as soon as it is whole, the envelope at the end; so what lies in
 * the file is JSON, a request a line. Where they stand is all that is understood here: what is in
 * them is looked at in Lua. One thread at a time. */
#ifndef CONFAB_SERVER_BATCH_BODY_H
#define CONFAB_SERVER_BATCH_BODY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

struct cf_batch_body;
struct cf_error;

#define CF_BATCH_REQUEST_MAX  (1u << 20)    /* bytes of a request: that of one conversation */
#define CF_BATCH_ENVELOPE_MAX (1u << 20)    /* of what is around them */

/* folder: where the file is made. storage_error: it cannot be. */
bool cf_batch_body_open(const char *folder, struct cf_batch_body **out_body, struct cf_error *err);

/* NULL is fine. */
void cf_batch_body_free(struct cf_batch_body *body);

/* Takes the next bytes. parse_error: they are not JSON; validation_error: too large;
 * storage_error: the disk. Nothing is to be pushed after a failure. */
bool cf_batch_body_push(struct cf_batch_body *body, const char *bytes, size_t len,
                        struct cf_error *err);

/* No bytes follow. */
bool cf_batch_body_end(struct cf_batch_body *body, struct cf_error *err);

/* The body without its requests; JSON once cf_batch_body_end was fine. Lent. */
struct cf_text cf_batch_body_envelope(const struct cf_batch_body *body);

/* The file with the requests, to be read from its beginning; -1 if body is NULL. Lent. */
int cf_batch_body_file(const struct cf_batch_body *body);
#endif
