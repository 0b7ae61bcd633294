/* schema.h - a JSON value that matches a JSON Schema, made up. */
#ifndef CONFAB_SIMULATOR_SCHEMA_H
#define CONFAB_SIMULATOR_SCHEMA_H

struct cJSON;
struct cf_buf;
struct cf_rng;
struct cf_sim_brief;
struct cf_sim_dialogue;

/* An array of objects with a role and a text gets the turns of the dialogue. Understands what
 * structured outputs allow: types, enum, const, anyOf, allOf's first, $ref within the schema,
 * required, formats, minItems; also minimum and maximum. */
void cf_sim_schema_add(const struct cJSON *schema, const struct cf_sim_brief *brief,
                       const struct cf_sim_dialogue *dialogue, struct cf_rng *rng,
                       struct cf_buf *out);
#endif
