/* Where chunks end. CHUNKING.md is the specification, cut.py its executable form; every kernel here
 * gives the same points. No allocation, no state, any number of threads. */
#ifndef MVCD_CUT_H
#define MVCD_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cut_params {
    size_t min_size; /* >= CUT_WINDOW */
    size_t max_size; /* > min_size */
    uint64_t limit;  /* the largest weight that cuts */
};

enum { CUT_WINDOW = 256 };

/* What a scan has found among the proposals that did not cut. */
struct cut_best {
    uint64_t weight;
    size_t end;
};

/* The end of the chunk if a proposal at a position in [from, to) cuts, else 0; *best then has the
 * lightest proposal if that is not heavier than what it had. Reads data[from - 255, to), and so
 * from is at least 255. */
typedef size_t cut_scan(const uint8_t *data, size_t from, size_t to, uint64_t limit,
                        struct cut_best *best);

struct cut_kernel {
    const char *name;
    cut_scan *scan;
    bool (*usable)(void); /* on this machine */
};

/* Best first; the last one is portable and always usable. */
extern const struct cut_kernel cut_kernels[];
extern const size_t cut_kernel_count;

/* At most this many points come out of `size` bytes. */
size_t cut_capacity(size_t size, const struct cut_params *params);

/* Writes the ends of all chunks of data[0, size), which begins at a chunk's start, and returns
 * their number. Unless `final`, bytes after the last point are undecided; with it they are the last
 * chunk. */
size_t cut_points(const uint8_t *data, size_t size, bool final, const struct cut_params *params,
                  cut_scan *scan, uint64_t *points);

#endif
