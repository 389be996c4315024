/* Steps in AVX-512 for widths 1, 2 and 4; included by rans_encode.c and rans_decode.c. A step is
 * two registers of 16 states. Which lanes take or give a word is a mask; vpexpandd deals words out
 * to them, vpcompressd collects them. Both between registers only: with a memory operand they are
 * microcode on Zen 4. */

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,bmi2,popcnt")))

static int usable_avx512(void)
{
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
}

/* 16 elements, or places for them, as 32-bit lanes. */
AVX512 INLINE __m512i load16(const uint8_t *at, unsigned width)
{
    if (width == 1)
        return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)at));
    if (width == 2)
        return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)at));
    return _mm512_loadu_si512(at);
}

AVX512 INLINE void store16(uint8_t *at, __m512i v, unsigned width)
{
    if (width == 1)
        _mm_storeu_si128((__m128i *)at, _mm512_cvtepi32_epi8(v));
    else if (width == 2)
        _mm256_storeu_si256((__m256i *)at, _mm512_cvtepi32_epi16(v));
    else
        _mm512_storeu_si512(at, v);
}

/* All ones in lanes whose element has its top bit set. */
AVX512 INLINE __m512i signs16(__m512i v, unsigned bits)
{
    return _mm512_srai_epi32(bits < 32 ? _mm512_slli_epi32(v, 32 - bits) : v, 31);
}

#ifdef RANS_DECODER

/* Words for the lanes of a mask. */
AVX512 INLINE __m512i deal16(const uint8_t **words, __mmask16 lanes)
{
    __m512i next = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)*words));
    *words += 2 * (size_t)_mm_popcnt_u32(lanes);
    return _mm512_maskz_expand_epi32(lanes, next);
}

AVX512 INLINE __m512i feed16(__m512i state, const uint8_t **words)
{
    __mmask16 few = _mm512_cmplt_epu32_mask(state, _mm512_set1_epi32(LOW));
    return _mm512_mask_or_epi32(state, few, _mm512_slli_epi32(state, 16), deal16(words, few));
}

/* Takes a class of each lane: its entry of the table. */
AVX512 INLINE __m512i classes16(const uint32_t *table, __m512i contexts, __m512i *x,
                                const uint8_t **words)
{
    const __m512i slots = _mm512_set1_epi32(SCALE - 1);
    __m512i at =
        _mm512_add_epi32(_mm512_slli_epi32(contexts, SCALE_BITS), _mm512_and_si512(*x, slots));
    __m512i entry = _mm512_i32gather_epi32(at, table, 4);
    __m512i frequency = _mm512_and_si512(entry, _mm512_set1_epi32(2047));
    __m512i offset = _mm512_and_si512(_mm512_srli_epi32(entry, 11), slots);
    *x = _mm512_add_epi32(_mm512_mullo_epi32(_mm512_srli_epi32(*x, SCALE_BITS), frequency), offset);
    *x = feed16(*x, words);
    return entry;
}

AVX512 INLINE __m512i length16(__m512i entry)
{
    return _mm512_and_si512(_mm512_srli_epi32(entry, 21), _mm512_set1_epi32(63));
}

/* The folded differences, of which `low` is known. */
AVX512 INLINE __m512i rests16(__m512i entry, __m512i low, __m512i *y, const uint8_t **words,
                              unsigned width)
{
    const __m512i all = _mm512_set1_epi32(-1);
    __m512i length = length16(entry), some = length;
    if (width == 4)
        some = _mm512_and_si512(length, _mm512_set1_epi32(15));
    __m512i rest = _mm512_andnot_si512(_mm512_sllv_epi32(all, some), *y);
    *y = feed16(_mm512_srlv_epi32(*y, some), words);
    if (width == 4) {
        __mmask16 more = _mm512_cmpge_epi32_mask(length, _mm512_set1_epi32(16));
        rest = _mm512_or_si512(_mm512_mask_slli_epi32(rest, more, rest, 16), low);
    }
    return _mm512_or_si512(_mm512_sllv_epi32(_mm512_srli_epi32(entry, 27), length), rest);
}

AVX512 INLINE __m512i contexts16(const struct model *m, __m512i base, unsigned bits)
{
    __m512i magnitude = _mm512_and_si512(base, _mm512_set1_epi32((int)ones(bits - 1)));
    __m512i exponent = _mm512_srl_epi32(magnitude, _mm_cvtsi32_si128((int)m->shift));
    __m512i top = _mm512_set1_epi32((int)m->top);
    __m512i below = _mm512_sub_epi32(top, _mm512_min_epu32(exponent, top));
    return _mm512_min_epu32(below, _mm512_set1_epi32((int)m->contexts - 1));
}

