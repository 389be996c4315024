/* Small files made. No Python here; tests/support/kernels.py has the same function in short Python,
 * and the tests compare both. */
#ifndef MVCD_WRITE_H
#define MVCD_WRITE_H

#include <stddef.h>

#include "file_stat.h"

struct write_file {
    const char *path;
    const char *data;
    size_t size;
    int bits;              /* of permission, before the umask */
    struct file_stat stat; /* what the file is when it was made */
};

/* Makes each of the files, none of which may be there, up to the first that cannot be made. Returns
 * how many were, and in *status 0 or the errno of the next one, which may be there in part. */
size_t write_files(struct write_file *files, size_t count, int *status);

#endif
