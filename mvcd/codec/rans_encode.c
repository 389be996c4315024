#include "rans.h"

#include "rans_model.h"

#define SAMPLES 128
#define SKIP_BITS 64
#define CLASS_BITS 7
#define SPARE 64 /* bytes that whole registers may write before a stream */

struct encoder {
    struct model model;
    void *folded;   /* the folded differences, `width` bytes each */
    uint16_t *keys; /* context << CLASS_BITS | class */
    uint8_t *map;   /* steps in which not all classes are 0 */
    int skips;
    uint8_t *classes, *rests; /* where the streams begin so far: they are written from their ends */
    uint32_t x[LANES], y[LANES];
    uint32_t counts[MAX_CONTEXTS << CLASS_BITS];
    /* by key, for one load: 2^(31+k) / frequency, rounded up, where k is the bits of frequency - 1;
     * from bit 32 SCALE - frequency, from bit 42 start, from bit 52 31 + k */
    uint64_t entry[MAX_CONTEXTS << CLASS_BITS];
};

typedef void put_fn(struct encoder *e, size_t steps);

INLINE int has_change(const struct encoder *e, size_t step)
{
    return e->map[step / 8] >> step % 8 & 1;
}

/* ---------------------------------------------------------------- elements to classes */

/* Written for the compiler's vectoriser. A class is exponent and first bit of the mantissa of a
 * float of that value, which tells them in every set of instructions where counting zeros may be
 * none. The third bit is cleared before, so that nothing is rounded up into these two. */
#define DEFINE_CLASSIFY(BITS, TYPE, FLOAT, FLOAT_BITS, FLOAT_TYPE, ONE)                            \
    INLINE TYPE word##BITS(const uint8_t *at)                                                      \
    {                                                                                              \
        TYPE x;                                                                                    \
        memcpy(&x, at, sizeof x);                                                                  \
        return (TYPE)LITTLE##BITS(x);                                                              \
    }                                                                                              \
    INLINE void classify##BITS(TYPE *restrict folded, uint16_t *restrict keys,                     \
                               const uint8_t *restrict data, const uint8_t *restrict base,         \
                               size_t n, const struct model *m, int floats)                        \
    {                                                                                              \
        const TYPE bias = (TYPE)m->bias, top = (TYPE)m->top, last = (TYPE)(m->contexts - 1);       \
        const TYPE sign = (TYPE)((TYPE)1 << (BITS - 1));                                           \
        const unsigned shift = m->shift;                                                           \
        for (size_t i = 0; i < n; i++) {                                                           \
            TYPE x = word##BITS(data + i * sizeof x), y = word##BITS(base + i * sizeof y);         \
            TYPE e = (TYPE)((TYPE)(y & (TYPE)(sign - 1)) >> shift);                                \
            if (floats) {                                                                          \
                x = (TYPE)(x ^ (TYPE)((TYPE)(0 - (x >> (BITS - 1))) | sign));                      \
                y = (TYPE)(y ^ (TYPE)((TYPE)(0 - (y >> (BITS - 1))) | sign));                      \
            }                                                                                      \
            TYPE d = (TYPE)(x - y - bias);                                                         \
            TYPE v = (TYPE)((TYPE)(d << 1) ^ (TYPE)(0 - (d >> (BITS - 1))));                       \
            TYPE c = (TYPE)(top - (e < top ? e : top));                                            \
            FLOAT f = (FLOAT)(TYPE)(v & (TYPE) ~(v >> 2));                                         \
            FLOAT_TYPE pattern;                                                                    \
            memcpy(&pattern, &f, sizeof f);                                                        \
            TYPE class = (TYPE)((pattern >> (FLOAT_BITS - 1)) - 2 * ONE);                          \
            TYPE none = (TYPE)(0 - (TYPE)(v < 2));                                                 \
            class = (TYPE)((class & (TYPE)~none) | (v & none)); /* ?: would be a branch */         \
            c = c < last ? c : last;                                                               \
            folded[i] = v;                                                                         \
            keys[i] = (uint16_t)((uint16_t)c << CLASS_BITS | (uint16_t)class);                     \
        }                                                                                          \
    }

