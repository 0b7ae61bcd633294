/* money.h - dollars as int64 pico-dollars (10^-12 USD), checked.
 *
 * Ten picodollar digits below a cent leave no rounding anywhere: $0.003 per
 * 1K tokens is exactly 3,000,000 a token. The range is about +-9.2 million dollars. */
#ifndef CONFAB_MONEY_H
#define CONFAB_MONEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_PICO_PER_USD   INT64_C(1000000000000)
#define CF_BUDGET_MAX_USD 1000000
#define CF_COST_UNKNOWN   INT64_C(-1)       /* a cost that cannot be told; never added up */
#define CF_MONEY_TEXT_MAX 32

/* *sum += amount. False, and *sum unchanged, on overflow. */
bool cf_money_add(int64_t *sum, int64_t amount);

/* *sum += count * price. False, and *sum unchanged, on overflow. */
bool cf_money_add_product(int64_t *sum, int64_t count, int64_t price);

/* Reads a decimal number of dollars ("5", "0.0345", up to 12 decimals) exactly.
 * False if it is no such number, negative, or above CF_BUDGET_MAX_USD. */
bool cf_money_parse(const char *text, size_t len, int64_t *out_pico);

/* The nearest pico-dollar amount of a double, for prices per million tokens
 * use cf_money_parse instead. False if not finite, negative or out of range. */
bool cf_money_from_usd(double usd, int64_t *out_pico);

/* Dollars for reading, with as many decimals as matter: "$12.34", "$0.0345",
 * "$0.000012", "$0.00"; "unknown" for CF_COST_UNKNOWN. */
void cf_money_format(int64_t pico, char out[CF_MONEY_TEXT_MAX]);

/* All twelve decimals less trailing zeros, "0.0345", as exports and --json print it. */
void cf_money_format_exact(int64_t pico, char out[CF_MONEY_TEXT_MAX]);
#endif
