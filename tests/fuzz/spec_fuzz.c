/* The small languages of the command line: the simulator's spec, and a split. */
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "confab/error.h"
#include "export/export.h"
#include "simulator/simulator.h"

static void require(bool truth)
{
    if (!truth)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = cf_memdup(data, size);
    struct cf_error err = { 0 };
    struct cf_export_splits splits;
    if (!cf_simulator_check_spec(text, &err))
        require(err.kind == CF_ERR_CONFIG && err.message[0] != '\0');
    err.kind = CF_OK;
    if (cf_export_splits_parse(text, &splits, &err))
        require(splits.count >= 1 && splits.count <= CF_EXPORT_SPLIT_MAX);
    else
        require(err.kind == CF_ERR_CONFIG);
    free(text);
    return 0;
}
