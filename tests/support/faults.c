/* Preloaded into a process (LD_PRELOAD): writes down each change that it makes below one directory,
 * in order, and makes the n-th system call there fail. For Linux with 64-bit offsets.
 *
 * Everything that changes files goes through the functions here, whoever calls them: Python, our
 * own C, LMDB. Each is the plain system call, made while a lock is held, and then a record in the
 * log, so that the order of records is the order in which things happened, over threads and
 * processes. Files are named by inode, entries by the inode of their directory and a name:
 * tests/support/powercut.py reads them.
 *
 * FAULTS_ROOT   the directory; nothing happens without it
 * FAULTS_LOG    where to write records
 * FAULTS_NTH    which call fails, from 1
 * FAULTS_ERROR  with which errno; 0: it transfers only a part, -1: kill -9
 * FAULTS_TOLD   a file to which the name of the call that failed is written
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CREATE = 1, LINK, UNLINK, RENAME, WRITE, SIZE, SYNC, SYNC_DATA, SYNC_ALL, MAPPED, ALLOCATE };
enum { TRANSFERS = 1, READS = 2, CREATES = 4, SYNCS = 8, NAMES = 16, OPENS = 32, SIZES = 64 };

typedef struct {
    uint32_t operation, durable; /* durable: written with O_SYNC or O_DSYNC */
    uint64_t file, directory, other;
    int64_t offset;
    uint32_t name, other_name; /* lengths; the bytes follow */
    uint64_t size;
} Record;

static int logging = -1, armed, error_number;
static long nth, seen;
static char root[PATH_MAX], told[PATH_MAX];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* ------------------------------------------------------------------ what is below the directory */

static int below(int fd)
{
    char name[64], path[PATH_MAX];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    long n = syscall(SYS_readlinkat, AT_FDCWD, name, path, sizeof path - 1);
    if (n < 0)
        return 0;
    path[n] = 0;
    size_t length = strlen(root);
    return !strncmp(path, root, length) && (path[length] == '/' || path[length] == 0);
}

static int watched(int fd, struct stat *status)
{
    int kept = errno, found = armed && !fstat(fd, status) &&
                              (S_ISREG(status->st_mode) || S_ISDIR(status->st_mode)) && below(fd);
    errno = kept;
    return found;
}

typedef struct {
    uint64_t directory;
    char name[NAME_MAX + 1];
} Place;

/* Whether a path is an entry of a directory below ours. */
static int find(int at, const char *path, Place *place)
{
    if (!armed || path == NULL || strlen(path) >= PATH_MAX)
        return 0;
    int kept = errno, found = 0;
    char parent[PATH_MAX];
    strcpy(parent, path);
    size_t end = strlen(parent);
    while (end > 1 && parent[end - 1] == '/')
        parent[--end] = 0;
    char *slash = strrchr(parent, '/');
    const char *name = slash ? slash + 1 : parent;
    if (*name && strlen(name) <= NAME_MAX) {
        struct stat status;
        strcpy(place->name, name);
        if (slash == parent)
            slash++;
        if (slash)
            *slash = 0;
        int fd =
            (int)syscall(SYS_openat, at, slash ? parent : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0) {
            found = !fstat(fd, &status) && below(fd);
            place->directory = status.st_ino;
            syscall(SYS_close, fd);
        }
    }
    errno = kept;
    return found;
}

static uint64_t inode(int at, const char *path)
{
    struct stat status;
    int kept = errno;
    uint64_t number = fstatat(at, path, &status, AT_SYMLINK_NOFOLLOW) ? 0 : status.st_ino;
    errno = kept;
    return number;
}

/* ------------------------------------------------------------------ the log, and failing */

/* POSIX locks are a process's own, those of a fork too. */
static void lock_log(short how)
{
    struct flock lock = {.l_type = how, .l_whence = SEEK_SET};
    while (logging >= 0 && syscall(SYS_fcntl, logging, F_SETLKW, &lock) && errno == EINTR)
        continue;
}

static void begin(void)
{
    int kept = errno;
    pthread_mutex_lock(&mutex);
    lock_log(F_WRLCK);
    errno = kept;
}

static long end(long result)
{
    int kept = errno;
    lock_log(F_UNLCK);
    pthread_mutex_unlock(&mutex);
    errno = kept;
    return result;
}

