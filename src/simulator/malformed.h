/* malformed.h - a conversation written down in each of the ways models get it wrong.
 *
 * The names are those of tests/data/model_replies, where each way has an example; a few of them
 * are well formed, so that all of that list can be asked for. */
#ifndef CONFAB_SIMULATOR_MALFORMED_H
#define CONFAB_SIMULATOR_MALFORMED_H

#include <stddef.h>

struct cf_buf;
struct cf_sim_dialogue;

/* The name of a way, in byte order; NULL from the last one on. Static. */
const char *cf_sim_malformed_name(int way);

/* How many there are. */
int cf_sim_malformed_count(void);

/* The way of a name; -1 if there is none. */
int cf_sim_malformed_find(const char *name, size_t len);

/* Appends the conversation, written in that way. */
void cf_sim_malformed_add(int way, const struct cf_sim_dialogue *dialogue, struct cf_buf *out);
#endif
