/* params.h - the parameters of a query, each checked; all that are wrong are told at once. */
#ifndef CONFAB_SERVER_PARAMS_H
#define CONFAB_SERVER_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

struct cf_http_exchange;
struct cf_problems;

struct cf_params {
    const struct cf_http_exchange *exchange;
    struct cf_problems *problems;        /* what is wrong goes here */
};

/* Each leaves *out alone if the parameter is not given or wrong. */
void cf_params_int(struct cf_params *params, const char *name, int64_t least, int64_t most,
                   int64_t *out);
void cf_params_number(struct cf_params *params, const char *name, double least, double most,
                      double *out);
void cf_params_bool(struct cf_params *params, const char *name, bool *out);

/* A text that is not empty. Lent by the exchange. */
void cf_params_text(struct cf_params *params, const char *name, const char **out);

/* One of the words, whose list NULL ends. Lent by it. */
void cf_params_word(struct cf_params *params, const char *name, const char *const *words,
                    const char **out);

/* Names that are not in the list, which NULL ends, are problems. */
void cf_params_only(struct cf_params *params, const char *const *names);
#endif
