/* Theory: sorted by frequency, the exponents of trained weights fall off by about half from one to
 * the next, so their Huffman code is nearly 2, 2, 2, 4, 4, 4, 6, ... bits: two bits tell three
 * symbols and "none of these", and for the rest the same again. A code of that fixed shape needs no
 * bit stream. Each tier is two bitmaps, one bit of each per symbol, made by three comparisons of a
 * whole register, and the symbols that it does not tell are squeezed together (vpcompressb) and are
 * the next tier's input. Decoding spreads them out again (vpexpandb). Huffman coding of the same
 * plane runs at 0.5 GB/s (zstd), this at 10 and more.
 *
 * vpcompressb and vpexpandb are used between registers only: with a memory operand they are
 * microcode on Zen 4, fifty times slower. So whole registers are stored, and buffers have PAD bytes
 * to spare. */
#include "tiers.h"

#include "../portable.h"

#include <string.h>

#define PAD 64
#define SAMPLE 4096
#define SAMPLE_BLOCKS 16
#define SYMBOLS (3 * TIERS_MAX)

typedef size_t split_fn(const uint8_t *data, size_t n, const uint8_t *symbols, uint8_t *a,
                        uint8_t *b, uint8_t *rest);
typedef void merge_fn(uint8_t *out, size_t n, const uint8_t *symbols, const uint8_t *a,
                      const uint8_t *b, const uint8_t *rest);

/* ---------------------------------------------------------------- one tier, portable */

/* Symbols from `start` on, a multiple of 8. Returns how many went to rest, which may be
 * written one beyond. */
static size_t split_from(size_t start, size_t n, const uint8_t *data, const uint8_t *symbols,
                         uint8_t *a, uint8_t *b, uint8_t *rest)
{
    uint8_t code[256];
    size_t left = 0;
    memset(code, 3, sizeof code);
    for (int k = 2; k >= 0; k--)
        code[symbols[k]] = (uint8_t)k;
    for (size_t i = start; i < n; i += 8) {
        unsigned ones = 0, twos = 0, count = n - i < 8 ? (unsigned)(n - i) : 8;
        for (unsigned j = 0; j < count; j++) {
            unsigned c = code[data[i + j]];
            ones |= (c & 1) << j;
            twos |= (c >> 1) << j;
            rest[left] = data[i + j];
            left += c == 3;
        }
        a[i / 8] = (uint8_t)ones;
        b[i / 8] = (uint8_t)twos;
    }
    return left;
}

static void merge_from(size_t start, size_t n, uint8_t *out, const uint8_t *symbols,
                       const uint8_t *a, const uint8_t *b, const uint8_t *rest)
{
    uint8_t value[4] = {symbols[0], symbols[1], symbols[2], 0};
    for (size_t i = start; i < n; i += 8) {
        unsigned ones = a[i / 8], twos = b[i / 8], count = n - i < 8 ? (unsigned)(n - i) : 8;
        /* No branch: a quarter of them would be mispredicted. */
        for (unsigned j = 0; j < count; j++) {
            unsigned c = (ones >> j & 1) | (twos >> j & 1) << 1;
            value[3] = *rest;
            out[i + j] = value[c];
            rest += c == 3;
        }
    }
}

static size_t split_plain(const uint8_t *data, size_t n, const uint8_t *symbols, uint8_t *a,
                          uint8_t *b, uint8_t *rest)
{
    return split_from(0, n, data, symbols, a, b, rest);
}

static void merge_plain(uint8_t *out, size_t n, const uint8_t *symbols, const uint8_t *a,
                        const uint8_t *b, const uint8_t *rest)
{
    merge_from(0, n, out, symbols, a, b, rest);
}

/* ---------------------------------------------------------------- one tier, AVX-512 and AVX2 */

#ifdef X86
__attribute__((target("avx512f,avx512bw,avx512vbmi2,popcnt"))) static size_t
split_avx512(const uint8_t *data, size_t n, const uint8_t *symbols, uint8_t *a, uint8_t *b,
             uint8_t *rest)
{
    const __m512i s0 = _mm512_set1_epi8((char)symbols[0]), s1 = _mm512_set1_epi8((char)symbols[1]),
                  s2 = _mm512_set1_epi8((char)symbols[2]);
    size_t left = 0, i = 0;
    for (; i + 64 <= n; i += 64) {
        __m512i v = _mm512_loadu_si512(data + i);
        uint64_t m0 = _mm512_cmpeq_epi8_mask(v, s0), m1 = _mm512_cmpeq_epi8_mask(v, s1) & ~m0,
                 m2 = _mm512_cmpeq_epi8_mask(v, s2) & ~(m0 | m1), none = ~(m0 | m1 | m2);
        uint64_t ones = m1 | none, twos = m2 | none;
        memcpy(a + i / 8, &ones, 8);
        memcpy(b + i / 8, &twos, 8);
        _mm512_storeu_si512(rest + left, _mm512_maskz_compress_epi8(none, v));
        left += (size_t)_mm_popcnt_u64(none);
    }
    return left + split_from(i, n, data, symbols, a, b, rest + left);
}

