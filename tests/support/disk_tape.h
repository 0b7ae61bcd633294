/* disk_tape.h - a SQLite VFS that writes down all that happens to the files of one database, so
 * that a test can see them as a power cut at any moment would leave them.
 *
 * Only what was synced is sure to be there afterwards: a file that was never synced is gone, and of
 * what was written since the last sync nothing, or any part, may be left. Deleting counts once the
 * folder was synced. The database must be a new one. */
#ifndef TESTS_DISK_TAPE_H
#define TESTS_DISK_TAPE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

enum disk_file { DISK_MAIN, DISK_LOG, DISK_JOURNAL, DISK_FILES };

#define DISK_SECTOR 512 /* a write of so much is done whole or not at all */

enum disk_event_kind { DISK_WRITE, DISK_TRUNCATE, DISK_DELETE, DISK_SYNC, DISK_MARK };

struct disk_event {
    enum disk_event_kind kind;
    enum disk_file file;
    size_t at; /* where a write begins; the length after a truncation; a mark's number */
    size_t len;
    bool is_synced;       /* a deletion that is durable at once */
    unsigned char *bytes; /* owned; of a write */
};

/* A file as it stands somewhere on the tape. */
struct disk_image {
    bool exists;
    unsigned char *bytes; /* owned */
    size_t len;
};

static struct disk_tape {
    pthread_mutex_t lock;
    const char *path; /* borrowed; NULL: nothing is written down */
    struct disk_event *events;
    size_t count, cap;
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    const sqlite3_io_methods *real_methods[DISK_FILES];
    sqlite3_io_methods methods[DISK_FILES];
} disk_tape = { .lock = PTHREAD_MUTEX_INITIALIZER };

static inline void disk_tape_add(struct disk_event event, const void *bytes)
{
    pthread_mutex_lock(&disk_tape.lock);
    if (disk_tape.path != NULL) {
        if (disk_tape.count == disk_tape.cap) {
            disk_tape.cap = disk_tape.cap > 0 ? 2 * disk_tape.cap : 1024;
            disk_tape.events = realloc(disk_tape.events, disk_tape.cap * sizeof *disk_tape.events);
        }
        if (bytes != NULL) {
            event.bytes = malloc(event.len);
            memcpy(event.bytes, bytes, event.len);
        }
        disk_tape.events[disk_tape.count++] = event;
    }
    pthread_mutex_unlock(&disk_tape.lock);
}

/* Notes that the number was told of as durable. */
static inline void disk_tape_mark(size_t number)
{
    disk_tape_add((struct disk_event){ .kind = DISK_MARK, .at = number }, NULL);
}

static inline enum disk_file disk_file_of(const sqlite3_file *file)
{
    enum disk_file which = DISK_MAIN;
    while (file->pMethods != &disk_tape.methods[which])
        which++;
    return which;
}

static int disk_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
    enum disk_file which = disk_file_of(file);
    int rc = disk_tape.real_methods[which]->xWrite(file, bytes, len, at);
    if (rc == SQLITE_OK)
        disk_tape_add(
            (struct disk_event){
                .kind = DISK_WRITE, .file = which, .at = (size_t)at, .len = (size_t)len },
            bytes);
    return rc;
}

static int disk_truncate(sqlite3_file *file, sqlite3_int64 len)
{
    enum disk_file which = disk_file_of(file);
    int rc = disk_tape.real_methods[which]->xTruncate(file, len);
    if (rc == SQLITE_OK)
        disk_tape_add(
            (struct disk_event){ .kind = DISK_TRUNCATE, .file = which, .at = (size_t)len }, NULL);
    return rc;
}

static int disk_sync(sqlite3_file *file, int flags)
{
    enum disk_file which = disk_file_of(file);
    int rc = disk_tape.real_methods[which]->xSync(file, flags);
    if (rc == SQLITE_OK)
        disk_tape_add((struct disk_event){ .kind = DISK_SYNC, .file = which }, NULL);
    return rc;
}

static const char *const disk_suffixes[DISK_FILES] = { "", "-wal", "-journal" };

/* Which of the watched files it is; DISK_FILES: none. */
static inline enum disk_file disk_file_named(const char *name)
{
    enum disk_file which = DISK_MAIN;
    size_t len = disk_tape.path == NULL ? 0 : strlen(disk_tape.path);
    if (name == NULL || len == 0 || strncmp(name, disk_tape.path, len) != 0)
        return DISK_FILES;
    while (which < DISK_FILES && strcmp(name + len, disk_suffixes[which]) != 0)
        which++;
    return which;
}

static int disk_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags,
                     int *out_flags)
{
    (void)vfs;
    int rc = disk_tape.real->xOpen(disk_tape.real, name, file, flags, out_flags);
    enum disk_file which = disk_file_named(name);
    if (rc != SQLITE_OK || which == DISK_FILES)
        return rc;
    pthread_mutex_lock(&disk_tape.lock);
    if (disk_tape.real_methods[which] == NULL) {
        disk_tape.real_methods[which] = file->pMethods;
        disk_tape.methods[which] = *file->pMethods;
        disk_tape.methods[which].xWrite = disk_write;
        disk_tape.methods[which].xTruncate = disk_truncate;
        disk_tape.methods[which].xSync = disk_sync;
    }
    file->pMethods = &disk_tape.methods[which];
    pthread_mutex_unlock(&disk_tape.lock);
    return rc;
}

