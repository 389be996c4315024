#include "rans.h"

#include "rans_model.h"

#define PAD 320 /* bytes: more than a step takes of a stream, and a register beyond */

/* A stream of words. Near its end it goes on in `pad`, so that steps need not look where it ends.
 */
struct words {
    const uint8_t *at, *end, *limit; /* a step may begin while at <= limit */
    uint8_t pad[2 * PAD];
};

struct decoder {
    struct model model;
    const uint8_t *map; /* of steps, or NULL */
    struct words classes, rests;
    uint32_t x[LANES], y[LANES];
    /* by context and slot: frequency, then from bit 11 the length of the rest, from bit 17 slot -
     * start, from bit 27 the bits of the folded difference above the rest */
    uint32_t table[MAX_CONTEXTS << SCALE_BITS];
};

typedef size_t run_fn(struct decoder *d, uint8_t *out, const uint8_t *base, size_t step,
                      size_t steps);

static void pad(struct words *w)
{
    size_t left = (size_t)(w->end - w->at);
    memcpy(w->pad, w->at, left);
    memset(w->pad + left, 0, sizeof w->pad - left);
    w->at = w->pad;
    w->limit = w->end = w->pad + left;
}

static void begin(struct words *w, const uint8_t *at, size_t length)
{
    w->at = at;
    w->end = at + length;
    if (length < PAD)
        pad(w);
    else
        w->limit = w->end - PAD;
}

/* 0 if a step may begin; -1 if more words were taken than there are. */
static int ready(struct words *w)
{
    if (w->at > w->end)
        return -1;
    if (w->at > w->limit)
        pad(w);
    return 0;
}

/* ---------------------------------------------------------------- steps, portable */

/* Words for states that are too low, in a loop of its own: without a branch, as one in eight would
 * be mispredicted, nor ?:, which compilers take for one. All else then has no order, and is written
 * for the compiler's vectoriser. */
INLINE const uint8_t *feed(uint32_t *states, const uint8_t *words, unsigned lanes)
{
    for (unsigned i = 0; i < lanes; i++) {
        uint32_t more = states[i] < LOW;
        states[i] = states[i] << 16 * more | ((uint32_t)load(words, 2) & (0 - more));
        words += 2 * more;
    }
    return words;
}

