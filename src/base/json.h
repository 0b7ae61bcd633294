/* json.h - JSON as RFC 8259 has it, checked strictly, before anything else sees a text.
 *
 * cJSON is lenient and lossy (it cuts text at U+0000, rounds large integers, accepts
 * invalid UTF-8), so every text from outside passes cf_json_check first; readers that
 * need no tree use the pull reader, which makes the same checks as it goes. */
#ifndef CONFAB_BASE_JSON_H
#define CONFAB_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cJSON;
struct cf_buf;
struct cf_error;

#define CF_JSON_DEPTH_MAX 64          /* replies nest 6 deep; more would attack our stack */
#define CF_JSON_SIZE_MAX  (64u << 20) /* above the provider's 32 MB body limit */

enum cf_json_type {
    CF_JSON_END, CF_JSON_NULL, CF_JSON_FALSE, CF_JSON_TRUE, CF_JSON_NUMBER, CF_JSON_STRING,
    CF_JSON_KEY, CF_JSON_ARRAY, CF_JSON_ARRAY_END, CF_JSON_OBJECT, CF_JSON_OBJECT_END,
};

struct cf_json_token {
    enum cf_json_type type;
    const char *text;      /* number: as written; string, key: decoded. NUL-terminated, lent */
    size_t len;
    size_t offset;         /* of the token's first byte in the text */
};

/* What was changed to make a text acceptable; only where `repair` was asked for. */
struct cf_json_repairs {
    unsigned nul_dropped;          /* \u0000 left out of strings */
    unsigned surrogates_replaced;  /* lone surrogates that became U+FFFD */
};

struct cf_json_reader;

/* Reads text (borrowed, need not be NUL-terminated; a UTF-8 BOM is an error).
 * With repairs NULL, U+0000 and lone surrogates are errors; else they are repaired and counted. */
struct cf_json_reader *cf_json_open(const char *text, size_t len, struct cf_json_repairs *repairs);
void cf_json_free(struct cf_json_reader *reader);

/* 1: *out_token is the next one, its text lent until the next call; 0: the text ended well;
 * -1: *err has line and column. */
int cf_json_next(struct cf_json_reader *reader, struct cf_json_token *out_token,
                 struct cf_error *err);

/* How many bytes are read; after a failure, where it was. */
size_t cf_json_offset(const struct cf_json_reader *reader);

/* Strict check of a whole text; CF_ERR_PARSE with line and column if it fails.
 * Meaning of repairs as above. */
bool cf_json_check(const char *text, size_t len, struct cf_json_repairs *repairs,
                   struct cf_error *err);

/* Makes a tree that the caller frees with cJSON_Delete, with the reader's checks and repairs.
 * Integers beyond 2^53 are rounded in the tree: read those with the reader. A number too large
 * for a double is an error. Of equal keys in one object all are kept, in order. */
bool cf_json_parse(const char *text, size_t len, struct cf_json_repairs *repairs,
                   struct cJSON **out_tree, struct cf_error *err);

/* The double nearest to a number token's text, whatever the locale; infinite if out of range. */
double cf_json_number(const char *text);

/* --- strings --- */

/* The first byte that cannot stand in a JSON string as it is: a quote, a backslash, a control
 * character, or what is no UTF-8; end if there is none. */
const char *cf_json_skip_plain(const char *at, const char *end);

/* --- writing --- */

/* A quoted, escaped string. Invalid UTF-8 is written as U+FFFD; '/' and non-ASCII stay. */
void cf_json_add_string(struct cf_buf *buf, const char *text, size_t len);

/* The shortest form that reads back as the same double; integers without a point. NaN and
 * infinity: null. */
void cf_json_add_number(struct cf_buf *buf, double value);

/* The value with object keys in byte order, numbers in shortest form, no white space: equal values,
 * equal bytes. A value nested deeper than CF_JSON_DEPTH_MAX sets buf->failed. */
void cf_json_add_canonical(struct cf_buf *buf, const struct cJSON *value);

/* --- UTF-8 --- */

/* The length of the valid sequence (1 to 4 bytes) that text begins with; 0 if there is none. */
size_t cf_utf8_sequence(const char *text, size_t len);

/* The length of the longest valid UTF-8 prefix: no surrogates, nothing overlong, up to
 * U+10FFFF. */
size_t cf_utf8_valid_prefix(const char *text, size_t len);

/* The number of code points of valid UTF-8; invalid bytes count one each. */
size_t cf_utf8_length(const char *text, size_t len);

/* Writes a code point, U+FFFD for what is none; returns how many bytes it took. */
size_t cf_utf8_encode(uint32_t code_point, char out[4]);

/* Appends a code point, as above. */
void cf_utf8_add(struct cf_buf *buf, uint32_t code_point);
#endif
