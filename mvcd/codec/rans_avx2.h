/* Steps in AVX2 for widths 1, 2 and 4; included by rans_encode.c and rans_decode.c. A step is four
 * registers of 8 states of 32 bits. Words are dealt out and collected by a table of permutations,
 * one for each mask of 8 lanes. A decoder does one thing for all four registers before it does the
 * next, so that their latencies overlap: 25 % faster (Zen 3, BF16). */

#define AVX2 __attribute__((target("avx2,popcnt")))

static int usable_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
}

AVX2 INLINE __m256i set8(uint32_t x) { return _mm256_set1_epi32((int)x); }

AVX2 INLINE unsigned lanes8(__m256i mask)
{
    return (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(mask));
}

/* 8 elements, or places for them, as 32-bit lanes. */
AVX2 INLINE __m256i load8(const uint8_t *at, unsigned width)
{
    if (width == 1)
        return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)at));
    if (width == 2)
        return _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)at));
    return _mm256_loadu_si256((const __m256i *)at);
}

/* The low words of 8 lanes. */
AVX2 INLINE __m128i low_words8(__m256i v)
{
    v = _mm256_and_si256(v, set8(0xffff));
    return _mm_packus_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

AVX2 INLINE __m256i if8(__m256i mask, __m256i yes, __m256i no)
{
    return _mm256_blendv_epi8(no, yes, mask);
}

/* Rests of 16 bits and more. */
AVX2 INLINE __m256i long8(__m256i length) { return _mm256_cmpgt_epi32(length, set8(15)); }

#ifdef RANS_DECODER

/* By mask of lanes: which of 8 next words each lane takes. */
static uint8_t order8[256][8];

static void fill_order8(void)
{
    for (unsigned mask = 0; mask < 256; mask++)
        for (unsigned lane = 0, next = 0; lane < 8; lane++)
            if (mask >> lane & 1)
                order8[mask][lane] = (uint8_t)next++;
}

AVX2 INLINE __m256i permutation8(unsigned lanes)
{
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)order8[lanes]));
}

AVX2 INLINE void store8(uint8_t *at, __m256i v, unsigned width)
{
    if (width == 1) {
        __m128i words = low_words8(_mm256_and_si256(v, set8(0xff)));
        _mm_storel_epi64((__m128i *)at, _mm_packus_epi16(words, words));
    } else if (width == 2) {
        _mm_storeu_si128((__m128i *)at, low_words8(v));
    } else {
        _mm256_storeu_si256((__m256i *)at, v);
    }
}

/* Words for the lanes of a mask; in the others there is anything. */
AVX2 INLINE __m256i deal8(const uint8_t **words, __m256i mask)
{
    unsigned lanes = lanes8(mask);
    __m256i next = load8(*words, 2);
    *words += 2 * (size_t)_mm_popcnt_u32(lanes);
    return _mm256_permutevar8x32_epi32(next, permutation8(lanes));
}

AVX2 INLINE __m256i feed8(__m256i state, const uint8_t **words)
{
    __m256i few = _mm256_cmpgt_epi32(set8(LOW), state); /* states are below 2^31 */
    __m256i word = deal8(words, few);
    return if8(few, _mm256_or_si256(_mm256_slli_epi32(state, 16), word), state);
}

/* 8 entries of a table, each by a load of its own: a gather takes 15 % more of all (Zen 3). */
AVX2 INLINE __m256i gather8(const uint32_t *table, __m256i at)
{
    __m128i a = _mm256_castsi256_si128(at), b = _mm256_extracti128_si256(at, 1);
    uint64_t p = (uint64_t)_mm_cvtsi128_si64(a), q = (uint64_t)_mm_extract_epi64(a, 1),
             r = (uint64_t)_mm_cvtsi128_si64(b), s = (uint64_t)_mm_extract_epi64(b, 1);
    __m128i l = _mm_cvtsi32_si128((int)table[(uint32_t)p]),
            h = _mm_cvtsi32_si128((int)table[(uint32_t)r]);
    l = _mm_insert_epi32(l, (int)table[p >> 32], 1);
    h = _mm_insert_epi32(h, (int)table[r >> 32], 1);
    l = _mm_insert_epi32(l, (int)table[(uint32_t)q], 2);
    h = _mm_insert_epi32(h, (int)table[(uint32_t)s], 2);
    l = _mm_insert_epi32(l, (int)table[q >> 32], 3);
    h = _mm_insert_epi32(h, (int)table[s >> 32], 3);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(l), h, 1);
}

