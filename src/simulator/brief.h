/* brief.h - what a prompt asks for, as far as the simulator needs to know.
 *
 * One pass over the words: labelled fields ("Persona: a nurse"), the phrases of plain prose
 * ("who feels worried", "about late parcels", "of 12 turns"), and what kind of answer is wanted. */
#ifndef CONFAB_SIMULATOR_BRIEF_H
#define CONFAB_SIMULATOR_BRIEF_H

#include <stdbool.h>
#include <stddef.h>

struct cf_sim_phrase {
    const char *at;        /* into the prompt, not NUL-terminated; NULL if not found */
    size_t len;
};

enum cf_sim_task {
    CF_SIM_TASK_TEXT,
    CF_SIM_TASK_CONVERSATION,
    CF_SIM_TASK_JUDGE,
    CF_SIM_TASK_OUTLINE
};

#define CF_SIM_SALIENT_MAX 4

struct cf_sim_brief {
    enum cf_sim_task task;
    bool     wants_json;
    bool     wants_list;             /* of JSON: a list, not an object */
    unsigned turns;                  /* asked for; 0 if it does not say */
    struct cf_sim_phrase persona, emotion, topic;
    /* long words of the prompt, in its order */
    struct cf_sim_phrase salient[CF_SIM_SALIENT_MAX];
    unsigned salients;
    const char *container;           /* key of the turns, "turns" unless another is named; static */
};

/* Reads the user's prompt first; the system text only adds what the prompt leaves open.
 * *out points into both texts. */
void cf_sim_brief_read(const char *prompt, size_t prompt_len, const char *system, size_t system_len,
                       struct cf_sim_brief *out);
#endif
