/* Steps in AVX-512 for widths 1, 2 and 4; included by rans_encode.c and rans_decode.c. States are
 * kept as high and low words, so that 32 of them, or what elements of them are words, are one
 * register, and feeding is one vpexpandw. Both it and vpcompressw between registers only: with a
 * memory operand they are microcode on Zen 4. */

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi2,bmi2,popcnt")))

static int usable_avx512(void)
{
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("popcnt");
}

AVX512 INLINE __m512i set16(uint32_t x) { return _mm512_set1_epi16((short)x); }

AVX512 INLINE __m512i set32(uint32_t x) { return _mm512_set1_epi32((int)x); }

AVX512 INLINE __m256i first_half(__m512i v) { return _mm512_castsi512_si256(v); }

AVX512 INLINE __m256i last_half(__m512i v) { return _mm512_extracti64x4_epi64(v, 1); }

AVX512 INLINE __m512i joined(__m256i first, __m256i last)
{
    return _mm512_inserti64x4(_mm512_castsi256_si512(first), last, 1);
}

/* The high and the low words of 32 states or elements. */
struct words32 {
    __m512i high, low;
};

AVX512 INLINE __m512i low_words(__m512i first, __m512i last)
{
    return joined(_mm512_cvtepi32_epi16(first), _mm512_cvtepi32_epi16(last));
}

AVX512 INLINE struct words32 split(const void *at)
{
    __m512i first = _mm512_loadu_si512(at), last = _mm512_loadu_si512((const uint8_t *)at + 64);
    __m512i high = low_words(_mm512_srli_epi32(first, 16), _mm512_srli_epi32(last, 16));
    return (struct words32){high, low_words(first, last)};
}

/* Two registers of what was split. */
AVX512 INLINE void unite(__m512i *out, struct words32 w)
{
    const __m512i order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
    __m512i high = _mm512_permutexvar_epi64(order, w.high),
            low = _mm512_permutexvar_epi64(order, w.low);
    out[0] = _mm512_unpacklo_epi16(low, high);
    out[1] = _mm512_unpackhi_epi16(low, high);
}

AVX512 INLINE void store_states(uint32_t *at, struct words32 w)
{
    __m512i states[2];
    unite(states, w);
    _mm512_storeu_si512(at, states[0]);
    _mm512_storeu_si512(at + 16, states[1]);
}

/* Elements of 1 or 2 bytes as words. */
AVX512 INLINE __m512i load32(const uint8_t *at, unsigned width)
{
    return width == 2 ? _mm512_loadu_si512(at)
                      : _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)at));
}

#ifdef RANS_DECODER

/* Words for the lanes of a mask, the others stay. */
AVX512 INLINE __m512i deal32(__m512i v, __mmask32 lanes, const uint8_t **words)
{
    __m512i next = _mm512_loadu_si512(*words);
    __asm__("" : "+v"(next)); /* a register, not a memory operand */
    *words += 2 * (size_t)_mm_popcnt_u32(lanes);
    return _mm512_mask_expand_epi16(v, lanes, next);
}

AVX512 INLINE void feed32(struct words32 *s, const uint8_t **words)
{
    /* high | (low & 0x8000), which states below 2^15 do not have */
    __m512i some = _mm512_ternarylogic_epi32(s->high, s->low, set16(0x8000), 0xF8);
    __mmask32 few = _mm512_testn_epi16_mask(some, some);
    s->high = _mm512_mask_mov_epi16(s->high, few, s->low);
    s->low = deal32(s->low, few, words);
}

/* Entries for every other of 16 lanes, the even or the odd ones, by loads: with gathers decoding
 * takes 1.15 (BF16) to 1.2 times as long (FP32, Zen 4). Each number has four places. */
