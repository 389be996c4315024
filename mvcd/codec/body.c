#include "body.h"

#include <string.h>

#include "planes.h"
#include "tiers.h"

enum { FLOATS = 1, RAW = 0, FILL = 1, ZSTD = 2, TIERS = 3 };

/* Most bytes of the numbers before the planes. */
enum { HEAD_BYTES = 1 + 4 * PLANES_MAX_WIDTH };

/* The planes, room for the tiers of one. */
size_t body_scratch(size_t size) { return size + tiers_scratch(size / 2); }

size_t body_most(size_t size) { return HEAD_BYTES + size; }

/* Writes the stored form of a plane of n bytes to out, which does not lie behind it; its kind, ZSTD
 * if it has to be tried, and its length. */
static unsigned store(uint8_t *out, const uint8_t *plane, size_t n, uint8_t *scratch,
                      const struct body_choices *choices, size_t *length)
{
    if (planes_period(plane, n) == 1) {
        out[0] = plane[0];
        *length = 1;
        return FILL;
    }
    if (n > choices->tiny_bytes) {
        const struct planes_probe found = planes_probe(plane, n);
        if (found.repeats >= choices->few_repeats)
            return ZSTD;
        if (found.millibits < choices->flat_millibits) {
            size_t limit = n * found.millibits * choices->tiers_per_cent / 800000;
            if (limit > n - n / 64)
                limit = n - n / 64;
            uint8_t *stored;
            *length = tiers_encode(scratch, plane, n, limit, &stored);
            if (*length == 0)
                return ZSTD;
            memcpy(out, stored, *length);
            return TIERS;
        }
    }
    if (out != plane)
        memmove(out, plane, n);
    *length = n;
    return RAW;
}

/* The planes are split to where they are stored if none shrinks. Of floats the lower ones do not,
 * so only the exponents move: it takes a tenth less time than to copy all. */
size_t body_encode(uint8_t *out, uint8_t *scratch, const uint8_t *data, size_t size, unsigned width,
                   int floats, const struct body_choices *choices)
{
    const size_t n = size / width, tail = size % width;
    size_t at = 1 + 4 * (size_t)width;
    const uint8_t *planes = out + at;
    planes_split(out + at, data, NULL, n, width, floats);
    out[0] = floats ? FLOATS : 0;
    for (unsigned k = 0; k < width; k++) {
        size_t length;
        const unsigned kind = store(out + at, planes + k * n, n, scratch, choices, &length);
        if (kind == ZSTD)
            return 0;
        const uint32_t field = kind | (uint32_t)length << 8;
        for (unsigned byte = 0; byte < 4; byte++)
            out[1 + 4 * k + byte] = (uint8_t)(field >> 8 * byte);
        at += length;
    }
    memcpy(out + at, data + n * width, tail);
    return at + tail;
}

static uint32_t little_endian(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Where the n bytes of a plane are, or the one that stands for them; NULL if it is none of ours. */
static const uint8_t *plane(unsigned kind, const uint8_t *stored, size_t length, size_t n,
                            uint8_t *room, uint8_t *scratch)
{
    if (kind == RAW)
        return length == n ? stored : NULL;
    if (kind == FILL)
        return length == 1 && n > 0 ? stored : NULL;
    if (kind == TIERS && n > 0 && tiers_decode(scratch, room, stored, length, n) == 0)
        return room;
    return NULL;
}

int body_decode(uint8_t *scratch, uint8_t *out, size_t size, unsigned width, const uint8_t *body,
                size_t length)
{
    const uint8_t *planes[PLANES_MAX_WIDTH];
    int fill[PLANES_MAX_WIDTH];
    size_t n = size / width, tail = size % width, at = 1 + 4 * (size_t)width;
    if (length < at + tail || body[0] & ~FLOATS)
        return -1;
    const size_t end = length - tail;
    for (unsigned k = 0; k < width; k++) {
        uint32_t field = little_endian(body + 1 + 4 * k);
        unsigned kind = field & 0xff;
        size_t stored = field >> 8;
        if (stored > end - at)
            return -1;
        planes[k] = plane(kind, body + at, stored, n, scratch + k * n, scratch + size);
        if (planes[k] == NULL)
            return -1;
        fill[k] = kind == FILL;
        at += stored;
    }
    if (at != end)
        return -1;
    planes_join(out, planes, fill, NULL, n, width, body[0] & FLOATS);
    memcpy(out + n * width, body + end, tail);
    return 0;
}
