/* gather.h - a VFS for SQLite that writes the frames of a transaction to the log together.
 *
 * SQLite writes each page of a transaction to the log by two calls: 24 bytes of header, then the
 * page. The pieces follow one another in the file, so they are put together here and leave in
 * writes of up to 15 frames: a tenth of the time of an item is the calls that this saves.
 *
 * Nothing waits longer than SQLite's own order allows: what was gathered is written before a read,
 * a sync, or any other use of the log, and at the latest with the frame that commits its
 * transaction. Only after that do other connections look for it. All other files, and all that is
 * not writing, are the default VFS's. */
#ifndef CONFAB_STORE_GATHER_H
#define CONFAB_STORE_GATHER_H

/* The VFS's name for sqlite3_open_v2, registered at the first call; NULL, SQLite's word for the
 * default, if that failed. It stands upon the VFS that is the default at that time. Not for two
 * threads at once. */
const char *cf_gather_vfs(void);
#endif
