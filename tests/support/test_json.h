/* test_json.h - JSON fixtures for tests. */
#ifndef TEST_JSON_H
#define TEST_JSON_H

#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "confab/error.h"
#include "test_file.h"

/* The tree of a file of tests/data/, named without that folder; cJSON_Delete frees it. A file
 * that is missing, or no JSON, ends the test program. */
static inline cJSON *test_json_load(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", TEST_DATA, name);
    size_t len;
    char *text = test_file_read(path, &len);

    cJSON *tree = NULL;
    struct cf_error err;
    if (!cf_json_parse(text, len, NULL, &tree, &err)) {
        fprintf(stderr, "%s: %s\n", path, err.message);
        abort();
    }
    free(text);
    return tree;
}
#endif
