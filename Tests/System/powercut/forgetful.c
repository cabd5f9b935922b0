// forgetful: a disk that loses its power. Preloaded into the broker by test_durability.py (LD_PRELOAD).
//
// For every file in the folder FORGETFUL_FOLDER it keeps, in the folder FORGETFUL_SHADOW, a file of the same name that
// has only what was synced, and beside it NAME.pending: what was written since, in order. fsync and fdatasync bring the
// shadow up to date and empty that list. Names (create, rename, unlink) are taken to be on disk at once. After the
// processes were killed, the shadows are what a disk would have that forgot all that it was not told to keep, and some
// of the pending writes in any order are what one would have that was cut off at work.
//
// A pending record: three 64-bit integers (0 write | 1 truncate; offset, or new length; bytes), then the bytes written.
// While the file FORGETFUL_SHADOW/fail exists, every sync fails with EIO and brings nothing up to date. While
// FORGETFUL_SHADOW/hold exists, a sync does not come to its end. While FORGETFUL_SHADOW/read-only exists, the disk is what
// the kernel makes of one that it does not trust any more: everything that would write fails with EROFS.
// With FORGETFUL_DELAY each sync, of whatever file, takes that many microseconds longer.
//
// Left out, because SQLite does without: mapped memory (but for the -shm file, which is only an index), copies of
// descriptors, writev. A shadow that can not be kept is fatal: the process ends with a message.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MOST_FILES = 64, MOST_DESCRIPTORS = 4096, WRITE = 0, TRUNCATE = 1 };

typedef struct {
    char name[NAME_MAX + 1];  // empty: the place is free, or the file has no name any more
    int shadow, pending;
} File;

static File files[MOST_FILES];
static int file_of[MOST_DESCRIPTORS];  // its index, plus one
static const char *folder, *shadows;
static useconds_t delay;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// The functions that are replaced here, as libc has them.
static struct {
    int (*open)(const char *, int, ...), (*openat)(int, const char *, int, ...), (*close)(int), (*fsync)(int);
    int (*ftruncate)(int, off_t), (*rename)(const char *, const char *), (*unlink)(const char *);
    ssize_t (*write)(int, const void *, size_t), (*pwrite)(int, const void *, size_t, off_t);
} real;

static void die(const char *what) {
    dprintf(2, "forgetful: %s: %s\n", what, strerror(errno));
    _exit(99);
}

// Before the first use: constructors of other libraries open files too.
static void start(void) {
    real.open = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
    real.openat = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, "openat64");
    real.close = (int (*)(int))dlsym(RTLD_NEXT, "close");
    real.fsync = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    real.ftruncate = (int (*)(int, off_t))dlsym(RTLD_NEXT, "ftruncate64");
    real.rename = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    real.unlink = (int (*)(const char *))dlsym(RTLD_NEXT, "unlink");
    real.write = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    real.pwrite = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64");
    // Copies: a program that sets its title overwrites its environment.
    folder = strdup(getenv("FORGETFUL_FOLDER") ?: "");
    shadows = strdup(getenv("FORGETFUL_SHADOW") ?: "");
    delay = (useconds_t)atoi(getenv("FORGETFUL_DELAY") ?: "0");
}

static void begin(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
}

// The name of a file of the folder that is followed; NULL: another file.
static const char *followed(const char *path) {
    size_t length = strlen(folder);
    if (!length || strncmp(path, folder, length) || path[length] != '/') return NULL;
    const char *name = path + length + 1, *end = strrchr(name, '-');
    if (!*name || strchr(name, '/') || strlen(name) > NAME_MAX - 8 || (end && !strcmp(end, "-shm"))) return NULL;
    return name;
}

static const char *shadow_path(char path[PATH_MAX], const char *name, const char *suffix) {
    if (snprintf(path, PATH_MAX, "%s/%s%s", shadows, name, suffix) >= PATH_MAX) die(name);
    return path;
}

