/* Theory: elements are widened to double by blocks of 1024, which stay in the first cache. Sums of
 * a block run in sixteen lanes (element i in lane i mod 16), so vector registers of any width, and
 * the Python of compare.py, add the same numbers in the same order and get the same bits. Mean and
 * spread are taken in two passes over the block and merged by Chan, Golub and LeVeque's formula
 * (1979): no sum of squares ever loses its digits to a large mean.
 *
 * NaN and infinities cost nothing until they come: they make the block's sums NaN or infinite, and
 * only then is the block taken again without them. */
#include "compare.h"

#include <math.h>
#include <string.h>

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF /* GCC is told by -std=c11 */
#endif

#if (defined(__x86_64__) || defined(_M_X64)) && (defined(__GNUC__) || defined(__clang__))
#define X86 1
#endif

#define BLOCK 1024
#define LANES 16 /* enough for additions to overlap, each of which takes four cycles */
#define QUADS (LANES / 4)
#define INLINE static inline __attribute__((always_inline))

/* Sixteen lanes are four vectors of four: GCC makes poor code of vectors wider than the processor's
 * registers. */
typedef double quad __attribute__((vector_size(32)));
typedef int64_t quad_bits __attribute__((vector_size(32)));

static float six_bit_floats[2][64]; /* values of E2M3 and E3M2 */
static float eight_bits[5][256]; /* values of the five 8-bit floats, in the order of their dtypes */

/* ---------------------------------------------------------------- elements to doubles */

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define LITTLE8(x) (x)
#define LITTLE16(x) __builtin_bswap16(x)
#define LITTLE32(x) __builtin_bswap32(x)
#define LITTLE64(x) __builtin_bswap64(x)
#else
#define LITTLE8(x) (x)
#define LITTLE16(x) (x)
#define LITTLE32(x) (x)
#define LITTLE64(x) (x)
#endif

/* loadB reads B bits from any address; widen_iB and widen_uB make doubles of n integers; changedB
 * counts those of n elements whose bits differ, in 16 bits, which a block's number fits into and
 * which more lanes of a register hold. */
