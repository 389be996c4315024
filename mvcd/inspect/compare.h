/* Two runs of tensor elements compared: how many differ, and the sums that norms, angle, mean and
 * deviation follow from. No Python here, no allocation, no state but the choice of instructions at
 * start. compare.py has the same functions in short Python, and the tests compare every result with
 * it, bit for bit. */
#ifndef MVCD_COMPARE_H
#define MVCD_COMPARE_H

#include "compare_elements.h"

/* One side's finite elements: their number, mean, and sum of squared distances from the mean. */
struct compare_side {
    uint64_t finite, nans, infinities;
    double mean, spread;
};

struct compare_sums {
    uint64_t elements, changed;
    uint64_t pairs;   /* of which both are finite; the next four are over these */
    double squares;   /* of new - old */
    double dot;       /* old * new */
    double most;      /* the largest |new - old| */
    double powers[2]; /* sums of squares of old and of new */
    struct compare_side side[2];
};

/* Chooses instructions: 2 AVX-512, 1 AVX2 where the processor has it, 0 portable C. Returns the
 * choice. All give the same bits. */
int compare_select(int level);

/* Adds n elements at `old` and `new` (little-endian, any alignment) to `sums`, which begins as
 * zeros. n is a whole number of units of both dtypes. */
void compare_add(struct compare_sums *sums, enum compare_dtype old_dtype, const uint8_t *old,
                 enum compare_dtype new_dtype, const uint8_t *new, size_t n);

#endif
