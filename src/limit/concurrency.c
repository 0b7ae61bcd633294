#include "confab/concurrency.h"

#include <math.h>

#define MEMORY        64
#define FIRST_WANTED  8       /* until the first call has ended */
#define DEVIATIONS    2       /* calls that take longer than the mean by so much leave no gap */
#define SPARE_PART    0.1
#define SPARE         2
#define WANTED_MAX    1000000

void cf_concurrency_add(struct cf_concurrency *concurrency, int64_t latency_ms,
                        const struct cf_amounts *used)
{
    if (latency_ms < 0)
        return;
    concurrency->count++;
    double weight = 1.0 / (double)(concurrency->count < MEMORY ? concurrency->count : MEMORY);
    double apart_ms = (double)latency_ms - concurrency->latency_ms;
    concurrency->latency_ms += weight * apart_ms;
    concurrency->latency_dev_ms += weight * (fabs(apart_ms) - concurrency->latency_dev_ms);
    if (concurrency->count == 1)
        concurrency->latency_dev_ms = 0;
    concurrency->input += weight * ((double)used->input - concurrency->input);
    concurrency->output += weight * ((double)used->output - concurrency->output);
}

/* Calls a millisecond that a limit allows. */
static double rate_of(int64_t limit, double amount, int64_t window_ms)
{
    if (limit <= 0 || amount <= 0)
        return INFINITY;
    return (double)limit / amount / (double)window_ms;
}

int64_t cf_concurrency_wanted(const struct cf_concurrency *concurrency,
                              const struct cf_amounts *limits, int64_t window_ms, int64_t cap)
{
    double wanted = FIRST_WANTED;
    if (concurrency->count > 0) {
        double rate = fmin(rate_of(limits->requests, 1, window_ms),
                           fmin(rate_of(limits->input, concurrency->input, window_ms),
                                rate_of(limits->output, concurrency->output, window_ms)));
        double latency_ms = fmax(
            concurrency->latency_ms + DEVIATIONS * concurrency->latency_dev_ms, 1);
        wanted = ceil(rate * latency_ms * (1 + SPARE_PART)) + SPARE;
    }
    double most = cap > 0 ? (double)cap : WANTED_MAX;
    return (int64_t)fmin(fmax(wanted, 1), most);
}
