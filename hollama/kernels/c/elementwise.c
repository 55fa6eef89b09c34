/* Norms, quantisation, rotary embedding, gates, sum, embedding and the store into a page: golden's operations on rows of
 * floats. Compiled once for each instruction set, as SET; the compiler vectorises every loop. Knows no other kernel. */
#include "arithmetic.h"
#include "kernels.h"

#include <math.h>

enum { SUM = 32, HEAD_DIM_MAX = 256 };

static float power_of_two(int32_t exponent) { return float_of((exponent + 127) << 23); }

/* The exponent e of golden's norm: max |x| = f * 2^e, f in [0.5, 1). */
static int32_t largest_exponent(const float *x, int32_t n) {
    int32_t largest = 0; /* floats without sign are ordered as their bits are */
    int exponent;
    for (int32_t i = 0; i < n; i++) {
        const int32_t magnitude = bits_of(x[i]) & INT32_MAX;
        largest = magnitude > largest ? magnitude : largest;
    }
    frexpf(float_of(largest), &exponent);
    return exponent;
}

/* Sum of rint(x * 2^shift)^2. Two factors, as 2^shift may be too large for a float. */
static int64_t sum_of_squares(const float *x, int32_t n, int32_t shift) {
    const int32_t first = shift < 127 ? shift : 127;
    const float one = power_of_two(first), other = power_of_two(shift - first);
    uint64_t sum = 0; /* far below 2^63, but for values that are no numbers */
    for (int32_t i = 0; i < n; i++) {
        const int32_t t = rounded(x[i] * one * other);
        sum += (uint64_t)((int64_t)t * t);
    }
    return (int64_t)sum;
}

void NAMED(norm, SET)(const float *x, const float *weight, float *out, int32_t n, double eps) {
    const int32_t exponent = largest_exponent(x, n);
    const int64_t sum = sum_of_squares(x, n, 22 - exponent);
    const double mean = ldexp((double)sum, 2 * exponent - 44) / n + eps;
    const float inverse = (float)(1 / sqrt(mean == 0 ? 1 : mean));
    INDEPENDENT
    for (int32_t i = 0; i < n; i++) out[i] = x[i] * inverse * weight[i];
}

static int64_t sum_of(const float *x, int32_t n, int32_t shift) {
    const int32_t first = shift < 127 ? shift : 127;
    const float one = power_of_two(first), other = power_of_two(shift - first);
    int64_t sum = 0;
    for (int32_t i = 0; i < n; i++) sum += rounded(x[i] * one * other);
    return sum;
}

void NAMED(layer_norm, SET)(const float *x, const float *weight, const float *bias, float *out, int32_t n,
                            double eps) {
    const int32_t exponent = largest_exponent(x, n);
    const float mean = (float)(ldexp((double)sum_of(x, n, 22 - exponent), exponent - 22) / n);
    INDEPENDENT
    for (int32_t i = 0; i < n; i++) out[i] = x[i] - mean;
    NAMED(norm, SET)(out, weight, out, n, eps);
    if (bias)
        for (int32_t i = 0; i < n; i++) out[i] += bias[i];
}

/* q - shift of n values. */
#define QUANTISE(x, out, n, inverse, zero_point, top, shift)                                                         \
    do {                                                                                                             \
        const float lowest = (float)-(zero_point), highest = (float)((top) - (zero_point));                          \
        const int32_t offset = (zero_point) - (shift);                                                               \
        for (int32_t i = 0; i < (n); i++)                                                                            \
            (out)[i] = rounded(at_most(at_least((x)[i] * (inverse), lowest), highest)) + offset;                      \
    } while (0)

static int32_t filled(int32_t n) { return (n + BLOCK - 1) / BLOCK * BLOCK; }

static void sum_groups(const int8_t *values, int32_t *sums, int32_t n) {
    for (int32_t group = 0; group < n / SUM; group++) {
        int32_t sum = 0;
        for (int32_t i = 0; i < SUM; i++) sum += values[group * SUM + i];
        sums[group] = sum;
    }
}

static void quantise(const float *restrict x, int8_t *restrict out, int32_t n, float inverse, int32_t zero_point) {
    QUANTISE(x, out, n, inverse, zero_point, 255, 128);
}

void NAMED(quantise8, SET)(const float *x, int8_t *low, int32_t *sums, int32_t n, float inverse, int32_t zero_point) {
    quantise(x, low, n, inverse, zero_point);
    memset(low + n, 0, (size_t)(filled(n) - n));
    sum_groups(low, sums, filled(n));
}