AVX512 INLINE __m256i entries8of16(const uint32_t *table, const uint64_t *places, unsigned odd)
{
    __m256i pairs[4];
    for (unsigned k = 0; k < 4; k++) {
        uint64_t at = places[k] >> 16 * odd;
        __m128i second = _mm_cvtsi32_si128((int)table[(uint16_t)(at >> 32)]);
        pairs[k] = _mm256_set1_epi32((int)table[(uint16_t)at]);
        pairs[k] = _mm256_mask_broadcastd_epi32(pairs[k], 0xAA, second);
    }
    return _mm256_mask_mov_epi32(_mm256_mask_mov_epi32(pairs[0], 0xCC, pairs[1]), 0xF0,
                                 _mm256_mask_mov_epi32(pairs[2], 0xCC, pairs[3]));
}

/* 16 of words32. */
struct words16 {
    __m256i high, low;
};

AVX512 INLINE struct words16 entries16(const uint32_t *table, __m256i places)
{
    const __m256i low_word = _mm256_set1_epi32(0xffff);
    __m128i a = _mm256_castsi256_si128(places), b = _mm256_extracti128_si256(places, 1);
    const uint64_t at[] = {(uint64_t)_mm_cvtsi128_si64(a), (uint64_t)_mm_extract_epi64(a, 1),
                           (uint64_t)_mm_cvtsi128_si64(b), (uint64_t)_mm_extract_epi64(b, 1)};
    __m256i even = entries8of16(table, at, 0), odd = entries8of16(table, at, 1);
    /* low_word ? one : other */
    return (struct words16){
        _mm256_ternarylogic_epi32(low_word, _mm256_srli_epi32(even, 16), odd, 0xCA),
        _mm256_ternarylogic_epi32(low_word, even, _mm256_slli_epi32(odd, 16), 0xCA)};
}

/* Takes a class of each of 16 lanes: their entries. */
AVX512 INLINE struct words16 classes16(const uint32_t *table, __m256i contexts, struct words16 *x,
                                       const uint8_t **words)
{
    const __m256i slots = _mm256_set1_epi16(SCALE - 1);
    struct words16 entry =
        entries16(table, _mm256_or_si256(contexts, _mm256_and_si256(x->low, slots)));
    __m256i frequency = _mm256_and_si256(entry.low, _mm256_set1_epi16(2047));
    __m256i offset = _mm256_and_si256(_mm256_srli_epi16(entry.high, 1), slots);
    __m256i low = _mm256_shrdi_epi16(x->low, x->high, SCALE_BITS);
    __m256i high = _mm256_mullo_epi16(_mm256_srli_epi16(x->high, SCALE_BITS), frequency);
    high = _mm256_add_epi16(high, _mm256_mulhi_epu16(low, frequency));
    low = _mm256_mullo_epi16(low, frequency);
    x->low = _mm256_add_epi16(low, offset);
    /* what is below 2^15 has no high word, nor a top bit before or after offset is added */
    __m256i some = _mm256_ternarylogic_epi32(low, x->low, _mm256_set1_epi16(-0x8000), 0xA8);
    some = _mm256_or_si256(high, some);
    __mmask16 few = _mm256_testn_epi16_mask(some, some);
    x->high = _mm256_add_epi16(high, _mm256_srli_epi16(_mm256_andnot_si256(x->low, low), 15));
    x->high = _mm256_mask_mov_epi16(x->high, few, x->low);
    __m256i next = _mm256_loadu_si256((const __m256i *)*words);
    __asm__("" : "+v"(next));
    x->low = _mm256_mask_expand_epi16(x->low, few, next);
    *words += 2 * (size_t)_mm_popcnt_u32(few);
    return entry;
}

/* A step: its elements of the base, and where in the table their contexts begin. */
struct step32 {
    __m512i base[2], contexts;
};

AVX512 INLINE __m256i contexts16(const struct model *m, __m512i base)
{
    __m512i magnitude = _mm512_and_si512(base, set32(0x7fffffff)), top = set32((uint32_t)m->top);
    __m512i exponent = _mm512_srl_epi32(magnitude, _mm_cvtsi32_si128((int)m->shift));
    return _mm512_cvtusepi32_epi16(_mm512_sub_epi32(top, _mm512_min_epu32(exponent, top)));
}

