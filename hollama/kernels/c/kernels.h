/* The operations of hollama.kernels.golden in C: what every instruction set implements, bit for bit equal to golden.
 *
 * Kernels never allocate and read nothing beyond what the shapes say: packed weights and pages are exactly sized, rows
 * of activations are whole strides. `scratch` starts at a multiple of 64 bytes and is private to the thread. Every
 * operation between floats is one IEEE operation, so nothing here may be compiled with fused multiply-add or
 * -ffast-math. */
#ifndef HOLLAMA_KERNELS_H
#define HOLLAMA_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PANEL = 16, BLOCK = 64, BLOCK_BYTES = PANEL * BLOCK / 2, PAGE_TOKENS = 64 };

typedef struct { /* a linear layer as it lies in the package; see packing.PackedLinear */
    int32_t inputs, outputs, panels, blocks;
    int32_t scales;             /* of a block and an output; 0: weights have 8 bits */
    const uint8_t *packed;      /* [panels][blocks][8][16][4], two weights a byte; [16][16][4], one a byte */
    const uint8_t *group_scale; /* [panels][blocks][scales][16] */
    const float *row_scale;     /* [panels * 16] */
    const float *bias;          /* likewise, or NULL */
    const int32_t *row_sum;     /* [panels * 16] sum over k of w * g, from inspect_linear */
} Linear;

static inline int32_t block_bytes(const Linear *linear) { return linear->scales ? BLOCK_BYTES : 2 * BLOCK_BYTES; }

typedef struct { /* rows of quantised values, 8 or 16 bits each */
    const int8_t *low;          /* [rows][stride] (q & 255) - 128 */
    const int8_t *high;         /* likewise (q >> 8) - 128; NULL for 8 bits */
    const int32_t *low_sums;    /* [rows][stride / 32] sums of 32 values of low each, the filling included */
    const int32_t *high_sums;
    int32_t rows, stride;       /* stride: the inputs filled up to a multiple of 64; the filling is 0 */
    int32_t zero_point;
    float scale;
} Activations;

typedef struct { /* rows of f32 */
    float *data;
    int64_t stride; /* in floats */
} Matrix;

typedef struct { /* consecutive rows of a step that belong to one context */
    int32_t first_row, rows, start; /* start: the position of the first row */
    int32_t adapter;                /* -1: none */
    int8_t *const *pages;           /* page i holds the positions [64i, 64i + 64) of all caches */
} Segment;

/* In a page, cache c has its keys at 2c * kv_heads * 64 * d and its values at (2c + 1) * kv_heads * 64 * d; in them
 * head h is at h * 64 * d: keys int8 [d / 4][64 tokens][4 dims] = k - 128, values int8 [16][d][4 tokens] = v - 128. */
typedef struct { int32_t head_dim, kv_heads, caches; } KvShape;

typedef struct {
    const Segment *segment;
    int32_t cache, heads;
    int32_t bidirectional; /* 0: a row sees the tokens up to its own; else: all up to the segment's last */
    KvShape shape;
    const int16_t *query; /* [rows of the step][heads * d] = q - 32768 */
    int64_t query_stride; /* in int16 */
    int32_t zero_v;
    float scale_v;
    float step; /* f32(f32(s_q * s_k) * f32(log2(e) / sqrt(d))) */
    Matrix out; /* [rows of the step][heads * d] */
} Attention;

typedef struct { /* the functions of one instruction set */
    const char *name;
    /* Panels [first, last) of y = x W^T (+ bias); where add.data is not NULL, out = add + y; add may be out itself. */
    void (*linear)(const Linear *, const Activations *, Matrix out, Matrix add, int32_t first, int32_t last,
                   void *scratch);
    /* The same for weights of 8 bits. */
    void (*linear8)(const Linear *, const Activations *, Matrix out, Matrix add, int32_t first, int32_t last,
                    void *scratch);
    /* Rows [first_row, first_row + rows) of the segment's own, one kv head with its heads / kv_heads query heads. */
    void (*attend)(const Attention *, int32_t kv_head, int32_t first_row, int32_t rows, void *scratch);
    /* One row, or one head of it. */
    void (*norm)(const float *x, const float *weight, float *out, int32_t n, double eps);
    /* One row; bias may be NULL. */
    void (*layer_norm)(const float *x, const float *weight, const float *bias, float *out, int32_t n, double eps);
    /* n values; the filling up to a multiple of 64 is written as 0. inverse = f32(1 / scale). */
    void (*quantise8)(const float *x, int8_t *low, int32_t *sums, int32_t n, float inverse, int32_t zero_point);
    void (*quantise16)(const float *x, int8_t *low, int8_t *high, int32_t *low_sums, int32_t *high_sums, int32_t n,
                       float inverse, int32_t zero_point);
    void (*quantise_query)(const float *x, int16_t *out, int32_t n, float inverse);
    /* One row; cosine and sine [d] of its position; out may not be x. */
    void (*rope)(const float *x, const float *cosine, const float *sine, float *out, int32_t heads, int32_t d);
    void (*gated)(const float *gate, const float *up, float *out, int32_t n);
    void (*gelu)(const float *x, float *out, int32_t n);
    void (*gelu_tanh)(const float *x, float *out, int32_t n);
    void (*add)(const float *x, const float *y, float *out, int32_t n);
    void (*embed)(const uint16_t *row, float *out, int32_t n, float scale, int32_t zero_point);
    /* One token's heads into its page. */
    void (*store)(const float *k, const float *v, int8_t *page, int32_t token, int32_t cache, KvShape,
                  float inverse_k, int32_t zero_k, float inverse_v, int32_t zero_v);
} Kernels;

size_t linear_scratch(int32_t blocks); /* bytes a thread needs, whatever the set */
size_t attention_scratch(int32_t context, int32_t group, int32_t head_dim);

const Kernels *kernels_best(void);
/* "portable", "avx2", "avxvnni", "avx512vnni", "amx" or "neon"; NULL where the machine or the build lacks it. */
const Kernels *kernels_named(const char *name);

/* Whether product_amxbf16.c can run here. */
bool products_run(void);

/* Fills row_sum of the panels [first, last). 0 if all nibbles are in 1..15 and all scales in 1..18, or no byte of 8-bit
 * weights is 0; else 1. */
int32_t inspect_linear(const Linear *, int32_t *row_sum, int32_t first, int32_t last);

#endif
