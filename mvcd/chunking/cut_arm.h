/* Proposal scan in NEON, which every AArch64 machine has; included by cut.c alone. The method of
 * cut_x86.h on 16 bytes at a time: `low` holds positions 0-7, `high` 8-15. */
#include <arm_neon.h>

#define STEP(LANES, before)                                                                        \
    do {                                                                                           \
        uint16x8_t low_moved = vextq_u16(before, low, 8 - LANES);                                  \
        uint16x8_t high_moved = vextq_u16(low, high, 8 - LANES);                                   \
        before = high;                                                                             \
        low = vaddq_u16(low, vshlq_n_u16(low_moved, LANES));                                       \
        high = vaddq_u16(high, vshlq_n_u16(high_moved, LANES));                                    \
    } while (0)

static size_t scan_neon(const uint8_t *data, size_t from, size_t to, uint64_t limit,
                        struct cut_best *best)
{
    const uint8x16_t low0 = vld1q_u8(low_nibble_byte0), low1 = vld1q_u8(low_nibble_byte1);
    const uint8x16_t high0 = vld1q_u8(high_nibble_byte0), high1 = vld1q_u8(high_nibble_byte1);
    const uint16x8_t mask = vdupq_n_u16((uint16_t)(0xffff << PROPOSAL_SHIFT));
    uint16x8_t before_g = vdupq_n_u16(0), before_a = before_g, before_b = before_g,
               before_c = before_g;
    size_t i = from - 16; /* one block of warm-up; its proposals are dropped */
    for (; to - i >= 16; i += 16) {
        uint8x16_t bytes = vld1q_u8(data + i);
        uint8x16_t right = vandq_u8(bytes, vdupq_n_u8(15)), left = vshrq_n_u8(bytes, 4);
        uint8x16_t g0 = veorq_u8(vqtbl1q_u8(low0, right), vqtbl1q_u8(high0, left));
        uint8x16_t g1 = veorq_u8(vqtbl1q_u8(low1, right), vqtbl1q_u8(high1, left));
        uint16x8_t low = vreinterpretq_u16_u8(vzip1q_u8(g0, g1));
        uint16x8_t high = vreinterpretq_u16_u8(vzip2q_u8(g0, g1));
        STEP(1, before_g);
        STEP(2, before_a);
        STEP(4, before_b);
        uint16x8_t previous = before_c;
        before_c = high;
        high = vaddq_u16(high, vshlq_n_u16(low, 8));
        low = vaddq_u16(low, vshlq_n_u16(previous, 8));
        /* All ones in a lane where no bit under the mask is set; narrowing restores byte order, and
         * the second narrowing leaves four bits a position in one general register. */
        uint8x16_t missed =
            vcombine_u8(vmovn_u16(vtstq_u16(low, mask)), vmovn_u16(vtstq_u16(high, mask)));
        uint8x8_t narrow = vshrn_n_u16(vreinterpretq_u16_u8(vmvnq_u8(missed)), 4);
        uint64_t hits = vget_lane_u64(vreinterpret_u64_u8(narrow), 0) & 0x1111111111111111u;
        if (UNLIKELY(hits != 0) && i >= from) {
            for (; hits; hits &= hits - 1) {
                size_t end = i + (size_t)(__builtin_ctzll(hits) >> 2) + 1;
                if (cuts(data, end, limit, best))
                    return end;
            }
        }
    }
    return i < to ? scan_portable(data, i < from ? from : i, to, limit, best) : 0;
}

#undef STEP
