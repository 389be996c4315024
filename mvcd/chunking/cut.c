/* The gear cutter; theory in cut.py and CHUNKING.md.
 *
 * Plain code runs the 64-bit recurrence. Vector code finds proposals only: it needs the low 16 bits of the
 * hash at every position, i.e. sum of 2^k g[i-k] over k < 16 with g = the table's low 16 bits, and gets it
 * by doubling, four steps instead of sixteen:
 *
 *     a[i] = g[i] + 2 g[i-1];  b[i] = a[i] + 4 a[i-2];  c[i] = b[i] + 16 b[i-4];  d[i] = c[i] + 256 c[i-8]
 *
 * All arithmetic is modulo 2^16. Looking g up is two 16-entry byte tables for each of its two bytes. Each
 * step keeps the last vector of the step before, so blocks follow one another without overlap. */
#include "cut.h"

#include "cut_table.h"

enum { PROPOSAL_MASK = 0xfff0 };

static inline bool confirmed(const uint8_t *data, size_t position, uint64_t limit) {
    uint64_t h = 0;
    for (const uint8_t *p = data + position - (CUT_WINDOW - 1); p <= data + position; p++)
        h = (h << 1) + gear[*p];
    return h <= limit;
}

static size_t scan_portable(const uint8_t *data, size_t from, size_t end, uint64_t limit) {
    uint64_t h = 0;
    for (size_t i = from - CUT_WINDOW; i < from; i++)
        h = (h << 1) + gear[data[i]];
    for (size_t i = from; i < end; i++) {
        h = (h << 1) + gear[data[i]];
        if ((h & PROPOSAL_MASK) == 0 && h <= limit)
            return i;
    }
    return end;
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

size_t cut_capacity(size_t size, const struct cut_params *params) { return size / params->min_size + 1; }

size_t cut_points(const uint8_t *data, size_t size, bool final, const struct cut_params *params,
                  cut_scan *scan, uint64_t *points) {
    size_t count = 0, start = 0;
    while (size - start >= params->min_size) {
        bool capped = size - start >= params->max_size;
        size_t stop = capped ? start + params->max_size : size;
        size_t at = scan(data, start + params->min_size - 1, stop, params->limit);
        if (at == stop && !capped)
            break;
        start = at == stop ? stop : at + 1;
        points[count++] = start;
    }
    if (final && start < size)
        points[count++] = size;
    return count;
}
