/* export.h - dataset files for trainers, written record by record.
 *
 * Knows nothing of the database: the caller streams records in. A file appears
 * under its name only when all of it is on disk: it is written beside its place, synced,
 * renamed on commit; abandoned on free. One exporter belongs to one thread. */
#ifndef CONFAB_EXPORT_EXPORT_H
#define CONFAB_EXPORT_EXPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_error;
struct cf_export;

enum cf_export_format {
    CF_EXPORT_MESSAGES, /* {"messages":[{"role","content"}]}: OpenAI, TRL, Axolotl, LLaMA-Factory */
    CF_EXPORT_SHAREGPT, /* {"id","conversations":[{"from","value"}...]} */
    CF_EXPORT_ALPACA,   /* {"instruction","input","output","system","history"} */
    CF_EXPORT_JSONL,    /* everything that is known of a conversation */
    CF_EXPORT_FORMATS
};

/* The format of a name ("messages", ...); config_error that lists them if there is none. */
bool cf_export_format_parse(const char *name, enum cf_export_format *out_format,
                            struct cf_error *err);
const char *cf_export_format_name(enum cf_export_format format);

/* What a sharegpt file does with a leading system turn (the other formats have a place for it). */
enum cf_export_system {
    CF_EXPORT_SYSTEM_FOLD, /* system text, blank line, first user text: FastChat takes no other */
    CF_EXPORT_SYSTEM_KEEP, /* {"from":"system"}, as LLaMA-Factory and Axolotl read it */
};

#define CF_EXPORT_SPLIT_MAX      8
#define CF_EXPORT_SPLIT_NAME_MAX 32

struct cf_export_splits {
    size_t count;                                    /* 0: no split, one file */
    char   names[CF_EXPORT_SPLIT_MAX][CF_EXPORT_SPLIT_NAME_MAX];
    double shares[CF_EXPORT_SPLIT_MAX];              /* add up to 1 */
};

/* Reads "train=0.9,val=0.1". Names are letters, digits and underscores (what the Hub takes), shares
 * are above 0 and add up to 1; config_error otherwise. */
bool cf_export_splits_parse(const char *text, struct cf_export_splits *out_splits,
                            struct cf_error *err);

struct cf_export_options {
    enum cf_export_system system;
    struct cf_export_splits splits;
    uint64_t seed;                                   /* of the split */
};

/* Borrowed; data NULL is written as "". */
struct cf_export_text {
    const char *data;
    size_t len;
};

struct cf_export_turn {
    struct cf_export_text role;                      /* "system", "user", "assistant" */
    struct cf_export_text content;
};

/* One conversation, all borrowed for the call. messages and alpaca use the turns only, sharegpt
 * also the id; jsonl writes every field. */
struct cf_export_record {
    const char *id;
    struct cf_export_text split_key; /* stable identity; records with the same one share a split */
    const struct cf_export_turn *turns;
    size_t turn_count;

    const char *run_id, *run, *template_id, *template;
    int64_t template_version;
    struct cf_export_text item;                      /* key */
    int64_t ordinal, part, version;
    struct cf_export_text persona, emotion, topic, tier, document_id, chunk_id;
    struct cf_export_text parameters, quality_breakdown,
        tags; /* JSON texts; stay strings in the file */
    const char *status;
    double quality_score;                            /* NaN: not scored */
    int64_t cost_pico;                               /* CF_COST_UNKNOWN */
    const char *model, *created_at, *review_note;
    bool truncated, simulated;
};

enum cf_export_skip {
    CF_EXPORT_SKIP_NO_PAIR,          /* no user turn with an answer */
    CF_EXPORT_SKIP_ASSISTANT_FIRST,
    CF_EXPORT_SKIP_ORDER,            /* two turns of one role in a row, or system after the start */
    CF_EXPORT_SKIP_ROLE,             /* a role other than system, user, assistant */
    CF_EXPORT_SKIP_EMPTY,            /* a turn without text */
    CF_EXPORT_SKIPS
};

/* Why, for people: "starts with an assistant turn". Static. */
const char *cf_export_skip_text(enum cf_export_skip skip);

struct cf_export_result {
    int64_t written;                 /* records, in all files */
    int64_t skipped;                 /* that the format cannot carry */
    int64_t skipped_by[CF_EXPORT_SKIPS];
    int64_t trimmed;                 /* written without a last user turn that has no answer */
    int64_t folded;                  /* written with the system text in the first user turn */
    int64_t written_to[CF_EXPORT_SPLIT_MAX];   /* by split; [0] without one */
};

/* Starts an export to a path. "-" is standard output. A name that ends in ".json" becomes one
 * JSON array, any other one object a line. With splits "{split}" in the path is replaced by the
 * split's name; without it "-NAME" goes before the extension. A pipe or device is written
 * directly. config_error: a folder, a missing folder, "-" with splits, "{split}" without;
 * storage_error: cannot be made. */
bool cf_export_open(const char *path, enum cf_export_format format,
                    const struct cf_export_options *options, struct cf_export **out_exporter,
                    struct cf_error *err);

/* Writes one record, or counts why the format cannot carry it; both are true. storage_error if the
 * file cannot be written (full disk); the exporter is then only good for free. */
bool cf_export_add(struct cf_export *exporter, const struct cf_export_record *record,
                   struct cf_error *err);

/* Ends the files, syncs them and gives them their names. On failure no name has changed unless
 * one of several renames failed, which the message tells. */
bool cf_export_commit(struct cf_export *exporter, struct cf_error *err);

/* Counts so far. Lent. */
const struct cf_export_result *cf_export_result(const struct cf_export *exporter);

/* The path of a split's file, or of the only one (0). Lent. */
const char *cf_export_path(const struct cf_export *exporter, size_t split);

/* Ends the exporter; files that were not committed are removed. NULL is fine. */
void cf_export_free(struct cf_export *exporter);
#endif
