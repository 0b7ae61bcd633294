/* test_file.h - whole files for tests. */
#ifndef TEST_FILE_H
#define TEST_FILE_H

#include <stdio.h>
#include <stdlib.h>

/* The bytes of a file with a NUL behind them; the caller frees them. A missing file ends the
 * test program. */
static inline char *test_file_read(const char *path, size_t *out_len)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        abort();
    }
    size_t len = 0, cap = 4096;
    char *bytes = malloc(cap);
    for (size_t n; (n = fread(bytes + len, 1, cap - 1 - len, file)) > 0;) {
        len += n;
        if (len == cap - 1)
            bytes = realloc(bytes, cap *= 2);
    }
    fclose(file);
    bytes[len] = '\0';
    if (out_len != NULL)
        *out_len = len;
    return bytes;
}
#endif
