/* Elements of every dtype: how long they are, and their values as doubles. No state but the choice
 * of instructions at start and tables filled once. compare.py has the same in short Python. */
#ifndef MVCD_COMPARE_ELEMENTS_H
#define MVCD_COMPARE_ELEMENTS_H

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

/* Chooses instructions, which the processor must have: 1 and above AVX2, 0 portable C. */
void compare_elements_select(int level);

/* Fills the tables of 8-bit and 6-bit floats. Call once before the others. */
void compare_init(void);

/* Bytes of a unit, which is an element, or a block of `compare_elements` that are packed together.
 */
unsigned compare_width(enum compare_dtype dtype);
unsigned compare_elements(enum compare_dtype dtype);

/* Makes doubles of n elements at `in`: a whole number of units. */
void compare_widen(double *out, enum compare_dtype dtype, const uint8_t *in, size_t n);

#endif
