/* Tiers: a prefix code of fixed shape, written as bitmaps. CODEC.md has the layout, tiers.py the
 * same functions in short Python. No Python here, no allocation, no state but the choice of
 * instructions at start. */
#ifndef MVCD_TIERS_H
#define MVCD_TIERS_H

#include <stddef.h>
#include <stdint.h>

#define TIERS_MAX 5

/* Chooses instructions: 2 AVX-512, 1 AVX2, 0 portable C, or the next lower one that this processor
 * has. Returns the choice. All write and read the same bytes. */
int tiers_select(int level);

/* Bytes of scratch that encoding or decoding n symbols needs. */
size_t tiers_scratch(size_t n);

/* The stored form of n > 0 symbols, written to scratch; its length, or 0 if it would not be shorter
 * than `limit`. *stored points into scratch. */
size_t tiers_encode(uint8_t *scratch, const uint8_t *data, size_t n, size_t limit,
                    uint8_t **stored);

/* Writes the n symbols to out. 0, or -1 if the stored bytes are not of the form. */
int tiers_decode(uint8_t *scratch, uint8_t *out, const uint8_t *stored, size_t length, size_t n);

#endif