static void put(const void *data, size_t size)
{
    const char *from = data;
    while (size) {
        long n = syscall(SYS_write, logging, from, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            abort();
        from += n;
        size -= (size_t)n;
    }
}

static void note(Record record, const Place *from, const Place *to)
{
    int kept = errno;
    if (logging >= 0) {
        if (from)
            record.directory = from->directory, record.name = (uint32_t)strlen(from->name);
        if (to)
            record.other = to->directory, record.other_name = (uint32_t)strlen(to->name);
        put(&record, sizeof record);
        if (from)
            put(from->name, record.name);
        if (to)
            put(to->name, record.other_name);
    }
    errno = kept;
}

/* Of the error that was asked for, by the manual pages. */
static int possible(int kinds)
{
    switch (error_number) {
    case 0:
        return kinds & (TRANSFERS | READS); /* of reads the long ones: a page comes whole */
    case ENOSPC:
    case EDQUOT:
        return kinds & (TRANSFERS | CREATES | SYNCS | SIZES);
    case EINTR:
        return kinds & (TRANSFERS | READS | SYNCS | OPENS | SIZES);
    default:
        return 1;
    }
}

/* Whether this call is the one that fails by errno, or, with FAULTS_ERROR 0, transfers too little.
 */
static int fails(const char *name, int kinds)
{
    if (!nth || !possible(kinds) || __atomic_add_fetch(&seen, 1, __ATOMIC_SEQ_CST) != nth)
        return 0;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, told, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (fd >= 0) {
        syscall(SYS_write, fd, name, strlen(name));
        syscall(SYS_write, fd, "\n", 1);
        syscall(SYS_close, fd);
    }
    if (error_number < 0)
        kill(getpid(), SIGKILL);
    errno = error_number;
    return 1;
}

void faults_arm(const char *directory, const char *log, long number, int error, const char *tell)
{
    snprintf(root, sizeof root, "%s", directory);
    snprintf(told, sizeof told, "%s", tell);
    nth = number;
    seen = 0;
    error_number = error;
    if (*log) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                              0644);
        logging = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 700);
        syscall(SYS_close, fd);
        if (logging < 0)
            abort();
    }
    armed = 1;
}

long faults_seen(void) { return seen; }

static void forked(void) { pthread_mutex_init(&mutex, NULL); }

__attribute__((constructor)) static void from_environment(void)
{
    pthread_atfork(NULL, NULL, forked);
    const char *directory = getenv("FAULTS_ROOT"), *log = getenv("FAULTS_LOG"),
               *number = getenv("FAULTS_NTH");
    const char *error = getenv("FAULTS_ERROR"), *tell = getenv("FAULTS_TOLD");
    if (directory)
        faults_arm(directory, log ? log : "", number ? atol(number) : 0, error ? atoi(error) : EIO,
                   tell ? tell : "");
}

/* ------------------------------------------------------------------ bytes */

/* A second name of a function here: offsets have 64 bits under either. */
#define SAME_AS(name) __attribute__((alias(name)))

static ssize_t transfer(const char *name, int fd, const struct iovec *parts, int count,
                        int64_t offset, int flags)
{
    struct stat status;
    struct iovec half;
    int ours = watched(fd, &status);
    if (ours && fails(name, TRANSFERS)) {
        if (error_number)
            return -1;
        half = (struct iovec){parts[0].iov_base, (parts[0].iov_len + 1) / 2};
        parts = &half;
        count = 1;
    }
    if (ours)
        begin();
    ssize_t done = offset < 0 ? syscall(SYS_writev, fd, parts, count)
                   : flags    ? syscall(SYS_pwritev2, fd, parts, count, offset, 0, flags)
                              : syscall(SYS_pwritev, fd, parts, count, offset, 0);
    if (!ours)
        return done;
    if (done > 0 && logging >= 0) {
        int durable = (syscall(SYS_fcntl, fd, F_GETFL) & (O_DSYNC | O_SYNC)) != 0;
        int64_t at = offset < 0 ? syscall(SYS_lseek, fd, 0, SEEK_CUR) - done : offset;
        note((Record){WRITE, (uint32_t)durable, status.st_ino, 0, 0, at, 0, 0, (uint64_t)done},
             NULL, NULL);
        size_t left = (size_t)done;
        for (int i = 0; left; i++) {
            size_t part = parts[i].iov_len < left ? parts[i].iov_len : left;
            put(parts[i].iov_base, part);
            left -= part;
        }
    }
    return end(done);
}

