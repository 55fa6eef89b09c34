/* The linear layer with weights of 8 bits, which lie as they are multiplied: bytes w + 128 of four inputs and sixteen
 * outputs. Compiled once for each instruction set with dot products, as SET. */
#include "linear.h"

#define NAMED_(operation, set) operation##_##set
#define NAMED(operation, set) NAMED_(operation, set)
#define UNROLL _Pragma("GCC unroll 32")

/* V, LANES              a vector and how many int32 it holds: 16, 8 or 4 outputs
 * LOAD(p), STORE(p, v)  whole vectors, anywhere
 * SPLAT(i), QUAD(p)     an int32, or the 4 bytes at p, in every lane
 * WEIGHTS(p)            a vector of weights, as DOT wants it; + 128 if UNSIGNED
 * DOT(v, w, a)          v + the dot products of 4 weights and 4 bytes each
 * ROWS, VECTORS         of a tile whose sums fit the registers */
#if defined(__AVX512VNNI__)
#include <immintrin.h>
typedef __m512i V, Weights;
enum { LANES = 16, UNSIGNED = 1, ROWS = 12, VECTORS = 2 };
#define STORE(p, v) _mm512_storeu_si512(p, v)
#define SPLAT(i) _mm512_set1_epi32(i)
#define WEIGHTS(p) _mm512_loadu_si512(p)
#define DOT(v, w, a) _mm512_dpbusd_epi32(v, w, a)

#elif defined(__AVX2__)
#include <immintrin.h>
typedef __m256i V;
#define STORE(p, v) _mm256_storeu_si256((__m256i *)(void *)(p), v)
#define SPLAT(i) _mm256_set1_epi32(i)
#define LOAD(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#if defined(__AVXVNNI__)
typedef __m256i Weights;
enum { LANES = 8, UNSIGNED = 1, ROWS = 6, VECTORS = 2 };
#define WEIGHTS(p) LOAD(p)
#define DOT(v, w, a) _mm256_dpbusd_avx_epi32(v, w, a)
#else
/* Products of words: those of bytes would not fit the 16 bits in which they are added. */
typedef struct { __m256i even, odd; } Weights;
enum { LANES = 8, UNSIGNED = 0, ROWS = 4, VECTORS = 2 };
#define WEIGHTS(p) words_of(_mm256_xor_si256(LOAD(p), _mm256_set1_epi8((char)0x80)))
#define DOT(v, w, a) dot(v, w, words_of(a))

static inline Weights words_of(__m256i bytes) {
    return (Weights){_mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8), _mm256_srai_epi16(bytes, 8)};
}

static inline V dot(V v, Weights w, Weights a) {
    return _mm256_add_epi32(v, _mm256_add_epi32(_mm256_madd_epi16(w.even, a.even), _mm256_madd_epi16(w.odd, a.odd)));
}
#endif

#else
#include <arm_neon.h>
typedef int32x4_t V;
typedef int8x16_t Weights;
enum { LANES = 4, UNSIGNED = 0, ROWS = 6, VECTORS = 4 };
#define STORE(p, v) vst1q_s32(p, v)
#define SPLAT(i) vdupq_n_s32(i)
#define WEIGHTS(p) vreinterpretq_s8_u8(veorq_u8(vld1q_u8(p), vdupq_n_u8(0x80)))
#define DOT(v, w, a) vdotq_s32(v, w, vreinterpretq_s8_s32(a))
#endif

typedef int32_t Unaligned __attribute__((may_alias, aligned(1)));

#define QUAD(p) SPLAT(*(const Unaligned *)(const void *)(p))

enum { PARTS = PANEL / LANES, VECTOR = 4 * LANES, PANELS = VECTORS / PARTS };

/* sums [rows][PANELS * 16] of `rows` rows for the panels that begin at `weights`. */
static ALWAYS_INLINE void tile(const int rows, const uint8_t *const *weights, int32_t quads, const int8_t *a,
                               int32_t stride, const int32_t *starts, int32_t (*sums)[PANELS * PANEL]) {
    V total[ROWS * VECTORS];
    UNROLL for (int m = 0; m < rows; m++)
        UNROLL for (int v = 0; v < VECTORS; v++) total[m * VECTORS + v] = SPLAT(starts[m]);
    for (int32_t quad = 0; quad < quads; quad++, a += 4) {
        Weights w[VECTORS];
        UNROLL for (int v = 0; v < VECTORS; v++)
            w[v] = WEIGHTS(weights[v / PARTS] + (size_t)quad * 4 * PANEL + v % PARTS * VECTOR);
        UNROLL for (int m = 0; m < rows; m++) {
            const V values = QUAD(a + (size_t)m * stride);
            UNROLL for (int v = 0; v < VECTORS; v++)
                total[m * VECTORS + v] = DOT(total[m * VECTORS + v], w[v], values);
        }
    }
    UNROLL for (int m = 0; m < rows; m++)
        UNROLL for (int v = 0; v < VECTORS; v++) STORE(sums[m] + v * LANES, total[m * VECTORS + v]);
}

static void tile_rows(int32_t rows, const uint8_t *const *weights, int32_t blocks, const int8_t *a, int32_t stride,
                      const int32_t *sums_of_32, int32_t (*sums)[PANELS * PANEL]) {
    int32_t starts[ROWS] = {0};
    if (UNSIGNED)
        for (int32_t m = 0; m < rows; m++) {
            int32_t sum = 0;
            for (int32_t i = 0; i < stride / 32; i++) sum += sums_of_32[m * (stride / 32) + i];
            starts[m] = -128 * sum;
        }
    switch (rows) {
#define CASE(N) \
    case N: tile(N, weights, blocks * QUADS, a, stride, starts, sums); break;
        CASE(1) CASE(2) CASE(3) CASE(4)
#if !defined(__AVX2__) || defined(__AVXVNNI__) || defined(__AVX512VNNI__)
        CASE(5) CASE(6)
#endif
#if defined(__AVX512VNNI__)
        CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#endif
#undef CASE
    }
}

void NAMED(linear8, SET)(const Linear *linear, const Activations *x, Matrix out, Matrix add, int32_t first,
                         int32_t last, void *scratch) {
    (void)scratch;
    for (int32_t panel = first; panel < last; panel += PANELS) {
        const int32_t panels = smaller(PANELS, last - panel);
        const uint8_t *weights[PANELS];
        for (int32_t p = 0; p < PANELS; p++) /* a missing panel repeats the last, its sums are dropped */
            weights[p] = linear->packed + (size_t)(panel + smaller(p, panels - 1)) * linear->blocks * EXPANDED_BYTES;
        for (int32_t row = 0; row < x->rows; row += ROWS) {
            const int32_t rows = smaller(ROWS, x->rows - row);
            const size_t at = (size_t)row * x->stride, sums_at = at / 32;
            int32_t low[ROWS][PANELS * PANEL], high[ROWS][PANELS * PANEL];
            tile_rows(rows, weights, linear->blocks, x->low + at, x->stride, x->low_sums + sums_at, low);
            if (x->high)
                tile_rows(rows, weights, linear->blocks, x->high + at, x->stride, x->high_sums + sums_at, high);
            for (int32_t p = 0; p < panels; p++)
                finish(linear, x, row, rows, panel + p, low[0] + p * PANEL, x->high ? high[0] + p * PANEL : NULL,
                       PANELS * PANEL, out, add);
        }
    }
}
