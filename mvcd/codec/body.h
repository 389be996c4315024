/* Whole bodies of CODEC.md's PLANES, as far as they need no zstd. No Python here, no allocation. */
#ifndef MVCD_BODY_H
#define MVCD_BODY_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of scratch for a body of `size` raw bytes. */
size_t body_scratch(size_t size);

/* Most bytes of a body of `size` raw bytes that needs no zstd. */
size_t body_most(size_t size);

/* When a plane is stored in tiers, when raw, and when zstd has to be asked; alone.py has the
 * figures, of which each is named there. */
struct body_choices {
    size_t tiny_bytes;
    unsigned flat_millibits, few_repeats, tiers_per_cent;
};

/* Writes the body of `size` raw bytes of elements of `width` (2, 4, 8) bytes, without a base, to
 * out, which has room for body_most; returns its length, or 0 if a plane needs zstd. */
size_t body_encode(uint8_t *out, uint8_t *scratch, const uint8_t *data, size_t size, unsigned width,
                   int floats, const struct body_choices *choices);

/* Writes `size` raw bytes of elements of `width` (2, 4, 8) bytes to out. 0, or -1 if the body is
 * malformed or has a plane in zstd; what out holds then is undefined. */
int body_decode(uint8_t *scratch, uint8_t *out, size_t size, unsigned width, const uint8_t *body,
                size_t length);

#endif
