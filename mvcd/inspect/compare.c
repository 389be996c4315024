/* Theory: elements are taken as doubles, by blocks of 1024. Sums of a block run in eight lanes
 * (element i in lane i mod 8), so vector registers of any width, and the Python of compare.py, add
 * the same numbers in the same order and get the same bits.
 *
 * A block's spread is its sum of squares less what the mean has of it. Where that is nearly all of
 * it, digits would be lost: such a block is gone through again, and distances from the mean are
 * squared. Means and spreads of blocks are merged by Chan, Golub and LeVeque's formula (1979).
 *
 * NaN and infinities cost nothing until they come: they make the block's sums NaN or infinite, and
 * only then is the block taken again without them. */
#include "compare.h"

#include "../portable.h"

#include <math.h>
#include <string.h>

#define BLOCK 1024 /* whole units of every dtype */
#define LANES 8
#define ROOM (BLOCK + LANES) /* of which `spread` needs the last */

/* The part of its sum of squares that a block's spread must be to be had from it. Of 53 bits of the
 * sum, an error of 6 at most in 1024 additions and 6 of this leave 40. */
#define SPREAD_SHARE 0x1p-6

/* Of a block of which all is finite. */
struct pair_sums {
    double sums[2], powers[2], dot, squares, most;
};

typedef void take_fn(struct pair_sums *, const uint8_t *, const uint8_t *, size_t);

/* What there is for each kind of processor. */
struct level {
    take_fn *take[COMPARE_F64 + 1]; /* by dtype, which both sides have */
    double (*spread)(double *x, size_t n, double mean);
    unsigned (*changed)(const uint8_t *, const uint8_t *, size_t, unsigned width);
};

