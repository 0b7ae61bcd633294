/* words.h - text as people read it: words and sentences in any script.
 *
 * Text is UTF-8; a byte that is not counts as a character of its own. Nothing is allocated but in
 * cf_words_read. */
#ifndef CONFAB_BASE_WORDS_H
#define CONFAB_BASE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The code point that text (len at least 1) begins with and its length in bytes. */
uint32_t cf_utf8_read(const char *text, size_t len, size_t *out_size);

/* White space, that of Unicode included. */
bool cf_is_space(uint32_t code);

/* Skips up to `most` words from `at`; returns where the last of them ends and counts them. A word
 * is what white space separates; in scripts without spaces between words (Chinese, Japanese, Thai)
 * each character. */
size_t cf_words_skip(const char *text, size_t len, size_t at, size_t most, size_t *out_words);

/* A word that letters or digits make, for comparing: equal words have equal hashes, in any case and
 * with any punctuation around them. */
struct cf_word {
    uint64_t hash;
    size_t   at, len;       /* bytes of the text, without the punctuation around */
};

/* The words of a text in order. Owned by the caller: free(). */
struct cf_word *cf_words_read(const char *text, size_t len, size_t *out_count);

/* The sentence that begins at or after `at`: false if there is none. A sentence ends at . ! ? or
 * their like in another script, with what closes behind it, or at the end of a line; not within a
 * number, an address or initials, nor where what follows is written on in small letters or after a
 * comma. Unicode Standard Annex 29, section 5, in the main; initials are ours. */
bool cf_sentence_next(const char *text, size_t len, size_t at, size_t *out_start, size_t *out_end);
#endif