AVX2 INLINE __m256i entries8(const uint32_t *table, __m256i contexts, __m256i x)
{
    const __m256i slots = set8(SCALE - 1);
    __m256i at =
        _mm256_add_epi32(_mm256_slli_epi32(contexts, SCALE_BITS), _mm256_and_si256(x, slots));
    return gather8(table, at);
}

/* Takes the classes of these entries from the states. */
AVX2 INLINE void classes8(__m256i entry, __m256i *x, const uint8_t **words)
{
    const __m256i slots = set8(SCALE - 1);
    __m256i frequency = _mm256_and_si256(entry, set8(2047));
    __m256i offset = _mm256_and_si256(_mm256_srli_epi32(entry, 17), slots);
    *x = _mm256_add_epi32(_mm256_mullo_epi32(_mm256_srli_epi32(*x, SCALE_BITS), frequency), offset);
    *x = feed8(*x, words);
}

AVX2 INLINE __m256i length8(__m256i entry)
{
    return _mm256_and_si256(_mm256_srli_epi32(entry, 11), set8(63));
}

/* The folded differences, whose low words are known where rests are long. Feeds no states. */
AVX2 INLINE __m256i rests8(__m256i entry, __m256i low, __m256i *y, unsigned width)
{
    __m256i length = length8(entry), some = length;
    if (width == 4)
        some = _mm256_and_si256(length, set8(15));
    __m256i rest = _mm256_andnot_si256(_mm256_sllv_epi32(set8(~0u), some), *y);
    *y = _mm256_srlv_epi32(*y, some);
    if (width == 4)
        rest = if8(long8(length), _mm256_or_si256(_mm256_slli_epi32(rest, 16), low), rest);
    return _mm256_or_si256(_mm256_sllv_epi32(_mm256_srli_epi32(entry, 27), length), rest);
}

AVX2 INLINE __m256i contexts8(const struct model *m, __m256i base, unsigned bits)
{
    __m256i magnitude = _mm256_and_si256(base, set8((uint32_t)ones(bits - 1)));
    __m256i exponent = _mm256_srl_epi32(magnitude, _mm_cvtsi32_si128((int)m->shift));
    __m256i top = set8((uint32_t)m->top);
    __m256i below = _mm256_sub_epi32(top, _mm256_min_epu32(exponent, top));
    return _mm256_min_epu32(below, set8(m->contexts - 1));
}

/* All ones in lanes whose element has its top bit set. */
AVX2 INLINE __m256i signs8(__m256i v, unsigned bits)
{
    return _mm256_srai_epi32(bits < 32 ? _mm256_slli_epi32(v, 32 - bits) : v, 31);
}

AVX2 INLINE __m256i unfold8(const struct model *m, __m256i folded, __m256i base, unsigned bits,
                            int floats)
{
    const __m256i zero = _mm256_setzero_si256(), one = set8(1), sign = set8(1u << (bits - 1));
    __m256i d = _mm256_xor_si256(_mm256_srli_epi32(folded, 1),
                                 _mm256_sub_epi32(zero, _mm256_and_si256(folded, one)));
    if (floats)
        base = _mm256_xor_si256(base, _mm256_or_si256(signs8(base, bits), sign));
    __m256i x = _mm256_add_epi32(_mm256_add_epi32(d, base), set8((uint32_t)m->bias));
    if (floats)
        x = _mm256_xor_si256(x,
                             _mm256_or_si256(_mm256_xor_si256(signs8(x, bits), set8(~0u)), sign));
    return x;
}

