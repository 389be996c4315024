/* Theory: a float's bytes differ in kind. The exponent of trained weights holds about 2.6 bits of
 * 8, the mantissa is noise; interleaved they hide each other from an entropy coder, apart the
 * exponent shrinks to a third and the noise is stored as it is (ZipNN, arXiv 2411.05239).
 *
 * The loops of split and join are written for the compiler's vectoriser: fixed width, unit stride
 * on one side, constant flags. With baseline SSE2 (gcc 12 -O3, Zen 4) splitting BF16 runs at 4
 * GB/s, which beside tiers (tiers.c) would be half of all encoding; so the compiler makes clones
 * for AVX2 and AVX-512 where the loader can choose among them at run time (ifunc). */
#include "planes.h"

#include "../portable.h"

#include <string.h>

/* ---------------------------------------------------------------- split and join */

#define BLOCK 512 /* elements; split keeps this many in L1 and writes one plane at a time */

/* sunk: the top nine bits rotated left by one, so that the sign lies between exponent and mantissa.
 * ordered: sign and magnitude -> unsigned numbers in the order of the floats, so that close floats
 * have a small difference even across a power of two or zero, where their bits differ widely.
 * folded: small differences of either sign -> small unsigned numbers. All are bijections modulo
 * 2^BITS. */
#define DEFINE_WIDTH(BITS, TYPE)                                                                   \
    INLINE TYPE load##BITS(const uint8_t *src)                                                     \
    {                                                                                              \
        TYPE x;                                                                                    \
        memcpy(&x, src, sizeof x);                                                                 \
        return (TYPE)LITTLE##BITS(x);                                                              \
    }                                                                                              \
    INLINE TYPE sunk##BITS(TYPE x)                                                                 \
    {                                                                                              \
        const TYPE sign = (TYPE)((TYPE)1 << (BITS - 9)), top = (TYPE)((TYPE)0xFF << (BITS - 8));   \
        return (TYPE)((x << 1 & top) | (x >> 8 & sign) | (x & (TYPE)(sign - 1)));                  \
    }                                                                                              \
    INLINE TYPE raised##BITS(TYPE x)                                                               \
    {                                                                                              \
        const TYPE sign = (TYPE)((TYPE)1 << (BITS - 9)), top = (TYPE)((TYPE)0xFF << (BITS - 8));   \
        return (TYPE)((TYPE)((x & top) >> 1) | (TYPE)((x & sign) << 8) | (x & (TYPE)(sign - 1)));  \
    }                                                                                              \
    INLINE TYPE ordered##BITS(TYPE x)                                                              \
    {                                                                                              \
        return (TYPE)(x ^ ((TYPE)(0 - (x >> (BITS - 1))) | (TYPE)((TYPE)1 << (BITS - 1))));        \
    }                                                                                              \
    INLINE TYPE unordered##BITS(TYPE x)                                                            \
    {                                                                                              \
        return (TYPE)(x ^ ((TYPE)((x >> (BITS - 1)) - 1) | (TYPE)((TYPE)1 << (BITS - 1))));        \
    }                                                                                              \
    INLINE TYPE forward##BITS(TYPE x, const uint8_t *base, int floats)                             \
    {                                                                                              \
        if (!floats)                                                                               \
            return base ? (TYPE)(x ^ load##BITS(base)) : x;                                        \
        if (!base)                                                                                 \
            return sunk##BITS(x);                                                                  \
        TYPE d = (TYPE)(ordered##BITS(x) - ordered##BITS(load##BITS(base)));                       \
        return (TYPE)((TYPE)(d << 1) ^ (TYPE)(0 - (d >> (BITS - 1))));                             \
    }                                                                                              \
    INLINE TYPE backward##BITS(TYPE x, const uint8_t *base, int floats)                            \
    {                                                                                              \
        if (!floats)                                                                               \
            return base ? (TYPE)(x ^ load##BITS(base)) : x;                                        \
        if (!base)                                                                                 \
            return raised##BITS(x);                                                                \
        TYPE d = (TYPE)((TYPE)(x >> 1) ^ (TYPE)(0 - (x & 1)));                                     \
        return unordered##BITS((TYPE)(d + ordered##BITS(load##BITS(base))));                       \
    }                                                                                              \
    INLINE void split##BITS(uint8_t *restrict dst, const uint8_t *restrict src,                    \
                            const uint8_t *restrict base, size_t n, int floats)                    \
    {                                                                                              \
        TYPE words[BLOCK];                                                                         \
        for (size_t start = 0; start < n; start += BLOCK) {                                        \
            size_t m = n - start < BLOCK ? n - start : BLOCK;                                      \
            for (size_t i = 0; i < m; i++) {                                                       \
                size_t at = (start + i) * sizeof(TYPE);                                            \
                words[i] = forward##BITS(load##BITS(src + at), base ? base + at : NULL, floats);   \
            }                                                                                      \
            for (unsigned k = 0; k < sizeof(TYPE); k++)                                            \
                for (size_t i = 0; i < m; i++)                                                     \
                    dst[k * n + start + i] = (uint8_t)(words[i] >> (8 * k));                       \
        }                                                                                          \
    }                                                                                              \
    INLINE void join##BITS(uint8_t *restrict dst, const uint8_t *const p[],                        \
                           const uint8_t *restrict base, size_t n, int floats)                     \
    {                                                                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            size_t at = i * sizeof(TYPE);                                                          \
            TYPE x = 0;                                                                            \
            for (unsigned k = 0; k < sizeof x; k++)                                                \
                x |= (TYPE)((TYPE)p[k][i] << (8 * k));                                             \
            x = backward##BITS(x, base ? base + at : NULL, floats);                                \
            x = (TYPE)LITTLE##BITS(x);                                                             \
            memcpy(dst + at, &x, sizeof x);                                                        \
        }                                                                                          \
    }