__attribute__((target("avx512f,avx512bw,avx512vbmi2,popcnt"))) static void
merge_avx512(uint8_t *out, size_t n, const uint8_t *symbols, const uint8_t *a, const uint8_t *b,
             const uint8_t *rest)
{
    const __m512i s0 = _mm512_set1_epi8((char)symbols[0]), s1 = _mm512_set1_epi8((char)symbols[1]),
                  s2 = _mm512_set1_epi8((char)symbols[2]);
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        uint64_t ones, twos;
        memcpy(&ones, a + i / 8, 8);
        memcpy(&twos, b + i / 8, 8);
        __m512i v = _mm512_mask_mov_epi8(s0, ones & ~twos, s1);
        v = _mm512_mask_mov_epi8(v, twos & ~ones, s2);
        v = _mm512_mask_expand_epi8(v, ones & twos, _mm512_loadu_si512(rest));
        _mm512_storeu_si512(out + i, v);
        rest += _mm_popcnt_u64(ones & twos);
    }
    merge_from(i, n, out, symbols, a, b, rest);
}

__attribute__((target("avx2,bmi"))) static size_t split_avx2(const uint8_t *data, size_t n,
                                                             const uint8_t *symbols, uint8_t *a,
                                                             uint8_t *b, uint8_t *rest)
{
    const __m256i s0 = _mm256_set1_epi8((char)symbols[0]), s1 = _mm256_set1_epi8((char)symbols[1]),
                  s2 = _mm256_set1_epi8((char)symbols[2]);
    size_t left = 0, i = 0;
    for (; i + 32 <= n; i += 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(data + i));
        uint32_t m0 = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, s0)),
                 m1 = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, s1)) & ~m0,
                 m2 = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, s2)) & ~(m0 | m1),
                 none = ~(m0 | m1 | m2);
        uint32_t ones = m1 | none, twos = m2 | none;
        memcpy(a + i / 8, &ones, 4);
        memcpy(b + i / 8, &twos, 4);
        for (; none; none &= none - 1)
            rest[left++] = data[i + (size_t)__builtin_ctz(none)];
    }
    return left + split_from(i, n, data, symbols, a, b, rest + left);
}

/* Byte k of the result is all ones where bit k of `bits` is set. */
__attribute__((target("avx2"))) static inline __m256i spread(uint32_t bits)
{
    const __m256i byte = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202,
                                            0x0303030303030303),
                  bit = _mm256_set1_epi64x((long long)0x8040201008040201);
    __m256i v = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), byte), bit);
    return _mm256_cmpeq_epi8(v, bit);
}

__attribute__((target("avx2,bmi"))) static void merge_avx2(uint8_t *out, size_t n,
                                                           const uint8_t *symbols, const uint8_t *a,
                                                           const uint8_t *b, const uint8_t *rest)
{
    const __m256i s0 = _mm256_set1_epi8((char)symbols[0]), s1 = _mm256_set1_epi8((char)symbols[1]),
                  s2 = _mm256_set1_epi8((char)symbols[2]);
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        uint32_t ones, twos;
        memcpy(&ones, a + i / 8, 4);
        memcpy(&twos, b + i / 8, 4);
        __m256i v = _mm256_blendv_epi8(_mm256_blendv_epi8(s0, s1, spread(ones)), s2, spread(twos));
        _mm256_storeu_si256((__m256i *)(out + i), v);
        for (uint32_t none = ones & twos; none; none &= none - 1)
            out[i + (size_t)__builtin_ctz(none)] = *rest++;
    }
    merge_from(i, n, out, symbols, a, b, rest);
}
#endif

static split_fn *split_tier = split_plain;
static merge_fn *merge_tier = merge_plain;

int tiers_select(int level)
{
    split_tier = split_plain;
    merge_tier = merge_plain;
#ifdef X86
    __builtin_cpu_init();
    if (level >= 2 && __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512bw")) {
        split_tier = split_avx512;
        merge_tier = merge_avx512;
        return 2;
    }
    if (level >= 1 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi")) {
        split_tier = split_avx2;
        merge_tier = merge_avx2;
        return 1;
    }
#endif
    (void)level;
    return 0;
}

/* ---------------------------------------------------------------- all tiers */

static size_t bitmap(size_t n) { return (n + 7) / 8; }

size_t tiers_scratch(size_t n) { return 4 * n + TIERS_MAX * 8 + 4 * PAD + SYMBOLS + 1; }

