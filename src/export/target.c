#include "export/target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "confab/error.h"

#define FLUSH_BYTES ((size_t)256 << 10)
#define BUFFER_MAX  ((size_t)1 << 30)      /* one record and what waits before it */
#define TEMP_TRIES  100                    /* leftovers of crashed processes with our number */

static bool fail_io(const struct cf_export_target *target, const char *doing, struct cf_error *err)
{
    int why = errno;
    return cf_fail(
        err, CF_ERR_STORAGE, "%s: cannot %s: %s%s", target->name, doing, strerror(why),
        why == ENOSPC || why == EDQUOT || why == EFBIG ? "; free some space and try again" : "");
}

/* The folder that holds path, as a new string. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return cf_strdup(".");
    return cf_memdup(path, slash == path ? 1 : (size_t)(slash - path));
}

static bool open_temp(struct cf_export_target *target, mode_t mode, bool keep_mode,
                      struct cf_error *err)
{
    struct cf_buf name = { .max = PATH_MAX + 64 };

    for (int i = 0; i < TEMP_TRIES && target->fd < 0; i++) {
        cf_buf_clear(&name);
        cf_buf_addf(&name, "%s.%ld-%d.tmp", target->path, (long)getpid(), i);
        target->fd = open(cf_buf_str(&name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (target->fd < 0 && errno != EEXIST)
            break;
    }
    if (target->fd < 0) {
        fail_io(target, "be written", err);
        cf_buf_done(&name);
        return false;
    }
    target->closes = true;
    target->temp = cf_buf_take(&name, &(size_t){ 0 });
    if (keep_mode && fchmod(target->fd, mode & 07777) != 0)
        return fail_io(target, "take over the permissions", err);
    return true;
}

bool cf_export_target_open(struct cf_export_target *target, const char *path, struct cf_error *err)
{
    struct stat st;

    *target = (struct cf_export_target){ .fd = -1 };
    cf_buf_init(&target->buf, BUFFER_MAX);
    if (strcmp(path, "-") == 0) {
        target->name = cf_strdup("standard output");
        target->fd = STDOUT_FILENO;
        return true;
    }
    target->name = cf_strdup(path);

    bool exists = stat(path, &st) == 0;
    if (exists && S_ISDIR(st.st_mode))
        return cf_fail(err, CF_ERR_CONFIG, "%s is a folder; name a file in it", path);
    if (exists && !S_ISREG(st.st_mode)) {
        target->fd = open(path, O_WRONLY | O_CLOEXEC);
        target->closes = true;
        return target->fd >= 0 || fail_io(target, "be opened", err);
    }
    if (exists && access(path, W_OK) != 0)
        return fail_io(target, "be written", err);    /* a rename would get past its permissions */
    if (exists) {
        /* The file that a link points to is replaced, not the link. */
        char *resolved = realpath(path, NULL);
        if (resolved == NULL)
            return fail_io(target, "be resolved", err);
        target->path = resolved;
        return open_temp(target, st.st_mode, true, err);
    }

    char *folder = folder_of(path);
    bool has_folder = stat(folder, &st) == 0 && S_ISDIR(st.st_mode);
    if (!has_folder)
        cf_fail(err, CF_ERR_CONFIG, "%s cannot be made: there is no folder %s", path, folder);
    free(folder);
    if (!has_folder)
        return false;
    if (*path == '\0')
        return cf_fail(err, CF_ERR_CONFIG, "the name of the file is empty");
    target->path = cf_strdup(path);
    return open_temp(target, 0, false, err);
}

bool cf_export_target_flush(struct cf_export_target *target, bool all, struct cf_error *err)
{
    if (!cf_buf_ok(&target->buf))
        return cf_fail(err, CF_ERR_STORAGE, "%s: a record is over %zu bytes", target->name,
                       target->buf.max);
    if (!all && target->buf.len < FLUSH_BYTES)
        return true;

    for (size_t written = 0; written < target->buf.len;) {
        ssize_t now = write(target->fd, target->buf.data + written, target->buf.len - written);
        if (now < 0 && errno == EINTR)
            continue;
        if (now < 0)
            return fail_io(target, "be written", err);
        written += (size_t)now;
    }
    cf_buf_clear(&target->buf);
    return true;
}

bool cf_export_target_sync(struct cf_export_target *target, struct cf_error *err)
{
    if (!cf_export_target_flush(target, true, err))
        return false;
    if (target->temp == NULL)
        return true;                   /* a pipe cannot be synced */
    if (fsync(target->fd) != 0)
        return fail_io(target, "be synced", err);
    int rc = close(target->fd);
    target->fd = -1;
    return rc == 0 || fail_io(target, "be closed", err);
}

/* Makes the new name durable. A file system that cannot sync a folder has done what it can. */
static void sync_folder(const char *path)
{
    char *folder = folder_of(path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

bool cf_export_target_rename(struct cf_export_target *target, struct cf_error *err)
{
    if (target->temp == NULL)
        return true;
    if (rename(target->temp, target->path) != 0)
        return fail_io(target, "take its name", err);
    free(target->temp);
    target->temp = NULL;
    sync_folder(target->path);
    return true;
}

void cf_export_target_done(struct cf_export_target *target)
{
    if (target->closes && target->fd >= 0)
        close(target->fd);
    if (target->temp != NULL)
        unlink(target->temp);
    free(target->name);
    free(target->path);
    free(target->temp);
    cf_buf_done(&target->buf);
    *target = (struct cf_export_target){ .fd = -1 };
}
