#include "conversation/prose.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <utf8proc.h>

#include "base/mem.h"
#include "base/words.h"

/* --- a table of hashes, each with a number; as large as it will ever be from the start --- */

struct slot {
    uint64_t hash;
    size_t value;             /* as the caller likes; is_taken tells whether there is one */
    bool is_taken;
};

struct table {
    struct slot *slots;
    size_t mask;
};

static void table_init(struct table *table, size_t entries)
{
    size_t size = 16;
    while (size < 2 * entries)
        size *= 2;
    table->slots = cf_calloc(size, sizeof *table->slots);
    table->mask = size - 1;
}

static void table_done(struct table *table)
{
    free(table->slots);
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);    /* SplitMix64's finalizer */
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

/* The slot of a hash; free if it is new. */
static struct slot *table_at(const struct table *table, uint64_t hash)
{
    size_t at = (size_t)mix(hash) & table->mask;
    while (table->slots[at].is_taken && table->slots[at].hash != hash)
        at = (at + 1) & table->mask;
    return &table->slots[at];
}

/* Puts a hash in; returns whether it is new. */
static bool table_add(struct table *table, uint64_t hash, size_t value, struct slot **out_slot)
{
    struct slot *slot = table_at(table, hash);
    bool is_new = !slot->is_taken;
    if (is_new)
        *slot = (struct slot){ .hash = hash, .value = value, .is_taken = true };
    *out_slot = slot;
    return is_new;
}

/* --- repetition --- */

static uint64_t hash_of_run(const struct cf_word *words, size_t n)
{
    uint64_t hash = n;
    for (size_t i = 0; i < n; i++)
        hash = mix(hash ^ words[i].hash) + i;
    return hash;
}

void cf_prose_repetition(const char *text, size_t len, size_t n, struct cf_repetition *out)
{
    size_t count;
    struct cf_word *words = cf_words_read(text, len, &count);
    *out = (struct cf_repetition){ .share = 0 };
    if (count >= n) {
        size_t runs = count - n + 1, repeated = 0;
        size_t *times = cf_calloc(runs, sizeof *times);    /* of the run that begins there first */
        struct table table;
        table_init(&table, runs);
        for (size_t i = 0; i < runs; i++) {
            struct slot *slot;
            if (!table_add(&table, hash_of_run(words + i, n), i, &slot))
                repeated++;
            size_t first = slot->value;
            times[first]++;
            if (times[first] > 1 && times[first] > out->count) {
                const struct cf_word *last = &words[first + n - 1];
                out->count = times[first];
                out->at = words[first].at;
                out->len = last->at + last->len - words[first].at;
            }
        }
        out->share = (double)repeated / (double)runs;
        table_done(&table);
        free(times);
    }
    free(words);
}

/* --- variety --- */

double cf_prose_diversity(const char *text, size_t len, size_t window)
{
    size_t count;
    struct cf_word *words = cf_words_read(text, len, &count);
    if (count == 0)
        return 0;
    if (window > count)
        window = count;

    struct table table;
    double sum = 0;
    size_t different = 0;
    table_init(&table, count);
    for (size_t i = 0; i < count; i++) {
        struct slot *slot;
        table_add(&table, words[i].hash, 0, &slot);
        different += slot->value++ == 0;
        if (i >= window)
            different -= --table_at(&table, words[i - window].hash)->value == 0;
        if (i + 1 >= window)
            sum += (double)different / (double)window;
    }
    table_done(&table);
    free(words);
    return sum / (double)(count - window + 1);
}

/* --- likeness --- */

/* The different runs of three characters of the words with one space around and between. */
static void read_trigrams(const char *text, size_t len, struct table *out, size_t *out_count)
{
    size_t word_count, size;
    struct cf_word *words = cf_words_read(text, len, &word_count);
    uint64_t run = ' ';       /* the last three characters, 21 bits each */
    size_t seen = 1;
    *out_count = 0;
    table_init(out, len + word_count + 2);
    for (size_t i = 0; i < word_count; i++) {
        const char *word = text + words[i].at;
        for (size_t at = 0; at <= words[i].len; at += size) {
            uint32_t code = ' ';
            size = 1;
            if (at < words[i].len)
                code = (uint32_t)utf8proc_tolower(
                    (utf8proc_int32_t)cf_utf8_read(word + at, words[i].len - at, &size));
            run = (run << 21 | code) & ((UINT64_C(1) << 63) - 1);
            struct slot *slot;
            if (++seen >= 3)
                *out_count += table_add(out, run, 0, &slot);
        }
    }
    free(words);
}

double cf_prose_similarity(const char *a, size_t a_len, const char *b, size_t b_len)
{
    struct table ours, theirs;
    size_t our_count, their_count, shared = 0;
    read_trigrams(a, a_len, &ours, &our_count);
    read_trigrams(b, b_len, &theirs, &their_count);
    for (size_t i = 0; i <= theirs.mask; i++)
        shared += theirs.slots[i].is_taken && table_at(&ours, theirs.slots[i].hash)->is_taken;
    size_t either = our_count + their_count - shared;
    table_done(&ours);
    table_done(&theirs);
    return either > 0 ? (double)shared / (double)either : 1;
}