#define DEFINE_WIDTH(BITS)                                                                         \
    INLINE uint##BITS##_t load##BITS(const uint8_t *at)                                            \
    {                                                                                              \
        uint##BITS##_t x;                                                                          \
        memcpy(&x, at, sizeof x);                                                                  \
        return LITTLE##BITS(x);                                                                    \
    }                                                                                              \
    INLINE void widen_i##BITS(double *out, const uint8_t *in, size_t n)                            \
    {                                                                                              \
        for (size_t i = 0; i < n; i++)                                                             \
            out[i] = (double)(int##BITS##_t)load##BITS(in + i * (BITS / 8));                       \
    }                                                                                              \
    INLINE void widen_u##BITS(double *out, const uint8_t *in, size_t n)                            \
    {                                                                                              \
        for (size_t i = 0; i < n; i++)                                                             \
            out[i] = (double)load##BITS(in + i * (BITS / 8));                                      \
    }                                                                                              \
    INLINE uint16_t changed##BITS(const uint8_t *old, const uint8_t *new, size_t n)                \
    {                                                                                              \
        uint16_t count = 0;                                                                        \
        for (size_t i = 0; i < n; i++)                                                             \
            count += load##BITS(old + i * (BITS / 8)) != load##BITS(new + i * (BITS / 8));         \
        return count;                                                                              \
    }

DEFINE_WIDTH(8)
DEFINE_WIDTH(16)
DEFINE_WIDTH(32)
DEFINE_WIDTH(64)

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The exponent moves from a bias of 15 to 127 by a multiplication, which also makes subnormals
 * right. */
INLINE float half(uint32_t x)
{
    float value = float_of((x & 0x7fff) << 13) * 0x1p112f;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits |= (x & 0x7c00) == 0x7c00 ? 0x7f800000u : 0u;
    return float_of(bits | (x & 0x8000) << 16);
}

/* Bytes and elements of a unit, in the order of the dtypes. */
static const struct {
    uint16_t width, elements;
} units[COMPARE_DTYPES] = {
    {2, 1},     {2, 1},     {4, 1},     {8, 1},     {1, 1},     {1, 1},   {1, 1},     {1, 1},
    {1, 1},     {1, 1},     {2, 1},     {4, 1},     {8, 1},     {1, 1},   {2, 1},     {4, 1},
    {8, 1},     {1, 2},     {18, 32},   {20, 32},   {22, 32},   {24, 32}, {34, 32},   {84, 256},
    {110, 256}, {144, 256}, {176, 256}, {210, 256}, {292, 256}, {18, 32}, {136, 256}, {54, 256},
    {66, 256},  {17, 32},   {36, 64},   {18, 128},  {3, 4},     {3, 4},
};

unsigned compare_width(enum compare_dtype dtype) { return units[dtype].width; }

unsigned compare_elements(enum compare_dtype dtype) { return units[dtype].elements; }

#include "compare_blocks.h"

INLINE void widen(double *out, enum compare_dtype dtype, const uint8_t *in, size_t n)
{
    switch (dtype) {
    case COMPARE_BF16:
        for (size_t i = 0; i < n; i++)
            out[i] = float_of((uint32_t)load16(in + 2 * i) << 16);
        break;
    case COMPARE_F16:
        for (size_t i = 0; i < n; i++)
            out[i] = half(load16(in + 2 * i));
        break;
    case COMPARE_F32:
        for (size_t i = 0; i < n; i++)
            out[i] = float_of(load32(in + 4 * i));
        break;
    case COMPARE_F64:
        for (size_t i = 0; i < n; i++) {
            uint64_t x = load64(in + 8 * i);
            memcpy(out + i, &x, sizeof x);
        }
        break;
    case COMPARE_F8_E4M3:
    case COMPARE_F8_E5M2:
    case COMPARE_F8_E4M3FNUZ:
    case COMPARE_F8_E5M2FNUZ:
    case COMPARE_F8_E8M0:
        for (size_t i = 0; i < n; i++)
            out[i] = eight_bits[dtype - COMPARE_F8_E4M3][in[i]];
        break;
    case COMPARE_I8:
        widen_i8(out, in, n);
        break;
    case COMPARE_I16:
        widen_i16(out, in, n);
        break;
    case COMPARE_I32:
        widen_i32(out, in, n);
        break;
    case COMPARE_I64:
        widen_i64(out, in, n);
        break;
    case COMPARE_U8:
        widen_u8(out, in, n);
        break;
    case COMPARE_U16:
        widen_u16(out, in, n);
        break;
    case COMPARE_U32:
        widen_u32(out, in, n);
        break;
    case COMPARE_U64:
        widen_u64(out, in, n);
        break;
    case COMPARE_F4:
        for (size_t i = 0; i < n; i++)
            out[i] = 0.5 * halves[in[i / 2] >> 4 * (i % 2) & 15];
        break;
    case COMPARE_FLOAT6E2M3:
    case COMPARE_FLOAT6E3M2:
        for (size_t i = 0; i < n; i++) {
            const uint8_t *four = in + i / 4 * 3;
            uint32_t codes = four[0] | four[1] << 8 | (uint32_t)four[2] << 16;
            out[i] = six_bit_floats[dtype - COMPARE_FLOAT6E2M3][codes >> 6 * (i % 4) & 63];
        }
        break;
    case COMPARE_DTYPES:
        break;
    default:
        widen_blocks(out, dtype, in, n);
    }
}

/* `exponent_bits` and the rest mantissa; `fnuz`: 0x80 is the only NaN, no infinities, and a bias
 * greater by 1. */
static float eight_bit_float(unsigned x, int exponent_bits, int fnuz)
{
    int mantissa_bits = 7 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1 + fnuz;
    unsigned top = (1u << exponent_bits) - 1, exponent = x >> mantissa_bits & top;
    unsigned mantissa = x & ((1u << mantissa_bits) - 1), low = x & 0x7f;
    if (fnuz ? x == 0x80 : exponent_bits == 4 ? low == 0x7f : low > 0x7c)
        return NAN;
    float sign = x & 0x80 ? -1.0f : 1.0f;
    if (!fnuz && exponent_bits == 5 && low == 0x7c)
        return sign * INFINITY;
    float fraction = (float)mantissa / (float)(1 << mantissa_bits);
    return sign *
           (exponent ? ldexpf(1.0f + fraction, (int)exponent - bias) : ldexpf(fraction, 1 - bias));
}

/* Of a float with 2 or 3 bits of exponent, without NaN and infinities. */
static float six_bit_float(unsigned x, int exponent_bits)
{
    int mantissa_bits = 5 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
    unsigned exponent = x >> mantissa_bits & ((1u << exponent_bits) - 1);
    unsigned mantissa = x & ((1u << mantissa_bits) - 1);
    float fraction = (float)mantissa / (float)(1 << mantissa_bits);
    float value =
        exponent ? ldexpf(1.0f + fraction, (int)exponent - bias) : ldexpf(fraction, 1 - bias);
    return x & 0x20 ? -value : value;
}

void compare_init(void)
{
    for (unsigned x = 0; x < 64; x++) {
        six_bit_floats[0][x] = six_bit_float(x, 2);
        six_bit_floats[1][x] = six_bit_float(x, 3);
    }
    for (unsigned x = 0; x < 256; x++) {
        eight_bits[0][x] = eight_bit_float(x, 4, 0);
        eight_bits[1][x] = eight_bit_float(x, 5, 0);
        eight_bits[2][x] = eight_bit_float(x, 4, 1);
        eight_bits[3][x] = eight_bit_float(x, 5, 1);
        eight_bits[4][x] = x == 255 ? NAN : ldexpf(1.0f, (int)x - 127);
    }
}

/* ---------------------------------------------------------------- sums in lanes */

INLINE double across(const quad s[QUADS])
{
    const quad t = (s[0] + s[2]) + (s[1] + s[3]);
    return (t[0] + t[2]) + (t[1] + t[3]);
}

/* Below, element `lane` of the last few, fewer than sixteen, goes to that lane of the sums. */

INLINE double sum(const double *x, size_t n)
{
    quad sums[QUADS] = {{0}};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < QUADS; k++) {
            quad v;
            memcpy(&v, x + i + 4 * k, sizeof v);
            sums[k] += v;
        }
    for (size_t lane = 0; i < n; i++, lane++)
        sums[lane / 4][lane % 4] += x[i];
    return across(sums);
}

