/* Classes of differences by rANS. CODEC.md has the layout, rans.py the same in short Python. No
 * Python here, no allocation, no state but the choice of instructions at start. */
#ifndef MVCD_RANS_H
#define MVCD_RANS_H

#include <stddef.h>
#include <stdint.h>

/* Chooses instructions: 2 AVX-512, 1 AVX2, 0 portable C, or the next lower one that this processor
 * has. Returns the choice. All write and read the same bytes. */
int rans_select(int level);

/* Where the parts of a body are, in this order: the head, the stream of classes, the rest. */
struct rans_body {
    const uint8_t *part[3];
    size_t length[3];
};

/* Bytes of scratch that encoding `size` raw bytes in elements of `width` needs. */
size_t rans_scratch(size_t size, unsigned width);

/* Encodes `size` bytes of elements of `width` (1, 2, 4, 8) bytes against as many of a base. The
 * parts point into scratch. `shift` is the lowest bit of the exponent, less than 8 * width. */
void rans_encode(struct rans_body *body, uint8_t *scratch, const uint8_t *data, const uint8_t *base,
                 size_t size, unsigned width, int floats, unsigned shift);

/* Writes `size` raw bytes to out. 0, or -1 if the body is not of the form; what out holds then is
 * undefined. `base` has `size` bytes, and is not out. */
int rans_decode(uint8_t *out, size_t size, unsigned width, const uint8_t *base, const uint8_t *body,
                size_t length);

#endif
