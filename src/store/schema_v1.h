/* schema_v1.h - the text of the first schema, for schema.c. */
#ifndef CONFAB_STORE_SCHEMA_V1_H
#define CONFAB_STORE_SCHEMA_V1_H

extern const char cf_schema_v1[];
#endif
