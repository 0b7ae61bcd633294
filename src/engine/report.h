/* report.h - what a run made, as one HTML file for the people who decide whether it is good enough.
 *
 * The file needs nothing else: its style and its plots are in it, no script is, and no address of
 * elsewhere. Whatever models, scripts and servers wrote stands in it as text. The same database
 * gives the same bytes. Reads only; for the thread of the reader. */
#ifndef CONFAB_ENGINE_REPORT_H
#define CONFAB_ENGINE_REPORT_H

#include <stdbool.h>
#include <stdint.h>

struct cf_error;
struct cf_reader;

/* Writes the report of a run (its row) to path ("-": standard output) and gives its size. The file
 * appears when all of it is on disk; until then, and on failure, an old one stands. config_error:
 * no such run, a folder, a missing folder; storage_error: cannot be written, or the database cannot
 * be read. */
bool cf_report_write(struct cf_reader *reader, int64_t run, const char *path, int64_t *out_bytes,
                     struct cf_error *err);
#endif
