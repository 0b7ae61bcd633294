/* rules.h - what the rules of scoring gave to the conversations of a run. */
#ifndef CONFAB_STORE_RULES_H
#define CONFAB_STORE_RULES_H

#include <stdbool.h>
#include <stdint.h>

struct cf_error;
struct cf_reader;

/* One rule of the conversations that count and have points of it in their breakdown. */
struct cf_rule_row {
    const char *name;
    int64_t conversations, full, none; /* with all its points; with none of them */
    double mean_points, max_points;    /* max_points: the most it can give */
};

/* Calls on_row for every rule in the order of the breakdowns; its name is lent for that time. What
 * is no breakdown is passed over. */
bool cf_rules_read(struct cf_reader *reader, int64_t run,
                   void (*on_row)(const struct cf_rule_row *row, void *self), void *self,
                   struct cf_error *err);
#endif