/* Elements of BITS bits, as numbers of type WIDE. */
#define DEFINE_RUN(BITS, WIDE)                                                                     \
    INLINE WIDE value##BITS(WIDE x, int floats, int inverse)                                       \
    {                                                                                              \
        const WIDE top = (WIDE)1 << (BITS - 1), all = top | (top - 1);                             \
        WIDE negative = (WIDE)(0 - (x >> (BITS - 1))) & all;                                       \
        return floats ? x ^ ((inverse ? negative ^ all : negative) | top) : x;                     \
    }                                                                                              \
    INLINE size_t run##BITS(struct decoder *d, uint8_t *restrict out,                              \
                            const uint8_t *restrict base, size_t step, size_t steps,               \
                            const unsigned lanes, const int floats)                                \
    {                                                                                              \
        enum { WIDTH = BITS / 8 };                                                                 \
        const WIDE magnitude = ((WIDE)1 << (BITS - 1)) - 1, all = 2 * magnitude + 1;               \
        const WIDE top = (WIDE)d->model.top, bias = (WIDE)d->model.bias,                           \
                   last = d->model.contexts - 1;                                                   \
        const unsigned shift = d->model.shift;                                                     \
        const uint32_t *const table = d->table;                                                    \
        const uint8_t *const map = d->map;                                                         \
        const uint8_t *classes = d->classes.at, *rests = d->rests.at;                              \
        const uint8_t *const classes_limit = d->classes.limit, *const rests_limit =                \
                                                                   d->rests.limit;                 \
        uint32_t x[LANES], y[LANES];                                                               \
        memcpy(x, d->x, sizeof x);                                                                 \
        memcpy(y, d->y, sizeof y);                                                                 \
        for (; step < steps && classes <= classes_limit && rests <= rests_limit; step++) {         \
            const size_t at = step * LANES * WIDTH;                                                \
            WIDE before[LANES], folded[LANES] = {0};                                               \
            uint32_t entry[LANES];                                                                 \
            for (unsigned i = 0; i < lanes; i++)                                                   \
                before[i] = (WIDE)load(base + at + i * WIDTH, WIDTH);                              \
            if (map == NULL || map[step / 8] >> step % 8 & 1) {                                    \
                for (unsigned i = 0; i < lanes; i++) {                                             \
                    WIDE e = (before[i] & magnitude) >> shift;                                     \
                    WIDE c = top - (e < top ? e : top);                                            \
                    entry[i] =                                                                     \
                        (uint32_t)(c < last ? c : last) << SCALE_BITS | (x[i] & (SCALE - 1));      \
                }                                                                                  \
                for (unsigned i = 0; i < lanes; i++)                                               \
                    entry[i] = table[entry[i]];                                                    \
                for (unsigned i = 0; i < lanes; i++)                                               \
                    x[i] =                                                                         \
                        (entry[i] & 2047) * (x[i] >> SCALE_BITS) + (entry[i] >> 17 & (SCALE - 1)); \
                classes = feed(x, classes, lanes);                                                 \
                for (unsigned place = 0; 16 + place < BITS; place += 16)                           \
                    for (unsigned i = 0; i < lanes; i++) {                                         \
                        WIDE more = (entry[i] >> 11 & 63) >= 16 + place;                           \
                        folded[i] |= ((WIDE)load(rests, 2) & (0 - more)) << place;                 \
                        rests += 2 * more;                                                         \
                    }                                                                              \
                for (unsigned i = 0; i < lanes; i++) {                                             \
                    uint32_t length = entry[i] >> 11 & 63, some = length & 15;                     \
                    folded[i] |= (WIDE)(entry[i] >> 27) << length |                                \
                                 (WIDE)(y[i] & ((1u << some) - 1)) << (length - some);             \
                    y[i] >>= some;                                                                 \
                }                                                                                  \
                rests = feed(y, rests, lanes);                                                     \
            }                                                                                      \
            for (unsigned i = 0; i < lanes; i++) {                                                 \
                WIDE difference = (folded[i] >> 1) ^ (0 - (folded[i] & 1));                        \
                WIDE now = (difference + value##BITS(before[i], floats, 0) + bias) & all;          \
                before[i] = value##BITS(now, floats, 1);                                           \
            }                                                                                      \
            for (unsigned i = 0; i < lanes; i++)                                                   \
                store(out + at + i * WIDTH, before[i], WIDTH);                                     \
        }                                                                                          \
        memcpy(d->x, x, sizeof x);                                                                 \
        memcpy(d->y, y, sizeof y);                                                                 \
        d->classes.at = classes;                                                                   \
        d->rests.at = rests;                                                                       \
        return step;                                                                               \
    }

DEFINE_RUN(8, uint32_t)
DEFINE_RUN(16, uint32_t)
DEFINE_RUN(32, uint32_t)
DEFINE_RUN(64, uint64_t)

/* Constant arguments make each case its own code. */
INLINE size_t run_lanes(struct decoder *d, uint8_t *out, const uint8_t *base, size_t step,
                        size_t steps, unsigned lanes)
{
    int floats = d->model.floats;
    switch (d->model.width) {
    case 1:
        return run8(d, out, base, step, steps, lanes, 0);
    case 2:
        return floats ? run16(d, out, base, step, steps, lanes, 1)
                      : run16(d, out, base, step, steps, lanes, 0);
    case 4:
        return floats ? run32(d, out, base, step, steps, lanes, 1)
                      : run32(d, out, base, step, steps, lanes, 0);
    default:
        return floats ? run64(d, out, base, step, steps, lanes, 1)
                      : run64(d, out, base, step, steps, lanes, 0);
    }
}

/* The last step, of fewer lanes. */
static void run_last(struct decoder *d, uint8_t *out, const uint8_t *base, size_t step,
                     unsigned lanes)
{
    run_lanes(d, out, base, step, step + 1, lanes);
}

CLONED static size_t run_whole(struct decoder *d, uint8_t *out, const uint8_t *base, size_t step,
                               size_t steps)
{
    return run_lanes(d, out, base, step, steps, LANES);
}

#ifdef X86
#define RANS_DECODER
#include "rans_avx2.h"
#include "rans_avx512.h"
#endif

/* ---------------------------------------------------------------- the head */

struct reader {
    const uint8_t *at, *end;
};

/* The next `size` bytes, or NULL. */
static const uint8_t *take(struct reader *r, size_t size)
{
    const uint8_t *at = r->at;
    if ((size_t)(r->end - at) < size)
        return NULL;
    r->at += size;
    return at;
}

static int read_table(struct reader *r, uint32_t *table, unsigned width)
{
    const uint8_t *bitmap = take(r, 2 * (size_t)width);
    unsigned start = 0, any = 0;
    if (bitmap == NULL)
        return -1;
    for (unsigned k = 0; k < 2 * width; k++)
        any |= bitmap[k];
    for (unsigned class = 0; class < 16 * width; class++) {
        unsigned frequency;
        if (bitmap[class / 8] >> class % 8 & 1) {
            const uint8_t *less = take(r, 1);
            if (less == NULL || (*less >= 128 && take(r, 1) == NULL))
                return -1;
            frequency = 1 + (*less < 128 ? less[0] : (less[0] - 128u) << 8 | less[1]);
        } else if (!any && class == 0) {
            frequency = SCALE;
        } else {
            continue;
        }
        if (frequency > SCALE - start)
            return -1;
        uint32_t head = class < 2 ? class : 2 | (class & 1);
        uint32_t entry = frequency | rest_bits(class) << 11 | head << 27;
        for (unsigned i = 0; i < frequency; i++)
            table[start + i] = entry | i << 17;
        start += frequency;
    }
    return start == SCALE ? 0 : -1;
}

static int read_states(struct reader *r, uint32_t *states)
{
    const uint8_t *at = take(r, 4 * LANES);
    if (at == NULL)
        return -1;
    for (unsigned i = 0; i < LANES; i++) {
        states[i] = (uint32_t)load(at + 4 * i, 4);
        if (states[i] < LOW || states[i] >> 31)
            return -1;
    }
    return 0;
}

/* All before the tail. Every length is checked here. */
static int read_head(struct decoder *d, struct reader *r, size_t steps)
{
    struct model *m = &d->model;
    const uint8_t *head = take(r, 8 + 2 * (size_t)m->width);
    if (head == NULL)
        return -1;
    unsigned flags = head[0], known = m->width > 1 ? SKIPS | FLOATS : SKIPS;
    m->floats = flags & FLOATS;
    m->shift = head[1];
    m->contexts = head[2];
    if (flags & ~known || m->shift >= 8 * m->width || m->contexts < 1 ||
        m->contexts > MAX_CONTEXTS || head[3])
        return -1;
    m->top = load(head + 4, m->width);
    m->bias = load(head + 4 + m->width, m->width);
    size_t words = load(head + 4 + 2 * m->width, 4);
    d->map = NULL;
    if (flags & SKIPS) {
        d->map = take(r, (steps + 7) / 8);
        if (d->map == NULL || (steps % 8 && d->map[steps / 8] >> steps % 8))
            return -1;
    }
    for (unsigned c = 0; c < m->contexts; c++)
        if (read_table(r, d->table + ((size_t)c << SCALE_BITS), m->width) < 0)
            return -1;
    if (read_states(r, d->x) < 0 || read_states(r, d->y) < 0)
        return -1;
    size_t left = (size_t)(r->end - r->at);
    if (words > left / 2 || left % 2)
        return -1;
    begin(&d->classes, r->at, 2 * words);
    begin(&d->rests, r->at + 2 * words, left - 2 * words);
    return 0;
}

static int at_end(const struct words *w, const uint32_t *states)
{
    uint32_t differ = 0;
    for (unsigned i = 0; i < LANES; i++)
        differ |= states[i] ^ LOW;
    return w->at == w->end && !differ;
}

static run_fn *run_steps = run_whole;

int rans_select_decoder(int level)
{
    run_steps = run_whole;
#ifdef X86
    __builtin_cpu_init();
    if (level >= 2 && usable_avx512()) {
        run_steps = run_avx512;
        return 2;
    }
    fill_order8();
    if (level >= 1 && usable_avx2()) {
        run_steps = run_avx2;
        return 1;
    }
#endif
    (void)level;
    return 0;
}

int rans_decode(uint8_t *out, size_t size, unsigned width, const uint8_t *base, const uint8_t *body,
                size_t length)
{
    struct decoder d;
    size_t n = size / width, tail = size % width, whole = n / LANES, step = 0;
    struct reader r = {body, body + length - tail};
    d.model.width = width;
    if (length < tail || read_head(&d, &r, (n + LANES - 1) / LANES) < 0)
        return -1;
    for (;;) {
        if (ready(&d.classes) < 0 || ready(&d.rests) < 0)
            return -1;
        if (step == whole)
            break;
        step = run_steps(&d, out, base, step, whole);
    }
    if (n % LANES)
        run_last(&d, out, base, step, n % LANES);
    if (!at_end(&d.classes, d.x) || !at_end(&d.rests, d.y))
        return -1;
    for (size_t i = size - tail; i < size; i++)
        out[i] = body[length - (size - i)] ^ base[i];
    return 0;
}
