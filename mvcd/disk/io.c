#define _GNU_SOURCE /* preadv2, sync_file_range */
#define _FILE_OFFSET_BITS 64
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#define HOLE 4096     /* bytes between two stretches up to which both come in one call */
#define MAX_PARTS 256 /* of one call; IOV_MAX is 1024 */

/* One call: what it reads, and where from. */
struct run {
    size_t stretches; /* that it is made of */
    ssize_t want;     /* bytes, those of holes too */
    ssize_t sum;      /* bytes without holes */
    int used;
    struct iovec parts[MAX_PARTS];
    char hole[HOLE];
};

static ssize_t read_parts(int file, const struct iovec *parts, int count, int64_t offset, int flags)
{
    ssize_t done;
    do {
#ifdef __linux__
        done = preadv2(file, parts, count, offset, flags);
        if (done < 0 && flags && errno == EOPNOTSUPP) /* as on tmpfs */
            done = preadv2(file, parts, count, offset, 0);
#else
        (void)flags;
        done = preadv(file, parts, count, offset);
#endif
    } while (done < 0 && errno == EINTR);
    return done;
}

/* Reads until all parts are full or the file ends. Returns 0 and the bytes read, or an errno. */
static int fill(int file, struct run *run, int64_t offset, int flags, ssize_t *total)
{
    struct iovec *parts = run->parts;
    int count = run->used;
    *total = 0;
    while (count) {
        ssize_t done = read_parts(file, parts, count, offset + *total, flags);
        if (done < 0)
            return errno;
        if (done == 0)
            break;
        *total += done;
        while (count && (size_t)done >= parts->iov_len) {
            done -= (ssize_t)parts->iov_len;
            parts++;
            count--;
        }
        if (count) {
            parts->iov_base = (char *)parts->iov_base + done;
            parts->iov_len -= (size_t)done;
        }
    }
    return 0;
}

/* How many of the first `read` bytes from the first one's offset on belong to stretches, not to
 * holes. */
static ssize_t kept(const struct io_stretch *stretches, size_t count, ssize_t read)
{
    ssize_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t there = stretches[0].offset + read - stretches[i].offset;
        if (there <= 0)
            break;
        sum += there < stretches[i].size ? (ssize_t)there : stretches[i].size;
    }
    return sum;
}

/* Makes a run of as many of the first stretches as lie side by side, to be read to `data`. */
static void gather(struct run *run, const struct io_stretch *stretches, size_t count, char *data)
{
    run->used = 0;
    run->want = run->sum = 0;
    size_t i = 0;
    for (; i < count && run->used + 2 <= MAX_PARTS; i++) {
        const struct io_stretch *s = &stretches[i];
        if (s->file != stretches[0].file || s->offset < stretches[0].offset)
            break;
        int64_t gap = s->offset - stretches[0].offset - run->want;
        if (gap < 0 || gap > HOLE)
            break;
        if (run->used && gap == 0) {
            run->parts[run->used - 1].iov_len += (size_t)s->size;
        } else {
            if (gap)
                run->parts[run->used++] = (struct iovec){run->hole, (size_t)gap};
            run->parts[run->used++] = (struct iovec){data + run->sum, (size_t)s->size};
        }
        run->want += gap + s->size;
        run->sum += s->size;
    }
    run->stretches = i;
}

int io_read_stretches(const struct io_stretch *stretches, size_t count, char *data, int flags,
                      ssize_t least, ssize_t *got)
{
    struct run run;
    *got = 0;
    for (size_t i = 0; i < count; i += run.stretches) {
        gather(&run, stretches + i, count - i, data + *got);
        ssize_t read;
        int failed =
            fill(stretches[i].file, &run, stretches[i].offset, run.want < least ? 0 : flags, &read);
        if (failed)
            return failed;
        ssize_t there = kept(stretches + i, run.stretches, read);
        *got += there;
        if (there < run.sum)
            break;
    }
    return 0;
}

int io_start_write_back(int file, int64_t offset, int64_t size)
{
#ifdef __linux__
    while (sync_file_range(file, offset, size, SYNC_FILE_RANGE_WRITE) != 0) {
        if (errno == ENOSYS)
            return 0;
        if (errno != EINTR)
            return errno;
    }
#else
    (void)file, (void)offset, (void)size;
#endif
    return 0;
}