/* The same as contexts8 and unfold8 for 16 elements of 2 bytes, which need no wider lanes. */
AVX2 INLINE __m256i contexts2x16(const struct model *m, __m256i base)
{
    __m256i magnitude = _mm256_and_si256(base, _mm256_set1_epi16(0x7fff));
    __m256i exponent = _mm256_srl_epi16(magnitude, _mm_cvtsi32_si128((int)m->shift));
    __m256i top = _mm256_set1_epi16((short)m->top);
    __m256i below = _mm256_sub_epi16(top, _mm256_min_epu16(exponent, top));
    return _mm256_min_epu16(below, _mm256_set1_epi16((short)(m->contexts - 1)));
}

AVX2 INLINE __m256i unfold2x16(const struct model *m, __m256i folded, __m256i base, int floats)
{
    const __m256i sign = _mm256_set1_epi16((short)0x8000), all = _mm256_set1_epi16(-1);
    __m256i odd = _mm256_and_si256(folded, _mm256_set1_epi16(1));
    __m256i d = _mm256_xor_si256(_mm256_srli_epi16(folded, 1),
                                 _mm256_sub_epi16(_mm256_setzero_si256(), odd));
    if (floats)
        base = _mm256_xor_si256(base, _mm256_or_si256(_mm256_srai_epi16(base, 15), sign));
    __m256i x = _mm256_add_epi16(_mm256_add_epi16(d, base), _mm256_set1_epi16((short)m->bias));
    if (floats)
        x = _mm256_xor_si256(
            x, _mm256_or_si256(_mm256_xor_si256(_mm256_srai_epi16(x, 15), all), sign));
    return x;
}

AVX2 INLINE size_t run256(struct decoder *d, uint8_t *out, const uint8_t *base, size_t step,
                          size_t steps, unsigned width, int floats)
{
    const struct model m = d->model;
    const uint8_t *const map = d->map;
    const uint8_t *classes = d->classes.at, *rests = d->rests.at;
    const uint8_t *const classes_limit = d->classes.limit, *const rests_limit = d->rests.limit;
    const unsigned bits = 8 * width;
    __m256i x[4], y[4];
    for (unsigned k = 0; k < 4; k++) {
        x[k] = _mm256_loadu_si256((const __m256i *)(d->x + 8 * k));
        y[k] = _mm256_loadu_si256((const __m256i *)(d->y + 8 * k));
    }
    for (; step < steps && classes <= classes_limit && rests <= rests_limit; step++) {
        const uint8_t *from = base + step * LANES * width;
        uint8_t *to = out + step * LANES * width;
        __m256i bases[4], contexts[4], entry[4], low[4], folded[4];
        for (unsigned k = 0; k < 4; k++)
            low[k] = folded[k] = _mm256_setzero_si256();
        for (unsigned k = 0; k < 4 && width != 2; k++) {
            bases[k] = load8(from + 8 * k * width, width);
            contexts[k] = contexts8(&m, bases[k], bits);
        }
        for (unsigned k = 0; k < 2 && width == 2; k++) {
            bases[k] = _mm256_loadu_si256((const __m256i *)(from + 32 * k));
            __m256i c = contexts2x16(&m, bases[k]);
            contexts[2 * k] = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(c));
            contexts[2 * k + 1] = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(c, 1));
        }
        if (map == NULL || map[step / 8] >> step % 8 & 1) {
            for (unsigned k = 0; k < 4; k++)
                entry[k] = entries8(d->table, contexts[k], x[k]);
            for (unsigned k = 0; k < 4; k++)
                classes8(entry[k], &x[k], &classes);
            for (unsigned k = 0; k < 4 && width == 4; k++)
                low[k] = deal8(&rests, long8(length8(entry[k])));
            for (unsigned k = 0; k < 4; k++)
                folded[k] = rests8(entry[k], low[k], &y[k], width);
            for (unsigned k = 0; k < 4; k++)
                y[k] = feed8(y[k], &rests);
        }
        for (unsigned k = 0; k < 2 && width == 2; k++) {
            __m256i both = _mm256_packus_epi32(folded[2 * k], folded[2 * k + 1]);
            both = _mm256_permute4x64_epi64(both, 0xD8);
            _mm256_storeu_si256((__m256i *)(to + 32 * k), unfold2x16(&m, both, bases[k], floats));
        }
        for (unsigned k = 0; k < 4 && width != 2; k++)
            store8(to + 8 * k * width, unfold8(&m, folded[k], bases[k], bits, floats), width);
    }
    for (unsigned k = 0; k < 4; k++) {
        _mm256_storeu_si256((__m256i *)(d->x + 8 * k), x[k]);
        _mm256_storeu_si256((__m256i *)(d->y + 8 * k), y[k]);
    }
    d->classes.at = classes;
    d->rests.at = rests;
    return step;
}