INLINE double spread(const double *x, size_t n, double mean)
{
    quad sums[QUADS] = {{0}};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < QUADS; k++) {
            quad v;
            memcpy(&v, x + i + 4 * k, sizeof v);
            v -= mean;
            sums[k] += v * v;
        }
    for (size_t lane = 0; i < n; i++, lane++)
        sums[lane / 4][lane % 4] += (x[i] - mean) * (x[i] - mean);
    return across(sums);
}

INLINE void pairs(struct compare_sums *all, const double *a, const double *b, size_t n)
{
    quad squares[QUADS] = {{0}}, dot[QUADS] = {{0}};
    quad_bits most = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < QUADS; k++) {
            quad u, v;
            memcpy(&u, a + i + 4 * k, sizeof u);
            memcpy(&v, b + i + 4 * k, sizeof v);
            dot[k] += u * v;
            v -= u;
            squares[k] += v * v;
            quad_bits bits = (quad_bits)v & INT64_MAX, more = (quad)bits > (quad)most;
            most = (bits & more) | (most & ~more);
        }
    double largest = all->most;
    quad mosts = (quad)most;
    for (size_t lane = 0; lane < 4; lane++)
        largest = mosts[lane] > largest ? mosts[lane] : largest;
    for (size_t lane = 0; i < n; i++, lane++) {
        double difference = b[i] - a[i];
        dot[lane / 4][lane % 4] += a[i] * b[i];
        squares[lane / 4][lane % 4] += difference * difference;
        largest = fabs(difference) > largest ? fabs(difference) : largest;
    }
    all->pairs += n;
    all->squares += across(squares);
    all->dot += across(dot);
    all->most = largest;
}

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

/* Returns the sum of squares, which loses no digits when put together from mean and spread. */
INLINE double add_side(struct compare_side *side, const double *x, size_t n, double sum)
{
    double mean = n ? sum / (double)n : 0, around = spread(x, n, mean);
    merge(side, n, mean, around);
    return around + mean * mean * (double)n;
}

/* ---------------------------------------------------------------- blocks */

