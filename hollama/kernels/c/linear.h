/* What the linear kernels of all instruction sets share: exact sums become floats here, in golden's order.
 *
 * A kernel computes D = sum over k of a * w * g, where a is a byte of the activations as stored (see Activations). */
#ifndef HOLLAMA_LINEAR_H
#define HOLLAMA_LINEAR_H

#include "kernels.h"

enum { GROUP_SCALE_MAX = 18, QUADS = BLOCK / 4, EXPANDED_BYTES = PANEL * BLOCK };

#define ALWAYS_INLINE inline __attribute__((always_inline))

static inline int32_t smaller(int32_t x, int32_t y) { return x < y ? x : y; }

static inline const uint8_t *packed_panel(const Linear *linear, int32_t panel) {
    return linear->packed + (size_t)panel * linear->blocks * BLOCK_BYTES;
}

static inline const uint8_t *scales_panel(const Linear *linear, int32_t panel) {
    return linear->group_scale + (size_t)panel * linear->blocks * linear->scales * PANEL;
}

/* One row of one panel. low and high hold D of the low and high bytes; high is NULL for 8 bits. */
static inline void finish(const Linear *linear, const Activations *x, int32_t row, int32_t panel, const int32_t *low,
                          const int32_t *high, Matrix out, Matrix add) {
    float y[PANEL];
    const int32_t first = panel * PANEL, count = smaller(PANEL, linear->outputs - first);
    const int32_t *row_sum = linear->row_sum + first;
    const float *row_scale = linear->row_scale + first;
    if (high) { /* q - z = 256 * high + low + 128 * 257 - z */
        const int64_t centre = 128 * 257 - x->zero_point;
        for (int c = 0; c < PANEL; c++)
            y[c] = (float)(256 * (int64_t)high[c] + low[c] + centre * row_sum[c]) * (x->scale * row_scale[c]);
    } else { /* the result fits, what is on the way may wrap */
        const uint32_t centre = (uint32_t)(128 - x->zero_point);
        for (int c = 0; c < PANEL; c++)
            y[c] = (float)(int32_t)((uint32_t)low[c] + centre * (uint32_t)row_sum[c]) * (x->scale * row_scale[c]);
    }
    if (linear->bias)
        for (int c = 0; c < PANEL; c++) y[c] += linear->bias[first + c];
    float *to = out.data + row * out.stride + first;
    if (add.data) {
        const float *other = add.data + row * add.stride + first;
        for (int c = 0; c < count; c++) to[c] = other[c] + y[c];
    } else {
        for (int c = 0; c < count; c++) to[c] = y[c];
    }
}

#endif
