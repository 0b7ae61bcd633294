#include "cli/init.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/print.h"
#include "confab/buf.h"
#include "confab/error.h"
#include "lua/embedded.h"

#define PATH_LIMIT   8192
#define FILE_LIMIT   1000000
#define STUB_FOLDER  ".confab/meta"      /* in a project, where the stub is not installed */
#define LIBRARY_MARK "@LIBRARY@"         /* in .luarc.json stands for the folder of the stub */

/* What was made, in that order, so that it can be taken back. */
struct made {
    char **paths;        /* owned */
    size_t count;
};

static void made_add(struct made *made, const char *path)
{
    made->paths = cf_realloc(made->paths, (made->count + 1) * sizeof *made->paths);
    made->paths[made->count++] = cf_strdup(path);
}

static void made_done(struct made *made)
{
    for (size_t i = 0; i < made->count; i++)
        free(made->paths[i]);
    free(made->paths);
    *made = (struct made){ 0 };
}

/* Half a project would be in the way of the next try. */
static void made_remove(const struct made *made)
{
    for (size_t i = made->count; i > 0; i--)
        remove(made->paths[i - 1]);
}

/* The folder may be there if nothing is in it but a repository that was just made. */
static bool check_folder(const char *dir, struct cf_error *err)
{
    struct stat info;
    if (stat(dir, &info) != 0) {
        if (errno == ENOENT)
            return true;
        return cf_fail(err, CF_ERR_CONFIG, "%s: %s", dir, strerror(errno));
    }
    if (!S_ISDIR(info.st_mode))
        return cf_fail(err, CF_ERR_CONFIG, "%s is there and is no folder; nothing was made", dir);

    DIR *folder = opendir(dir);
    if (folder == NULL)
        return cf_fail(err, CF_ERR_CONFIG, "%s: %s", dir, strerror(errno));
    bool ok = true;
    const struct dirent *entry;
    while (ok && (entry = readdir(folder)) != NULL) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, ".git") != 0)
            ok = cf_fail(err, CF_ERR_CONFIG,
                         "%s is not empty (%s is there); nothing was made: name a new folder", dir,
                         name);
    }
    closedir(folder);
    return ok;
}

/* Makes the folders above the last part of `path`, which is changed meanwhile. */
static bool make_folders(char *path, struct made *made, struct cf_error *err)
{
    for (char *at = path + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        bool ok = mkdir(path, 0777) == 0;
        if (ok)
            made_add(made, path);
        else
            ok = errno == EEXIST || cf_fail(err, CF_ERR_CONFIG, "%s: %s", path, strerror(errno));
        *at = '/';
        if (!ok)
            return false;
    }
    return true;
}

static bool write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, text, size);
        if (written < 0 && errno != EINTR)
            return false;
        if (written > 0) {
            text += written;
            size -= (size_t)written;
        }
    }
    return true;
}

/* Writes a file that must not be there yet, with the folders above it. */
static bool make_file(char *path, const char *text, size_t size, struct made *made,
                      struct cf_error *err)
{
    if (!make_folders(path, made, err))
        return false;

    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return cf_fail(err, CF_ERR_CONFIG, "%s: %s", path, strerror(errno));
    made_add(made, path);

    bool ok = write_all(fd, text, size);
    int why = errno;
    if (close(fd) != 0 && ok) {
        ok = false;
        why = errno;
    }
    return ok || cf_fail(err, CF_ERR_STORAGE, "%s: %s", path, strerror(why));
}

/* "prompts/dot-x" becomes "prompts/.x": hidden files are stored under names that can be seen. */
static void add_name(struct cf_buf *out, const char *stored)
{
    while (*stored != '\0') {
        size_t len = strcspn(stored, "/");
        if (strncmp(stored, "dot-", 4) == 0)
            cf_buf_addf(out, ".%.*s", (int)len - 4, stored + 4);
        else
            cf_buf_add(out, stored, len);
        stored += len;
        if (*stored == '/') {
            cf_buf_addc(out, '/');
            stored++;
        }
    }
}