DEFINE_CLASSIFY(8, uint8_t, float, 23, uint32_t, 127)
DEFINE_CLASSIFY(16, uint16_t, float, 23, uint32_t, 127)
DEFINE_CLASSIFY(32, uint32_t, float, 23, uint32_t, 127)
DEFINE_CLASSIFY(64, uint64_t, double, 52, uint64_t, 1023)

enum { BLOCK = 8 * LANES, TABLES = 4, KEYS = MAX_CONTEXTS << CLASS_BITS, APART = 16 };

/* How often there is each key. Neighbours are counted in tables of their own: a count that was just
 * written is not read again before it is there. The tables are no multiple of 4 KiB apart, for
 * which a processor takes a read of one for a read of what was just written to another: encoding
 * took up to 1.5 times as long (Zen 3, BF16). With two tables it takes 1.1 times as long as with
 * four. */
struct tally {
    uint32_t tables[TABLES][KEYS + APART];
    size_t steps; /* with a change */
};

INLINE void count(struct tally *tally, const uint16_t *keys, size_t lanes)
{
    if (lanes == LANES)
        for (size_t k = 0; k < LANES; k += TABLES)
            for (size_t j = 0; j < TABLES; j++)
                tally->tables[j][keys[k + j]]++;
    else
        for (size_t k = 0; k < lanes; k++)
            tally->tables[0][keys[k]]++;
}

INLINE size_t lanes_of(size_t step, size_t n)
{
    return n - step * LANES < LANES ? n - step * LANES : LANES;
}

/* Counts the classes of those steps of a block that have a change, and returns which they are. */
INLINE unsigned count_changed(struct tally *tally, const uint16_t *keys, const uint8_t *folded,
                              size_t n, unsigned width)
{
    unsigned changed = 0;
    for (size_t t = 0; t * LANES < n; t++) {
        const uint8_t *at = folded + t * LANES * width;
        size_t left = lanes_of(t, n) * width;
        uint64_t any = 0;
        for (; left >= 32; left -= 32, at += 32)
            for (unsigned j = 0; j < 32; j += 8)
                any |= load(at + j, 8);
        while (left > 0)
            any |= at[--left];
        if (any) {
            changed |= 1u << t;
            tally->steps++;
            count(tally, keys + t * LANES, lanes_of(t, n));
        }
    }
    return changed;
}

/* In blocks, so that what is counted is near: classes of all, then counts of all took 1.05 to 1.19
 * times as long to encode (Zen 4). Constant arguments make each case its own loop. */
#define SURVEY(BITS, FLOATS)                                                                       \
    for (size_t i = 0; i < n; i += BLOCK) {                                                        \
        size_t some = n - i < BLOCK ? n - i : BLOCK, at = i * (BITS / 8);                          \
        uint##BITS##_t *folded = (uint##BITS##_t *)e->folded + i;                                  \
        uint16_t *keys = e->keys + i;                                                              \
        classify##BITS(folded, keys, data + at, base + at, some, &m, FLOATS);                      \
        unsigned changed = count_changed(&tally, keys, (uint8_t *)folded, some, BITS / 8);         \
        e->map[i / BLOCK] = (uint8_t)changed;                                                      \
    }

