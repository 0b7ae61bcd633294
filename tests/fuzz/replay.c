/* replay.c - runs a fuzz target over its seeds, as a plain test: each whole, and cut at 64 places.
 *
 *   replay FILE_OR_FOLDER...     prints TAP; what goes wrong ends the program */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test_file.h"

#define PATHS_MAX 1000
#define CUTS      64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *paths[PATHS_MAX];
static size_t count;

static void add_path(const char *folder, const char *name)
{
    if (count == PATHS_MAX) {
        fprintf(stderr, "replay: more than %d seeds\n", PATHS_MAX);
        exit(1);
    }
    size_t size = strlen(folder) + strlen(name) + 2;
    paths[count] = malloc(size);
    snprintf(paths[count++], size, "%s%s%s", folder, name[0] != '\0' ? "/" : "", name);
}

static void add_paths(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        add_path(path, "");
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] != '.')
            add_path(path, entry->d_name);
    closedir(folder);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        add_paths(argv[i]);
    qsort(paths, count, sizeof *paths, by_name);
    printf("1..%zu\n", count);
    for (size_t i = 0; i < count; i++) {
        size_t len;
        char *seed = test_file_read(paths[i], &len);
        for (size_t cut = 1; cut <= CUTS; cut++) {
            /* A copy of just that size, so that a sanitizer sees a read behind its end. */
            size_t part = len * cut / CUTS;
            uint8_t *copy = malloc(part > 0 ? part : 1);
            memcpy(copy, seed, part);
            LLVMFuzzerTestOneInput(copy, part);
            free(copy);
        }
        const char *name = strrchr(paths[i], '/');
        printf("ok %zu - %s\n", i + 1, name != NULL ? name + 1 : paths[i]);
        free(seed);
        free(paths[i]);
    }
    return count > 0 ? 0 : 1;
}