AVX2 static size_t run_avx2(struct decoder *d, uint8_t *out, const uint8_t *base, size_t step,
                            size_t steps)
{
    int floats = d->model.floats;
    switch (d->model.width) {
    case 1:
        return run256(d, out, base, step, steps, 1, 0);
    case 2:
        return floats ? run256(d, out, base, step, steps, 2, 1)
                      : run256(d, out, base, step, steps, 2, 0);
    case 4:
        return floats ? run256(d, out, base, step, steps, 4, 1)
                      : run256(d, out, base, step, steps, 4, 0);
    default:
        return run_whole(d, out, base, step, steps);
    }
}

#else

/* By mask of lanes: which bytes of 8 words are the last 8 words given, in the order of the lanes.
 */
static _Alignas(16) uint8_t order8[256][16];

static void fill_order8(void)
{
    for (unsigned mask = 0; mask < 256; mask++)
        for (unsigned lane = 8, last = 8; lane-- > 0;)
            if (mask >> lane & 1) {
                last--;
                order8[mask][2 * last] = (uint8_t)(2 * lane);
                order8[mask][2 * last + 1] = (uint8_t)(2 * lane + 1);
            }
}

/* Words of the lanes of a mask, before those that were given out. */
AVX2 INLINE void give8(uint8_t **words, __m256i mask, __m256i values)
{
    unsigned lanes = lanes8(mask);
    __m128i order = _mm_load_si128((const __m128i *)order8[lanes]);
    _mm_storeu_si128((__m128i *)(*words - 16), _mm_shuffle_epi8(low_words8(values), order));
    *words -= 2 * (size_t)_mm_popcnt_u32(lanes);
}

/* Entries for every other of 8 keys, each by a load of its own: with two gathers for all 8,
 * encoding takes 1.35 times as long (Zen 3, BF16). */
AVX2 INLINE __m256i entries4(const uint64_t *table, const uint16_t *keys)
{
    return _mm256_set_epi64x((long long)table[keys[6]], (long long)table[keys[4]],
                             (long long)table[keys[2]], (long long)table[keys[0]]);
}