/* Classes of all elements, how often there is each, and which steps have a change. */
CLONED static void survey(struct encoder *e, const uint8_t *data, const uint8_t *base, size_t n)
{
    const struct model m = e->model;
    struct tally tally = {0};
    if (m.width == 1)
        SURVEY(8, 0)
    else if (m.width == 2 && m.floats)
        SURVEY(16, 1)
    else if (m.width == 2)
        SURVEY(16, 0)
    else if (m.width == 4 && m.floats)
        SURVEY(32, 1)
    else if (m.width == 4)
        SURVEY(32, 0)
    else if (m.floats)
        SURVEY(64, 1)
    else
        SURVEY(64, 0)
    size_t steps = (n + LANES - 1) / LANES, same = steps - tally.steps;
    e->skips = same * SKIP_BITS > steps;
    for (size_t t = 0; t < steps && same && !e->skips; t++)
        if (!has_change(e, t))
            count(&tally, e->keys + t * LANES, lanes_of(t, n));
    for (unsigned key = 0; key < KEYS; key++)
        e->counts[key] = tally.tables[0][key] + tally.tables[1][key] + tally.tables[2][key] +
                         tally.tables[3][key];
}

/* ---------------------------------------------------------------- the model */

static void sort(int64_t *a, unsigned n)
{
    for (unsigned i = 1; i < n; i++) {
        int64_t x = a[i];
        unsigned k = i;
        for (; k > 0 && a[k - 1] > x; k--)
            a[k] = a[k - 1];
        a[k] = x;
    }
}

/* Contexts and bias, from SAMPLES elements: see rans.py. */
static void guess(struct model *m, const uint8_t *data, const uint8_t *base, size_t n)
{
    int64_t exponents[SAMPLES], differences[SAMPLES];
    unsigned width = m->width, bits = 8 * width;
    m->contexts = 1;
    m->top = m->bias = 0;
    if (!m->floats || n == 0)
        return;
    for (unsigned k = 0; k < SAMPLES; k++) {
        size_t at = (size_t)((uint64_t)n * k / SAMPLES) * width;
        uint64_t x = load(data + at, width), y = load(base + at, width);
        uint64_t d = ordered(x, bits) - ordered(y, bits);
        exponents[k] = (int64_t)((y & ones(bits - 1)) >> m->shift);
        differences[k] = (int64_t)(d << (64 - bits)) >> (64 - bits);
    }
    sort(exponents, SAMPLES);
    sort(differences, SAMPLES);
    int64_t quarter = differences[SAMPLES / 4], last = differences[3 * SAMPLES / 4];
    m->contexts = MAX_CONTEXTS;
    m->top = (uint64_t)exponents[SAMPLES - 2];
    if ((quarter > 0 && last > 0) || (quarter < 0 && last < 0))
        m->bias = (uint64_t)differences[SAMPLES / 2] & ones(bits);
}

/* Counts of a context -> frequencies that add up to SCALE, if there are any. */
static void normalise(uint32_t *counts, unsigned classes)
{
    uint64_t total = 0;
    uint32_t sum = 0;
    for (unsigned s = 0; s < classes; s++)
        total += counts[s];
    for (unsigned s = 0; s < classes && total; s++) {
        uint32_t f = (uint32_t)((2 * SCALE * (uint64_t)counts[s] + total) / (2 * total));
        counts[s] = counts[s] && !f ? 1 : f;
        sum += counts[s];
    }
    while (total && sum != SCALE) {
        unsigned most = 0;
        for (unsigned s = 1; s < classes; s++)
            if (counts[s] > counts[most])
                most = s;
        uint32_t change = sum > SCALE ? (uint32_t)-1 : SCALE - sum;
        counts[most] += change;
        sum += change;
    }
}

