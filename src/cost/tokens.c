#include "confab/cost.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define TENTHS_A_WORD    13   /* of a token */
#define WORD_LETTERS     12   /* an ordinary word; links and codes are longer, and count ... */
#define LETTERS_A_TOKEN  4    /* ... a token more for so many letters beyond */

/* Code points of scripts written without spaces, or with few: each is about a word. */
static const struct { uint32_t first, last; } wordless[] = {
    { 0x0E00, 0x0EFF },     /* Thai, Lao */
    { 0x0F00, 0x109F },     /* Tibetan, Myanmar */
    { 0x1100, 0x11FF },     /* Hangul jamo */
    { 0x1780, 0x17FF },     /* Khmer */
    { 0x2E80, 0x2FDF },     /* radicals */
    { 0x3001, 0xA4CF },     /* kana, CJK with its punctuation, Yi; not the ideographic space */
    { 0xA960, 0xA97F },     /* Hangul jamo */
    { 0xAC00, 0xD7FF },     /* Hangul */
    { 0xF900, 0xFAFF },     /* compatibility ideographs */
    { 0xFE30, 0xFE4F },     /* vertical forms */
    { 0xFF00, 0xFFEF },     /* full and half width forms */
    { 0x1B000, 0x1B16F },   /* further kana */
    { 0x20000, 0x3FFFF },   /* further ideographs */
};

static bool is_wordless(uint32_t code)
{
    if (code < wordless[0].first)
        return false;
    for (size_t i = 0; i < sizeof wordless / sizeof *wordless; i++) {
        if (code <= wordless[i].last)
            return code >= wordless[i].first;
    }
    return false;
}

static bool is_space(uint32_t code)
{
    return code == ' ' || (code >= '\t' && code <= '\r') || code == 0x85 || code == 0xA0
        || (code >= 0x2000 && code <= 0x200B) || code == 0x2028 || code == 0x2029 || code == 0x202F
        || code == 0x205F || code == 0x3000;
}

/* The code point at text, and its length in *out_len. A byte that starts no whole sequence
 * counts as a letter. Only for counting: overlong forms are not looked for. */
static uint32_t decode(const unsigned char *text, size_t len, size_t *out_len)
{
    size_t need = text[0] < 0xC0 ? 1 : text[0] < 0xE0 ? 2 : text[0] < 0xF0 ? 3 : 4;
    uint32_t code = text[0] < 0x80 ? text[0] : text[0] & (0xFFu >> (need + 1));

    *out_len = 1;
    if (text[0] < 0x80)
        return code;
    if (need == 1 || need > len)
        return 'x';
    for (size_t i = 1; i < need; i++) {
        if ((text[i] & 0xC0) != 0x80)
            return 'x';
        code = code << 6 | (text[i] & 0x3F);
    }
    *out_len = need;
    return code;
}

static int64_t beyond(int64_t letters)
{
    return letters > WORD_LETTERS ? letters - WORD_LETTERS : 0;
}

#ifdef __SSE2__
#define BLOCK_BYTES 64

/* A bit for each of 64 bytes: is it above ' ' and ASCII? False if there is a byte that is
 * neither that nor ' ', which takes a closer look. */
static bool letters_of(const unsigned char *bytes, uint64_t *out_letters)
{
    uint64_t letters = 0, spaces = 0;
    for (unsigned i = 0; i < BLOCK_BYTES; i += 16) {
        __m128i part = _mm_loadu_si128((const __m128i *)(const void *)(bytes + i)),
                space = _mm_set1_epi8(' ');
        letters |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpgt_epi8(part, space)) << i;
        spaces |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(part, space)) << i;
    }
    *out_letters = letters;
    return (letters | spaces) == UINT64_MAX;
}

/* Counts a block at once, if its words are ordinary ones. *letters: of the word that it begins in,
 * then of the one that it ends in. */
static bool count_block(const unsigned char *bytes, int64_t *letters, int64_t *words)
{
    uint64_t mask;
    if (!letters_of(bytes, &mask) || mask == UINT64_MAX)
        return false;
    uint64_t runs = mask & mask << 1;    /* bits from the second letter of a word on, */
    runs &= runs << 2;                   /* the fourth, */
    runs &= runs << 4;                   /* the eighth, */
    runs &= runs << 4;                   /* the twelfth */
    if (runs != 0 || *letters + __builtin_ctzll(~mask) > WORD_LETTERS)
        return false;
    *words += __builtin_popcountll(mask & ~(mask << 1 | (*letters > 0)));
    *letters = __builtin_clzll(~mask);
    return true;
}
#else
#define BLOCK_BYTES 1

static bool count_block(const unsigned char *bytes, int64_t *letters, int64_t *words)
{
    (void)bytes, (void)letters, (void)words;
    return false;
}
#endif

int64_t cf_tokens_estimate(const char *text, size_t len)
{
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end = at + len;
    int64_t words = 0;
    int64_t extra_letters = 0;
    int64_t letters = 0;         /* of the word that at stands in */

    const unsigned char *slow_until = at;

    while (at < end) {
        while (at >= slow_until && end - at >= BLOCK_BYTES) {
            if (count_block(at, &letters, &words))
                at += BLOCK_BYTES;
            else
                slow_until = at + BLOCK_BYTES;
        }
        if (at == end)
            break;
        const unsigned char *run = at;
        while (at < end && *at > ' ' && *at < 0x80)    /* nearly all of most texts */
            at++;
        if (at > run) {
            int64_t more = at - run;
            words += letters == 0;
            extra_letters += beyond(letters + more) - beyond(letters);
            letters += more;
            continue;
        }

        size_t step;
        uint32_t code = decode(at, (size_t)(end - at), &step);
        at += step;
        if (is_space(code)) {
            letters = 0;
        } else if (is_wordless(code)) {
            letters = 0;
            words++;
        } else {
            letters++;
            words += letters == 1;
            extra_letters += letters > WORD_LETTERS;
        }
    }
    return (words * TENTHS_A_WORD + extra_letters * 10 / LETTERS_A_TOKEN + 9) / 10;
}