DEFINE_WIDTH(16, uint16_t)
DEFINE_WIDTH(32, uint32_t)
DEFINE_WIDTH(64, uint64_t)

/* Constant arguments make each case its own branch-free loop. */
#define SPECIALISE(FUNCTION, PLANES)                                                               \
    do {                                                                                           \
        if (base && floats)                                                                        \
            FUNCTION(dst, PLANES, base, n, 1);                                                     \
        else if (base)                                                                             \
            FUNCTION(dst, PLANES, base, n, 0);                                                     \
        else if (floats)                                                                           \
            FUNCTION(dst, PLANES, NULL, n, 1);                                                     \
        else                                                                                       \
            FUNCTION(dst, PLANES, NULL, n, 0);                                                     \
    } while (0)

void planes_xor(uint8_t *restrict dst, const uint8_t *restrict src, const uint8_t *restrict base,
                size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = src[i] ^ base[i];
}

static void copy_or_xor(uint8_t *dst, const uint8_t *src, const uint8_t *base, size_t n)
{
    if (base)
        planes_xor(dst, src, base, n);
    else
        memcpy(dst, src, n);
}

CLONED void planes_split(uint8_t *dst, const uint8_t *src, const uint8_t *base, size_t n,
                         unsigned width, int floats)
{
    switch (width) {
    case 2:
        SPECIALISE(split16, src);
        break;
    case 4:
        SPECIALISE(split32, src);
        break;
    case 8:
        SPECIALISE(split64, src);
        break;
    default:
        copy_or_xor(dst, src, base, n);
    }
}

CLONED static void join_whole(uint8_t *dst, const uint8_t *const planes[], const uint8_t *base,
                              size_t n, unsigned width, int floats)
{
    switch (width) {
    case 2:
        SPECIALISE(join16, planes);
        break;
    case 4:
        SPECIALISE(join32, planes);
        break;
    case 8:
        SPECIALISE(join64, planes);
        break;
    default:
        copy_or_xor(dst, planes[0], base, n);
    }
}

void planes_join(uint8_t *dst, const uint8_t *const planes[PLANES_MAX_WIDTH],
                 const int fill[PLANES_MAX_WIDTH], const uint8_t *base, size_t n, unsigned width,
                 int floats)
{
    enum { STEP = 4096 };
    uint8_t filled[PLANES_MAX_WIDTH][STEP];
    const uint8_t *now[PLANES_MAX_WIDTH];
    int any = 0;
    for (unsigned k = 0; k < width; k++) {
        now[k] = planes[k];
        if (fill[k]) {
            memset(filled[k], planes[k][0], STEP);
            now[k] = filled[k];
            any = 1;
        }
    }
    if (!any) {
        join_whole(dst, now, base, n, width, floats);
        return;
    }
    for (size_t start = 0; start < n; start += STEP) {
        size_t m = n - start < STEP ? n - start : STEP;
        for (unsigned k = 0; k < width; k++)
            if (!fill[k])
                now[k] = planes[k] + start;
        join_whole(dst + start * width, now, base ? base + start * width : NULL, m, width, floats);
    }
}

unsigned planes_period(const uint8_t *data, size_t n)
{
    for (unsigned w = 1; w <= 8; w *= 2)
        if (n > w && memcmp(data, data + w, n - w) == 0)
            return w;
    return 0;
}

/* ---------------------------------------------------------------- statistics */

#define PROBE_BLOCKS 4
#define PROBE_MIN 1024
#define PROBE_MAX 2048
#define LANES_BLOCKS 8
#define LANES_SAMPLE 8192
#define ONE 65536           /* fixed point: 16 fractional bits */
#define HALF_OVER_LN2 47274 /* ONE / (2 ln 2) */
#define REPEAT_LENGTH 8     /* bytes; noise with 2.6 bits a byte repeats 8 by chance once in 2^21 */
#define REPEAT_HASH 0x9E3779B97F4A7C15u
#define REPEAT_BITS 11

