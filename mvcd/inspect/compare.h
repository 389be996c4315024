/* Two runs of tensor elements compared: how many differ, and the sums that norms, angle, mean and
 * deviation follow from. No Python here, no allocation, no state but the choice of instructions at
 * start. compare.py has the same functions in short Python, and the tests compare every result with
 * it, bit for bit. */
#ifndef MVCD_COMPARE_H
#define MVCD_COMPARE_H

#include <stddef.h>
#include <stdint.h>

/* Numbers of the dtypes, in the order of compare.py's DTYPES. */
enum compare_dtype {
    COMPARE_BF16,
    COMPARE_F16,
    COMPARE_F32,
    COMPARE_F64,
    COMPARE_F8_E4M3,
    COMPARE_F8_E5M2,
    COMPARE_F8_E4M3FNUZ,
    COMPARE_F8_E5M2FNUZ,
    COMPARE_F8_E8M0,
    COMPARE_I8,
    COMPARE_I16,
    COMPARE_I32,
    COMPARE_I64,
    COMPARE_U8,
    COMPARE_U16,
    COMPARE_U32,
    COMPARE_U64,
    COMPARE_F4,
    COMPARE_Q4_0,
    COMPARE_Q4_1,
    COMPARE_Q5_0,
    COMPARE_Q5_1,
    COMPARE_Q8_0,
    COMPARE_Q2_K,
    COMPARE_Q3_K,
    COMPARE_Q4_K,
    COMPARE_Q5_K,
    COMPARE_Q6_K,
    COMPARE_Q8_K,
    COMPARE_IQ4_NL,
    COMPARE_IQ4_XS,
    COMPARE_TQ1_0,
    COMPARE_TQ2_0,
    COMPARE_MXFP4,
    COMPARE_NVFP4,
    COMPARE_Q1_0,
    COMPARE_FLOAT6E2M3,
    COMPARE_FLOAT6E3M2,
    COMPARE_DTYPES
};

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

/* Chooses instructions: 1 AVX2 where the processor has it, 0 portable C. Returns the choice. Both
 * give the same bits. */
int compare_select(int level);

/* Fills the tables of 8-bit and 6-bit floats. Call once before the others. */
void compare_init(void);

/* Bytes of a unit, which is an element, or a block of `compare_elements` that are packed together.
 */
unsigned compare_width(enum compare_dtype dtype);
unsigned compare_elements(enum compare_dtype dtype);

/* Makes doubles of n elements at `in`: a whole number of units. */
void compare_widen(double *out, enum compare_dtype dtype, const uint8_t *in, size_t n);

/* Adds n elements at `old` and `new` (little-endian, any alignment) to `sums`, which begins as
 * zeros. n is a whole number of units of both dtypes. */
void compare_add(struct compare_sums *sums, enum compare_dtype old_dtype, const uint8_t *old,
                 enum compare_dtype new_dtype, const uint8_t *new, size_t n);

#endif
