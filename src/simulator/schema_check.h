/* schema_check.h - what the real API answers 400 to in a schema of output_config.format. */
#ifndef CONFAB_SIMULATOR_SCHEMA_CHECK_H
#define CONFAB_SIMULATOR_SCHEMA_CHECK_H

#include <stdbool.h>
#include <stddef.h>

struct cJSON;

/* True if a reply can be held to the schema; else why has the API's message. */
bool cf_sim_schema_check(const struct cJSON *schema, char *why, size_t size);
#endif