#define ONE (&(struct iovec){(void *)data, size})
ssize_t write(int fd, const void *data, size_t size)
{
    return transfer("write", fd, ONE, 1, -1, 0);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    return transfer("pwrite", fd, ONE, 1, at, 0);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) SAME_AS("pwrite");
ssize_t __write(int fd, const void *data, size_t size) SAME_AS("write");
ssize_t __pwrite64(int fd, const void *data, size_t size, off64_t at) SAME_AS("pwrite");
ssize_t writev(int fd, const struct iovec *p, int n) { return transfer("writev", fd, p, n, -1, 0); }
ssize_t pwritev(int fd, const struct iovec *p, int n, off_t at)
{
    return transfer("pwritev", fd, p, n, at, 0);
}
ssize_t pwritev64(int fd, const struct iovec *p, int n, off64_t at) SAME_AS("pwritev");
ssize_t pwritev2(int fd, const struct iovec *p, int n, off_t at, int flags)
{
    return transfer("pwritev2", fd, p, n, at, flags);
}
ssize_t pwritev64v2(int fd, const struct iovec *p, int n, off64_t at, int flags)
    SAME_AS("pwritev2");

static ssize_t receive(const char *name, int fd, const struct iovec *parts, int count,
                       int64_t offset, int flags)
{
    struct stat status;
    struct iovec half;
    int partly = nth && !error_number;
    if (nth && !(partly && parts[0].iov_len <= 4096) && watched(fd, &status) &&
        fails(name, READS)) {
        if (error_number)
            return -1;
        half = (struct iovec){parts[0].iov_base, (parts[0].iov_len + 1) / 2};
        parts = &half;
        count = 1;
    }
    return offset < 0 ? syscall(SYS_readv, fd, parts, count)
           : flags    ? syscall(SYS_preadv2, fd, parts, count, offset, 0, flags)
                      : syscall(SYS_preadv, fd, parts, count, offset, 0);
}

ssize_t read(int fd, void *data, size_t size) { return receive("read", fd, ONE, 1, -1, 0); }
ssize_t pread(int fd, void *data, size_t size, off_t at)
{
    return receive("pread", fd, ONE, 1, at, 0);
}
ssize_t pread64(int fd, void *data, size_t size, off64_t at) SAME_AS("pread");
ssize_t preadv(int fd, const struct iovec *p, int n, off_t at)
{
    return receive("preadv", fd, p, n, at, 0);
}
ssize_t preadv64(int fd, const struct iovec *p, int n, off64_t at) SAME_AS("preadv");
ssize_t preadv2(int fd, const struct iovec *p, int n, off_t at, int f)
{
    return receive("preadv2", fd, p, n, at, f);
}
ssize_t preadv64v2(int fd, const struct iovec *p, int n, off64_t at, int f) SAME_AS("preadv2");

/* Copies inside the kernel, which our log could not tell: callers go on without them. */
static ssize_t not_here(int target, ssize_t (*otherwise)(void *), void *arguments)
{
    struct stat status;
    if (!watched(target, &status))
        return otherwise(arguments);
    errno = EOPNOTSUPP;
    return -1;
}

static ssize_t call(void *arguments)
{
    long *a = arguments;
    return syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
}

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags)
{
    return not_here(
        out, call, (long[]){SYS_copy_file_range, in, (long)from, out, (long)to, (long)size, flags});
}

ssize_t sendfile(int out, int in, off_t *from, size_t size)
{
    return not_here(out, call, (long[]){SYS_sendfile, out, in, (long)from, (long)size, 0, 0});
}
ssize_t sendfile64(int out, int in, off64_t *from, size_t size) SAME_AS("sendfile");

int ioctl(int fd, unsigned long request, ...)
{
    va_list list;
    va_start(list, request);
    long argument = va_arg(list, long);
    va_end(list);
    if (request == 0x40049409 || request == 0x4020940D) /* FICLONE, FICLONERANGE */
        return (int)not_here(fd, call, (long[]){SYS_ioctl, fd, (long)request, argument, 0, 0, 0});
    return (int)syscall(SYS_ioctl, fd, request, argument);
}

/* ------------------------------------------------------------------ lengths, syncs, maps */