AVX512 INLINE __m512i unfold16(const struct model *m, __m512i folded, __m512i base, unsigned bits,
                               int floats)
{
    const __m512i zero = _mm512_setzero_si512(), one = _mm512_set1_epi32(1),
                  sign = _mm512_set1_epi32((int)(1u << (bits - 1)));
    __m512i d = _mm512_xor_si512(_mm512_srli_epi32(folded, 1),
                                 _mm512_sub_epi32(zero, _mm512_and_si512(folded, one)));
    if (floats)
        base = _mm512_xor_si512(base, _mm512_or_si512(signs16(base, bits), sign));
    __m512i x =
        _mm512_add_epi32(_mm512_add_epi32(d, base), _mm512_set1_epi32((int)(uint32_t)m->bias));
    if (floats) /* x ^ (sign | ~signs) */
        x = _mm512_xor_si512(x, _mm512_ternarylogic_epi32(signs16(x, bits), sign, sign, 0xCF));
    return x;
}

AVX512 INLINE size_t run512(struct decoder *d, uint8_t *out, const uint8_t *base, size_t step,
                            size_t steps, unsigned width, int floats)
{
    const struct model m = d->model;
    const uint8_t *const map = d->map;
    const uint8_t *classes = d->classes.at, *rests = d->rests.at;
    const uint8_t *const classes_limit = d->classes.limit, *const rests_limit = d->rests.limit;
    const unsigned bits = 8 * width;
    const __m512i zero = _mm512_setzero_si512(), sixteen = _mm512_set1_epi32(16);
    __m512i x0 = _mm512_loadu_si512(d->x), x1 = _mm512_loadu_si512(d->x + 16),
            y0 = _mm512_loadu_si512(d->y), y1 = _mm512_loadu_si512(d->y + 16);
    for (; step < steps && classes <= classes_limit && rests <= rests_limit; step++) {
        const size_t at = step * LANES * width;
        __m512i base0 = load16(base + at, width), base1 = load16(base + at + 16 * width, width);
        __m512i folded0 = zero, folded1 = zero;
        if (map == NULL || map[step / 8] >> step % 8 & 1) {
            __m512i low0 = zero, low1 = zero;
            __m512i e0 = classes16(d->table, contexts16(&m, base0, bits), &x0, &classes),
                    e1 = classes16(d->table, contexts16(&m, base1, bits), &x1, &classes);
            if (width == 4) {
                low0 = deal16(&rests, _mm512_cmpge_epi32_mask(length16(e0), sixteen));
                low1 = deal16(&rests, _mm512_cmpge_epi32_mask(length16(e1), sixteen));
            }
            folded0 = rests16(e0, low0, &y0, &rests, width);
            folded1 = rests16(e1, low1, &y1, &rests, width);
        }
        store16(out + at, unfold16(&m, folded0, base0, bits, floats), width);
        store16(out + at + 16 * width, unfold16(&m, folded1, base1, bits, floats), width);
    }
    _mm512_storeu_si512(d->x, x0);
    _mm512_storeu_si512(d->x + 16, x1);
    _mm512_storeu_si512(d->y, y0);
    _mm512_storeu_si512(d->y + 16, y1);
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
AVX512 INLINE void give16(uint8_t **words, __mmask16 lanes, __m512i values)
{
    const __m512i places = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    int count = _mm_popcnt_u32(lanes);
    __m512i first = _mm512_maskz_compress_epi32(lanes, values);
    __m512i last =
        _mm512_permutexvar_epi32(_mm512_add_epi32(places, _mm512_set1_epi32(count)), first);
    _mm256_storeu_si256((__m256i *)(*words - 32), _mm512_cvtepi32_epi16(last));
    *words -= 2 * (size_t)count;
}

AVX512 INLINE __m512i put_classes16(const struct encoder *e, __m512i keys, __m512i x,
                                    uint8_t **words)
{
    const __m512i low = _mm512_set1_epi32(SCALE - 1), even = _mm512_set1_epi64(0xffffffff);
    __m512i inverse = _mm512_i32gather_epi32(keys, e->inverse, 4),
            place = _mm512_i32gather_epi32(keys, e->place, 4);
    __m512i others = _mm512_and_si512(place, low); /* SCALE - frequency */
    __m512i limit =
        _mm512_slli_epi32(_mm512_sub_epi32(_mm512_set1_epi32(SCALE), others), 31 - SCALE_BITS);
    __mmask16 full = _mm512_cmpge_epu32_mask(x, limit);
    give16(words, full, x);
    x = _mm512_mask_srli_epi32(x, full, x, 16);
    __m512i shift = _mm512_srli_epi32(place, 20);
    __m512i quotient0 =
        _mm512_srlv_epi64(_mm512_mul_epu32(x, inverse), _mm512_and_si512(shift, even));
    __m512i quotient1 = _mm512_srlv_epi64(
        _mm512_mul_epu32(_mm512_srli_epi64(x, 32), _mm512_srli_epi64(inverse, 32)),
        _mm512_srli_epi64(shift, 32));
    __m512i quotient = _mm512_or_si512(quotient0, _mm512_slli_epi64(quotient1, 32));
    __m512i start = _mm512_and_si512(_mm512_srli_epi32(place, 10), low);
    return _mm512_add_epi32(_mm512_add_epi32(x, start), _mm512_mullo_epi32(quotient, others));
}

AVX512 INLINE __m512i put_rests16(__m512i length, __m512i folded, __m512i y, uint8_t **words,
                                  unsigned width)
{
    const __m512i one = _mm512_set1_epi32(1);
    __m512i some = length;
    if (width == 4) {
        some = _mm512_and_si512(length, _mm512_set1_epi32(15));
        __mmask16 more = _mm512_cmpge_epi32_mask(length, _mm512_set1_epi32(16));
        folded = _mm512_mask_srli_epi32(folded, more, folded, 16);
    }
    __m512i limit = _mm512_sllv_epi32(one, _mm512_sub_epi32(_mm512_set1_epi32(31), some));
    __mmask16 full = _mm512_cmpge_epu32_mask(y, limit);
    give16(words, full, y);
    y = _mm512_mask_srli_epi32(y, full, y, 16);
    __m512i rest = _mm512_andnot_si512(_mm512_sllv_epi32(_mm512_set1_epi32(-1), some), folded);
    return _mm512_or_si512(_mm512_sllv_epi32(y, some), rest);
}

AVX512 INLINE __m512i length_of16(__m512i keys)
{
    __m512i class = _mm512_and_si512(keys, _mm512_set1_epi32(MAX_CLASSES - 1));
    __m512i length = _mm512_sub_epi32(_mm512_srli_epi32(class, 1), _mm512_set1_epi32(1));
    return _mm512_max_epi32(length, _mm512_setzero_si512());
}

AVX512 INLINE void put512(struct encoder *e, size_t steps, unsigned width)
{
    const __m512i sixteen = _mm512_set1_epi32(16);
    const uint8_t *const map = e->skips ? e->map : NULL;
    uint8_t *classes = e->classes, *rests = e->rests;
    __m512i x0 = _mm512_loadu_si512(e->x), x1 = _mm512_loadu_si512(e->x + 16),
            y0 = _mm512_loadu_si512(e->y), y1 = _mm512_loadu_si512(e->y + 16);
    while (steps-- > 0) {
        if (map && !(map[steps / 8] >> steps % 8 & 1))
            continue;
        const uint8_t *keys = (const uint8_t *)(e->keys + steps * LANES),
                      *folded = (const uint8_t *)e->folded + steps * LANES * width;
        __m512i key0 = load16(keys, 2), key1 = load16(keys + 32, 2);
        __m512i folded0 = load16(folded, width), folded1 = load16(folded + 16 * width, width);
        __m512i length0 = length_of16(key0), length1 = length_of16(key1);
        x1 = put_classes16(e, key1, x1, &classes);
        x0 = put_classes16(e, key0, x0, &classes);
        y1 = put_rests16(length1, folded1, y1, &rests, width);
        y0 = put_rests16(length0, folded0, y0, &rests, width);
        if (width == 4) {
            give16(&rests, _mm512_cmpge_epi32_mask(length1, sixteen), folded1);
            give16(&rests, _mm512_cmpge_epi32_mask(length0, sixteen), folded0);
        }
    }
    _mm512_storeu_si512(e->x, x0);
    _mm512_storeu_si512(e->x + 16, x1);
    _mm512_storeu_si512(e->y, y0);
    _mm512_storeu_si512(e->y + 16, y1);
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