static uint32_t log2_table[LANES_SAMPLE + 1];

void planes_init(void)
{
    for (uint32_t c = 1; c <= LANES_SAMPLE; c++) {
        unsigned whole = 0;
        while (c >> (whole + 1))
            whole++;
        uint64_t x = (uint64_t)c << (31 - whole); /* c / 2^whole in [1, 2), 31 fractional bits */
        uint32_t fraction = 0;
        for (int bit = 0; bit < 16; bit++) { /* squaring doubles the logarithm */
            x = x * x >> 31;
            fraction <<= 1;
            if (x >> 32) {
                fraction |= 1;
                x >>= 1;
            }
        }
        log2_table[c] = whole * ONE + fraction;
    }
}

/* Entropy of `total` symbols in 1/ONE bit, with Miller and Madow's correction for small samples:
 * (symbols seen - 1) / (2 N ln 2). */
static uint32_t entropy(const uint32_t counts[256], uint32_t total)
{
    if (total == 0)
        return 0;
    uint64_t sum = 0;
    uint32_t seen = 0;
    for (unsigned s = 0; s < 256; s++) {
        sum += (uint64_t)counts[s] * log2_table[counts[s]];
        seen += counts[s] != 0;
    }
    uint64_t bits = log2_table[total] - sum / total + (uint64_t)(seen - 1) * HALF_OVER_LN2 / total;
    return bits > 8 * ONE ? 8 * ONE : (uint32_t)bits;
}

/* Gathers evenly spread blocks, the first at the start and the last near the end, each at a
 * multiple of 8 so that lanes stay lanes. Returns the sample: `data` itself if it is small. */
static const uint8_t *take_sample(uint8_t *space, const uint8_t *data, size_t *n, size_t limit,
                                  size_t blocks)
{
    if (*n <= limit)
        return data;
    size_t size = limit / blocks;
    for (size_t i = 0; i < blocks; i++) {
        size_t at = (*n - size) * i / (blocks - 1) & ~(size_t)7;
        memcpy(space + i * size, data + at, size);
    }
    *n = limit;
    return space;
}

/* The table has the strings themselves, no positions, so that noise is told without a branch, which
 * it would mispredict each time: a probe takes 4 us and not 10. */
static unsigned count_repeats(const uint8_t *sample, size_t n)
{
    uint64_t last[1 << REPEAT_BITS] = {1}; /* by hash; that of 0 is 0, that of 1 is not */
    unsigned repeats = 0;
    if (n <= REPEAT_LENGTH)
        return 0;
    size_t positions = n - REPEAT_LENGTH + 1;
    for (size_t i = 0; i < positions; i++) {
        uint64_t now = load64(sample + i);
        uint64_t *slot = &last[now * REPEAT_HASH >> (64 - REPEAT_BITS)];
        repeats += *slot == now;
        *slot = now;
    }
    return (unsigned)(repeats * 1000 / positions);
}

struct planes_probe planes_probe(const uint8_t *data, size_t n)
{
    uint8_t space[PROBE_MAX];
    uint32_t counts[256] = {0};
    size_t limit = n / 16 & ~(size_t)(8 * PROBE_BLOCKS - 1);
    limit = limit < PROBE_MIN ? PROBE_MIN : limit > PROBE_MAX ? PROBE_MAX : limit;
    const uint8_t *sample = take_sample(space, data, &n, limit, PROBE_BLOCKS);
    for (size_t i = 0; i < n; i++)
        counts[sample[i]]++;
    struct planes_probe result = {
        .millibits = (unsigned)((uint64_t)entropy(counts, (uint32_t)n) * 1000 / ONE),
        .repeats = count_repeats(sample, n),
    };
    return result;
}

void planes_lanes(const uint8_t *data, size_t n, unsigned millibits[4])
{
    uint8_t space[LANES_SAMPLE];
    uint32_t counts[8][256] = {{0}};
    const uint8_t *sample = take_sample(space, data, &n, LANES_SAMPLE, LANES_BLOCKS);
    uint32_t per_lane = (uint32_t)(n / 8);
    for (uint32_t i = 0; i < per_lane; i++)
        for (unsigned lane = 0; lane < 8; lane++)
            counts[lane][sample[8 * i + lane]]++;
    unsigned width = 8;
    for (int step = 3;; step--) {
        uint64_t sum = 0;
        for (unsigned lane = 0; lane < width; lane++)
            sum += entropy(counts[lane], per_lane * (8 / width));
        millibits[step] = (unsigned)(sum * 1000 / ONE / width);
        if (step == 0)
            return;
        width /= 2; /* lane k of half the width is lanes k and k + width together */
        for (unsigned lane = 0; lane < width; lane++)
            for (unsigned s = 0; s < 256; s++)
                counts[lane][s] += counts[lane + width][s];
    }
}
