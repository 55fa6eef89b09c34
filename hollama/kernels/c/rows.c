/* Elementwise operations over many rows at once, each row by the kernels of the best instruction set: for the compiler,
 * which calls from Python and would spend its time on the way. Strides are in floats. */
#include "kernels.h"

void rows_norm(const float *x, int64_t stride, const float *weight, float *out, int64_t rows, int32_t n, double eps);
void rows_rope(const float *x, int64_t stride, const float *cosine, const float *sine, float *out, int64_t rows,
               int32_t heads, int32_t d);
void rows_gated(const float *gate, int64_t gate_stride, const float *up, int64_t up_stride, float *out, int64_t rows,
                int32_t n);

void rows_norm(const float *x, int64_t stride, const float *weight, float *out, int64_t rows, int32_t n, double eps) {
    const Kernels *kernels = kernels_best();
    for (int64_t i = 0; i < rows; i++) kernels->norm(x + i * stride, weight, out + i * n, n, eps);
}

/* cosine and sine are (rows, d). */
void rows_rope(const float *x, int64_t stride, const float *cosine, const float *sine, float *out, int64_t rows,
               int32_t heads, int32_t d) {
    const Kernels *kernels = kernels_best();
    for (int64_t i = 0; i < rows; i++)
        kernels->rope(x + i * stride, cosine + i * d, sine + i * d, out + i * heads * d, heads, d);
}

void rows_gated(const float *gate, int64_t gate_stride, const float *up, int64_t up_stride, float *out, int64_t rows,
                int32_t n) {
    const Kernels *kernels = kernels_best();
    for (int64_t i = 0; i < rows; i++) kernels->gated(gate + i * gate_stride, up + i * up_stride, out + i * n, n);
}
