#include "blake3.h"

#include <stdlib.h>
#include <string.h>

enum {
    BLOCK = 64,
    CHUNK_START = 1,
    CHUNK_END = 2,
    PARENT = 4,
    ROOT = 8,
    DERIVE_KEY_CONTEXT = 32,
    DERIVE_KEY_MATERIAL = 64,
    ROUNDS = 7
};

static const uint32_t initial[8] = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                                    0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};

/* Which message word goes where in each round: the permutation of section 2.2, repeated. */
static const uint8_t schedule[ROUNDS][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8},
    {3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1},
    {10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6},
    {12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4},
    {9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7},
    {11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13},
};

static uint32_t word_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static uint32_t rotated(uint32_t word, int by) { return word >> by | word << (32 - by); }

static void mix(uint32_t *v, int a, int b, int c, int d, uint32_t x, uint32_t y)
{
    v[a] += v[b] + x;
    v[d] = rotated(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = rotated(v[b] ^ v[c], 12);
    v[a] += v[b] + y;
    v[d] = rotated(v[d] ^ v[a], 8);
    v[c] += v[d];
    v[b] = rotated(v[b] ^ v[c], 7);
}

/* Replaces the chaining value by that after one block, which has `size` bytes and then zeros. */
static void compress(uint32_t value[8], const uint8_t block[BLOCK], uint32_t counter, uint32_t size,
                     uint32_t flags)
{
    uint32_t m[16], v[16];
    for (int i = 0; i < 16; i++)
        m[i] = word_at(block + 4 * i);
    memcpy(v, value, 8 * sizeof *v);
    memcpy(v + 8, initial, 4 * sizeof *v);
    v[12] = counter;
    v[13] = 0; /* the counter's upper half */
    v[14] = size;
    v[15] = flags;
    for (int round = 0; round < ROUNDS; round++) {
        const uint8_t *s = schedule[round];
        mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
        mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
        mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
        mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
        mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
        mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
        mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
        mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
    }
    for (int i = 0; i < 8; i++)
        value[i] = v[i] ^ v[i + 8];
}

/* The next block of a chunk of which `done` bytes are hashed: its flags and bytes. *block is the
 * chunk's own memory, or `room` with the last bytes and zeros. */
static uint32_t next_block(const struct blake3_job *job, uint32_t done, uint8_t room[BLOCK],
                           const uint8_t **block, uint32_t *size)
{
    uint32_t left = job->size - done, flags = done ? 0 : CHUNK_START;
    *size = left < BLOCK ? left : BLOCK;
    *block = job->data + done;
    if (left < BLOCK) {
        memset(room, 0, BLOCK);
        if (left)
            memcpy(room, *block, left);
        *block = room;
    }
    if (left <= BLOCK)
        flags |= CHUNK_END | (job->root ? ROOT : 0);
    return flags;
}

static void run_portable(struct blake3_job *jobs, size_t count, const struct blake3_mode *mode)
{
    uint8_t room[BLOCK];
    for (struct blake3_job *job = jobs; job < jobs + count; job++) {
        uint32_t done = 0, size;
        const uint8_t *block;
        memcpy(job->words, mode->key, sizeof job->words);
        do {
            uint32_t flags = next_block(job, done, room, &block, &size) | mode->flags;
            compress(job->words, block, job->counter, size, flags);
            done += size;
        } while (done < job->size);
    }
}

static bool usable_always(void) { return true; }

#if defined(__x86_64__) && defined(__GNUC__)
#include "blake3_avx2.h"
#define HAVE_AVX2 1
#endif

const struct blake3_kernel blake3_kernels[] = {
#ifdef HAVE_AVX2
    {"avx2", run_avx2, usable_avx2},
#endif
    {"portable", run_portable, usable_always},
};
const size_t blake3_kernel_count = sizeof blake3_kernels / sizeof *blake3_kernels;

struct blake3_mode blake3_plain(void)
{
    struct blake3_mode mode = {{0}, 0};
    memcpy(mode.key, initial, sizeof mode.key);
    return mode;
}

struct blake3_mode blake3_derive(const uint8_t *context, size_t size)
{
    struct blake3_mode mode = blake3_plain();
    uint8_t block[BLOCK] = {0};
    memcpy(block, context, size < BLOCK ? size : BLOCK);
    compress(mode.key, block, 0, (uint32_t)size,
             CHUNK_START | CHUNK_END | ROOT | DERIVE_KEY_CONTEXT);
    mode.flags = DERIVE_KEY_MATERIAL;
    return mode;
}

static void to_bytes(uint8_t *out, const uint32_t words[8])
{
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < 4; k++)
            out[4 * i + k] = (uint8_t)(words[i] >> 8 * k);
}

/* The chaining value above `count` chunks, a tree whose left side is the larger power of two
 * (section 2.1). Its depth is at most log2(BLAKE3_MAX / BLAKE3_CHUNK). */
static void merge(const struct blake3_job *jobs, size_t count, const struct blake3_mode *mode,
                  uint32_t root, uint32_t words[8])
{
    if (count == 1) {
        memcpy(words, jobs->words, 8 * sizeof *words);
        return;
    }
    size_t left = 1;
    while (2 * left < count)
        left *= 2;
    uint32_t sides[8];
    uint8_t block[BLOCK];
    merge(jobs, left, mode, 0, sides);
    to_bytes(block, sides);
    merge(jobs + left, count - left, mode, 0, sides);
    to_bytes(block + BLOCK / 2, sides);
    memcpy(words, mode->key, 8 * sizeof *words);
    compress(words, block, 0, BLOCK, PARENT | root | mode->flags);
}

static size_t chunks_in(size_t size) { return size ? (size - 1) / BLAKE3_CHUNK + 1 : 1; }

int blake3_digests(struct blake3_input *inputs, size_t count, const struct blake3_mode *mode,
                   blake3_run *run)
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < count; i++)
        total += chunks_in(inputs[i].size);
    struct blake3_job *jobs = malloc((total ? total : 1) * sizeof *jobs);
    if (jobs == NULL)
        return -1;
    for (size_t i = 0; i < count; i++) {
        size_t chunks = chunks_in(inputs[i].size);
        for (size_t k = 0; k < chunks; k++) {
            size_t start = k * BLAKE3_CHUNK, left = inputs[i].size - start;
            jobs[at].data = inputs[i].data + start;
            jobs[at].size = (uint32_t)(left < BLAKE3_CHUNK ? left : BLAKE3_CHUNK);
            jobs[at].counter = (uint32_t)k;
            jobs[at++].root = chunks == 1;
        }
    }
    run(jobs, total, mode);
    at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t chunks = chunks_in(inputs[i].size);
        uint32_t words[8];
        merge(jobs + at, chunks, mode, ROOT, words);
        to_bytes(inputs[i].digest, words);
        at += chunks;
    }
    free(jobs);
    return 0;
}
