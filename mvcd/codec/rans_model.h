/* What rans_encode.c and rans_decode.c share: how an element becomes a class, and what words are.
 */
#ifndef MVCD_RANS_MODEL_H
#define MVCD_RANS_MODEL_H

#include "../portable.h"

#include <stdint.h>
#include <string.h>

enum {
    LANES = 32,
    SCALE_BITS = 10,
    SCALE = 1 << SCALE_BITS,
    LOW = 1 << 15, /* the least state; all are below 2^31 */
    MAX_CONTEXTS = 8,
    MAX_CLASSES = 128,
    FLOATS = 1,
    SKIPS = 2,
};

/* The decoder's half of rans_select. */
int rans_select_decoder(int level);

struct model {
    unsigned width, shift, contexts;
    int floats;
    uint64_t top, bias;
};

INLINE uint64_t load(const uint8_t *at, unsigned width)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t x = 0;
    memcpy(&x, at, width);
    return x;
#else
    uint64_t x = 0;
    for (unsigned k = 0; k < width; k++)
        x |= (uint64_t)at[k] << (8 * k);
    return x;
#endif
}

INLINE void store(uint8_t *at, uint64_t x, unsigned width)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(at, &x, width);
#else
    for (unsigned k = 0; k < width; k++)
        at[k] = (uint8_t)(x >> (8 * k));
#endif
}

INLINE uint64_t ones(unsigned bits) { return bits < 64 ? ((uint64_t)1 << bits) - 1 : ~(uint64_t)0; }

/* Sign and magnitude -> a number in the order of the floats, as in planes.c; bits above are 0.
 * Without
 * ?:, here and below: half of such branches would be mispredicted. */
INLINE uint64_t ordered(uint64_t x, unsigned bits)
{
    return x ^ (((0 - (x >> (bits - 1))) & ones(bits)) | (uint64_t)1 << (bits - 1));
}

INLINE uint64_t unordered(uint64_t x, unsigned bits)
{
    return x ^ ((((x >> (bits - 1)) - 1) & ones(bits)) | (uint64_t)1 << (bits - 1));
}

INLINE uint64_t least(uint64_t a, uint64_t b) { return b ^ ((a ^ b) & (0 - (uint64_t)(a < b))); }

INLINE unsigned context_of(const struct model *m, uint64_t y, unsigned width)
{
    uint64_t exponent = (y & ones(8 * width - 1)) >> m->shift;
    return (unsigned)least(m->top - least(exponent, m->top), m->contexts - 1);
}

/* Bits below a class. */
INLINE unsigned rest_bits(unsigned class) { return class < 4 ? 0 : (class >> 1) - 1; }

#endif