/* Tables for the coder and, at `out`, for the reader, whose end is returned. */
static uint8_t *write_tables(struct encoder *e, uint8_t *out)
{
    unsigned classes = 16 * e->model.width;
    for (unsigned c = 0; c < e->model.contexts; c++) {
        uint32_t *frequencies = e->counts + ((size_t)c << CLASS_BITS), start = 0;
        uint8_t *bitmap = out;
        normalise(frequencies, classes);
        memset(out, 0, classes / 8);
        out += classes / 8;
        for (unsigned s = 0; s < classes; s++) {
            uint32_t f = frequencies[s], less = f - 1, k = 0;
            size_t key = (size_t)c << CLASS_BITS | s;
            if (f == 0)
                continue;
            while (1u << k < f)
                k++;
            e->entry[key] = (((uint64_t)1 << (31 + k)) + f - 1) / f |
                            (uint64_t)((SCALE - f) | start << 10 | (31 + k) << 20) << 32;
            start += f;
            bitmap[s / 8] |= (uint8_t)(1u << s % 8);
            if (less >= 128)
                *out++ = (uint8_t)(128 | less >> 8);
            *out++ = (uint8_t)less;
        }
    }
    return out;
}

/* ---------------------------------------------------------------- steps, portable */

INLINE uint64_t folded_at(const struct encoder *e, size_t i, unsigned width)
{
    return width == 1   ? ((uint8_t *)e->folded)[i]
           : width == 2 ? ((uint16_t *)e->folded)[i]
           : width == 4 ? ((uint32_t *)e->folded)[i]
                        : ((uint64_t *)e->folded)[i];
}

/* One step backwards: what a reader takes last is written first. */
INLINE void put(struct encoder *e, size_t first, unsigned lanes, unsigned width)
{
    uint8_t *classes = e->classes, *rests = e->rests;
    for (unsigned i = lanes; i-- > 0;) {
        uint32_t key = e->keys[first + i], x = e->x[i];
        uint32_t inverse = (uint32_t)e->entry[key], place = (uint32_t)(e->entry[key] >> 32);
        uint32_t more = x >= (SCALE - (place & (SCALE - 1))) << (31 - SCALE_BITS);
        store(classes - 2, x & 0xffff, 2); /* written over if it does not count */
        classes -= 2 * more;
        x = more ? x >> 16 : x;
        uint32_t quotient = (uint32_t)((uint64_t)x * inverse >> (place >> 20));
        e->x[i] = x + quotient * (place & (SCALE - 1)) + (place >> 10 & (SCALE - 1));

        unsigned length = rest_bits(key & (MAX_CLASSES - 1)), some = length & 15;
        uint32_t y = e->y[i];
        more = y >= (uint32_t)1 << (31 - some);
        store(rests - 2, y & 0xffff, 2);
        rests -= 2 * more;
        y = more ? y >> 16 : y;
        uint64_t rest = folded_at(e, first + i, width) & ones(length);
        e->y[i] = y << some | (uint32_t)(rest >> (length - some));
    }
    for (unsigned place = 8 * width; place >= 32; place -= 16)
        for (unsigned i = lanes; i-- > 0;) {
            unsigned more = rest_bits(e->keys[first + i] & (MAX_CLASSES - 1)) >= place - 16;
            store(rests - 2, folded_at(e, first + i, width) >> (place - 32) & 0xffff, 2);
            rests -= 2 * more;
        }
    e->classes = classes;
    e->rests = rests;
}

static void put_any(struct encoder *e, size_t step, unsigned lanes)
{
    size_t first = step * LANES;
    if (e->skips && !has_change(e, step))
        return;
    switch (e->model.width) {
    case 1:
        put(e, first, lanes, 1);
        break;
    case 2:
        put(e, first, lanes, 2);
        break;
    case 4:
        put(e, first, lanes, 4);
        break;
    default:
        put(e, first, lanes, 8);
    }
}

static void put_portable(struct encoder *e, size_t steps)
{
    while (steps-- > 0)
        put_any(e, steps, LANES);
}

#ifdef X86
#include "rans_avx2.h"
#include "rans_avx512.h"
#endif

static put_fn *put_steps = put_portable;

int rans_select(int level)
{
    put_steps = put_portable;
#ifdef X86
    __builtin_cpu_init();
    fill_order8();
    if (level >= 2 && usable_avx512())
        put_steps = put_avx512;
    else if (level >= 1 && usable_avx2())
        put_steps = put_avx2;
#endif
    return rans_select_decoder(level);
}

