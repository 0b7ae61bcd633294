#include "confab/money.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define DECIMALS 12    /* of a dollar, down to a pico-dollar */

bool cf_money_add(int64_t *sum, int64_t amount)
{
    int64_t total;

    if (__builtin_add_overflow(*sum, amount, &total))
        return false;
    *sum = total;
    return true;
}

bool cf_money_add_product(int64_t *sum, int64_t count, int64_t price)
{
    int64_t product;

    if (__builtin_mul_overflow(count, price, &product))
        return false;
    return cf_money_add(sum, product);
}

bool cf_money_parse(const char *text, size_t len, int64_t *out_pico)
{
    const int64_t max_pico = CF_BUDGET_MAX_USD * CF_PICO_PER_USD;
    int64_t pico = 0;
    int decimals = -1;        /* digits seen behind the point; -1 before it */
    size_t digits = 0;        /* since the start or the point */

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.' && decimals < 0 && digits > 0) {
            decimals = 0;
            digits = 0;
            continue;
        }
        if (text[i] < '0' || text[i] > '9')
            return false;
        digits++;
        if (decimals >= DECIMALS) {
            if (text[i] != '0')
                return false;
            continue;
        }
        if (decimals >= 0)
            decimals++;
        pico = pico * 10 + (text[i] - '0');
        /* Whole dollars are not scaled yet; either way there is a digit to spare. */
        if (pico > (decimals < 0 ? CF_BUDGET_MAX_USD : max_pico))
            return false;
    }
    if (digits == 0)
        return false;

    for (int i = decimals < 0 ? 0 : decimals; i < DECIMALS; i++)
        pico *= 10;           /* at most 10^6 * 10^12 while the value is in range */
    if (pico > max_pico)
        return false;
    *out_pico = pico;
    return true;
}

bool cf_money_from_usd(double usd, int64_t *out_pico)
{
    if (!isfinite(usd) || usd < 0 || usd > CF_BUDGET_MAX_USD)
        return false;
    *out_pico = (int64_t)llroundl((long double)usd * CF_PICO_PER_USD);
    return true;
}

/* Writes sign, currency mark and the decimals of magnitude, at least `least` of them, without
 * trailing zeros beyond. */
static void write_decimal(char out[CF_MONEY_TEXT_MAX], const char *prefix, uint64_t magnitude,
                          int least)
{
    uint64_t unit = (uint64_t)CF_PICO_PER_USD;
    char fraction[DECIMALS + 8];
    int kept = DECIMALS;

    snprintf(fraction, sizeof fraction, "%0*" PRIu64, DECIMALS, magnitude % unit);
    while (kept > least && fraction[kept - 1] == '0')
        kept--;
    snprintf(out, CF_MONEY_TEXT_MAX, "%s%" PRIu64 "%s%.*s", prefix, magnitude / unit,
             kept > 0 ? "." : "", kept, fraction);
}

static uint64_t magnitude_of(int64_t pico)
{
    return pico < 0 ? -(uint64_t)pico : (uint64_t)pico;
}

void cf_money_format(int64_t pico, char out[CF_MONEY_TEXT_MAX])
{
    if (pico == CF_COST_UNKNOWN) {
        snprintf(out, CF_MONEY_TEXT_MAX, "unknown");
        return;
    }

    /* Cents from a dollar up, three digits that count below it. */
    uint64_t magnitude = magnitude_of(pico);
    uint64_t step = (uint64_t)CF_PICO_PER_USD / 100;
    while (step > 1 && magnitude < step * 100)
        step /= 10;
    magnitude = (magnitude + step / 2) / step * step;
    write_decimal(out, pico < 0 ? "-$" : "$", magnitude, 2);
}

void cf_money_format_exact(int64_t pico, char out[CF_MONEY_TEXT_MAX])
{
    if (pico == CF_COST_UNKNOWN)
        snprintf(out, CF_MONEY_TEXT_MAX, "unknown");
    else
        write_decimal(out, pico < 0 ? "-" : "", magnitude_of(pico), 0);
}