AVX512 INLINE __m512i contexts32(const struct model *m, __m512i base, unsigned bits)
{
    __m512i magnitude = _mm512_and_si512(base, set16((uint32_t)ones(bits - 1)));
    __m512i exponent = _mm512_srl_epi16(magnitude, _mm_cvtsi32_si128((int)m->shift));
    return _mm512_subs_epu16(set16((uint32_t)m->top), exponent);
}

AVX512 INLINE struct step32 begin32(const struct model *m, const uint8_t *base, size_t step,
                                    unsigned width)
{
    const uint8_t *from = base + step * LANES * width;
    struct step32 s;
    if (width == 4) {
        s.base[0] = _mm512_loadu_si512(from);
        s.base[1] = _mm512_loadu_si512(from + 64);
        s.contexts = joined(contexts16(m, s.base[0]), contexts16(m, s.base[1]));
    } else {
        s.base[0] = load32(from, width);
        s.contexts = contexts32(m, s.base[0], 8 * width);
    }
    s.contexts = _mm512_min_epu16(s.contexts, set16(m->contexts - 1));
    s.contexts = _mm512_slli_epi16(s.contexts, SCALE_BITS);
    return s;
}

/* The folded differences of a step. */
AVX512 INLINE struct words32 rests32(struct words32 entry, struct words32 *y, const uint8_t **words,
                                     unsigned width)
{
    struct words32 folded = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    __m512i some = _mm512_srli_epi16(entry.low, 11), head = _mm512_srli_epi16(entry.high, 11);
    if (width == 4)
        some = _mm512_and_si512(some, set16(15));
    __m512i rest = _mm512_andnot_si512(_mm512_sllv_epi16(set16(0xffff), some), y->low);
    folded.low = _mm512_or_si512(_mm512_sllv_epi16(head, some), rest);
    if (width == 4) {
        __mmask32 more = _mm512_movepi16_mask(entry.low); /* lengths of 16 and above */
        folded.high = _mm512_shldv_epi16(folded.high, head, some);
        folded.high = _mm512_mask_mov_epi16(folded.high, more, folded.low);
        folded.low = deal32(folded.low, more, words);
    }
    y->low = _mm512_shrdv_epi16(y->low, y->high, some);
    y->high = _mm512_srlv_epi16(y->high, some);
    feed32(y, words);
    return folded;
}

/* In unfold: base ^ (its signs | sign), x ^ (~ its signs | sign). */
enum { ORDERED = 0x1E, UNORDERED = 0x4B };

