/* models.h - what the engine knows of each model: price, features, limit class.
 *
 * Filled before the engine starts (from the table in lua/confab/models.lua and what the
 * script adds), not changed afterwards, so every thread may read it. */
#ifndef CONFAB_ENGINE_MODELS_H
#define CONFAB_ENGINE_MODELS_H

#include <stdbool.h>
#include <stddef.h>

#include "confab/cost.h"
#include "provider/features.h"

struct cf_models;

struct cf_model {
    char *name;                  /* owned */
    char *provider;              /* owned: "anthropic", ... */
    char *limit_class;           /* owned: models of one class share a limit */
    /* owned: what to use instead of a retired one; NULL if none is known */
    char *successor;
    bool  is_retired;
    struct cf_features features;
    struct cf_price price;
};

struct cf_models *cf_models_new(void);
void cf_models_free(struct cf_models *models);

/* Adds an empty model of that name, or gives back the one that is there, emptied. Lent for the
 * table's life. */
struct cf_model *cf_models_add(struct cf_models *models, const char *name);

/* Another name of a model. */
void cf_models_add_alias(struct cf_models *models, const char *alias, struct cf_model *model);

/* The model of a name or an alias; NULL if there is none. */
const struct cf_model *cf_models_find(const struct cf_models *models, const char *name);

/* The model whose prices a reply has: the one that it says answered. A name that only adds a date
 * to the one asked for is that one. NULL if it is unknown. */
const struct cf_model *cf_models_answered(const struct cf_models *models,
                                          const struct cf_model *asked, const char *answered);
#endif
