#include "cli/env.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define LINES_MAX 1000 /* a .env file has ten */

static char *skip_space(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    return text;
}

static void trim_end(char *text)
{
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        text[--len] = '\0';
}

/* The value without its quotes, or without a comment. */
static char *clean_value(char *value)
{
    bool is_quoted = value[0] == '"' || value[0] == '\'';
    char *end = is_quoted ? strchr(value + 1, value[0]) : NULL;
    if (end != NULL) {
        const char *rest = skip_space(end + 1);
        if (*rest == '\0' || *rest == '#') {
            *end = '\0';
            return value + 1;
        }
    }
    for (char *at = value; *at != '\0'; at++)
        if (isspace((unsigned char)*at) && *skip_space(at) == '#') {
            *at = '\0';
            break;
        }
    return value;
}

static void add_line(struct cf_env *env, char *line)
{
    if (strncmp(line, "\xEF\xBB\xBF", 3) == 0) /* as some editors begin a file */
        line += 3;
    char *name = skip_space(line);
    if (strncmp(name, "export", 6) == 0 && isspace((unsigned char)name[6]))
        name = skip_space(name + 6);
    size_t len = 0;
    while (isalnum((unsigned char)name[len]) || name[len] == '_')
        len++;
    char *equals = skip_space(name + len);
    if (len == 0 || *equals != '=' || env->count == LINES_MAX)
        return;
    name[len] = '\0';
    char *value = skip_space(equals + 1);
    trim_end(value);
    env->lines = cf_realloc(env->lines, (env->count + 1) * sizeof *env->lines);
    env->lines[env->count++] =
        (struct cf_env_line){ cf_strdup(name), cf_strdup(clean_value(value)) };
}

void cf_env_load(struct cf_env *env, const char *path)
{
    char *line = NULL;
    size_t size = 0;
    *env = (struct cf_env){ .count = 0 };

    FILE *file = fopen(path, "r");
    if (file == NULL)
        return;
    while (getline(&line, &size, file) >= 0)
        add_line(env, line);
    free(line);
    fclose(file);
}

void cf_env_done(struct cf_env *env)
{
    for (size_t i = 0; i < env->count; i++) {
        free(env->lines[i].name);
        free(env->lines[i].value);
    }
    free(env->lines);
    *env = (struct cf_env){ .count = 0 };
}

bool cf_env_is_from_file(const struct cf_env *env, const char *name)
{
    const char *value = getenv(name);
    return (value == NULL || value[0] == '\0') && cf_env_get(env, name) != NULL;
}

const char *cf_env_get(const struct cf_env *env, const char *name)
{
    const char *value = getenv(name);
    if (value != NULL && value[0] != '\0')
        return value;
    for (size_t i = env->count; i > 0; i--) /* the last line of a name counts */
        if (strcmp(env->lines[i - 1].name, name) == 0)
            return env->lines[i - 1].value[0] != '\0' ? env->lines[i - 1].value : NULL;
    return NULL;
}
