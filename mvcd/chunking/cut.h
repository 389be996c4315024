/* Where chunks end. CHUNKING.md is the specification, cut.py its executable form; every kernel here gives
 * the same points. No allocation, no state, any number of threads. */
#ifndef MVCD_CUT_H
#define MVCD_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CUT_WINDOW = 64 };

struct cut_params {
    size_t min_size;  /* >= 128 */
    size_t max_size;  /* > min_size */
    uint64_t limit;   /* the largest hash that confirms a proposal */
};

/* The first position in [from, end) whose hash cuts, or `end`. Reads data[from - 64, end); from >= 64. */
typedef size_t cut_scan(const uint8_t *data, size_t from, size_t end, uint64_t limit);

struct cut_kernel {
    const char *name;
    cut_scan *scan;
    bool (*usable)(void);  /* on this machine */
};

/* Best first; the last one is portable and always usable. */
extern const struct cut_kernel cut_kernels[];
extern const size_t cut_kernel_count;

/* At most this many points come out of `size` bytes. */
size_t cut_capacity(size_t size, const struct cut_params *params);

/* Writes the ends of all chunks of data[0, size), which begins at a chunk's start, and returns their number.
 * Unless `final`, bytes after the last point are undecided; with it they are the last chunk. */
size_t cut_points(const uint8_t *data, size_t size, bool final, const struct cut_params *params,
                  cut_scan *scan, uint64_t *points);

#endif
