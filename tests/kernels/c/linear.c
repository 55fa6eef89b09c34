/* Runs linear layers from standard input, for machines that tests reach only through an emulator.
 *
 * For each: inputs, outputs, panels, blocks, scales, rows, stride, zero point, bits and whether there is a bias, as
 * int32; the scale; then packed, group_scale, row_scale, bias; low and low_sums; high and high_sums for 16 bits. All
 * panels but the first run in a second call. To standard output: rows x outputs floats, or nothing if the weights are
 * out of range. */
#include "kernels.h"

#include <stdio.h>
#include <stdlib.h>

void RUN(const Linear *, const Activations *, Matrix, Matrix, int32_t, int32_t, void *);
void RUN8(const Linear *, const Activations *, Matrix, Matrix, int32_t, int32_t, void *);

static void *take(size_t size) {
    void *memory = malloc(size);
    if (!memory || fread(memory, 1, size, stdin) != size) exit(1);
    return memory;
}

int main(void) {
    int32_t plain[10];
    while (fread(plain, sizeof plain, 1, stdin) == 1) {
        Linear linear = {plain[0], plain[1], plain[2], plain[3], plain[4], NULL, NULL, NULL, NULL, NULL};
        Activations x = {.rows = plain[5], .stride = plain[6], .zero_point = plain[7]};
        const size_t panels = (size_t)linear.panels, cells = panels * (size_t)linear.blocks;
        const size_t values = (size_t)x.rows * (size_t)x.stride, sums = values / 32 * sizeof(int32_t);
        const size_t count = (size_t)x.rows * (size_t)linear.outputs;
        x.scale = *(float *)take(sizeof x.scale);
        linear.packed = take(cells * (size_t)block_bytes(&linear));
        linear.group_scale = take(cells * (size_t)linear.scales * PANEL);
        linear.row_scale = take(panels * PANEL * sizeof(float));
        if (plain[9]) linear.bias = take(panels * PANEL * sizeof(float));
        x.low = take(values);
        x.low_sums = take(sums);
        if (plain[8] == 16) {
            x.high = take(values);
            x.high_sums = take(sums);
        }
        int32_t *row_sum = malloc(panels * PANEL * sizeof *row_sum);
        float *out = malloc(count * sizeof *out);
        void *scratch = aligned_alloc(64, (linear_scratch(linear.blocks) + 63) / 64 * 64);
        const Matrix to = {out, linear.outputs}, none = {NULL, 0};
        if (inspect_linear(&linear, row_sum, 0, linear.panels)) return 1;
        linear.row_sum = row_sum;
        (linear.scales ? RUN : RUN8)(&linear, &x, to, none, 0, 1, scratch);
        (linear.scales ? RUN : RUN8)(&linear, &x, to, none, 1, linear.panels, scratch);
        fwrite(out, sizeof *out, count, stdout);
    }
    return 0;
}
