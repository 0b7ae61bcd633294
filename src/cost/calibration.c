#include "confab/calibration.h"

#include <math.h>

void cf_calibration_add(struct cf_calibration *calibration, int64_t estimated, int64_t actual)
{
    if (estimated < 1 || actual < 1)
        return;
    if (calibration->count < INT64_MAX)
        calibration->count++;
    double samples = (double)calibration->count;
    double weight = 1 / (samples < CF_CALIBRATION_MEMORY ? samples : CF_CALIBRATION_MEMORY);
    double off = (double)actual / (double)estimated - calibration->ratio;
    calibration->ratio += weight * off;
    calibration->variance = (1 - weight) * (calibration->variance + weight * off * off);
}

int64_t cf_calibration_apply(const struct cf_calibration *calibration, int64_t estimated)
{
    if (calibration->count == 0 || estimated < 1)
        return estimated;
    double corrected = (double)estimated * calibration->ratio;
    if (corrected >= (double)INT64_MAX)
        return INT64_MAX;
    return corrected < 1 ? 1 : (int64_t)llround(corrected);
}

double cf_calibration_error(const struct cf_calibration *calibration)
{
    if (calibration->count < 2)
        return CF_CALIBRATION_GUESS;
    return sqrt(calibration->variance) / calibration->ratio;
}
