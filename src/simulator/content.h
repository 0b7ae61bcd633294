/* content.h - the text that answers a request, before any envelope. */
#ifndef CONFAB_SIMULATOR_CONTENT_H
#define CONFAB_SIMULATOR_CONTENT_H

#include <stdint.h>

struct cf_buf;
struct cf_sim_request;
struct cf_sim_spec;

/* Appends it: a conversation, a verdict, an outline, an object for a schema, or plain text. The
 * part that the assistant's last message already holds is left out. way: one of malformed.h for
 * a text gone wrong; -1 for a good one. */
void cf_sim_content_add(const struct cf_sim_spec *spec, const struct cf_sim_request *request,
                        int way, struct cf_buf *out);
#endif
