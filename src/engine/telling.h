/* telling.h - what the net thread tells those who watch: see events.h. Net thread only.
 *
 *   retry          an attempt failed and is followed by another one
 *   rate_limit     a 429: nothing goes through a lane for a while; of all runs
 *   outage         the service is away; it is back; of all runs
 *   text           what has come of a reply that is streamed, in pieces for people to read */
#ifndef CONFAB_ENGINE_TELLING_H
#define CONFAB_ENGINE_TELLING_H

#include <stdbool.h>
#include <stdint.h>

struct cf_call;
struct cf_retry_step;
struct cf_sender;
struct cf_sender_lane;

#define CF_TELLING_TEXT_MS    100     /* between two pieces of a text that keeps coming */
#define CF_TELLING_TEXT_BYTES 4096    /* a piece that is longer is told at once */

/* call->error and call->due_ms say why and when. */
void cf_telling_retry(struct cf_sender *sender, const struct cf_call *call);

/* The lane waits for so long. Told once for each pause, however many calls were refused. */
void cf_telling_rate_limit(struct cf_sender *sender, struct cf_sender_lane *lane, int64_t wait_ms);

void cf_telling_outage_begins(const struct cf_sender_lane *lane);
void cf_telling_outage_ends(const struct cf_sender_lane *lane, int64_t away_ms);

/* A piece of the call's stream was read. */
void cf_telling_text(struct cf_sender *sender, struct cf_call *call);

/* The attempt is over: tells what is left of its text. */
void cf_telling_text_end(struct cf_sender *sender, struct cf_call *call);
#endif