/* ---------------------------------------------------------------- bodies */

enum { HEAD = 24 + MAX_CONTEXTS * (16 + 2 * MAX_CLASSES) + 8 * LANES };

static size_t aligned(size_t size) { return (size + 63) & ~(size_t)63; }

/* Bytes of the longest stream of classes: a word each. Rests have a word for each 16 of their bits,
 * and one more. */
static size_t classes_room(size_t n) { return aligned(2 * n) + SPARE; }
static size_t rests_room(size_t n, unsigned width) { return aligned(2 * n + n * width) + SPARE; }

static size_t map_room(size_t n) { return aligned(n / (8 * LANES) + 1); }

size_t rans_scratch(size_t size, unsigned width)
{
    size_t n = size / width;
    return 64 + aligned(size) + aligned(2 * n) + map_room(n) + aligned(HEAD) + map_room(n) +
           classes_room(n) + rests_room(n, width);
}

static uint8_t *write_head(struct encoder *e, uint8_t *out, size_t steps, size_t words)
{
    const struct model *m = &e->model;
    out[0] = (uint8_t)((m->floats ? FLOATS : 0) | (e->skips ? SKIPS : 0));
    out[1] = (uint8_t)m->shift;
    out[2] = (uint8_t)m->contexts;
    out[3] = 0;
    store(out + 4, m->top, m->width);
    store(out + 4 + m->width, m->bias, m->width);
    out += 4 + 2 * m->width;
    store(out, words, 4);
    out += 4;
    if (e->skips) {
        memcpy(out, e->map, (steps + 7) / 8);
        out += (steps + 7) / 8;
    }
    return out;
}

void rans_encode(struct rans_body *body, uint8_t *scratch, const uint8_t *data, const uint8_t *base,
                 size_t size, unsigned width, int floats, unsigned shift)
{
    struct encoder e;
    size_t n = size / width, tail = size % width, steps = (n + LANES - 1) / LANES;
    scratch += (64 - ((uintptr_t)scratch & 63)) & 63;
    e.folded = scratch;
    e.keys = (uint16_t *)(scratch + aligned(size));
    e.map = scratch + aligned(size) + aligned(2 * n);
    uint8_t *head = e.map + map_room(n);
    uint8_t *classes_end = head + aligned(HEAD) + map_room(n) + classes_room(n);
    uint8_t *rests_end = classes_end + rests_room(n, width);
    e.classes = classes_end;
    e.rests = rests_end - tail;
    for (size_t i = 0; i < tail; i++)
        e.rests[i] = data[size - tail + i] ^ base[size - tail + i];
    e.model.width = width;
    e.model.floats = floats;
    e.model.shift = shift;
    guess(&e.model, data, base, n);
    survey(&e, data, base, n);
    for (unsigned i = 0; i < LANES; i++)
        e.x[i] = e.y[i] = LOW;

    uint8_t tables[MAX_CONTEXTS * (16 + 2 * MAX_CLASSES)];
    size_t tables_length = (size_t)(write_tables(&e, tables) - tables);
    if (n % LANES)
        put_any(&e, steps - 1, n % LANES);
    put_steps(&e, n / LANES);

    uint8_t *out = write_head(&e, head, steps, (size_t)(classes_end - e.classes) / 2);
    memcpy(out, tables, tables_length);
    out += tables_length;
    for (unsigned i = 0; i < LANES; i++) {
        store(out + 4 * i, e.x[i], 4);
        store(out + 4 * (LANES + i), e.y[i], 4);
    }
    out += 8 * LANES;
    body->part[0] = head;
    body->length[0] = (size_t)(out - head);
    body->part[1] = e.classes;
    body->length[1] = (size_t)(classes_end - e.classes);
    body->part[2] = e.rests;
    body->length[2] = (size_t)(rests_end - e.rests); /* the tail follows the stream */
}
