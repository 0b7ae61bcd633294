/* account_fields.h - the figures of a run's account by their names, one list for all who show
 * them. */
#ifndef CONFAB_STORE_ACCOUNT_FIELDS_H
#define CONFAB_STORE_ACCOUNT_FIELDS_H

#include <stddef.h>
#include <stdint.h>

struct cf_buf;
struct cf_run_account;

enum cf_account_kind {
    CF_ACCOUNT_NUMBER,
    CF_ACCOUNT_COUNT,          /* negative: not known */
    CF_ACCOUNT_PICO,           /* money */
};

struct cf_account_field {
    const char *name;          /* "needs_revision"; NULL ends the list */
    const char *api_name;      /* "needsRevision"; NULL: not shown there */
    enum cf_account_kind kind;
    size_t offset;             /* in struct cf_run_account */
};

extern const struct cf_account_field cf_account_fields[];

int64_t cf_account_value(const struct cf_run_account *account,
                         const struct cf_account_field *field);

/* All of them in the open object: as the command line spells them ("needs_revision",
 * "spent_usd"); as the API does ("needsRevision", "spent"). */
void cf_account_add(struct cf_buf *out, const struct cf_run_account *account);
void cf_account_add_api(struct cf_buf *out, const struct cf_run_account *account);
#endif
