#define _GNU_SOURCE /* O_CLOEXEC and st_mtim under -std=c11 */
#define _FILE_OFFSET_BITS 64
#include "write.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* 0 or an errno. */
static int write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

/* 0 or an errno. */
static int write_file(struct write_file *file)
{
    struct stat made;
    int fd;
    do
        fd = open(file->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, file->bits);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return errno;
    int status = write_all(fd, file->data, file->size);
    if (status == 0 && fstat(fd, &made) != 0)
        status = errno;
    if (close(fd) != 0 && status == 0 && errno != EINTR)
        status = errno;
    if (status == 0)
        file->stat = file_stat_of(&made);
    return status;
}

size_t write_files(struct write_file *files, size_t count, int *status)
{
    size_t done = 0;
    *status = 0;
    while (done < count && (*status = write_file(&files[done])) == 0)
        done++;
    return done;
}
