/* dialogue.h - made-up conversations that keep to a brief.
 *
 * The same brief and random numbers give the same text. Turns alternate, user first. */
#ifndef CONFAB_SIMULATOR_DIALOGUE_H
#define CONFAB_SIMULATOR_DIALOGUE_H

#include <stdbool.h>
#include <stddef.h>

#include "confab/buf.h"

struct cf_rng;
struct cf_sim_brief;

#define CF_SIM_TURNS_MAX 200

struct cf_sim_dialogue {
    struct cf_buf text;                            /* of all turns, one behind the other */
    size_t   end[CF_SIM_TURNS_MAX];                /* where each ends in it */
    unsigned turns;
};

/* turn_bytes: mean length to aim at. turns is rounded up to an even number. */
void cf_sim_dialogue_init(struct cf_sim_dialogue *dialogue, const struct cf_sim_brief *brief,
                          unsigned turns, size_t turn_bytes, struct cf_rng *rng);
void cf_sim_dialogue_done(struct cf_sim_dialogue *dialogue);

/* The text of a turn. Lent. */
const char *cf_sim_dialogue_turn(const struct cf_sim_dialogue *dialogue, unsigned turn,
                                 size_t *out_len);

/* Replaces the text of a turn. */
void cf_sim_dialogue_set(struct cf_sim_dialogue *dialogue, unsigned turn, const char *text,
                         size_t len);

/* {"CONTAINER":[{"ROLE_KEY":"user","CONTENT_KEY":"..."},...]} */
void cf_sim_dialogue_add_json(const struct cf_sim_dialogue *dialogue, const char *container,
                              const char *role_key, const char *content_key, struct cf_buf *out);

/* One sentence that fits the brief, with no space around it. */
void cf_sim_dialogue_add_sentence(struct cf_buf *out, const struct cf_sim_brief *brief,
                                  struct cf_rng *rng);
#endif