/* Elements of so many bits from their folded differences and those of the base. */
#define DEFINE_UNFOLD(BITS)                                                                        \
    AVX512 INLINE __m512i unfold##BITS(const struct model *m, __m512i folded, __m512i base,        \
                                       int floats)                                                 \
    {                                                                                              \
        const __m512i zero = _mm512_setzero_si512(), sign = set##BITS(1u << (BITS - 1));           \
        __m512i odd = _mm512_sub_epi##BITS(zero, _mm512_and_si512(folded, set##BITS(1)));          \
        __m512i d = _mm512_xor_si512(_mm512_srli_epi##BITS(folded, 1), odd);                       \
        if (floats)                                                                                \
            base = _mm512_ternarylogic_epi32(base, _mm512_srai_epi##BITS(base, BITS - 1), sign,    \
                                             ORDERED);                                             \
        __m512i x =                                                                                \
            _mm512_add_epi##BITS(_mm512_add_epi##BITS(d, base), set##BITS((uint32_t)m->bias));     \
        if (floats)                                                                                \
            x = _mm512_ternarylogic_epi32(x, _mm512_srai_epi##BITS(x, BITS - 1), sign, UNORDERED); \
        return x;                                                                                  \
    }

DEFINE_UNFOLD(16)
DEFINE_UNFOLD(32)

AVX512 INLINE void end32(const struct model *m, const struct step32 *s, struct words32 folded,
                         uint8_t *to, unsigned width, int floats)
{
    if (width == 4) {
        __m512i whole[2];
        unite(whole, folded);
        _mm512_storeu_si512(to, unfold32(m, whole[0], s->base[0], floats));
        _mm512_storeu_si512(to + 64, unfold32(m, whole[1], s->base[1], floats));
    } else {
        __m512i x = unfold16(m, folded.low, s->base[0], floats);
        if (width == 2)
            _mm512_storeu_si512(to, x);
        else
            _mm256_storeu_si256((__m256i *)to, _mm512_cvtepi16_epi8(x));
    }
}

/* The next step begins before one takes its classes: from states to the next ones are 50 cycles,
 * and what waits for these keeps later instructions from the processor. Otherwise decoding
 * takes 1.1 (BF16) to 1.2 times as long (FP32, Zen 4). */
AVX512 INLINE size_t run512(struct decoder *d, uint8_t *out, const uint8_t *base, size_t step,
                            size_t steps, unsigned width, int floats)
{
    const struct model m = d->model;
    const uint8_t *const map = d->map;
    const uint8_t *classes = d->classes.at, *rests = d->rests.at;
    const uint8_t *const classes_limit = d->classes.limit, *const rests_limit = d->rests.limit;
    struct words32 y = split(d->y), x = split(d->x);
    struct words16 x0 = {first_half(x.high), first_half(x.low)},
                   x1 = {last_half(x.high), last_half(x.low)};
    struct step32 next = begin32(&m, base, step, width);
    for (; step < steps && classes <= classes_limit && rests <= rests_limit; step++) {
        struct step32 s = next;
        struct words32 folded = {_mm512_setzero_si512(), _mm512_setzero_si512()};
        uint8_t *to = out + step * LANES * width;
        next = begin32(&m, base, step + 1 < steps ? step + 1 : step, width);
        if (map == NULL || map[step / 8] >> step % 8 & 1) {
            struct words16 a = classes16(d->table, first_half(s.contexts), &x0, &classes);
            struct words16 b = classes16(d->table, last_half(s.contexts), &x1, &classes);
            struct words32 entry = {joined(a.high, b.high), joined(a.low, b.low)};
            folded = rests32(entry, &y, &rests, width);
        }
        end32(&m, &s, folded, to, width, floats);
    }
    store_states(d->x, (struct words32){joined(x0.high, x1.high), joined(x0.low, x1.low)});
    store_states(d->y, y);
    d->classes.at = classes;
    d->rests.at = rests;
    return step;
}

AVX512 static size_t run_avx512(struct decoder *d, uint8_t *out, const uint8_t *base, size_t step,
                                size_t steps)
{
    int floats = d->model.floats;
    switch (d->model.width) {
    case 1:
        return run512(d, out, base, step, steps, 1, 0);
    case 2:
        return floats ? run512(d, out, base, step, steps, 2, 1)
                      : run512(d, out, base, step, steps, 2, 0);
    case 4:
        return floats ? run512(d, out, base, step, steps, 4, 1)
                      : run512(d, out, base, step, steps, 4, 0);
    default:
        return run_whole(d, out, base, step, steps);
    }
}

#else

/* Words of the lanes of a mask, before those that were given out. */
AVX512 INLINE void give32(uint8_t **words, __mmask32 lanes, __m512i values)
{
    uint64_t count = (unsigned)_mm_popcnt_u32(lanes);
    __m512i first = _mm512_maskz_compress_epi16(lanes, values);
    first = _mm512_maskz_expand_epi16((uint32_t)(0xffffffff00000000 >> count), first);
    _mm512_storeu_si512(*words - 64, first);
    *words -= 2 * count;
}

/* Entries for every other of 16 keys: with gathers encoding takes 1.2 times as long (Zen 4). */
AVX512 INLINE __m512i entries8(const uint64_t *table, const uint16_t *keys)
{
    return joined(entries4(table, keys), entries4(table, keys + 8));
}

AVX512 INLINE void put_classes32(const uint64_t *table, const uint16_t *keys, __m512i *x,
                                 uint8_t **words)
{
    const __m512i low = set32(SCALE - 1);
    __m512i even[2], odd[2], place[2], others[2]; /* SCALE - frequency */
    __mmask16 full[2];
    for (unsigned k = 0; k < 2; k++) {
        even[k] = entries8(table, keys + 16 * k);
        odd[k] = entries8(table, keys + 16 * k + 1);
        place[k] = _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even[k], 32), odd[k]);
        others[k] = _mm512_and_si512(place[k], low);
        __m512i frequency = _mm512_sub_epi32(set32(SCALE), others[k]);
        full[k] = _mm512_cmpge_epu32_mask(x[k], _mm512_slli_epi32(frequency, 31 - SCALE_BITS));
    }
    give32(words, _mm512_kunpackw(full[1], full[0]), low_words(x[0], x[1]));
    for (unsigned k = 0; k < 2; k++) {
        x[k] = _mm512_mask_srli_epi32(x[k], full[k], x[k], 16);
        __m512i quotient =
            _mm512_srlv_epi64(_mm512_mul_epu32(x[k], even[k]), _mm512_srli_epi64(even[k], 52));
        __m512i second = _mm512_srlv_epi64(_mm512_mul_epu32(_mm512_srli_epi64(x[k], 32), odd[k]),
                                           _mm512_srli_epi64(odd[k], 52));
        quotient = _mm512_mask_shuffle_epi32(quotient, 0xAAAA, second, 0xA0);
        __m512i start = _mm512_and_si512(_mm512_srli_epi32(place[k], 10), low);
        x[k] = _mm512_add_epi32(_mm512_add_epi32(x[k], start),
                                _mm512_mullo_epi32(quotient, others[k]));
    }
}

