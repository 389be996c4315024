/* Proposal scan in AVX2 and AVX-512BW; included by cut.c alone. Functions carry their own target,
 * so that one binary serves every x86-64 machine.
 *
 * A block of 32 (64) bytes becomes two vectors of 16-bit lanes. Unpacking works inside 128-bit
 * groups, so `low` holds positions 0-7 of every 16 and `high` 8-15: the vector before `high` is
 * `low`, and the one before `low` is `high` moved by one group, with the last group of the previous
 * block's `high` let in. */
#include <immintrin.h>

static bool usable_avx2(void) { return __builtin_cpu_supports("avx2"); }

static bool usable_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

#define AVX2 __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f,avx512bw")))

/* One doubling step: low += low moved by LANES << LANES, the same for high. */
#define STEP256(LANES, before)                                                                     \
    do {                                                                                           \
        __m256i previous = _mm256_permute2x128_si256(before, high, 0x21);                          \
        __m256i low_moved = _mm256_alignr_epi8(low, previous, 16 - 2 * LANES);                     \
        __m256i high_moved = _mm256_alignr_epi8(high, low, 16 - 2 * LANES);                        \
        before = high;                                                                             \
        low = _mm256_add_epi16(low, _mm256_slli_epi16(low_moved, LANES));                          \
        high = _mm256_add_epi16(high, _mm256_slli_epi16(high_moved, LANES));                       \
    } while (0)

AVX2 static size_t scan_avx2(const uint8_t *data, size_t from, size_t to, uint64_t limit,
                             struct cut_best *best)
{
    const __m256i nibble = _mm256_set1_epi8(15), zero = _mm256_setzero_si256();
#define TABLE256(t) _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(t)))
    const __m256i low0 = TABLE256(low_nibble_byte0), low1 = TABLE256(low_nibble_byte1);
    const __m256i high0 = TABLE256(high_nibble_byte0), high1 = TABLE256(high_nibble_byte1);
#undef TABLE256
    __m256i before_g = zero, before_a = zero, before_b = zero, before_c = zero;
    size_t i = from - 32; /* one block of warm-up; its proposals are dropped */
    for (; to - i >= 32; i += 32) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(data + i));
        __m256i left = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble);
        __m256i right = _mm256_and_si256(bytes, nibble);
        __m256i g0 =
            _mm256_xor_si256(_mm256_shuffle_epi8(low0, right), _mm256_shuffle_epi8(high0, left));
        __m256i g1 =
            _mm256_xor_si256(_mm256_shuffle_epi8(low1, right), _mm256_shuffle_epi8(high1, left));
        __m256i low = _mm256_unpacklo_epi8(g0, g1), high = _mm256_unpackhi_epi8(g0, g1);
        STEP256(1, before_g);
        STEP256(2, before_a);
        STEP256(4, before_b);
        __m256i previous = _mm256_permute2x128_si256(before_c, high, 0x21);
        before_c = high;
        high = _mm256_add_epi16(high, _mm256_slli_epi16(low, 8));
        low = _mm256_add_epi16(low, _mm256_slli_epi16(previous, 8));
        /* The upper bits against zero. Saturation keeps what is not zero so, and packing restores
         * byte order. */
        __m256i tested = _mm256_packus_epi16(_mm256_srli_epi16(low, PROPOSAL_SHIFT),
                                             _mm256_srli_epi16(high, PROPOSAL_SHIFT));
        uint32_t hits = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(tested, zero));
        if (UNLIKELY(hits != 0) && i >= from) {
            for (; hits; hits &= hits - 1) {
                size_t end = i + (size_t)__builtin_ctz(hits) + 1;
                if (cuts(data, end, limit, best))
                    return end;
            }
        }
    }
    return i < to ? scan_portable(data, i < from ? from : i, to, limit, best) : 0;
}

#define STEP512(LANES, before)                                                                     \
    do {                                                                                           \
        __m512i previous = _mm512_alignr_epi64(high, before, 6);                                   \
        __m512i low_moved = _mm512_alignr_epi8(low, previous, 16 - 2 * LANES);                     \
        __m512i high_moved = _mm512_alignr_epi8(high, low, 16 - 2 * LANES);                        \
        before = high;                                                                             \
        low = _mm512_add_epi16(low, _mm512_slli_epi16(low_moved, LANES));                          \
        high = _mm512_add_epi16(high, _mm512_slli_epi16(high_moved, LANES));                       \
    } while (0)

AVX512 static size_t scan_avx512(const uint8_t *data, size_t from, size_t to, uint64_t limit,
                                 struct cut_best *best)
{
    const __m512i nibble = _mm512_set1_epi8(15), zero = _mm512_setzero_si512();
    const __m512i mask = _mm512_set1_epi16((short)(0xffff << PROPOSAL_SHIFT));
#define TABLE512(t) _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(t)))
    const __m512i low0 = TABLE512(low_nibble_byte0), low1 = TABLE512(low_nibble_byte1);
    const __m512i high0 = TABLE512(high_nibble_byte0), high1 = TABLE512(high_nibble_byte1);
#undef TABLE512
    __m512i before_g = zero, before_a = zero, before_b = zero, before_c = zero;
    size_t i = from - 64;
    for (; to - i >= 64; i += 64) {
        __m512i bytes = _mm512_loadu_si512(data + i);
        __m512i left = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), nibble);
        __m512i right = _mm512_and_si512(bytes, nibble);
        __m512i g0 =
            _mm512_xor_si512(_mm512_shuffle_epi8(low0, right), _mm512_shuffle_epi8(high0, left));
        __m512i g1 =
            _mm512_xor_si512(_mm512_shuffle_epi8(low1, right), _mm512_shuffle_epi8(high1, left));
        __m512i low = _mm512_unpacklo_epi8(g0, g1), high = _mm512_unpackhi_epi8(g0, g1);
        STEP512(1, before_g);
        STEP512(2, before_a);
        STEP512(4, before_b);
        __m512i previous = _mm512_alignr_epi64(high, before_c, 6);
        before_c = high;
        high = _mm512_add_epi16(high, _mm512_slli_epi16(low, 8));
        low = _mm512_add_epi16(low, _mm512_slli_epi16(previous, 8));
        __mmask32 low_hits = _mm512_testn_epi16_mask(low, mask),
                  high_hits = _mm512_testn_epi16_mask(high, mask);
        if (UNLIKELY((low_hits | high_hits) != 0) && i >= from) {
            /* Saturation keeps what is not zero so, and packing restores byte order. */
            __m512i tested = _mm512_packus_epi16(_mm512_srli_epi16(low, PROPOSAL_SHIFT),
                                                 _mm512_srli_epi16(high, PROPOSAL_SHIFT));
            for (uint64_t hits = _mm512_testn_epi8_mask(tested, tested); hits; hits &= hits - 1) {
                size_t end = i + (size_t)__builtin_ctzll(hits) + 1;
                if (cuts(data, end, limit, best))
                    return end;
            }
        }
    }
    return i < to ? scan_portable(data, i < from ? from : i, to, limit, best) : 0;
}
