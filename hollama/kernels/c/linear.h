/* What the linear kernels of all instruction sets share: exact sums become floats here, in golden's order.
 *
 * A kernel computes D = sum over k of a * w * g, where a is a byte of the activations as stored (see Activations). */
#ifndef HOLLAMA_LINEAR_H
#define HOLLAMA_LINEAR_H

#include "kernels.h"

#include <string.h>

enum {
    GROUP_SCALE_MAX = 18,
    QUADS = BLOCK / 4,
    EXPANDED_BYTES = PANEL * BLOCK,                              /* a block of a panel as bytes w * g */
    AMX_PANELS = 8, AMX_SLAB = 8, AMX_ROWS = 256, /* panels, blocks and rows that AMX takes at a time */
    AMX_WEIGHTS = 2 * AMX_SLAB * EXPANDED_BYTES,  /* bytes, of a pair of panels */
    AMX_SUMS = AMX_ROWS * AMX_PANELS * PANEL * 4, /* bytes, for low and high each */
    AMX_SCRATCH = AMX_WEIGHTS + 2 * AMX_SUMS,
};

#define ALWAYS_INLINE inline __attribute__((always_inline))

static inline int32_t smaller(int32_t x, int32_t y) { return x < y ? x : y; }

static inline const uint8_t *packed_panel(const Linear *linear, int32_t panel) {
    return linear->packed + (size_t)panel * linear->blocks * BLOCK_BYTES;
}

static inline const uint8_t *scales_panel(const Linear *linear, int32_t panel) {
    return linear->group_scale + (size_t)panel * linear->blocks * linear->scales * PANEL;
}

/* What makes a float of a panel's sums. */
typedef struct {
    float scale[PANEL];     /* f32(s * r) */
    int64_t offset[PANEL];  /* the zero point's share */
    int32_t offset32[PANEL]; /* modulo 2^32 */
} Finish;

/* One row: `count` outputs. */
#ifdef __AVX512F__
#include <immintrin.h>

static ALWAYS_INLINE __m256 float_of_wide(const int32_t *low, const int32_t *high, const int64_t *offset) {
    const __m512i h = _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i *)(const void *)high));
    const __m512i l = _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i *)(const void *)low));
    const __m512i sum = _mm512_add_epi64(_mm512_slli_epi64(h, 8), l);
    return _mm512_cvtepi64_ps(_mm512_add_epi64(sum, _mm512_loadu_si512(offset)));
}

static ALWAYS_INLINE void finish_row(const Finish *f, const int32_t *low, const int32_t *high, const float *bias,
                                     const float *add, float *to, int32_t count) {
    const __mmask16 kept = (__mmask16)((1u << count) - 1);
    __m512 y;
    if (high) {
        const __m256 first = float_of_wide(low, high, f->offset), second = float_of_wide(low + 8, high + 8, f->offset + 8);
        y = _mm512_insertf32x8(_mm512_castps256_ps512(first), second, 1);
    } else {
        y = _mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_loadu_si512(low), _mm512_loadu_si512(f->offset32)));
    }
    y = _mm512_mul_ps(y, _mm512_loadu_ps(f->scale));
    if (bias) y = _mm512_add_ps(y, _mm512_loadu_ps(bias));
    if (add) y = _mm512_add_ps(_mm512_maskz_loadu_ps(kept, add), y);
    _mm512_mask_storeu_ps(to, kept, y);
}
#else
static ALWAYS_INLINE void finish_row(const Finish *f, const int32_t *low, const int32_t *high, const float *bias,
                                     const float *add, float *to, const int32_t count) {
    float y[PANEL];
    if (high)
        for (int c = 0; c < PANEL; c++)
            y[c] = (float)(256 * (int64_t)high[c] + low[c] + f->offset[c]) * f->scale[c];
    else /* the result fits, what is on the way may wrap */
        for (int c = 0; c < PANEL; c++)
            y[c] = (float)(int32_t)((uint32_t)low[c] + (uint32_t)f->offset32[c]) * f->scale[c];
    if (bias)
        for (int c = 0; c < PANEL; c++) y[c] += bias[c];
    if (add)
        for (int c = 0; c < count; c++) y[c] = add[c] + y[c];
    memcpy(to, y, (size_t)count * sizeof *y);
}
#endif

/* Rows of one panel. low and high hold D of the low and high bytes, rows `apart` ints apart; high is NULL for 8 bits.
 * There q - z = low + 128 - z; for 16 bits it is 256 * (high + 128) + low + 128 - z. */
static inline void finish(const Linear *linear, const Activations *x, int32_t row, int32_t rows, int32_t panel,
                          const int32_t *low, const int32_t *high, size_t apart, Matrix out, Matrix add) {
    const int32_t first = panel * PANEL, count = smaller(PANEL, linear->outputs - first);
    const int64_t centre = (high ? 128 * 257 : 128) - x->zero_point;
    const float *bias = linear->bias ? linear->bias + first : NULL;
    Finish f;
    for (int c = 0; c < PANEL; c++) {
        f.scale[c] = x->scale * linear->row_scale[first + c];
        f.offset[c] = centre * linear->row_sum[first + c];
        f.offset32[c] = (int32_t)(uint32_t)f.offset[c];
    }
    for (int32_t m = 0; m < rows; m++) {
        float *to = out.data + (row + m) * out.stride + first;
        const float *other = add.data ? add.data + (row + m) * add.stride + first : NULL;
        const int32_t *l = low + m * apart, *h = high ? high + m * apart : NULL;
        if (count == PANEL)
            finish_row(&f, l, h, bias, other, to, PANEL);
        else
            finish_row(&f, l, h, bias, other, to, count);
    }
}

#endif
