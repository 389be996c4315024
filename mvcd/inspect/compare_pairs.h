/* Sums over pairs of elements in vectors of VECTOR doubles. A part of compare.c, which includes it
 * for each kind of processor: NAME makes names of that kind, ATTRIBUTES are its functions'.
 *
 * One loop makes all sums, from the elements as they lie: of BF16 that takes half the
 * time of loops that widen to memory and read that again. Seven sums of eight lanes are what the
 * registers of AVX2 hold. */

#define VECTORS (LANES / VECTOR)

typedef double NAME(doubles) __attribute__((vector_size(8 * VECTOR)));
typedef int64_t NAME(bits) __attribute__((vector_size(8 * VECTOR)));
typedef float NAME(floats) __attribute__((vector_size(4 * VECTOR)));
typedef uint32_t NAME(words) __attribute__((vector_size(4 * VECTOR)));

#define SUMS struct NAME(lanes)
#define DOUBLES NAME(doubles)
#define BITS NAME(bits)
#define FLOATS NAME(floats)
#define WORDS NAME(words)

/* ---------------------------------------------------------------- VECTOR elements as doubles
 *
 * What GCC 12 makes of __builtin_convertvector from 16 to 32 bits takes three times as long. */

ATTRIBUTES INLINE void NAME(load_halves)(WORDS *out, const uint8_t *in)
{
#if KIND == 2
    *out = (WORDS)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)in));
#elif KIND == 1
    *out = (WORDS)_mm_cvtepu16_epi32(_mm_loadl_epi64((const __m128i *)in));
#else
    uint16_t x __attribute__((vector_size(2 * VECTOR)));
    memcpy(&x, in, sizeof x);
    *out = __builtin_convertvector(x, WORDS);
#endif
}

/* Of words that are the bits of floats. */
ATTRIBUTES INLINE void NAME(widen_floats)(DOUBLES *out, const WORDS *in)
{
#if KIND == 2
    *out = (DOUBLES)_mm512_cvtps_pd((__m256)*in);
#elif KIND == 1
    *out = (DOUBLES)_mm256_cvtps_pd((__m128)*in);
#else
    *out = __builtin_convertvector((FLOATS)*in, DOUBLES);
#endif
}

ATTRIBUTES INLINE void NAME(load_bf16)(DOUBLES *out, const uint8_t *in)
{
    WORDS x;
    NAME(load_halves)(&x, in);
    x <<= 16;
    NAME(widen_floats)(out, &x);
}

/* As `half` in compare_elements.c. */
ATTRIBUTES INLINE void NAME(load_f16)(DOUBLES *out, const uint8_t *in)
{
    WORDS x, bits;
    NAME(load_halves)(&x, in);
    FLOATS size = (FLOATS)((x & 0x7fff) << 13) * 0x1p112f;
    memcpy(&bits, &size, sizeof bits);
    bits |= (WORDS)((x & 0x7c00) == 0x7c00) & 0x7f800000u;
    bits |= (x & 0x8000) << 16;
    NAME(widen_floats)(out, &bits);
}

ATTRIBUTES INLINE void NAME(load_f32)(DOUBLES *out, const uint8_t *in)
{
    WORDS x;
    memcpy(&x, in, sizeof x);
    NAME(widen_floats)(out, &x);
}

ATTRIBUTES INLINE void NAME(load_f64)(DOUBLES *out, const uint8_t *in)
{
    memcpy(out, in, sizeof *out);
}

/* ---------------------------------------------------------------- sums */

SUMS
{
    DOUBLES sums[2][VECTORS], powers[2][VECTORS], dot[VECTORS], squares[VECTORS];
    BITS most[VECTORS];
};

/* `exact`: the product of two elements fits a double, so that adding it in one rounding with the
 * multiplication gives the bits that two instructions give, in three quarters of the time. */
ATTRIBUTES INLINE void NAME(add_product)(DOUBLES *sum, const DOUBLES *u, const DOUBLES *v,
                                         int exact)
{
#if KIND == 2
    if (exact) {
        *sum = (DOUBLES)_mm512_fmadd_pd((__m512d)*u, (__m512d)*v, (__m512d)*sum);
        return;
    }
#elif KIND == 1
    if (exact) {
        *sum = (DOUBLES)_mm256_fmadd_pd((__m256d)*u, (__m256d)*v, (__m256d)*sum);
        return;
    }
#else
    (void)exact;
#endif
    *sum += *u * *v;
}

