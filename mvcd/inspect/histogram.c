/* Elements are widened to double by blocks, as compare.c does it. */
#include "histogram.h"

#include <math.h>

#define BLOCK 1024 /* whole units of every dtype */

/* Fills `out` with the next values of a run, of which `done` were taken; returns how many. */
static size_t next(const struct histogram_run *run, size_t done, double out[BLOCK])
{
    double before[BLOCK];
    size_t n = run->n - done < BLOCK ? run->n - done : BLOCK;
    compare_widen(
        out, run->new_dtype,
        run->new + done / compare_elements(run->new_dtype) * compare_width(run->new_dtype), n);
    if (run->old == NULL)
        return n;
    compare_widen(
        before, run->old_dtype,
        run->old + done / compare_elements(run->old_dtype) * compare_width(run->old_dtype), n);
    for (size_t i = 0; i < n; i++)
        out[i] -= before[i];
    return n;
}

void histogram_extent(const struct histogram_run *run, double *low, double *high)
{
    double values[BLOCK];
    for (size_t done = 0, n; done < run->n; done += n) {
        n = next(run, done, values);
        for (size_t i = 0; i < n; i++) {
            if (!isfinite(values[i]))
                continue;
            *low = values[i] < *low ? values[i] : *low;
            *high = values[i] > *high ? values[i] : *high;
        }
    }
}

void histogram_add(const struct histogram_run *run, double low, double high, uint64_t *counts,
                   size_t bins)
{
    double values[BLOCK];
    /* by halves: the whole of float64's range is no number of float64's */
    const double width = high / 2 - low / 2;
    for (size_t done = 0, n; done < run->n; done += n) {
        n = next(run, done, values);
        for (size_t i = 0; i < n; i++) {
            if (!(values[i] >= low && values[i] <= high)) /* nor is NaN */
                continue;
            double share = width > 0 ? (values[i] / 2 - low / 2) / width : 0;
            size_t bin = (size_t)(share * (double)bins);
            counts[bin < bins ? bin : bins - 1]++;
        }
    }
}
