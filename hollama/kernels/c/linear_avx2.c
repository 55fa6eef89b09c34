/* The linear layer with AVX2: pairs of products accumulate in 16 bits over a block of 64 inputs.
 *
 * maddubs multiplies unsigned by signed bytes and adds neighbours: n = w + 8 comes first, a second, so a pair is at most
 * 15 * 128 * 2 and never saturates. The 16-bit sums may wrap on the way, but start with -8 times the sums of their a, so
 * that a block ends with sums of w * a, at most 7 * 128 * 32. One madd with the group scale twice widens, adds the two
 * halves of a quad, and multiplies. */
#include "linear.h"

#include <immintrin.h>

enum { LANES = 8, VECTOR = 4 * LANES, ROWS = 8, CHUNK = 48 }; /* CHUNK: rows whose starts lie in scratch */

typedef int32_t Unaligned __attribute__((may_alias, aligned(1)));

static inline __m256i load(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }

static inline __m256i quad(const int8_t *p) { return _mm256_set1_epi32(*(const Unaligned *)(const void *)p); }

/* 8 scales, each in both halves of its lane */
static inline __m256i scales_at(const uint8_t *p) {
    const __m256i g = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
    return _mm256_or_si256(g, _mm256_slli_epi32(g, 16));
}

/* What the sums of 32 inputs start with: -8 times the sum of the first two of every quad, and of the last two. */
static void starts_of(const int8_t *a, size_t halves, int32_t *starts) {
    const __m256i ones = _mm256_set1_epi8(1);
    for (size_t i = 0; i < halves; i++) {
        const __m256i pairs = _mm256_maddubs_epi16(ones, load((const uint8_t *)a + 32 * i));
        __m128i sums = _mm_add_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
        sums = _mm_add_epi16(sums, _mm_shuffle_epi32(sums, 0x4e));
        sums = _mm_add_epi16(sums, _mm_shuffle_epi32(sums, 0xb1));
        starts[i] = _mm_cvtsi128_si32(_mm_mullo_epi16(sums, _mm_set1_epi16(-8)));
    }
}

/* acc[m] += n . a over the low (0) or high (1) nibbles of a block */
static ALWAYS_INLINE void multiply(const int rows, const int high, const uint8_t *packed, const int8_t *data,
                                   int32_t stride, __m256i *acc) {
    const __m256i mask = _mm256_set1_epi8(0x0f);
    data += 32 * high;
#pragma GCC unroll 1 /* more of them spill registers */
    for (int r = 0; r < 8; r++, packed += 4 * PANEL, data += 4) {
        const __m256i both = load(packed);
        const __m256i n = _mm256_and_si256(high ? _mm256_srli_epi16(both, 4) : both, mask);
        const int8_t *a = data;
#pragma GCC unroll 8
        for (int m = 0; m < rows; m++, a += stride)
            acc[m] = _mm256_add_epi16(acc[m], _mm256_maddubs_epi16(n, quad(a)));
    }
}

static ALWAYS_INLINE void scale(const int rows, __m256i g, const __m256i *acc, __m256i *total) {
#pragma GCC unroll 8
    for (int m = 0; m < rows; m++) total[m] = _mm256_add_epi32(total[m], _mm256_madd_epi16(acc[m], g));
}

/* D of `rows` rows for 8 outputs. With one scale a block, its halves share a sum. */
static ALWAYS_INLINE void direct(const int rows, const int per_block, const uint8_t *packed, const uint8_t *scales,
                                 int32_t blocks, const int8_t *data, int32_t stride, const int32_t *starts,
                                 __m256i *total) {
    __m256i acc[ROWS];
    for (int m = 0; m < rows; m++) total[m] = _mm256_setzero_si256();
    for (int32_t block = 0; block < blocks; block++) {
        const int32_t *start = starts + 2 * block;
#pragma GCC unroll 8
        for (int m = 0; m < rows; m++) acc[m] = _mm256_set1_epi32(start[2 * m * blocks]);
        multiply(rows, 0, packed, data, stride, acc);
        if (per_block == 2) scale(rows, scales_at(scales), acc, total);
#pragma GCC unroll 8
        for (int m = 0; m < rows; m++) {
            const __m256i high = _mm256_set1_epi32(start[2 * m * blocks + 1]);
            acc[m] = per_block == 2 ? high : _mm256_add_epi16(acc[m], high);
        }
        multiply(rows, 1, packed, data, stride, acc);
        scale(rows, scales_at(scales + (per_block - 1) * PANEL), acc, total);
        data += BLOCK;
        packed += BLOCK_BYTES;
        scales += per_block * PANEL;
    }
}

static ALWAYS_INLINE void direct_scales(const int rows, const Linear *linear, const uint8_t *packed,
                                        const uint8_t *scales, const int8_t *data, int32_t stride,
                                        const int32_t *starts, __m256i *total) {
    if (linear->scales == 1)
        direct(rows, 1, packed, scales, linear->blocks, data, stride, starts, total);
    else
        direct(rows, 2, packed, scales, linear->blocks, data, stride, starts, total);
}

/* D of `rows` rows of one panel as [rows][16]. */
static void panel_sums(int32_t rows, const Linear *linear, int32_t panel, const int8_t *data, int32_t stride,
                       const int32_t *starts, int32_t (*sums)[PANEL]) {
    for (int part = 0; part < PANEL / LANES; part++) {
        const uint8_t *packed = packed_panel(linear, panel) + part * VECTOR;
        const uint8_t *scales = scales_panel(linear, panel) + part * LANES;
        __m256i total[ROWS];
        switch (rows) {
#define CASE(N) \
    case N: direct_scales(N, linear, packed, scales, data, stride, starts, total); break;
            CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8)
#undef CASE
        }
        for (int32_t m = 0; m < rows; m++)
            _mm256_storeu_si256((__m256i *)(void *)(sums[m] + part * LANES), total[m]);
    }
}

void linear_avx2(const Linear *linear, const Activations *x, Matrix out, Matrix add, int32_t first, int32_t last,
                 void *scratch) {
    const size_t stride = (size_t)x->stride, halves = stride / 32;
    for (int32_t chunk = 0; chunk < x->rows; chunk += CHUNK) {
        const int32_t rows = smaller(CHUNK, x->rows - chunk);
        int32_t *low_starts = scratch, *high_starts = low_starts + rows * halves;
        starts_of(x->low + chunk * stride, rows * halves, low_starts);
        if (x->high) starts_of(x->high + chunk * stride, rows * halves, high_starts);
        for (int32_t panel = first; panel < last; panel++)
            for (int32_t at = 0; at < rows; at += ROWS) {
                const int32_t row = chunk + at, count = smaller(ROWS, rows - at);
                int32_t low[ROWS][PANEL], high[ROWS][PANEL];
                panel_sums(count, linear, panel, x->low + row * stride, x->stride, low_starts + at * halves, low);
                if (x->high)
                    panel_sums(count, linear, panel, x->high + row * stride, x->stride, high_starts + at * halves, high);
                finish(linear, x, row, count, panel, low[0], x->high ? high[0] : NULL, PANEL, out, add);
            }
    }
}