static void quantise_parts(const float *restrict x, int8_t *restrict low, int8_t *restrict high, int32_t n,
                           float inverse, int32_t zero_point) {
    int32_t q[BLOCK];
    for (int32_t start = 0; start < n; start += BLOCK) {
        const int32_t count = n - start < BLOCK ? n - start : BLOCK;
        QUANTISE(x + start, q, count, inverse, zero_point, 65535, 0);
        for (int32_t i = 0; i < count; i++) {
            low[start + i] = (int8_t)((q[i] & 255) - 128);
            high[start + i] = (int8_t)((q[i] >> 8) - 128);
        }
    }
}

void NAMED(quantise16, SET)(const float *x, int8_t *low, int8_t *high, int32_t *low_sums, int32_t *high_sums,
                            int32_t n, float inverse, int32_t zero_point) {
    quantise_parts(x, low, high, n, inverse, zero_point);
    memset(low + n, 0, (size_t)(filled(n) - n));
    memset(high + n, 0, (size_t)(filled(n) - n));
    sum_groups(low, low_sums, filled(n));
    sum_groups(high, high_sums, filled(n));
}

void NAMED(quantise_query, SET)(const float *restrict x, int16_t *restrict out, int32_t n, float inverse) {
    QUANTISE(x, out, n, inverse, 32768, 65535, 32768);
}

void NAMED(rope, SET)(const float *restrict x, const float *restrict cosine, const float *restrict sine,
                      float *restrict out, int32_t heads, int32_t d) {
    const int32_t half = d / 2;
    for (int32_t head = 0; head < heads; head++, x += d, out += d) {
        for (int32_t i = 0; i < half; i++) out[i] = x[i] * cosine[i] + x[half + i] * sine[i];
        for (int32_t i = half; i < d; i++) out[i] = x[i] * cosine[i] + x[i - half] * sine[i];
    }
}

/* The logistic function of u / log2(e). */
static inline float logistic(float u) {
    const float t = exp2_below_one(-fabsf(u));
    return (u >= 0 ? 1 : t) / (1 + t);
}

/* The share of a normal distribution beyond |x|. */
static inline float normal_tail(float x) {
    const float t = 1 / (1 + 0x1.da6710p-3f * fabsf(x));
    float y = 0x1.0fb844p-1f;
    y = y * t + -0x1.7401c6p-1f;
    y = y * t + 0x1.6be1c6p-1f;
    y = y * t + -0x1.23531cp-3f;
    y = y * t + 0x1.04f20cp-3f;
    return y * t * exp2_below_one(x * x * -0x1.715476p-1f);
}

static inline float silu(float x) { return x * logistic(x * 0x1.715476p0f); }

void NAMED(gated, SET)(const float *gate, const float *up, float *out, int32_t n) {
    INDEPENDENT
    for (int32_t i = 0; i < n; i++) out[i] = silu(gate[i]) * up[i];
}

void NAMED(gelu, SET)(const float *x, float *out, int32_t n) {
    INDEPENDENT
    for (int32_t i = 0; i < n; i++) {
        const float tail = normal_tail(x[i]);
        out[i] = x[i] * (x[i] >= 0 ? 1 - tail : tail);
    }
}

void NAMED(gelu_tanh, SET)(const float *x, float *out, int32_t n) {
    INDEPENDENT
    for (int32_t i = 0; i < n; i++)
        out[i] = x[i] * logistic(x[i] * (0x1.26aec2p+1f + 0x1.a5a7d0p-4f * (x[i] * x[i])));
}

void NAMED(add, SET)(const float *x, const float *y, float *out, int32_t n) {
    INDEPENDENT
    for (int32_t i = 0; i < n; i++) out[i] = x[i] + y[i];
}

void NAMED(embed, SET)(const uint16_t *restrict row, float *restrict out, int32_t n, float scale, int32_t zero_point) {
    for (int32_t i = 0; i < n; i++) out[i] = (float)(row[i] - zero_point) * scale;
}

void NAMED(store, SET)(const float *k, const float *v, int8_t *page, int32_t token, int32_t cache, KvShape shape,
                       float inverse_k, int32_t zero_k, float inverse_v, int32_t zero_v) {
    const int32_t d = shape.head_dim;
    const size_t head_bytes = (size_t)PAGE_TOKENS * (size_t)d;
    int8_t *cached = page + 2 * (size_t)cache * (size_t)shape.kv_heads * head_bytes, *keys = cached + 4 * token;
    int8_t *values = cached + (size_t)shape.kv_heads * head_bytes + token / 4 * 4 * d + token % 4;
    int8_t row[HEAD_DIM_MAX];
    for (int32_t head = 0; head < shape.kv_heads; head++, keys += head_bytes, values += head_bytes) {
        quantise(k + head * d, row, d, inverse_k, zero_k);
        for (int32_t i = 0; i < d; i += 4) memcpy(keys + i * PAGE_TOKENS, row + i, 4);
        quantise(v + head * d, row, d, inverse_v, zero_v);
        for (int32_t i = 0; i < d; i++) values[4 * i] = row[i];
    }
}
