/* Times, waits, durations and amounts of money, as headers and people write them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "confab/clock.h"
#include "confab/money.h"
#include "confab/retry_after.h"

static void require(bool truth)
{
    if (!truth)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t ms, again, pico;
    char *text = cf_memdup(data, size), formatted[CF_TIME_TEXT_MAX], money[CF_MONEY_TEXT_MAX];
    if (cf_time_parse(text, size, &ms)) {
        cf_time_format(ms, formatted);
        require(cf_time_parse(formatted, strlen(formatted), &again));
    }
    if (cf_duration_parse(text, size, &ms))
        require(ms >= 0);
    cf_http_date_parse(text, &ms);
    require(cf_retry_after_parse(text, NULL, NULL, 0) >= -1);
    require(cf_retry_after_parse(NULL, text, text, 0) <= CF_WAIT_MAX_MS);
    if (cf_money_parse(text, size, &pico)) {
        require(pico >= 0 && pico <= CF_BUDGET_MAX_USD * CF_PICO_PER_USD);
        cf_money_format_exact(pico, money);
        require(cf_money_parse(money, strlen(money), &again) && again == pico);
    }
    free(text);
    return 0;
}
