/* tally.h - what the attempts of all runs come to, kept up while the log grows.
 *
 * The log (generation_logs) gets a row for each attempt that is over, and no row of it ever
 * changes: so its sums are kept in memory, and an update reads only the rows that are new.
 * Latencies are kept one by one, 16 bytes a reply, so that percentiles are exact. Any thread; a
 * call waits for an update that is under way. */
#ifndef CONFAB_STORE_TALLY_H
#define CONFAB_STORE_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_error;
struct cf_reader;
struct cf_tally;

struct cf_tally *cf_tally_new(void);
void cf_tally_free(struct cf_tally *tally);

/* Reads what the log has more than at the last update. */
bool cf_tally_update(struct cf_tally *tally, struct cf_reader *reader, struct cf_error *err);

enum cf_tally_by { CF_TALLY_BY_MODEL, CF_TALLY_BY_TEMPLATE };

/* The whole replies of a model or a template. Latencies: so many percent of the replies did not
 * exceed them (nearest rank). Negative and NaN: not known. */
struct cf_tally_group {
    const char *name;          /* the model that answered; "NAME vVERSION" of the template, "(none)" */
    int64_t template;          /* its row; 0: none */
    int64_t replies, input_tokens, output_tokens, cost_pico;
    double mean_output_tokens;
    int64_t p50_ms, p95_ms, p99_ms;
};

/* The groups of a run (0: of all), those with most replies first. given: free(); the names are lent
 * until the end of the tally. */
size_t cf_tally_groups(struct cf_tally *tally, int64_t run, enum cf_tally_by by,
                       struct cf_tally_group **out_groups);

/* The latencies in ms of a run's replies (0: of all) that this template (0: any) or model (NULL:
 * any) made, in ascending order. given: free(). */
size_t cf_tally_latencies(struct cf_tally *tally, int64_t run, int64_t template,
                          const char *model, uint32_t **out_ms);

/* Attempts that ended so. */
struct cf_tally_outcome {
    const char *status;        /* as in the log: "success", "retry", ...; lent as above */
    int http_status;           /* 0: no answer, or one that was judged afterwards ("rejected") */
    int64_t count;
};

/* Of all runs, in order of status and HTTP status. given: free(). */
size_t cf_tally_outcomes(struct cf_tally *tally, struct cf_tally_outcome **out_outcomes);
#endif
