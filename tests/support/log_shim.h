/* log_shim.h - stands between SQLite and its default VFS where that opens a write-ahead log. */
#ifndef LOG_SHIM_H
#define LOG_SHIM_H

#include <sqlite3.h>

static const sqlite3_io_methods *log_shim_real;    /* the VFS's, of the log opened last */

static struct {
    sqlite3_vfs vfs;
    sqlite3_io_methods methods;                    /* the real ones but for what the test changes */
    int (*open)(sqlite3_vfs *, sqlite3_filename, sqlite3_file *, int, int *);
    void (*change)(sqlite3_io_methods *methods);
} log_shim;

static int log_shim_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags,
                         int *out_flags)
{
    int rc = log_shim.open(vfs, name, file, flags, out_flags);
    if (rc == SQLITE_OK && (flags & SQLITE_OPEN_WAL)) {
        log_shim_real = file->pMethods;
        log_shim.methods = *log_shim_real;
        log_shim.change(&log_shim.methods);
        file->pMethods = &log_shim.methods;
    }
    return rc;
}

/* Makes it the default VFS; change puts the test's own methods in place of some. An SQLite status. */
static int log_shim_install(void (*change)(sqlite3_io_methods *methods))
{
    log_shim.vfs = *sqlite3_vfs_find(NULL);
    log_shim.open = log_shim.vfs.xOpen;
    log_shim.change = change;
    log_shim.vfs.xOpen = log_shim_open;
    log_shim.vfs.zName = "log-shim";
    log_shim.vfs.pNext = NULL;
    return sqlite3_vfs_register(&log_shim.vfs, 1);
}
#endif
