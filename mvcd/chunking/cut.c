/* The cutter; theory in cut.py and CHUNKING.md.
 *
 * Vector kernels need the gear at every position, i.e. the sum of 2^k g[i-k] over k < 16 with g the
 * table's entries, and get it by doubling, in four steps instead of sixteen:
 *
 *     a[i] = g[i] +  2 g[i-1];  b[i] = a[i] +   4 a[i-2]
 *     c[i] = b[i] + 16 b[i-4];  d[i] = c[i] + 256 c[i-8]
 *
 * All arithmetic is modulo 2^16. Looking g up is two 16-entry byte tables for each of its two
 * bytes. Each step keeps the last vector of the step before, so blocks follow one another without
 * overlap. */
#include "cut.h"

#include <string.h>

#include "cut_table.h"

#if defined(__GNUC__) || defined(__clang__)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define NOT_INLINE __attribute__((noinline))
#else
#define UNLIKELY(condition) (condition)
#define NOT_INLINE
#endif

enum { GEAR_WINDOW = 16 };

static inline uint64_t load_le64(const uint8_t *p)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    uint64_t word = 0;
    for (int i = 7; i >= 0; i--)
        word = word << 8 | p[i];
#else
    uint64_t word;
    memcpy(&word, p, sizeof word);
#endif
    return word;
}

static inline uint64_t weight(const uint8_t *window)
{
    uint64_t sum = 0;
    for (int i = 0; i < CUT_WINDOW / 8; i++) {
        uint64_t mixed = load_le64(window + 8 * i) ^ keys[i];
        sum += (mixed & 0xffffffff) * (mixed >> 32);
    }
    return (sum ^ sum >> 32) * 0x9e3779b97f4a7c15;
}

/* Whether a proposal cuts. Remembers it if it is the lightest so far, of equals the last. */
static inline bool cuts(const uint8_t *data, size_t end, uint64_t limit, struct cut_best *best)
{
    uint64_t found = weight(data + end - CUT_WINDOW);
    if (found > limit && found <= best->weight) {
        best->weight = found;
        best->end = end;
    }
    return found <= limit;
}

static inline bool proposes(uint32_t h)
{
    return UNLIKELY((h & (0x10000 - (1 << PROPOSAL_SHIFT))) == 0);
}

/* Four copies of `cuts` inside the unrolled loop would take its registers: a fifth of its speed. */
NOT_INLINE static bool cuts_apart(const uint8_t *data, size_t end, uint64_t limit,
                                  struct cut_best *best)
{
    return cuts(data, end, limit, best);
}

/* The low 16 bits of h are the gear; what is above does no harm. Two bytes a step, so that the
 * second does not wait for the first: 3.1 GB/s where one a step gave 2.0 (Zen 4). */
static size_t scan_portable(const uint8_t *data, size_t from, size_t to, uint64_t limit,
                            struct cut_best *best)
{
    enum { STRIDE = 8 }; /* a constant inner loop, which compilers unroll */
    uint32_t h = 0;
    size_t i = from - (GEAR_WINDOW - 1);
    for (; i < from; i++)
        h = 2 * h + gear[data[i]];
    for (; to - i >= STRIDE; i += STRIDE) {
        for (size_t j = i; j < i + STRIDE; j += 2) {
            uint32_t a = gear[data[j]], b = gear[data[j + 1]];
            uint32_t middle = 2 * h + a;
            h = 4 * h + (2 * a + b);
            if (proposes(middle) && cuts_apart(data, j + 1, limit, best))
                return j + 1;
            if (proposes(h) && cuts_apart(data, j + 2, limit, best))
                return j + 2;
        }
    }
    for (; i < to; i++) {
        h = 2 * h + gear[data[i]];
        if (proposes(h) && cuts_apart(data, i + 1, limit, best))
            return i + 1;
    }
    return 0;
}

static bool always(void) { return true; }

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define CUT_X86 1
#include "cut_x86.h"
#elif defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__))
#define CUT_ARM 1
#include "cut_arm.h"
#endif

const struct cut_kernel cut_kernels[] = {
#ifdef CUT_X86
    {"avx512", scan_avx512, usable_avx512},
    {"avx2", scan_avx2, usable_avx2},
#endif
#ifdef CUT_ARM
    {"neon", scan_neon, always},
#endif
    {"portable", scan_portable, always},
};
const size_t cut_kernel_count = sizeof cut_kernels / sizeof *cut_kernels;

size_t cut_capacity(size_t size, const struct cut_params *params)
{
    return size / params->min_size + 1;
}

/* The end of the chunk that begins at `start`, or 0 while more bytes are needed. */
static size_t next_cut(const uint8_t *data, size_t start, size_t size,
                       const struct cut_params *params, cut_scan *scan)
{
    bool capped = size - start >= params->max_size;
    size_t stop = capped ? start + params->max_size : size;
    struct cut_best best = {UINT64_MAX, stop};
    size_t end = scan(data, start + params->min_size - 1, stop, params->limit, &best);
    if (end == 0 && capped)
        end = best.end;
    return end;
}

size_t cut_points(const uint8_t *data, size_t size, bool final, const struct cut_params *params,
                  cut_scan *scan, uint64_t *points)
{
    size_t count = 0, start = 0, end;
    while (size - start >= params->min_size &&
           (end = next_cut(data, start, size, params, scan)) != 0)
        points[count++] = start = end;
    if (final && start < size)
        points[count++] = size;
    return count;
}