// Whether the test has made a file of that name beside the shadows.
static bool is_told_to(const char *what) {
    char path[PATH_MAX];
    return !access(shadow_path(path, what, ""), F_OK);
}

static bool is_read_only(void) {
    if (!is_told_to("read-only")) return false;
    errno = EROFS;
    return true;
}

static File *file_named(const char *name) {
    for (int i = 0; i < MOST_FILES; i++)
        if (!strcmp(files[i].name, name)) return &files[i];
    return NULL;
}

static File *file_at(int descriptor) {
    int index = descriptor >= 0 && descriptor < MOST_DESCRIPTORS ? file_of[descriptor] : 0;
    return index && files[index - 1].name[0] ? &files[index - 1] : NULL;
}

static void add_pending(File *file, int64_t kind, int64_t offset, int64_t length, const void *bytes) {
    if (!file) return;
    int64_t head[3] = {kind, offset, length};
    struct iovec parts[2] = {{head, sizeof head}, {(void *)bytes, bytes ? (size_t)length : 0}};
    ssize_t whole = (ssize_t)(parts[0].iov_len + parts[1].iov_len);
    if (writev(file->pending, parts, 2) != whole) die("can not note a write");
}

static void follow(int descriptor, const char *name, bool truncate) {
    char path[PATH_MAX];
    if (descriptor >= MOST_DESCRIPTORS) die("too many descriptors");
    File *file = file_named(name);
    if (!file) {
        file = file_named("");
        if (!file) die("too many files");
        file->shadow = real.open(shadow_path(path, name, ""), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        file->pending = real.open(shadow_path(path, name, ".pending"), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (file->shadow < 0 || file->pending < 0) die(path);
        strcpy(file->name, name);
    }
    if (truncate) add_pending(file, TRUNCATE, 0, 0, NULL);
    file_of[descriptor] = (int)(file - files) + 1;
}

// Nothing that is still done to an open file without a name matters.
static void drop(File *file) {
    if (!file) return;
    file->name[0] = 0;
    real.close(file->shadow);
    real.close(file->pending);
    for (int i = 0; i < MOST_DESCRIPTORS; i++)
        if (file_of[i] == (int)(file - files) + 1) file_of[i] = 0;
}

// Removes a shadow, or gives it a new name.
static void rename_shadow(const char *name, const char *new_name) {
    char path[PATH_MAX], new_path[PATH_MAX];
    const char *const suffixes[] = {"", ".pending"};
    for (int i = 0; i < 2; i++) {
        shadow_path(path, name, suffixes[i]);
        if (new_name) real.rename(path, shadow_path(new_path, new_name, suffixes[i]));
        else real.unlink(path);
    }
    drop(file_named(new_name ? new_name : name));
    File *file = new_name ? file_named(name) : NULL;
    if (file) strcpy(file->name, new_name);
}

// Brings the shadow up to date.
static void keep(File *file) {
    int64_t head[3];
    off_t offset = 0;
    static char bytes[1 << 20];
    while (pread(file->pending, head, sizeof head, offset) == sizeof head) {
        offset += sizeof head;
        if (head[0] == TRUNCATE) {
            // Its offset is the new length.
            if (real.ftruncate(file->shadow, head[1])) die("can not cut a shadow");
            continue;
        }
        for (int64_t done = 0, part; done < head[2]; done += part) {
            size_t most = head[2] - done < (int64_t)sizeof bytes ? (size_t)(head[2] - done) : sizeof bytes;
            part = pread(file->pending, bytes, most, offset + done);
            if (part <= 0 || real.pwrite(file->shadow, bytes, (size_t)part, head[1] + done) != part)
                die("can not write a shadow");
        }
        offset += head[2];
    }
    if (real.ftruncate(file->pending, 0)) die("can not empty a list");
}

static int opened(int descriptor, const char *path, int flags) {
    const char *name = descriptor < 0 ? NULL : followed(path);
    if (name && (flags & O_ACCMODE) != O_RDONLY) {
        pthread_mutex_lock(&lock);
        follow(descriptor, name, flags & O_TRUNC);
        pthread_mutex_unlock(&lock);
    }
    return descriptor;
}

static mode_t mode_of(int flags, va_list rest) {
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;
}

int open(const char *path, int flags, ...) {
    begin();
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    if (followed(path) && flags & (O_ACCMODE | O_CREAT) && is_read_only()) return -1;
    return opened(real.open(path, flags, mode), path, flags);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int openat(int at, const char *path, int flags, ...) {
    begin();
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    if (followed(path) && flags & (O_ACCMODE | O_CREAT) && is_read_only()) return -1;
    return opened(real.openat(at, path, flags, mode), path, flags);
}

int openat64(int at, const char *path, int flags, ...) __attribute__((alias("openat")));

int close(int descriptor) {
    begin();
    pthread_mutex_lock(&lock);
    if (descriptor >= 0 && descriptor < MOST_DESCRIPTORS) file_of[descriptor] = 0;
    int result = real.close(descriptor);
    pthread_mutex_unlock(&lock);
    return result;
}

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t offset) {
    begin();
    if (!file_at(descriptor)) return real.pwrite(descriptor, bytes, length, offset);
    if (is_read_only()) return -1;
    pthread_mutex_lock(&lock);
    ssize_t result = real.pwrite(descriptor, bytes, length, offset);
    if (result > 0) add_pending(file_at(descriptor), WRITE, offset, result, bytes);
    pthread_mutex_unlock(&lock);
    return result;
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t length, off_t offset) __attribute__((alias("pwrite")));

ssize_t write(int descriptor, const void *bytes, size_t length) {
    begin();
    if (!file_at(descriptor)) return real.write(descriptor, bytes, length);
    if (is_read_only()) return -1;
    pthread_mutex_lock(&lock);
    off_t offset = lseek(descriptor, 0, SEEK_CUR);
    ssize_t result = real.write(descriptor, bytes, length);
    if (result > 0) add_pending(file_at(descriptor), WRITE, offset, result, bytes);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate(int descriptor, off_t length) {
    begin();
    if (!file_at(descriptor)) return real.ftruncate(descriptor, length);
    if (is_read_only()) return -1;
    pthread_mutex_lock(&lock);
    int result = real.ftruncate(descriptor, length);
    if (!result) add_pending(file_at(descriptor), TRUNCATE, length, 0, NULL);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate64(int descriptor, off_t length) __attribute__((alias("ftruncate")));

// Only the shadow is kept: the real disk is not asked.
int fsync(int descriptor) {
    begin();
    if (delay) usleep(delay);
    if (!file_at(descriptor)) return real.fsync(descriptor);
    while (is_told_to("hold")) usleep(1000);
    if (is_read_only()) return -1;
    if (is_told_to("fail")) {
        errno = EIO;
        return -1;
    }
    pthread_mutex_lock(&lock);
    if (file_at(descriptor)) keep(file_at(descriptor));
    pthread_mutex_unlock(&lock);
    return 0;
}

int fdatasync(int descriptor) __attribute__((alias("fsync")));

int rename(const char *path, const char *new_path) {
    begin();
    const char *name = followed(path), *new_name = followed(new_path);
    if (!name) return real.rename(path, new_path);
    if (is_read_only()) return -1;
    pthread_mutex_lock(&lock);
    int result = real.rename(path, new_path);
    if (!result) rename_shadow(name, new_name);
    pthread_mutex_unlock(&lock);
    return result;
}

int unlink(const char *path) {
    begin();
    const char *name = followed(path);
    if (!name) return real.unlink(path);
    if (is_read_only()) return -1;
    pthread_mutex_lock(&lock);
    int result = real.unlink(path);
    if (!result) rename_shadow(name, NULL);
    pthread_mutex_unlock(&lock);
    return result;
}
