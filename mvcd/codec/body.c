#include "body.h"

#include <string.h>

#include "planes.h"
#include "tiers.h"

enum { FLOATS = 1, RAW = 0, FILL = 1, TIERS = 3 };

size_t body_scratch(size_t size) { return size + tiers_scratch(size / 2); }

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
