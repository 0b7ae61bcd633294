#include "engine/models.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/mem.h"

struct name {
    char *text;                  /* owned */
    struct cf_model *model;
    bool is_alias;               /* the model belongs to another row */
    UT_hash_handle hh;
};

struct cf_models {
    struct name *names;
};

struct cf_models *cf_models_new(void)
{
    return cf_calloc(1, sizeof(struct cf_models));
}

static void empty_model(struct cf_model *model)
{
    free(model->name);
    free(model->provider);
    free(model->limit_class);
    free(model->successor);
    memset(model, 0, sizeof *model);
}

void cf_models_free(struct cf_models *models)
{
    if (models == NULL)
        return;
    struct name *row, *next;
    HASH_ITER(hh, models->names, row, next) {
        HASH_DEL(models->names, row);
        if (!row->is_alias) {
            empty_model(row->model);
            free(row->model);
        }
        free(row->text);
        free(row);
    }
    free(models);
}

static struct name *find_name(const struct cf_models *models, const char *text)
{
    struct name *row;
    HASH_FIND_STR(models->names, text, row);
    return row;
}

static void add_name(struct cf_models *models, const char *text, struct cf_model *model,
                     bool is_alias)
{
    struct name *row = cf_calloc(1, sizeof *row);
    row->text = cf_strdup(text);
    row->model = model;
    row->is_alias = is_alias;
    HASH_ADD_KEYPTR(hh, models->names, row->text, strlen(row->text), row);
}

struct cf_model *cf_models_add(struct cf_models *models, const char *name)
{
    struct name *row = find_name(models, name);
    struct cf_model *model;
    if (row != NULL && !row->is_alias) {
        model = row->model;
        empty_model(model);
    } else {
        model = cf_calloc(1, sizeof *model);
        if (row != NULL) {
            row->model = model;          /* what was an alias is a model of its own now */
            row->is_alias = false;
        } else {
            add_name(models, name, model, false);
        }
    }
    model->name = cf_strdup(name);
    return model;
}

void cf_models_add_alias(struct cf_models *models, const char *alias, struct cf_model *model)
{
    struct name *row = find_name(models, alias);
    if (row == NULL)
        add_name(models, alias, model, true);
    else if (row->is_alias)
        row->model = model;
}

const struct cf_model *cf_models_find(const struct cf_models *models, const char *name)
{
    struct name *row = find_name(models, name);
    return row != NULL ? row->model : NULL;
}

const struct cf_model *cf_models_answered(const struct cf_models *models,
                                          const struct cf_model *asked, const char *answered)
{
    if (strcmp(answered, asked->name) == 0)
        return asked;
    const struct cf_model *model = cf_models_find(models, answered);
    if (model != NULL)
        return model;
    size_t len = strlen(asked->name);
    bool is_dated = strncmp(answered, asked->name, len) == 0 && answered[len] == '-' &&
                    strspn(answered + len + 1, "0123456789") == 8 && answered[len + 9] == '\0';
    return is_dated ? asked : NULL;
}