static int disk_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    (void)vfs;
    int rc = disk_tape.real->xDelete(disk_tape.real, name, sync_folder);
    enum disk_file which = disk_file_named(name);
    if (rc == SQLITE_OK && which != DISK_FILES)
        disk_tape_add((struct disk_event){ .kind = DISK_DELETE,
                                           .file = which,
                                           .is_synced = sync_folder != 0 },
                      NULL);
    return rc;
}

/* Makes it the VFS of all databases opened from now on. Once a program. */
static inline int disk_tape_install(void)
{
    disk_tape.real = sqlite3_vfs_find(NULL);
    disk_tape.vfs = *disk_tape.real;
    disk_tape.vfs.xOpen = disk_open;
    disk_tape.vfs.xDelete = disk_delete;
    disk_tape.vfs.zName = "tape";
    disk_tape.vfs.pNext = NULL;
    return sqlite3_vfs_register(&disk_tape.vfs, 1);
}

/* Begins an empty tape of that database, which must not be there yet; path NULL: ends it. */
static inline void disk_tape_watch(const char *path)
{
    pthread_mutex_lock(&disk_tape.lock);
    if (path != NULL) {
        for (size_t i = 0; i < disk_tape.count; i++)
            free(disk_tape.events[i].bytes);
        disk_tape.count = 0;
    }
    disk_tape.path = path;
    pthread_mutex_unlock(&disk_tape.lock);
}

static inline void disk_tape_done(void)
{
    disk_tape_watch("");
    free(disk_tape.events);
    disk_tape.events = NULL;
    disk_tape.cap = 0;
}

/* --- looking at it --- */

static inline void disk_image_resize(struct disk_image *image, size_t len)
{
    image->bytes = realloc(image->bytes, len + 1);
    if (len > image->len)
        memset(image->bytes + image->len, 0, len - image->len);
    image->len = len;
}

static inline void disk_image_copy(struct disk_image *to, const struct disk_image *from)
{
    disk_image_resize(to, from->len);
    if (from->len > 0)
        memcpy(to->bytes, from->bytes, from->len);
    to->exists = from->exists;
}

/* Takes one event further: now is what a reader sees, synced what a power cut leaves. */
static inline void disk_apply(const struct disk_event *event, struct disk_image now[DISK_FILES],
                              struct disk_image synced[DISK_FILES])
{
    struct disk_image *image = &now[event->file];
    switch (event->kind) {
    case DISK_WRITE:
        if (image->len < event->at + event->len)
            disk_image_resize(image, event->at + event->len);
        memcpy(image->bytes + event->at, event->bytes, event->len);
        image->exists = true;
        break;
    case DISK_TRUNCATE: disk_image_resize(image, event->at); break;
    case DISK_DELETE:
        disk_image_resize(image, 0);
        image->exists = false;
        if (event->is_synced)
            disk_image_copy(&synced[event->file], image);
        break;
    case DISK_SYNC:
        /* The first sync of a new log or journal is one of the folder, too (unixSync). */
        for (int other = DISK_MAIN;
             event->file != DISK_MAIN && !synced[event->file].exists && other < DISK_FILES; other++)
            if (!now[other].exists)
                disk_image_copy(&synced[other], &now[other]);
        image->exists = true;
        disk_image_copy(&synced[event->file], image);
        break;
    case DISK_MARK: break;
    }
}

/* What a cut leaves when some sectors reached the disk unsynced; draw(self) decides which. */
static inline void disk_image_mix(struct disk_image *out, const struct disk_image *synced,
                                  const struct disk_image *now, bool (*draw)(void *self),
                                  void *self)
{
    disk_image_copy(out, synced);
    if (!now->exists) /* deleted, but not durably */
        return;
    for (size_t at = 0; at < now->len; at += DISK_SECTOR) {
        size_t len = now->len - at < DISK_SECTOR ? now->len - at : DISK_SECTOR;
        bool is_same = at + len <= out->len && memcmp(out->bytes + at, now->bytes + at, len) == 0;
        if (is_same || !draw(self))
            continue;
        if (out->len < at + len)
            disk_image_resize(out, at + len);
        memcpy(out->bytes + at, now->bytes + at, len);
        out->exists = true;
    }
}

/* Puts the images in the place of a database and its side files; false: they cannot be written. */
static inline bool disk_images_write(const struct disk_image images[DISK_FILES], const char *path)
{
    static const char *const others[] = { "-shm", "-lock" };
    char name[4096];
    bool ok = true;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(name, sizeof name, "%s%s", path, others[i]);
        unlink(name);
    }
    for (int which = DISK_MAIN; which < DISK_FILES; which++) {
        snprintf(name, sizeof name, "%s%s", path, disk_suffixes[which]);
        unlink(name);
        if (!images[which].exists)
            continue;
        FILE *file = fopen(name, "wb");
        if (file == NULL)
            return false;
        ok = fwrite(images[which].bytes, 1, images[which].len, file) == images[which].len && ok;
        ok = fclose(file) == 0 && ok;
    }
    return ok;
}

static inline void disk_images_done(struct disk_image images[DISK_FILES])
{
    for (int which = DISK_MAIN; which < DISK_FILES; which++) {
        free(images[which].bytes);
        images[which] = (struct disk_image){ .exists = false };
    }
}
#endif