AVX512 INLINE void put_rests32(const uint8_t *keys, const uint8_t *folded, struct words32 *y,
                               uint8_t **words, unsigned width)
{
    __m512i class = _mm512_and_si512(_mm512_loadu_si512(keys), set16(MAX_CLASSES - 1));
    __m512i some = _mm512_subs_epu16(_mm512_srli_epi16(class, 1), set16(1)), value;
    struct words32 whole;
    __mmask32 more = 0;
    if (width == 4) {
        whole = split(folded);
        more = _mm512_cmpge_epu16_mask(some, set16(16));
        some = _mm512_and_si512(some, set16(15));
        value = _mm512_mask_mov_epi16(whole.low, more, whole.high);
    } else {
        value = load32(folded, width);
    }
    __mmask32 full = _mm512_cmpge_epu16_mask(y->high, _mm512_srlv_epi16(set16(0x8000), some));
    give32(words, full, y->low);
    y->low = _mm512_mask_mov_epi16(y->low, full, y->high);
    y->high = _mm512_maskz_mov_epi16(~full, y->high);
    __m512i rest = _mm512_andnot_si512(_mm512_sllv_epi16(set16(0xffff), some), value);
    y->high = _mm512_shldv_epi16(y->high, y->low, some);
    y->low = _mm512_or_si512(_mm512_sllv_epi16(y->low, some), rest);
    if (width == 4)
        give32(words, more, whole.low);
}

AVX512 INLINE void put512(struct encoder *e, size_t steps, unsigned width)
{
    const uint8_t *const map = e->skips ? e->map : NULL;
    uint8_t *classes = e->classes, *rests = e->rests;
    __m512i x[2] = {_mm512_loadu_si512(e->x), _mm512_loadu_si512(e->x + 16)};
    struct words32 y = split(e->y);
    while (steps-- > 0) {
        if (map && !(map[steps / 8] >> steps % 8 & 1))
            continue;
        const uint16_t *keys = e->keys + steps * LANES;
        const uint8_t *folded = (const uint8_t *)e->folded + steps * LANES * width;
        put_classes32(e->entry, keys, x, &classes);
        put_rests32((const uint8_t *)keys, folded, &y, &rests, width);
    }
    _mm512_storeu_si512(e->x, x[0]);
    _mm512_storeu_si512(e->x + 16, x[1]);
    store_states(e->y, y);
    e->classes = classes;
    e->rests = rests;
}

AVX512 static void put_avx512(struct encoder *e, size_t steps)
{
    if (e->model.width == 1)
        put512(e, steps, 1);
    else if (e->model.width == 2)
        put512(e, steps, 2);
    else if (e->model.width == 4)
        put512(e, steps, 4);
    else
        put_portable(e, steps);
}

#endif
