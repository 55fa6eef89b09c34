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
    AMX_PANELS = 8, AMX_SLAB = 8, AMX_ROWS = 512, /* panels, blocks and rows that AMX takes at a time */
    AMX_SUMS = AMX_ROWS * AMX_PANELS * PANEL * 4, /* bytes; for low and high each, and two slabs */
    AMX_SCRATCH = 2 * AMX_SUMS + 2 * AMX_PANELS * AMX_SLAB * EXPANDED_BYTES,
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
