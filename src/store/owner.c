#include "store/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "confab/buf.h"
#include "confab/error.h"

struct cf_owner {
    int fd;            /* of the side file; the lock lives and dies with it */
};

static int open_side_file(const char *db_path, int flags)
{
    struct cf_buf name = { .max = 8192 };
    cf_buf_addf(&name, "%s-lock", db_path);
    int fd = open(cf_buf_str(&name), flags | O_CLOEXEC, 0666);
    cf_buf_done(&name);
    return fd;
}

static struct flock lock_of(int64_t run)
{
    return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = run, .l_len = 1 };
}

bool cf_owner_open(const char *db_path, int64_t run, struct cf_owner **out_owner,
                   struct cf_error *err)
{
    int fd = open_side_file(db_path, O_RDWR | O_CREAT);
    if (fd < 0)
        return cf_fail(err, CF_ERR_STORAGE, "%s-lock cannot be opened: %s", db_path,
                       strerror(errno));

    struct flock lock = lock_of(run);
    if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
        int why = errno;
        close(fd);
        if (why == EAGAIN || why == EACCES)
            return cf_fail(err, CF_ERR_CONFIG, "the run is in use by another process");
        return cf_fail(err, CF_ERR_STORAGE, "%s-lock cannot be locked: %s", db_path, strerror(why));
    }

    struct cf_owner *owner = cf_malloc(sizeof *owner);
    owner->fd = fd;
    *out_owner = owner;
    return true;
}

void cf_owner_free(struct cf_owner *owner)
{
    if (owner == NULL)
        return;
    close(owner->fd);
    free(owner);
}

bool cf_owner_is_held(const char *db_path, int64_t run)
{
    int fd = open_side_file(db_path, O_RDWR);
    if (fd < 0)
        fd = open_side_file(db_path, O_RDONLY);    /* looking needs no right to write */
    if (fd < 0)
        return false;
    struct flock lock = lock_of(run);
    bool held = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(fd);
    return held;
}