static int resize(const char *name, int fd, uint32_t operation, int64_t size, long number,
                  const long *a)
{
    struct stat status;
    int ours = watched(fd, &status);
    if (ours && error_number && fails(name, SIZES))
        return -1;
    if (!ours)
        return (int)syscall(number, a[0], a[1], a[2], a[3]);
    begin();
    int result = (int)syscall(number, a[0], a[1], a[2], a[3]);
    if (!result)
        note((Record){operation, 0, status.st_ino, 0, 0, size, 0, 0, 0}, NULL, NULL);
    return (int)end(result);
}

int ftruncate(int fd, off_t size)
{
    return resize("ftruncate", fd, SIZE, size, SYS_ftruncate, (long[]){fd, size, 0, 0});
}
int ftruncate64(int fd, off64_t size) SAME_AS("ftruncate");

int truncate(const char *path, off_t size)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = ftruncate(fd, size), kept = errno;
    syscall(SYS_close, fd);
    errno = kept;
    return result;
}
int truncate64(const char *path, off64_t size) SAME_AS("truncate");

int fallocate(int fd, int mode, off_t at, off_t size)
{
    return resize("fallocate", fd, ALLOCATE, at + size, SYS_fallocate,
                  (long[]){fd, mode, at, size});
}
int fallocate64(int fd, int mode, off64_t at, off64_t size) SAME_AS("fallocate");
int posix_fallocate(int fd, off_t at, off_t size)
{
    int kept = errno, result = fallocate(fd, 0, at, size) ? errno : 0;
    errno = kept;
    return result;
}
int posix_fallocate64(int fd, off64_t at, off64_t size) SAME_AS("posix_fallocate");

static int sync_one(const char *name, int fd, uint32_t operation, long number)
{
    struct stat status;
    int ours = watched(fd, &status);
    if (ours && error_number && fails(name, SYNCS))
        return -1;
    if (!ours)
        return (int)syscall(number, fd);
    begin();
    int result = (int)syscall(number, fd);
    if (!result)
        note((Record){operation, 0, status.st_ino, 0, 0, 0, 0, 0, 0}, NULL, NULL);
    return (int)end(result);
}

int fsync(int fd) { return sync_one("fsync", fd, SYNC, SYS_fsync); }
int fdatasync(int fd) { return sync_one("fdatasync", fd, SYNC_DATA, SYS_fdatasync); }
int syncfs(int fd) { return sync_one("syncfs", fd, SYNC_ALL, SYS_syncfs); }

/* Of the log only: the test's disks are no concern of anybody else's. */
void sync(void)
{
    if (!armed) {
        syscall(SYS_sync);
        return;
    }
    begin();
    note((Record){SYNC_ALL, 0, 0, 0, 0, 0, 0, 0, 0}, NULL, NULL);
    end(0);
}

/* It makes nothing durable: no record. */
int sync_file_range(int fd, off64_t at, off64_t size, unsigned flags)
{
    struct stat status;
    if (error_number && watched(fd, &status) && fails("sync_file_range", SYNCS))
        return -1;
    return (int)syscall(SYS_sync_file_range, fd, at, size, flags);
}

void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t at)
{
    struct stat status;
    if (fd >= 0 && (protection & PROT_WRITE) && (flags & MAP_TYPE) != MAP_PRIVATE &&
        watched(fd, &status)) {
        begin();
        note((Record){MAPPED, 0, status.st_ino, 0, 0, 0, 0, 0, 0}, NULL, NULL);
        end(0);
    }
    return (void *)syscall(SYS_mmap, address, size, protection, flags, fd, at);
}
void *mmap64(void *address, size_t size, int protection, int flags, int fd, off64_t at)
    SAME_AS("mmap");

/* ------------------------------------------------------------------ names */

