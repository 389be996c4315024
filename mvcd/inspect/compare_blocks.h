/* Quantised blocks of GGUF, as ggml lays them out (ggml-common.h and ggml-quants.c of llama.cpp).
 *
 * A block is codes, which are small integers, with a scale and perhaps a minimum for every sixteen
 * of them (types that have fewer repeat them): an element is scale * code - least, in the float32
 * that ggml computes in. Codes lie in planes: `bits` has them all. blocks.py says the same in
 * Python, and which types stay packed.
 *
 * A part of compare.c, which knows `load16` and others. */

#define GROUP 16        /* elements that share a scale */
#define BLOCK_CODES 256 /* elements of the longest block */

struct block {
    float scale[BLOCK_CODES / GROUP], least[BLOCK_CODES / GROUP];
    int8_t code[BLOCK_CODES];
};

static const int8_t nonlinear[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};
static const int8_t halves[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* Byte i holds `width` bits each of the codes i, n + i, 2n + i and so on, the first one lowest;
 * `shift` is where they belong in the code. */
INLINE void bits(int8_t *code, const uint8_t *from, unsigned n, unsigned width, unsigned shift)
{
    for (unsigned k = 0; k < 8 / width; k++)
        for (unsigned i = 0; i < n; i++)
            code[k * n + i] |= (from[i] >> width * k & ((1 << width) - 1)) << shift;
}

INLINE void lower(struct block *b, unsigned n, int by)
{
    for (unsigned i = 0; i < n; i++)
        b->code[i] -= by;
}

INLINE void look_up(struct block *b, unsigned n, const int8_t table[16])
{
    for (unsigned i = 0; i < n; i++)
        b->code[i] = table[b->code[i]];
}

/* One scale, and the negative of what is added, for a block of 32. */
INLINE void both(struct block *b, float scale, float least)
{
    b->scale[0] = b->scale[1] = scale;
    b->least[0] = b->least[1] = least;
}

INLINE void all_of(struct block *b, float scale)
{
    for (unsigned g = 0; g < BLOCK_CODES / GROUP; g++)
        b->scale[g] = scale;
}

/* ---------------------------------------------------------------- blocks of 32, 64 and 128 */

INLINE void fifth_bits(struct block *b, const uint8_t *from)
{
    for (unsigned i = 0; i < 4; i++)
        bits(b->code + 8 * i, from + i, 1, 1, 4);
}

INLINE void read_q4_0(struct block *b, const uint8_t *in)
{
    bits(b->code, in + 2, 16, 4, 0);
    lower(b, 32, 8);
    both(b, half(load16(in)), 0);
}

INLINE void read_q4_1(struct block *b, const uint8_t *in)
{
    bits(b->code, in + 4, 16, 4, 0);
    both(b, half(load16(in)), -half(load16(in + 2)));
}

INLINE void read_q5_0(struct block *b, const uint8_t *in)
{
    bits(b->code, in + 6, 16, 4, 0);
    fifth_bits(b, in + 2);
    lower(b, 32, 16);
    both(b, half(load16(in)), 0);
}

INLINE void read_q5_1(struct block *b, const uint8_t *in)
{
    bits(b->code, in + 8, 16, 4, 0);
    fifth_bits(b, in + 4);
    both(b, half(load16(in)), -half(load16(in + 2)));
}

INLINE void read_q8_0(struct block *b, const uint8_t *in)
{
    memcpy(b->code, in + 2, 32);
    both(b, half(load16(in)), 0);
}

INLINE void read_iq4_nl(struct block *b, const uint8_t *in)
{
    bits(b->code, in + 2, 16, 4, 0);
    look_up(b, 32, nonlinear);
    both(b, half(load16(in)), 0);
}

/* The scale is a power of two (E8M0), halved since the codes are doubled. 255 is NaN in the OCP's
 * specification, and 2^127 in ggml, which is followed. */
INLINE void read_mxfp4(struct block *b, const uint8_t *in)
{
    bits(b->code, in + 1, 16, 4, 0);
    look_up(b, 32, halves);
    both(b, float_of(in[0] < 2 ? 0x200000u << in[0] : (in[0] - 1u) << 23), 0);
}

/* Scales are E4M3 whose sign is ignored, but 0x7f is 0, and 0xff no NaN; halved like the above. */
INLINE void read_nvfp4(struct block *b, const uint8_t *in)
{
    for (unsigned g = 0; g < 4; g++) {
        unsigned x = in[g];
        bits(b->code + 16 * g, in + 4 + 8 * g, 8, 4, 0);
        b->scale[g] = x == 0x7f ? 0 : x == 0xff ? 240 : 0.5f * eight_bits[0][x & 0x7f];
    }
    look_up(b, 64, halves);
}

INLINE void read_q1_0(struct block *b, const uint8_t *in)
{
    for (unsigned i = 0; i < 16; i++)
        bits(b->code + 8 * i, in + 2 + i, 1, 1, 1);
    lower(b, 128, 1);
    all_of(b, half(load16(in)));
}

/* ---------------------------------------------------------------- blocks of 256 */

INLINE void read_q2_k(struct block *b, const uint8_t *in)
{
    float scale = half(load16(in + 80)), least = half(load16(in + 82));
    for (unsigned g = 0; g < 16; g++) {
        b->scale[g] = scale * (float)(in[g] & 15);
        b->least[g] = least * (float)(in[g] >> 4);
    }
    bits(b->code, in + 16, 32, 2, 0);
    bits(b->code + 128, in + 48, 32, 2, 0);
}

INLINE void read_q3_k(struct block *b, const uint8_t *in)
{
    float scale = half(load16(in + 108));
    const uint8_t *scales = in + 96; /* four low bits of all, then two high ones */
    for (unsigned g = 0; g < 16; g++) {
        int low = scales[g % 8] >> 4 * (g / 8) & 15, high = scales[8 + g % 4] >> 2 * (g / 4) & 3;
        b->scale[g] = scale * (float)((low | high << 4) - 32);
    }
    bits(b->code, in + 32, 32, 2, 0);
    bits(b->code + 128, in + 64, 32, 2, 0);
    bits(b->code, in, 32, 1, 2);
    lower(b, 256, 4);
}

/* Eight scales and eight minimums of six bits each in twelve bytes, for 32 elements each. */
INLINE void six_bits(struct block *b, const uint8_t *in)
{
    float scale = half(load16(in)), least = half(load16(in + 2));
    const uint8_t *six = in + 4;
    for (unsigned k = 0; k < 8; k++) {
        int x = k < 4 ? six[k] & 63 : (six[k + 4] & 15) | six[k - 4] >> 6 << 4;
        int y = k < 4 ? six[k + 4] & 63 : six[k + 4] >> 4 | six[k] >> 6 << 4;
        b->scale[2 * k] = b->scale[2 * k + 1] = scale * (float)x;
        b->least[2 * k] = b->least[2 * k + 1] = least * (float)y;
    }
}

INLINE void read_q4_k(struct block *b, const uint8_t *in)
{
    six_bits(b, in);
    for (unsigned k = 0; k < 4; k++)
        bits(b->code + 64 * k, in + 16 + 32 * k, 32, 4, 0);
}

INLINE void read_q5_k(struct block *b, const uint8_t *in)
{
    six_bits(b, in);
    for (unsigned k = 0; k < 4; k++)
        bits(b->code + 64 * k, in + 48 + 32 * k, 32, 4, 0);
    bits(b->code, in + 16, 32, 1, 4);
}

INLINE void read_q6_k(struct block *b, const uint8_t *in)
{
    float scale = half(load16(in + 208));
    for (unsigned g = 0; g < 16; g++)
        b->scale[g] = scale * (float)(int8_t)in[192 + g];
    for (unsigned k = 0; k < 2; k++) {
        bits(b->code + 128 * k, in + 64 * k, 64, 4, 0);
        bits(b->code + 128 * k, in + 128 + 32 * k, 32, 2, 4);
    }
    lower(b, 256, 32);
}

/* What follows the codes are their sums. */
INLINE void read_q8_k(struct block *b, const uint8_t *in)
{
    memcpy(b->code, in + 4, 256);
    all_of(b, float_of(load32(in)));
}

INLINE void read_iq4_xs(struct block *b, const uint8_t *in)
{
    float scale = half(load16(in));
    unsigned high = load16(in + 2);
    for (unsigned k = 0; k < 8; k++) {
        int x = (in[4 + k / 2] >> 4 * (k % 2) & 15) | (high >> 2 * k & 3) << 4;
        b->scale[2 * k] = b->scale[2 * k + 1] = scale * (float)(x - 32);
        bits(b->code + 32 * k, in + 8 + 16 * k, 16, 4, 0);
    }
    look_up(b, 256, nonlinear);
}

/* A byte is five digits to the base three as a fraction of 256: the first is the whole part of
 * three times it, and what remains has the next. */
INLINE void thirds(int8_t *code, const uint8_t *from, unsigned n, unsigned digits)
{
    for (unsigned k = 0, power = 1; k < digits; k++, power *= 3)
        for (unsigned i = 0; i < n; i++)
            code[k * n + i] = (uint8_t)(from[i] * power) * 3 >> 8;
}

INLINE void read_tq1_0(struct block *b, const uint8_t *in)
{
    thirds(b->code, in, 32, 5);
    thirds(b->code + 160, in + 32, 16, 5);
    thirds(b->code + 240, in + 48, 4, 4);
    lower(b, 256, 1);
    all_of(b, half(load16(in + 52)));
}

INLINE void read_tq2_0(struct block *b, const uint8_t *in)
{
    bits(b->code, in, 32, 2, 0);
    bits(b->code + 128, in + 32, 32, 2, 0);
    lower(b, 256, 1);
    all_of(b, half(load16(in + 64)));
}

/* ---------------------------------------------------------------- all of them */

INLINE void read_block(struct block *b, enum compare_dtype dtype, const uint8_t *in)
{
    switch (dtype) {
#define READ(DTYPE, read)                                                                          \
    case COMPARE_##DTYPE:                                                                          \
        read(b, in);                                                                               \
        break;
        READ(Q4_0, read_q4_0)
        READ(Q4_1, read_q4_1)
        READ(Q5_0, read_q5_0)
        READ(Q5_1, read_q5_1)
        READ(Q8_0, read_q8_0)
        READ(Q2_K, read_q2_k)
        READ(Q3_K, read_q3_k)
        READ(Q4_K, read_q4_k)
        READ(Q5_K, read_q5_k)
        READ(Q6_K, read_q6_k)
        READ(Q8_K, read_q8_k)
        READ(IQ4_NL, read_iq4_nl)
        READ(IQ4_XS, read_iq4_xs)
        READ(TQ1_0, read_tq1_0)
        READ(TQ2_0, read_tq2_0)
        READ(MXFP4, read_mxfp4)
        READ(NVFP4, read_nvfp4)
        READ(Q1_0, read_q1_0)
#undef READ
    default:
        break;
    }
}

/* Elements of whole blocks to doubles; n is a multiple of theirs. */
INLINE void widen_blocks(double *out, enum compare_dtype dtype, const uint8_t *in, size_t n)
{
    const unsigned width = compare_width(dtype), elements = compare_elements(dtype);
    for (; n >= elements; n -= elements, in += width) {
        struct block b = {{0}, {0}, {0}};
        read_block(&b, dtype, in);
        for (unsigned g = 0; g < elements / GROUP; g++, out += GROUP)
            for (unsigned i = 0; i < GROUP; i++)
                out[i] = b.scale[g] * (float)b.code[g * GROUP + i] - b.least[g];
    }
}
