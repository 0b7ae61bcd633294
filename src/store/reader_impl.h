/* reader_impl.h - what the files of the reader share: the connection, cursors, kept strings. */
#ifndef CONFAB_STORE_READER_IMPL_H
#define CONFAB_STORE_READER_IMPL_H

#include "store/db.h"
#include "store/reader.h"

/* Copies of a looked-up row's strings: keeping its statement open instead would hold a snapshot. */
struct cf_kept {
    char *strings[32];
    size_t count;
};

struct cf_reader {
    struct cf_db db;
    bool made_log;         /* there was no FILE-wal: it goes again with the reader */
    bool knows_shapes;     /* confab_shape is there: made again it would want no open cursor */
    struct cf_run_row run; /* lent by cf_reader_run, its strings in run_kept; and so on */
    struct cf_kept run_kept;
    struct cf_item_row item;
    struct cf_kept item_kept;
    struct cf_template_row template;
    struct cf_kept template_kept;
    struct cf_control_row control;
    struct cf_kept control_kept;
};

/* Prepares a statement of its own for a cursor; finalized by cf_cursor_close. */
bool cf_cursor_open(struct cf_reader *reader, const char *sql, struct cf_query *out_query,
                    struct cf_error *err);
void cf_cursor_close(struct cf_query *query);

/* The column as it is (kept NULL: lent until the next step) or as a copy. */
const char *cf_keep_str(const struct cf_query *query, int column, struct cf_kept *kept);
struct cf_text cf_keep_text(const struct cf_query *query, int column, struct cf_kept *kept);
void cf_kept_clear(struct cf_kept *kept);

/* What of `calls c` makes a cf_journal_call. */
#define CF_JOURNAL_COLUMNS                                                                         \
    "c.id, c.branch, c.request_hash, c.ordinal, c.state, c.set_aside, c.attempts, c.template,"     \
    " c.max_tokens, c.bound_pico, c.at_risk_pico, c.model_answered, c.stop_reason,"                \
    " c.input_tokens, c.output_tokens, c.cache_write_5m_tokens, c.cache_write_1h_tokens,"          \
    " c.cache_read_tokens, c.thinking_tokens, c.cost_pico, c.latency_ms, c.request_id"

/* Fills a call from these columns, of which the first has this number. */
bool cf_journal_call_fill(struct cf_journal_call *call, const struct cf_query *query, int first,
                          struct cf_error *err);
#endif
