/* Attention with NEON's dot product of int8: a query or weight is 256 * high + low + 128 of signed bytes, so that
 *
 *   sum of a * b = 256 * (sum of high * b) + (sum of low * b) + 128 * (sum of b) */
#include "attention.h"

#include <arm_neon.h>

enum { MULTIPLE = 16, TILE_ROWS = 3, LANES = 4, WIDE = 4, COLUMNS_MAX = 256 };

/* The second and fourth, the sixth and eighth byte ... of pairs of bytes, brought together. */
static inline uint64_t gathered(uint64_t bytes) {
    bytes &= 0x00ff00ff00ff00ff;
    bytes = (bytes | bytes >> 8) & 0x0000ffff0000ffff;
    return (bytes | bytes >> 16) & 0xffffffff;
}

/* Four high bytes, then four low ones. */
static inline uint64_t packed_quad(uint64_t quad) {
    return gathered(quad >> 8) | (gathered(quad) ^ 0x80808080) << 32;
}

/* 128 times the sums of b, for each column. */
static void column_sums(const int8_t *b, int32_t columns, int32_t quads, int32_t *sums) {
    const int8x16_t ones = vdupq_n_s8(1);
    for (int32_t column = 0; column < columns; column += LANES) {
        int32x4_t sum = vdupq_n_s32(0);
        for (int32_t quad = 0; quad < quads; quad++)
            sum = vdotq_s32(sum, vld1q_s8(b + 4 * (quad * columns + column)), ones);
        vst1q_s32(sums + column, vshlq_n_s32(sum, 7));
    }
}

ALWAYS_INLINE void tile(const int rows, const int16_t *a, size_t a_stride, const int8_t *b, const int8_t *next,
                        size_t b_stride, int32_t quads, const int32_t *sums, int32_t *c, size_t c_stride) {
    int32x4_t high[TILE_ROWS][WIDE], low[TILE_ROWS][WIDE];
    UNROLL
    for (int row = 0; row < rows; row++)
        UNROLL
        for (int i = 0; i < WIDE; i++) high[row][i] = low[row][i] = vdupq_n_s32(0);
    for (int32_t quad = 0; quad < quads; quad++, a += 4, b += b_stride, next += b_stride) {
        int8x16_t bytes[WIDE];
        __builtin_prefetch(next);
        UNROLL
        for (int i = 0; i < WIDE; i++) bytes[i] = vld1q_s8(b + 16 * i);
        UNROLL
        for (int row = 0; row < rows; row++) {
            const int8x8_t own = vld1_s8((const int8_t *)(a + row * a_stride));
            UNROLL
            for (int i = 0; i < WIDE; i++) {
                high[row][i] = vdotq_lane_s32(high[row][i], bytes[i], own, 0);
                low[row][i] = vdotq_lane_s32(low[row][i], bytes[i], own, 1);
            }
        }
    }
    UNROLL
    for (int row = 0; row < rows; row++)
        UNROLL
        for (int i = 0; i < WIDE; i++) {
            int32_t *into = c + row * c_stride + i * LANES;
            const int32x4_t rest = vaddq_s32(low[row][i], vld1q_s32(sums + i * LANES));
            vst1q_s32(into, vaddq_s32(vld1q_s32(into), vaddq_s32(vshlq_n_s32(high[row][i], 8), rest)));
        }
}

static void product(const int16_t *a, size_t a_stride, int32_t rows, const int8_t *b, const int8_t *next,
                    int32_t columns, int32_t quads, int32_t *c, size_t c_stride) {
    const size_t b_stride = 4 * (size_t)columns;
    int32_t sums[COLUMNS_MAX];
    column_sums(b, columns, quads, sums);
    for (int32_t row = 0; row < rows; row += TILE_ROWS, a += TILE_ROWS * a_stride, c += TILE_ROWS * c_stride)
        for (int32_t i = 0; i < columns; i += WIDE * LANES) {
            const int8_t *own = b + 4 * i, *then = next + 4 * i;
            switch (rows - row) {
                case 1: tile(1, a, a_stride, own, then, b_stride, quads, sums + i, c + i, c_stride); break;
                case 2: tile(2, a, a_stride, own, then, b_stride, quads, sums + i, c + i, c_stride); break;
                default: tile(3, a, a_stride, own, then, b_stride, quads, sums + i, c + i, c_stride);
            }
        }
}

#include "attention.inc"
