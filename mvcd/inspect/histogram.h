/* How values of a tensor, or what a change added to them, are distributed: the least and the
 * greatest, and counts in bins of equal width. No Python here, no allocation, no state. Call
 * compare_init before. */
#ifndef MVCD_HISTOGRAM_H
#define MVCD_HISTOGRAM_H

#include "compare.h"

/* n elements at `new` (little-endian, any alignment) of `new_dtype`; with `old`, what they are more
 * than the n elements there. n is a whole number of units of both dtypes. What is not finite is
 * left out. */
struct histogram_run {
    enum compare_dtype old_dtype, new_dtype;
    const uint8_t *old; /* or NULL */
    const uint8_t *new;
    size_t n;
};

/* Widens [low, high] to hold all values; begin with infinity and -infinity. */
void histogram_extent(const struct histogram_run *run, double *low, double *high);

/* Counts values from `low` to `high`, both included, in `bins` equal parts of it; others are left
 * out. Where low is high, all go to the first. */
void histogram_add(const struct histogram_run *run, double low, double high, uint64_t *counts,
                   size_t bins);

#endif
