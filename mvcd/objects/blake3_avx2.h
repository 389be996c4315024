/* Eight chunks side by side in AVX2; included by blake3.c alone. Functions carry their own target,
 * so that one binary serves every x86-64 machine.
 *
 * Each lane goes through one chunk, block by block, and takes the next chunk when that is done: so
 * all lanes have work whatever the chunks' sizes, until fewer than eight are left. */
#include <immintrin.h>

enum { LANES = 8 };

#define AVX2 __attribute__((target("avx2")))

static bool usable_avx2(void) { return __builtin_cpu_supports("avx2"); }

struct lanes {
    uint32_t words[8][LANES]; /* chaining values, a row for each word */
    uint32_t counter[LANES], size[LANES], flags[LANES];
    const uint8_t *block[LANES];
};

AVX2 static inline __m256i rotated16(__m256i x)
{
    return _mm256_shuffle_epi8(x, _mm256_setr_epi8(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12,
                                                   13, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15,
                                                   12, 13));
}

AVX2 static inline __m256i rotated8(__m256i x)
{
    return _mm256_shuffle_epi8(x, _mm256_setr_epi8(1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15,
                                                   12, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14,
                                                   15, 12));
}

#define ROTATED(x, by) _mm256_or_si256(_mm256_srli_epi32(x, by), _mm256_slli_epi32(x, 32 - (by)))

#define MIX(a, b, c, d, x, y)                                                                      \
    do {                                                                                           \
        v[a] = _mm256_add_epi32(_mm256_add_epi32(v[a], v[b]), x);                                  \
        v[d] = rotated16(_mm256_xor_si256(v[d], v[a]));                                            \
        v[c] = _mm256_add_epi32(v[c], v[d]);                                                       \
        v[b] = ROTATED(_mm256_xor_si256(v[b], v[c]), 12);                                          \
        v[a] = _mm256_add_epi32(_mm256_add_epi32(v[a], v[b]), y);                                  \
        v[d] = rotated8(_mm256_xor_si256(v[d], v[a]));                                             \
        v[c] = _mm256_add_epi32(v[c], v[d]);                                                       \
        v[b] = ROTATED(_mm256_xor_si256(v[b], v[c]), 7);                                           \
    } while (0)

#define ROUND(s)                                                                                   \
    do {                                                                                           \
        MIX(0, 4, 8, 12, m[s[0]], m[s[1]]);                                                        \
        MIX(1, 5, 9, 13, m[s[2]], m[s[3]]);                                                        \
        MIX(2, 6, 10, 14, m[s[4]], m[s[5]]);                                                       \
        MIX(3, 7, 11, 15, m[s[6]], m[s[7]]);                                                       \
        MIX(0, 5, 10, 15, m[s[8]], m[s[9]]);                                                       \
        MIX(1, 6, 11, 12, m[s[10]], m[s[11]]);                                                     \
        MIX(2, 7, 8, 13, m[s[12]], m[s[13]]);                                                      \
        MIX(3, 4, 9, 14, m[s[14]], m[s[15]]);                                                      \
    } while (0)

/* Rows of eight words, one of each lane, from the eight lanes' rows of eight words at `at`. */
AVX2 static inline void transposed(const uint8_t *const block[LANES], size_t at, __m256i out[8])
{
    __m256i r[8], pairs[8], fours[8];
    for (int i = 0; i < 8; i++)
        r[i] = _mm256_loadu_si256((const __m256i *)(block[i] + at));
    for (int i = 0; i < 4; i++) {
        pairs[2 * i] = _mm256_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        pairs[2 * i + 1] = _mm256_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        fours[4 * i] = _mm256_unpacklo_epi64(pairs[4 * i], pairs[4 * i + 2]);
        fours[4 * i + 1] = _mm256_unpackhi_epi64(pairs[4 * i], pairs[4 * i + 2]);
        fours[4 * i + 2] = _mm256_unpacklo_epi64(pairs[4 * i + 1], pairs[4 * i + 3]);
        fours[4 * i + 3] = _mm256_unpackhi_epi64(pairs[4 * i + 1], pairs[4 * i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        out[i] = _mm256_permute2x128_si256(fours[i], fours[4 + i], 0x20);
        out[4 + i] = _mm256_permute2x128_si256(fours[i], fours[4 + i], 0x31);
    }
}

AVX2 static void compress_lanes(struct lanes *lanes)
{
    __m256i m[16], v[16], *words = (__m256i *)lanes->words;
    transposed(lanes->block, 0, m);
    transposed(lanes->block, 32, m + 8);
    for (int i = 0; i < 8; i++)
        v[i] = _mm256_loadu_si256(words + i);
    for (int i = 0; i < 4; i++)
        v[8 + i] = _mm256_set1_epi32((int)initial[i]);
    v[12] = _mm256_loadu_si256((const __m256i *)lanes->counter);
    v[13] = _mm256_setzero_si256();
    v[14] = _mm256_loadu_si256((const __m256i *)lanes->size);
    v[15] = _mm256_loadu_si256((const __m256i *)lanes->flags);
    ROUND(schedule[0]);
    ROUND(schedule[1]);
    ROUND(schedule[2]);
    ROUND(schedule[3]);
    ROUND(schedule[4]);
    ROUND(schedule[5]);
    ROUND(schedule[6]);
    for (int i = 0; i < 8; i++)
        _mm256_storeu_si256(words + i, _mm256_xor_si256(v[i], v[i + 8]));
}

static void begin_lane(struct lanes *lanes, int lane, const struct blake3_mode *mode)
{
    for (int i = 0; i < 8; i++)
        lanes->words[i][lane] = mode->key[i];
}

static void run_avx2(struct blake3_job *jobs, size_t count, const struct blake3_mode *mode)
{
    static const uint8_t nothing[BLOCK] = {0};
    struct blake3_job *at[LANES] = {NULL};
    struct lanes lanes = {0};
    uint32_t done[LANES] = {0};
    uint8_t room[LANES][BLOCK];
    size_t next = 0, active = 0;
    for (int lane = 0; lane < LANES; lane++) {
        lanes.block[lane] = nothing;
        if (next < count) {
            at[lane] = &jobs[next++];
            lanes.counter[lane] = at[lane]->counter;
            begin_lane(&lanes, lane, mode);
            active++;
        }
    }
    while (active) {
        for (int lane = 0; lane < LANES; lane++)
            if (at[lane] != NULL)
                lanes.flags[lane] = mode->flags | next_block(at[lane], done[lane], room[lane],
                                                             &lanes.block[lane], &lanes.size[lane]);
        compress_lanes(&lanes);
        for (int lane = 0; lane < LANES; lane++) {
            struct blake3_job *job = at[lane];
            if (job == NULL || (done[lane] += lanes.size[lane]) < job->size)
                continue;
            for (int i = 0; i < 8; i++)
                job->words[i] = lanes.words[i][lane];
            done[lane] = 0;
            lanes.block[lane] = nothing;
            at[lane] = next < count ? &jobs[next++] : NULL;
            if (at[lane] == NULL) {
                active--;
                continue;
            }
            lanes.counter[lane] = at[lane]->counter;
            begin_lane(&lanes, lane, mode);
        }
    }
}