AVX2 INLINE __m256i put_classes8(const struct encoder *e, const uint16_t *keys, __m256i x,
                                 uint8_t **words)
{
    const __m256i low = set8(SCALE - 1);
    __m256i even = entries4(e->entry, keys), odd = entries4(e->entry, keys + 1);
    __m256i place = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
    __m256i others = _mm256_and_si256(place, low); /* SCALE - frequency */
    __m256i limit = _mm256_slli_epi32(_mm256_sub_epi32(set8(SCALE), others), 31 - SCALE_BITS);
    /* the limit may be 2^31, which is no signed number of 32 bits */
    __m256i full = _mm256_cmpgt_epi32(x, _mm256_sub_epi32(limit, set8(1)));
    give8(words, full, x);
    x = if8(full, _mm256_srli_epi32(x, 16), x);
    __m256i even_quotient =
        _mm256_srlv_epi64(_mm256_mul_epu32(x, even), _mm256_srli_epi64(even, 52));
    __m256i odd_quotient = _mm256_srlv_epi64(_mm256_mul_epu32(_mm256_srli_epi64(x, 32), odd),
                                             _mm256_srli_epi64(odd, 52));
    __m256i quotient = _mm256_or_si256(even_quotient, _mm256_slli_epi64(odd_quotient, 32));
    __m256i start = _mm256_and_si256(_mm256_srli_epi32(place, 10), low);
    return _mm256_add_epi32(_mm256_add_epi32(x, start), _mm256_mullo_epi32(quotient, others));
}

AVX2 INLINE __m256i put_rests8(__m256i length, __m256i folded, __m256i y, uint8_t **words,
                               unsigned width)
{
    __m256i some = length;
    if (width == 4) {
        some = _mm256_and_si256(length, set8(15));
        folded = if8(long8(length), _mm256_srli_epi32(folded, 16), folded);
    }
    __m256i full = _mm256_cmpgt_epi32(y, _mm256_srlv_epi32(set8(0x7fffffff), some));
    give8(words, full, y);
    y = if8(full, _mm256_srli_epi32(y, 16), y);
    __m256i rest = _mm256_andnot_si256(_mm256_sllv_epi32(set8(~0u), some), folded);
    return _mm256_or_si256(_mm256_sllv_epi32(y, some), rest);
}

AVX2 INLINE __m256i length_of8(__m256i keys)
{
    __m256i class = _mm256_and_si256(keys, set8(MAX_CLASSES - 1));
    __m256i length = _mm256_sub_epi32(_mm256_srli_epi32(class, 1), set8(1));
    return _mm256_max_epi32(length, _mm256_setzero_si256());
}

AVX2 INLINE void put256(struct encoder *e, size_t steps, unsigned width)
{
    const uint8_t *const map = e->skips ? e->map : NULL;
    uint8_t *classes = e->classes, *rests = e->rests;
    __m256i x[4], y[4];
    for (unsigned k = 0; k < 4; k++) {
        x[k] = _mm256_loadu_si256((const __m256i *)(e->x + 8 * k));
        y[k] = _mm256_loadu_si256((const __m256i *)(e->y + 8 * k));
    }
    while (steps-- > 0) {
        const uint16_t *keys = e->keys + steps * LANES;
        const uint8_t *folded = (const uint8_t *)e->folded + steps * LANES * width;
        __m256i length[4], value[4];
        if (map && !(map[steps / 8] >> steps % 8 & 1))
            continue;
        for (unsigned k = 4; k-- > 0;) {
            length[k] = length_of8(load8((const uint8_t *)(keys + 8 * k), 2));
            value[k] = load8(folded + 8 * k * width, width);
            x[k] = put_classes8(e, keys + 8 * k, x[k], &classes);
            y[k] = put_rests8(length[k], value[k], y[k], &rests, width);
        }
        for (unsigned k = 4; k-- > 0 && width == 4;)
            give8(&rests, long8(length[k]), value[k]);
    }
    for (unsigned k = 0; k < 4; k++) {
        _mm256_storeu_si256((__m256i *)(e->x + 8 * k), x[k]);
        _mm256_storeu_si256((__m256i *)(e->y + 8 * k), y[k]);
    }
    e->classes = classes;
    e->rests = rests;
}

AVX2 static void put_avx2(struct encoder *e, size_t steps)
{
    if (e->model.width == 1)
        put256(e, steps, 1);
    else if (e->model.width == 2)
        put256(e, steps, 2);
    else if (e->model.width == 4)
        put256(e, steps, 4);
    else
        put_portable(e, steps);
}

#endif