static int open_at(int at, const char *path, int flags, mode_t mode)
{
    Place place;
    int ours = find(at, path, &place);
    if (ours && (flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP; /* a file that gets its name later: the log knows no such thing */
        return -1;
    }
    if (ours && error_number && fails("open", OPENS | (flags & O_CREAT ? CREATES : 0)))
        return -1;
    if (!ours || !(flags & (O_CREAT | O_TRUNC)))
        return (int)syscall(SYS_openat, at, path, flags, mode);
    begin();
    uint64_t before = inode(at, path);
    int fd = (int)syscall(SYS_openat, at, path, flags, mode);
    struct stat status;
    if (fd >= 0 && !fstat(fd, &status)) {
        if (!before)
            note((Record){CREATE, 0, status.st_ino, 0, 0, status.st_mode, 0, 0, 0}, &place, NULL);
        else if (flags & O_TRUNC)
            note((Record){SIZE, 0, status.st_ino, 0, 0, 0, 0, 0, 0}, NULL, NULL);
    }
    return (int)end(fd);
}

static int open_with(int at, const char *path, int flags, va_list list)
{
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(list, mode_t) : 0;
    return open_at(at, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    int fd = open_with(AT_FDCWD, path, flags, list);
    va_end(list);
    return fd;
}
int openat(int at, const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    int fd = open_with(at, path, flags, list);
    va_end(list);
    return fd;
}
int open64(const char *path, int flags, ...) SAME_AS("open");
int openat64(int at, const char *path, int flags, ...) SAME_AS("openat");
int creat(const char *path, mode_t mode)
{
    return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
int creat64(const char *path, mode_t mode) SAME_AS("creat");

int renameat2(int at, const char *from, int to_at, const char *to, unsigned flags)
{
    Place old, new;
    int ours = find(at, from, &old) && find(to_at, to, &new);
    if (ours && error_number && fails("rename", NAMES | CREATES))
        return -1;
    if (!ours)
        return (int)syscall(SYS_renameat2, at, from, to_at, to, flags);
    if (flags & ~1u) { /* exchanges, which the log does not know */
        errno = EINVAL;
        return -1;
    }
    begin();
    uint64_t file = inode(at, from), there = inode(to_at, to);
    int result = (int)syscall(SYS_renameat2, at, from, to_at, to, flags);
    if (!result && file != there)
        note((Record){RENAME, 0, file, 0, 0, 0, 0, 0, 0}, &old, &new);
    return (int)end(result);
}
int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int at, const char *from, int to_at, const char *to)
{
    return renameat2(at, from, to_at, to, 0);
}

int linkat(int at, const char *from, int to_at, const char *to, int flags)
{
    Place new;
    int ours = find(to_at, to, &new);
    if (ours && error_number && fails("link", NAMES | CREATES))
        return -1;
    if (!ours)
        return (int)syscall(SYS_linkat, at, from, to_at, to, flags);
    begin();
    int result = (int)syscall(SYS_linkat, at, from, to_at, to, flags);
    if (!result)
        note((Record){LINK, 0, inode(to_at, to), 0, 0, 0, 0, 0, 0}, &new, NULL);
    return (int)end(result);
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int symlinkat(const char *target, int at, const char *path)
{
    Place new;
    int ours = find(at, path, &new);
    if (ours && error_number && fails("symlink", NAMES | CREATES))
        return -1;
    if (!ours)
        return (int)syscall(SYS_symlinkat, target, at, path);
    begin();
    int result = (int)syscall(SYS_symlinkat, target, at, path);
    if (!result && logging >= 0) {
        size_t size = strlen(target);
        note((Record){CREATE, 0, inode(at, path), 0, 0, S_IFLNK | 0777, 0, 0, size}, &new, NULL);
        put(target, size);
    }
    return (int)end(result);
}
int symlink(const char *target, const char *path) { return symlinkat(target, AT_FDCWD, path); }

int unlinkat(int at, const char *path, int flags)
{
    Place old;
    int ours = find(at, path, &old);
    if (ours && error_number && fails(flags & AT_REMOVEDIR ? "rmdir" : "unlink", NAMES))
        return -1;
    if (!ours)
        return (int)syscall(SYS_unlinkat, at, path, flags);
    begin();
    int result = (int)syscall(SYS_unlinkat, at, path, flags);
    if (!result)
        note((Record){UNLINK, 0, 0, 0, 0, 0, 0, 0, 0}, &old, NULL);
    return (int)end(result);
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path)
{
    int result = unlinkat(AT_FDCWD, path, 0);
    return result && errno == EISDIR ? unlinkat(AT_FDCWD, path, AT_REMOVEDIR) : result;
}

int mkdirat(int at, const char *path, mode_t mode)
{
    Place new;
    int ours = find(at, path, &new);
    if (ours && error_number && fails("mkdir", NAMES | CREATES))
        return -1;
    if (!ours)
        return (int)syscall(SYS_mkdirat, at, path, mode);
    begin();
    int result = (int)syscall(SYS_mkdirat, at, path, mode);
    if (!result)
        note((Record){CREATE, 0, inode(at, path), 0, 0, S_IFDIR | 0755, 0, 0, 0}, &new, NULL);
    return (int)end(result);
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }
