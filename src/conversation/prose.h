/* prose.h - how a text is written, in numbers that need no language: repetition, variety, likeness.
 *
 * Words are those of base/words.h, compared without case and punctuation. Each function reads the
 * whole text once; time and memory grow with its length. */
#ifndef CONFAB_CONVERSATION_PROSE_H
#define CONFAB_CONVERSATION_PROSE_H

#include <stddef.h>

#define CF_PROSE_WINDOW 50    /* words, for cf_prose_diversity where nothing else is said */

/* Runs of n words that came before. */
struct cf_repetition {
    /* of all runs of n words, 0 to 1; 0 if the text has fewer than n words */
    double share;
    /* how often the most frequent one stands there; 0: none comes twice */
    size_t count;
    size_t at, len;           /* that one, in bytes of the text, where it stands first */
};

/* n: at least 1. */
void cf_prose_repetition(const char *text, size_t len, size_t n, struct cf_repetition *out);

/* The share of different words among `window` neighbouring ones, the mean over all windows, which
 * does not fall with the length of a text (Covington and McFall 2010, moving-average type-token
 * ratio). A text of fewer words is one window; without words it is 0. window: at least 1. */
double cf_prose_diversity(const char *text, size_t len, size_t window);

/* How alike two texts are, 0 to 1: the share of different runs of three characters that both have
 * among those that either has, spaces and punctuation between words counting as one space. Texts
 * without words are alike only to each other. */
double cf_prose_similarity(const char *a, size_t a_len, const char *b, size_t b_len);
#endif
