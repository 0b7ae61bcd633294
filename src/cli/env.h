/* env.h - variables of the environment, else of the `.env` file of the working folder.
 *
 * Reads `.env` as lua/confab/settings.lua does: NAME=VALUE lines, `export` before them, quotes
 * around the whole value, a comment behind ` #`. Belongs to one thread. */
#ifndef CONFAB_CLI_ENV_H
#define CONFAB_CLI_ENV_H

#include <stdbool.h>
#include <stddef.h>

/* Zero is valid: an empty .env. */
struct cf_env {
    struct cf_env_line {
        char *name, *value;
    } * lines; /* owned */
    size_t count;
};

/* Reads the file; one that is not there, or cannot be read, is empty. */
void cf_env_load(struct cf_env *env, const char *path);
void cf_env_done(struct cf_env *env);

/* The value; NULL if it is set in neither place or empty. Lent. */
const char *cf_env_get(const struct cf_env *env, const char *name);

/* Whether cf_env_get takes it from the file. */
bool cf_env_is_from_file(const struct cf_env *env, const char *name);
#endif
