/* Byte planes of fixed-width elements, and the cheap statistics that choose codecs. No Python here.
 *
 * CODEC.md specifies split and join; planes.py says the same in short Python and the tests compare
 * every function with it, bit for bit. All functions are pure and need no set-up but planes_init.
 */
#ifndef MVCD_PLANES_H
#define MVCD_PLANES_H

#include <stddef.h>
#include <stdint.h>

#define PLANES_MAX_WIDTH 8

/* Fills the table of logarithms and picks the kernels for this CPU. Call once before the others. */
void planes_init(void);

/* dst = plane 0, plane 1, ... (n bytes each) of n little-endian elements of `width` (1, 2, 4, 8)
 * bytes at src. Before, each element is transformed:
 *   integers, no base   nothing
 *   integers, base      XOR with the base's element
 *   floats, no base     the top nine bits rotated left by one: the sign goes below the next eight,
 *                       so that the top plane of BF16 and F32 is the exponent alone
 *   floats, base        difference from the base's element in the order of floats, sign folded in
 * `floats` has no meaning for a width of 1. base may be NULL. */
void planes_split(uint8_t *dst, const uint8_t *src, const uint8_t *base, size_t n, unsigned width,
                  int floats);

/* The inverse. planes[k] has n bytes, or one byte that stands for n equal ones if fill[k]. */
void planes_join(uint8_t *dst, const uint8_t *const planes[PLANES_MAX_WIDTH],
                 const int fill[PLANES_MAX_WIDTH], const uint8_t *base, size_t n, unsigned width,
                 int floats);

/* dst = src ^ base. */
void planes_xor(uint8_t *dst, const uint8_t *src, const uint8_t *base, size_t n);

/* The smallest w of 1, 2, 4, 8 such that data repeats its first w bytes (n > w), else 0. */
unsigned planes_period(const uint8_t *data, size_t n);

struct planes_probe {
    unsigned millibits; /* order-0 entropy in 1/1000 bit per byte, 0..8000 */
    unsigned repeats;   /* per mille of positions whose next 8 bytes were seen before */
};

/* Both over a sixteenth of the data, at least 1 KiB and at most 2, as 4 evenly spread blocks. */
struct planes_probe planes_probe(const uint8_t *data, size_t n);

/* Mean order-0 entropy in millibits per byte when data is read as 1, 2, 4, 8 interleaved lanes,
 * over at most 8 KiB taken as 8 evenly spread blocks. */
void planes_lanes(const uint8_t *data, size_t n, unsigned millibits[4]);

#endif
