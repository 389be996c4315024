/* Reading stretches of files, and starting write-back. No Python here; tests/support/kernels.py has
 * the same functions in short Python, and the tests compare both. */
#ifndef MVCD_IO_H
#define MVCD_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* `size` bytes of the file behind a descriptor, from `offset` on; neither is negative. */
struct io_stretch {
    int file;
    int64_t offset;
    ssize_t size;
};

/* Reads stretches one after another to `data`, which has room for all of them. What lies side by
 * side comes in one call, with `flags` (preadv2(2)) if it is `least` bytes or more and the file
 * system knows them. Returns 0 and in *got the bytes there, fewer than all of them where a file
 * ends before its stretch does; or an errno. */
int io_read_stretches(const struct io_stretch *stretches, size_t count, char *data, int flags,
                      ssize_t least, ssize_t *got);

/* Has the kernel begin to write these bytes to disk (sync_file_range(2)); nothing where it cannot.
 * Returns 0 or an errno. */
int io_start_write_back(int file, int64_t offset, int64_t size);

#endif
