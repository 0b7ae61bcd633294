#include "engine/calibrations.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "confab/cost.h"
#include "store/reader.h"

struct entry {
    char *model;                       /* owned */
    struct cf_calibration calibration;
    struct entry *next;
};

struct cf_calibrations {
    struct entry *entries;             /* a handful: one for each model that a script asks */
};

struct cf_calibrations *cf_calibrations_new(void)
{
    return cf_calloc(1, sizeof(struct cf_calibrations));
}

void cf_calibrations_free(struct cf_calibrations *calibrations)
{
    if (calibrations == NULL)
        return;
    while (calibrations->entries != NULL) {
        struct entry *entry = calibrations->entries;
        calibrations->entries = entry->next;
        free(entry->model);
        free(entry);
    }
    free(calibrations);
}

static void learn(struct cf_calibration *calibration, struct cf_reader *reader, const char *model,
                  bool is_simulated)
{
    struct cf_usage_cursor *cursor;
    const struct cf_usage_row *row;
    if (!cf_usages_open(reader, model, is_simulated, CF_CALIBRATION_MEMORY, &cursor, NULL))
        return;
    while (cf_usages_next(cursor, &row, NULL) > 0)
        cf_calibration_add(calibration, cf_tokens_estimate(row->request.data, row->request.len),
                           row->input_tokens);
    cf_usages_free(cursor);
}

struct cf_calibration *cf_calibrations_get(struct cf_calibrations *calibrations,
                                           struct cf_reader *reader, const char *model,
                                           bool is_simulated)
{
    for (struct entry *entry = calibrations->entries; entry != NULL; entry = entry->next)
        if (strcmp(entry->model, model) == 0)
            return &entry->calibration;
    struct entry *entry = cf_calloc(1, sizeof *entry);
    entry->model = cf_strdup(model);
    learn(&entry->calibration, reader, model, is_simulated);
    entry->next = calibrations->entries;
    calibrations->entries = entry;
    return &entry->calibration;
}
