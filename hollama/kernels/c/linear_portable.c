/* The linear layer in plain C, and what is done with a layer once, at load. */
#include "linear.h"

#include <string.h>

size_t linear_scratch(int32_t blocks) {
    const size_t expanded = 2 * EXPANDED_BYTES, starts = 2 * 48 * 2 * sizeof(int32_t); /* a block; avx2 has 48 rows */
    const size_t inputs = (size_t)blocks * (expanded > starts ? expanded : starts);
    return inputs > AMX_SCRATCH ? inputs : AMX_SCRATCH;
}

static int32_t inspect_bytes(const Linear *linear, int32_t *row_sum, int32_t first, int32_t last) {
    const uint8_t *packed = linear->packed + (size_t)first * linear->blocks * EXPANDED_BYTES;
    uint8_t wrong = 0;
    for (int32_t panel = first; panel < last; panel++) {
        int32_t *sums = row_sum + (size_t)panel * PANEL;
        memset(sums, 0, PANEL * sizeof *sums);
        for (int32_t quad = 0; quad < linear->blocks * QUADS; quad++, packed += 4 * PANEL)
            for (int c = 0; c < PANEL; c++) {
                const uint8_t *w = packed + 4 * c;
                sums[c] += w[0] + w[1] + w[2] + w[3] - 4 * 128;
                wrong |= (w[0] == 0) | (w[1] == 0) | (w[2] == 0) | (w[3] == 0);
            }
    }
    return wrong;
}

int32_t inspect_linear(const Linear *linear, int32_t *row_sum, int32_t first, int32_t last) {
    uint8_t wrong = 0;
    if (!linear->scales) return inspect_bytes(linear, row_sum, first, last);
    for (int32_t panel = first; panel < last; panel++) {
        const uint8_t *packed = packed_panel(linear, panel), *scales = scales_panel(linear, panel);
        int32_t *sums = row_sum + (size_t)panel * PANEL;
        memset(sums, 0, PANEL * sizeof *sums);
        for (int32_t block = 0; block < linear->blocks; block++, packed += BLOCK_BYTES) {
            uint8_t low[4 * PANEL] = {0}, high[4 * PANEL] = {0}; /* 8 nibbles each: no overflow */
            for (int r = 0; r < 8; r++)
                for (int i = 0; i < 4 * PANEL; i++) {
                    const uint8_t byte = packed[4 * PANEL * r + i];
                    low[i] += byte & 15;
                    high[i] += byte >> 4;
                    wrong |= ((byte & 15) == 0) | (byte < 16);
                }
            const uint8_t *of_low = scales + (size_t)block * linear->scales * PANEL;
            const uint8_t *of_high = of_low + (linear->scales - 1) * PANEL;
            for (int c = 0; c < PANEL; c++) {
                const int32_t sum_low = low[4 * c] + low[4 * c + 1] + low[4 * c + 2] + low[4 * c + 3] - 8 * BLOCK / 2;
                const int32_t sum_high = high[4 * c] + high[4 * c + 1] + high[4 * c + 2] + high[4 * c + 3] - 8 * BLOCK / 2;
                sums[c] += sum_low * of_low[c] + sum_high * of_high[c];
                wrong |= (uint8_t)(of_low[c] - 1) >= GROUP_SCALE_MAX || (uint8_t)(of_high[c] - 1) >= GROUP_SCALE_MAX;
            }
        }
    }
    return wrong;
}

/* w * g of a block as [64 inputs][16 outputs]. */
static void expand(const uint8_t *packed, const uint8_t *of_low, const uint8_t *of_high, int16_t *to) {
    for (int r = 0; r < 8; r++)
        for (int c = 0; c < PANEL; c++)
            for (int i = 0; i < 4; i++) {
                const uint8_t byte = packed[(r * PANEL + c) * 4 + i];
                to[(4 * r + i) * PANEL + c] = (int16_t)(((byte & 15) - 8) * of_low[c]);
                to[(BLOCK / 2 + 4 * r + i) * PANEL + c] = (int16_t)(((byte >> 4) - 8) * of_high[c]);
            }
}

/* w of a block, likewise */
static void widen(const uint8_t *packed, int16_t *to) {
    for (int r = 0; r < QUADS; r++)
        for (int c = 0; c < PANEL; c++)
            for (int i = 0; i < 4; i++) to[(4 * r + i) * PANEL + c] = (int16_t)(packed[(r * PANEL + c) * 4 + i] - 128);
}

enum { ROWS = 16 };

/* sums[row] += a * w * g over one block */
static void multiply(const int8_t *a, int32_t stride, int32_t rows, const int16_t *weights, int32_t (*sums)[PANEL]) {
    for (int32_t row = 0; row < rows; row++)
        for (int k = 0; k < BLOCK; k++)
            for (int c = 0; c < PANEL; c++) sums[row][c] += a[(size_t)row * stride + k] * weights[k * PANEL + c];
}

/* Weights of either size. */
void linear_portable(const Linear *linear, const Activations *x, Matrix out, Matrix add, int32_t first, int32_t last,
                     void *scratch) {
    int16_t *weights = scratch;
    const size_t stride = (size_t)x->stride;
    for (int32_t panel = first; panel < last; panel++)
        for (int32_t row = 0; row < x->rows; row += ROWS) {
            const int32_t rows = smaller(ROWS, x->rows - row);
            const uint8_t *scales = scales_panel(linear, panel);
            const uint8_t *packed = linear->packed + (size_t)panel * linear->blocks * block_bytes(linear);
            int32_t low[ROWS][PANEL] = {{0}}, high[ROWS][PANEL] = {{0}};
            for (int32_t block = 0; block < linear->blocks; block++) {
                const size_t at = row * stride + (size_t)block * BLOCK;
                if (linear->scales)
                    expand(packed, scales, scales + (linear->scales - 1) * PANEL, weights);
                else
                    widen(packed, weights);
                packed += block_bytes(linear);
                scales += linear->scales * PANEL;
                multiply(x->low + at, x->stride, rows, weights, low);
                if (x->high) multiply(x->high + at, x->stride, rows, weights, high);
            }
            finish(linear, x, row, rows, panel, low[0], x->high ? high[0] : NULL, PANEL, out, add);
        }
}
