#include "compare_elements.h"

#include "../portable.h"

#include <math.h>
#include <string.h>

static float six_bit_floats[2][64]; /* values of E2M3 and E3M2 */
static float eight_bits[5][256]; /* values of the five 8-bit floats, in the order of their dtypes */

/* loadB reads B bits from any address; widen_iB and widen_uB make doubles of n integers. */
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

/* ---------------------------------------------------------------- for each kind of processor */

typedef void widen_fn(double *, enum compare_dtype, const uint8_t *, size_t);

static void widen_plain(double *out, enum compare_dtype dtype, const uint8_t *in, size_t n)
{
    widen(out, dtype, in, n);
}

#ifdef X86
__attribute__((target("avx2"))) static void widen_avx2(double *out, enum compare_dtype dtype,
                                                       const uint8_t *in, size_t n)
{
    widen(out, dtype, in, n);
}
#endif

static widen_fn *chosen = widen_plain;

void compare_elements_select(int level)
{
    chosen = widen_plain;
#ifdef X86
    if (level >= 1)
        chosen = widen_avx2;
#else
    (void)level;
#endif
}

void compare_widen(double *out, enum compare_dtype dtype, const uint8_t *in, size_t n)
{
    chosen(out, dtype, in, n);
}