ATTRIBUTES INLINE void NAME(add_pair)(SUMS *all, int k, const DOUBLES *u, const DOUBLES *v,
                                      int exact)
{
    DOUBLES difference = *v - *u;
    all->sums[0][k] += *u;
    all->sums[1][k] += *v;
    NAME(add_product)(&all->powers[0][k], u, u, exact);
    NAME(add_product)(&all->powers[1][k], v, v, exact);
    NAME(add_product)(&all->dot[k], u, v, exact);
    all->squares[k] += difference * difference;
    BITS bits = (BITS)difference & INT64_MAX;
    BITS more = (DOUBLES)bits > (DOUBLES)all->most[k];
    all->most[k] = (bits & more) | (all->most[k] & ~more);
}

ATTRIBUTES INLINE void NAME(end)(struct pair_sums *out, const SUMS *all)
{
    for (int side = 0; side < 2; side++) {
        out->sums[side] = across(all->sums[side]);
        out->powers[side] = across(all->powers[side]);
    }
    out->dot = across(all->dot);
    out->squares = across(all->squares);
    double most[LANES];
    memcpy(most, all->most, sizeof most);
    out->most = 0;
    for (int lane = 0; lane < LANES; lane++)
        out->most = most[lane] > out->most ? most[lane] : out->most;
}

/* The last few elements are taken with zeros after them, which add nothing. */
#define DEFINE_TAKE(DTYPE, WIDTH, EXACT)                                                           \
    ATTRIBUTES static void NAME(take_##DTYPE)(struct pair_sums * out, const uint8_t *old,          \
                                              const uint8_t *new, size_t n)                        \
    {                                                                                              \
        SUMS all = {0};                                                                            \
        DOUBLES u, v;                                                                              \
        for (; n >= LANES; n -= LANES, old += LANES * WIDTH, new += LANES *WIDTH)                  \
            for (int k = 0; k < VECTORS; k++) {                                                    \
                NAME(load_##DTYPE)(&u, old + k * VECTOR * WIDTH);                                  \
                NAME(load_##DTYPE)(&v, new + k * VECTOR * WIDTH);                                  \
                NAME(add_pair)(&all, k, &u, &v, EXACT);                                            \
            }                                                                                      \
        if (n > 0) {                                                                               \
            uint8_t a[LANES * WIDTH] = {0}, b[LANES * WIDTH] = {0};                                \
            memcpy(a, old, n * WIDTH);                                                             \
            memcpy(b, new, n * WIDTH);                                                             \
            for (int k = 0; k < VECTORS; k++) {                                                    \
                NAME(load_##DTYPE)(&u, a + k * VECTOR * WIDTH);                                    \
                NAME(load_##DTYPE)(&v, b + k * VECTOR * WIDTH);                                    \
                NAME(add_pair)(&all, k, &u, &v, EXACT);                                            \
            }                                                                                      \
        }                                                                                          \
        NAME(end)(out, &all);                                                                      \
    }

DEFINE_TAKE(bf16, 2, 1)
DEFINE_TAKE(f16, 2, 1)
DEFINE_TAKE(f32, 4, 1)
DEFINE_TAKE(f64, 8, 0)

/* `x` has room for LANES more, which this fills with the mean. */
ATTRIBUTES static double NAME(spread)(double *x, size_t n, double mean)
{
    DOUBLES sums[VECTORS] = {{0}};
    for (int lane = 0; lane < LANES; lane++)
        x[n + (size_t)lane] = mean;
    for (size_t i = 0; i < n; i += LANES)
        for (int k = 0; k < VECTORS; k++) {
            DOUBLES v;
            NAME(load_f64)(&v, (const uint8_t *)(x + i + k * VECTOR));
            v -= mean;
            sums[k] += v * v;
        }
    return across(sums);
}

ATTRIBUTES static unsigned NAME(changed)(const uint8_t *old, const uint8_t *new, size_t n,
                                         unsigned width)
{
    return changed(old, new, n, width);
}

static const struct level NAME(level) = {
    {NAME(take_bf16), NAME(take_f16), NAME(take_f32), NAME(take_f64)}, NAME(spread), NAME(changed)};

#undef VECTORS
#undef DEFINE_TAKE
#undef SUMS
#undef DOUBLES
#undef BITS
#undef FLOATS
#undef WORDS
