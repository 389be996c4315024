/* Small files read as they are at one moment. No Python here; tests/support/kernels.py has the same
 * function in short Python, and the tests compare both. */
#ifndef MVCD_READ_H
#define MVCD_READ_H

#include <stddef.h>

#include "file_stat.h"

enum { READ_CHANGED = -1 }; /* not the same before and after, too large, or no regular file */

struct read_file {
    const char *path;      /* asked for */
    int status;            /* 0, READ_CHANGED or an errno */
    struct file_stat stat; /* this and the data if the status is 0 */
    char *data;            /* stat.size bytes; the caller frees it, whatever the status is */
};

/* Reads each of the files, of at most `limit` bytes, without following a last symbolic link. A file
 * that changes meanwhile, or is none, gets a status of its own and keeps nobody else from being
 * read. `data` is NULL before. */
void read_files(struct read_file *files, size_t count, size_t limit);

#endif