/* A block in which something is not finite: counted, left out, and the rest taken as any block. */
static void add_uneven(struct compare_sums *all, const double *a, const double *b, size_t n)
{
    double left[BLOCK], right[BLOCK];
    const double *from[2] = {a, b};
    for (int k = 0; k < 2; k++) {
        size_t kept = 0;
        for (size_t i = 0; i < n; i++) {
            double x = from[k][i];
            left[kept] = x;
            kept += isfinite(x) != 0;
            all->side[k].nans += isnan(x) != 0;
            all->side[k].infinities += isinf(x) != 0;
        }
        add_side(&all->side[k], left, kept, sum(left, kept));
    }
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        left[kept] = a[i];
        right[kept] = b[i];
        kept += isfinite(a[i]) && isfinite(b[i]);
    }
    struct compare_side apart[2] = {{0}, {0}};
    all->powers[0] += add_side(&apart[0], left, kept, sum(left, kept));
    all->powers[1] += add_side(&apart[1], right, kept, sum(right, kept));
    pairs(all, left, right, kept);
}

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

/* NaN is no change from NaN. */
INLINE uint64_t changed_values(const double *a, const double *b, size_t n)
{
    uint64_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += (uint64_t)(a[i] != b[i]) & ((uint64_t)(a[i] == a[i]) | (uint64_t)(b[i] == b[i]));
    return count;
}

typedef void widen_fn(double *, enum compare_dtype, const uint8_t *, size_t);

/* What is packed counts as changed by value: two spellings of a block may say the same. BLOCK is
 * whole units of every dtype. */
INLINE void add(struct compare_sums *all, enum compare_dtype old_dtype, const uint8_t *old,
                enum compare_dtype new_dtype, const uint8_t *new, size_t n, widen_fn *widen)
{
    _Alignas(64) double a[BLOCK], b[BLOCK];
    const unsigned old_width = compare_width(old_dtype), new_width = compare_width(new_dtype);
    const unsigned old_unit = compare_elements(old_dtype), new_unit = compare_elements(new_dtype);
    const int by_bits = old_dtype == new_dtype && old_unit == 1;
    all->elements += n;
    for (size_t size; n > 0; n -= size) {
        size = n < BLOCK ? n : BLOCK;
        widen(a, old_dtype, old, size);
        widen(b, new_dtype, new, size);
        all->changed += by_bits ? changed(old, new, size, old_width) : changed_values(a, b, size);
        old += size / old_unit * old_width;
        new += size / new_unit * new_width;
        double left = sum(a, size), right = sum(b, size);
        if (!isfinite(left) || !isfinite(right)) {
            add_uneven(all, a, b, size);
            continue;
        }
        all->powers[0] += add_side(&all->side[0], a, size, left);
        all->powers[1] += add_side(&all->side[1], b, size, right);
        pairs(all, a, b, size);
    }
}

/* ---------------------------------------------------------------- for each kind of processor
 *
 * AVX-512 was measured and is no faster than AVX2 on Zen 4, where its registers take two turns. */

typedef void add_fn(struct compare_sums *, enum compare_dtype, const uint8_t *, enum compare_dtype,
                    const uint8_t *, size_t);

#define SPECIALISED(level, attributes)                                                             \
    attributes static void widen_##level(double *out, enum compare_dtype dtype, const uint8_t *in, \
                                         size_t n)                                                 \
    {                                                                                              \
        widen(out, dtype, in, n);                                                                  \
    }                                                                                              \
    attributes static void add_##level(struct compare_sums *sums, enum compare_dtype old_dtype,    \
                                       const uint8_t *old, enum compare_dtype new_dtype,           \
                                       const uint8_t *new, size_t n)                               \
    {                                                                                              \
        add(sums, old_dtype, old, new_dtype, new, n, widen_##level);                               \
    }

SPECIALISED(plain, )
#ifdef X86
SPECIALISED(avx2, __attribute__((target("avx2"))))
#endif

static add_fn *chosen = add_plain;

int compare_select(int level)
{
    chosen = add_plain;
#ifdef X86
    __builtin_cpu_init();
    if (level >= 1 && __builtin_cpu_supports("avx2")) {
        chosen = add_avx2;
        return 1;
    }
#else
    (void)level;
#endif
    return 0;
}

void compare_widen(double *out, enum compare_dtype dtype, const uint8_t *in, size_t n)
{
    widen_plain(out, dtype, in, n);
}

void compare_add(struct compare_sums *sums, enum compare_dtype old_dtype, const uint8_t *old,
                 enum compare_dtype new_dtype, const uint8_t *new, size_t n)
{
    chosen(sums, old_dtype, old, new_dtype, new, n);
}