/* The folder of the stub that was installed with this program; false if there is none. */
static bool find_stub_folder(char out[PATH_MAX])
{
    char program[PATH_MAX], candidate[PATH_MAX + 64];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    if (len <= 0)
        return false;
    program[len] = '\0';
    *strrchr(program, '/') = '\0';
    snprintf(candidate, sizeof candidate, "%s/../share/confab/meta/confab.lua", program);
    if (access(candidate, R_OK) != 0)
        return false;
    *strrchr(candidate, '/') = '\0';
    return realpath(candidate, out) != NULL;
}

/* Writes all files below `dir`, which ends in a slash. */
static bool make_project(const char *dir, struct made *made, struct cf_error *err)
{
    char installed[PATH_MAX];
    bool has_stub = find_stub_folder(installed);
    const char *library = has_stub ? installed : STUB_FOLDER;
    const size_t prefix_len = strlen(CF_EMBEDDED_PROJECT);
    struct cf_buf path, text;
    bool ok = true;

    cf_buf_init(&path, PATH_LIMIT);
    cf_buf_init(&text, FILE_LIMIT);
    for (const struct cf_embedded_file *file = cf_embedded_files; ok && file->path != NULL;
         file++) {
        bool is_stub = strcmp(file->path, CF_EMBEDDED_STUB) == 0;
        if (is_stub && has_stub)
            continue;
        cf_buf_clear(&path);
        cf_buf_adds(&path, dir);
        if (is_stub)
            cf_buf_adds(&path, STUB_FOLDER "/confab.lua");
        else
            add_name(&path, file->path + prefix_len);

        const char *mark = strstr(file->text, LIBRARY_MARK);
        cf_buf_clear(&text);
        cf_buf_add(&text, file->text, mark != NULL ? (size_t)(mark - file->text) : file->size);
        if (mark != NULL) {
            cf_json_add_string(&text, library, strlen(library));
            cf_buf_adds(&text, mark + strlen(LIBRARY_MARK));
        }
        if (!cf_buf_ok(&path) || !cf_buf_ok(&text)) {
            ok = cf_fail(err, CF_ERR_CONFIG, "the name of the folder is too long");
            break;
        }
        char *name = cf_strdup(cf_buf_str(&path));
        size_t size;
        char *bytes = cf_buf_take(&text, &size);
        ok = make_file(name, bytes, size, made, err);
        free(bytes);
        free(name);
    }
    cf_buf_done(&text);
    cf_buf_done(&path);
    return ok;
}

static void print_made(const struct made *made)
{
    struct stat info;
    for (size_t i = 0; i < made->count; i++)
        if (stat(made->paths[i], &info) == 0 && S_ISREG(info.st_mode)) {
            cf_print_text((struct cf_text){ made->paths[i], strlen(made->paths[i]) });
            cf_printf("\n");
        }
    fprintf(stderr, "try it there, without a key: confab run pipeline.lua --simulate\n");
}

static int init(const struct cf_args *args, struct cf_error *err)
{
    struct made made = { 0 };
    struct cf_buf dir;
    bool ok = false;

    cf_buf_init(&dir, PATH_LIMIT);
    cf_buf_adds(&dir, args->positionals[0]);
    if (args->positionals[0][0] == '\0') {
        cf_fail(err, CF_ERR_CONFIG, "init: the name of the folder is empty");
        goto done;
    }
    if (!check_folder(cf_buf_str(&dir), err))
        goto done;
    if (args->positionals[0][strlen(args->positionals[0]) - 1] != '/')
        cf_buf_addc(&dir, '/');
    ok = make_project(cf_buf_str(&dir), &made, err);
    if (ok)
        print_made(&made);
    else
        made_remove(&made);
done:
    cf_buf_done(&dir);
    made_done(&made);
    return ok ? CF_EXIT_OK : -1;
}

const struct cf_command cf_command_init = {
    .name = "init",
    .synopsis = "DIR",
    .summary =
        "Make a project that runs as it stands: pipeline, prompt, input, settings of editors",
    .example = "confab init chats\n"
               "confab init more-chats && cd more-chats && confab run pipeline.lua --simulate",
    .details =
        "DIR is made, with the folders above it. If it is there it must be empty, but for a .git: "
        "nothing\n"
        "is written over. What was made is listed.\n\n"
        ".luarc.json tells lua-language-server where confab's names and types are: in "
        "share/confab/meta\n"
        "beside the program, or else in .confab/meta of the project. .luacheckrc is for luacheck.",
    .min_positionals = 1,
    .max_positionals = 1,
    .run = init,
};