/* The most frequent symbols of a sample, most frequent first, and how many tiers pay. */
static unsigned choose(const uint8_t *data, size_t n, uint8_t *symbols)
{
    uint32_t counts[256] = {0}, total = 0;
    size_t block = n <= SAMPLE ? n : SAMPLE / SAMPLE_BLOCKS;
    for (unsigned k = 0; k < (n <= SAMPLE ? 1 : SAMPLE_BLOCKS); k++) {
        const uint8_t *at = data + (n - block) * k / (SAMPLE_BLOCKS - 1);
        for (size_t i = 0; i < block; i++)
            counts[at[i]]++;
    }
    for (unsigned s = 0; s < 256; s++)
        total += counts[s];
    unsigned tiers = 0;
    for (uint32_t left = total; tiers < TIERS_MAX; tiers++) {
        uint32_t before = left;
        for (unsigned k = 0; k < 3; k++) {
            unsigned best = 0;
            for (unsigned s = 1; s < 256; s++)
                if (counts[s] > counts[best])
                    best = s;
            symbols[3 * tiers + k] = (uint8_t)best;
            left -= counts[best];
            counts[best] = 0;
        }
        if (tiers && 4 * left >= 3 * before) /* two bits for each, to save eight for a quarter */
            break;
    }
    return tiers;
}

size_t tiers_encode(uint8_t *scratch, const uint8_t *data, size_t n, size_t limit, uint8_t **stored)
{
    uint8_t *rest[2] = {scratch, scratch + n + PAD};
    uint8_t *out = scratch + 2 * (n + PAD), *at = out;
    uint8_t symbols[SYMBOLS];
    unsigned tiers = choose(data, n, symbols);
    *stored = out;
    *at++ = (uint8_t)tiers;
    memcpy(at, symbols, 3 * tiers);
    at += 3 * tiers;
    for (unsigned t = 0; t < tiers; t++) {
        size_t bytes = bitmap(n);
        if ((size_t)(at - out) + 2 * bytes >= limit)
            return 0;
        n = split_tier(data, n, symbols + 3 * t, at, at + bytes, rest[t & 1]);
        data = rest[t & 1];
        at += 2 * bytes;
    }
    if ((size_t)(at - out) + n >= limit)
        return 0;
    memcpy(at, data, n);
    return (size_t)(at - out) + n;
}

/* Symbols of a tier that both bitmaps mark. -1 if bits beyond the last symbol are set. */
static ptrdiff_t count_rest(const uint8_t *a, const uint8_t *b, size_t n)
{
    size_t i = 0, count = 0;
    if (n % 8 && ((a[n / 8] | b[n / 8]) >> n % 8))
        return -1;
    for (; i + 8 <= bitmap(n); i += 8) {
        uint64_t x, y;
        memcpy(&x, a + i, 8);
        memcpy(&y, b + i, 8);
        x &= y; /* bits of each byte, then bytes: the sum is the same in either byte order */
        x -= x >> 1 & 0x5555555555555555u;
        x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
        count += ((x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu) * 0x0101010101010101u >> 56;
    }
    for (; i < bitmap(n); i++)
        for (unsigned x = a[i] & b[i]; x; x &= x - 1)
            count++;
    return (ptrdiff_t)count;
}

int tiers_decode(uint8_t *scratch, uint8_t *out, const uint8_t *stored, size_t length, size_t n)
{
    const uint8_t *maps[TIERS_MAX], *end = stored + length, *symbols = stored + 1, *at;
    size_t counts[TIERS_MAX + 1] = {n};
    unsigned tiers = length ? stored[0] : 0;
    if (tiers < 1 || tiers > TIERS_MAX || length < 1 + 3 * tiers)
        return -1;
    at = symbols + 3 * tiers;
    for (unsigned t = 0; t < tiers; t++) {
        size_t bytes = bitmap(counts[t]);
        if ((size_t)(end - at) < 2 * bytes)
            return -1;
        ptrdiff_t rest = count_rest(at, at + bytes, counts[t]);
        if (rest < 0)
            return -1;
        maps[t] = at;
        counts[t + 1] = (size_t)rest;
        at += 2 * bytes;
    }
    if ((size_t)(end - at) != counts[tiers])
        return -1;
    uint8_t *buffers[2] = {scratch, scratch + n + PAD};
    memcpy(buffers[tiers & 1], at, counts[tiers]); /* so that PAD bytes beyond may be read */
    for (unsigned t = tiers; t-- > 0;)
        merge_tier(t ? buffers[t & 1] : out, counts[t], symbols + 3 * t, maps[t],
                   maps[t] + bitmap(counts[t]), buffers[(t + 1) & 1]);
    return 0;
}
