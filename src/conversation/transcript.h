/* transcript.h - turns from text that is no JSON: the last resort.
 *
 * Each reader adds its turns to `out` (initialised, empty) and returns true if it found a
 * conversation: two turns and both roles. Else it leaves `out` empty. *out_cut: the last turn has
 * no end and was left out. Time is linear in len. */
#ifndef CONFAB_CONVERSATION_TRANSCRIPT_H
#define CONFAB_CONVERSATION_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#include "confab/conversation.h"

/* "User: ...", "**Assistant:** ...", "### User": a label begins a turn. `cut`: the text ends early,
 * so the last turn is left out. */
bool cf_transcript_labels(const char *text, size_t len, bool cut, struct cf_conversation *out);

/* <user>...</user> or <turn role="user">...</turn>. */
bool cf_transcript_tags(const char *text, size_t len, struct cf_conversation *out, bool *out_cut);

/* A Markdown table with a column for the role and one for the text. */
bool cf_transcript_table(const char *text, size_t len, struct cf_conversation *out, bool *out_cut);

/* Whether out is a conversation; empties it if not. */
bool cf_transcript_accept(struct cf_conversation *out);

/* Moves *text and *len past white space on both sides. */
void cf_transcript_trim(const char **text, size_t *len);

#endif
