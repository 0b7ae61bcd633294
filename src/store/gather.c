#include "store/gather.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/mem.h"

#define FRAME_HEADER_BYTES 24
#define PAGE_BYTES         8192

/* SQLite's own VFS takes less than 128 KB at a time. */
#define GATHER_BYTES (15 * (FRAME_HEADER_BYTES + PAGE_BYTES))

/* A log while it is open. */
struct gathered {
    sqlite3_file file;         /* what SQLite sees */
    char *bytes;               /* owned: [len] of them, to be written at `at` */
    int len;
    sqlite3_int64 at;
    bool is_commit;            /* the header written last is of a frame that commits */
    sqlite3_file real[];       /* the default VFS's, of its size */
};

static sqlite3_vfs *base;      /* the default VFS */

static int write_out(struct gathered *log)
{
    if (log->len == 0)
        return SQLITE_OK;
    int len = log->len;
    log->len = 0;              /* what fails is SQLite's to write again */
    return log->real->pMethods->xWrite(log->real, log->bytes, len, log->at);
}

/* Bytes 4 to 7 of a frame's header: the size of the database after a commit, else 0. */
static bool is_commit_header(const unsigned char *bytes, int len)
{
    return len == FRAME_HEADER_BYTES && (bytes[4] | bytes[5] | bytes[6] | bytes[7]) != 0;
}

static int log_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
    struct gathered *log = (struct gathered *)file;
    bool ends_transaction = log->is_commit;
    bool follows = log->len > 0 && at == log->at + log->len && len <= GATHER_BYTES - log->len;

    if (!follows) {
        int rc = write_out(log);
        if (rc != SQLITE_OK)
            return rc;
    }
    log->is_commit = is_commit_header(bytes, len);
    if (len > GATHER_BYTES)
        return log->real->pMethods->xWrite(log->real, bytes, len, at);
    if (log->len == 0)
        log->at = at;
    memcpy(log->bytes + log->len, bytes, (size_t)len);
    log->len += len;
    return ends_transaction ? write_out(log) : SQLITE_OK;
}

static int log_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 at)
{
    struct gathered *log = (struct gathered *)file;
    int rc = write_out(log);
    return rc != SQLITE_OK ? rc : log->real->pMethods->xRead(log->real, bytes, len, at);
}

static int log_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct gathered *log = (struct gathered *)file;
    int rc = write_out(log);
    return rc != SQLITE_OK ? rc : log->real->pMethods->xTruncate(log->real, size);
}

static int log_sync(sqlite3_file *file, int flags)
{
    struct gathered *log = (struct gathered *)file;
    int rc = write_out(log);
    return rc != SQLITE_OK ? rc : log->real->pMethods->xSync(log->real, flags);
}

static int log_size(sqlite3_file *file, sqlite3_int64 *out_size)
{
    struct gathered *log = (struct gathered *)file;
    int rc = write_out(log);
    return rc != SQLITE_OK ? rc : log->real->pMethods->xFileSize(log->real, out_size);
}

static int log_control(sqlite3_file *file, int what, void *arg)
{
    struct gathered *log = (struct gathered *)file;
    int rc = write_out(log);
    return rc != SQLITE_OK ? rc : log->real->pMethods->xFileControl(log->real, what, arg);
}

static int log_close(sqlite3_file *file)
{
    struct gathered *log = (struct gathered *)file;
    int written = write_out(log);
    int closed = log->real->pMethods->xClose(log->real);
    free(log->bytes);
    return written != SQLITE_OK ? written : closed;
}

static int log_lock(sqlite3_file *file, int level)
{
    struct gathered *log = (struct gathered *)file;
    return log->real->pMethods->xLock(log->real, level);
}

static int log_unlock(sqlite3_file *file, int level)
{
    struct gathered *log = (struct gathered *)file;
    return log->real->pMethods->xUnlock(log->real, level);
}

static int log_is_reserved(sqlite3_file *file, int *out_is)
{
    struct gathered *log = (struct gathered *)file;
    return log->real->pMethods->xCheckReservedLock(log->real, out_is);
}

static int log_sector_size(sqlite3_file *file)
{
    struct gathered *log = (struct gathered *)file;
    return log->real->pMethods->xSectorSize(log->real);
}

static int log_device(sqlite3_file *file)
{
    struct gathered *log = (struct gathered *)file;
    return log->real->pMethods->xDeviceCharacteristics(log->real);
}

/* Version 1: a log is neither mapped nor has it an index of its own. */
static const sqlite3_io_methods log_methods = {
    .iVersion = 1,
    .xClose = log_close,
    .xRead = log_read,
    .xWrite = log_write,
    .xTruncate = log_truncate,
    .xSync = log_sync,
    .xFileSize = log_size,
    .xLock = log_lock,
    .xUnlock = log_unlock,
    .xCheckReservedLock = log_is_reserved,
    .xFileControl = log_control,
    .xSectorSize = log_sector_size,
    .xDeviceCharacteristics = log_device,
};

static int open_file(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags,
                     int *out_flags)
{
    (void)vfs;
    if ((flags & SQLITE_OPEN_WAL) == 0)
        return base->xOpen(base, name, file, flags, out_flags);

    struct gathered *log = (struct gathered *)file;
    memset(log, 0, sizeof *log);
    int rc = base->xOpen(base, name, log->real, flags, out_flags);
    if (rc != SQLITE_OK) {
        file->pMethods = NULL;    /* there is nothing to close */
        if (log->real->pMethods != NULL)
            log->real->pMethods->xClose(log->real);
        return rc;
    }
    log->bytes = cf_malloc(GATHER_BYTES);
    file->pMethods = &log_methods;
    return SQLITE_OK;
}

const char *cf_gather_vfs(void)
{
    static sqlite3_vfs vfs;
    if (base != NULL)
        return vfs.zName;

    sqlite3_initialize();
    sqlite3_vfs *found = sqlite3_vfs_find(NULL);
    if (found == NULL)
        return NULL;
    vfs = *found;
    vfs.zName = "confab-gather";
    vfs.pNext = NULL;
    vfs.szOsFile += (int)sizeof(struct gathered);
    vfs.xOpen = open_file;
    if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK)
        return NULL;
    base = found;
    return vfs.zName;
}
