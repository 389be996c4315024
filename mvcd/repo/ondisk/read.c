#define _GNU_SOURCE /* O_NOFOLLOW and st_mtim under -std=c11 */
#define _FILE_OFFSET_BITS 64
#include "read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Reads up to `size` + 1 bytes: one more than there should be tells of growth. 0 or an errno. */
static int read_all(int fd, char *data, size_t size, size_t *got)
{
    *got = 0;
    while (*got <= size) {
        ssize_t n = read(fd, data + *got, size + 1 - *got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return 0;
}

static int same(const struct stat *a, const struct stat *b)
{
    const struct file_stat x = file_stat_of(a), y = file_stat_of(b);
    return x.size == y.size && x.inode == y.inode && a->st_mode == b->st_mode &&
           x.mtime == y.mtime && x.ctime == y.ctime;
}

/* Reads an open file. Returns its status. */
static int read_open(struct read_file *file, int fd, size_t limit)
{
    struct stat before, after;
    size_t got;
    if (fstat(fd, &before) != 0)
        return errno;
    if (!S_ISREG(before.st_mode) || (uint64_t)before.st_size > limit)
        return READ_CHANGED;
    const size_t size = (size_t)before.st_size;
    file->stat = file_stat_of(&before);
    file->data = malloc(size + 1);
    if (file->data == NULL)
        return ENOMEM;
    int failed = read_all(fd, file->data, size, &got);
    if (failed)
        return failed;
    return got == size && fstat(fd, &after) == 0 && same(&before, &after) ? 0 : READ_CHANGED;
}

static void read_file(struct read_file *file, size_t limit)
{
    int fd;
    do
        fd = open(file->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        file->status = errno == ELOOP ? READ_CHANGED : errno;
        return;
    }
    file->status = read_open(file, fd, limit);
    close(fd);
}

void read_files(struct read_file *files, size_t count, size_t limit)
{
    for (size_t i = 0; i < count; i++)
        read_file(&files[i], limit);
}