/* Of eight lanes. */
INLINE double across(const void *sums)
{
    double s[LANES];
    memcpy(s, sums, sizeof s);
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

/* Counts elements whose bits differ, in 16 bits, which a block's number fits into and which more
 * lanes of a register hold. */
#define DEFINE_CHANGED(BITS)                                                                       \
    INLINE uint16_t changed##BITS(const uint8_t *old, const uint8_t *new, size_t n)                \
    {                                                                                              \
        uint16_t count = 0;                                                                        \
        for (size_t i = 0; i < n; i++) {                                                           \
            uint##BITS##_t x, y;                                                                   \
            memcpy(&x, old + i * sizeof x, sizeof x);                                              \
            memcpy(&y, new + i * sizeof y, sizeof y);                                              \
            count += x != y;                                                                       \
        }                                                                                          \
        return count;                                                                              \
    }

DEFINE_CHANGED(8)
DEFINE_CHANGED(16)
DEFINE_CHANGED(32)
DEFINE_CHANGED(64)

/* By bits: -0.0 and 0.0 differ, equal NaN do not. */
INLINE unsigned changed(const uint8_t *old, const uint8_t *new, size_t n, unsigned width)
{
    switch (width) {
    case 1:
        return changed8(old, new, n);
    case 2:
        return changed16(old, new, n);
    case 4:
        return changed32(old, new, n);
    default:
        return changed64(old, new, n);
    }
}

/* ---------------------------------------------------------------- for each kind of processor */

#define NAME(x) x##_plain
#define KIND 0
#define VECTOR 4
#define ATTRIBUTES
#include "compare_pairs.h"
#undef NAME
#undef KIND
#undef VECTOR
#undef ATTRIBUTES

#ifdef X86
#define NAME(x) x##_avx2
#define KIND 1
#define VECTOR 4
#define ATTRIBUTES __attribute__((target("avx2,fma")))
#include "compare_pairs.h"
#undef NAME
#undef KIND
#undef VECTOR
#undef ATTRIBUTES

#define NAME(x) x##_avx512
#define KIND 2
#define VECTOR 8
#define ATTRIBUTES __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#include "compare_pairs.h"
#undef NAME
#undef KIND
#undef VECTOR
#undef ATTRIBUTES
#endif

static const struct level *chosen = &level_plain;

int compare_select(int level)
{
    int found = 0;
#ifdef X86
    __builtin_cpu_init();
    if (level >= 1 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        found = 1;
    if (level >= 2 && found && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        found = 2;
    chosen = found == 2 ? &level_avx512 : found == 1 ? &level_avx2 : &level_plain;
#else
    (void)level;
#endif
    compare_elements_select(found);
    return found;
}

/* ---------------------------------------------------------------- blocks */

INLINE void merge(struct compare_side *side, uint64_t n, double mean, double spread)
{
    uint64_t total = side->finite + n;
    if (total == 0)
        return;
    double delta = mean - side->mean, share = (double)n / (double)total;
    side->mean += delta * share;
    side->spread += spread + delta * delta * (double)side->finite * share;
    side->finite = total;
}

/* Adds a block of n elements with this sum and sum of squares; `x` is where they are, or can be
 * made of `in`. */
static void add_side(struct compare_side *side, size_t n, double sum, double power, double *x,
                     enum compare_dtype dtype, const uint8_t *in)
{
    double mean = n ? sum / (double)n : 0, around = power - sum * mean;
    if (!(around >= power * SPREAD_SHARE)) { /* nor is what overflowed */
        if (in != NULL)
            compare_widen(x, dtype, in, n);
        around = chosen->spread(x, n, mean);
    }
    merge(side, n, mean, around);
}

static void add_pairs(struct compare_sums *all, size_t n, const struct pair_sums *block)
{
    all->pairs += n;
    all->squares += block->squares;
    all->dot += block->dot;
    all->most = block->most > all->most ? block->most : all->most;
    for (int k = 0; k < 2; k++)
        all->powers[k] += block->powers[k];
}

static void take_doubles(struct pair_sums *block, const double *a, const double *b, size_t n)
{
    chosen->take[COMPARE_F64](block, (const uint8_t *)a, (const uint8_t *)b, n);
}

/* A block in which something is not finite: counted, left out, and the rest taken as any block. */
static void add_uneven(struct compare_sums *all, const double *a, const double *b, size_t n)
{
    double left[ROOM], right[ROOM];
    const double *from[2] = {a, b};
    struct pair_sums block;
    for (int k = 0; k < 2; k++) {
        size_t kept = 0;
        for (size_t i = 0; i < n; i++) {
            double x = from[k][i];
            left[kept] = x;
            kept += isfinite(x) != 0;
            all->side[k].nans += isnan(x) != 0;
            all->side[k].infinities += isinf(x) != 0;
        }
        take_doubles(&block, left, left, kept);
        add_side(&all->side[k], kept, block.sums[0], block.powers[0], left, 0, NULL);
    }
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        left[kept] = a[i];
        right[kept] = b[i];
        kept += isfinite(a[i]) && isfinite(b[i]);
    }
    take_doubles(&block, left, right, kept);
    add_pairs(all, kept, &block);
}

/* NaN is no change from NaN. */
static uint64_t changed_values(const double *a, const double *b, size_t n)
{
    uint64_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += (uint64_t)(a[i] != b[i]) & ((uint64_t)(a[i] == a[i]) | (uint64_t)(b[i] == b[i]));
    return count;
}

/* What is packed counts as changed by value: two spellings of a block may say the same. */
void compare_add(struct compare_sums *all, enum compare_dtype old_dtype, const uint8_t *old,
                 enum compare_dtype new_dtype, const uint8_t *new, size_t n)
{
    _Alignas(64) double a[ROOM], b[ROOM];
    const unsigned old_width = compare_width(old_dtype), new_width = compare_width(new_dtype);
    const unsigned old_unit = compare_elements(old_dtype), new_unit = compare_elements(new_dtype);
    const int by_bits = old_dtype == new_dtype && old_unit == 1;
    const int as_they_lie = by_bits && old_dtype <= COMPARE_F64 && IS_LITTLE_ENDIAN;
    all->elements += n;
    for (size_t size; n > 0; n -= size) {
        struct pair_sums block;
        size = n < BLOCK ? n : BLOCK;
        if (as_they_lie) {
            chosen->take[old_dtype](&block, old, new, size);
        } else {
            compare_widen(a, old_dtype, old, size);
            compare_widen(b, new_dtype, new, size);
            take_doubles(&block, a, b, size);
        }
        all->changed +=
            by_bits ? chosen->changed(old, new, size, old_width) : changed_values(a, b, size);
        if (isfinite(block.sums[0]) && isfinite(block.sums[1])) {
            const uint8_t *from[2] = {as_they_lie ? old : NULL, as_they_lie ? new : NULL};
            add_side(&all->side[0], size, block.sums[0], block.powers[0], a, old_dtype, from[0]);
            add_side(&all->side[1], size, block.sums[1], block.powers[1], b, new_dtype, from[1]);
            add_pairs(all, size, &block);
        } else {
            if (as_they_lie) {
                compare_widen(a, old_dtype, old, size);
                compare_widen(b, new_dtype, new, size);
            }
            add_uneven(all, a, b, size);
        }
        old += size / old_unit * old_width;
        new += size / new_unit * new_width;
    }
}
